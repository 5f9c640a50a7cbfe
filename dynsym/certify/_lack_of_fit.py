"""Whether residuals are errors or structure: the mean of the scores of stretches of time, tested against their spread.

Let Z (m, q) be functions that the model does not hold, made orthogonal to those that it holds and to each other on the rows,
and e (m,) the residuals. If the errors have mean zero wherever the states are, the score u = Z^T e has mean zero, whatever
the law of the errors. It is the sum of the scores s_g of G stretches of time, long enough to be independent of one another.
With V the covariance of the s_g,

    F = G |mean s_g|^2 / tr V    has about the law F(d, d (G - 1)),    d = (tr V)^2 / tr V^2,

for errors of any size in any place and of any correlation shorter than a stretch: V is read off the stretches.

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
    """

    p_value: float
    size2: float
    statistic: float
    freedom: tuple[float, float]

    def __str__(self) -> str:
        first, second = self.freedom
        return f"lack of fit: F({first:.3g}, {second:.3g}) = {self.statistic:.3g}, p = {self.p_value:.2g}"


def lack_of_fit(scores: Array, bias: Array, shrinkage: float = 1.0) -> LackOfFit:
    """The test of mean zero for the sum of the scores of independent stretches.

    Parameters
    ----------
    scores
        (g, q), of each stretch along each function.
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
    >>> from dynsym.certify import lack_of_fit
    >>> draws = np.random.default_rng(0).standard_normal((40, 6))
    >>> print(lack_of_fit(draws, np.zeros(6)))
    lack of fit: F(6, 234) = 0.738, p = 0.62
    >>> lack_of_fit(draws + 0.5, np.zeros(6)).p_value < 1e-6
    True
    """
    require(
        0 < shrinkage <= 1 + 1e-12,
        f"shrinkage is a share above 0 and at most 1, got {shrinkage}; 1 takes nothing off",
    )
    count, q = scores.shape
    if count < _FEWEST or q == 0:
        return LackOfFit(1.0, 0.0, 0.0, (0.0, 0.0))
    away = scores - scores.mean(axis=0)
    cov = away.T @ away / (count - 1) / shrinkage
    trace = float(np.trace(cov))
    total = scores.sum(axis=0)
    length2 = max(0.0, float(np.linalg.norm(total - bias) - np.linalg.norm(bias))) ** 2
    if trace <= 0:
        return LackOfFit(
            1.0 if length2 == 0 else 0.0, length2, 0.0 if length2 == 0 else float("inf"), (0.0, 0.0)
        )
    # tr V^2 of an estimate from few stretches is too large by (tr V)^2 / (G - 1); without it d is too small, and F too wide.
    square = max(float(np.sum(cov**2)) - trace**2 / (count - 1), trace**2 / q)
    first = trace**2 / square
    second = first * (count - 1)
    statistic = length2 / (count * trace)
    p_value = float(stats.f.sf(statistic, first, second))
    return LackOfFit(p_value, max(length2 - count * trace, 0.0), statistic, (first, second))
