"""Which of the names in a file are time, run, states and derivatives, and how runs are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dynsym._checks import Array, DataError, require
from dynsym.trajectory.trajectory import Trajectory

TIME_NAMES = ("t", "time", "Time", "T", "year", "date")
RUN_NAMES = (
    "run",
    "trial",
    "id",
    "run_id",
    "trajectory",
    "trajectory_id",
    "traj",
    "traj_id",
    "experiment",
    "episode",
)
DERIVATIVE = "_dot"


@dataclass(frozen=True)
class Wanted:
    """The names asked for at the door; None is to be found out."""

    time: str | None = None
    states: tuple[str, ...] | None = None
    run: str | None = None


@dataclass(frozen=True)
class Chosen:
    """What all runs of one file share: state names, units and so on, with derivatives where there are any."""

    states: tuple[str, ...]
    slopes: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)
    sd: Mapping[str, float] = field(default_factory=dict)
    time_unit: str = ""

    def build(self, t: Array, columns: Sequence[Array], slopes: Sequence[Array], label: str) -> Trajectory:
        """Return one run; samples at its end in which every state is missing are padding and are dropped."""
        x = np.empty((len(t), len(columns)))
        for i, column in enumerate(columns):
            x[:, i] = column
        seen = np.flatnonzero(~np.isnan(x).all(axis=1))
        require(seen.size > 0, f"run {label!r} has no sample of {', '.join(self.states)}; leave it out")
        m = int(seen[-1]) + 1
        dxdt = np.stack([slope[:m] for slope in slopes], axis=1) if slopes else None
        t, x = np.array(t[:m], dtype=float), x if m == len(x) else x[:m].copy()
        for array in (t, x) if dxdt is None else (t, x, dxdt):
            array.flags.writeable = False
        return Trajectory(t, x, self.states, self.given_units, dxdt, self.given_sd, label, self.time_unit)

    @property
    def given_units(self) -> dict[str, str] | None:
        """The units of the states that have one; None if none has."""
        return {name: self.units[name] for name in self.states if self.units.get(name)} or None

    @property
    def given_sd(self) -> list[float] | None:
        """The noise of the states; None unless it is known for every one."""
        known = all(name in self.sd for name in self.states)
        return [self.sd[name] for name in self.states] if known else None


def wanted(time: str | None, states: Sequence[str] | None, run: str | None) -> Wanted:
    """Return the request with its types checked."""
    if isinstance(states, str):
        raise TypeError(
            f"states must be a sequence of names, got the single string {states!r}; write [{states!r}]"
        )
    if states is not None:
        require(
            len(states) > 0, "states is empty; name at least one state, or leave it out to take all of them"
        )
    return Wanted(time, None if states is None else tuple(states), run)


def present(kind: str, name: str, known: Iterable[Any], option: str) -> str:
    """Return `name` if the file has it, else list what the file has."""
    have = [str(k) for k in known]
    listed = ", ".join(have[:30]) + (", ..." if len(have) > 30 else "")
    require(name in have, f"no {kind} named {name!r}; there are: {listed or 'none'}; name it with {option}")
    return name


def choose_states(
    asked: tuple[str, ...] | None, numeric: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (states, their derivatives or nothing) among the numeric names.

    Unless states are named, `v_dot` beside `v` is the derivative of v, and then every state must have one.
    """
    if asked is not None:
        slopes = tuple(name + DERIVATIVE for name in asked)
        return asked, slopes if all(slope in numeric for slope in slopes) else ()
    derivatives = [n for n in numeric if n.endswith(DERIVATIVE) and n.removesuffix(DERIVATIVE) in numeric]
    states = tuple(name for name in numeric if name not in derivatives)
    without = [name for name in states if name + DERIVATIVE not in numeric]
    if derivatives and without:
        raise DataError(
            f"{', '.join(derivatives)} reads as a derivative, but {', '.join(without)} has none; give the "
            "derivatives of all states or of none, or name the states with states=[...] (--states A,B)"
        )
    return states, tuple(name + DERIVATIVE for name in states) if derivatives else ()


def numbers(name: str, values: np.ndarray) -> np.ndarray:
    """Return real numbers as they are, else say what `name` holds."""
    if values.dtype.kind == "c":
        raise TypeError(f"{name} is complex; split it into its real and imaginary part")
    if values.dtype.kind not in "biuf":
        shown = values.reshape(-1)[0] if values.size else ""
        raise TypeError(f"{name} must hold real numbers, got dtype {values.dtype} with {shown!r} in it")
    return values


def time_numbers(values: np.ndarray, unit: str, origin: Any = None) -> tuple[np.ndarray, str]:
    """Return times as floats with their unit; dates become seconds since `origin`, by default their first."""
    if values.dtype.kind == "m":
        return _in_seconds(values), "s"
    first = first_date(values) if origin is None else origin
    if first is None:
        return numbers("the time", values), unit
    if values.dtype.kind == "M":
        return _in_seconds(values - first), f"seconds since {np.datetime_as_string(first, unit='ms')}"
    seconds = [(value - first).total_seconds() for value in values.flat]
    return np.array(seconds).reshape(values.shape), f"seconds since {first.isoformat()}"


def first_date(values: np.ndarray) -> Any:
    """Return the earliest of dates, from which seconds are counted; None for anything else."""
    if values.dtype.kind == "M":
        first = np.nanmin(values)
        require(not np.isnat(first), "the time coordinate holds no date (all NaT)")
        return first
    if values.dtype.kind == "O" and values.size and hasattr(values.flat[0], "isoformat"):
        return min(values.flat)
    return None


def _in_seconds(span: np.ndarray) -> np.ndarray:
    missing = np.isnat(span)
    return np.where(missing, np.nan, span / np.timedelta64(1, "s"))


def value_label(value: object) -> str:
    """Return what a run id looks like in a label; whole floats lose their point."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
