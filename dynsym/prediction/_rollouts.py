"""Simulations from all starts at once, and how far they lie from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._checks import Array, ConvergenceError
from ..trajectory._times import even_step
from ..vector_field import Integrator, VectorField
from ._starts import Start

_INTEGRATOR = Integrator(rtol=1e-8, atol=1e-10)
LOST = 1e3  # the error from where a simulation has broken down


@dataclass(frozen=True, eq=False)
class Scale:
    """What errors are measured in: sd of the states over all runs and of the noise, (n,) each."""

    spread: Array
    noise: Array

    @property
    def floor(self) -> float:
        """Mean square of the noise in units of the spread: what a perfect prediction would show."""
        return float(np.mean((self.noise / self.spread) ** 2))


def rollouts(
    field: VectorField, starts: Sequence[Start], integrator: Integrator = _INTEGRATOR
) -> list[Array]:
    """The simulated states (m_k, n) of each start, as far as each could be followed.

    Starts with the same step are integrated together and cut to their own lengths.
    """
    out: list[Array] = [np.empty((0, field.n_states))] * len(starts)
    groups: dict[object, list[int]] = {}
    for k, start in enumerate(starts):
        step = even_step(start.times)
        key = ("even", f"{step:.9g}") if step is not None else ("own", start.times.tobytes())
        groups.setdefault(key, []).append(k)
    for members in groups.values():
        times = max((starts[k].times for k in members), key=len)
        states = np.stack([starts[k].state for k in members])
        try:
            paths = [run.x for run in field.simulate_many(states, times, integrator)]
        except ConvergenceError as error:
            paths = [run.x for run in error.last]
        for k, path in zip(members, paths):
            out[k] = path[: len(starts[k].times)]
    return out


def square_errors(path: Array, start: Start, scale: Scale) -> Array:
    """e(t)^2 plus the share of the noise, (m,); LOST^2 from where the path ends."""
    out = np.full(len(start.times), LOST**2)
    with np.errstate(over="ignore", invalid="ignore"):
        miss = (path - start.measured[: len(path)]) / scale.spread
        own = np.mean(miss**2, axis=1)
    out[: len(own)] = np.where(np.isfinite(own), np.minimum(own, LOST**2), LOST**2)
    return out


def valid_time(times: Array, squares: Array, threshold: float, floor: float) -> tuple[float, bool]:
    """The time at which e^2 first exceeds threshold^2 plus the floor, and whether it never did (then: the last time)."""
    limit = threshold**2 + floor
    over: npt.NDArray[np.intp] = np.flatnonzero(squares > limit)
    if not len(over):
        return float(times[-1]), True
    k = int(over[0])
    if k == 0:
        return 0.0, False
    # Errors grow like exponentials: the crossing is found on the logarithm.
    before, after = np.log(np.maximum(squares[[k - 1, k]], 1e-300))
    share = (np.log(limit) - before) / (after - before) if after > before else 1.0
    return float(times[k - 1] + np.clip(share, 0, 1) * (times[k] - times[k - 1])), False
