"""What one run may hold: the checks and conversions of each field of `Trajectory`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array, DataError, require, require_finite, unique_names
from dynsym.trajectory._times import step_range


def _sealed(value: object) -> bool:
    """Say whether nobody can write to this float array, neither directly nor through what it is a view of."""
    if not isinstance(value, np.ndarray) or value.dtype != np.float64 or not value.flags.c_contiguous:
        return False
    base: object = value
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return base is None


def own_array(name: str, value: npt.ArrayLike) -> Array:
    """Return a read-only float64 array: `value` itself if it is sealed already, else one copy of it.

    Masked entries become NaN. Sharing sealed arrays lets a run be cut into segments without a copy.
    """
    if _sealed(value) and type(value) is np.ndarray:
        return value
    if isinstance(value, np.ma.MaskedArray):
        value = np.ma.filled(value.astype(float), np.nan)
    try:
        raw = np.asarray(value)
    except ValueError as error:
        raise DataError(
            f"{name} has rows of different lengths; give one run as a rectangle, several runs as a list of "
            "(t, x)"
        ) from error
    if raw.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {raw.dtype}; convert it before the call")
    out = np.array(raw, dtype=float, order="C", subok=False)
    out.flags.writeable = False
    return out


def check_times(t: Array) -> None:
    """Refuse times that are absent, not finite, repeated or decreasing, naming the first such place."""
    require(t.ndim == 1, f"t must have one axis, got shape {t.shape}")
    require(t.size > 0, "t is empty; a run needs at least one sample")
    # One pass over the steps, without a temporary; a time that is not finite makes a step that is not.
    low, high = step_range(t)
    if low > 0 and high < np.inf and np.isfinite(t[0]):
        return
    require_finite("t", t)
    if t.size == 1:
        return
    step = np.diff(t)
    require(
        not ((step < 0).all() and step.size > 1),
        f"t decreases throughout, from {t[0]:.12g} to {t[-1]:.12g}; reverse the samples: t[::-1], x[::-1]",
    )
    at = int(np.argmax(step <= 0))
    here, there = f"t[{at + 1}] = {t[at + 1]:.12g}", f"t[{at}] = {t[at]:.12g}"
    require(
        step[at] != 0, f"t repeats: {here} equals {there}; keep or average one of the samples at that time"
    )
    raise DataError(f"t must increase: {here} follows {there}; sort the samples or split the run there")


def samples_matrix(name: str, value: Array, m: int) -> Array:
    """Return samples as (m, n), one row per time; shape (m,) is one state."""
    if value.ndim == 1:
        value = value[:, None]
    require(
        value.ndim == 2 and value.shape[1] > 0,
        f"{name} must have shape (m, n), got {value.shape}; the sample axis comes first",
    )
    turned = "; the sample axis comes first, so transpose it" if value.shape[1] == m else ""
    require(value.shape[0] == m, f"{name} has {value.shape[0]} samples for {m} times{turned}")
    return value


def refuse_infinite(name: str, value: Array, names: Sequence[str]) -> None:
    """Refuse infinities, naming the first sample and state."""
    # The sum is finite unless an entry is not (or huge entries overflow), and needs no mask as large as
    # the data.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(value.sum()):
            return
    bad = np.isinf(value)
    if bad.any():
        sample, state = (int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{name} has {int(bad.sum())} infinite values, the first at sample {sample} of state "
            f"{names[state]!r}; use NaN for a missing sample"
        )


def state_names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """Return one distinct name per state; the default is x1 ... xn."""
    if names is None:
        return tuple(f"x{i + 1}" for i in range(n))
    require(
        not isinstance(names, str),
        f"names must be one string per state, got the single string {names!r}; write ({names!r},)",
    )
    out = unique_names("state", names)
    require(len(out) == n, f"names has {len(out)} entries {out} for {n} states")
    return out


def state_units(
    units: Sequence[str] | Mapping[str, str] | None, names: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Return one unit per state; a mapping may leave states out, their unit is then the empty string."""
    if units is None:
        return None
    if isinstance(units, str):
        raise TypeError(f"units must be one string per state, got the single string {units!r}")
    if isinstance(units, Mapping):
        unknown = [str(key) for key in units if key not in names]
        require(
            not unknown, f"units are given for {', '.join(unknown)}, but the states are {', '.join(names)}"
        )
        units = [units.get(name, "") for name in names]
    if not isinstance(units, Sequence):
        raise TypeError(f"units must be a sequence or a mapping of strings, got {type(units).__name__}")
    wrong = [unit for unit in units if not isinstance(unit, str)]
    if wrong:
        raise TypeError(f"units must be strings, got {wrong[0]!r} of type {type(wrong[0]).__name__}")
    require(len(units) == len(names), f"units has {len(units)} entries for {len(names)} states")
    return tuple(units)


def standard_deviation(sd: npt.ArrayLike | None, n: int) -> Array | None:
    """Return the measurement noise as (n,); a scalar holds for every state."""
    if sd is None:
        return None
    value = own_array("sd", sd)
    require(value.ndim <= 1, f"sd must be a scalar or have shape ({n},), got shape {value.shape}")
    if value.ndim == 0 or value.size == 1:
        value = np.full(n, float(value.reshape(-1)[0]))
    require(value.size == n, f"sd has {value.size} entries for {n} states")
    require_finite("sd", value)
    require((value >= 0).all(), f"sd must not be negative, got {value.min():.6g}")
    return own_array("sd", value)
