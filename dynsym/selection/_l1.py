"""The path of the lasso over its weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._checks import Array, ConvergenceError
from ..compress import Factor
from ..optim import ADMM, L1, Quadratic, solve
from ..regression import Model
from ._lasso import lasso_path, relative_gap
from ._over import Over, Steps, Walk, check_values, least_squares_on, log_grid

_COUNT, _SPAN = 60, 1e-4
_TOLERANCE = 1e-8  # relative duality gap of a solution that counts


@dataclass(frozen=True)
class L1Weights(Over):
    """The lasso for every weight: min 1/2 |T C^T - Y|^2 + weight |C|_1, as `optim.L1` has it.

    scikit-learn's alpha is weight / m. On part of the data the weight is reduced with the number of rows. Shrinkage biases
    the coefficients; `relaxed` refits the support of each point by least squares (the relaxed lasso with phi = 0).

    Parameters
    ----------
    values
        Weights; default 60 from the smallest that leaves no term down to 1e-4 of it.
    relaxed
        Whether coefficients are refitted on their support.
    equilibrated
        Whether |C_ij| counts relative to the root mean square of the term j, so that units do not matter.

    Raises
    ------
    DataError
        On values that are negative or not finite.

    References
    ----------
    Tibshirani (1996), Regression shrinkage and selection via the lasso. Meinshausen (2007), Relaxed lasso.

    Examples
    --------
    >>> from dynsym.selection import L1Weights
    >>> L1Weights(relaxed=True).equilibrated
    False
    """

    values: Sequence[float] | None = None
    relaxed: bool = False
    equilibrated: bool = False

    def __post_init__(self) -> None:
        check_values(self.values, "L1 weights")

    def on(self, model: Model) -> L1Walk:
        total = model.compressed.total
        size = np.linalg.norm(total.theta, axis=0) / np.sqrt(total.n_rows)
        scale = np.where(size > 0, size, 1.0) if self.equilibrated else np.ones(total.n_terms)
        return L1Walk(total, scale, self.relaxed)


@dataclass(frozen=True, eq=False)
class L1Walk(Walk):
    """The lasso on the factors of one model, its terms divided by `scale` (p,)."""

    total: Factor
    scale: Array
    relaxed: bool
    label: str = "L1 weight"
    solver: str = "lasso homotopy"

    def grid(self) -> Array:
        slopes = (self.total.theta / self.scale).T @ self.total.target
        return log_grid(float(np.max(np.abs(slopes), initial=0.0)), _SPAN, _COUNT)

    def solve(self, factor: Factor, values: Array) -> Steps:
        weights = values * factor.n_rows / self.total.n_rows
        columns = factor.theta / self.scale
        found = np.stack([lasso_path(columns, y, weights) for y in factor.target.T], axis=1)
        gaps = np.array([relative_gap(columns, factor.target, w, c) for w, c in zip(weights, found)])
        for k in np.flatnonzero(~(gaps <= _TOLERANCE)):
            # Terms so nearly dependent that the pieces cannot be followed: a first-order method for that weight.
            c, gap = _by_splitting(columns, factor.target, float(weights[k]))
            if gap < gaps[k]:
                found[k], gaps[k] = c, gap
        converged = gaps <= _TOLERANCE
        return Steps(self._refitted(factor, found) if self.relaxed else found / self.scale, gaps, converged)

    def _refitted(self, factor: Factor, found: Array) -> Array:
        out = np.empty(found.shape)
        for i in range(found.shape[1]):
            known: dict[bytes, Array] = {}
            for k, c in enumerate(found[:, i]):
                key = (c != 0).tobytes()
                if key not in known:
                    known[key] = least_squares_on(factor, i, c != 0)
                out[k, i] = known[key]
        return out


def _by_splitting(columns: Array, target: Array, weight: float) -> tuple[Array, float]:
    try:
        found = solve(Quadratic(columns, target), L1(weight), solver=ADMM(tol=_TOLERANCE)).coefficients
    except ConvergenceError as error:
        found = error.last.coefficients
    return found, relative_gap(columns, target, weight, found)
