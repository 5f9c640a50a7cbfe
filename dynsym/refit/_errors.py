"""Standard errors of generators that were moved together with the coefficients."""

from __future__ import annotations

import numpy as np

from .._checks import Array
from ..regression import Model
from ._brackets import Brackets
from ._rows import Rows
from ._settle import Settled


def generator_covariances(
    settled: Settled, rows: Rows, brackets: Brackets, metric: Array, model: Model
) -> Array:
    """Covariance (r, q, q) of the weights of each generator, by the delta method.

    A change dc along the tangent space changes the generators by

        dA_j = - B(., c)^+ B(A_j, dc) ,

    the least change that keeps B(A_j + dA_j, c + dc) = 0 to first order, and the covariance of dc is that of the model: the
    inverse Gauss-Newton Hessian of coefficients and generators together, widened where blocks of the data disagree. Zero for
    generators that were not moved.
    """
    q, r = settled.weights.shape
    if not settled.moved:
        return np.zeros((r, q, q))
    inverse = _pseudo_inverse(brackets.of_field(rows.free @ settled.c) @ metric, r)
    spread = _tangent_covariance(settled, rows, model)
    out = np.zeros((r, q, q))
    for j, w in enumerate(settled.weights.T):
        slope = -metric @ (inverse @ (brackets.along(w) @ (rows.free @ settled.tangent)))
        out[j] = slope @ spread @ slope.T
    return out


def _pseudo_inverse(matrix: Array, r: int) -> Array:
    """The pseudo-inverse of a matrix that has lost rank r exactly."""
    left, s, right = np.linalg.svd(matrix, full_matrices=False)
    kept = matrix.shape[1] - r
    return np.asarray(right[:kept].T @ (left[:, :kept] / s[:kept]).T)


def _tangent_covariance(settled: Settled, rows: Rows, model: Model) -> Array:
    """Covariance (t, t) of the coordinates along the tangent directions."""
    columns = [rows.coefficients(v).ravel() for v in settled.tangent.T]
    back = np.linalg.pinv(np.stack(columns, axis=1))
    index, block = model.covariance_blocks[0]
    return np.asarray(back[:, index] @ block @ back[:, index].T)
