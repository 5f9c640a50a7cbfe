"""Names of V + H where H is a Lie algebra of matrices that acts on a vector space V (semidirect sums)."""

from __future__ import annotations

import numpy as np

from dynsym._checks import Array
from dynsym.algebra._kinematic_names import on_heisenberg, on_translations
from dynsym.algebra._linear import null_space, restrict, span
from dynsym.algebra._solvable4 import block_kind
from dynsym.algebra.ideals import decompose
from dynsym.algebra.invariants import signature
from dynsym.algebra.simple import killing_units, simple_names

Names = tuple[str, ...]


def traceless_span(matrices: Array, tol: float) -> Array:
    """Orthonormal basis (k, n, n) of the span of the trace-free parts of the matrices (h, n, n)."""
    n = matrices.shape[1]
    traces = np.trace(matrices, axis1=1, axis2=2) / n
    free = matrices - traces[:, None, None] * np.eye(n)
    return span(free.reshape(-1, n * n), tol).reshape(-1, n, n)


def invariant_forms(matrices: Array, sign: int, tol: float) -> Array:
    """Basis (d, n, n) of the forms with X B + B X^T = 0 and B^T = sign B."""
    n = matrices.shape[1]
    eye = np.eye(n)
    rows = [np.kron(x, eye) + np.kron(eye, x) for x in matrices]
    swap = np.eye(n * n).reshape(n, n, n, n).transpose(1, 0, 2, 3).reshape(n * n, n * n)
    return null_space(np.concatenate([*rows, np.eye(n * n) - sign * swap]), tol).reshape(-1, n, n)


def orthogonal_signature(matrices: Array, tol: float) -> tuple[int, int] | None:
    """(p, q), p >= q, if the trace-free matrices (h, n, n) span so(p, q) of a non-degenerate form, else None.

    Dimension n (n - 1) / 2 inside the stabiliser of a form is all of it, so nothing is left to guess.
    """
    n = matrices.shape[1]
    if n < 2 or len(matrices) != n * (n - 1) // 2:
        return None
    forms = invariant_forms(matrices, 1, tol)
    if len(forms) != 1:
        return None
    plus, minus, zero = signature(forms[0] / np.linalg.norm(forms[0], 2), tol)
    return None if zero else (max(plus, minus), min(plus, minus))


def affine_names(matrices: Array, tol: float) -> Names:
    """Names of R^n + H for a faithful H: the affine, Euclidean, similarity, Bianchi and Galilei algebras."""
    h, n, _ = matrices.shape
    free = traceless_span(matrices, tol)
    scalars = h - len(free)
    traces = np.trace(matrices, axis1=1, axis2=2)
    balanced = bool(np.all(np.abs(traces) <= tol * np.linalg.norm(matrices, axis=(1, 2)) * np.sqrt(n)))
    if n == 1:
        return ("aff(1)", "aff(1,R)")
    if len(free) == n * n - 1:
        return (f"aff({n})", f"aff({n},R)") if scalars else (f"sa({n})", f"sa({n},R)")
    if n == 2 and h == 1:
        return _bianchi(matrices[0], tol)
    pair = orthogonal_signature(free, tol)
    if pair is not None and (scalars or balanced):
        return _metric_names(n, pair, bool(scalars))
    if n % 2 == 0 and balanced:
        return (
            _symplectic_names(free, tol)
            or _galilei(matrices, "galilei", tol)
            or on_translations(matrices, tol)
        )
    return ()


def _metric_names(n: int, pair: tuple[int, int], scalars: bool) -> Names:
    p, q = pair
    if q == 0 and scalars:
        return (f"sim({n})", "aff(1,C)") if n == 2 else (f"sim({n})",)
    if q == 0:
        return (f"se({n})", f"e({n})", f"iso({n})")
    name = f"sim({p},{q})" if scalars else f"iso({p},{q})"
    also = {"iso(3,1)": ("poincare", "poincare(3+1)"), "iso(2,1)": ("poincare(2+1)",)}
    return (name, *also.get(name, ()))


def _symplectic_names(free: Array, tol: float) -> Names:
    n = free.shape[1]
    if len(free) != n * (n + 1) // 2:
        return ()
    forms = invariant_forms(free, -1, tol)
    return (f"isp({n},R)",) if len(forms) == 1 and np.linalg.matrix_rank(forms[0], tol=tol) == n else ()


