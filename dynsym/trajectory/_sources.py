"""Where the variables of stored runs come from: a file that every process opens for itself, or dask arrays.

Numbers are decoded by xarray in both cases (packed integers, fill values), slice by slice, so that a piece of a
file holds bit for bit what reading all of it gives.
"""

from __future__ import annotations

import os
import weakref
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from dynsym._checks import DataError

if TYPE_CHECKING:
    import xarray as xr

# A chunk that holds several runs is decoded for one of them and kept for its neighbours.
_KEPT_BYTES, _LARGEST_KEPT = 32_000_000, 8_000_000
# What storage and codecs raise when the bytes are not what they should be.
FAILURES = (OSError, RuntimeError, LookupError, ValueError, ArithmeticError, EOFError)


class Source(ABC):
    """Variables that can be read slice by slice, from any thread."""

    # What errors call the data: the path of the file, or nothing.
    title = ""

    def on_cluster(self, name: str) -> bool:
        """Say whether the chunks of a variable lie in the memory of a dask cluster."""
        return False

    def titled(self, label: str) -> str:
        """Return what errors call a run of this source."""
        return ": ".join(part for part in (self.title, label) if part) or "the run"

    @abstractmethod
    def variables(self) -> Mapping[Hashable, xr.Variable]:
        """Return the variables; their data are not read."""

    @abstractmethod
    def blocks(self) -> Blocks:
        """Return what this process keeps of chunks that hold several runs."""

    def take(self, name: str, along: str, start: int, stop: int, run: tuple[str | None, int]) -> np.ndarray:
        """Return samples start .. stop-1 of one variable in one run, shape (stop - start,).

        `run` is the dimension of runs and the index in it; any other dimension has size one.
        """
        try:
            return self._taken(self.variables()[name], (name, start, stop), along, run)
        except DataError:
            raise
        except FAILURES as error:
            raise DataError(
                f"{self.titled('')}: samples {start} to {stop - 1} of {name!r} cannot be read "
                f"({type(error).__name__}: {error}); the file may be damaged or a part of it missing, so copy "
                "it again"
            ) from error

    def _taken(
        self, variable: xr.Variable, key: tuple[str, int, int], along: str, run: tuple[str | None, int]
    ) -> np.ndarray:
        (name, start, stop), (dim, k) = key, run
        on_cluster = self.on_cluster(name)
        where: dict[str, Any] = {str(d): 0 for d in variable.dims if d not in (along, dim)}
        where[along] = slice(start, stop)
        # What one read serves: all runs where they share the variable, else those in one chunk.
        shared = dim not in variable.dims
        width = 1 if shared else chunk_length(variable, str(dim))
        large = width * (stop - start) * variable.dtype.itemsize > _LARGEST_KEPT
        if dim is None or large or (width < 2 and not shared):
            return _values(variable.isel(where if shared else {**where, dim: k}), on_cluster)
        first = 0 if shared else k - k % width
        block = self.blocks().get((*key, first))
        if block is None:
            rows = (
                variable if shared else variable.isel({dim: slice(first, first + width)}).transpose(dim, ...)
            )
            block = self.blocks().keep((*key, first), _values(rows.isel(where), on_cluster))
        return block if shared else block[k - first]


def chunk_length(variable: xr.Variable, dim: str) -> int:
    """Return the usual length of the chunks of a variable along a dimension; 0 where it has none."""
    if dim not in variable.dims:
        return 0
    if variable.chunks is not None:
        return int(max(variable.chunks[variable.get_axis_num(dim)]))
    return int(variable.encoding.get("preferred_chunks", {}).get(dim, 0))


def _values(variable: xr.Variable, on_cluster: bool) -> np.ndarray:
    if variable.chunks is None:
        return np.asarray(variable.values)
    # Pieces are read in parallel already, by threads or by workers; a scheduler inside each would only compete.
    # Chunks that were persisted on a cluster can only be had from there.
    options = {} if on_cluster else {"scheduler": "synchronous"}
    return np.asarray(variable.data.compute(**options))


