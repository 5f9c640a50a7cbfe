"""Labelled arrays: xarray Datasets with a time dimension and perhaps a dimension that separates runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dynsym._checks import Array, DataError, require
from dynsym.trajectory._columns import (
    RUN_NAMES,
    TIME_NAMES,
    Chosen,
    Wanted,
    choose_states,
    numbers,
    present,
    time_numbers,
    value_label,
    wanted,
)
from dynsym.trajectory.tables import Table, runs_of_table
from dynsym.trajectory.trajectory import Trajectory

if TYPE_CHECKING:
    import xarray as xr

# A dimension of this name lists the states of one variable; reading it as runs would be wrong without a
# trace.
_STATE_DIMS = ("state", "states", "component", "components", "variable", "variables", "feature", "features")


@dataclass(frozen=True)
class _Axes:
    """The variable of times, the dimension it runs along, and the dimension that separates runs."""

    time: str
    along: str
    run: str


def runs_from_dataset(
    ds: xr.Dataset,
    time: str | None = None,
    states: Sequence[str] | None = None,
    run: str | None = None,
) -> list[Trajectory]:
    """Return the runs in a Dataset of variables along time.

    Parameters
    ----------
    ds : Dataset
        Variables along a time dimension, and perhaps along one more dimension that separates runs. Shorter
        runs are padded with NaN at their end. Units come from the attribute `units`, noise from
        `standard_deviation` or `sd`.
    time : str, optional
        Coordinate of times, (time,) or (run, time); found by the names t, time, Time, by the CF attributes
        axis "T" or standard_name "time", or as the only coordinate of dates. Dates become seconds.
    states : sequence of str, optional
        Variables; the default is every variable of numbers along time. `<state>_dot` is a derivative.
    run : str, optional
        Dimension, or variable along time, that separates runs; the default is the one extra dimension.

    Returns
    -------
    list of Trajectory
        In the order of the run dimension, labelled such as "planet=Mercury".

    Raises
    ------
    DataError
        If time is not found, or states have dimensions beside time and run.

    Examples
    --------
    >>> import xarray as xr
    >>> ds = xr.Dataset({"x": (("run", "t"), [[1.0, 2.0], [3.0, 4.0]])}, coords={"t": [0, 1]})
    >>> [r.label for r in runs_from_dataset(ds)]
    ['run=0', 'run=1']
    """
    return read_dataset(ds, wanted(time, states, run), "")


def read_dataset(ds: xr.Dataset, want: Wanted, stem: str) -> list[Trajectory]:
    """Return the runs of a Dataset; its attribute `label`, else `stem`, labels a single run."""
    stem = str(ds.attrs.get("label", stem))
    require(len(ds.data_vars) > 0, f"the dataset has no variables (dimensions: {_sizes(ds)})")
    time, along = _find_time(ds, want)
    for name in want.states or ():
        present("variable", name, ds.variables, "states=[...] (--states A,B)")
    numeric = [str(name) for name in want.states or _numeric_along(ds, time, along)]
    require(
        len(numeric) > 0,
        f"no variable of numbers along the time dimension {along!r}; there are: {_listed(ds)}",
    )
    run = _find_run(ds, time, along, numeric, want)
    if run is None:
        return runs_of_table(_as_table(ds, time, along, want), replace(want, time=time), stem)
    return _runs_along(ds, _Axes(time, along, run), want)


def _listed(ds: xr.Dataset) -> str:
    return ", ".join(f"{name}({', '.join(map(str, ds[name].dims))})" for name in ds.variables)


def _sizes(ds: xr.Dataset | xr.DataArray) -> str:
    return ", ".join(f"{dim}: {size}" for dim, size in ds.sizes.items())


def _find_time(ds: xr.Dataset, want: Wanted) -> tuple[str, str]:
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


def _numeric_along(ds: xr.Dataset, time: str, along: str) -> list[str]:
    inside = [str(name) for name in ds.data_vars if name != time and along in ds[name].dims]
    for name in inside:
        if ds[name].dtype.kind == "c":
            numbers(f"variable {name!r}", ds[name].values)
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


def _unit(ds: xr.Dataset, name: str) -> str:
    return str(ds[name].attrs.get("units", ""))


def _noise(ds: xr.Dataset, names: Sequence[str]) -> dict[str, float]:
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


def _as_table(ds: xr.Dataset, time: str, along: str, want: Wanted) -> Table:
    """Return the variables along time alone as columns."""
    names = [time, *(str(k) for k in ds.data_vars if k != time)]
    if want.states is not None:
        named = (*want.states, *(f"{name}_dot" for name in want.states), want.run, *RUN_NAMES)
        names = [time, *(str(k) for k in ds.variables if k != time and k in named)]
    names = [name for name in names if _lies_along(ds[name], along)]
    columns = {name: ds[name].values.reshape(ds.sizes[along]) for name in names}
    return Table(columns, {name: _unit(ds, name) for name in names}, _noise(ds, names))


def _lies_along(array: xr.DataArray, along: str) -> bool:
    return along in array.dims and array.size == array.sizes[along]


def _runs_along(ds: xr.Dataset, axes: _Axes, want: Wanted) -> list[Trajectory]:
    """Return one run per index of the run dimension."""
    run, along = axes.run, axes.along
    numeric = _numeric_along(ds, axes.time, along)
    states, slopes = choose_states(want.states, numeric)
    wide = ds[[*states, *slopes]].squeeze([d for d in ds.dims if ds.sizes[d] == 1 and d not in (run, along)])
    shared = [name for name in states + slopes if run not in wide[name].dims]
    require(
        not shared, f"{', '.join(shared)} lacks the dimension {run!r} of the other states; broadcast it first"
    )
    fields = [
        numbers(f"variable {name!r}", wide[name].transpose(run, along).values) for name in states + slopes
    ]
    for name, values in zip(states, fields):
        empty = values.dtype.kind == "f" and bool(np.isnan(values).all())
        require(
            not empty,
            f"variable {name!r} holds no number at all; name the states with states=[...] (--states)",
        )
    times, unit = time_numbers(ds[axes.time].values, _unit(ds, axes.time))
    t = _times_per_run(ds, axes, times)
    chosen = Chosen(states, slopes, {n: _unit(ds, n) for n in states}, _noise(ds, states), unit)
    ids = ds[run].values if run in ds.coords else np.arange(ds.sizes[run])
    n = len(states)
    return [
        chosen.build(
            t[k], [f[k] for f in fields[:n]], [f[k] for f in fields[n:]], f"{run}={value_label(value)}"
        )
        for k, value in enumerate(ids.tolist() if ids.dtype.kind != "M" else ids)
    ]


def _times_per_run(ds: xr.Dataset, axes: _Axes, times: np.ndarray) -> np.ndarray:
    """Return times as (run, time), whether they were shared by the runs or not."""
    if times.ndim == 1:
        return np.broadcast_to(times, (ds.sizes[axes.run], times.size))
    return times if ds[axes.time].dims[0] == axes.run else times.T


def run_of_dataarray(array: xr.DataArray) -> Trajectory:
    """Return one run from an array along time and at most one more dimension, that of the states."""
    require(
        array.ndim in (1, 2),
        f"a DataArray must have the dimension of time and one for the states, got {array.dims}; several "
        "runs or named variables belong in a Dataset",
    )
    ds = array.to_dataset(name="_values_")
    time, along = _find_time(ds, Wanted())
    t, time_unit = time_numbers(ds[time].values, _unit(ds, time))
    names: list[str] | None = [str(array.name)] if array.name is not None and array.ndim == 1 else None
    x = array.transpose(along, ...).values
    for other in (dim for dim in array.dims if dim != along and dim in array.coords):
        labels = array[other].values.tolist()
        names = labels if all(isinstance(label, str) for label in labels) else None
    n = 1 if x.ndim == 1 else x.shape[1]
    units = [str(array.attrs["units"])] * n if "units" in array.attrs else None
    return Trajectory(t, x, names, units, label=str(array.name or ""), time_unit=time_unit)


def dataset_of_run(run: Trajectory) -> xr.Dataset:
    """Return a run as a Dataset along "t" ("time" where a state is called t) that reads back the same."""
    import xarray as xr

    time = "time" if "t" in run.names else "t"
    units = run.units or ("",) * run.n_states
    variables: dict[str, tuple[str, Array, dict[str, object]]] = {}
    for i, (name, unit) in enumerate(zip(run.names, units)):
        attrs: dict[str, object] = {"units": unit} if unit else {}
        if run.sd is not None:
            attrs["standard_deviation"] = float(run.sd[i])
        variables[name] = (time, run.x[:, i], attrs)
        if run.dxdt is not None:
            variables[f"{name}_dot"] = (time, run.dxdt[:, i], _rate(unit, run.time_unit))
    times = (time, run.t, {"units": run.time_unit} if run.time_unit else {})
    return xr.Dataset(variables, coords={time: times}, attrs={"label": run.label} if run.label else {})


def _rate(unit: str, time_unit: str) -> dict[str, object]:
    base = time_unit.split(" since ")[0]
    return {"units": f"({unit or '1'})/({base})"} if base else {}
