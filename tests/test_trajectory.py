"""One run, and everything that holds runs: the same samples give the same runs, whatever carries them."""

from __future__ import annotations

import json
import warnings
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dynsym._checks import DataError
from dynsym.trajectory import (
    Trajectory,
    as_runs,
    open_runs,
    quality,
    runs_from_dataframe,
    runs_from_dataset,
)

T = np.linspace(0.0, 4.0, 41)
STATES = np.stack([np.sin(T), np.cos(T)], axis=1)
NAMES = ("x", "v")
UNITS = ("m", "m/s")


def two_runs() -> list[Trajectory]:
    """Two runs of different length with units, derivatives and noise."""
    return [
        Trajectory(
            T[:m], k * STATES[:m], NAMES, UNITS, k * STATES[:m, ::-1] * [1, -1], (0.1, 0.2), f"run={k}", "s"
        )
        for k, m in ((1, 41), (2, 30))
    ]


def same(got: list[Trajectory], want: list[Trajectory], slopes: bool = True, labels: bool = True) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want):
        np.testing.assert_array_equal(a.t, b.t)
        np.testing.assert_array_equal(a.x, b.x)
        assert a.names == b.names
        if slopes and b.dxdt is not None:
            assert a.dxdt is not None
            np.testing.assert_array_equal(a.dxdt, b.dxdt)
        if labels:
            assert a.label == b.label


def padded(runs: list[Trajectory]) -> xr.Dataset:
    """The runs along a dimension of their own, the shorter ones padded with NaN."""
    data = {}
    for i, name in enumerate(NAMES):
        for key, part in ((name, "x"), (f"{name}_dot", "dxdt")):
            field = np.full((len(runs), T.size), np.nan)
            for k, run in enumerate(runs):
                field[k, : len(run)] = getattr(run, part)[:, i]
            attrs = {"units": UNITS[i], "standard_deviation": 0.1 * (i + 1)} if part == "x" else {}
            data[key] = (("run", "t"), field, attrs)
    return xr.Dataset(data, coords={"t": ("t", T, {"units": "s"}), "run": [1, 2]})


def frame(runs: list[Trajectory]) -> pd.DataFrame:
    parts = []
    for run in runs:
        assert run.dxdt is not None
        columns = {"run": int(run.label[-1]), "t": run.t}
        columns |= dict(zip(NAMES, run.x.T)) | dict(zip((f"{n}_dot" for n in NAMES), run.dxdt.T))
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


class TestRun:
    def test_defaults(self) -> None:
        run = Trajectory([0, 1, 2], [1, 2, 3])
        assert (run.names, run.units, run.dxdt, run.sd, run.label) == (("x1",), None, None, None, "")
        assert (run.n_states, run.n_samples, len(run), run.duration) == (1, 3, 3, 2.0)

    def test_is_frozen_and_owns_its_arrays(self) -> None:
        x = STATES.copy()
        run = Trajectory(T, x, NAMES, sd=0.1)
        x[:] = 0
        np.testing.assert_array_equal(run.x, STATES)
        with pytest.raises(FrozenInstanceError):
            run.label = "other"  # type: ignore[misc]
        for array in (run.t, run.x, run.sd):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1  # type: ignore[index]

    def test_a_read_only_view_of_a_writable_array_is_copied(self) -> None:
        x = STATES.copy()
        view = x[:]
        view.flags.writeable = False
        run = Trajectory(T, view)
        x[:] = 0
        np.testing.assert_array_equal(run.x, STATES)

    def test_segments_share_memory(self) -> None:
        x = STATES.copy()
        x[10:12, 0] = np.nan
        run = Trajectory(T, x, NAMES, UNITS, dxdt=STATES, sd=0.1, label="a", time_unit="s")
        parts = run.segments()
        assert [part.label for part in parts] == ["a[0:10]", "a[12:41]"]
        assert all(np.shares_memory(part.x, run.x) for part in parts)
        assert all((p.units, p.time_unit, p.dxdt is not None) == (UNITS, "s", True) for p in parts)
        assert run.gaps == ((10, 12),)
        assert [len(part) for part in run.segments(min_samples=11)] == [29]

    def test_segments_of_a_whole_run_is_the_run(self) -> None:
        run = Trajectory(T, STATES)
        assert run.segments() == [run]
        assert run.segments(min_samples=42) == []
        assert run.segments(max_step=2.0) == [run]

    def test_segments_at_long_steps(self) -> None:
        t = np.r_[0:5, 20:25].astype(float)
        run = Trajectory(t, t)
        assert [len(part) for part in run.segments(max_step=3)] == [5, 5]
        assert run.segments() == [run]

    def test_a_run_without_a_complete_sample_has_no_segments(self) -> None:
        assert Trajectory([0, 1], [[1, np.nan], [np.nan, 2]]).segments() == []

    def test_replace_keeps_arrays(self) -> None:
        run = two_runs()[0]
        other = replace(run, label="b")
        assert other.label == "b"
        assert other.x is run.x
        assert other.dxdt is run.dxdt

    def test_masked_entries_are_missing(self) -> None:
        run = Trajectory([0, 1], np.ma.MaskedArray([1, 2], mask=[False, True]))
        assert np.isnan(run.x[1, 0])

    def test_units_by_name(self) -> None:
        assert Trajectory(T, STATES, NAMES, {"v": "m/s"}).units == ("", "m/s")

    def test_repr_is_one_line_and_html_is_escaped(self) -> None:
        run = Trajectory(T, STATES, ("<x>", "v"), label="a")
        assert repr(run) == "Trajectory('a': 41 samples, t = 0 .. 4, states <x>, v)"
        assert "&lt;x&gt;" in run._repr_html_()

    def test_plot_has_a_panel_per_state(self, tmp_path: Path) -> None:
        figure = two_runs()[0].plot()
        assert [axis.get_ylabel() for axis in figure.axes] == ["x [m]", "v [m/s]"]
        figure.savefig(tmp_path / "run.png")


