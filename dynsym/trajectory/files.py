"""Files of runs: what is in them is found from their content first, then from their name."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from dynsym._checks import DataError, require
from dynsym.trajectory._alike import require_alike
from dynsym.trajectory._columns import Wanted, wanted
from dynsym.trajectory._sources import FAILURES, FileSource
from dynsym.trajectory.archives import read_npz
from dynsym.trajectory.gridded import read_dataset
from dynsym.trajectory.stored import AnyRun
from dynsym.trajectory.tables import runs_of_table
from dynsym.trajectory.textfiles import read_text

PathName = str | PathLike[str]

_SUPPORTED = (
    "netCDF (.nc, .nc4, .cdf), Zarr (a directory), CSV, TSV or text tables (.csv, .tsv, .txt, .dat), NPZ"
)
# The netCDF library fills what is cut off a classic file with zeros and says nothing. SciPy's reader refuses
# such a file, but knows only the two older variants, so the third (CDF-5) is left to a conversion.
_LABELLED = {b"CDF\x01": "scipy", b"CDF\x02": "scipy", b"\x89HDF": "netcdf4"}
_TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".dat")
_ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata", ".zarray")


def open_runs(
    paths: PathName | Iterable[PathName],
    time: str | None = None,
    states: Sequence[str] | None = None,
    run: str | None = None,
) -> list[AnyRun]:
    """Return all runs in one or several files: netCDF, Zarr, CSV or other text tables, NPZ.

    Parameters
    ----------
    paths : path or sequence of paths
        Files; with several, runs are also labelled with the stem of their file.
    time : str, optional
        Column, dimension or coordinate of the times; see `runs_from_dataset` and `runs_from_dataframe`.
    states : sequence of str, optional
        Columns or variables of the states; the default is all others that hold numbers, in the order of the
        file (of a Zarr store, which keeps no order, sorted by name).
    run : str, optional
        Column or dimension that separates runs.

    Returns
    -------
    list of Trajectory or StoredRun
        In the order of the files and of the runs in them. Runs of netCDF and Zarr files whose variables take
        more than 200 MB stay in the file and are read in pieces. Files that hold consecutive pieces of one
        record stay runs of their own; `xr.open_mfdataset` joins them into a Dataset that `as_runs` reads as one.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    DataError
        If a file is empty, cut off, in another format, or does not hold what was named.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "ball.csv"
    >>> _ = path.write_text("t,h [m]\\n0,1.0\\n1,0.5\\n2,0.2\\n")
    >>> open_runs(path)
    [Trajectory('ball': 3 samples, t = 0 .. 2, states h [m])]
    """
    listed = [Path(paths)] if isinstance(paths, str | PathLike) else [Path(path) for path in paths]
    require(len(listed) > 0, "no path was given")
    want = wanted(time, states, run)
    out: list[AnyRun] = []
    for path in listed:
        found = _read(path, want)
        if len(listed) > 1 and len(found) > 1:
            found = [replace(item, label=f"{path.stem}:{item.label}") for item in found]
        out += found
    return require_alike(out)


def _read(path: Path, want: Wanted) -> list[AnyRun]:
    if not path.exists():
        raise FileNotFoundError(f"no such file or directory: {path}")
    try:
        kind = _format(path)
        if kind not in ("npz", "text"):
            return _read_labelled(path, kind, want)
        if kind == "npz":
            return list(read_npz(path, want))
        return list(runs_of_table(read_text(path), want, path.stem))
    except (DataError, TypeError) as error:
        said = str(error)
        raise DataError(said if said.startswith(f"{path}: ") else f"{path}: {said}") from error


def _format(path: Path) -> str:
    """Return what reads the content: scipy, netcdf4 or zarr for labelled arrays, else npz or text."""
    if path.is_dir():
        marked = any((path / mark).exists() for mark in _ZARR_MARKS)
        require(marked, "a directory, but not a Zarr store (no zarr.json, .zgroup or .zmetadata in it)")
        return "zarr"
    require(path.stat().st_size > 0, "the file is empty (0 bytes)")
    with path.open("rb") as file:
        start = file.read(4)
    require(
        start != b"CDF\x05",
        "this is the 64-bit data variant of classic netCDF (CDF-5), in which a cut-off file cannot be told "
        "from a whole one; convert it with: nccopy -k nc4 OLD NEW",
    )
    if start in _LABELLED:
        return _LABELLED[start]
    if start.startswith(b"PK") and _is_npz(path):
        return "npz"
    suffix = path.suffix.lower()
    require(
        suffix in _TEXT_SUFFIXES,
        f"the content is none of the supported formats and the name ends in {suffix or 'nothing'!r}; "
        f"supported are {_SUPPORTED}; the file may be damaged, or convert it",
    )
    return "text"


def _natural(name: object) -> list[tuple[int, str]]:
    """Return a sorting key that puts x2 before x10."""
    parts = re.split(r"(\d+)", str(name))
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def _is_npz(path: Path) -> bool:
    # A damaged archive is still one by its name, so that the message is about the damage.
    if not zipfile.is_zipfile(path):
        return path.suffix.lower() == ".npz"
    with zipfile.ZipFile(path) as archive:
        return all(name.endswith(".npy") for name in archive.namelist())


def _read_labelled(path: Path, engine: str, want: Wanted) -> list[AnyRun]:
    try:
        source = FileSource(path, engine)
        ds = source.dataset()
        # A Zarr store lists its arrays in no order that lasts, so their order is that of their names.
        ordered = ds[sorted(ds.data_vars, key=_natural)] if engine == "zarr" else ds
        return read_dataset(ordered, want, path.stem, source)
    except DataError:
        raise
    except FAILURES as error:
        name = "Zarr" if engine == "zarr" else "netCDF"
        raise DataError(
            f"cannot be read as {name} ({error}); it may be cut off or damaged, so copy it again"
        ) from error
