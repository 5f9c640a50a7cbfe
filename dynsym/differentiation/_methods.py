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
from ..vector_field import VectorField
from ._stencils import apply_stencils, derivative_stencils
from ._test_functions import test_function_weights


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

    def __post_init__(self) -> None:
        require(self.half_width >= 1, f"half_width must be at least 1 sample, got {self.half_width}")
        require(
            1 <= self.degree <= 2 * self.half_width,
            f"degree must lie between 1 and 2 half_width = {2 * self.half_width}, got {self.degree}",
        )

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


_NARROWEST = 5.0  # steps in a half-width
_FEWEST = 20  # half-widths that should fit into a run
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

    def row_noise(self, run: Trajectory, noise: Array) -> Array | None:
        return noise  # the rows are whitened

    def rows(self, run: Trajectory, dictionary: Dictionary, noise: Array) -> Rows:
        theta = dictionary.evaluate(run.x)
        pieces = max(1, -(-len(run.x) // _LONGEST))
        edges = np.linspace(0, len(run.x), pieces + 1).astype(int)
        parts = [
            self._piece(run, dictionary, theta, noise, slice(a, b))
            for a, b in pairwise(edges)
            if b - a >= self.shortest
        ]
        return Rows(
            np.concatenate([rows for rows, _, _ in parts]),
            np.concatenate([target for _, target, _ in parts]),
            np.sum([leak for _, _, leak in parts], axis=0),
        )

    def _piece(
        self, run: Trajectory, dictionary: Dictionary, theta: Array, noise: Array, part: slice
    ) -> tuple[Array, Array, Array]:
        """Whitened rows, targets and leak of a stretch that is short enough for dense whitening."""
        x = run.x[part]
        left, right = test_function_weights(run.t[part], self.half_width)
        spread = left @ left.T + (right * self._through_field(x, noise)) @ right.T
        # A jitter at the level of rounding keeps the factor defined for strongly overlapping functions.
        spread[np.diag_indices_from(spread)] *= 1 + 1e-6
        root = np.linalg.cholesky(spread)
        rows = np.hstack([right @ theta[part], left @ (x - x.mean(axis=0)), right])
        white = sla.solve_triangular(root, rows, lower=True)
        p, n = theta.shape[1], x.shape[1]
        leak = _leak(dictionary, x, noise, np.sum(white[:, p + n :] ** 2, axis=0))
        return white[:, :p], white[:, p : p + n], leak

    def _through_field(self, x: Array, noise: Array) -> Array:
        """Squared noise of each sample through theta over its direct one, mean over equations, (m,)."""
        if self.field is None or not noise.any():
            return np.zeros(len(x))
        jac = self.field.jacobian(x)
        safe = np.where(noise > 0, noise, np.inf)
        return np.mean(np.einsum("mik,k->mi", jac**2, noise**2) / safe**2, axis=1)


_STRONG = ((4, 8), (3, 6), (2, 4), (1, 2))
_QUIET = 1e-3  # noise in the slopes, relative to the slopes, up to which the strong form is taken
_FINE = 1e-6  # change of the slopes from the next lower order up to which steps count as fine
_MOST_RUNS = 200  # runs that are looked at for the time scale
_SHORT = 16  # samples of the longest stretch below which the weak form has too few test functions


def time_scale(runs: Sequence[Trajectory], noise: Array) -> float:
    """How fast the states turn: the least sd(x) / rms(dx/dt) of a run, its tenth percentile over runs.

    Slopes are differences over 1, 2, 4, ... samples, the first span over which the noise makes up less than
    half of them, and the noise is subtracted from their mean square.
    """
    scales = [scale for run in runs[:_MOST_RUNS] if (scale := _time_scale(run, noise)) is not None]
    if not scales:
        return float(np.median([run.duration for run in runs]) / 4)
    return float(np.quantile(scales, 0.1))


def _time_scale(run: Trajectory, noise: Array) -> float | None:
    sd = run.x.std(axis=0)
    scale = np.full(len(sd), np.inf)
    for width in (1, 2, 4, 8, 16, 32):
        if len(run) <= 2 * width:
            break
        dt = run.t[width:] - run.t[:-width]
        wide = dt >= np.median(dt) * (1 - 1e-9)  # close pairs of scattered samples show nothing but noise
        slopes = (run.x[width:] - run.x[:-width])[wide] / dt[wide, None]
        square = np.mean(slopes**2, axis=0)
        false = 2 * noise**2 * np.mean(1 / dt[wide] ** 2)
        ready = np.isinf(scale) & (square > 2 * false) & (square > 0) & (sd > 3 * noise)
        scale[ready] = sd[ready] / np.sqrt((square - false)[ready])
    moving = np.isfinite(scale) & (scale > 0)
    return float(scale[moving].min()) if moving.any() else None


def choose_rows(runs: Sequence[Trajectory], noise: Array) -> RowMethod:
    """The method that fits the data: given derivatives, else an accurate strong form, else the weak form.

    The strong form is taken when it lets little noise through and the steps are fine, or when runs are too
    short for the weak form.
    """
    if all(run.dxdt is not None for run in runs):
        return Derivatives()
    longest = max(len(run) for run in runs)
    require(
        longest >= 3,
        f"the longest gap-free stretch has {longest} sample(s), too few for a derivative; give dxdt or "
        "longer runs",
    )
    for half, degree in _STRONG:
        method = LocalPolynomial(half, degree)
        usable = [run for run in runs if len(run) >= method.shortest]
        if sum(len(run) - 2 * half for run in usable) < 0.25 * sum(len(run) for run in runs):
            continue
        quiet = _noise_share(usable, method, noise) < _QUIET and truncation_share(usable, method) < _FINE
        if quiet or longest < _SHORT:
            return method
        break
    if longest < _SHORT:
        return LocalPolynomial(1, 2)
    return WeakForm(_half_width(runs, noise))


def truncation_share(runs: Sequence[Trajectory], method: LocalPolynomial) -> float:
    """Largest relative change over states of the slopes from the next lower order: coarse steps show."""
    half, degree = method.half_width, method.degree
    if half < 2:
        return 0.0
    changes, slopes = [], []
    for run in runs:
        high = apply_stencils(derivative_stencils(run.t, half, degree), run.x)
        low = apply_stencils(derivative_stencils(run.t, half - 1, degree - 2), run.x)[1:-1]
        changes.append(high - low)
        slopes.append(high)
    size = np.sqrt(np.mean(np.concatenate(slopes) ** 2, axis=0))
    change = np.sqrt(np.mean(np.concatenate(changes) ** 2, axis=0))
    moving = size > 0
    return float(np.max(change[moving] / size[moving])) if moving.any() else 0.0


def _half_width(runs: Sequence[Trajectory], noise: Array) -> float:
    """Half the time scale of the motion, at least three steps, with a good number of rows in each run."""
    step = sum(run.duration for run in runs) / max(sum(len(run) - 1 for run in runs), 1)
    length = float(np.median([run.duration for run in runs]))
    return max(min(0.5 * time_scale(runs, noise), length / _FEWEST), _NARROWEST * step)


def _noise_share(runs: Sequence[Trajectory], method: LocalPolynomial, noise: Array) -> float:
    """Largest over states of the noise in the slopes over the slopes themselves."""
    weights = [derivative_stencils(run.t, method.half_width, method.degree) for run in runs]
    slopes = np.concatenate([apply_stencils(w, run.x) for w, run in zip(weights, runs)])
    size = np.sqrt(np.mean(slopes**2, axis=0))
    gain = np.sqrt(np.mean([np.mean(np.sum(w**2, axis=1)) for w in weights]))
    moving = size > 0
    return float(np.max(noise[moving] * gain / size[moving])) if moving.any() else 0.0
