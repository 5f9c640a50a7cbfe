"""Each way in which data go wrong has one message, which shows what arrived and what to do."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dynsym._checks import DataError
from dynsym.trajectory import (
    Trajectory,
    as_runs,
    noise_level,
    open_runs,
    quality,
    runs_from_dataframe,
    runs_from_dataset,
)

T = np.linspace(0.0, 4.0, 41)
X = np.stack([np.sin(T), np.cos(T)], axis=1)


def with_value(value: float) -> np.ndarray:
    x = X.copy()
    x[3, 1] = value
    return x


ARRAYS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "repeated": (
        lambda: Trajectory([0, 1, 1], [1, 2, 3]),
        DataError,
        r"t repeats: t\[2\] = 1 equals t\[1\] = 1",
    ),
    "decreasing": (
        lambda: Trajectory([0, 2.10, 2.05, 3], [1, 2, 3, 4]),
        DataError,
        r"t must increase: t\[2\] = 2.05 follows t\[1\] = 2.1; sort the samples or split the run there",
    ),
    "reversed": (
        lambda: Trajectory(T[::-1], X),
        DataError,
        "decreases throughout, from 4 to 0; reverse the samples",
    ),
    "nan time": (lambda: Trajectory([0, np.nan], [1, 2]), DataError, "t has 1 values that are not finite"),
    "no samples": (lambda: Trajectory([], []), DataError, "t is empty"),
    "infinite": (
        lambda: Trajectory(T, with_value(np.inf)),
        DataError,
        "1 infinite values, the first at sample 3",
    ),
    "infinite beside nan": (
        lambda: Trajectory([0, 1], [np.nan, -np.inf]),
        DataError,
        "infinite values, the first at sample 1 of state 'x1'; use NaN for a missing sample",
    ),
    "complex": (lambda: Trajectory(T, X + 0j), TypeError, "x must hold real numbers, got dtype complex128"),
    "words": (lambda: Trajectory([0, 1], ["a", "b"]), TypeError, "x must hold real numbers, got dtype <U1"),
    "dates": (lambda: Trajectory(np.array(["2020"], "M8[D]"), [1]), TypeError, "t must hold real numbers"),
    "ragged": (lambda: Trajectory([0, 1], [[1], [1, 2]]), DataError, "rows of different lengths"),
    "transposed": (lambda: Trajectory(T, X.T), DataError, "x has 2 samples for 41 times; .* transpose it"),
    "lengths": (lambda: Trajectory(T, X[:5]), DataError, "x has 5 samples for 41 times"),
    "three axes": (
        lambda: Trajectory(T, X[:, :, None]),
        DataError,
        r"x must have shape \(m, n\), got \(41, 2, 1\)",
    ),
    "dxdt": (
        lambda: Trajectory(T, X, dxdt=X[:, :1]),
        DataError,
        r"dxdt has shape \(41, 1\), x has \(41, 2\)",
    ),
    "units length": (lambda: Trajectory(T, X, units=("m",)), DataError, "units has 1 entries for 2 states"),
    "units type": (
        lambda: Trajectory(T, X, units=(1, 2)),
        TypeError,
        "units must be strings, got 1 of type int",
    ),  # type: ignore[arg-type]
    "units one string": (lambda: Trajectory(T, X, units="m"), TypeError, "got the single string 'm'"),
    "units container": (
        lambda: Trajectory(T, X, units=3),
        TypeError,
        "sequence or a mapping of strings, got int",
    ),  # type: ignore[arg-type]
    "units unknown": (
        lambda: Trajectory(T, X, units={"q": "m"}),
        DataError,
        "units are given for q, but the states",
    ),
    "names length": (
        lambda: Trajectory(T, X, ("x",)),
        DataError,
        r"names has 1 entries \('x',\) for 2 states",
    ),
    "names twice": (
        lambda: Trajectory(T, X, ("x", "x")),
        DataError,
        "must be distinct, got x more than once",
    ),
    "names one string": (lambda: Trajectory(T, X, "xv"), DataError, "got the single string 'xv'"),
    "sd negative": (lambda: Trajectory(T, X, sd=-1), DataError, "sd must not be negative, got -1"),
    "sd length": (lambda: Trajectory(T, X, sd=[1, 2, 3]), DataError, "sd has 3 entries for 2 states"),
    "segments": (lambda: Trajectory(T, X).segments(0), DataError, "min_samples must be at least 1, got 0"),
    "max_step": (
        lambda: Trajectory(T, X).segments(1, 0.5),
        DataError,
        "max_step must exceed 1 median step, got 0.5",
    ),
    "zero runs": (lambda: as_runs([]), DataError, "no runs were given; at least one is needed"),
    "zero paths": (lambda: open_runs([]), DataError, "no path was given"),
    "zero runs, noise": (lambda: noise_level([]), DataError, "no runs were given"),
    "names across runs": (
        lambda: as_runs([Trajectory(T, X, ("x", "v"), label="a"), Trajectory(T, X, ("v", "x"), label="b")]),
        DataError,
        r"run 1 \('b'\) has states v, x, but run 0 has x, v",
    ),
    "numbers of states": (
        lambda: as_runs([(T, X), (T, T)]),
        DataError,
        "run 1 has states x1, but run 0 has x1, x2",
    ),
    "time units": (
        lambda: as_runs(
            [Trajectory(T, T, time_unit="s"), Trajectory(T, T, time_unit="days since 2000-01-01")]
        ),
        DataError,
        "run 1 has times in 'days since 2000-01-01', but run 0 in 's'",
    ),
    "array without times": (
        lambda: as_runs(X),
        TypeError,
        r"shape \(41, 2\) has no times; give the tuple \(t, x\)",
    ),
    "list of arrays": (lambda: as_runs([T, X]), TypeError, "cannot be read from ndarray"),
    "nonsense": (lambda: as_runs(5), TypeError, "cannot read runs from int; give a Trajectory, a path"),
}


@pytest.mark.parametrize("case", list(ARRAYS))
def test_arrays(case: str) -> None:
    make, kind, message = ARRAYS[case]
    with pytest.raises(kind, match=message):
        make()


def gridded(**variables: object) -> xr.Dataset:
    return xr.Dataset(variables, coords={"t": T[:3]})  # type: ignore[arg-type]


GRIDDED: dict[str, tuple[Callable[[], object], str]] = {
    "extra dimensions": (
        lambda: as_runs(gridded(x=(("t", "lat", "lon"), np.zeros((3, 4, 5))))),
        r"x has dimensions \(t: 3, lat: 4, lon: 5\)",
    ),
    "a list of states": (
        lambda: as_runs(gridded(x=(("t", "component"), np.zeros((3, 2))))),
        "dimension 'component' reads as a list of states",
    ),
    "an image without names": (
        lambda: as_runs(xr.DataArray(np.zeros((3, 4, 5)), dims=("t", "y", "x"))),
        r"one for the states, got \('t', 'y', 'x'\)",
    ),
    "no time": (
        lambda: as_runs(xr.Dataset({"x": ("step", [1.0, 2.0])}, coords={"step": [0, 1]})),
        r"no time found among dimensions \(step: 2\).*name it with time=... \(--time NAME\)",
    ),
    "two times": (
        lambda: as_runs(gridded(x=("t", T[:3]), time=("t", T[:3]))),
        r"several times \(t, time\)",
    ),
    "time without values": (
        lambda: as_runs(xr.Dataset({"x": ("t", [1.0, 2.0])})),
        "dimension 't' has no coordinate, so its times are unknown",
    ),
    "missing state": (
        lambda: runs_from_dataset(gridded(x=("t", T[:3])), states=["y"]),
        "no variable named 'y'; there are: .*x",
    ),
    "missing run": (
        lambda: runs_from_dataset(gridded(x=("t", T[:3])), run="planet"),
        "no dimension or variable named 'planet'",
    ),
    "state without time": (
        lambda: runs_from_dataset(gridded(x=("t", T[:3]), mass=("body", [1.0])), states=["x", "mass"]),
        r"state 'mass' has dimensions \('body',\), without 't'",
    ),
    "shared state": (
        lambda: as_runs(gridded(x=(("run", "t"), np.zeros((2, 3))), wind=("t", T[:3]))),
        "wind lacks the dimension 'run' of the other states",
    ),
    "only words": (
        lambda: as_runs(gridded(x=("t", ["a", "b", "c"]))),
        "no variable of numbers along the time",
    ),
    "no variables": (lambda: as_runs(gridded()), r"the dataset has no variables \(dimensions: t: 3\)"),
    "an empty run": (
        lambda: as_runs(gridded(x=(("run", "t"), [[1.0, 2, 3], [np.nan] * 3]))),
        "run 'run=1' has no sample of x",
    ),
    "nothing but missing": (lambda: as_runs(gridded(x=("t", [np.nan] * 3))), "'x' holds no number at all"),
    "half of the derivatives": (
        lambda: as_runs(gridded(x=("t", T[:3]), v=("t", T[:3]), x_dot=("t", T[:3]))),
        "x_dot reads as a derivative, but v has none",
    ),
    "several runs as one": (
        lambda: Trajectory.from_dataset(gridded(x=(("run", "t"), np.zeros((2, 3))))),
        r"got 2 runs \(run=0, run=1\) where one is read; use runs_from_dataset or open_runs",
    ),
    "noise in words": (
        lambda: as_runs(gridded(x=("t", T[:3], {"sd": "small"}))),
        "the noise attribute of 'x' must be one number, got 'small'",
    ),
}


@pytest.mark.parametrize("case", list(GRIDDED))
def test_labelled(case: str) -> None:
    make, message = GRIDDED[case]
    with pytest.raises(DataError, match=message):
        make()


def test_complex_variables_are_refused_not_passed_over() -> None:
    with pytest.raises(TypeError, match="variable 'z' is complex; split it into its real and imaginary part"):
        as_runs(gridded(x=("t", T[:3]), z=("t", T[:3] + 1j)))


def test_one_string_of_states_is_refused() -> None:
    with pytest.raises(TypeError, match=r"got the single string 'x'; write \['x'\]"):
        runs_from_dataset(gridded(x=("t", T[:3])), states="x")


FRAMES: dict[str, tuple[dict[str, list[object]], str]] = {
    "no time": ({"a": [1, 2], "b": [3, 4]}, "no column of times was found among a, b; name it with"),
    "restart": (
        {"t": [0, 1, 0, 1], "x": [1, 2, 3, 4]},
        r"t restarts at row 2: 0 follows 1; name the column that separates runs with run=... \(--run NAME\)",
    ),
    "two run columns": (
        {"t": [0, 0], "run": [1, 2], "id": [1, 2], "x": [1, 2]},
        "run, id may each separate the runs",
    ),
    "a number that is no run": (
        {"t": [0, 1], "id": [1, 2], "x": [1, 2]},
        "'id' reads as the number of a run, but time",
    ),
    "repeated time": ({"t": [0, 1, 1], "x": [1, 2, 3]}, "t repeats"),
    "reversed time": ({"t": [2, 1, 0], "x": [1, 2, 3]}, "t decreases throughout, from 2 to 0"),
    "only the time": ({"t": [0, 1]}, r"no columns of numbers beside the time 't'; there are: t \(int64\)"),
    "no rows": ({"t": [], "x": []}, "the table has no rows"),
    "missing run number": ({"t": [0, 0], "run": [1, None], "x": [1, 2]}, "the run column misses 1 values"),
}


@pytest.mark.parametrize("case", list(FRAMES))
def test_tables(case: str) -> None:
    columns, message = FRAMES[case]
    with pytest.raises(DataError, match=message):
        runs_from_dataframe(pd.DataFrame(columns))


def test_objects_in_a_column_are_refused() -> None:
    df = pd.DataFrame({"t": [0, 1], "x": pd.Series([1, 2.5], dtype=object)})
    with pytest.raises(TypeError, match="column 'x' must hold real numbers, got dtype object"):
        runs_from_dataframe(df)


TEXTS: dict[str, tuple[str, str]] = {
    "only a header": ("t,x\n", r"no row of data after the header \(t, x\)"),
    "blank lines": ("\n\n", "only blank lines"),
    "no header": ("0,1\n1,2\n", "line 1 is all numbers and no header line names the 2 columns"),
    "a row cut off": ("t,x\n0,1\n1,2\n2", r"line 4 has 1 fields where the header names 2 \(t, x\): '2'"),
    "a word among numbers": (
        "t,x\n0,1\n1,abc\n2,3\n",
        "column 'x' holds the text 'abc' on line 3 among numbers",
    ),
    "words for numbers": ("t,x\n0,a\n1,b\n", "no columns of numbers beside the time 't'"),
    "a nameless index": (",t,x\n0,0,1\n1,1,2\n", r"the first column has no name; .*\(index=False\)"),
    "too few names": ("# x\n0 1 2 3 4\n", r"names 1 columns \('x',\), but the rows have 5"),
    "infinite": ("t,x\n0,1\n1,inf\n", "x has 1 infinite values"),
    "restart": ("t,x\n0,1\n1,2\n0,3\n1,4\n", "t restarts at row 4: 0 follows 1; name the column"),
}


@pytest.mark.parametrize("case", list(TEXTS))
def test_text_files(case: str, tmp_path: Path) -> None:
    text, message = TEXTS[case]
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        open_runs(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"states": ["w"]}, "no column named 'w'; there are: run, x, v; .*--states"),
        ({"time": "clock"}, "no column named 'clock'; there are: run, t, x, v; .*--time"),
        ({"run": "planet"}, "no column named 'planet'; there are: run, t, x, v; .*--run"),
        ({"states": []}, "states is empty"),
    ],
)
def test_missing_columns(request_: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("run,t,x,v\n1,0,1,2\n1,1,3,4\n")
    if request_.get("states"):
        message = message.replace("run, x, v", "x, v")
    with pytest.raises(DataError, match=message):
        open_runs(path, **request_)  # type: ignore[arg-type]


def write_netcdf(path: Path, form: str) -> None:
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.createDimension("t", T.size)
        for name, values in (("t", T), ("x", X[:, 0]), ("v", X[:, 1])):
            file.createVariable(name, "f8", ("t",))[:] = values


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("form", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET"])
def test_netcdf_cut_off(form: str, kept: float, tmp_path: Path) -> None:
    """The netCDF library itself fills the missing end of the classic forms with zeros."""
    path = tmp_path / "data.nc"
    write_netcdf(path, form)
    assert len(open_runs(path)) == 1
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DataError, match=r"cannot be read as netCDF|copy it again"):
        open_runs(path)


def test_netcdf_that_cannot_be_checked(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "data.nc", "NETCDF3_64BIT_DATA")
    with pytest.raises(DataError, match=r"\(CDF-5\), .* convert it with: nccopy -k nc4"):
        open_runs(tmp_path / "data.nc")


class Mischief:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.path, "w")


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "data.npz"
    bad = np.empty(1, dtype=object)
    bad[0] = Mischief(trace)
    np.savez(path, t=T, x=bad)
    with pytest.raises(DataError, match="'x' is a pickled object, which can run code and is never loaded"):
        open_runs(path)
    assert not trace.exists()


def npz(**arrays: object) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


NPZ: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut off": (lambda: npz(t=T, x=X)[:500], r"cannot be read as an NPZ archive .*cut off"),
    "no arrays": (lambda: npz(), "the archive holds no arrays|none of the supported"),
    "no time": (lambda: npz(x=X), "no column of times was found among x"),
    "lengths": (lambda: npz(t=T, x=T, v=T[:5]), r"arrays must have the shape \(41,\) of 't', got v \(5,\)"),
    "names": (lambda: npz(t=T, x=X, names=["a"]), r"names has 1 entries \('a',\) for 2 states"),
    "stacked times": (
        lambda: npz(t=T[:4], x=X[None]),
        r"so t must have shape \(41,\) or \(1, 41\), got \(4,\)",
    ),
    "stacked slopes": (lambda: npz(t=T, x=X[None], dxdt=X), "dxdt must have the shape of x"),
    "four axes": (
        lambda: npz(t=T, x=X[None, None]),
        r"arrays must have the shape \(41,\) of 't', got x \(1, 1, 41, 2\)",
    ),
}


@pytest.mark.parametrize("case", list(NPZ))
def test_archives(case: str, tmp_path: Path) -> None:
    make, message = NPZ[case]
    path = tmp_path / "data.npz"
    path.write_bytes(make())
    with pytest.raises(DataError, match=message):
        open_runs(path)


@pytest.mark.parametrize("suffix", [".nc", ".csv", ".npz", ".zarr", ""])
def test_empty_files(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"data{suffix}"
    path.touch()
    with pytest.raises(DataError, match=r"the file is empty \(0 bytes\)"):
        open_runs(path)


@pytest.mark.parametrize("name", ["data.foo", "data", "data.nc", "data.npz"])
def test_unknown_content(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"hello there, this is prose")
    with pytest.raises(DataError, match=r"none of the supported formats .* supported are netCDF"):
        open_runs(path)


def test_binary_content_in_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"t,x\n\xff\xfe\x00,1\n")
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        open_runs(path)


def test_missing_files_and_plain_directories(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file or directory"):
        open_runs(tmp_path / "none.nc")
    with pytest.raises(DataError, match="a directory, but not a Zarr store"):
        open_runs(tmp_path)


def test_damaged_zarr(tmp_path: Path) -> None:
    path = tmp_path / "data.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gridded(x=("t", T[:3])).to_zarr(path)
    (path / "zarr.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read as Zarr"):
        open_runs(path)


def test_files_that_disagree(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,x\n0,1\n1,2\n")
    (tmp_path / "b.csv").write_text("t,y\n0,1\n1,2\n")
    with pytest.raises(DataError, match=r"run 1 \('b'\) has states y, but run 0 has x"):
        open_runs([tmp_path / "a.csv", tmp_path / "b.csv"])


def bump(t: np.ndarray) -> np.ndarray:
    return np.sin(3 * t) + 0.3 * np.cos(7 * t)


def gappy() -> np.ndarray:
    x = X.copy()
    x[5:8, 0] = np.nan
    return x


QUESTIONABLE: dict[str, tuple[Callable[[], list[Trajectory]], str]] = {
    "gaps": (lambda: [Trajectory(T, gappy())], r"3 of 41 samples \(7.3%\) miss a state; runs are cut there"),
    "uneven times": (lambda: [Trajectory(T**1.1, X)], "the time steps of 0 are uneven: they differ by"),
    "a long pause": (
        lambda: [Trajectory(np.r_[T[:20], T[20:] + 9], X)],
        r"cut the run at the long steps with segments",
    ),
    "a single sample": (
        lambda: [Trajectory([0.0], [[1.0, 2.0]])],
        "1 of 1 runs have fewer than 5 complete samples",
    ),
    "constant": (
        lambda: [Trajectory(T, np.c_[X, 0 * T + 3])],
        "x3 is constant at 3, so it cannot be told from",
    ),
    "collinear": (lambda: [Trajectory(T, np.c_[X, X @ [2, -1] + 1])], r"x3 = 1 \+ 2 x1 - x2 in all samples"),
    "duplicated": (lambda: [Trajectory(T, X[:, [0, 1, 0]])], "x3 = x1 in all samples"),
    "scales": (
        lambda: [Trajectory(T, X * [1, 1e6])],
        "the scales differ by .*: x2 varies by .*choose other units",
    ),
    "noisy": (
        lambda: [Trajectory(T, bump(T) + 0.4 * np.random.default_rng(0).standard_normal(T.size))],
        "the noise of x1 is about .* of its range",
    ),
    "coarse steps": (lambda: [Trajectory(T, np.round(5 * X))], "x1 is stored in steps of 1,"),
    "never measured": (lambda: [Trajectory(T, np.c_[T, T * np.nan])], "x2 has no sample at all"),
}


@pytest.mark.parametrize("case", list(QUESTIONABLE))
def test_questionable_data_are_kept_and_explained(case: str) -> None:
    make, message = QUESTIONABLE[case]
    runs = make()
    found = quality(as_runs(runs))
    assert [w for w in found.warnings if re.search(message, w)], found.warnings
    found.to_json()


def test_clean_data_have_no_warnings() -> None:
    """Negative control of all the warnings."""
    assert quality([Trajectory(T, X), Trajectory(T, 2 * X)]).warnings == ()


def test_thousands_of_short_runs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    count, m = 4000, 12
    df = pd.DataFrame(rng.standard_normal((count * m, 2)), columns=["x", "v"])
    df.insert(0, "t", np.tile(np.arange(m), count))
    df.insert(0, "run", np.repeat(np.arange(count), m))
    df.to_csv(tmp_path / "many.csv", index=False)
    runs = open_runs(tmp_path / "many.csv")
    found = quality(runs)
    assert len(runs) == count
    assert str(found).count("\n") < 25
