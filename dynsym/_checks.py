"""Checks at the doors: every message shows what arrived and what to do about it.

Public functions call these once on what they are given; the rooms behind them take plain float arrays and
check nothing again.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class DataError(ValueError):
    """The data or an argument cannot be used; the message shows what arrived and the remedy."""


class ConvergenceError(RuntimeError):
    """A solver stopped before it met its stopping rule.

    Attributes
    ----------
    last
        The last iterate, so that nothing computed is lost.
    """

    def __init__(self, message: str, last: Any = None) -> None:
        super().__init__(message)
        self.last = last


def require(condition: bool | np.bool_, message: str) -> None:
    """Raise `DataError` with `message` unless `condition` holds."""
    if not condition:
        raise DataError(message)


def as_floats(name: str, value: npt.ArrayLike, ndim: int) -> Array:
    """Return `value` as a new read-only float64 array with `ndim` axes (no complex, text or object data)."""
    raw = np.asarray(value)
    if raw.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {raw.dtype}; convert it before the call")
    require(raw.ndim == ndim, f"{name} must have {ndim} axes, got shape {raw.shape}")
    out = np.array(raw, dtype=float, order="C")
    out.flags.writeable = False
    return out


def require_finite(name: str, value: Array) -> None:
    """Refuse NaN and infinities, naming the first place."""
    bad = ~np.isfinite(value)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{name} has {int(bad.sum())} values that are not finite, the first at index {first}: "
            f"{value[first]}; drop or mask them before the call"
        )


def states_matrix(x: npt.ArrayLike, n: int) -> Array:
    """Return states as (m, n); one state of shape (n,) becomes one row."""
    raw = np.asarray(x, dtype=float)
    if raw.ndim == 1:
        raw = raw[None, :]
    require(
        raw.ndim == 2 and raw.shape[1] == n,
        f"states must have shape (m, {n}), got {np.shape(x)}; the sample axis comes first",
    )
    return raw


def unique_names(kind: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return names as a tuple of distinct, non-empty strings."""
    out = tuple(str(name) for name in names)
    require(all(out), f"{kind} names must not be empty, got {out}")
    twice = sorted({name for name in out if out.count(name) > 1})
    require(not twice, f"{kind} names must be distinct, got {', '.join(twice)} more than once")
    return out


def choose(kind: str, value: str, known: Sequence[str]) -> str:
    """Return `value` if it is one of `known`, else say which there are."""
    require(value in known, f"unknown {kind} {value!r}; choose one of: {', '.join(known)}")
    return value


def need_extra(module: str, extra: str) -> ModuleType:
    """Import an optional package, or fail with the line that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"this needs the package {module!r}, which is not installed; "
            f"install it with: pip install 'dynsym[{extra}]'"
        ) from error


def frozen(value: npt.ArrayLike) -> Array:
    """Return a read-only float array that nobody else can write to."""
    out = np.array(value, dtype=float)
    out.flags.writeable = False
    return out
