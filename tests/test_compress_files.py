"""Compressed data in files, on the command line, from files and on workers: the same model as from the runs at once."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import dynsym as dy
from dynsym import DataError, Derivatives, LocalPolynomial, Monomials, WeakForm
from dynsym.cli._app import app

D = Monomials(3, 3)
STLSQ = dy.optim.STLSQ(0.1)


@pytest.fixture(scope="module")
def runs():
    return [dy.Trajectory(r.t, r.x, r.names) for r in dy.systems.get("lorenz").runs(n_runs=4, n_samples=2500)]


@pytest.fixture(scope="module")
def dataset(runs):
    t = runs[0].t
    x = np.stack([run.x for run in runs])
    return xr.Dataset({name: (("run", "t"), x[:, :, k]) for k, name in enumerate("xyz")}, coords={"t": t})


@pytest.mark.parametrize(
    "rows", [None, LocalPolynomial(2, 4, ends=True), WeakForm(0.05)], ids=["chosen", "strong", "weak"]
)
def test_a_file_gives_back_what_was_saved(tmp_path, runs, rows):
    data = dy.compress(runs, D, rows)
    dy.save_compressed(data, tmp_path / "a.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    again = dy.load_compressed(tmp_path / "a.npz")
    assert all(
        np.array_equal(a.factor.triangle, b.factor.triangle) for a, b in zip(data.blocks, again.blocks)
    )
    assert [(b.run, b.route, b.condition) for b in again.blocks] == [
        (b.run, b.route, b.condition) for b in data.blocks
    ]
    np.testing.assert_array_equal(again.leak, data.leak)
    assert again.origin[0].method.description == data.origin[0].method.description
    one, two = dy.fit(data, penalty=STLSQ), dy.fit(again, penalty=STLSQ)
    np.testing.assert_array_equal(one.coefficients, two.coefficients)
    assert dy.symmetries(two, dy.generators.linear(3)).generators is not None
    both = dy.load_compressed(tmp_path / "a.npz") + again
    assert both.n_rows == 2 * data.n_rows


def test_other_dictionaries_go_to_files_as_formulas(tmp_path):
    runs = dy.systems.get("pendulum").runs(3, 200)
    terms = dy.Terms(["v", "sin(th)"], ("th", "v")).renamed(runs[0].names)
    data = dy.compress(runs, terms, rows=Derivatives())
    again = dy.load_compressed(dy.save_compressed(data, tmp_path / "p.npz"))
    assert again.dictionary.terms == terms.terms
    np.testing.assert_array_equal(dy.fit(data).coefficients, dy.fit(again).coefficients)


def test_files_that_are_something_else_are_refused(tmp_path):
    for name, text in (("a.npz", b""), ("b.npz", b"PK\x03\x04 cut off"), ("c.npz", b"t,x\n0,1\n")):
        (tmp_path / name).write_bytes(text)
        with pytest.raises(DataError, match=f"{name} is not a file of compressed data"):
            dy.load_compressed(tmp_path / name)
    np.savez(tmp_path / "d.npz", t=np.arange(3.0))
    with pytest.raises(DataError, match="about"):
        dy.load_compressed(tmp_path / "d.npz")
    np.savez(tmp_path / "e.npz", about=np.array({"schema": 1}, dtype=object))
    with pytest.raises(DataError, match="compressed data"):
        dy.load_compressed(tmp_path / "e.npz")
    with pytest.raises(FileNotFoundError):
        dy.load_compressed(tmp_path / "f.npz")


@pytest.mark.parametrize("chunks", [{"t": 100}, {"t": 777, "run": 1}, {"run": 2}])
@pytest.mark.parametrize("rows", [LocalPolynomial(1, 2), WeakForm(0.05)], ids=["strong", "weak"])
def test_chunked_data_give_the_same_factor_in_every_bit(dataset, chunks, rows):
    pytest.importorskip("dask")
    whole = dy.compress(dataset, D, rows)
    chunked = dy.compress(dataset.chunk(chunks), D, rows)
    assert isinstance(dataset.chunk(chunks).dynsym.runs()[0], dy.StoredRun)
    assert len(whole.blocks) == len(chunked.blocks)
    if rows.longest is None:
        # The weak form is weighted by noise that is measured, on excerpts where data stay in files.
        assert all(
            np.array_equal(a.factor.triangle, b.factor.triangle) for a, b in zip(whole.blocks, chunked.blocks)
        )
    np.testing.assert_allclose(
        dy.fit(whole, penalty=STLSQ).coefficients, dy.fit(chunked, penalty=STLSQ).coefficients, rtol=1e-9
    )


def test_chunks_with_gaps_and_an_analysis_of_them(dataset):
    pytest.importorskip("dask")
    holed = dataset.copy(deep=True)
    holed["x"][1, 700:705] = np.nan
    holed["z"][3, 0] = np.nan
    a = dy.compress(holed, D, LocalPolynomial(1, 2))
    b = dy.compress(holed.chunk(t=333), D, LocalPolynomial(1, 2))
    assert a.n_rows == b.n_rows == 4 * 2498 - 7 - 1 + 0
    assert np.array_equal(a.total.triangle, b.total.triangle)
    done = dy.analyze(holed.chunk(t=500), dy.AnalysisSettings(dictionary="poly(2)"))
    assert done.model.equations(3)[0] == "x' = -10*x + 10*y"
    assert done.to_json()["input"]["samples"] == 10_000


def test_the_command_line_compresses_adds_and_chooses(tmp_path, dataset):
    one, two = tmp_path / "one.nc", tmp_path / "two.nc"
    dataset.isel(run=slice(0, 2)).to_netcdf(one)
    dataset.isel(run=slice(2, 4)).to_netcdf(two)
    run = CliRunner().invoke
    for path in (one, two):
        done = run(app, ["compress", str(path), "--dictionary", "poly(3)", "--out", f"{path}.npz"])
        assert done.exit_code == 0, done.output
    assert "condition number" in done.output
    both = tmp_path / "both.npz"
    done = run(app, ["compress", f"{one}.npz", f"{two}.npz", "--out", str(both)])
    assert done.exit_code == 0, done.output
    assert dy.load_compressed(both).n_runs == 4
    done = run(app, ["path", str(both), "--json", str(tmp_path / "path.json")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "path.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data.nc", "--out", "a.txt"], "must end in .npz"),
        (["data.nc", "--out", "a.npz"], "needs --dictionary"),
        (["data.nc", "--dictionary", "poly(1)", "--out", "a.npz", "--workers", "two"], "'two'"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(arguments, message):
    done = CliRunner().invoke(app, ["compress", *arguments])
    assert done.exit_code != 0
    assert isinstance(done.exception, DataError)
    assert message in str(done.exception)


def test_two_processes_give_the_same_factor_in_every_bit(runs):
    pytest.importorskip("distributed")
    rows = LocalPolynomial(1, 2)
    here = dy.compress(runs, D, rows)
    there = dy.compress(runs, D, rows, workers=2)
    assert all(
        np.array_equal(a.factor.triangle, b.factor.triangle) for a, b in zip(here.blocks, there.blocks)
    )
