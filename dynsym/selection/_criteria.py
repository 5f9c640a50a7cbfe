"""How good the points of a path are: held-out errors, and information criteria with an effective number of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .._checks import Array
from ..compress import Factor, merge
from ..regression import Model, sandwich, whitening
from ._over import Steps, least_squares_on

FLOOR = 1e-20  # squared relative errors below this are rounding


def squared_residuals(factor: Factor, coefficients: Array) -> Array:
    """|y_i - T c_i|^2 of solutions (k, n, p), as (k, n)."""
    missed = factor.target - np.einsum("jp,knp->kjn", factor.theta, coefficients, optimize=True)
    return np.asarray(np.sum(missed**2, axis=1))


def mean_squares(factor: Factor) -> Array:
    """(n,) mean square of each target, 1 where it vanishes."""
    size = np.sum(factor.target**2, axis=0) / max(factor.n_rows, 1)
    return np.asarray(np.where(size > 0, size, 1.0))


def heldout_errors(folds: Sequence[Factor], solve: Callable[[Factor], Steps], scale: Array) -> Array:
    """(k, K) mean squared error of each solution on each fold, fitted to the others.

    The mean is over rows and equations, each equation relative to the mean square `scale` (n,) of its target in all data.
    """
    out = []
    for j, fold in enumerate(folds):
        rest = solve(merge(f for i, f in enumerate(folds) if i != j))
        missed = squared_residuals(fold, rest.coefficients) / (max(fold.n_rows, 1) * scale)
        # A solution that did not converge on this part says nothing about its weight.
        out.append(np.where(rest.converged, missed.mean(axis=1), np.inf))
    return np.stack(out, axis=1)


def effective_rows(model: Model, coefficients: Array) -> Array:
    """(n,) number of independent rows m / D, with D the design effect of least squares on the terms of C (n, p).

    D >= 1 is the mean over the coefficients of their cluster-robust variance (`sandwich`) over that of independent errors.
    """
    total = model.compressed.total
    out = np.full(len(coefficients), float(total.n_rows))
    for i, support in enumerate(coefficients != 0):
        if not support.any() or len(model.compressed.blocks) < 2:
            continue
        fitted = least_squares_on(total, i, support)
        half = whitening(total.theta[:, support])
        plain = np.sum(half**2, axis=1) * model.information.residual_variance(i, fitted)
        robust = np.diag(sandwich(model.compressed, i, fitted, support).covariance)
        out[i] /= max(1.0, float(np.mean(robust / np.maximum(plain, 1e-300))))
    return out


def information_criteria(
    squares: Array, freedom: Array, rows: float, effective: Array, scale: Array
) -> tuple[Array, Array]:
    """AICc and BIC of each point, (k,), from the squared residuals (k, n) and degrees of freedom (k, n).

    Gaussian errors of unknown size in each equation, and m_i = m / D_i independent rows instead of m:

        -2 log L = sum_i m_i log(|r_i|^2 / m)
        AICc = -2 log L + sum_i 2 K_i + 2 K_i (K_i + 1) / (m_i - K_i - 1),   K_i = k_i + 1
        BIC  = -2 log L + sum_i k_i log m_i

    AICc is infinite where m_i <= K_i + 1.

    References
    ----------
    Hurvich, Tsai (1989), Regression and time series model selection in small samples, Biometrika 76. Schwarz (1978),
    Estimating the dimension of a model, Annals of Statistics 6.
    """
    likelihood = np.sum(effective * np.log(squares / rows / scale + FLOOR), axis=1)
    many = freedom + 1
    left = effective - many - 1
    small = np.where(left > 0, 2 * many * (many + 1) / np.where(left > 0, left, 1.0), np.inf)
    aicc = likelihood + np.sum(2 * many + small, axis=1)
    bic = likelihood + np.sum(freedom * np.log(np.maximum(effective, 1.0)), axis=1)
    return aicc, bic
