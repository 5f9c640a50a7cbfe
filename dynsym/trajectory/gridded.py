"""Labelled arrays: xarray Datasets with a time dimension and perhaps a dimension that separates runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dynsym._checks import Array, require
from dynsym.trajectory._columns import Chosen, Wanted, time_numbers, wanted
from dynsym.trajectory._fields import state_names
from dynsym.trajectory._layout import (
    Axes,
    axes_of,
    columns_along,
    find_time,
    labels_of_runs,
    noise_of,
    states_of_runs,
    unit_of,
)
from dynsym.trajectory._sources import DatasetSource, FileSource
from dynsym.trajectory._storing import decoded_bytes, is_chunked, stored_runs
from dynsym.trajectory._zarr_chunks import refuse_short_chunks
from dynsym.trajectory.stored import AnyRun
from dynsym.trajectory.tables import Table, nothing_in, runs_of_table
from dynsym.trajectory.trajectory import Trajectory

# More than this is read in pieces: bytes of the chosen variables as float64.
LARGEST_IN_MEMORY = 200e6

if TYPE_CHECKING:
    import xarray as xr


def runs_from_dataset(
    ds: xr.Dataset,
    time: str | None = None,
    states: Sequence[str] | None = None,
    run: str | None = None,
) -> list[AnyRun]:
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
    list of Trajectory or StoredRun
        In the order of the run dimension, labelled such as "planet=Mercury". Dask arrays are not loaded, and
        are read in pieces.

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


def read_dataset(ds: xr.Dataset, want: Wanted, stem: str, source: FileSource | None = None) -> list[AnyRun]:
    """Return the runs of a Dataset; its attribute `label`, else `stem`, labels a single run.

    `source` is where the file behind the Dataset can be read again; without it only dask arrays are left
    unread.
    """
    stem = str(ds.attrs.get("label", stem))
    axes = axes_of(ds, want)
    if source is not None and source.engine == "zarr":
        refuse_short_chunks(source, (axes.time, *axes.numeric))
    if is_chunked(ds, axes) or (source is not None and decoded_bytes(ds, axes) > LARGEST_IN_MEMORY):
        return list(stored_runs(ds, axes, want, stem, source or DatasetSource(ds.variables)))
    if axes.run is None:
        return list(runs_of_table(_as_table(ds, axes, want), replace(want, time=axes.time), stem))
    return list(_runs_along(ds, axes, axes.run, want))


def _as_table(ds: xr.Dataset, axes: Axes, want: Wanted) -> Table:
    """Return the variables along time alone as columns."""
    names = columns_along(ds, axes, want)
    columns = {name: ds[name].values.reshape(ds.sizes[axes.along]) for name in names}
    return Table(columns, {name: unit_of(ds, name) for name in names}, noise_of(ds, names))


def _runs_along(ds: xr.Dataset, axes: Axes, run: str, want: Wanted) -> list[Trajectory]:
    """Return one run per index of the run dimension."""
    along = axes.along
    states, slopes = states_of_runs(ds, axes, run, want)
    wide = ds[[*states, *slopes]].squeeze([d for d in ds.dims if ds.sizes[d] == 1 and d not in (run, along)])
    fields = [wide[name].transpose(run, along).values for name in states + slopes]
    for name, values in zip(states, fields):
        empty = values.dtype.kind == "f" and bool(np.isnan(values).all())
        require(not empty, nothing_in("variable", name))
    times, unit = time_numbers(ds[axes.time].values, unit_of(ds, axes.time))
    t = _times_per_run(ds, axes, times)
    chosen = Chosen(states, slopes, {n: unit_of(ds, n) for n in states}, noise_of(ds, states), unit)
    n = len(states)
    return [
        chosen.build(t[k], [f[k] for f in fields[:n]], [f[k] for f in fields[n:]], label)
        for k, label in enumerate(labels_of_runs(ds, run))
    ]


def _times_per_run(ds: xr.Dataset, axes: Axes, times: np.ndarray) -> np.ndarray:
    """Return times as (run, time), whether they were shared by the runs or not."""
    if times.ndim == 1:
        return np.broadcast_to(times, (ds.sizes[axes.run], times.size))
    return times if ds[axes.time].dims[0] == axes.run else times.T


def run_of_dataarray(array: xr.DataArray) -> AnyRun:
    """Return one run from an array along time and at most one more dimension, that of the states."""
    require(
        array.ndim in (1, 2),
        f"a DataArray must have the dimension of time and one for the states, got {array.dims}; several "
        "runs or named variables belong in a Dataset",
    )
    ds = array.to_dataset(name="_values_")
    time, along = find_time(ds, Wanted())
    names: list[str] | None = [str(array.name)] if array.name is not None and array.ndim == 1 else None
    for other in (dim for dim in array.dims if dim != along and dim in array.coords):
        labels = array[other].values.tolist()
        names = labels if all(isinstance(label, str) for label in labels) else None
    if array.chunks is not None:
        return _stored_states(ds, (time, along), names, str(array.name or ""))
    t, time_unit = time_numbers(ds[time].values, unit_of(ds, time))
    x = array.transpose(along, ...).values
    n = 1 if x.ndim == 1 else x.shape[1]
    units = [str(array.attrs["units"])] * n if "units" in array.attrs else None
    return Trajectory(t, x, names, units, label=str(array.name or ""), time_unit=time_unit)


def _stored_states(ds: xr.Dataset, axes: tuple[str, str], names: list[str] | None, label: str) -> AnyRun:
    """Return the dask array `_values_` as one run, a variable per state."""
    time, along = axes
    array = ds["_values_"].variable
    columns = [array]
    for other in (dim for dim in array.dims if dim != along):
        columns = [array.isel({other: i}) for i in range(array.sizes[other])]
    known = state_names(names, len(columns))
    states = dict(zip(known, columns))
    split = ds[[time]].drop_vars("_values_", errors="ignore").assign(states)
    split.attrs["label"] = label
    return runs_from_dataset(split, time, known)[0]


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
