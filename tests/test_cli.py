"""The command line: what it prints, writes and returns, and the one line it says when the input is bad."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dynsym as dy
from dynsym.cli import _app, main
from dynsym.cli._record import _from_text, read_record

ESCAPE = "\x1b"


def write_oscillator(path: Path, seed: int = 0) -> Path:
    """Five noisy runs of x' = v, v' = -4 x, in one table."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 6, 120)
    rows = ["run,t,x,v"]
    for k, size in enumerate((0.5, 1.0, 1.4, 2.0, 0.8)):
        x = np.c_[size * np.cos(2 * t + k), -2 * size * np.sin(2 * t + k)] + 0.003 * rng.normal(size=(120, 2))
        rows += [f"{k},{time:.5f},{a:.6f},{b:.6f}" for time, (a, b) in zip(t, x)]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_oscillator(tmp_path_factory.mktemp("data") / "oscillator.csv")


@pytest.fixture(scope="module")
def analysed(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "results"
    assert main(["analyze", str(table), "--run", "run", "--time", "t", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def record(analysed: Path) -> dict[str, Any]:
    return json.loads((analysed / "analysis.json").read_text(), parse_constant=pytest.fail)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# ---------------------------------------------------------------- what is written


def test_record_has_the_contracted_keys(record: dict[str, Any]) -> None:
    top = "schema input model conserved_quantities independent_conserved symmetries algebra hamiltonian refit"
    assert set(top.split()) | {"warnings", "timings"} <= set(record)
    assert record["schema"] == 1
    assert {"states", "terms", "coefficients", "standard_errors", "equations"} <= set(record["model"])
    for law in record["conserved_quantities"]:
        assert {"expression", "coefficients", "verdict", "defect", "relative_drift"} <= set(law)
    for symmetry in record["symmetries"]:
        wanted = {"label", "matrix", "offset", "time_scaling", "expression", "verdict", "defect"}
        assert wanted <= set(symmetry)
    assert {"dimension", "name", "structure_constants"} <= set(record["algebra"])
    if record["refit"] is not None:
        assert {"equations", "coefficients", "heldout_error"} <= set(record["refit"])
        assert set(record["refit"]["heldout_error"]) == {"plain", "refit"}


def test_record_says_what_the_data_are(record: dict[str, Any]) -> None:
    model = record["model"]
    assert model["states"] == ["x", "v"]
    n, p = 2, len(model["terms"])
    assert np.shape(model["coefficients"]) == np.shape(model["standard_errors"]) == (n, p)
    field = dy.VectorField(dy.Terms(model["terms"], model["states"]), model["coefficients"])
    np.testing.assert_allclose(field([1.0, 0.5]), [0.5, -4.0], atol=0.02)
    certified = [law for law in record["conserved_quantities"] if law["verdict"] == "certified"]
    assert record["independent_conserved"] == len(certified) == 1
    energy = dy.Terms([certified[0]["expression"]], model["states"])
    values = energy.evaluate([[1.0, 0.0], [0.0, 2.0]]).ravel()
    assert values[0] == pytest.approx(values[1], rel=0.02)
    assert record["algebra"]["dimension"] == 2


def test_three_files_are_written(analysed: Path) -> None:
    assert sorted(p.name for p in analysed.iterdir()) == ["analysis.json", "analysis.nc", "report.html"]


def test_json_to_standard_output_is_nothing_but_json(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "check", str(table), "--run", "run", "--time", "t", "--json", "-")
    assert code == 0
    assert json.loads(out, parse_constant=pytest.fail)["names"] == ["x", "v"]
    assert "States" in err


def test_json_to_a_file(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "facts.json"
    code, out, _ = said(capsys, "check", str(table), "--run", "run", "--time", "t", "--json", str(place))
    assert code == 0
    assert "Runs" in out
    assert json.loads(place.read_text())["schema"] == 1


# ---------------------------------------------------------------- what is printed


def test_tables_are_plain_and_narrow_when_piped(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--dictionary", "poly(1)", "--invariants", "poly(2)", "--candidates", "rotations,scalings"]
    code, out, err = said(capsys, "analyze", str(table), "--run", "run", "--time", "t", *words)
    assert code == 0
    assert err == ""
    assert ESCAPE not in out
    assert max(map(len, out.splitlines())) <= 80
    for heading in ("Equations", "Conserved quantities (1 certified", "Symmetries ("):
        assert heading in out
    assert "\N{HORIZONTAL ELLIPSIS}" not in out  # nothing is cut off


def test_long_expressions_wrap_and_keep_every_term(capsys: pytest.CaptureFixture[str]) -> None:
    from dynsym.cli._screen import console
    from dynsym.cli._tables import _table

    long = " + ".join(f"1.25*x{k}**2" for k in range(40))
    table = _table("verdict", ">defect", "expression")
    table.add_row("certified", "1e-3", long)
    console(sys.stdout).print(table)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert all(f"x{k}**2" in "".join(out.split()) for k in range(40))


def test_names_with_brackets_are_not_taken_for_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ball.csv"
    path.write_text("t,h [m],[red]v [m/s]\n" + "".join(f"{k},{k * k},{2 * k}\n" for k in range(9)))
    code, out, _ = said(capsys, "check", str(path))
    assert code == 0
    assert "h [m]" in out


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version") == (0, f"dynsym {dy.__version__}\n", "")
    code, out, _ = said(capsys, "--help")
    assert code == 0
    assert all(command in out for command in ("analyze", "refit", "demo", "check"))
    code, out, _ = said(capsys, "analyze", "--help")
    assert code == 0
    options = [
        "time",
        "states",
        "run",
        "dictionary",
        "invariants",
        "candidates",
        "noise",
        "delta",
        "alpha",
        "out",
        "json",
        "seed",
        "workers",
    ]
    assert all(f"--{option}" in out for option in options)


def test_a_reader_that_leaves_early_is_no_error(table: Path) -> None:
    command = f"{sys.executable} -m dynsym.cli check {table} --run run --time t | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""


# ---------------------------------------------------------------- refit


def test_refit_enforces_what_was_certified(
    table: Path, analysed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(table), "--run", "run", "--time", "t", "--analysis", str(analysed / "analysis.json")]
    code, out, err = said(capsys, "refit", *words, "--out", str(tmp_path), "--json", "-")
    assert code == 0
    assert "Plain fit" in err
    assert "left-out data" in err
    result = json.loads(out, parse_constant=pytest.fail)
    assert json.loads((tmp_path / "refit.json").read_text()) == result
    assert result["heldout_error"]["refit"] <= 1.05 * result["heldout_error"]["plain"]
    field = dy.VectorField(dy.Terms(result["model"]["terms"], ("x", "v")), result["model"]["coefficients"])
    np.testing.assert_allclose(field([1.0, 0.5]), [0.5, -4.0], atol=0.02)


def test_generators_survive_the_way_through_json(analysed: Path, record: dict[str, Any]) -> None:
    read = read_record(analysed / "analysis.json")
    certified = [entry for entry in record["symmetries"] if entry["verdict"] == "certified"]
    assert len(read.generators) == len(certified)
    parts = read.generators.affine_parts()
    assert parts is not None
    np.testing.assert_array_equal(parts[0], [entry["matrix"] for entry in certified])
    np.testing.assert_array_equal(parts[1], [entry["offset"] for entry in certified])


def test_generators_are_read_from_their_text() -> None:
    names = ("x", "y")
    text = "-y d/dx + (x**2 - 0.5*x*y) d/dy + 1.5*t d/dt"
    one = _from_text("mixed", text, names)
    point = np.array([[2.0, 3.0]])
    np.testing.assert_allclose(one.evaluate(point)[0, 0], [-3.0, 4.0 - 3.0])
    assert one.time_scaling is not None
    assert one.time_scaling.tolist() == [1.5]
    again = _from_text("mixed", one.expressions(12)[0], names)
    np.testing.assert_allclose(again.evaluate(point), one.evaluate(point))
    with pytest.raises(dy.DataError, match="boost"):
        _from_text("boost", "t d/dx", names)


# ---------------------------------------------------------------- bad usage and bad input


def bad_files(folder: Path) -> dict[str, Path]:
    good = write_oscillator(folder / "good.csv")
    texts = {
        "empty": "",
        "words": "t,x\n0,a\n1,b\n",
        "decreasing": "t,x\n0,1\n2,2\n1,3\n3,4\n",
        "infinite": "t,x\n0,1\n1,inf\n2,3\n3,4\n",
        "constant": "t,x\n" + "".join(f"{k},1.0\n" for k in range(30)),
    }
    out = {"good": good}
    for name, text in texts.items():
        out[name] = folder / f"{name}.csv"
        out[name].write_text(text)
    out["binary"] = folder / "noise.nc"
    out["binary"].write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    out["list"] = folder / "list.json"
    out["list"].write_text("[1, 2]")
    return out


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return bad_files(tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Missing command"),
        (["fitt"], "No such command 'fitt'"),
        (["check"], "Missing argument"),
        (["check", "{good}", "--frobnicate"], "No such option"),
        (["analyze", "{good}", "--delta", "much"], "'much'"),
        (["analyze", "{good}", "--seed", "1.5"], "'1.5'"),
        (["analyze", "{good}", "--delta", "2"], "delta must lie between 0 and 1, got 2"),
        (["analyze", "{good}", "--alpha", "0"], "alpha must lie between 0 and 0.5, got 0"),
        (["analyze", "{good}", "--noise", "some"], "--noise takes a number or auto, got 'some'"),
        (["analyze", "{good}", "--noise", "-1"], "-1"),
        (["analyze", "{good}", "--seed", "-3"], "--seed must be at least 0, got -3"),
        (["analyze", "{good}", "--workers", "0"], "workers must be at least 1, got 0"),
        (["analyze", "{good}", "--states", "x,,v"], "--states 'x,,v' has an empty name"),
        (["analyze", "{good}", "--states", "x,w"], "w"),
        (["analyze", "{good}", "--time", "clock"], "clock"),
        (["analyze", "{good}", "--run", "trial"], "trial"),
        (["analyze", "{good}", "--run", "run", "--dictionary", "poly(2"], "poly(2"),
        (["analyze", "{good}", "--run", "run", "--dictionary", "__import__('os')"], "import"),
        (
            ["analyze", "{good}", "--run", "run", "--dictionary", "poly(1)", "--candidates", "magic"],
            "'magic'",
        ),
        (["analyze", "{good}", "--out", "{good}"], "is a file; give a folder"),
        (["check", "{good}", "--json", "{folder}"], "is a folder; give a file name or -"),
        (["check", "/no/such/file.csv"], "/no/such/file.csv"),
        (["check", "{folder}"], "not a Zarr store"),
        (["check", "{empty}"], "empty"),
        (["check", "{words}"], "words.csv"),
        (["check", "{decreasing}"], "t restarts at row 4: 1 follows 2"),
        (["check", "{infinite}"], "inf"),
        (["check", "{binary}"], "noise.nc"),
        (["analyze", "{constant}"], "constant"),
        (["refit", "{good}"], "Missing option '--analysis'"),
        (["refit", "{good}", "--analysis", "/no/analysis.json"], "/no/analysis.json"),
        (["refit", "{good}", "--analysis", "{good}"], "is not JSON"),
        (["refit", "{good}", "--analysis", "{list}"], "not an analysis of schema 1"),
    ],
)
def test_bad_usage_and_bad_input_end_in_one_line_and_code_2(
    bad: dict[str, Path], capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    places = {**bad, "folder": bad["good"].parent}
    code, out, err = said(capsys, *(word.format(**places) for word in words))
    assert code == 2
    assert out == ""
    assert err.startswith("dynsym: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert told in err


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (dy.DataError("several\n  lines\nof text"), 2),
        (TypeError("x must hold real numbers, got dtype complex128"), 2),
        (ImportError("install it with: pip install 'dynsym[dask]'"), 2),
        (PermissionError(13, "Permission denied", "secret.csv"), 2),
        (dy.ConvergenceError("no convergence after 100 steps"), 3),
        (np.linalg.LinAlgError("SVD did not converge"), 3),
        (OverflowError("result too large"), 3),
    ],
)
def test_errors_become_exit_codes(
    table: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    expected: int,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(_app, "run_analysis", fail)
    code, out, err = said(capsys, "analyze", str(table), "--run", "run")
    assert code == expected
    assert out == ""
    assert err.count("\n") == 1


def test_an_interrupt_ends_in_130_without_a_traceback(
    table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_app, "run_analysis", interrupt)
    code, out, err = said(capsys, "analyze", str(table), "--run", "run")
    assert (code, out) == (130, "")
    assert "Traceback" not in err


def test_faults_of_the_program_keep_their_traceback(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(_app, "run_analysis", fail)
    with pytest.raises(KeyError, match="a fault of ours"):
        main(["analyze", str(table), "--run", "run"])


def test_warnings_of_libraries_are_listed_at_the_end(
    table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import warnings

    real = _app.data_quality

    def warns(runs: list[dy.Trajectory]) -> Any:
        warnings.warn("something\nodd", RuntimeWarning, stacklevel=1)
        return real(runs)

    monkeypatch.setattr(_app, "data_quality", warns)
    code, out, err = said(capsys, "check", str(table), "--run", "run")
    assert (code, err) == (0, "")
    assert "RuntimeWarning: something odd" in out.split("Warnings")[1]


def test_the_installed_program_returns_these_codes(table: Path) -> None:
    program = Path(sys.executable).with_name("dynsym")
    assert program.exists(), f"{program} is missing; install the package with make install"
    environment = {**os.environ, "FORCE_COLOR": "1"}
    done = subprocess.run(
        [program, "check", table, "--run", "run"], capture_output=True, text=True, env=environment, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ESCAPE not in done.stdout
    missing = subprocess.run([program, "check", "nothing.csv"], capture_output=True, text=True, timeout=60)
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1
