"""The triangular factor of a stretch of rows that are made again and again rather than kept: CholeskyQR from a good start.

With G = B^T B = C^T C for B = A U^-1, C U is the triangle of a QR factorisation of A with an error of cond(B)^2 times
rounding. The start U is the triangle of a few rows from all over the data, so that B is nearly orthogonal and one pass
suffices; where A itself is, only the targets are freed of what the terms explain. Where the measured condition number of B
is large all the same, a second pass over the same rows starts from C U (CholeskyQR2). Where the columns are dependent to
rounding, the rows are factored by Householder transformations, batch by batch (TSQR). Which of these it was is part of the
answer.

References
----------
Yamamoto, Nakatsukasa, Yanagisawa, Fukaya (2015), Roundoff error analysis of the CholeskyQR2 algorithm, ETNA 44, for two
passes; Balabanov (2022), Randomized Cholesky QR factorizations, arXiv:2210.09953, for the start from a sketch; Demmel,
Grigori, Hoemmen, Langou (2012), Communication-optimal parallel and sequential QR and LU factorizations, SISC 34.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg as sla

from .._checks import Array
from ..dictionary import MomentCover
from ._factor import triangle_of_rows

Batches = Callable[[], Iterable[Array]]
"""Gives the rows as columns of matrices (p + n, k), anew at each call; a matrix may be overwritten for the next."""

ONE_PASS, TWO_PASSES, HOUSEHOLDER = "CholeskyQR", "CholeskyQR2", "TSQR"

PLAIN = 300.0  # condition number of a sample up to which its terms need no start
# Condition number of the B of one block up to which its Cholesky factor is taken. What rounding does to a block is small beside
# the other blocks as long as B is well conditioned over all of them.
_ONE_PASS = 1e7
_TWO_PASSES = 1e9  # beyond this the first triangle has no correct digit to start the second pass from
_LEFT = 1e-11  # share of a target's square that must be left unexplained for one pass to know it to 1e-5
_FLOOR = 1e-7  # least residual, relative to the target, that a pass is scaled by
_ORTHOGONAL = 100.0  # condition number that the second pass must find
_DEPENDENT = 1e-13  # relative pivot of a sample below which its columns count as dependent
# Entries times length up to which OpenBLAS multiplies without packing, which costs more than the product.
_SMALL_PRODUCT = 1_000_000
# Columns from which the Gram matrix is one symmetric product: it is slower than tiles up to about 160 columns, but so long that
# two threads seldom wait for the interpreter.
ONE_PRODUCT = 40
_CACHE = 1 << 21  # bytes of a batch
_FEW_ROWS = 0.6  # share of the rows of a Gram matrix up to which computing these alone pays
_ITERATIONS = 6  # of the power method, enough for the first digit of a condition number
_PANEL = 8  # columns eliminated together: larger corners, inverted, would cost digits


@dataclass(frozen=True, eq=False)
class Triangle:
    """R (p + n, p + n) of rows [A | Y], how it was made, and the condition number of B, its columns scaled to length 1."""

    matrix: Array
    route: str
    condition: float
    n_rows: int


@dataclass(frozen=True, eq=False)
class Start:
    """U (p + n, p + n), upper triangular, with rows [A | Y] U^-1 nearly orthogonal, or at least with small targets.

    `unit` says that the terms are left as they are, U = [I, c; 0, I]: only what c explains is taken from the targets.
    """

    matrix: Array
    n_terms: int
    unit: bool

    def solver(self) -> Callable[[Array], Array]:
        """The function rows (p + n, k) -> U^-T rows; it may overwrite them."""
        if not self.unit:
            return _Substitution(self.matrix)
        p = self.n_terms
        guess = np.ascontiguousarray(self.matrix[:p, p:].T)

        def free_targets(rows: Array) -> Array:
            rows[p:] -= guess @ rows[:p]
            return rows

        return free_targets


def start_of(rows: Array, p: int, plain: float = PLAIN, few: bool = False) -> Start | None:
    """A start made of some rows (k, p + n) from all over the data, or of their triangle (few), if they determine one."""
    columns = rows.shape[1]
    if len(rows) < columns + (not few) or not np.isfinite(rows).all():
        return None
    triangle = triangle_of_rows(rows)
    size = np.linalg.norm(triangle, axis=0)
    size = np.where(size > 0, size, 1.0)
    terms = triangle[:p, :p] / size[:p]
    if not (np.abs(np.diag(terms)) > _DEPENDENT).all():
        return None
    if condition_of(terms) > plain:
        left = np.linalg.norm(triangle[p:, p:], axis=0)
        rest = np.diag(np.maximum(left, _FLOOR * size[p:]))
        return Start(_stacked(triangle[:p, :p], triangle[:p, p:], rest), p, False)
    guess = _solve(triangle[:p, :p], triangle[:p, p:], trans=0)
    return Start(_stacked(np.eye(p), guess, np.eye(columns - p)), p, True)


def batch_size(columns: int) -> int:
    """Rows worked on together: few enough that they stay in cache, many enough that calls cost little."""
    if columns < ONE_PRODUCT:
        size, most = 4096, _SMALL_PRODUCT // (5 * columns)
    else:
        size, most = 4096, _CACHE // (8 * columns)
    while size > 512 and size > most:
        size //= 2
    return size


def triangle_of(
    batches: Batches, p: int, n: int, start: Start | None = None, cover: MomentCover | None = None
) -> Triangle:
    """The triangle of rows of p terms and n targets, by the cheapest route that is accurate for them.

    A `cover` says that the terms are monomials of the same states, up to a weight of each row.
    """
    begin = Start(np.eye(p + n), p, True) if start is None else start
    solve = begin.solver()
    # Other starts mix the terms.
    gram, count = _gram((solve(rows) for rows in batches()), p + n, cover if begin.unit else None)
    size = np.sqrt(np.diag(gram))
    if not np.isfinite(size).all():
        return Triangle(np.diag(size), HOUSEHOLDER, np.inf, count)
    size = np.where(size > 0, size, 1.0)
    equal = gram / np.outer(size, size)
    first = _cholesky(equal[:p, :p])
    limit = PLAIN if start is None else _ONE_PASS
    condition = condition_of(first, limit) if first is not None else np.inf
    if first is not None and condition <= _TWO_PASSES:
        shape = _solve(first, equal[:p, p:])
        left = equal[p:, p:] - shape.T @ shape
        rest = _cholesky(left) if condition <= limit else None
        if rest is not None and (np.diag(rest) ** 2 >= _LEFT).all():
            return Triangle((_stacked(first, shape, rest) * size) @ begin.matrix, ONE_PASS, condition, count)
        scale = np.sqrt(np.maximum(np.diag(left), _FLOOR**2))
        again = Start((_stacked(first, shape, np.diag(scale)) * size) @ begin.matrix, p, False)
        found = _second_pass(batches, again)
        if found is not None:
            return Triangle(found, TWO_PASSES, condition, count)
    return Triangle(_householder(batches(), p + n), HOUSEHOLDER, condition, count)


def _second_pass(batches: Batches, start: Start) -> Array | None:
    """R = C_2 U from the rows A U^-1, or None if these are not nearly orthogonal."""
    p, solve = start.n_terms, start.solver()
    gram, _ = _gram((solve(rows) for rows in batches()), len(start.matrix))
    again = _cholesky(gram[:p, :p])
    if again is None or condition_of(again) > _ORTHOGONAL:
        return None
    shape = _solve(again, gram[:p, p:])
    left = gram[p:, p:] - shape.T @ shape
    return _stacked(again, shape, _semidefinite_root(left)) @ start.matrix


def _gram(batches: Iterable[Array], columns: int, cover: MomentCover | None = None) -> tuple[Array, int]:
    """Sum of A A^T over batches (p + n, k), and the number of rows."""
    if cover is not None:
        p = len(cover.place)
        some = np.append(cover.rows, np.arange(p, columns))
        if len(some) <= _FEW_ROWS * columns:
            return _covered_gram(batches, columns, cover, some)
    return _symmetric_gram(batches, columns)


def _covered_gram(
    batches: Iterable[Array], columns: int, cover: MomentCover, some: npt.NDArray[np.intp]
) -> tuple[Array, int]:
    """Each moment of the terms once, and the rows of the targets."""
    p, count = len(cover.place), 0
    total, scratch, picked = np.zeros((len(some), columns)), np.empty((len(some), columns)), np.empty((0, 0))
    for rows in batches:
        k = rows.shape[1]
        count += k
        if picked.shape[1] != k:
            picked = np.empty((len(some), k))
        np.take(rows, some, axis=0, out=picked, mode="clip")  # unlike "raise", writes into `out` at once
        total += np.matmul(picked, rows.T, out=scratch)
    own = len(cover.rows)
    gram = np.empty((columns, columns))
    gram[:p, :p] = total[:own, :p].ravel()[cover.place]
    gram[p:] = total[own:]
    gram[:p, p:] = gram[p:, :p].T
    return gram, count


def _symmetric_gram(batches: Iterable[Array], columns: int) -> tuple[Array, int]:
    """Tiles of the upper triangle: small products of OpenBLAS run at twice the speed of its symmetric one."""
    total, scratch = np.zeros((columns, columns)), np.empty((columns, columns))
    count = 0
    for rows in batches:
        k = rows.shape[1]
        count += k
        tile = (
            columns if columns >= ONE_PRODUCT else max(4, min(columns, _SMALL_PRODUCT // max(columns * k, 1)))
        )
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
            corner = np.ascontiguousarray(_solve(upper[a:b, a:b], np.eye(b - a)))
            self._panels.append((a, b, np.ascontiguousarray(upper[:a, a:b].T), corner))
        self._out = np.empty((len(upper), 0))
        self._panel = np.empty((_PANEL, 0))

    def __call__(self, rows: Array) -> Array:
        k = rows.shape[1]
        if self._out.shape[1] != k:
            self._out, self._panel = np.empty((len(rows), k)), np.empty((_PANEL, k))
        out = self._out
        for a, b, above, corner in self._panels:
            panel = self._panel[: b - a]
            if a:
                np.matmul(above, out[:a], out=panel)
                np.subtract(rows[a:b], panel, out=panel)
            np.matmul(corner, panel if a else rows[a:b], out=out[a:b])
        return out


def _householder(batches: Iterable[Array], columns: int) -> Array:
    """The triangle by orthogonal transformations alone, batch by batch."""
    triangle: Array = np.zeros((0, columns))
    for rows in batches:
        triangle = triangle_of_rows(np.vstack([triangle, rows.T]))
    return triangle


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


def condition_of(upper: Array, limit: float = PLAIN) -> float:
    """Condition number of a triangle C: LAPACK's estimate in the 1-norm, sharpened to the 2-norm where it exceeds a limit.

    The 1-norm exceeds the 2-norm by up to the number of columns; a few steps of inverse iteration on C^T C settle it.
    """
    if len(upper) == 0:
        return 1.0
    reciprocal, _ = sla.lapack.dtrcon(np.asfortranarray(upper), norm="1", uplo="U", diag="N")
    estimate = 1.0 / reciprocal if reciprocal > 0 else np.inf
    if estimate <= limit or not np.isfinite(estimate):
        return float(estimate)
    small, large = np.ones(len(upper)), np.ones(len(upper))
    for _ in range(_ITERATIONS):
        small = _solve(upper, small / np.linalg.norm(small))
        small = _solve(upper, small, trans=0)
        large = upper.T @ (upper @ (large / np.linalg.norm(large)))
    return float(np.sqrt(np.linalg.norm(large) * np.linalg.norm(small)))


def _solve(upper: Array, right: Array, trans: int = 1) -> Array:
    """C^-T right, or C^-1 right with trans = 0; LAPACK at once, since the checks of its wrapper cost more than the solve."""
    return np.asarray(sla.lapack.dtrtrs(upper, right, lower=0, trans=trans)[0])


def _stacked(corner: Array, shape: Array, rest: Array) -> Array:
    p, columns = shape.shape[0], sum(shape.shape)
    out = np.zeros((columns, columns))
    out[:p, :p], out[:p, p:], out[p:, p:] = corner, shape, rest
    return out
