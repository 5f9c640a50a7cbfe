"""Triangular factors: all that later stages need to know of the rows [theta(x) | y], whatever their number.

A factor R has R^T R = [T | Y]^T [T | Y] for the stacked rows; it comes from orthogonal transformations alone
(tall-skinny QR: each chunk is factored, the triangles are stacked and factored again), so no digit is lost to
forming the Gram matrix. Merging is exact: the factor of all the data is the factor of the stacked factors.

References
----------
Demmel, Grigori, Hoemmen, Langou (2012), Communication-optimal parallel and sequential QR and LU
factorizations.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ._checks import Array, frozen, require

_CHUNK = 4096  # rows factored at a time: the chunk stays in cache and memory does not grow with the data


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
        triangle = _triangle(np.vstack([triangle, rows]))
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
    stacked = np.vstack([factor.triangle for factor in every])
    return Factor(frozen(_triangle(stacked)), every[0].n_terms, sum(factor.n_rows for factor in every))


def _columns(factor: Factor) -> str:
    return f"{factor.n_terms} terms and {factor.triangle.shape[1] - factor.n_terms} targets"


def _triangle(rows: Array) -> Array:
    if len(rows) <= 1:
        return rows
    return np.asarray(np.linalg.qr(rows, mode="r"))


@dataclass(frozen=True, eq=False)
class Block:
    """The factor of one stretch of one run."""

    factor: Factor
    run: int


@dataclass(frozen=True, eq=False)
class Compressed:
    """All data as the factors of their blocks; cross-validation and block resampling need no second pass.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.compress import Block, Compressed, factor_of
    >>> one = Compressed((Block(factor_of(np.ones((3, 1)), np.ones((3, 1))), run=0),))
    >>> (one + one).n_rows, len((one + one).folds())
    (6, 2)
    """

    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        require(bool(self.blocks), "the data gave no rows at all; there is nothing to fit")

    @property
    def total(self) -> Factor:
        """The factor of all rows."""
        return merge(block.factor for block in self.blocks)

    @property
    def n_rows(self) -> int:
        """Number of rows m."""
        return sum(block.factor.n_rows for block in self.blocks)

    def __add__(self, other: Compressed) -> Compressed:
        """Data that arrive later, or elsewhere, just add; their runs are counted on."""
        shift = 1 + max(block.run for block in self.blocks)
        return Compressed(self.blocks + tuple(Block(b.factor, b.run + shift) for b in other.blocks))

    def folds(self, most: int = 8) -> list[Factor]:
        """Parts for cross-validation: whole runs if there are at least four, else stretches of time."""
        runs = sorted({block.run for block in self.blocks})
        if len(runs) >= 4:
            groups: dict[int, list[Factor]] = {}
            place = {run: k % most for k, run in enumerate(runs)}
            for block in self.blocks:
                groups.setdefault(place[block.run], []).append(block.factor)
            return [merge(group) for group in groups.values()]
        size = -(-len(self.blocks) // most)
        return [
            merge(block.factor for block in self.blocks[start : start + size])
            for start in range(0, len(self.blocks), size)
        ]
