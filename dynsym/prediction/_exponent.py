"""The largest Lyapunov exponent of a field, or None where its motion need not be chaotic."""

from __future__ import annotations

import numpy as np

from .._checks import Array, ConvergenceError
from ..vector_field import Integrator, VectorField

_APART = 1e-7  # first distance of two states, in units of the spread
_SATURATED = 0.05
_POWER_LAWS = 2.0  # growth of log distance over the second half of the time: more than any power t^2.9 gives
_SAMPLES = 400
_TIGHT = Integrator(rtol=1e-11, atol=1e-13)


def lyapunov_exponent(field: VectorField, states: Array, spread: Array, duration: float) -> float | None:
    """The rate at which neighbouring solutions part, from states (k, n) over a time; None if that is not exponential.

    Each state gets a twin at 1e-7 spreads; the slope of the mean logarithm of their distance is read until one of ten
    pairs is 0.05 spreads apart. Regular motion parts as a power of time: unless the distance grows by more than a factor
    e^2 over the second half of that stretch, which no power up to t^2.9 does, nothing is claimed.

    References
    ----------
    Kantz (1994), A robust method to estimate the maximal Lyapunov exponent of a time series, Phys. Lett. A 185, for the
    slope of the mean logarithm.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> lorenz = dy.systems.get("lorenz")
    >>> states = np.stack([run.x[-1] for run in lorenz.runs(8, 400)])
    >>> exponent = lyapunov_exponent(lorenz.field(), states, states.std(axis=0), 20.0)
    >>> bool(0.7 < exponent < 1.1)  # 0.906
    True
    """
    rng = np.random.default_rng(0)
    push = rng.standard_normal(states.shape)
    push *= _APART * np.sqrt(states.shape[1]) / np.linalg.norm(push, axis=1, keepdims=True)
    times = np.linspace(0.0, duration, _SAMPLES)
    try:
        paths = field.simulate_many(np.vstack([states, states + push * spread]), times, _TIGHT)
    except ConvergenceError:
        return None
    x = np.stack([run.x for run in paths])
    gap = np.sqrt(np.mean(((x[: len(states)] - x[len(states) :]) / spread) ** 2, axis=2))
    close = np.quantile(gap, 0.9, axis=0) < _SATURATED
    stop = int(np.argmin(close)) if not close.all() else len(times)
    return _slope(times[:stop], np.log(np.maximum(gap[:, :stop], 1e-300)).mean(axis=0))


def _slope(times: Array, growth: Array) -> float | None:
    """Slope of the second half of log distance, or None where a power of time could explain it."""
    half = len(times) // 2
    if half < 5 or growth[-1] - growth[half] < _POWER_LAWS:
        return None
    return float(np.polyfit(times[half:], growth[half:], 1)[0])
