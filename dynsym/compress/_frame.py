"""States in which monomials are far less alike: centred, uncorrelated, of unit spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._checks import Array
from ..dictionary import Dictionary, Monomials
from ..differentiation._rows import Evaluate
from ..trajectory import Trajectory

_CONSTANT = 1e-9  # spread of a state over its size below which only its size is scaled out
_COLLINEAR = 1e-4  # what other states leave unexplained of a state below which it is scaled alone
_SAMPLES = 20_000


@dataclass(frozen=True, eq=False)
class Frame:
    """x = offset + M z with M lower triangular, and theta(x) = T^T theta(z).

    The Gram matrix of theta(z) has a condition number that is smaller by orders of magnitude than that of theta(x), and costs
    the same; R_x = R_z T, T being triangular too, so that nothing is lost on the way back.
    """

    offset: Array
    matrix: Array
    terms: Array  # T, (p, p) upper triangular

    @classmethod
    def of(cls, dictionary: Dictionary, runs: Sequence[Trajectory]) -> Frame | None:
        """The frame of some runs; None where the dictionary is not closed under changes of the states."""
        if not isinstance(dictionary, Monomials) or not dictionary.is_complete or dictionary.degree < 2:
            return None
        every = -(-sum(len(run) for run in runs) // _SAMPLES)
        x = np.concatenate([run.x[::every] for run in runs])
        x = x[np.isfinite(x).all(axis=1)]
        if len(x) < 2:
            return None
        offset, spread = x.mean(axis=0), x.std(axis=0)
        size = np.maximum(np.abs(offset), np.finfo(float).tiny)
        scale = np.where(spread > _CONSTANT * size, spread, np.maximum(size, 1.0))
        z = (x - offset) / scale
        matrix = scale[:, None] * _mixing(z.T @ z / len(z))
        terms = dictionary.substitution(offset, matrix)
        return cls(offset, matrix, terms) if np.isfinite(terms).all() else None

    @cached_property
    def inverse(self) -> Array:
        """M^-1."""
        return np.asarray(np.linalg.inv(self.matrix), dtype=float)

    def evaluate(self, dictionary: Dictionary) -> Evaluate:
        """theta of the states z that belong to states x."""
        inverse = self.inverse
        offset = self.offset[:, None]

        def theta(columns: Array, out: Array) -> None:
            dictionary._fill(inverse @ (columns - offset), out)

        return theta


def _mixing(correlation: Array) -> Array:
    """Lower triangular L with L L^T = correlation; states that others nearly determine keep to themselves."""
    n = len(correlation)
    out = np.eye(n)
    for i in range(n):
        # Row i of the Cholesky factor, from the rows above it.
        row = np.zeros(n)
        for j in range(i):
            row[j] = (correlation[i, j] - row[:j] @ out[j, :j]) / out[j, j]
        left = correlation[i, i] - row @ row
        if left > _COLLINEAR:
            row[i] = np.sqrt(left)
            out[i] = row
    return out
