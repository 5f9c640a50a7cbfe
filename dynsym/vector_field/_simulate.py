"""Which solver follows a field, what it is given, and how far it came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .._checks import Array, require
from . import _batch, _dop853
from ._integrator import Integrator
from ._levels import LOST, Laws, Levels
from ._program import Program
from ._scipy import solve_with_scipy

_FEW = 20  # up to so many states, steps in plain floats one by one are faster than shared arrays
_FEW_LARGE = 4  # the same where a step is not written out in plain floats


class _Field(Protocol):
    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def program(self) -> Program: ...

    @property
    def jacobian_program(self) -> Program: ...


@dataclass(frozen=True)
class Reached:
    """A solution at the times t as far as it was followed, (k, n), and why it ended (empty if it did not)."""

    times: Array
    x: Array
    message: str

    def text(self) -> str:
        """Where and why the solution ended, and what to do."""
        return (
            f"the solution stopped at t = {self.times[len(self.x) - 1]:g}, before {self.times[-1]:g}: {self.message} "
            "Shorten the time span or start elsewhere."
        )


def follow(field: _Field, start: Array, times: Array, how: Integrator, conserve: Laws) -> Reached:
    """One solution."""
    levels = _levels(field, how, conserve)
    if len(times) == 1:
        return Reached(times, start[None, :], "")
    if how.method != "DOP853" or (levels is None and len(start) > _dop853.MOST_STATES):
        x, message = solve_with_scipy(field.program, lambda: field.jacobian_program, start, times, how)
        return _finite(times, x, message)
    tolerances = how.tolerances
    if levels is None:
        return _finite(times, *_dop853.solve(field.program, start, times, tolerances, None))
    values = levels.at(start[None])[0]
    x, message = _dop853.solve(field.program, start, times, tolerances, levels.keeper(values))
    x[1:] = levels.project(x[1:], values)
    return _finite(times, x, message)


def follow_many(field: _Field, starts: Array, times: Array, how: Integrator, conserve: Laws) -> list[Reached]:
    """Many solutions, together where that is possible."""
    written_out = field.program.compiled and starts.shape[1] <= _dop853.MOST_STATES
    few = len(starts) <= (_FEW if written_out else _FEW_LARGE)
    if how.method != "DOP853" or len(times) == 1 or few:
        return [follow(field, start, times, how, conserve) for start in starts]
    levels = _levels(field, how, conserve)
    x, reached = _batch.solve_many(field.program, starts, times, how.tolerances, levels)
    x.flags.writeable = False
    why = _dop853.TOO_SMALL if levels is None else f"{_dop853.TOO_SMALL[:-1]}, or {LOST}"
    return [
        _finite(times, one[:count], "" if count == len(times) else why)
        for one, count in zip(x, reached.tolist())
    ]


def _levels(field: _Field, how: Integrator, conserve: Laws) -> Levels | None:
    levels = Levels.of(conserve, field.names)
    require(
        levels is None or how.method == "DOP853",
        f"conserve needs the method DOP853, got {how.method}; the others do not take up a state that was moved",
    )
    return levels


def _finite(times: Array, x: Array, message: str) -> Reached:
    """Cut before the first sample that is not finite; the first one is the start."""
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        x, message = x[: int(np.argmax(bad))], message or "the states become infinite."
    return Reached(times, x, message)
