"""The command `simulate`: solutions of the equations that an analysis found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.text import Text

from .. import report
from .._checks import DataError, require
from .._writing import write_whole
from ..certify import CERTIFIED
from ..dictionary import Terms
from ..sections import ScalarFunction
from ..trajectory import AnyRun, Trajectory, open_runs
from ..vector_field import VectorField
from ._record import load_record, only_states
from ._screen import collected_warnings, console

if TYPE_CHECKING:
    import xarray as xr

_LOOKED_AT = 1_000_000  # samples of a run among which a complete one has to be
_MOST_SHOWN = 12
_FORMATS = (".csv", ".nc")


@dataclass(frozen=True)
class Law:
    """A certified conserved quantity of the file."""

    expression: str
    function: ScalarFunction


@dataclass(frozen=True)
class Found:
    """What a simulation needs of an analysis.json; `functions` and `independent` are what `conserve` reads."""

    field: VectorField
    laws: tuple[Law, ...]
    independent: int
    units: tuple[str, ...] | None

    @property
    def functions(self) -> tuple[ScalarFunction, ...]:
        """The certified laws."""
        return tuple(law.function for law in self.laws)


def simulate(
    analysis: Annotated[
        Path, typer.Option(metavar="FILE", help="An analysis.json; its equations are solved.")
    ],
    until: Annotated[str, typer.Option(metavar="T", help="Time at which the solutions end.")],
    x0: Annotated[
        list[str] | None,
        typer.Option("--x0", metavar="A,B,...", help="Initial state at time 0; may be given several times."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="Start from the first sample of each run in this file, at its time.",
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --from: column, dimension or coordinate of the times."),
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --from: column or dimension that separates runs.")
    ] = None,
    samples: Annotated[
        str, typer.Option(metavar="N", help="Evenly spaced times, the first included.")
    ] = "501",
    keep_laws: Annotated[
        bool,
        typer.Option("--keep-laws", help="Hold the certified conserved quantities at their initial values."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the solutions there; .csv or .nc says how.")
    ] = None,
) -> None:
    """Solve the equations of an analysis from given states or from where data begin."""
    end, count = _number("--until", until), _count(samples)
    _check_target(out)
    require(
        bool(x0) != bool(data),
        "give either --x0, an initial state such as 1,0,0, or --from, a file with runs",
    )
    found = read_found(analysis)
    require(
        not keep_laws or bool(found.laws),
        f"{analysis} certifies no conserved quantity, so there is nothing to keep; leave --keep-laws out",
    )
    with collected_warnings() as notes:
        starts = (
            _starts_from_data(open_runs(data, time, None, run), found, analysis)
            if data
            else _starts_from_text(x0 or [], found)
        )
        runs = solutions(found, starts, end, count, keep_laws)
    show = console(sys.stdout)
    _show(show, found, runs, keep_laws)
    for note in notes:
        show.print(f"note: {note}", overflow="fold")
    if out is not None:
        show.print(f"\nWritten: {_write(out, runs)}", overflow="fold")


def read_found(path: Path) -> Found:
    """The equations and the certified conserved quantities of an analysis.json.

    Raises
    ------
    DataError
        If the file is no analysis.json of our schema or lacks an entry.
    """
    record = load_record(path)
    try:
        model, laws = record["model"], record["conserved_quantities"]
        names = tuple(str(name) for name in model["states"])
        coefficients = np.array(model["coefficients"], dtype=float)
        field = VectorField(Terms([str(term) for term in model["terms"]], names), coefficients)
        certified = [entry for entry in laws if entry["verdict"] == CERTIFIED]
        kept = tuple(_law(entry, names) for entry in certified)
        units = record["input"]["units"]
        known = None if units is None else tuple(str(unit) for unit in units)
        return Found(field, kept, max(int(record["independent_conserved"]), 1), known)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise DataError(f"{path} lacks the entry {error}; run dynsym analyze again") from error


def _law(entry: dict[str, Any], names: tuple[str, ...]) -> Law:
    terms = {str(term): float(c) for term, c in entry["coefficients"].items()}
    function = ScalarFunction(Terms(list(terms), names), np.array(list(terms.values())))
    return Law(str(entry["expression"]), function)


def solutions(
    found: Found, starts: Sequence[Trajectory], end: float, count: int, keep_laws: bool
) -> list[Trajectory]:
    """One solution per start (a run of one sample), at `count` times from its own time to `end`.

    Raises
    ------
    DataError
        If a start lies at or after the end.
    ConvergenceError
        If a solution ends early; nothing is returned then.
    """
    conserve = found if keep_laws else ()
    out: dict[int, Trajectory] = {}
    for begin in dict.fromkeys(float(start.t[0]) for start in starts):
        require(begin < end, f"--until {end:g} does not come after the start at t = {begin:g}")
        which = [k for k, start in enumerate(starts) if start.t[0] == begin]
        x0 = np.stack([starts[k].x[0] for k in which])
        times = np.linspace(begin, end, count)
        for k, run in zip(which, found.field.simulate_many(x0, times, conserve=conserve)):
            out[k] = Trajectory(
                run.t, run.x, run.names, found.units, label=starts[k].label, time_unit=starts[k].time_unit
            )
    return [out[k] for k in range(len(starts))]


def _starts_from_text(texts: Sequence[str], found: Found) -> list[Trajectory]:
    n, names = found.field.n_states, found.field.names
    starts = []
    for number, text in enumerate(texts):
        values = [_number("--x0", part) for part in text.split(",")]
        require(
            len(values) == n, f"--x0 {text} has {len(values)} numbers for the {n} states {', '.join(names)}"
        )
        starts.append(Trajectory([0.0], [values], names, label=f"run={number}"))
    return starts


def _starts_from_data(runs: Sequence[AnyRun], found: Found, path: Path) -> list[Trajectory]:
    starts = []
    for number, run in enumerate(only_states(runs, found.field.names, path)):
        whole = run.read(0, min(len(run), _LOOKED_AT)).segments()
        label = run.label or f"run={number}"
        require(len(whole) > 0, f"run {label} has no sample with all states, so nothing can start there")
        first = whole[0]
        starts.append(Trajectory(first.t[:1], first.x[:1], run.names, label=label, time_unit=run.time_unit))
    return starts


def _show(show: Console, found: Found, runs: Sequence[Trajectory], keep_laws: bool) -> None:
    """The equations, where each solution ends, and how far the laws of the file moved along them."""
    for equation in found.field.equations():
        show.print(Text("  " + equation), overflow="fold")
    show.print()
    for run in runs[:_MOST_SHOWN]:
        state = ", ".join(f"{name} = {value:.6g}" for name, value in zip(run.names, run.x[-1]))
        show.print(
            Text(f"  {run.label}: t = {run.t[0]:g} .. {run.t[-1]:g}, ends at {state}"), overflow="fold"
        )
    if len(runs) > _MOST_SHOWN:
        show.print(f"  ... and {len(runs) - _MOST_SHOWN} more")
    if found.laws:
        show.print(f"\n  Largest change of the conserved quantities ({'kept' if keep_laws else 'not kept'}):")
    for law in found.laws:
        values = [law.function.evaluate(run.x) for run in runs]
        change = max(float(np.abs(h - h[0]).max()) for h in values)
        show.print(Text(f"  {report.short(change, 2)}  {law.expression}"), overflow="fold")


def _write(out: Path, runs: Sequence[Trajectory]) -> Path:
    """One file, whole or not at all, that `dynsym` reads back."""
    if out.suffix == ".csv":
        return report.write_text(out, _table(runs))
    return write_whole(
        out.parent, {out.name: lambda place: _dataset(runs).to_netcdf(place, engine="netcdf4")}
    )[0]


def _table(runs: Sequence[Trajectory]) -> str:
    first = runs[0]
    units = first.units or ("",) * first.n_states
    heads = [f"{name} [{unit}]" if unit else name for name, unit in zip(first.names, units)]
    several = len(runs) > 1
    lines = [",".join([*(["run"] if several else []), _time_name(first), *heads])]
    for number, run in enumerate(runs):
        which = [str(number)] if several else []
        lines += [",".join([*which, *map(repr, row)]) for row in np.column_stack([run.t, run.x]).tolist()]
    return "\n".join(lines) + "\n"


def _dataset(runs: Sequence[Trajectory]) -> xr.Dataset:
    import xarray as xr

    if len(runs) == 1:
        return runs[0].to_dataset()
    first, time = runs[0], _time_name(runs[0])
    shared = all(np.array_equal(run.t, first.t) for run in runs)
    along = ("run", time if shared else "sample")
    units = first.units or ("",) * first.n_states
    x = np.stack([run.x for run in runs])
    variables = {
        name: (along, x[:, :, k], {"units": unit} if unit else {})
        for k, (name, unit) in enumerate(zip(first.names, units))
    }
    attrs = {"units": first.time_unit} if first.time_unit else {}
    times = (time, first.t, attrs) if shared else (along, np.stack([run.t for run in runs]), attrs)
    return xr.Dataset(variables, coords={time: times, "run": _ids(runs)})


def _ids(runs: Sequence[Trajectory]) -> list[str]:
    """What follows the name of the dimension in the labels, "Mars" of "planet=Mars", where that is enough."""
    short = [run.label.rpartition("=")[2] for run in runs]
    return short if len(set(short)) == len(short) else [str(k) for k in range(len(runs))]


def _time_name(run: Trajectory) -> str:
    return "time" if "t" in run.names else "t"


def _number(option: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DataError(f"{option} takes numbers, got {text!r}") from None
    require(bool(np.isfinite(value)), f"{option} takes finite numbers, got {text!r}")
    return value


def _count(text: str) -> int:
    require(
        text.strip().isdecimal() and int(text) >= 2,
        f"--samples takes a whole number of at least 2, got {text!r}",
    )
    return int(text)


def _check_target(out: Path | None) -> None:
    """Refuse a place that cannot be written to before the work, not after it."""
    if out is None:
        return
    require(out.suffix in _FORMATS, f"--out {out} must end in {' or '.join(_FORMATS)}, which says the format")
    require(not out.is_dir(), f"--out {out} is a folder; give a file name")
