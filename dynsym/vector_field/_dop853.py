"""DOP853 for one initial state: the steps of SciPy's solver in plain floats, their samples in arrays.

For a few states nearly all of the time of a solver written in NumPy goes into calls on tiny arrays. The step is
therefore written out as straight-line code, once per number of states, from the tableau of `scipy.integrate.DOP853`;
step-size control and interpolation are SciPy's, so both take the same steps up to rounding.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.integrate import DOP853

from .._checks import Array
from ._levels import LOST
from ._program import UNDEFINED, Program

MOST_STATES = 24  # beyond it, NumPy's overhead is the smaller part of a step
SAFETY, LEAST_FACTOR, LARGEST_FACTOR = 0.9, 0.2, 10.0
EXPONENT = -1 / 8  # the error estimate is of order 7
TOO_SMALL = "Required step size is less than spacing between numbers."
_STEPS_IN_BLOCK = 512

State = tuple[float, ...]
Function = Callable[..., State]
Keep = Callable[[State, State], State | None]  # (end of a step, its beginning) -> where to go on


@dataclass
class _Samples:
    """The solution at the wanted times: collects steps and interpolates them in blocks."""

    times: Array
    values: Array  # (m, n)
    done: int = 1
    steps: list[tuple[float, float, State, State, tuple[State, ...]]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def add(self, t: float, h: float, x: State, y: State, stages: tuple[State, ...], count: int) -> None:
        self.steps.append((t, h, x, y, stages))
        self.counts.append(count)
        if len(self.steps) == _STEPS_IN_BLOCK:
            self.flush()

    def flush(self) -> None:
        """Interpolate what was collected."""
        if not self.steps:
            return
        t, h, x, y, stages = (np.array(part) for part in zip(*self.steps))
        of = np.repeat(np.arange(len(t)), self.counts)
        stop = self.done + len(of)
        inside = (self.times[self.done : stop] - t[of]) / h[of]
        bent = bends(x, y, h[:, None], np.moveaxis(stages, 1, 0))
        self.values[self.done : stop] = between(x[of], bent[:, of], inside[:, None])
        self.done = stop
        self.steps.clear()
        self.counts.clear()


def bends(x: Array, y: Array, h: Array, stages: Array) -> Array:
    """The seven coefficients of the interpolant of a step from x to y; stages (16, ...) as in `DOP853`."""
    out = np.empty((7, *x.shape))
    np.subtract(y, x, out=out[0])
    out[1] = h * stages[0] - out[0]
    out[2] = 2 * out[0] - h * (stages[12] + stages[0])
    out[3:] = h * np.tensordot(DOP853.D, stages, 1)
    return out


def between(x: Array, bent: Array, inside: Array) -> Array:
    """The interpolant at the share `inside` of a step from x."""
    out = np.zeros_like(x)
    for i, coefficient in enumerate(bent[::-1]):
        out += coefficient
        out *= inside if i % 2 == 0 else 1 - inside
    return out + x


def solve(
    program: Program, start: Array, times: Array, tolerances: tuple[float, float], keep: Keep | None
) -> tuple[Array, str]:
    """The solution at the times as far as it can be followed, (k, n), and why it ended (empty if it did not)."""
    samples = _Samples(times, np.empty((len(times), len(start))))
    samples.values[0] = start
    message = _advance(program.one, tuple(start.tolist()), samples, tolerances, keep)
    with np.errstate(all="ignore"):
        samples.flush()
    return samples.values[: samples.done], message


def _advance(
    f: Function, x: State, samples: _Samples, tolerances: tuple[float, float], keep: Keep | None
) -> str:
    """Step from the first to the last time, handing over the steps that hold samples."""
    step, three_more = step_code(len(x))
    wanted: list[float] = samples.times.tolist()
    t, end, at = wanted[0], wanted[-1], 1
    try:
        slope = f(*x)
        h = _first_step(f, x, slope, end - t, tolerances)
        while t < end:
            tried = _accepted(step, f, x, slope, (t, h, end), tolerances)
            if tried is None:
                return TOO_SMALL
            t_new, taken, h, y, stages = tried
            slope, goal = stages[12], y
            if keep is not None:
                kept = keep(y, x)
                if kept is None:
                    return LOST
                goal = kept
                slope = f(*goal)
            upto = bisect_right(wanted, t_new, at)
            if upto > at:
                stages = stages + three_more(f, x, taken, *stages)
                samples.add(t, taken, x, y, stages, upto - at)
                at = upto
            t, x = t_new, goal
    except UNDEFINED as error:
        return f"the field has no value there ({error})."
    return ""


def _accepted(
    step: Callable[..., Any],
    f: Function,
    x: State,
    slope: State,
    times: tuple[float, float, float],
    tolerances: tuple[float, float],
) -> tuple[float, float, float, State, tuple[State, ...]] | None:
    """Shorten the step until its error is small enough: time reached, step taken, next step, state, stages."""
    t, h, end = times
    least = 10 * (math.nextafter(t, math.inf) - t)
    h = max(h, least)
    largest = LARGEST_FACTOR
    while h >= least:
        t_new = min(t + h, end)
        h = t_new - t
        try:
            y, stages, high, low = step(f, x, slope, h, *tolerances)
            size = h * high / math.sqrt((high + 0.01 * low) * len(x)) if high or low else 0.0
        except UNDEFINED:
            size = math.nan
        if size < 1:
            factor = min(largest, SAFETY * size**EXPONENT) if size else largest
            return t_new, h, h * factor, y, stages
        # A comparison with NaN is false, so that the step is cut most where f has no value.
        h *= max(LEAST_FACTOR, SAFETY * size**EXPONENT)
        largest = 1.0
    return None


def _first_step(f: Function, x: State, slope: State, span: float, tolerances: tuple[float, float]) -> float:
    """A first step by two evaluations (Hairer, Norsett, Wanner 1993, II.4)."""
    at, f0 = np.array([x]).T, np.array([slope]).T

    def columns(state: Array) -> Array:
        try:
            return np.array([f(*state[:, 0].tolist())]).T
        except UNDEFINED:
            return np.full_like(state, np.nan)

    with np.errstate(all="ignore"):
        return float(first_steps(columns, at, f0, span, tolerances)[0])


def first_steps(
    f: Callable[[Array], Array], x: Array, slope: Array, span: float, tolerances: tuple[float, float]
) -> Array:
    """First steps for many states, (n, k) -> (k,); f is evaluated once, at states (n, k)."""
    rtol, atol = tolerances
    scale = atol + np.abs(x) * rtol
    d0, d1 = _size(x / scale), _size(slope / scale)
    small = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = np.minimum(np.where(small, 1e-6, 0.01 * d0 / np.where(small, 1.0, d1)), span)
    # Where the field has no value a little further on, its slope alone has to do.
    d2 = np.nan_to_num(_size((f(x + h0 * slope) - slope) / scale) / h0, nan=0.0)
    most = np.maximum(d1, d2)
    h1 = np.where(most <= 1e-15, np.maximum(1e-6, h0 * 1e-3), (0.01 / np.maximum(most, 1e-15)) ** (1 / 8))
    return np.minimum(np.minimum(100 * h0, h1), span)


def _size(x: Array) -> Array:
    return np.sqrt(np.mean(x * x, axis=0))


@lru_cache(maxsize=64)
def step_code(n: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """One step, and the three stages more that its interpolant needs, as code for n states.

    ``step(f, x, k0, h, rtol, atol)`` returns the new state, the 13 stages, and the squared sizes of the error
    estimates of order 5 and 3 per unit of h; ``three_more(f, x, h, *stages)`` returns three stages.
    """
    space: dict[str, Any] = {"__builtins__": {}}
    for source in (_step_source(n), _three_more_source(n)):
        exec(compile("\n".join(source), "<DOP853>", "exec"), space)
    return space["step"], space["three_more"]


def _step_source(n: int) -> list[str]:
    lines = ["def step(f, x, k0, h, rtol, atol):", f"    {_all('x', n)}= x", f"    {_all('k0_', n)}= k0"]
    for s, row in enumerate(DOP853.A[1:], start=1):
        lines.append(f"    {_all(f'k{s}_', n)}= k{s} = f({_moved(row, n)})")
    lines.append(f"    {_all('y', n)}= y = ({_moved(DOP853.B, n)},)")
    lines += [f"    {_all('k12_', n)}= k12 = f(*y)", "    high = low = 0.0"]
    for i in range(n):
        lines += [
            f"    a = x{i} if x{i} >= 0.0 else -x{i}",
            f"    b = y{i} if y{i} >= 0.0 else -y{i}",
            "    scale = atol + rtol * (a if a > b else b)",
            f"    e = ({_combined(DOP853.E5, i)}) / scale",
            "    high += e * e",
            f"    e = ({_combined(DOP853.E3, i)}) / scale",
            "    low += e * e",
        ]
    stages = ", ".join(f"k{s}" for s in range(13))
    return [*lines, f"    return y, ({stages}), high, low"]


def _three_more_source(n: int) -> list[str]:
    stages = ", ".join(f"k{s}" for s in range(13))
    lines = [f"def three_more(f, x, h, {stages}):", f"    {_all('x', n)}= x"]
    lines += [f"    {_all(f'k{s}_', n)}= k{s}" for s in range(13)]
    for s, row in enumerate(DOP853.A_EXTRA, start=13):
        lines.append(f"    {_all(f'k{s}_', n)}= k{s} = f({_moved(row, n)})")
    return [*lines, "    return k13, k14, k15"]


def _all(name: str, n: int) -> str:
    return "".join(f"{name}{i}, " for i in range(n))


def _moved(row: Sequence[float], n: int) -> str:
    """The states after h times a combination of stages."""
    return ", ".join(f"x{i} + h * ({_combined(row, i)})" for i in range(n))


def _combined(row: Sequence[float], state: int) -> str:
    return " + ".join(f"{float(c)!r}*k{s}_{state}" for s, c in enumerate(row) if c != 0)