class Blocks:
    """The blocks decoded last, up to a number of bytes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._bytes = 0
        self._lock = RLock()

    def get(self, key: Hashable) -> np.ndarray | None:
        """Return the block, if it is still there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: Hashable, block: np.ndarray) -> np.ndarray:
        """Keep a block in place of those that were not used for longest, and return it."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = block
                self._bytes += block.nbytes
            while self._bytes > _KEPT_BYTES:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return block


class DatasetSource(Source):
    """The variables of a Dataset in this process, some of them dask arrays."""

    def __init__(self, variables: Mapping[Hashable, xr.Variable]) -> None:
        self._variables = dict(variables)
        self._blocks = Blocks()
        self._persisted: dict[str, bool] = {}

    def variables(self) -> Mapping[Hashable, xr.Variable]:
        """Return the variables of the Dataset."""
        return self._variables

    def blocks(self) -> Blocks:
        """Return the blocks kept for this Dataset."""
        return self._blocks

    def on_cluster(self, name: str) -> bool:
        """Say whether a variable was persisted on a cluster: then its graph holds futures."""
        if name not in self._persisted:
            variable = self._variables[name]
            graph = {} if variable.chunks is None else variable.data.__dask_graph__()
            self._persisted[name] = any(type(node).__name__ == "Future" for node in graph.values())
        return self._persisted[name]

    def narrowed(self, names: tuple[str, ...]) -> DatasetSource:
        """Return the same with these variables alone, so that no others are sent to workers."""
        return DatasetSource({name: self._variables[name] for name in names})

    def __reduce__(self) -> tuple[Any, ...]:
        return DatasetSource, (self._variables,)


class _Opened:
    """One file opened in one process; it is closed when the last run that reads from it is gone."""

    def __init__(self, path: str, engine: str) -> None:
        self.dataset = open_labelled(path, engine)
        self.variables = dict(self.dataset.variables)
        self.blocks = Blocks()
        self.close = weakref.finalize(self, self.dataset.close)
        self.close.atexit = False


_OPENED: weakref.WeakValueDictionary[tuple[int, str, str], _Opened] = weakref.WeakValueDictionary()
_OPENING = RLock()


class FileSource(Source):
    """The variables of a netCDF file or Zarr store, opened when they are first needed in a process."""

    def __init__(self, path: str | os.PathLike[str], engine: str, title: str | None = None) -> None:
        # Workers may run in another directory; messages show the path as it was given.
        self.path, self.engine = os.path.abspath(path), engine
        self.title = title or str(path)
        self._opened: tuple[int, _Opened] | None = None
        # A file that is read anew may have been written anew, so it is opened anew as well.
        self._shared = False

    def variables(self) -> Mapping[Hashable, xr.Variable]:
        """Return the variables of the file, which is opened unless it is open in this process."""
        return self._open().variables

    def dataset(self) -> xr.Dataset:
        """Return the opened Dataset, nothing of it read."""
        return self._open().dataset

    def blocks(self) -> Blocks:
        """Return the blocks kept for this file."""
        return self._open().blocks

    def _open(self) -> _Opened:
        kept, process = self._opened, os.getpid()
        if kept is not None and kept[0] == process:
            return kept[1]
        with _OPENING:
            key = (process, self.path, self.engine)
            opened = _OPENED.get(key) if self._shared else None
            if opened is None:
                opened = _OPENED[key] = _Opened(self.path, self.engine)
            self._opened = (process, opened)
        return opened

    def __reduce__(self) -> tuple[Any, ...]:
        return _file_source, (self.path, self.engine, self.title)


def _file_source(path: str, engine: str, title: str) -> FileSource:
    """Return a source that uses the file which its neighbours from the same message have opened."""
    out = FileSource(path, engine, title)
    out._shared = True
    return out


def open_labelled(path: str | Path, engine: str) -> xr.Dataset:
    """Open a netCDF file or Zarr store; nothing is read, and times stay numbers in the unit of the file."""
    import xarray as xr

    options: dict[str, Any] = {"consolidated": False} if engine == "zarr" else {}
    # Indexes would read every coordinate whole, the times of a long record among them.
    return xr.open_dataset(
        path,
        engine=engine,
        chunks=None,
        cache=False,
        decode_times=False,
        create_default_indexes=False,
        **options,
    )