class TestSameRunsWhateverCarriesThem:
    def test_tuples_and_lists(self) -> None:
        runs = [Trajectory(T, STATES), Trajectory(T[:9], STATES[:9])]
        same(as_runs([(T, STATES), (T[:9], STATES[:9])]), runs)
        same(as_runs(((T, STATES), (T[:9].tolist(), STATES[:9].tolist()))), runs)
        same(as_runs((T, STATES)), runs[:1])
        same(as_runs((T.tolist(), STATES.tolist())), runs[:1])
        same(as_runs(runs), runs)
        same(as_runs(runs[0]), runs[:1])
        assert as_runs(runs)[0] is runs[0]

    def test_dataset(self) -> None:
        runs = two_runs()
        got = as_runs(padded(runs))
        same(got, runs)
        assert [(run.units, run.time_unit) for run in got] == [(UNITS, "s")] * 2
        np.testing.assert_allclose(got[0].sd, [0.1, 0.2])
        same(as_runs(padded(runs).transpose("t", "run")), runs)
        same(runs_from_dataset(padded(runs).rename(run="planet", t="tau"), time="tau"), runs, labels=False)

    def test_one_run_through_a_dataset(self) -> None:
        run = two_runs()[0]
        ds = run.to_dataset()
        back = Trajectory.from_dataset(ds)
        same([back], [run])
        assert (back.units, back.time_unit) == (UNITS, "s")
        np.testing.assert_array_equal(back.sd, run.sd)
        assert ds.x_dot.attrs["units"] == "(m)/(s)"
        named_t = Trajectory(T, T, ("t",))
        assert named_t.to_dataset().t.dims == ("time",)

    def test_dataarray(self) -> None:
        array = xr.DataArray(STATES, dims=("t", "state"), coords={"t": T, "state": list(NAMES)})
        same(as_runs(array), [Trajectory(T, STATES, NAMES)])
        same(as_runs(array.T), [Trajectory(T, STATES, NAMES)])
        same(as_runs(array.drop_vars("state")), [Trajectory(T, STATES)])
        same(as_runs(array[:, 0].rename("x")), [Trajectory(T, STATES[:, 0], ("x",))], labels=False)
        same(as_runs((array.t, array)), [Trajectory(T, STATES)])

    def test_dataframe(self) -> None:
        runs = two_runs()
        same(as_runs(frame(runs)), runs)
        same(runs_from_dataframe(frame(runs).set_index(["run", "t"])), runs)
        shuffled = frame(runs).sort_values(["t", "run"])
        same(runs_from_dataframe(shuffled), runs)
        same([Trajectory.from_dataframe(frame(runs[:1]))], runs[:1])

    @pytest.mark.parametrize("form", ["NETCDF4", "NETCDF3_64BIT", "NETCDF3_CLASSIC"])
    def test_netcdf(self, tmp_path: Path, form: str) -> None:
        path = tmp_path / "runs.nc"
        padded(two_runs()).to_netcdf(path, format=form, engine="netcdf4")  # type: ignore[call-overload]
        got = open_runs(path)
        same(got, two_runs())
        assert got[0].units == UNITS

    @pytest.mark.parametrize("version", [2, 3])
    def test_zarr(self, tmp_path: Path, version: int) -> None:
        path = tmp_path / "runs.zarr"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            padded(two_runs()).to_zarr(path, zarr_format=version)
        same(open_runs(path, states=NAMES), two_runs())
        assert as_runs(str(path))[0].names == ("v", "x")

    def test_zarr_sorts_states_by_name(self, tmp_path: Path) -> None:
        """The order in which a store lists its arrays changes from machine to machine."""
        x = np.arange(36.0).reshape(3, 12)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Trajectory([0, 1, 2], x).to_dataset().to_zarr(tmp_path / "a.zarr", consolidated=False)
        same(open_runs(tmp_path / "a.zarr"), [Trajectory([0, 1, 2], x)], labels=False)

    @pytest.mark.parametrize(
        ("mark", "suffix"), [(",", ".csv"), ("\t", ".tsv"), (";", ".csv"), (" ", ".txt")]
    )
    def test_text(self, tmp_path: Path, mark: str, suffix: str) -> None:
        path = tmp_path / f"runs{suffix}"
        frame(two_runs()).to_csv(path, sep=mark, index=False)
        same(open_runs(path), two_runs())

    def test_npz_of_stacked_arrays(self, tmp_path: Path) -> None:
        ds = padded(two_runs())
        x, dxdt = (np.stack([ds[f"{name}{end}"] for name in NAMES], axis=-1) for end in ("", "_dot"))
        path = tmp_path / "runs.npz"
        np.savez(path, t=T, x=x, dxdt=dxdt, names=NAMES, units=UNITS, sd=0.1, run=[1, 2])
        got = open_runs(path)
        same(got, two_runs())
        assert got[0].units == UNITS
        np.testing.assert_array_equal(got[0].sd, [0.1, 0.1])
        assert open_runs(path, states=["v"])[0].names == ("v",)

    def test_npz_of_rows_and_of_columns(self, tmp_path: Path) -> None:
        df = frame(two_runs())
        t, run, x = df["t"].to_numpy(), df["run"].to_numpy(), df[list(NAMES)].to_numpy()
        np.savez(tmp_path / "rows.npz", t=t, x=x, run=run, names=NAMES)
        same(open_runs(tmp_path / "rows.npz"), two_runs(), slopes=False)
        np.savez(tmp_path / "columns.npz", **{name: df[name].to_numpy() for name in df})
        same(open_runs(tmp_path / "columns.npz"), two_runs())

    def test_several_files(self, tmp_path: Path) -> None:
        runs = two_runs()
        for run, stem in zip(runs, ("a", "b")):
            frame([run]).drop(columns="run").to_csv(tmp_path / f"{stem}.csv", index=False)
        got = open_runs([tmp_path / "a.csv", str(tmp_path / "b.csv")])
        same(got, runs, labels=False)
        assert [run.label for run in got] == ["a", "b"]
        frame(runs).to_csv(tmp_path / "c.csv", index=False)
        both = open_runs([tmp_path / "c.csv", tmp_path / "c.csv"])
        assert [run.label for run in both] == ["c:run=1", "c:run=2"] * 2


