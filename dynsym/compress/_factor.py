"""Triangular factors: all that later stages need to know of the rows [theta(x) | y], whatever their number.

A factor R has R^T R = [T | Y]^T [T | Y] for the stacked rows. Merging is exact: the factor of all the data is the
factor of the stacked factors, made by orthogonal transformations alone.

References
----------
Demmel, Grigori, Hoemmen, Langou (2012), Communication-optimal parallel and sequential QR and LU
factorizations.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from .._checks import Array, frozen, require

_CHUNK = 4096  # rows factored at a time: the chunk stays in cache and memory does not grow with the data
_WIDE = 64  # columns from which triangles are merged one by one, and those that are eliminated together
_PANEL = 16


@dataclass(frozen=True, eq=False)
class Factor:
    """Triangle R of the rows [T | Y], T (m, p), Y (m, n), kept with m.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.compress import factor_of
    >>> a = factor_of(np.ones((5, 1)), np.full((5, 1), 2.0))
    >>> (a + a).n_rows, (a + a).theta.shape
    (10, (2, 1))
    """

    triangle: Array  # (k, p + n), k <= p + n
    n_terms: int
    n_rows: int

    @property
    def theta(self) -> Array:
        """The columns of the p terms, (k, p)."""
        return self.triangle[:, : self.n_terms]

    @property
    def target(self) -> Array:
        """The columns of the n targets, (k, n)."""
        return self.triangle[:, self.n_terms :]

    @property
    def residual_squares(self) -> Array:
        """Sum of squares (n,) that the least-squares fit of each target leaves."""
        q = triangle_of_rows(self.triangle)[self.n_terms :, self.n_terms :]
        return np.sum(q**2, axis=0)

    @property
    def condition(self) -> float:
        """Condition number of the term columns scaled to equal length; inf where they are dependent."""
        size = np.linalg.norm(self.theta, axis=0)
        if self.n_terms == 0 or len(self.theta) < self.n_terms or not (size > 0).all():
            return float("inf")
        values = np.linalg.svd(self.theta / size, compute_uv=False)
        return float(values[0] / values[-1]) if values[-1] > 0 else float("inf")

    def __add__(self, other: Factor) -> Factor:
        """The factor of both sets of rows together."""
        return merge((self, other))


def factor_of(theta: Array, target: Array) -> Factor:
    """The factor of given rows, chunk by chunk.

    Raises
    ------
    DataError
        If theta (m, p) and target (m, n) differ in m.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.compress import factor_of
    >>> theta = np.arange(20.0).reshape(10, 2)
    >>> r = factor_of(theta, theta @ [[1.0], [2.0]])
    >>> np.linalg.lstsq(r.theta, r.target, rcond=None)[0].round(12).ravel().tolist()
    [1.0, 2.0]
    """
    require(len(theta) == len(target), f"theta has {len(theta)} rows but the target {len(target)}")
    p = theta.shape[1]
    triangle = np.zeros((0, p + target.shape[1]))
    for start in range(0, len(theta), _CHUNK):
        rows = np.hstack([theta[start : start + _CHUNK], target[start : start + _CHUNK]])
        triangle = triangle_of_rows(np.vstack([triangle, rows]))
    return Factor(frozen(triangle), p, len(theta))


def merge(factors: Sequence[Factor] | Iterable[Factor]) -> Factor:
    """The factor of all rows behind several factors.

    Raises
    ------
    DataError
        If there is none, or they differ in their columns.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.compress import factor_of, merge
    >>> part = factor_of(np.ones((3, 1)), np.ones((3, 1)))
    >>> merge([part, part]).n_rows
    6
    """
    every = list(factors)
    require(bool(every), "nothing to merge: no factor was given")
    first = every[0]
    for factor in every[1:]:
        require(
            (factor.n_terms, factor.triangle.shape[1]) == (first.n_terms, first.triangle.shape[1]),
            f"factors of {_columns(first)} and of {_columns(factor)} cannot be merged; "
            "use one dictionary for all",
        )
    triangle = _triangle_of_triangles([factor.triangle for factor in every])
    return Factor(frozen(triangle), first.n_terms, sum(factor.n_rows for factor in every))


def _columns(factor: Factor) -> str:
    return f"{factor.n_terms} terms and {factor.triangle.shape[1] - factor.n_terms} targets"


def _triangle_of_triangles(parts: Sequence[Array]) -> Array:
    """Upper triangular R of triangles on top of each other.

    Wide ones one after the other, which spares their zeros: a third of the work that full rows take.
    """
    columns = parts[0].shape[1]
    if columns < _WIDE or len(parts[0]) < columns:
        return triangle_of_rows(np.vstack(parts))
    total = np.array(parts[0], order="F")
    for part in parts[1:]:
        total, *_ = lapack.dtpqrt(len(part), _PANEL, total, np.asfortranarray(part), overwrite_a=1)
    return np.ascontiguousarray(total)


def triangle_of_rows(rows: Array) -> Array:
    """Upper triangular (or trapezoidal) R of rows (k, p + n), by Householder transformations."""
    if len(rows) <= 1:
        return rows
    return np.asarray(np.linalg.qr(rows, mode="r"))
