"""Runs that stay where they are: any piece of them is bit for bit what reading all of it gives."""

from __future__ import annotations

import gc
import itertools
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import distributed
import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsym._checks import DataError
from dynsym._workers import open_workers
from dynsym.trajectory import (
    StoredRun,
    Trajectory,
    _storing,
    as_runs,
    excerpts,
    gridded,
    open_runs,
    quality,
    runs_from_dataset,
    stored,
)
from dynsym.trajectory.stored import AnyRun, pieces

M, R = 103, 3
T = np.cumsum(np.linspace(0.1, 0.2, M))
RNG = np.random.default_rng(5)
WAVES = RNG.standard_normal((R, M, 2))


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is small enough for memory."""
    monkeypatch.setattr(gridded, "LARGEST_IN_MEMORY", 0)


def single(**coords: object) -> xr.Dataset:
    """One run with units, noise, derivatives and a missing sample."""
    x = WAVES[0].copy()
    x[40, 0] = np.nan
    noisy = {"units": "m", "sd": 0.1}
    variables = {
        "x": ("t", x[:, 0], noisy),
        "v": ("t", x[:, 1], {**noisy, "units": "m/s"}),
        "x_dot": ("t", x[:, 1]),
        "v_dot": ("t", -x[:, 0]),
    }
    return xr.Dataset(variables, coords={"t": ("t", T, {"units": "s"}), **coords})


def many(order: tuple[str, str] = ("run", "t")) -> xr.Dataset:
    """Three runs, the second padded with missing samples at its end."""
    x = WAVES.copy()
    x[1, 70:] = np.nan
    ds = xr.Dataset(
        {"x": (("run", "t"), x[..., 0]), "v": (("run", "t"), x[..., 1])},
        coords={"t": T, "run": [3, 5, 7]},
    )
    return ds.transpose(*order)


def write(ds: xr.Dataset, path: Path, chunks: dict[str, int], **encoding: object) -> Path:
    """Write a file whose variables have chunks; the kind follows from the name: .nc, .nc3, .zarr2, .zarr3."""
    lengths = {n: tuple(min(chunks[d], ds.sizes[d]) for d in ds[n].dims) for n in ds.variables}
    own = {n: dict(encoding) if n in ds.data_vars else {} for n in ds.variables}
    if path.suffix == ".nc3":
        ds.to_netcdf(path, engine="netcdf4", format="NETCDF3_CLASSIC", encoding=own)
    elif path.suffix == ".nc":
        ds.to_netcdf(path, encoding={n: {"chunksizes": lengths[n], **own[n]} for n in ds.variables})
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            form = {n: {"chunks": lengths[n], **own[n]} for n in ds.variables}
            ds.to_zarr(path, zarr_format=int(path.suffix[-1]), encoding=form, consolidated=False)
    return path


KINDS = (".nc", ".nc3", ".zarr2", ".zarr3")


def in_memory(source: Path | xr.Dataset, **request: object) -> list[Trajectory]:
    """The twin: the same door with everything in memory."""
    before, gridded.LARGEST_IN_MEMORY = gridded.LARGEST_IN_MEMORY, np.inf
    try:
        read = open_runs if isinstance(source, Path) else runs_from_dataset
        runs = read(source, **request)  # type: ignore[arg-type, operator]
    finally:
        gridded.LARGEST_IN_MEMORY = before
    assert all(type(run) is Trajectory for run in runs)
    return runs


def assert_same(found: list[AnyRun], want: list[Trajectory]) -> None:
    """The same runs, up to samples at the end that are missing throughout."""
    assert [run.label for run in found] == [run.label for run in want]
    for run, twin in zip(found, want):
        assert type(run) is StoredRun
        got = run.read()
        m = len(twin)
        assert np.isnan(got.x[m:]).all()
        for ours, theirs in ((got.t[:m], twin.t), (got.x[:m], twin.x)):
            assert ours.tobytes() == theirs.tobytes()
        assert run.times(0, m).tobytes() == twin.t.tobytes()
        assert run.has_slopes == twin.has_slopes
        if twin.dxdt is not None:
            assert got.dxdt is not None
            assert got.dxdt.tobytes() == twin.dxdt.tobytes()
        about = [(r.names, r.units, r.time_unit, r.n_states) for r in (run, got, twin)]
        assert about[0] == about[1] == about[2]
        assert (run.sd is None) == (twin.sd is None)
        assert run.sd is None or twin.sd is None or np.array_equal(run.sd, twin.sd)
        assert run.span == (got.t[0], got.t[-1])
        assert len(run) == run.n_samples == len(got)


@pytest.mark.usefixtures("small_limit")
class TestSameAsInMemory:
    @pytest.mark.parametrize("kind", KINDS)
    def test_one_run(self, kind: str, tmp_path: Path) -> None:
        path = write(single(), tmp_path / f"a{kind}", {"t": 16})
        runs = open_runs(path)
        assert_same(runs, in_memory(path))
        assert runs[0].chunk == (0 if kind == ".nc3" else 16)

    @pytest.mark.parametrize("order", [("run", "t"), ("t", "run")])
    @pytest.mark.parametrize("per_chunk", [1, 2])
    @pytest.mark.parametrize("kind", KINDS)
    def test_runs_along_a_dimension(
        self, kind: str, per_chunk: int, order: tuple[str, str], tmp_path: Path
    ) -> None:
        path = write(many(order), tmp_path / f"a{kind}", {"t": 16, "run": per_chunk})
        assert_same(open_runs(path, states=["x", "v"]), in_memory(path, states=["x", "v"]))

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("order", [("drifter", "obs"), ("obs", "drifter")])
    def test_times_of_their_own_per_run(self, kind: str, order: tuple[str, str], tmp_path: Path) -> None:
        t = np.stack([T, 2 * T])
        t[1, 50:] = np.nan
        x = WAVES[:2, :, 0].copy()
        x[1, 50:] = np.nan
        ds = xr.Dataset({"x": (("drifter", "obs"), x), "time": (("drifter", "obs"), t)}).transpose(*order)
        path = write(ds, tmp_path / f"a{kind}", {"obs": 16, "drifter": 2})
        runs = open_runs(path, run="drifter")
        assert_same(runs, in_memory(path, run="drifter"))
        assert [len(run) for run in runs] == [M, 50]

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_column_that_separates_runs(self, kind: str, tmp_path: Path) -> None:
        ds = xr.Dataset(
            {
                "x": ("obs", np.arange(80.0)),
                "time": ("obs", np.r_[T[:30], T[:50]]),
                "id": ("obs", np.repeat([7, 9], [30, 50])),
            }
        )
        path = write(ds, tmp_path / f"a{kind}", {"obs": 16})
        assert_same(open_runs(path), in_memory(path))
        assert_same(open_runs(path, run="id", states=["x"]), in_memory(path, run="id", states=["x"]))

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
    def test_packed_numbers(self, kind: str, dtype: str, tmp_path: Path) -> None:
        ds = single().drop_vars(["x_dot", "v_dot"])
        packing: dict[str, object] = {"dtype": dtype}
        if dtype != "float32":
            packing |= {"scale_factor": 0.05, "add_offset": -4.0, "_FillValue": 255}
        if (kind, dtype) == (".nc3", "uint8"):
            pytest.skip("classic netCDF has no unsigned integers")
        path = write(ds, tmp_path / f"a{kind}", {"t": 16}, **packing)
        twin = in_memory(path)
        assert_same(open_runs(path), twin)
        assert np.isnan(twin[0].x[40]).sum() == 1

    def test_dates_in_files_keep_their_unit(self, tmp_path: Path) -> None:
        days = xr.date_range("2001-01-30", periods=M, freq="D")
        path = write(single().assign_coords(t=days), tmp_path / "a.nc", {"t": 16})
        assert_same(open_runs(path), in_memory(path))

    @pytest.mark.parametrize("order", [("run", "t"), ("t", "run")])
    def test_dask_arrays(self, order: tuple[str, str]) -> None:
        ds = many(order)
        assert_same(as_runs(ds.chunk(t=20, run=2)), in_memory(ds))
        assert_same(as_runs(single().chunk(t=20)), in_memory(single()))
        assert as_runs(single().chunk(t=20))[0].chunk == 20

    @pytest.mark.parametrize("calendar", ["standard", "noleap"])
    def test_dates_of_dask_arrays(self, calendar: str) -> None:
        cftime = calendar != "standard"
        days = xr.date_range("2001-01-30", periods=M, freq="D", calendar=calendar, use_cftime=cftime)
        ds = single().assign_coords(t=days)
        runs = as_runs(ds.chunk(t=20))
        assert_same(runs, in_memory(ds))
        assert runs[0].read(40, 42).t.tolist() == [40 * 86400.0, 41 * 86400.0]
        lasting = single().assign_coords(t=np.arange(M).astype("timedelta64[s]"))
        assert_same(as_runs(lasting.chunk(t=20)), in_memory(lasting))

    def test_dimensions_of_size_one_do_not_matter(self, tmp_path: Path) -> None:
        for ds in (single(), many()):
            wide = ds.expand_dims(lat=[45.0])
            assert_same(runs_from_dataset(wide.chunk(t=20)), in_memory(wide))
        path = write(wide, tmp_path / "a.zarr3", {"t": 16, "run": 1, "lat": 1})
        assert_same(open_runs(path), in_memory(path))

    def test_dask_arrays_of_states(self) -> None:
        array = xr.DataArray(WAVES[0], dims=("t", "state"), coords={"t": T}, name="w", attrs={"units": "m"})
        for one in (array, array.assign_coords(state=["a", "b"]), array.T, array[:, 0]):
            assert_same(as_runs(one.chunk(t=20)), [run.read() for run in as_runs(one)])

    def test_chunks_in_the_memory_of_a_cluster(self) -> None:
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
            ) as cluster,
            distributed.Client(cluster) as client,
            open_workers(client) as workers,
        ):
            ds = single().chunk(t=20).persist()
            runs = as_runs(ds)
            assert_same(runs, in_memory(single()))
            got = workers.map(lambda task: task[0].read(*task[1]).x.tobytes(), [(runs[0], (0, 30))])
            assert got == [runs[0].read(0, 30).x.tobytes()]

    def test_many_files_of_one_record(self, tmp_path: Path) -> None:
        ds = single()
        paths = [tmp_path / f"day{k}.nc" for k in (1, 2)]
        for path, part in zip(paths, (slice(0, 60), slice(60, None))):
            ds.isel(t=part).to_netcdf(path)
        assert [len(run) for run in open_runs(paths)] == [60, 43]
        with xr.open_mfdataset(paths) as joined:
            (run,) = as_runs(joined)
            assert_same([run], [Trajectory.from_dataset(ds)])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    cuts=st.lists(st.integers(1, M - 1), max_size=6, unique=True),
    kind=st.sampled_from([*KINDS, "dask"]),
    number=st.integers(0, R - 1),
)
def test_pieces_join_to_the_whole(
    cuts: list[int], kind: str, number: int, stores: dict[str, list[AnyRun]]
) -> None:
    run = stores[kind][number]
    edges = [0, *sorted(cuts), len(run)]
    parts = [run.read(a, b) for a, b in itertools.pairwise(edges)]
    twin = WAVES[number].copy()
    if number == 1:
        twin[70:] = np.nan
    assert np.concatenate([part.x for part in parts]).tobytes() == twin.tobytes()
    assert np.concatenate([part.t for part in parts]).tobytes() == T.tobytes()
    assert {part.label for part in parts} == {run.label}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[AnyRun]]]:
    """The same runs in every kind of store."""
    folder = tmp_path_factory.mktemp("stores")
    before, gridded.LARGEST_IN_MEMORY = gridded.LARGEST_IN_MEMORY, 0
    out = {
        kind: open_runs(write(many(), folder / f"a{kind}", {"t": 16, "run": 1 + k % 2}), states=["x", "v"])
        for k, kind in enumerate(KINDS)
    }
    gridded.LARGEST_IN_MEMORY = before
    out["dask"] = as_runs(many().chunk(t=20, run=2))
    return out


class TestRun:
    def test_size_decides(self, tmp_path: Path) -> None:
        path = write(single(), tmp_path / "a.nc", {"t": 16})
        assert type(open_runs(path)[0]) is Trajectory

    def test_reads_like_a_trajectory(self, stores: dict[str, list[AnyRun]]) -> None:
        for run in (stores["dask"][0], stores["dask"][0].read()):
            assert run.read(3, 9).label == run.label == "run=3"
            assert run.times(3, 9).tolist() == T[3:9].tolist()
            assert (run.has_slopes, run.duration, len(run.times())) == (False, T[-1] - T[0], M)
            for start, stop in ((3, 3), (-1, 4), (0, M + 1)):
                with pytest.raises(DataError, match=rf"samples 0 to {M - 1}, so there is no piece"):
                    run.read(start, stop)
                with pytest.raises(DataError, match="there is no piece"):
                    run.times(start, stop)
        whole = Trajectory(T, WAVES[0])
        assert np.shares_memory(whole.read(3, 9).x, whole.x)
        assert whole.read() is whole
        assert whole.chunk == 0

    def test_times_do_not_need_the_states(self, tmp_path: Path, small_limit: None) -> None:
        path = write(single(), tmp_path / "a.zarr3", {"t": 16})
        (run,) = open_runs(path)
        for name in ("x", "v", "x_dot", "v_dot"):
            for chunk in (path / name / "c").iterdir():
                chunk.write_bytes(b"")
        assert run.times().tolist() == T.tolist()
        with pytest.raises(DataError, match="samples 20 to 29 of 'v' cannot be read"):
            run.read(20, 30)

    @pytest.mark.parametrize("kind", [*KINDS, "dask"])
    def test_pickled(
        self, kind: str, stores: dict[str, list[AnyRun]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = pickle.dumps(stores[kind])
        if kind != "dask":
            assert len(sent) < 10_000
        monkeypatch.chdir("/")
        for run, twin in zip(pickle.loads(sent), stores[kind]):
            assert run.read(5, 50).x.tobytes() == twin.read(5, 50).x.tobytes()

    def test_pickled_with_what_it_needs_only(self) -> None:
        image = xr.DataArray(np.zeros((M, 1000)), dims=("t", "pixel"))
        (run,) = runs_from_dataset(single().assign(image=image).chunk(t=20), states=["x"])
        assert len(pickle.dumps(run)) < 50_000

    @pytest.mark.parametrize("kind", [*KINDS, "dask"])
    def test_read_from_many_threads(self, kind: str, stores: dict[str, list[AnyRun]]) -> None:
        runs = pickle.loads(pickle.dumps(stores[kind]))
        tasks = [(k, a) for a in range(0, M - 10, 3) for k in range(R)] * 3
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda task: runs[task[0]].read(task[1], task[1] + 10).x.tobytes(), tasks))
        want = [stores[kind][k].read(a, a + 10).x.tobytes() for k, a in tasks]
        assert got == want

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
    @pytest.mark.parametrize("kind", [".nc", ".nc3"])
    def test_closed_when_nobody_reads_any_more(self, kind: str, tmp_path: Path, small_limit: None) -> None:
        path = write(single(), tmp_path / f"a{kind}", {"t": 16})

        def is_open() -> bool:
            maps = Path("/proc/self/maps").read_text()
            links = [
                os.readlink(f"/proc/self/fd/{n}")
                for n in os.listdir("/proc/self/fd")
                if n.isdigit()
                if os.path.exists(f"/proc/self/fd/{n}")
            ]
            return str(path) in links or str(path) in maps

        runs = open_runs(path)
        again = pickle.loads(pickle.dumps(runs))
        again[0].read(0, 5)
        del runs
        gc.collect()
        assert is_open()
        del again
        gc.collect()
        assert not is_open()

    def test_a_file_written_anew_is_read_anew(self, tmp_path: Path, small_limit: None) -> None:
        path = write(single(), tmp_path / "a.nc", {"t": 16})
        old = open_runs(path)
        path.unlink()
        write(2 * single(), path, {"t": 16})
        (new,) = open_runs(path)
        assert new.read().x[0, 0] == 2 * WAVES[0, 0, 0]
        assert old[0].read().x[0, 0] == WAVES[0, 0, 0]

    def test_shown(self, tmp_path: Path, small_limit: None) -> None:
        path = write(single(), tmp_path / "a.nc", {"t": 16})
        (run,) = open_runs(path)
        text = f"StoredRun('a': 103 samples, t = 0.1 .. 15.45 s, states x [m], v [m/s], with dxdt, {path} in chunks of 16)"
        assert repr(run) == text
        assert "103 samples" in run._repr_html_()
        assert len(run.plot().axes) == 2

    def test_drawn_in_excerpts(self) -> None:
        t = np.arange(20_000.0)
        (run,) = as_runs(xr.Dataset({"x": ("t", t)}, coords={"t": t}).chunk(t=1000))
        (panel,) = run.plot().axes
        line = panel.lines[0].get_ydata()
        assert np.isnan(line).sum() == 99
        assert line[-1] == t[-1]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(m=st.integers(1, 200), n_pieces=st.integers(1, 12), length=st.integers(1, 40))
def test_excerpts_are_spread_and_do_not_overlap(m: int, n_pieces: int, length: int) -> None:
    run = Trajectory(range(m), range(m))
    parts = excerpts(run, n_pieces, length)
    t = np.concatenate([part.t for part in parts])
    assert (np.diff(t) > 0).all()
    if m <= n_pieces * length:
        assert [len(part) for part in parts] == [m]
        return
    assert [len(part) for part in parts] == [length] * n_pieces
    assert all((np.diff(part.t) == 1).all() for part in parts)
    between = np.diff([part.t[0] for part in parts])
    assert n_pieces == 1 or between.max() - between.min() <= 1
    assert n_pieces == 1 or (t[0], t[-1]) == (0, m - 1)


def test_pieces_cover_whole_chunks() -> None:
    run = as_runs(
        xr.Dataset({"x": ("t", np.zeros(400_000))}, coords={"t": np.arange(400_000)}).chunk(t=30_000)
    )
    assert [part for part in pieces(run[0])][:2] == [(0, 120_000), (120_000, 240_000)]
    assert list(pieces(Trajectory([0, 1], [1, 2]))) == [(0, 2)]


class TestQuality:
    def test_the_same_as_in_memory(self, stores: dict[str, list[AnyRun]]) -> None:
        for kind in stores:
            found, want = quality(stores[kind]), quality([run.read() for run in stores[kind]])
            assert found.to_json() == want.to_json()
            assert quality([stores[kind][0], stores[kind][1].read()]).names == found.names

    def test_long_runs(self) -> None:
        """Of what is read off excerpts only estimates differ; the rest is exact."""
        t = np.arange(300_000) * 0.01
        x = np.c_[np.sin(t), np.cos(t)] + 1e-3 * np.random.default_rng(0).standard_normal((t.size, 2))
        x[200_000:200_010, 0] = np.nan
        x[250_000, 1] = 17.0
        t[280_000:] += 5.0
        ds = xr.Dataset({"x": ("t", x[:, 0]), "v": ("t", x[:, 1])}, coords={"t": t})
        found, want = quality(as_runs(ds.chunk(t=7000))), quality(as_runs(ds))
        for name in ("samples", "missing", "duration", "low", "high", "step_spread"):
            np.testing.assert_array_equal(getattr(found, name), getattr(want, name))
        assert (found.missing[0], found.high[1]) == (10, 17.0)
        np.testing.assert_allclose(found.deviation, want.deviation, rtol=1e-12)
        np.testing.assert_allclose(found.deviation, np.nanstd(x, axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.median_step, np.median(np.diff(t)), rtol=1e-9)
        np.testing.assert_allclose(found.noise, 1e-3, rtol=0.05)

    def test_alike(self, stores: dict[str, list[AnyRun]]) -> None:
        with pytest.raises(DataError, match="run 1 has states x1, x2, but run 0 has x, v"):
            as_runs([stores[".nc"][0], Trajectory(T, WAVES[0])])


def chunked(**columns: object) -> xr.Dataset:
    return xr.Dataset(
        {k: ("t", v) for k, v in columns.items() if k != "t"}, coords={"t": columns["t"]}
    ).chunk(t=10)


@pytest.mark.usefixtures("small_limit")
class TestBadInput:
    @pytest.mark.parametrize("kind", [".zarr2", ".zarr3"])
    @pytest.mark.parametrize("kept", [0, 5, 20, 120])
    def test_a_chunk_that_is_cut_off(self, kind: str, kept: int, tmp_path: Path) -> None:
        """The decoder of Blosc, which is the default of the second version, does not notice by itself."""
        path = write(single(), tmp_path / f"a{kind}", {"t": 16})
        (run,) = open_runs(path, states=["x"])
        inside = "x/2" if kind == ".zarr2" else "x/c/2"
        (path / inside).write_bytes((path / inside).read_bytes()[:kept])
        if kind == ".zarr2":
            for limit in (0, 1e9):
                gridded.LARGEST_IN_MEMORY = limit
                with pytest.raises(
                    DataError, match=rf"{path}: the chunk {inside} has {kept} bytes of the \d+"
                ):
                    open_runs(path, states=["x"])
            return
        assert run.read(0, 32).n_samples == 32
        with pytest.raises(
            DataError, match=rf"{path}: samples 30 to 39 of 'x' cannot be read .*copy it again"
        ):
            run.read(30, 40)

    @pytest.mark.parametrize("version", [2, 3])
    def test_an_uncompressed_chunk_that_is_cut_off(self, version: int, tmp_path: Path) -> None:
        path = write(single(), tmp_path / f"a.zarr{version}", {"t": 16}, compressors=None)
        (run,) = open_runs(path, states=["x"])
        (path / "x" / ("2" if version == 2 else "c/2")).write_bytes(bytes(100))
        with pytest.raises(DataError, match="samples 30 to 39 of 'x' cannot be read"):
            run.read(30, 40)

    def test_a_damaged_chunk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_storing, "_GLANCE", 16)
        path = write(single(), tmp_path / "a.nc", {"t": 16}, fletcher32=True)
        content = bytearray(path.read_bytes())
        at = content.find(WAVES[0, 48:64, 0].astype("<f8").tobytes())
        content[at + 8] ^= 1
        path.write_bytes(content)
        (run,) = open_runs(path, states=["x"])
        assert run.read(0, 48).n_samples == 48
        with pytest.raises(
            DataError, match=rf"{path}: samples 40 to 49 of 'x' cannot be read .*copy it again"
        ):
            run.read(40, 50)

    def test_a_chunk_that_is_missing(self, tmp_path: Path) -> None:
        """A fill value that means missing makes a gap."""
        for kind, inside in ((".zarr2", "x/2"), (".zarr3", "x/c/2")):
            path = write(single(), tmp_path / f"a{kind}", {"t": 16})
            (path / inside).unlink()
            (run,) = open_runs(path, states=["x"])
            assert np.isnan(run.read(32, 48).x).all()
            assert quality([run]).missing[0] == 16

    def test_a_chunk_that_is_missing_and_reads_as_a_number(self, tmp_path: Path) -> None:
        group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
        for name, values in (("t", T), ("x", WAVES[0, :, 0])):
            array = group.create_array(name, shape=(M,), chunks=(16,), dtype="f8", dimension_names=["t"])
            array[:] = values
        path = tmp_path / "a.zarr"
        assert type(open_runs(path)[0]) is StoredRun
        (path / "x/c/2").unlink()
        said = "1 of 7 chunks of 'x' are not in the store, the first at index 32; Zarr reads them as 0.0"
        with pytest.warns(UserWarning, match=f"{path}: {said}"):
            (run,) = open_runs(path)
        assert run.read(32, 48).x.tolist() == [[0.0]] * 16
        (path / "t/c/2").unlink()
        with pytest.raises(DataError, match=rf"{path}: .*t\[32\] = 0 follows t\[31\] = "):
            open_runs(path)

    @pytest.mark.parametrize(
        ("t", "message"),
        [
            (np.r_[0:10, 5:15], r"t must increase: t\[10\] = 5 follows t\[9\] = 9; sort .*run="),
            (np.r_[0:10, 9:19], r"t repeats: t\[10\] = 9 equals t\[9\] = 9"),
            (np.r_[0:15, 3:8], r"t\[15\] = 3 follows t\[14\] = 14"),
            (np.r_[0.0:12, np.nan, 13:20], r"t\[12\] is nan; every sample needs a time"),
            (np.r_[0.0:9, np.nan, 10:20], r"t\[9\] is missing, but later samples have times"),
            (np.r_[0.0:9, np.inf, 10:20], r"t\[9\] is inf|t\[9\] is missing"),
            (np.full(20, np.nan), "no sample has a time"),
            (np.r_[0.0:18, np.nan, np.nan], "sample 18 has states, but its time is missing"),
        ],
    )
    def test_times(self, t: np.ndarray, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stored, "_PIECE", 10)
        with pytest.raises(DataError, match=message):
            as_runs(chunked(x=np.arange(20.0), t=t))

    def test_infinite(self, tmp_path: Path) -> None:
        x = np.arange(40.0)
        x[33] = -np.inf
        ds = xr.Dataset({"x": ("t", x)}, coords={"t": np.arange(40.0)})
        (run,) = open_runs(write(ds, tmp_path / "a.nc", {"t": 10}))
        with pytest.raises(DataError, match=rf"{tmp_path / 'a.nc'}: a: 'x' is -inf at sample 33; use NaN"):
            run.read(20, 40)
        with pytest.raises(DataError, match="is -inf at sample 33"):
            quality([run])

    def test_nothing_but_missing(self) -> None:
        none = np.full(20, np.nan)
        with pytest.raises(DataError, match="variable 'y' holds no number at all"):
            as_runs(chunked(x=np.arange(20.0), y=none, t=np.arange(20)))
        late = none.copy()
        late[19] = 1.0
        assert len(as_runs(chunked(x=np.arange(20.0), y=late, t=np.arange(20)))) == 1
        ds = many().where(lambda ds: ds.run != 5)
        with pytest.raises(
            DataError, match=f"run=5: none of its {M} samples has a value of x, v; leave it out"
        ):
            as_runs(ds.chunk(t=10))

    def test_one_sample(self) -> None:
        (run,) = as_runs(chunked(x=[2.0], t=[1.0]))
        assert (run.read().x.tolist(), run.span) == ([[2.0]], (1.0, 1.0))
        assert np.isnan(quality([run]).median_step[0])

    def test_no_sample(self) -> None:
        with pytest.raises(DataError, match="t is empty; a run needs at least one sample"):
            as_runs(chunked(x=np.zeros(20), t=np.arange(20.0)).isel(t=slice(0, 0)))

    def test_run_columns(self) -> None:
        t = np.r_[0:10, 0:10].astype(float)
        ds = chunked(x=np.arange(20.0), t=t)
        with pytest.raises(
            DataError, match="run id=1 begins at index 0 and again at index 15; sort the samples"
        ):
            as_runs(ds.assign(id=("t", np.repeat([1, 2, 1], [10, 5, 5]))).chunk(t=10))
        with pytest.raises(DataError, match="the run column 'id' misses its value at index 13"):
            as_runs(ds.assign(id=("t", np.r_[np.zeros(13), np.nan, np.ones(6)])).chunk(t=10))
        with pytest.raises(DataError, match="'id' reads as the number of a run, but time never restarts"):
            as_runs(chunked(x=np.arange(20.0), id=np.repeat([1, 2], 10), t=np.arange(20.0)))

    def test_text_and_complex_numbers(self) -> None:
        with pytest.raises(TypeError, match="'z' is complex"):
            as_runs(chunked(x=np.zeros(20), z=np.zeros(20, complex), t=np.arange(20.0)))
        with pytest.raises(DataError, match="no variable of numbers along the time"):
            as_runs(xr.Dataset({"x": ("t", ["a", "b"])}, coords={"t": [0, 1]}).chunk(t=1))


MEMORY = """
import resource, sys
from dynsym.trajectory import open_runs, quality
from dynsym.trajectory.stored import pieces
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(run,) = open_runs(sys.argv[1])
total = 0.0
for start, stop in pieces(run):
    total += run.read(start, stop).x.sum()
