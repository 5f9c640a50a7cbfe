"""Basis-independent numbers of a Lie algebra: centre, series, radical, Killing form."""

from __future__ import annotations

import numpy as np

from dynsym._checks import Array
from dynsym.algebra._linear import brackets, null_space, span

_DRAWS = 4  # generic elements whose powers test whether ad_x is nilpotent


def jacobi_defect(c: Array) -> float:
    """|[[x, y], z] + cyclic| / |c|^2 over basis triples (Frobenius norms): 0 for a Lie algebra.

    The scale is |c|^2, not the norm of the double brackets: for a nilpotent algebra those vanish, and noise
    would be divided by noise.
    """
    square = float(np.sum(c * c))
    if square == 0.0:
        return 0.0
    double = np.einsum("ijm,mkl->ijkl", c, c, optimize=True)
    jacobi = double + double.transpose(1, 2, 0, 3) + double.transpose(2, 0, 1, 3)
    return float(np.linalg.norm(jacobi)) / square


def killing_form(c: Array) -> Array:
    """K[i, j] = trace(ad_i ad_j), shape (r, r)."""
    return np.asarray(np.einsum("ikl,jlk->ij", c, c, optimize=True))


def signature(form: Array, tol: float) -> tuple[int, int, int]:
    """Numbers of eigenvalues of a symmetric form that are > tol, < -tol, and in between."""
    values = np.linalg.eigvalsh(form) if form.size else np.zeros(0)
    plus, minus = int(np.sum(values > tol)), int(np.sum(values < -tol))
    return plus, minus, len(values) - plus - minus


def centre(c: Array, tol: float) -> Array:
    """Orthonormal basis (k, r) of {x : [x, y] = 0 for all y}."""
    r = c.shape[0]
    return null_space(c.reshape(r, r * r).T, tol)


def derived_algebra(c: Array, tol: float) -> Array:
    """Orthonormal basis (k, r) of the span [g, g] of all brackets."""
    r = c.shape[0]
    return span(c.reshape(r * r, r), tol)


def derived_series(c: Array, tol: float) -> tuple[int, ...]:
    """Dimensions of g, [g, g], [[g, g], [g, g]], ... up to the first 0 or repetition (included)."""
    return _series(c, tol, lower_central=False)


def lower_central_series(c: Array, tol: float) -> tuple[int, ...]:
    """Dimensions of g, [g, g], [g, [g, g]], ... up to the first 0 or repetition (included)."""
    return _series(c, tol, lower_central=True)


def _series(c: Array, tol: float, lower_central: bool) -> tuple[int, ...]:
    whole = np.eye(c.shape[0])
    last, dims = whole, [c.shape[0]]
    while True:
        following = span(brackets(c, whole if lower_central else last, last), tol)
        dims.append(len(following))
        if dims[-1] == 0 or dims[-1] >= dims[-2]:
            return tuple(dims)
        last = following


def radical(c: Array, tol: float) -> Array:
    """Orthonormal basis (k, r) of the largest solvable ideal, {x : K(x, [y, z]) = 0 for all y, z}.

    References
    ----------
    W. A. de Graaf (2000), Lie Algebras: Theory and Algorithms, section 2.6 (characteristic zero).
    """
    return null_space(derived_algebra(c, tol) @ killing_form(c), tol)


def nilradical(c: Array, radical: Array, tol: float) -> Array:
    """Orthonormal rows of the largest nilpotent ideal: the x in the radical with nilpotent ad_x.

    The radical acts by triangular matrices (Lie's theorem), so trace(ad_x ad_w^k) = sum over its weights of
    weight(x) weight(w)^k; for generic w this vanishes for all k exactly where all weights of x do.

    References
    ----------
    W. A. de Graaf (2000), Lie Algebras: Theory and Algorithms, sections 2.2 and 2.3.
    """
    if not len(radical):
        return radical
    rng = np.random.default_rng(3)
    adjoint = np.einsum("ai,ijk->ajk", radical, c)
    rows = []
    for _ in range(_DRAWS):
        w = np.tensordot(rng.standard_normal(len(radical)), adjoint, axes=1)
        size = float(np.max(np.abs(np.linalg.eigvals(w)), initial=0.0))
        power = np.eye(c.shape[0])
        for _ in range(min(c.shape[0], 6)):
            rows.append(np.einsum("ajk,kj->a", adjoint, power))
            power = power @ w / max(size, 1e-3)
    # Traces add the weights of several directions; eigenvalues of nilpotent matrices carry roots of rounding errors.
    _, s, vt = np.linalg.svd(np.stack(rows), full_matrices=True)
    rank = int(np.sum(s > max(tol, 1e-8) * 10 * max(1.0, float(s[0]))))
    return np.asarray(vt[rank:] @ radical)


def facts(c: Array, tol: float) -> tuple[str, ...]:
    """What ranks at one tolerance say of an algebra, each as a few words."""
    derived = derived_series(c, tol)
    plus, minus, _ = signature(killing_form(c), tol)
    solvable = derived[-1] == 0
    return (
        f"derived {derived[1]}",
        f"centre {len(centre(c, tol))}",
        f"radical {len(radical(c, tol))}",
        "solvable" if solvable else "not solvable",
        *(["no positive Killing direction"] if plus == 0 else []),
        *(["no negative Killing direction"] if minus == 0 else []),
    )
