"""The commands with their options."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from .. import report
from .._checks import DataError, require
from ..analysis import DEMO, Analysis, AnalysisSettings, demo_runs
from ..analysis import analyze as run_analysis
from ..analysis_json import refit_facts
from ..findings import symmetries
from ..refit import Refit
from ..refit import refit as run_refit
from ..regression import Stepwise, fit
from ..trajectory import AnyRun, open_runs
from ..trajectory import quality as data_quality
from ._record import only_states, read_record
from ._screen import collected_warnings, console, progress
from ._simulate import simulate
from ._tables import show_analysis, show_model, show_quality, show_refit, show_warnings

app = typer.Typer(
    name="dynsym",
    help="From trajectories to dynamics, conserved quantities and symmetries, each with a verdict.",
    epilog="Exit codes: 0 done, 2 bad usage or bad input, 3 numerical failure.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number such as 0.05, got {text!r}") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected a whole number, got {text!r}") from None


Paths = Annotated[list[Path], typer.Argument(metavar="PATH...", help="netCDF, Zarr, CSV or NPZ files.")]
Time = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column, dimension or coordinate of the times.")
]
States = Annotated[
    str | None, typer.Option(metavar="A,B,...", help="States, in this order; default all numeric ones.")
]
Run = Annotated[str | None, typer.Option(metavar="NAME", help="Column or dimension that separates runs.")]
Dictionary = Annotated[
    str,
    typer.Option(
        metavar="EXPR",
        help="Terms of the dynamics: 'poly(3)', 'poly(2) + fourier(2; th)', 'poly(1) * radial(x, y; -3)'.",
    ),
]
Invariants = Annotated[
    str, typer.Option(metavar="EXPR", help="Terms of conserved quantities; auto: from the dictionary.")
]
Candidates = Annotated[
    str,
    typer.Option(
        metavar="NAMES", help="Candidate symmetries, such as affine, rotations,scalings or poly(2)."
    ),
]
Noise = Annotated[str, typer.Option(metavar="SD|auto", help="Standard deviation of the measurement noise.")]
Delta = Annotated[
    float,
    typer.Option(
        metavar="NUMBER",
        parser=_real,
        help="Tolerance: the largest relative defect a certified finding may have.",
    ),
]
Alpha = Annotated[float, typer.Option(metavar="NUMBER", parser=_real, help="Error level of the verdicts.")]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write analysis.json, analysis.nc and report.html there.")
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is standard output."),
]
Seed = Annotated[int, typer.Option(metavar="N", parser=_whole, help="Of everything that is drawn at random.")]
Workers = Annotated[
    str,
    typer.Option(
        metavar="N|ADDRESS",
        help="Processes for the pass over the data, or a dask cluster such as tcp://host:8786.",
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dynsym {package_version('dynsym')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From trajectories to dynamics, conserved quantities and symmetries, each with a verdict."""


@app.command()
def analyze(
    paths: Paths,
    time: Time = None,
    states: States = None,
    run: Run = None,
    dictionary: Dictionary = "auto",
    invariants: Invariants = "auto",
    candidates: Candidates = "affine",
    noise: Noise = "auto",
    delta: Delta = 0.05,
    alpha: Alpha = 0.05,
    out: Out = None,
    json: JsonFile = None,
    seed: Seed = 0,
    workers: Workers = "1",
) -> None:
    """Equations, conserved quantities and symmetries of trajectories, each with a verdict."""
    settings = AnalysisSettings(
        dictionary, invariants, candidates, _noise(noise), delta, alpha, _seed(seed), _workers(workers)
    )
    _check_targets(out, json)
    _analysis(lambda: open_runs(paths, time, _names(states), run), settings, out, json)


@app.command()
def demo(out: Out = None, json: JsonFile = None) -> None:
    """The embedded orbits of the eight planets: Newton's law, its symmetries and conserved quantities."""
    _check_targets(out, json)
    _analysis(demo_runs, DEMO, out, json)


