"""Coefficient errors that allow for residuals of any kind: the cluster-robust sandwich on factors of stretches of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from .._checks import Array, frozen, require
from ..compress import Compressed

Support = npt.NDArray[np.bool_]

_RANK = 1e-11  # relative size of a singular value below which equilibrated columns count as dependent
_LEVERAGE = 1e-8  # one minus the leverage of a cluster below this: the cluster alone determines the direction
_FEWEST = 8  # stretches are not joined below this number: fewer say too little about their own spread
_Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True, eq=False)
class Sandwich:
    """Cluster-robust covariance of the coefficients of one equation.

    Attributes
    ----------
    covariance
        (k, k) on the support.
    freedom
        (k,) degrees of freedom of each variance; t quantiles with them give intervals.
    n_clusters
        Number of stretches of time that counted as independent.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.regression import Sandwich
    >>> one = Sandwich(np.array([[4.0]]), np.array([10.0]), 12)
    >>> one.half_width(0.95).round(2).tolist()
    [4.46]
    """

    covariance: Array
    freedom: Array
    n_clusters: int

    @property
    def standard_errors(self) -> Array:
        """(k,) square roots of the diagonal."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def half_width(self, level: float) -> Array:
        """(k,) half widths of confidence intervals of the given level, from t quantiles."""
        require(0 < level < 1, f"a confidence level lies between 0 and 1, got {level}")
        return np.asarray(self.standard_errors * stats.t.ppf(0.5 + level / 2, self.freedom))

    @property
    def honest_errors(self) -> Array:
        """(k,) errors of which 1.96 make a 95 % interval: widened for the few stretches behind them."""
        return self.half_width(0.95) / _Z


def sandwich(data: Compressed, equation: int, coefficients: Array, support: Support) -> Sandwich:
    """Covariance CR2 of least-squares coefficients over stretches of time, (R^T R)^-1 (sum_g s_g s_g^T) (R^T R)^-1.

    With T_g the rows of stretch g, e_g its residuals, W_g = T_g R^-1 and H_g = W_g^T W_g its leverage, the score is
    s_g = R^T (I - H_g)^(-1/2) W_g^T e_g, which is unbiased where errors are independent and alike. Neighbouring stretches
    of a run are joined as long as their scores are correlated, so that stretches outlast the correlation of the errors.
    Degrees of freedom are Satterthwaite's, under the same working model.

    Parameters
    ----------
    data
        Factors of stretches.
    equation
        Row of the model, from 0.
    coefficients
        (p,), the least-squares coefficients on the support.
    support
        (p,) booleans.

    Raises
    ------
    DataError
        If there are fewer than two stretches.

    References
    ----------
    Bell, McCaffrey (2002), Bias reduction in standard errors for linear regression with multi-stage samples, Survey
    Methodology 28. Pustejovsky, Tipton (2018), Small-sample methods for cluster-robust variance estimation, J. Business and
    Economic Statistics 36.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("van_der_pol").runs(n_runs=4, n_samples=200, noise=0.01)
    >>> model = dy.fit(runs, dy.Monomials(2, 3), penalty=dy.Stepwise())
    >>> found = dy.regression.sandwich(model.compressed, 0, model.coefficients[0], model.support[0])
    >>> found.covariance.shape, bool((found.freedom > 1).all())
    ((1, 1), True)
    """
    require(
        len(data.blocks) >= 2,
        "errors from the spread between stretches need two stretches or more, the data make one; give longer runs",
    )
    if not support.any():
        return Sandwich(np.zeros((0, 0)), np.zeros(0), len(data.blocks))
    half = whitening(data.total.theta[:, support])
    white = [block.factor.theta[:, support] @ half for block in data.blocks]
    missed = [b.factor.target[:, equation] - b.factor.theta @ coefficients for b in data.blocks]
    scores, shares = independent(
        np.stack([w.T @ e for w, e in zip(white, missed)]),
        np.stack([w.T @ w for w in white]),
        [block.run for block in data.blocks],
    )
    roots = _inverse_roots(shares)
    wide = np.einsum("gij,gj->gi", roots, scores) @ half.T
    freedom = np.array([_freedom(roots @ row, shares) for row in half])
    return Sandwich(frozen(wide.T @ wide), frozen(freedom), len(scores))


def whitening(columns: Array) -> Array:
    """N (k, k) with (A N)^T (A N) = 1 for A (m, k); directions that A does not see are stretched by a lot, not for ever."""
    size = np.linalg.norm(columns, axis=0)
    size = np.where(size > 0, size, 1.0)
    _, values, right = np.linalg.svd(columns / size, full_matrices=True)
    values = np.concatenate([values, np.zeros(columns.shape[1] - len(values))])
    values = np.maximum(values, _RANK * max(float(values.max(initial=0.0)), 1e-300))
    return np.asarray(right.T / values / size[:, None])


def independent(scores: Array, shares: Array, runs: Sequence[int]) -> tuple[Array, Array]:
    """Scores (g, k) and leverages (g, k, k) of stretches, neighbours joined until their scores no longer hang together.

    Both are sums over rows, so those of a joined stretch are the sums of its parts. Scores are in white axes, and stretches of
    a run in the order of time.
    """
    owner = np.asarray(runs)
    while len(scores) >= 2 * _FEWEST and _hang_together(scores, owner):
        group = _pairs(owner)
        first = np.flatnonzero(np.diff(group, prepend=-1))
        scores, shares = np.add.reduceat(scores, first), np.add.reduceat(shares, first)
        owner = owner[first]
    return scores, shares


def _pairs(owner: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    """Number of the pair that each stretch belongs to: neighbours of the same run, two by two."""
    change = np.diff(owner, prepend=owner[0] - 1) != 0
    start = np.maximum.accumulate(np.where(change, np.arange(len(owner)), 0))
    return np.cumsum(change | ((np.arange(len(owner)) - start) % 2 == 0)) - 1


def _hang_together(scores: Array, owner: npt.NDArray[np.int_]) -> bool:
    """Whether the correlation of neighbouring scores exceeds one standard error of it."""
    same = owner[1:] == owner[:-1]
    pairs = int(same.sum())
    whole = float(np.sum(scores**2)) * pairs / len(scores)
    if not whole:
        return False
    return float(np.sum(scores[1:][same] * scores[:-1][same])) / whole > 1 / np.sqrt(pairs * scores.shape[1])


def _inverse_roots(shares: Array) -> Array:
    """(I - H_g)^(-1/2), (g, k, k); directions that one stretch alone determines have no residual and are left out."""
    values, vectors = np.linalg.eigh(np.eye(shares.shape[1]) - shares)
    scale = np.where(values > _LEVERAGE, 1 / np.sqrt(np.maximum(values, _LEVERAGE)), 0.0)
    return np.asarray(np.einsum("gij,gj,gkj->gik", vectors, scale, vectors))


def _freedom(directions: Array, shares: Array) -> float:
    """Satterthwaite degrees of freedom tr(O)^2 / |O|^2, O the covariance of the stretches' contributions, (g, k) given."""
    seen = np.einsum("gij,gj->gi", shares, directions)
    own = np.einsum("gi,gi->g", directions, seen)
    joint = np.diag(own) - seen @ seen.T
    return float(np.trace(joint) ** 2 / max(float(np.sum(joint**2)), 1e-300))
