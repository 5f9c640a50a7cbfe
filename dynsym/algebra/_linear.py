"""Subspaces, quotients and changes of basis of a tensor of structure constants.

Subspaces are orthonormal rows (k, r); ad matrices act on row vectors, y -> y @ ad_x = [x, y]. Every
threshold here is absolute: callers scale the tensor with `unit_size` first, so that `tol` is relative to
the largest |ad_x|.
"""

from __future__ import annotations

import numpy as np

from dynsym._checks import Array

_EXACT = 1e-5  # tolerance up to which structure constants count as free of noise
_FLOOR = 0.05
_MOST_STEPS = 30


def unit_size(c: Array) -> tuple[Array, float]:
    """Return c / size with size = max over unit x of |ad_x| (Frobenius), and that size (1 if c is zero)."""
    r = c.shape[0]
    size = float(np.linalg.norm(c.reshape(r, r * r), 2)) if c.size else 0.0
    return (c / size, size) if size > 0 else (c, 1.0)


def balance(c: Array, tol: float) -> tuple[Array, Array]:
    """Change to a basis in which the ad_x of unit x are of more equal size; return c and g of `change_basis`.

    Half-way steps towards whitening trace(ad_x^T ad_y), with its relative eigenvalues cut at a floor. With noise
    one step: in bases of condition 10 with noise 1e-4 it turns 189 wrong names of 396 into none, while further
    steps, or a lower floor, inflate central directions and with them the noise (heisenberg is the first to
    fail). Exact constants (`tol` up to 1e-5) take as many steps as help, which bears bases of condition 1e3.
    """
    if tol > _EXACT:
        return _balanced(c, _FLOOR, 0.0)
    whole, spread = np.eye(c.shape[0]), np.inf
    for _ in range(_MOST_STEPS):
        found = _spread(c, tol * tol)
        if found >= 0.9 * spread:
            break
        spread = found
        c, g = _balanced(c, 0.01, tol * tol)
        whole = g @ whole
    return c, whole


def _balanced(c: Array, floor: float, nothing: float) -> tuple[Array, Array]:
    """One half-way step; eigenvalues up to `nothing`, relative to the largest, belong to the centre and stay."""
    r = c.shape[0]
    rows = c.reshape(r, r * r)
    values, vectors = np.linalg.eigh(rows @ rows.T)
    top = float(np.max(values, initial=0.0))
    if top == 0.0:
        return c, np.eye(r)
    relative = np.where(values > nothing * top, np.maximum(values / top, floor), 1.0)
    g = (vectors * relative**-0.25).T
    return unit_size(change_basis(c, g))[0], g


def _spread(c: Array, nothing: float) -> float:
    """Largest over smallest |ad_x|^2 of unit x outside the centre."""
    values = np.linalg.svd(c.reshape(len(c), -1), compute_uv=False) ** 2 if c.size else np.ones(1)
    values = values[values > nothing * values[0]] if values[0] > 0 else np.ones(1)
    return float(values[0] / values[-1])


def span(rows: Array, tol: float) -> Array:
    """Orthonormal basis (k, r) of the span of the rows (m, r), dropping singular values <= tol."""
    if rows.size == 0:
        return np.zeros((0, rows.shape[1]))
    _, s, vt = np.linalg.svd(rows, full_matrices=False)
    return np.asarray(vt[s > tol])


def null_space(matrix: Array, tol: float) -> Array:
    """Orthonormal rows (k, r) with matrix @ row = 0, up to singular values <= tol."""
    m, r = matrix.shape
    if m == 0 or r == 0:
        return np.eye(r)
    _, s, vt = np.linalg.svd(matrix, full_matrices=m < r)
    rank = int(np.sum(s > tol))
    return np.asarray(vt[rank:].conj())


def complement(rows: Array) -> Array:
    """Orthonormal basis (r - k, r) of the orthogonal complement of orthonormal rows (k, r)."""
    return null_space(rows, 0.5)


def brackets(c: Array, left: Array, right: Array) -> Array:
    """All brackets [left_a, right_b] as rows (a b, r)."""
    values = np.einsum("ai,bj,ijk->abk", left, right, c, optimize=True)
    return np.asarray(values.reshape(len(left) * len(right), c.shape[2]))


def restrict(c: Array, rows: Array) -> Array:
    """Structure constants of the subalgebra with the orthonormal basis `rows`."""
    return np.asarray(np.einsum("ai,bj,ijk,dk->abd", rows, rows, c, rows, optimize=True))


def quotient(c: Array, ideal: Array) -> Array:
    """Structure constants of the quotient by the ideal with the orthonormal basis `ideal`.

    The orthogonal complement is a set of representatives; dropping the part of a bracket along the ideal is
    the same contraction as restricting to the complement.
    """
    return restrict(c, complement(ideal))


def action(c: Array, actors: Array, module: Array) -> Array:
    """Matrices (h, n, n) by which the actors act on the module: rows y -> y @ X."""
    return np.asarray(np.einsum("ai,bj,ijk,dk->abd", actors, module, c, module, optimize=True))


def change_basis(c: Array, g: Array) -> Array:
    """Structure constants in the basis e'_a = sum_i g[a, i] e_i."""
    return np.asarray(np.einsum("ai,bj,ijk,kd->abd", g, g, c, np.linalg.inv(g), optimize=True))