quality([run])
print(len(run), total, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize("kind", ["zarr", "nc"])
def test_memory_does_not_grow_with_the_file(kind: str, tmp_path: Path) -> None:
    """400 MB of float64 in constant chunks, so that the file itself is small."""
    m, path = 12_500_000, tmp_path / f"a.{kind}"
    if kind == "zarr":
        group = zarr.open_group(path, mode="w", zarr_format=2)
        arrays = [
            group.create_array(n, shape=(m,), chunks=(100_000,), dtype="f8", fill_value=np.nan)
            for n in "txyz"
        ]
        for array in arrays:
            array.attrs["_ARRAY_DIMENSIONS"] = ["t"]
    else:
        file = netCDF4.Dataset(path, "w")
        file.createDimension("t", m)
        arrays = [
            file.createVariable(n, "f8", ("t",), chunksizes=(100_000,), zlib=True, complevel=1)
            for n in "txyz"
        ]
    for start in range(0, m, 1_000_000):
        stop = min(start + 1_000_000, m)
        arrays[0][start:stop] = np.arange(start, stop) / 8
        for array in arrays[1:]:
            array[start:stop] = np.full(stop - start, 1.0)
    if kind == "nc":
        file.close()
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True, timeout=300
    )
    samples, total, grown = done.stdout.split()
    assert (int(samples), float(total)) == (m, 3.0 * m)
    assert float(grown) < 100
