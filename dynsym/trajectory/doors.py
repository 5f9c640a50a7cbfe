"""The one door that every verb uses: whatever holds runs becomes a list of `Trajectory` or `StoredRun`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from dynsym.trajectory._alike import require_alike
from dynsym.trajectory.files import open_runs
from dynsym.trajectory.gridded import run_of_dataarray, runs_from_dataset
from dynsym.trajectory.stored import AnyRun, StoredRun
from dynsym.trajectory.tables import runs_from_dataframe
from dynsym.trajectory.trajectory import Trajectory

_ACCEPTED = "a Trajectory, a path, a Dataset or DataArray, a DataFrame, a tuple (t, x), or a list of these"


def as_runs(data: Any) -> list[AnyRun]:
    """Return `data` as a list of runs that have the same states.

    Parameters
    ----------
    data : Trajectory, StoredRun, path, Dataset, DataArray, DataFrame, (t, x), or a sequence of these
        A DataArray has the dimension of time and one more, along which the states lie.

    Returns
    -------
    list of Trajectory or StoredRun
        At least one. Dask arrays and large files stay where they are and are read in pieces.

    Raises
    ------
    DataError
        If there is no run, or runs disagree in states or units.
    TypeError
        If `data` is something else.

    Examples
    --------
    >>> as_runs([([0, 1, 2], [1.0, 2.0, 4.0]), ([0, 1], [3.0, 6.0])])
    [Trajectory(3 samples, t = 0 .. 2, states x1), Trajectory(2 samples, t = 0 .. 1, states x1)]
    """
    if _is_single(data):
        return require_alike(_one(data))
    if isinstance(data, np.ndarray):
        raise TypeError(f"an array of shape {data.shape} has no times; give the tuple (t, x)")
    if not isinstance(data, Sequence) or isinstance(data, bytes):
        raise TypeError(f"cannot read runs from {type(data).__name__}; give {_ACCEPTED}")
    if len(data) and all(isinstance(item, str | PathLike) for item in data):
        return open_runs(data)
    return require_alike([run for item in data for run in _one(item)])


def _is_a(data: object, package: str, kind: str) -> bool:
    # Whoever passes such an object has imported its package; nobody else should pay for the import.
    module = sys.modules.get(package)
    return module is not None and isinstance(data, getattr(module, kind))


def _is_single(data: object) -> bool:
    return (
        isinstance(data, Trajectory | StoredRun | str | PathLike)
        or _is_pair(data)
        or _is_a(data, "xarray", "Dataset")
        or _is_a(data, "xarray", "DataArray")
        or _is_a(data, "pandas", "DataFrame")
    )


def _is_pair(data: object) -> bool:
    """Say whether this is (t, x): a tuple of two, first a list of scalars or an index coordinate."""
    if not isinstance(data, tuple) or len(data) != 2:
        return False
    first = data[0]
    if _is_a(first, "pandas", "DataFrame"):
        return False
    if _is_a(first, "xarray", "DataArray"):
        return first.dims == (first.name,)
    if isinstance(first, np.ndarray) or hasattr(first, "__array__"):
        return True
    scalars = isinstance(first, list | tuple | range) and len(first) > 0
    return scalars and isinstance(first[0], int | float | np.number)


def _one(data: Any) -> list[AnyRun]:
    if isinstance(data, Trajectory | StoredRun):
        return [data]
    if isinstance(data, str | PathLike):
        return open_runs(data)
    if _is_pair(data):
        return [Trajectory(*data)]
    if _is_a(data, "xarray", "Dataset"):
        return runs_from_dataset(data)
    if _is_a(data, "xarray", "DataArray"):
        return [run_of_dataarray(data)]
    if _is_a(data, "pandas", "DataFrame"):
        return list(runs_from_dataframe(data))
    raise TypeError(f"a run cannot be read from {type(data).__name__}; give {_ACCEPTED}")
