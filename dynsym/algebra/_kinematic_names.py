"""Names of algebras of space and time in which so(k) turns two vectors at once: Carroll, Newton-Hooke, oscillators.

References
----------
H. Bacry and J.-M. Levy-Leblond (1968), J. Math. Phys. 9, 1605-1614 (kinematical groups).
"""

from __future__ import annotations

import numpy as np

from dynsym._checks import Array
from dynsym.algebra._linear import null_space, span
from dynsym.algebra.ideals import commutant
from dynsym.algebra.invariants import signature

Names = tuple[str, ...]

_SMALL = 0.02  # square of a map of norm 1 below which it may be nilpotent, in a basis as skew as they come


def turns_two_vectors(matrices: Array, tol: float) -> bool:
    """Whether the matrices (h, 2 k, 2 k) span so(k), acting alike on two vectors.

    For k > 2: a negative trace form makes the algebra compact, commuting maps that form gl(2, R) make the module twice one of
    real type on R^k, and so(k) is the one compact algebra of dimension k (k - 1) / 2 that acts faithfully there. For k = 2 the
    square of the one turn is a negative multiple of 1.
    """
    h, n, _ = matrices.shape
    k = n // 2
    if n % 2 or k < 2 or h != k * (k - 1) // 2:
        return False
    trace_form = np.einsum("aij,bji->ab", matrices, matrices)
    if signature(trace_form / np.linalg.norm(trace_form, 2), tol) != (0, h, 0):
        return False
    if k == 2:
        unit = matrices[0] / np.linalg.norm(matrices[0], 2)
        return _multiple_of_one(unit @ unit, tol) is not None
    return len(commutant(matrices, tol)) == 4


def _multiple_of_one(square: Array, tol: float) -> float | None:
    """s with square = s 1, or None."""
    s = float(np.trace(square)) / len(square)
    return s if float(np.linalg.norm(square - s * np.eye(len(square)), 2)) <= tol else None


def on_translations(matrices: Array, tol: float) -> Names:
    """Names of R^2k + H with H = so(k), or so(k) and one map S of the pair of vectors, S^2 = 1 or -1.

    With S^2 = 0 it is the Galilei algebra, which is named elsewhere.
    """
    h, n, _ = matrices.shape
    k = n // 2
    if turns_two_vectors(matrices, tol):
        return (f"isochronous galilei({k})",)
    if k < 3 or h != k * (k - 1) // 2 + 1:
        return ()
    unit = span(matrices.reshape(h, -1), tol).reshape(h, n, n)
    products = np.einsum("aij,bjk->abik", unit, unit)
    turns = span((products - products.transpose(1, 0, 2, 3)).reshape(-1, n * n), tol).reshape(-1, n, n)
    if len(turns) != h - 1 or not turns_two_vectors(turns, tol):
        return ()
    rest = null_space(np.einsum("aij,hji->ah", turns, unit), tol)
    if len(rest) != 1:
        return ()
    drift = np.tensordot(rest[0], unit, axes=1)
    drift = drift / np.linalg.norm(drift, 2)
    s = _multiple_of_one(drift @ drift, tol)
    if s is None or abs(s) <= max(_SMALL, tol):
        return ()
    return (f"{'expanding' if s > 0 else 'oscillating'} newton-hooke({k})",)


def on_heisenberg(matrices: Array, symplectic: Array, tol: float) -> Names:
    """Names of Heisenberg(R^2k) + H with H = so(k) on x and p alike, or the energy of k equal oscillators.

    For k = 2 both are one map whose square is -1. Its quadratic form, symmetric since the map is canonical, is definite for
    the energy (x^2 + p^2) / 2 and of signature (2, 2) for the angular momentum x p_y - y p_x.
    """
    h, n, _ = matrices.shape
    k = n // 2
    if h == 1 and k >= 2:
        unit = matrices[0] / np.linalg.norm(matrices[0], 2)
        s = _multiple_of_one(unit @ unit, tol)
        if s is None or s > -max(_SMALL, tol):
            return ()
        form = unit @ symplectic
        found = signature((form + form.T) / (2 * np.linalg.norm(form, 2)), tol)
        if found in ((n, 0, 0), (0, n, 0)):
            return (f"oscillator({k})",)
        return ("carroll(2)",) if k == 2 and found == (2, 2, 0) else ()
    return (f"carroll({k})",) if turns_two_vectors(matrices, tol) else ()
