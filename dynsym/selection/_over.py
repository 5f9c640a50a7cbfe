"""What a path runs over: a family of estimators with one weight, each solved on a triangular factor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._checks import Array, as_floats, require, require_finite
from ..compress import Factor
from ..regression import Model


@dataclass(frozen=True, eq=False)
class Steps:
    """The solutions along a path on one factor.

    Attributes
    ----------
    coefficients
        (k, n, p), one C for each weight.
    gaps
        (k,) relative duality gap, NaN where the problem is not convex.
    converged
        (k,) whether the stopping rule was met.
    """

    coefficients: Array
    gaps: Array
    converged: npt.NDArray[np.bool_]


class Walk(ABC):
    """A regularisation, ready to be solved on the factors of one model."""

    label: str  # what the weight is, for tables and axes
    solver: str  # name in the Solution
    counted: str = "terms"  # what `freedom` counts

    @abstractmethod
    def grid(self) -> Array:
        """Default weights, ascending, all positive."""

    @abstractmethod
    def solve(self, factor: Factor, values: Array) -> Steps:
        """The solutions for weights (k,), ascending, on the rows of a factor."""

    def freedom(self, coefficients: Array) -> Array:
        """(k, n) degrees of freedom of the solutions (k, n, p): the number of terms of each equation."""
        return np.count_nonzero(coefficients, axis=2).astype(float)


class Over(ABC):
    """What `path` runs over: `Thresholds`, `L1Weights`, `SymmetryWeights` or `ConservationWeights`."""

    values: Sequence[float] | None

    @abstractmethod
    def on(self, model: Model) -> Walk:
        """The walk on the rows of a model."""

    def grid(self, walk: Walk) -> Array:
        """The weights asked for, ascending, or the default ones of the data."""
        return walk.grid() if self.values is None else np.unique(np.asarray(self.values, dtype=float))


def check_values(values: Sequence[float] | None, what: str) -> None:
    """Refuse weights that are empty, negative or not finite."""
    if values is None:
        return
    given = as_floats(what, values, 1)
    require_finite(what, given)
    require(len(given) > 0, f"{what} are empty; leave them out for a grid chosen from the data")
    require(bool((given >= 0).all()), f"{what} must not be negative, got {given.min():g}")


def log_grid(largest: float, span: float, count: int) -> Array:
    """`count` weights from span * largest to largest, evenly spaced in the logarithm; [0] if nothing is to be shrunk."""
    if not largest > 0:
        return np.zeros(1)
    grid = np.geomspace(span * largest, largest, count)
    grid[-1] = largest
    return grid


def least_squares_on(factor: Factor, equation: int, support: npt.NDArray[np.bool_]) -> Array:
    """Least-squares coefficients (p,) of one equation on a support (p,), of least norm in equilibrated columns."""
    out = np.zeros(factor.n_terms)
    if support.any():
        columns = factor.theta[:, support]
        size = np.linalg.norm(columns, axis=0)
        size = np.where(size > 0, size, 1.0)
        out[support] = np.linalg.lstsq(columns / size, factor.target[:, equation], rcond=1e-13)[0] / size
    return out
