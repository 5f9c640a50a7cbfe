"""Whether residuals are errors or structure: the mean of the scores of stretches of time, tested against their spread.

Let Z (m, q) be functions that the model does not hold, made orthogonal to those that it holds and to each other on the rows,
and e (m,) the residuals. If the errors have mean zero wherever the states are, the score u = Z^T e has mean zero, whatever
the law of the errors. It is the sum of the scores s_g of G stretches of time, long enough to be independent of one another.
With V the covariance of the s_g,

    F = G |mean s_g|^2 / tr V    has about the law F(d, d (G - 1)),    d = (tr V)^2 / tr V^2,

for errors of any size in any place and of any correlation shorter than a stretch: V is read off the stretches. Structure that
differs from stretch to stretch widens V as errors would. So the functions are also fitted to all other stretches, and compared
with the residuals of the one left out: the cosine between the two has mean zero if the errors have, and is near 1 if the
functions hold what the model lacks. Each of the two tests has half of the level.

References
----------
Dempster (1958), A high dimensional two sample significance test, Ann. Math. Statist. 29, for the statistic and its degrees of
freedom. White (1980), A heteroskedasticity-consistent covariance matrix estimator and a direct test for heteroskedasticity,
Econometrica 48, for scores instead of residual variances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .._checks import Array, require

_FEWEST = 4  # stretches below which nothing is said
_ALONE = 0.05  # share of a direction outside a stretch, below which the others say nothing of it


@dataclass(frozen=True)
class LackOfFit:
    """The test whether residuals are errors.

    Attributes
    ----------
    p_value
        Probability of scores as large as these, or larger, if the model class is right; 1 where nothing can be said.
    size2
        Unbiased estimate of the squared norm of the structure along the functions that were tried, not below 0.
    statistic
        F.
    freedom
        The two degrees of freedom of F.
    foretold
        Mean cosine between the residuals of a stretch and what the other stretches say of them.
    """

    p_value: float
    size2: float
    statistic: float
    freedom: tuple[float, float]
    foretold: float = 0.0

    def __str__(self) -> str:
        first, second = self.freedom
        held = f"held-out cosine {self.foretold:.2g}"
        return f"lack of fit: F({first:.3g}, {second:.3g}) = {self.statistic:.3g}, {held}, p = {self.p_value:.2g}"


@dataclass(frozen=True, eq=False)
class Stretches:
    """The residuals of independent stretches of time against functions that are orthonormal over all of them.

    Attributes
    ----------
    scores
        (g, q) of each stretch along each function, Z_g^T e_g.
    shares
        (g, q, q) of each stretch in the sums of squares, Z_g^T Z_g.
    squares
        (g,) sum of squared residuals.
    """

    scores: Array
    shares: Array
    squares: Array


def lack_of_fit(data: Stretches, bias: Array, shrinkage: float = 1.0) -> LackOfFit:
    """The test of mean zero for the scores of independent stretches.

    Parameters
    ----------
    data
        Scores, shares and squares.
    bias
        (q,) what noise inside the regressors is expected to add to the sum. It is taken off, and as much again is allowed for.
    shrinkage
        Share of the variance of independent errors that is left in the scores of residuals, at most 1.

    Raises
    ------
    DataError
        If the shrinkage is not above 0 and at most 1.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.certify import Stretches, lack_of_fit
    >>> z = np.linalg.qr(np.random.default_rng(0).standard_normal((400, 3)))[0].reshape(40, 10, 3)
    >>> e = np.random.default_rng(1).standard_normal((40, 10))
    >>> def against(e):
    ...     scores, shares = np.einsum("gmq,gm->gq", z, e), np.einsum("gmq,gmr->gqr", z, z)
    ...     return lack_of_fit(Stretches(scores, shares, np.sum(e**2, axis=1)), np.zeros(3))
    >>> against(e).p_value > 0.05, against(e + 20 * z[..., 0]).p_value < 1e-6
    (True, True)
    """
    require(
        0 < shrinkage <= 1 + 1e-12,
        f"shrinkage is a share above 0 and at most 1, got {shrinkage}; 1 takes nothing off",
    )
    count, q = data.scores.shape
    if count < _FEWEST or q == 0:
        return LackOfFit(1.0, 0.0, 0.0, (0.0, 0.0))
    spread, size2, statistic, freedom = _against_spread(data.scores, bias, shrinkage)
    held, gain, cosine = _held_out(data)
    if gain <= 4 * float(bias @ bias):
        held, gain = 1.0, 0.0
    return LackOfFit(min(1.0, 2 * min(spread, held)), max(size2, gain), statistic, freedom, cosine)


def _against_spread(
    scores: Array, bias: Array, shrinkage: float
) -> tuple[float, float, float, tuple[float, float]]:
    """P-value, squared size, F and its degrees of freedom."""
    count, q = scores.shape
    cov = np.cov(scores, rowvar=False).reshape(q, q) / shrinkage
    trace = float(np.trace(cov))
    length2 = max(0.0, float(np.linalg.norm(scores.sum(axis=0) - bias) - np.linalg.norm(bias))) ** 2
    if trace <= 0:
        none = length2 == 0
        return (1.0 if none else 0.0), length2, (0.0 if none else float("inf")), (0.0, 0.0)
    # tr V^2 of an estimate from few stretches is too large by (tr V)^2 / (G - 1); without it d is too small, and F too wide.
    square = max(float(np.sum(cov**2)) - trace**2 / (count - 1), trace**2 / q)
    first = trace**2 / square
    second = first * (count - 1)
    statistic = length2 / (count * trace)
    return (
        float(stats.f.sf(statistic, first, second)),
        max(length2 - count * trace, 0.0),
        statistic,
        (first, second),
    )


def _held_out(data: Stretches) -> tuple[float, float, float]:
    """P-value of what the other stretches say of each, the squared residuals that it explains, and the mean cosine."""
    total, q = data.scores.sum(axis=0), data.scores.shape[1]
    values, vectors = np.linalg.eigh(np.eye(q) - data.shares)
    rest = np.einsum("gi,gij->gj", total - data.scores, vectors)
    # A direction that one stretch alone determines is not foretold by the others.
    rest = np.where(values > _ALONE, rest / np.maximum(values, _ALONE), 0.0)
    told = np.einsum("gij,gj->gi", vectors, rest)
    along = np.sum(told * data.scores, axis=1)
    size2 = np.einsum("gi,gij,gj->g", told, data.shares, told)
    length = np.sqrt(np.maximum(size2 * data.squares, 0.0))
    cosine = np.divide(along, length, out=np.zeros(len(along)), where=length > 0)
    error = float(cosine.std(ddof=1)) / np.sqrt(len(cosine))
    mean = float(cosine.mean())
    p_value = float(stats.t.sf(mean / max(error, 1e-12), len(cosine) - 1)) if mean > 0 else 1.0
    return p_value, max(float(np.sum(2 * along - size2)), 0.0), mean