@app.command()
def refit(
    paths: Paths,
    analysis: Annotated[
        Path, typer.Option(metavar="FILE", help="An analysis.json; its certified symmetries are enforced.")
    ],
    time: Time = None,
    states: States = None,
    run: Run = None,
    noise: Noise = "auto",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write refit.json there.")] = None,
    json: JsonFile = None,
) -> None:
    """Fit again with the symmetries of an analysis enforced, and compare with the plain fit."""
    sd = _noise(noise)
    _check_targets(out, json)
    record = read_record(analysis)
    runs = only_states(open_runs(paths, time, _names(states), run), record.dictionary.names, analysis)
    if sd != "auto":
        runs = [replace(item, sd=np.full(item.n_states, float(sd))) for item in runs]
    with collected_warnings() as notes, progress() as tell:
        plain = fit(runs, record.dictionary, penalty=Stepwise())
        tell("plain fit", 0.3)
        known = replace(symmetries(plain, record.generators), generators=record.generators)
        tell("symmetries", 0.5)
        done = run_refit(plain, record.dictionary, record.family, Stepwise(), known=known)
    show = _screen(json)
    show_model(show, done.plain, "Plain fit")
    show_refit(show, done)
    show_warnings(show, notes)
    text = report.json_text(_refit_record(done, notes)) + "\n"
    if out is not None:
        report.write_text(out / "refit.json", text)
    _write_json(json, text)


@app.command()
def check(
    paths: Paths,
    time: Time = None,
    states: States = None,
    run: Run = None,
    json: JsonFile = None,
) -> None:
    """Sampling, range, noise and gaps of the data, without fitting anything."""
    _check_targets(None, json)
    with collected_warnings() as notes:
        facts = data_quality(open_runs(paths, time, _names(states), run))
    show = _screen(json)
    show_quality(show, facts)
    show_warnings(show, [*facts.warnings, *notes])
    record = {"schema": 1, **facts.to_dict(), "warnings": [*facts.warnings, *notes]}
    _write_json(json, report.json_text(record) + "\n")


app.command()(simulate)


def _analysis(
    read: Callable[[], list[AnyRun]], settings: AnalysisSettings, out: Path | None, json: Path | None
) -> None:
    """Read, analyse, show, write."""
    with collected_warnings() as notes, progress() as tell:
        done = run_analysis(read(), settings, tell)
    done = replace(done, warnings=tuple(dict.fromkeys([*done.warnings, *notes])))
    show = _screen(json)
    show_analysis(show, done)
    show_warnings(show, done.warnings)
    _write_analysis(show, done, out, json)


def _write_analysis(show: Console, done: Analysis, out: Path | None, json: Path | None) -> None:
    if out is not None:
        written = report.write(done, out, "dynsym " + shlex.join(sys.argv[1:]))
        show.print("\nWritten: " + ", ".join(str(path) for path in written), overflow="fold")
    if json is not None:
        _write_json(json, report.json_text(done.to_json()) + "\n")


def _refit_record(done: Refit, notes: list[str]) -> dict[str, Any]:
    field = done.model.field
    return {
        "schema": 1,
        "model": {
            "states": list(field.names),
            "terms": list(field.dictionary.terms),
            "coefficients": field.coefficients,
            "standard_errors": done.model.standard_errors,
            "equations": field.equations(12),
        },
        "symmetries": done.generators.expressions(12),
        **refit_facts(done),
        "warnings": [*done.warnings, *notes],
    }


def _screen(json: Path | None) -> Console:
    """Tables go to stdout, unless JSON goes there."""
    return console(sys.stderr if json is not None and str(json) == "-" else sys.stdout)


def _write_json(json: Path | None, text: str) -> None:
    if json is None:
        return
    if str(json) == "-":
        sys.stdout.write(text)
    else:
        report.write_text(json, text)


def _check_targets(out: Path | None, json: Path | None) -> None:
    """Refuse a place that cannot be written to before the work, not after it."""
    require(out is None or not out.exists() or out.is_dir(), f"--out {out} is a file; give a folder")
    to_file = json is not None and str(json) != "-"
    require(not to_file or not Path(str(json)).is_dir(), f"--json {json} is a folder; give a file name or -")


def _names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    require(all(names), f"--states {text!r} has an empty name; write them as A,B,C")
    return names


def _noise(text: str) -> float | str:
    if text.strip() == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"--noise takes a number or auto, got {text!r}; for example --noise 0.01") from error


def _workers(text: str) -> int | str:
    if "://" in text:
        return text
    try:
        return int(text)
    except ValueError as error:
        raise DataError(
            f"--workers takes a number of processes or an address such as tcp://host:8786, got {text!r}"
        ) from error


def _seed(seed: int) -> int:
    require(seed >= 0, f"--seed must be at least 0, got {seed}")
    return seed


# Commands in modules of their own put themselves into `app`; they use what is defined above.
from . import _cloud as _cloud  # noqa: E402
from . import _compress as _compress  # noqa: E402
from . import _fit as _fit  # noqa: E402
from . import _map as _map  # noqa: E402
from . import _path as _path  # noqa: E402
from . import _predict as _predict  # noqa: E402
