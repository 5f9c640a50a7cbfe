"""Which variables of a Dataset are times, states and derivatives, and which dimension separates runs.

The decisions need names, dimensions and types, never the numbers, so they are the same for what is loaded into
memory and for what stays in a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dynsym._checks import DataError, require
from dynsym.trajectory._columns import (
    RUN_NAMES,
    TIME_NAMES,
    Wanted,
    choose_states,
    numbers,
    present,
    value_label,
)

if TYPE_CHECKING:
    import xarray as xr

# A dimension of this name lists the states of one variable; reading it as runs would be wrong without a
# trace.
_STATE_DIMS = ("state", "states", "component", "components", "variable", "variables", "feature", "features")


@dataclass(frozen=True)
class Axes:
    """The variable of times, the dimension it runs along, and the dimension that separates runs, if any does.

    `numeric` names what may be needed: the states that were asked for, else every variable of numbers.
    """

    time: str
    along: str
    run: str | None
    numeric: tuple[str, ...]


def axes_of(ds: xr.Dataset, want: Wanted) -> Axes:
    """Return the axes of a Dataset, or say what is missing or ambiguous."""
    require(len(ds.data_vars) > 0, f"the dataset has no variables (dimensions: {_sizes(ds)})")
    time, along = find_time(ds, want)
    for name in want.states or ():
        present("variable", name, ds.variables, "states=[...] (--states A,B)")
    numeric = [str(name) for name in want.states or numeric_along(ds, time, along)]
    require(
        len(numeric) > 0,
        f"no variable of numbers along the time dimension {along!r}; there are: {_listed(ds)}",
    )
    return Axes(time, along, _find_run(ds, time, along, numeric, want), tuple(numeric))


def columns_along(ds: xr.Dataset, axes: Axes, want: Wanted) -> list[str]:
    """Return the variables along time alone that may be time, run, states or derivatives, time first."""
    names = [axes.time, *(str(k) for k in ds.data_vars if k != axes.time)]
    if want.states is not None:
        named = (*want.states, *(f"{name}_dot" for name in want.states), want.run, *RUN_NAMES)
        names = [axes.time, *(str(k) for k in ds.variables if k != axes.time and k in named)]
    return [
        name for name in names if axes.along in ds[name].dims and ds[name].size == ds[name].sizes[axes.along]
    ]


def states_of_runs(
    ds: xr.Dataset, axes: Axes, run: str, want: Wanted
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (states, their derivatives) among the variables along the dimensions of runs and of time."""
    states, slopes = choose_states(want.states, numeric_along(ds, axes.time, axes.along))
    shared = [name for name in states + slopes if run not in ds[name].dims]
    require(
        not shared, f"{', '.join(shared)} lacks the dimension {run!r} of the other states; broadcast it first"
    )
    for name in states + slopes:
        if ds[name].dtype.kind not in "biuf":
            numbers(f"variable {name!r}", np.asarray(ds[name][:1]))
    return states, slopes


def labels_of_runs(ds: xr.Dataset, run: str) -> list[str]:
    """Return what the runs along a dimension are called, such as "planet=Mercury"."""
    ids = ds[run].values if run in ds.coords else np.arange(ds.sizes[run])
    return [f"{run}={value_label(value)}" for value in (ids if ids.dtype.kind == "M" else ids.tolist())]


def _listed(ds: xr.Dataset) -> str:
    return ", ".join(f"{name}({', '.join(map(str, ds[name].dims))})" for name in ds.variables)


def _sizes(ds: xr.Dataset | xr.DataArray) -> str:
    return ", ".join(f"{dim}: {size}" for dim, size in ds.sizes.items())


