"""How many directions can be symmetries at most: a lower bound of the defect of all the other directions at once.

Let W hold the directions of the fit with the largest defects s_i, so that (A + E) W = U diag(s), U orthonormal. For a
combination w = W diag(1/s) c of them the fit has |(A + E) w| = |c|, and the truth

    |A w| >= |c| (1 - |E W diag(1/s)|),        |w| <= |c| / s_min,

so that |A w| / |w| >= s_min (1 - |E W diag(1/s)|) for every direction of W. The operator norm is at most the Frobenius norm,
a quadratic form in the errors of the coefficients, whose quantile is found by simulation. Any r + 1 directions share one with
the q - r of W: if all of W is broken by more than delta, at most r directions are not.

The claims "at most r" are nested, and are tested from the largest r down to the first that fails: the first false one is made
by one test, and the level is not shared among them.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from .._checks import Array

_DRAWS = 4000


def least_outside(least: float, relative: Array, hidden: float, alpha: float) -> float:
    """Lower bound, at level alpha, of |A w| over all unit vectors w of the span of directions that are clearly broken.

    Parameters
    ----------
    least
        s_min, the smallest |(A + E) w| of the directions.
    relative
        (s, s) the sum over directions of N_i^T N_i / s_i^2, with N_i the image of coefficient errors of unit covariance.
    hidden
        What the data leave open beside the noise: a bound of the change of A W diag(1/s).
    alpha
        Error level.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.certify import least_outside
    >>> round(float(least_outside(0.5, np.diag([0.01, 0.0]), 0.0, 0.05)), 2)
    0.4
    >>> least_outside(0.5, np.diag([0.01, 0.0]), np.inf, 0.05)
    0.0
    """
    values = np.maximum(np.linalg.eigvalsh(relative), 0.0) if relative.size else np.zeros(0)
    values = values[values > 1e-6 * values.max(initial=0.0)]
    if len(values) == 1:
        norm2 = float(values[0] * stats.chi2.isf(alpha, 1))
    else:
        draws = np.random.default_rng(0).standard_normal((_DRAWS, len(values))) ** 2 @ values
        norm2 = float(np.quantile(draws, 1 - alpha)) if len(values) else 0.0
    return least * max(0.0, 1.0 - float(np.sqrt(norm2)) - hidden) if np.isfinite(hidden) else 0.0