class TestText:
    def write(self, folder: Path, text: str, name: str = "data.csv") -> Path:
        path = folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def test_comment_header_names_the_last_columns(self, tmp_path: Path) -> None:
        text = "%o v\r\n  0.0e+000  5.0e+000  1.1e+000  9.1e-001 \r\n  0.0  5.5  1.2  0.7 \r\n"
        (run,) = open_runs(self.write(tmp_path, text, "pendulum.txt"))
        assert run.names == ("o", "v")
        np.testing.assert_array_equal(run.t, [5.0, 5.5])
        np.testing.assert_array_equal(run.x, [[1.1, 0.91], [1.2, 0.7]])

    def test_comment_header_without_the_time(self, tmp_path: Path) -> None:
        (run,) = open_runs(self.write(tmp_path, "# made by hand\n# x v\n0 1 2\n1 3 4\n"))
        assert (run.names, run.t.tolist()) == (("x", "v"), [0.0, 1.0])

    def test_comments_before_a_header(self, tmp_path: Path) -> None:
        (run,) = open_runs(self.write(tmp_path, "# sensor 7\nt,x\n0,1\n\n1,3\n"))
        assert run.x[:, 0].tolist() == [1.0, 3.0]

    def test_units_in_the_header(self, tmp_path: Path) -> None:
        (run,) = open_runs(self.write(tmp_path, "t [s],x [m],v\n0,1,2\n1,3,4\n"))
        assert (run.names, run.units, run.time_unit) == (NAMES, ("m", ""), "s")

    def test_empty_cells_are_missing(self, tmp_path: Path) -> None:
        (run,) = open_runs(self.write(tmp_path, "t,x,v\n0,1,2\n1,,NA\n2,nan,3\n3,4,5\n"))
        assert run.gaps == ((1, 3),)

    def test_columns_of_words_are_not_states(self, tmp_path: Path) -> None:
        text = "planet,t,x\nVenus,0,1\nVenus,1,2\nMars,0,3\nMars,1,4\n"
        runs = open_runs(self.write(tmp_path, text), run="planet")
        assert [(run.label, run.names) for run in runs] == [("planet=Venus", ("x",)), ("planet=Mars", ("x",))]

    def test_dates_become_seconds(self, tmp_path: Path) -> None:
        (run,) = open_runs(self.write(tmp_path, "date,x\n2020-01-01T00:00:30Z,1\n2020-01-01 00:01:00,2\n"))
        assert run.t.tolist() == [0.0, 30.0]
        assert run.time_unit == "seconds since 2020-01-01T00:00:30.000"

    def test_the_fast_reader_agrees_with_the_careful_one(self, tmp_path: Path) -> None:
        numbers = np.random.default_rng(0).standard_normal((50, 3)) * 10.0 ** np.arange(-200, 201, 200)
        rows = "\n".join(f"{k},{a!r},{b!r},{c!r}" for k, (a, b, c) in enumerate(numbers.tolist()))
        (fast,) = open_runs(self.write(tmp_path, f"t,a,b,c\n{rows}\n"))
        with_word = rows.replace("\n", ",w\n") + ",w\n"
        (careful,) = open_runs(self.write(tmp_path, f"t,a,b,c,word\n{with_word}"))
        same([fast], [careful])
        np.testing.assert_array_equal(fast.x, numbers)

    def test_states_and_time_are_chosen(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "clock,a,b\n0,1,2\n1,3,4\n")
        (run,) = open_runs(path, time="clock", states=["b"])
        assert (run.names, run.x[:, 0].tolist()) == (("b",), [2.0, 4.0])


