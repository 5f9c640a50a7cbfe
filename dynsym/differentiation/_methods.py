"""The three ways to turn a run into rows, each an object, and the choice among them from the noise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.linalg as sla

from .._checks import Array, require
from ..dictionary import Dictionary
from ..trajectory import Trajectory
from ._stencils import apply_stencils, derivative_stencils, quadrature_weights


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows [theta | target] of one gap-free stretch, and how noise in the states enters theta.

    Attributes
    ----------
    theta, target
        (k, p) and (k, n).
    leak
        (p, p) expected Gram matrix of the noise in theta; directions of theta that do not stand out above it
        carry no information.
    """

    theta: Array
    target: Array
    leak: Array


class RowMethod(ABC):
    """How one gap-free stretch of a run becomes regression rows."""

    @property
    @abstractmethod
    def description(self) -> str:
        """The method in words, for reports."""

    @property
    @abstractmethod
    def shortest(self) -> int:
        """The smallest number of samples that gives a row."""

    @abstractmethod
    def row_noise(self, run: Trajectory, noise: Array) -> Array | None:
        """Expected sd of each target's error, (n,), from the noise of the states; None where not known."""

    @abstractmethod
    def rows(self, run: Trajectory, dictionary: Dictionary, noise: Array) -> Rows:
        """Rows of a stretch without gaps; `noise` is the sd of the measurement noise of each state, (n,)."""


