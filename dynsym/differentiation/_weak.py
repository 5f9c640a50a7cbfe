"""The weak form: runs integrated against test functions, rows whitened by the covariance of the noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.linalg as sla

from .._checks import Array, require
from ..dictionary import Dictionary
from ..trajectory import Trajectory
from ..vector_field import VectorField
from ._rows import Evaluate, RowMethod, Window, noise_gram
from ._test_functions import even_weights, expected_count, test_function_weights
from ._through import Through

_LONGEST = 1200  # samples whitened together; longer runs are cut, since the whitening costs the cube of it


@dataclass(frozen=True)
class WeakForm(RowMethod):
    """Weak form: - int phi' x dt = int phi theta(x) dt C^T for test functions phi.

    Noise is never differentiated. The weights of the left-hand sides are adjusted so that the identity holds
    exactly for polynomials. The noise in the left-hand sides of overlapping test functions has a known
    covariance, sd^2 times the Gram matrix of their weights: rows are whitened by its Cholesky factor.

    Parameters
    ----------
    half_width
        Half the support of each phi, in units of t.
    field
        A first fit. If given, the covariance counts the noise that enters through theta as well, Df times
        that of the states, averaged over the equations: near a singularity rows are noisy and would drown the
        others.

    References
    ----------
    Messenger and Bortz (2021), Weak SINDy: Galerkin-based data-driven model selection, MMS 19; Bortz,
    Messenger, Dukic (2023), Direct estimation of parameters in ODE models using WENDy, for the whitening.
    """

    half_width: float
    field: VectorField | None = None

    def __post_init__(self) -> None:
        require(
            0 < self.half_width < np.inf,
            f"half_width must be a positive time, got {self.half_width}; it is in units of t",
        )

    @property
    def description(self) -> str:
        return f"weak form, test functions of half-width {self.half_width:.4g}"

    @property
    def shortest(self) -> int:
        return 8

    @property
    def longest(self) -> int:
        return _LONGEST

    def expected_rows(self, m: int, duration: float) -> int:
        pieces = max(1, -(-m // _LONGEST))
        return pieces * expected_count(duration / pieces, self.half_width, m // pieces)

    def row_noise(self, run: Trajectory, noise: Array) -> Array | None:
        return noise  # the rows are whitened

    def most_rows(self, samples: int) -> int:
        return max(2, samples // 2)

    def fill(self, window: Window, theta: Evaluate, noise: Array | None, out: Array) -> int:
        if len(window) < self.shortest:
            return 0
        left, right, root = self._whitening(window, noise)
        m, n = window.x.shape
        p = len(out) - n
        columns = np.ascontiguousarray(window.x.T)
        values = np.empty((p, m))
        theta(columns, values)
        through = Through.of(theta, columns, noise, values)
        plain = np.vstack([values @ right.T, (columns - columns.mean(axis=1, keepdims=True)) @ left.T])
        count = len(right)
        out[:, :count] = sla.solve_triangular(root, plain.T, lower=True).T
        if through is not None and self.field is not None:
            out[p:, :count] += through.missing(
                out[:p, :count], self.field.jacobian(window.x), (left, right, root)
            )
        return count

    def leak(self, window: Window, dictionary: Dictionary, noise: Array) -> Array:
        if len(window) < self.shortest or not noise.any():
            return np.zeros((dictionary.n_terms, dictionary.n_terms))
        _, right, root = self._whitening(window, noise)
        white = sla.solve_triangular(root, right, lower=True)
        return noise_gram(dictionary, window.x, noise, np.sum(white**2, axis=0))

    def _whitening(self, window: Window, noise: Array | None) -> tuple[Array, Array, Array]:
        """Weights (left, right), (k, m) each, and the Cholesky factor (k, k) of the covariance of the rows' noise."""
        through = self._through_field(window.x, noise)
        if through is None and window.step is not None:
            return _even_whitening(len(window), window.step, float(self.half_width))
        if window.step is None:
            left, right = test_function_weights(window.t, self.half_width)
        else:
            left, right = even_weights(len(window), window.step, float(self.half_width))
        return left, right, _root(left, right, through)

    def _through_field(self, x: Array, noise: Array | None) -> Array | None:
        """Squared noise of each sample through theta over its direct one, mean over equations, (m,)."""
        if self.field is None or noise is None or not noise.any():
            return None
        jac = self.field.jacobian(x)
        safe = np.where(noise > 0, noise, np.inf)
        return np.mean(np.einsum("mik,k->mi", jac**2, noise**2) / safe**2, axis=1)


@lru_cache(maxsize=16)
def _even_whitening(m: int, step: float, half_width: float) -> tuple[Array, Array, Array]:
    left, right = even_weights(m, step, half_width)
    return left, right, _root(left, right, None)


def _root(left: Array, right: Array, through: Array | None) -> Array:
    spread = left @ left.T
    if through is not None:
        spread += (right * through) @ right.T
    # A jitter at the level of rounding keeps the factor defined for strongly overlapping functions.
    spread[np.diag_indices_from(spread)] *= 1 + 1e-6
    return np.asarray(np.linalg.cholesky(spread), dtype=float)
