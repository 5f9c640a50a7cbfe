"""The measurement noise that enters weak rows through theta: what it adds in the mean, and by how much it shrinks.

With samples x + e, e ~ N(0, diag(s^2)), the terms are theta(x + e). In the mean they are too large by
1/2 sum_k s_k^2 d_k^2 theta, and the normal equations T^T T c = T^T y of the rows have the expectations

    E T^T T = clean + L,    L = sum_i w_i sum_k s_k^2 (d_k theta)(d_k theta)^T,    w_i = (R^T S^-1 R)_ii
    E T^T y_j = clean + K_j,    K_j = sum_i u_i s_j^2 d_j theta,    u_i = (R^T S^-1 Q)_ii

over samples i, with R and Q the weights of the right- and left-hand sides and S the covariance of the rows: least
squares shrinks what it finds. With a first fit C the targets y are therefore moved, by the least change that adds
L C^T - K to T^T y.

References
----------
Fuller (1987), Measurement Error Models, section 2.2, for the moments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from .._checks import Array, DataError
from ._rows import Evaluate

Weights = tuple[Array, Array, Array]
"""Weights of the left- and the right-hand sides, (k, m) each, and the Cholesky factor (k, k) of the rows' covariance."""


@dataclass(frozen=True, eq=False)
class Through:
    """The noise in the terms of one window.

    Attributes
    ----------
    slopes
        One (p, m) for each state: d_k theta times s_k.
    noise
        (n,) s.
    """

    slopes: tuple[Array, ...]
    noise: Array

    @classmethod
    def of(cls, theta: Evaluate, columns: Array, noise: Array | None, values: Array) -> Through | None:
        """Differences of theta at states (n, m) shifted by sqrt(3) s_k; the values (p, m) lose their bias in place.

        Second and first derivatives are those of Gauss-Hermite quadrature with three points: polynomials of degree 3 in
        each state are exact, others up to the fourth power of the noise. Where a term has no value at a shifted state it
        is left as it is.
        """
        if noise is None or not noise.any():
            return None
        slopes, change = [], np.zeros_like(values)
        shifted, up, down = columns.copy(), np.empty_like(values), np.empty_like(values)
        with np.errstate(all="ignore"):
            for k, sd in enumerate(noise):
                shifted[k] = columns[k] + np.sqrt(3.0) * sd
                _evaluate(theta, shifted, up)
                shifted[k] = columns[k] - np.sqrt(3.0) * sd
                _evaluate(theta, shifted, down)
                shifted[k] = columns[k]
                change += up + down - 2 * values
                slope = (up - down) / (2 * np.sqrt(3.0))
                slopes.append(np.where(np.isfinite(slope), slope, 0.0))
        values -= np.where(np.isfinite(change), change / 6.0, 0.0)
        return cls(tuple(slopes), noise)

    def missing(self, terms: Array, jacobian: Array, weights: Weights) -> Array:
        """What the targets of whitened rows lack, (n, k): terms (p, k), Jacobian (m, n, n) of a first fit f.

        The least change D with T D = T T^T (T T^T + L)^-1 (L C^T - K). The factor, near one where a window tells signal from
        noise, keeps directions that are all noise from being moved at all.
        """
        left, right, root = weights
        solved = sla.cho_solve((root, True), right)
        own, cross = np.sum(right * solved, axis=0), np.sum(left * solved, axis=0)
        leak = sum((slope * own) @ slope.T for slope in self.slopes)
        shift = np.stack([slope @ cross * sd for slope, sd in zip(self.slopes, self.noise)], axis=1)
        gram = terms @ terms.T + leak
        size = np.sqrt(np.maximum(np.diag(gram), 1e-300))
        taken = sum(
            (slope * own) @ (jacobian[:, :, k] * sd)
            for k, (slope, sd) in enumerate(zip(self.slopes, self.noise))
        )
        wanted = (taken - shift) / size[:, None]
        step = np.linalg.lstsq(gram / np.outer(size, size), wanted, rcond=1e-12)[0] / size[:, None]
        return np.asarray(step.T @ terms)


def _evaluate(theta: Evaluate, columns: Array, out: Array) -> None:
    """theta of the states (n, m) into out (p, m), NaN at the states where it has no value."""
    try:
        theta(columns, out)
    except DataError:
        # Some term refuses some state, such as a root at a negative number: halves tell which.
        half = columns.shape[1] // 2
        if half == 0:
            out[:] = np.nan
            return
        for part in (slice(0, half), slice(half, None)):
            piece = np.empty((len(out), columns[:, part].shape[1]))
            _evaluate(theta, np.ascontiguousarray(columns[:, part]), piece)
            out[:, part] = piece