def _leak(dictionary: Dictionary, x: Array, noise: Array, weights: Array) -> Array:
    """sum_i w_i Dtheta(x_i) diag(noise_i^2) Dtheta(x_i)^T, thinned to a few hundred samples."""
    p = dictionary.n_terms
    if not noise.any():
        return np.zeros((p, p))
    step = max(1, len(x) // 100)
    slope = dictionary.jacobian(x[::step]) * noise * np.sqrt(weights[::step] * step)[:, None, None]
    flat = slope.transpose(0, 2, 1).reshape(-1, p)
    return flat.T @ flat


@dataclass(frozen=True)
class Derivatives(RowMethod):
    """Derivatives that came with the data: rows theta(x_i) against dx/dt_i."""

    @property
    def description(self) -> str:
        return "derivatives given with the data"

    @property
    def shortest(self) -> int:
        return 1

    def row_noise(self, run: Trajectory, noise: Array) -> Array | None:
        return None

    def rows(self, run: Trajectory, dictionary: Dictionary, noise: Array) -> Rows:
        require(run.dxdt is not None, "these runs carry no derivatives; choose LocalPolynomial or WeakForm")
        assert run.dxdt is not None
        theta = dictionary.evaluate(run.x)
        return Rows(theta, np.asarray(run.dxdt), _leak(dictionary, run.x, noise, np.ones(len(run.x))))


@dataclass(frozen=True)
class LocalPolynomial(RowMethod):
    """Strong form: the slope at t_i of the polynomial fitted to the 2h + 1 samples around it.

    Parameters
    ----------
    half_width
        h.
    degree
        Of the polynomial.

    References
    ----------
    Savitzky and Golay (1964), Smoothing and differentiation of data by simplified least squares procedures;
    here with exact weights on uneven grids.
    """

    half_width: int = 4
    degree: int = 8

    @property
    def description(self) -> str:
        return f"local polynomials of degree {self.degree} over {2 * self.half_width + 1} samples"

    @property
    def shortest(self) -> int:
        return 2 * self.half_width + 1

    def row_noise(self, run: Trajectory, noise: Array) -> Array | None:
        weights = derivative_stencils(run.t, self.half_width, self.degree)
        return noise * np.sqrt(np.mean(np.sum(weights**2, axis=1)))

    def rows(self, run: Trajectory, dictionary: Dictionary, noise: Array) -> Rows:
        h = self.half_width
        weights = derivative_stencils(run.t, h, self.degree)
        inner = run.x[h : len(run.x) - h]
        leak = _leak(dictionary, inner, noise, np.ones(len(inner)))
        return Rows(dictionary.evaluate(inner), apply_stencils(weights, run.x), leak)


_BUMP_POWER = 6  # the test function (1 - s^2)^6 and five derivatives vanish at both ends
_OVERLAP = 5  # test functions per half-width
_FEWEST = 20  # half-widths that should fit into a run
_LONGEST = 1200  # samples whitened together; longer runs are cut, since the whitening costs the cube of it


@dataclass(frozen=True)
class WeakForm(RowMethod):
    """Weak form: - int phi' x dt = int phi theta(x) dt C^T for test functions phi.

    Noise is never differentiated.

    The noise in the left-hand sides of overlapping test functions has covariance sd^2 Phi' W^2 Phi'^T, which
    is known: rows are whitened by its Cholesky factor.

    Parameters
    ----------
    half_width
        Half the support of each phi, in units of t.

    References
    ----------
    Messenger and Bortz (2021), Weak SINDy: Galerkin-based data-driven model selection, MMS 19; Bortz,
    Messenger, Dukic (2023), Direct estimation of parameters in ODE models using WENDy, for the whitening.
    """

    half_width: float

    @property
    def description(self) -> str:
        return f"weak form, test functions of half-width {self.half_width:.4g}"

    @property
    def shortest(self) -> int:
        return 8

    def row_noise(self, run: Trajectory, noise: Array) -> Array | None:
        return noise  # the rows are whitened

    def rows(self, run: Trajectory, dictionary: Dictionary, noise: Array) -> Rows:
        theta = dictionary.evaluate(run.x)
        pieces = max(1, -(-len(run.x) // _LONGEST))
        edges = np.linspace(0, len(run.x), pieces + 1).astype(int)
        parts = [self._piece(run, theta, slice(a, b)) for a, b in pairwise(edges) if b - a >= self.shortest]
        leaks = [_leak(dictionary, run.x[s], noise, w) for s, _, _, w in parts]
        return Rows(
            np.concatenate([rows for _, rows, _, _ in parts]),
            np.concatenate([target for _, _, target, _ in parts]),
            np.sum(leaks, axis=0),
        )

    def _piece(self, run: Trajectory, theta: Array, part: slice) -> tuple[slice, Array, Array, Array]:
        t, x = run.t[part], run.x[part]
        phi, slope = test_functions(t, self.half_width)
        w = quadrature_weights(t)
        # int phi dx = - int phi' x; the mean of x is taken out first, since the quadrature of phi' is zero
        # only to its own accuracy.
        left, right = -(slope * w) @ (x - x.mean(axis=0)), (phi * w) @ theta[part]
        spread = (slope * w) @ (slope * w).T
        # A jitter at the level of rounding keeps the factor defined for strongly overlapping functions.
        spread[np.diag_indices_from(spread)] *= 1 + 1e-6
        root = np.linalg.cholesky(spread)
        white = sla.solve_triangular(root, np.hstack([right, left, phi * w]), lower=True)
        p, n = theta.shape[1], x.shape[1]
        return part, white[:, :p], white[:, p : p + n], np.sum(white[:, p + n :] ** 2, axis=0)


def test_functions(t: Array, half_width: float) -> tuple[Array, Array]:
    """(1 - s^2)^6, s = (t - centre) / half_width, and its derivative in t, (k, m) each, for even centres."""
    length = t[-1] - t[0]
    half = min(half_width, length / 2 * (1 - 1e-12))
    count = max(2, int(_OVERLAP * (length - 2 * half) / half) + 1)
    count = min(count, max(2, len(t) // 2))
    centres = (
        np.linspace(t[0] + half, t[-1] - half, count) if length > 2.02 * half else np.array([t[0] + half])
    )
    s = (t[None, :] - centres[:, None]) / half
    inside = np.maximum(1 - s**2, 0.0)
    phi = inside**_BUMP_POWER
    slope = -2 * _BUMP_POWER * s * inside ** (_BUMP_POWER - 1) / half
    return phi, slope


def time_scale(runs: Sequence[Trajectory], noise: Array) -> float:
    """The shortest over states of sd(x) / rms(dx/dt): how fast the states turn, in units of t.

    Slopes are differences over 1, 2, 4, ... samples, the first span over which the noise makes up less than
    half of them, and the noise is subtracted from their mean square.
    """
    sd = np.concatenate([run.x for run in runs]).std(axis=0)
    scale = np.full(len(sd), np.inf)
    for width in (1, 2, 4, 8, 16, 32):
        long = [run for run in runs if len(run) > width]
        if not long:
            break
        dt = np.concatenate([run.t[width:] - run.t[:-width] for run in long])[:, None]
        square = np.mean((np.concatenate([run.x[width:] - run.x[:-width] for run in long]) / dt) ** 2, axis=0)
        false = 2 * noise**2 * np.mean(1 / dt**2)
        ready = np.isinf(scale) & (square > 2 * false) & (square > 0)
        scale[ready] = sd[ready] / np.sqrt((square - false)[ready])
    moving = np.isfinite(scale) & (scale > 0)
    return (
        float(scale[moving].min()) if moving.any() else float(np.median([run.duration for run in runs]) / 4)
    )


def choose_rows(runs: Sequence[Trajectory], noise: Array) -> RowMethod:
    """The method that fits the data: given derivatives, else an accurate strong form, else the weak form.

    The strong form is taken when the noise it lets through stays below a thousandth of the derivatives.
    """
    if all(run.dxdt is not None for run in runs):
        return Derivatives()
    longest = max(len(run) for run in runs)
    require(
        longest >= 3,
        f"the longest gap-free stretch has {longest} sample(s), too few for a derivative; give dxdt or "
        "longer runs",
    )
    for half, degree in ((4, 8), (3, 6), (2, 4), (1, 2)):
        method = LocalPolynomial(half, degree)
        usable = [run for run in runs if len(run) >= method.shortest]
        if sum(len(run) - 2 * half for run in usable) < 0.5 * sum(len(run) for run in runs):
            continue
        ratio = _noise_share(usable, method, noise)
        if ratio < 1e-3 or longest < WeakForm(1.0).shortest:
            return method
        break
    if longest < WeakForm(1.0).shortest:
        return LocalPolynomial(1, 2)
    return WeakForm(_half_width(runs, noise))


def _half_width(runs: Sequence[Trajectory], noise: Array) -> float:
    """Half the time scale of the motion, at least three steps, with a good number of rows in each run."""
    step = float(np.median(np.concatenate([np.diff(run.t) for run in runs])))
    length = float(np.median([run.duration for run in runs]))
    return max(min(0.5 * time_scale(runs, noise), length / _FEWEST), 3.0 * step)


def _noise_share(runs: Sequence[Trajectory], method: LocalPolynomial, noise: Array) -> float:
    """Largest over states of the noise in the slopes over the slopes themselves."""
    weights = [derivative_stencils(run.t, method.half_width, method.degree) for run in runs]
    slopes = np.concatenate([apply_stencils(w, run.x) for w, run in zip(weights, runs)])
    size = np.sqrt(np.mean(slopes**2, axis=0))
    gain = np.sqrt(np.mean([np.mean(np.sum(w**2, axis=1)) for w in weights]))
    moving = size > 0
    return float(np.max(noise[moving] * gain / size[moving])) if moving.any() else 0.0