class TestLabelled:
    def test_cf_time_is_found_and_keeps_its_unit(self, tmp_path: Path) -> None:
        attrs = {"standard_name": "time", "units": "days since 2000-01-01"}
        ds = xr.Dataset({"x": ("obs", [1.0, 2.0])}, coords={"obs": ("obs", [0.0, 1.5], attrs)})
        ds.to_netcdf(tmp_path / "a.nc")
        (run,) = open_runs(tmp_path / "a.nc")
        assert (run.t.tolist(), run.time_unit, run.label) == ([0.0, 1.5], "days since 2000-01-01", "a")
        decoded = xr.open_dataset(tmp_path / "a.nc")
        (other,) = as_runs(decoded)
        decoded.close()
        assert other.t.tolist() == [0.0, 129600.0]
        assert other.time_unit.startswith("seconds since 2000-01-01")

    def test_calendar_dates(self) -> None:
        times = xr.date_range("2001-02-27", periods=3, calendar="noleap", use_cftime=True)
        (run,) = as_runs(xr.Dataset({"x": ("time", [1.0, 2, 3])}, coords={"time": times}))
        assert run.t.tolist() == [0.0, 86400.0, 172800.0]

    def test_times_of_their_own_per_run(self) -> None:
        t = np.array([[0.0, 1, 2], [0, 0.5, np.nan]])
        x = np.array([[1.0, 2, 3], [4, 5, np.nan]])
        ds = xr.Dataset({"x": (("drifter", "obs"), x), "time": (("drifter", "obs"), t)})
        runs = as_runs(ds)
        assert [run.t.tolist() for run in runs] == [[0.0, 1.0, 2.0], [0.0, 0.5]]
        assert [run.label for run in runs] == ["drifter=0", "drifter=1"]

    def test_a_variable_along_time_separates_runs(self) -> None:
        ds = xr.Dataset(
            {"x": ("obs", [1.0, 2, 3, 4]), "time": ("obs", [0.0, 1, 0, 1]), "buoy": ("obs", [7, 7, 9, 9])}
        )
        runs = runs_from_dataset(ds, run="buoy")
        assert [(run.label, run.names) for run in runs] == [("buoy=7", ("x",)), ("buoy=9", ("x",))]

    def test_dimensions_of_size_one_do_not_matter(self) -> None:
        ds = padded(two_runs()).expand_dims(lat=[45.0])
        same(runs_from_dataset(ds), two_runs())
        flat = two_runs()[0].to_dataset().expand_dims(lat=[45.0], lon=[7.0])
        same(as_runs(flat), two_runs()[:1], labels=False)

    def test_packed_data_are_unpacked(self, tmp_path: Path) -> None:
        ds = Trajectory(T, STATES, NAMES).to_dataset()
        packing = {"dtype": "int16", "scale_factor": 1e-3, "_FillValue": -9999}
        ds.to_netcdf(tmp_path / "a.nc", encoding=dict.fromkeys(NAMES, packing))
        (run,) = open_runs(tmp_path / "a.nc")
        np.testing.assert_allclose(run.x, STATES, atol=6e-4)

    def test_other_variables_do_not_matter_when_states_are_named(self) -> None:
        ds = padded(two_runs()).assign(image=(("t", "row", "column"), np.zeros((T.size, 4, 5))))
        same(runs_from_dataset(ds, states=NAMES), two_runs())


