"""Which way of making rows fits the data: decided from the noise, the steps and the time scale of the motion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import Array, require
from ..trajectory import Trajectory
from ._rows import RowMethod
from ._stencils import apply_stencils, derivative_stencils
from ._strong import Derivatives, LocalPolynomial
from ._weak import WeakForm

_NARROWEST = 5.0  # steps in a half-width
_FEWEST = 20  # half-widths that should fit into a run
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
