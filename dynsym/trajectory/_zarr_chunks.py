"""Chunks of a Zarr store that Zarr itself reads without a complaint although they are absent or cut off."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dynsym._checks import DataError
from dynsym.trajectory._sources import FileSource

if TYPE_CHECKING:
    import xarray as xr

_BLOSC_HEADER = 16


def refuse_short_chunks(source: FileSource, names: Sequence[str]) -> None:
    """Refuse chunks compressed by Blosc that are shorter than their header says.

    The decoder does not see where the bytes end, and fills the rest of such a chunk from whatever lies behind
    them in memory. Every other codec refuses them.
    """
    import zarr

    store = zarr.open_group(source.path, mode="r")
    for name in names:
        array: Any = store[name]
        if not any("blosc" in type(codec).__name__.lower() for codec in _compressors(array)):
            continue
        for path, size in _chunk_files(Path(source.path) / name):
            with open(path, "rb") as file:
                header = file.read(_BLOSC_HEADER)
            told = int.from_bytes(header[12:16], "little") if len(header) == _BLOSC_HEADER else _BLOSC_HEADER
            if size < told:
                raise DataError(
                    f"{source.title}: the chunk {os.path.relpath(path, source.path)} has {size} bytes of the "
                    f"{told} that were written; it is cut off, so copy the store again"
                )


def _compressors(array: Any) -> tuple[Any, ...]:
    # A shard holds many compressed chunks and an index of them, which has a checksum.
    if getattr(array, "shards", None) is not None:
        return ()
    many = getattr(array, "compressors", None)
    return tuple(many) if many is not None else (array.compressor,)


def _chunk_files(folder: Path) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _chunk_files(Path(entry.path))
            elif entry.name[0] != "." and entry.name != "zarr.json":
                yield entry.path, entry.stat().st_size


def warn_of_absent_chunks(source: FileSource, names: tuple[str, ...]) -> None:
    """Warn where chunks are not in the store and read as a number: they may be constant, or lost."""
    import zarr

    store = zarr.open_group(source.path, mode="r")
    variables: Mapping[Any, xr.Variable] = source.variables()
    for name in names:
        array: Any = store[name]
        have, total = int(array.nchunks_initialized), int(array.nchunks)
        missing, fill = variables[name].encoding.get("_FillValue"), array.fill_value
        if have == total or _same(fill, missing):
            continue
        warnings.warn(
            f"{source.title}: {total - have} of {total} chunks of {name!r} are not in the store"
            f"{_first_absent(Path(source.path) / name, array)}; Zarr reads them as {fill}, which is right if "
            "they were left out on writing, and wrong if they got lost",
            stacklevel=2,
        )


def _same(fill: Any, missing: Any) -> bool:
    if missing is None:
        return bool(fill is not None and np.isnan(fill))
    return bool(fill == missing or (fill != fill and missing != missing))


def _first_absent(folder: Path, array: Any) -> str:
    """Return the index of the first absent chunk, for stores that are plain directories without shards."""
    key = getattr(array.metadata, "encode_chunk_key", None)
    if key is None or not folder.is_dir() or getattr(array, "shards", None) is not None:
        return ""
    for index in np.ndindex(*array.cdata_shape):
        if not (folder / key(index)).exists():
            corner = tuple(int(i * width) for i, width in zip(index, array.chunks))
            return f", the first at index {corner[0] if len(corner) == 1 else corner}"
    return ""