def find_time(ds: xr.Dataset, want: Wanted) -> tuple[str, str]:
    """Return the variable of times and the dimension along which they increase."""
    name = want.time if want.time is not None else _guess_time(ds)
    known = [*ds.variables, *(dim for dim in ds.dims if dim not in ds.variables)]
    present("dimension or variable", name, known, "time=... (--time NAME)")
    require(
        name in ds.variables,
        f"the dimension {name!r} has no coordinate, so its times are unknown; assign one",
    )
    dims = [str(dim) for dim in ds[name].dims]
    require(
        len(dims) in (1, 2), f"the times {name!r} must have dims (time,) or (run, time), got {tuple(dims)}"
    )
    # Incomplete multidimensional arrays of CF discrete sampling put the trajectory first.
    return name, next(dim for dim in reversed(dims) if dim != want.run or len(dims) == 1)


def _guess_time(ds: xr.Dataset) -> str:
    named = [name for name in TIME_NAMES if name in ds.variables or name in ds.dims]
    cf = [str(k) for k, v in ds.variables.items() if v.attrs.get("axis") == "T" or _is_cf_time(v.attrs)]
    dates = [str(k) for k, v in ds.variables.items() if v.dtype.kind == "M" and v.ndim > 0]
    found = named or cf or dates
    if len(found) != 1:
        what = f"several times ({', '.join(found)})" if found else "no time"
        raise DataError(
            f"{what} found among dimensions ({_sizes(ds)}) and variables {_listed(ds)}; name it with "
            "time=... (--time NAME)"
        )
    return found[0]


def _is_cf_time(attrs: dict[str, object]) -> bool:
    return attrs.get("standard_name") == "time"


def numeric_along(ds: xr.Dataset, time: str, along: str) -> list[str]:
    """Return the variables of numbers along time, in the order of the Dataset."""
    inside = [str(name) for name in ds.data_vars if name != time and along in ds[name].dims]
    for name in inside:
        if ds[name].dtype.kind == "c":
            numbers(f"variable {name!r}", np.empty(0, ds[name].dtype))
    return [name for name in inside if ds[name].dtype.kind in "iuf"]


def _find_run(ds: xr.Dataset, time: str, along: str, states: list[str], want: Wanted) -> str | None:
    """Return the dimension that separates runs, or None when every state lies along time alone."""
    for name in states:
        require(along in ds[name].dims, f"state {name!r} has dimensions {ds[name].dims}, without {along!r}")
    extra = {str(dim): ds.sizes[dim] for name in (*states, time) for dim in ds[name].dims if dim != along}
    if want.run is not None:
        present("dimension or variable", want.run, [*ds.dims, *ds.variables], "run=... (--run NAME)")
    wide = [dim for dim, size in extra.items() if (size > 1 or len(extra) == 1) and dim != want.run]
    wide = [dim for dim in wide if want.run is None or extra[dim] > 1]
    require(len(wide) <= (want.run is None), _too_many(ds, states, along, extra))
    if not wide:
        return want.run if want.run in extra else None
    require(
        wide[0] not in _STATE_DIMS,
        f"dimension {wide[0]!r} reads as a list of states; split it with "
        f"ds[name].to_dataset(dim={wide[0]!r}), or say run={wide[0]!r} (--run {wide[0]}) if it separates "
        "runs",
    )
    return wide[0]


def _too_many(ds: xr.Dataset, states: list[str], along: str, extra: dict[str, int]) -> str:
    shown = "; ".join(f"{name} has dimensions ({_sizes(ds[name])})" for name in states[:5])
    return (
        f"a state has dimension {along!r} and at most one that separates runs, but {shown}; name the states "
        f"with states=[...] (--states A,B), or select along {', '.join(extra)} first"
    )


def unit_of(ds: xr.Dataset, name: str) -> str:
    """Return the unit of a variable; empty where none is given."""
    return str(ds[name].attrs.get("units", ""))


def noise_of(ds: xr.Dataset, names: Sequence[str]) -> dict[str, float]:
    """Return the declared noise of those variables that have one."""
    out = {}
    for name in names:
        attrs = ds[name].attrs
        value = attrs.get("standard_deviation", attrs.get("sd"))
        if value is not None:
            try:
                out[name] = float(value)
            except (TypeError, ValueError) as error:
                raise DataError(
                    f"the noise attribute of {name!r} must be one number, got {value!r}"
                ) from error
    return out