class TestQuality:
    def test_prints_serialises_and_draws(self, tmp_path: Path) -> None:
        found = quality(two_runs())
        assert "x [m]" in str(found)
        assert str(found).endswith("No warnings.")
        assert "<table>" in found._repr_html_()
        assert json.loads(found.to_json())["samples"] == [41.0, 30.0]
        found.plot().savefig(tmp_path / "quality.png")

    def test_facts(self) -> None:
        found = quality(two_runs())
        np.testing.assert_allclose(found.median_step, 0.1)
        np.testing.assert_allclose(found.duration, [4.0, 2.9])
        pooled = np.concatenate([run.x for run in two_runs()])
        np.testing.assert_allclose(found.deviation, pooled.std(axis=0))
        np.testing.assert_allclose(found.low, pooled.min(axis=0))

    def test_unknown_numbers_are_null(self) -> None:
        facts = json.loads(quality([Trajectory([0.0], [1.0])]).to_json())
        assert (facts["median_step"], facts["noise"]) == ([None], [None])

    def test_relation_is_named_with_its_constant(self) -> None:
        rng = np.random.default_rng(1)
        s, i = rng.uniform(size=(2, 200))
        run = Trajectory(np.arange(200), np.c_[s, i, 1 - s - i, 3e3 * s], ("S", "I", "R", "k"))
        assert quality([run]).dependences == ("R = 1 - S - I", "k = 3000 S")

    def test_a_constant_of_each_run_is_no_relation(self) -> None:
        rng = np.random.default_rng(1)
        s = rng.uniform(size=(2, 200))
        runs = [Trajectory(np.arange(200), np.c_[s[k], k - s[k]], ("S", "I")) for k in range(2)]
        assert quality(runs).dependences == ()

    @pytest.mark.parametrize("size", [1e-5, 1e-3])
    def test_a_relation_with_noise_is_none(self, size: float) -> None:
        rng = np.random.default_rng(1)
        a = rng.standard_normal(300)
        run = Trajectory(np.arange(300), np.c_[a, a + size * rng.standard_normal(300)])
        assert quality([run]).dependences == ()

    def test_declared_noise_is_compared(self) -> None:
        x = np.sin(T) + 0.05 * np.random.default_rng(0).standard_normal(T.size)
        found = quality([Trajectory(T, x, sd=1e-3)])
        assert any("declared with sd = 0.001" in warning for warning in found.warnings)

    def test_disagreeing_units_are_refused(self) -> None:
        with pytest.raises(DataError, match=r"units \('km',\)"):
            quality([Trajectory(T, T, units=("m",)), Trajectory(T, T, units=("km",))])
