"""Names of the indecomposable solvable algebras of dimension four that have no name in use: A4,2 to A4,11.

With those that have one (engel, both oscillators, sim(2)) and with direct sums they are all of dimension four.

References
----------
J. Patera, R. T. Sharp, P. Winternitz and H. Zassenhaus (1976), J. Math. Phys. 17, 986-994, table I (after
G. M. Mubarakzyanov, 1963).
"""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla

from dynsym._checks import Array
from dynsym.algebra._linear import action, brackets, complement, span

Names = tuple[str, ...]


def solvable4_names(c: Array, nilradical: Array, tol: float) -> Names:
    """Name of a four-dimensional algebra whose nilradical (3, 4) is abelian or a Heisenberg algebra, else ()."""
    if c.shape[0] != 4 or len(nilradical) != 3:
        return ()
    derived = span(brackets(c, nilradical, nilradical), tol)
    outside = complement(nilradical)
    if not len(derived):
        return _on_abelian(action(c, outside, nilradical)[0], tol)
    phase = span(nilradical - np.outer(nilradical @ derived[0], derived[0]), 0.5)
    return _on_heisenberg(action(c, outside, phase)[0], tol)


def block_kind(matrix: Array, tol: float) -> tuple[str, float, float]:
    """Kind of a real 2 x 2 matrix with eigenvalues half +- root: scalar, jordan, real or complex; half; root > 0."""
    half = float(np.trace(matrix)) / 2
    rest = matrix - half * np.eye(2)
    d = -float(np.linalg.det(rest))
    size = float(np.sum(rest * rest))
    if size <= (tol * half) ** 2:
        return "scalar", half, 0.0
    if abs(d) <= tol * size:
        return "jordan", half, 0.0
    return ("real" if d > 0 else "complex"), half, float(np.sqrt(abs(d)))


def _on_heisenberg(matrix: Array, tol: float) -> Names:
    """R acts on the plane x, p by this matrix, and on [x, p] by its trace."""
    kind, half, root = block_kind(matrix, tol)
    if kind == "scalar":
        return ("A4,9(1)",)
    if kind == "jordan":
        return ("A4,7",) if abs(half) > tol * np.linalg.norm(matrix) else ()
    if abs(half) <= tol * root:
        return ()  # the oscillators, which have names
    if kind == "complex":
        return (f"A4,11({abs(half) / root:.4g})",)
    low, high = sorted((half - root, half + root), key=abs)
    ratio = low / high if abs(low) > tol * abs(high) else 0.0
    return (f"A4,9({ratio:.4g})",)


def _on_abelian(matrix: Array, tol: float) -> Names:
    """R acts on R^3 by this matrix; a sum with R (a zero eigenvalue of its own) has been split off before."""
    third = float(np.trace(matrix)) / 3
    rest = matrix - third * np.eye(3)
    size = float(np.linalg.norm(rest))
    if size <= tol * abs(third):
        return ("A4,5(1,1)",)
    unit = rest / size
    if abs(np.trace(unit @ unit)) <= tol and abs(np.linalg.det(unit)) <= tol:
        if abs(third) <= tol * size:
            return ()
        return ("A4,2(1)",) if np.linalg.norm(unit @ unit) <= tol else ("A4,4",)
    single, block = _split(matrix)
    kind, half, root = block_kind(block, tol)
    if kind == "jordan":
        if abs(half) <= tol * np.linalg.norm(matrix):
            return ("A4,3",)
        return (f"A4,2({single / half:.4g})",)
    if kind == "complex":
        sign = np.sign(single) if abs(half) <= tol * root else np.sign(half)
        return (
            f"A4,6({sign * single / root:.4g},{abs(half) / root if abs(half) > tol * root else 0.0:.4g})",
        )
    return _diagonal([single, half - root, half + root])


def _split(matrix: Array) -> tuple[float, Array]:
    """The real eigenvalue farthest from the other two, and the matrix on the plane of those."""
    values = np.linalg.eigvals(matrix)
    lone = max(
        (i for i in range(3) if abs(values[i].imag) <= 1e-12 * np.max(np.abs(values))),
        key=lambda i: min(abs(values[i] - values[j]) for j in range(3) if j != i),
    )
    single = float(values[lone].real)
    far = min(abs(values[lone] - values[j]) for j in range(3) if j != lone)
    schur, _, _ = sla.schur(
        matrix, output="real", sort=lambda x, y: bool(abs(complex(x, y) - single) > far / 2)
    )
    return single, np.asarray(schur[:2, :2])


def _diagonal(values: list[float]) -> Names:
    """A4,5(a, b) with -1 <= a <= b <= 1: the eigenvalues over the largest, of either sign where two are."""
    top = max(abs(v) for v in values)
    forms = []
    for i, value in enumerate(values):
        if abs(value) >= (1 - 1e-6) * top:
            a, b = sorted(v / value for j, v in enumerate(values) if j != i)
            forms.append((round(b, 6), round(a, 6)))
    b, a = max(forms)
    return (f"A4,5({a:.4g},{b:.4g})",)
