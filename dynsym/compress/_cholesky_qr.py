"""The triangular factor of a stretch of rows that are made again and again rather than kept: CholeskyQR, twice if need be.

With G = A^T A and G = C^T C, C is the triangle of a QR factorisation of A with an error of cond(A)^2 times rounding, at
the cost of one matrix product: where the measured condition number of the equal-length columns of A is small, that is
all. Where it is larger, a second pass over the same rows factors A C^-1, which is nearly orthogonal, so that C_2 C has the
accuracy of Householder's method (CholeskyQR2). Where the columns are dependent to rounding, the rows are factored by
Householder transformations, chunk by chunk (TSQR). Which of these it was is part of the answer.

References
----------
Yamamoto, Nakatsukasa, Yanagisawa, Fukaya (2015), Roundoff error analysis of the CholeskyQR2 algorithm, ETNA 44; Demmel,
Grigori, Hoemmen, Langou (2012), Communication-optimal parallel and sequential QR and LU factorizations, SISC 34.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from .._checks import Array
from ._factor import triangle_of_rows

Batches = Callable[[], Iterable[Array]]
"""Gives the rows as columns of matrices (p + n, k), anew at each call; a matrix may be overwritten for the next."""

ONE_PASS, TWO_PASSES, HOUSEHOLDER = "CholeskyQR", "CholeskyQR2", "TSQR"

_ONE_PASS = (
    1e4  # condition number up to which the triangle of one pass is right to about 1e-12 of its columns
)
_TWO_PASSES = 1e7  # beyond this the first triangle has no correct digit to start the second pass from
_LEFT = 1e-11  # share of a target's square that must be left unexplained for one pass to know it to 1e-5
_FLOOR = 1e-7  # least residual, relative to the target, that the second pass is scaled by
_ORTHOGONAL = 100.0  # condition number that the second pass must find
_SMALL_PRODUCT = (
    1_000_000  # entries times length up to which BLAS skips its packing, which costs more than the product
)
_WIDE = 160  # columns from which a symmetric product is faster in one call
_PANEL = 32  # columns eliminated together in a triangular solve


@dataclass(frozen=True, eq=False)
class Triangle:
    """R (p + n, p + n) of rows [A | Y], how it was made, and the condition number of the columns of A scaled to length 1."""

    matrix: Array
    route: str
    condition: float
    n_rows: int


def batch_size(columns: int) -> int:
    """Rows worked on together: few enough that they stay in cache."""
    size = 512
    while size < 4096 and 2 * size * columns * 6 <= _SMALL_PRODUCT:
        size *= 2
    return size


def triangle_of(batches: Batches, p: int, n: int) -> Triangle:
    """The triangle of rows of p terms and n targets, by the cheapest route that is accurate for them."""
    gram, count = _gram(batches(), p + n)
    size = np.sqrt(np.diag(gram))
    if not np.isfinite(size).all():
        return Triangle(np.diag(size), HOUSEHOLDER, np.inf, count)
    size = np.where(size > 0, size, 1.0)
    equal = gram / np.outer(size, size)
    first = _cholesky(equal[:p, :p])
    condition = _condition(first) if first is not None else np.inf
    if first is not None and condition <= _TWO_PASSES:
        shape = sla.solve_triangular(first, equal[:p, p:], trans="T")
        left = equal[p:, p:] - shape.T @ shape
        if condition <= _ONE_PASS:
            rest = _cholesky(left)
            if rest is not None and (np.diag(rest) ** 2 >= _LEFT).all():
                return Triangle(_stacked(first, shape, rest) * size, ONE_PASS, condition, count)
        scale = np.sqrt(np.maximum(np.diag(left), _FLOOR**2))
        found = _second_pass(batches, _stacked(first, shape, np.diag(scale)), size, p)
        if found is not None:
            return Triangle(found, TWO_PASSES, condition, count)
    return Triangle(_householder(batches(), size), HOUSEHOLDER, condition, count)


def _second_pass(batches: Batches, start: Array, size: Array, p: int) -> Array | None:
    """R = C_2 C from the rows A C^-1, or None if these are not nearly orthogonal. The targets lose what A explains."""
    solve = _Substitution(start * size)
    gram, _ = _gram((solve(rows) for rows in batches()), len(size))
    again = _cholesky(gram[:p, :p])
    if again is None or _condition(again) > _ORTHOGONAL:
        return None
    shape = sla.solve_triangular(again, gram[:p, p:], trans="T")
    left = gram[p:, p:] - shape.T @ shape
    return _stacked(again, shape, _semidefinite_root(left)) @ (start * size)


def _gram(batches: Iterable[Array], columns: int) -> tuple[Array, int]:
    """Sum of A A^T over batches (p + n, k), and the number of rows.

    Tiles of the upper triangle: small products of OpenBLAS run at twice the speed of its symmetric one.
    """
    total, scratch = np.zeros((columns, columns)), np.empty((columns, columns))
    count = 0
    for rows in batches:
        k = rows.shape[1]
        count += k
        tile = columns if columns > _WIDE else max(4, min(columns, _SMALL_PRODUCT // max(columns * k, 1)))
        if tile >= columns:
            np.matmul(rows, rows.T, out=scratch)
        else:
            for a in range(0, columns, tile):
                np.matmul(rows[a : a + tile], rows[a:].T, out=scratch[a : a + tile, a:])
        total += scratch
    upper = np.triu(total)
    return upper + np.triu(upper, 1).T, count


class _Substitution:
    """Rows (p + n, k) -> C^-T rows by blocked forward substitution, in products that other threads can run beside."""

    def __init__(self, upper: Array) -> None:
        self._panels = []
        for a in range(0, len(upper), _PANEL):
            b = min(a + _PANEL, len(upper))
            corner = sla.solve_triangular(upper[a:b, a:b], np.eye(b - a), trans="T")
            self._panels.append((a, b, np.ascontiguousarray(upper[:a, a:b].T), corner))

    def __call__(self, rows: Array) -> Array:
        out = np.empty_like(rows)
        for a, b, above, corner in self._panels:
            panel = rows[a:b] - above @ out[:a] if a else rows[a:b]
            np.matmul(corner, panel, out=out[a:b])
        return out


def _householder(batches: Iterable[Array], size: Array) -> Array:
    """The triangle by orthogonal transformations alone, batch by batch; columns are scaled so that none drowns."""
    triangle: Array = np.zeros((0, len(size)))
    for rows in batches:
        triangle = triangle_of_rows(np.vstack([triangle, rows.T / size]))
    return triangle * size


def _cholesky(gram: Array) -> Array | None:
    """Upper triangular C with C^T C = gram, or None where the matrix is not positive definite to rounding."""
    if len(gram) == 0:
        return gram
    upper, info = sla.lapack.dpotrf(gram, lower=0, clean=1)
    return upper if info == 0 else None


def _semidefinite_root(gram: Array) -> Array:
    """Upper triangular C with C^T C = gram up to rounding, where rounding may have made it slightly indefinite."""
    values, vectors = np.linalg.eigh(gram)
    return triangle_of_rows((vectors * np.sqrt(np.maximum(values, 0.0))).T)


def _condition(upper: Array) -> float:
    """Estimate of the condition number of a triangle in the 1-norm."""
    if len(upper) == 0:
        return 1.0
    reciprocal, _ = sla.lapack.dtrcon(upper, norm="1", uplo="U", diag="N")
    return 1.0 / reciprocal if reciprocal > 0 else np.inf


def _stacked(corner: Array, shape: Array, rest: Array) -> Array:
    return np.block([[corner, shape], [np.zeros(shape.shape[::-1]), rest]])