def _bianchi(matrix: Array, tol: float) -> Names:
    """Names of R^2 + R by the eigenvalues a +- sqrt(d) of the one matrix; h = -a^2 / d is scale-free.

    References
    ----------
    G. F. R. Ellis and M. A. H. MacCallum (1969), Comm. Math. Phys. 12, 108-141 (types and parameter h).
    """
    kind, half, root = block_kind(matrix, tol)
    if kind == "scalar":
        return ("bianchi V",)
    if kind == "jordan":
        return ("bianchi IV",)
    if half * half <= tol * tol * root * root:
        split, compact = (
            ("e(1,1)", "iso(1,1)", "poincare(1+1)", "bianchi VI(0)"),
            ("se(2)", "e(2)", "iso(2)", "bianchi VII(0)"),
        )
        return split if kind == "real" else compact
    h = half * half / root**2
    return (f"bianchi VI({-h:.4g})",) if kind == "real" else (f"bianchi VII({h:.4g})",)


def _galilei(matrices: Array, family: str, tol: float) -> Names:
    """`family(k)` if H = so(k) + one nilpotent N of rank k, N^2 = 0, with so(k) acting on the image of N.

    N is found as the radical of the trace form: trace(N Y) = 0 for every Y in H.
    """
    n = matrices.shape[1]
    k = n // 2
    if k < 2 or len(matrices) != k * (k - 1) // 2 + 1:
        return ()
    unit = span(matrices.reshape(-1, n * n), tol).reshape(-1, n, n)
    null = null_space(np.einsum("aij,bji->ab", unit, unit), tol)
    if len(null) != 1:
        return ()
    nilpotent = np.tensordot(null[0], unit, axes=1)
    image = span(nilpotent, tol)
    if len(image) != k or np.linalg.norm(nilpotent @ nilpotent) > tol:
        return ()
    if k == 2 and not _turns(np.tensordot(null_space(null, 0.5)[0], unit, axes=1), nilpotent, tol):
        return ()
    inside = traceless_span(np.einsum("ai,hij,bj->hab", image, unit, image), tol)
    return (f"{family}({k})",) if orthogonal_signature(inside, tol) == (k, 0) else ()


def _turns(element: Array, nilpotent: Array, tol: float) -> bool:
    """Whether the square of element + a N is a multiple of 1 for some a: it lies in span(1, element N).

    so(2) is not semisimple, so unlike so(k) it may act by i (1 + b N), which is another algebra.
    """
    square = element @ element
    rest = square - np.trace(square) / len(square) * np.eye(len(square))
    mixed = (element @ nilpotent) / np.linalg.norm(element @ nilpotent)
    return float(np.linalg.norm(rest - np.sum(rest * mixed) * mixed)) <= tol


def heisenberg_names(matrices: Array, quotient: Array, symplectic: Array, tol: float) -> Names:
    """Names of Heisenberg(R^2k) + H with H in sp(2k, R): oscillator, Jacobi, Schroedinger, Bargmann, Carroll.

    `quotient` (h, h, h) holds the structure constants of H, `symplectic` (2k, 2k) the form with [x, y] = w(x, y) 1.
    """
    h, n, _ = matrices.shape
    k = n // 2
    if h == 1 and n == 2:
        d = -float(np.linalg.det(matrices[0]))
        if abs(d) <= tol * float(np.sum(matrices[0] ** 2)):
            return ()
        return ("split oscillator",) if d > 0 else ("oscillator", "diamond", "nappi-witten")
    if h == k * (2 * k + 1):
        return ("schroedinger(1)", "jacobi(1)") if k == 1 else (f"jacobi({k})",)
    if k >= 2 and h == k * (k - 1) // 2 + 1:
        return _galilei(matrices, "bargmann", tol)
    return _schroedinger(matrices, quotient, tol) or on_heisenberg(matrices, symplectic, tol)


def _schroedinger(matrices: Array, quotient: Array, tol: float) -> Names:
    """sl(2, R) + so(k) on the tensor product of R^2 and R^k: dimension, simple ideals, invariant forms."""
    k = matrices.shape[1] // 2
    if k < 2 or len(matrices) != k * (k - 1) // 2 + 3:
        return ()
    trace_form = np.einsum("aij,bji->ab", matrices, matrices)
    found = signature(trace_form / np.linalg.norm(trace_form, 2), tol)
    # The trace form is positive on two directions of sl(2, R) and negative on its rotation and on so(k). A
    # representation that is a sum, instead of the product, would keep more than one antisymmetric form.
    if found != (2, len(matrices) - 2, 0) or len(invariant_forms(matrices, -1, tol)) != 1:
        return ()
    if k == 2:
        return ("schroedinger(2)",)
    expected = {3: ["sl(2,R)", "so(3)"], 4: ["sl(2,R)", "so(3)", "so(3)"]}.get(k, ["sl(2,R)", f"so({k})"])
    units = killing_units(quotient)
    parts = [
        (killing_units(restrict(units, ideal.rows)), ideal.is_complex) for ideal in decompose(units, tol)
    ]
    names = sorted((simple_names(part, tol, flag) or ("",))[0] for part, flag in parts)
    return (f"schroedinger({k})",) if names == sorted(expected) else ()
