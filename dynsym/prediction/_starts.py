"""Where predictions start: measured states, freed from noise without any model, so that no model is favoured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._checks import Array, require
from ..trajectory import Trajectory
from ._rule import PredictionRule

HALF_WIDTHS = (3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_DEGREE = 4
_KAPPA = (
    1.3  # half-width of the intervals that have to meet, in standard errors: measured to give the least error
)
_FEWEST = 10  # samples of a run that can be predicted


@dataclass(frozen=True, eq=False)
class Start:
    """A state to start from, with what was measured from there on.

    Attributes
    ----------
    run
        Number of the run.
    state, sd
        (n,) the state freed from noise, and its standard error.
    times
        (m,) from 0 on.
    measured
        (m, n) the samples at these times.
    """

    run: int
    state: Array
    sd: Array
    times: Array
    measured: Array


def starts_of(runs: Sequence[Trajectory], noise: Array, rule: PredictionRule) -> list[Start]:
    """The starts of all runs; noise (n,) is the sd of the measurements.

    Raises
    ------
    DataError
        If no run is long enough, or ends before the horizon allows two samples.
    """
    out = []
    for k, run in enumerate(runs):
        m = len(run)
        if m < _FEWEST:
            continue
        lead = min(m // 10, HALF_WIDTHS[-1]) if noise.any() else 0
        for index in sorted(set(np.linspace(lead, max(lead, m // 2), rule.starts).astype(int).tolist())):
            state, sd = local_state(run.t, run.x, index, noise)
            times = run.t[index:] - run.t[index]
            stop = m if rule.horizon is None else index + int(np.searchsorted(times, rule.horizon, "right"))
            if stop - index >= 2:
                out.append(Start(k, state, sd, times[: stop - index], run.x[index:stop]))
    longest = max((len(run) for run in runs), default=0)
    require(
        bool(out),
        f"nothing to predict: the longest run has {longest} samples (at least {_FEWEST} are needed) and the horizon is "
        f"{rule.horizon}; give longer runs or a longer horizon",
    )
    return out


def local_state(t: Array, x: Array, index: int, noise: Array) -> tuple[Array, Array]:
    """The state at a sample with less noise, and its standard error, (n,) each.

    Quartic polynomials are fitted to wider and wider windows around the sample. The widest window is taken whose value
    agrees with those of all narrower ones: as long as the intervals value -+ 1.3 standard errors have a point in common,
    the error from bending is about that from noise, and the standard error counts both. The sample itself is the
    narrowest window.

    References
    ----------
    Goldenshluger, Nemirovski (1997), On spatially adaptive estimation of nonparametric regression, Math. Methods
    Stat. 6, for the rule of intersecting intervals.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 1, 101)
    >>> x = t[:, None] ** 2 + 0.1 * np.random.default_rng(0).standard_normal((101, 1))
    >>> state, sd = local_state(t, x, 50, np.array([0.1]))
    >>> bool(abs(state[0] - 0.25) < 3 * sd[0]), bool(sd[0] < 0.03)
    (True, True)
    """
    state, sd = x[index].copy(), noise.astype(float).copy()
    low, high = state - _KAPPA * sd, state + _KAPPA * sd
    open_ = noise > 0
    for half in HALF_WIDTHS:
        if half > min(index, len(t) - 1 - index) or not open_.any():
            break
        window = slice(index - half, index + half + 1)
        weights = _weights(t[window] - t[index])
        value, error = weights @ x[window], float(np.linalg.norm(weights)) * noise
        low = np.where(open_, np.maximum(low, value - _KAPPA * error), low)
        high = np.where(open_, np.minimum(high, value + _KAPPA * error), high)
        open_ &= low <= high
        total = np.sqrt(2.0) * error
        better = open_ & (total < sd)
        state, sd = np.where(better, value, state), np.where(better, total, sd)
    return state, sd


def _weights(s: Array) -> Array:
    """Weights (k,) with w . y = value at 0 of the quartic that fits y best."""
    powers = (s / np.abs(s).max())[:, None] ** np.arange(_DEGREE + 1)
    return np.asarray(np.linalg.pinv(powers)[0])
