"""Results as tables that stay readable at 80 columns: numbers keep their place, expressions wrap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..algebra import PoissonAlgebra, clean_basis
from ..analysis import Analysis
from ..analysis_json import units_of_symmetry
from ..certify import Verdict
from ..findings import (
    CloudSymmetries,
    ConservedQuantities,
    DiscreteSymmetries,
    HamiltonianStructure,
    MapSymmetries,
    Symmetries,
    generator_basis,
)
from ..refit import Refit
from ..regression import MapModel, Model
from ..report import rounded, short
from ..trajectory import DataQuality

_STYLE = {"certified": "green", "refuted": "red", "undecided": "yellow"}
_MOST_RUNS = 12
_MOST_MAPS = 16
_MOST_UNDECIDED = 2
_LARGEST_TABLE = 10  # dimension up to which brackets are shown in a clean basis


def show_analysis(out: Console, done: Analysis) -> None:
    """Equations, conserved quantities, symmetries and the refit."""
    facts = done.quality
    out.print(
        f"{len(done.runs)} run(s), {facts.samples.sum():.0f} samples of {len(facts.names)} states: "
        + ", ".join(facts.titles)
    )
    out.print()
    show_model(out, done.model, "Equations")
    show_laws(out, done.laws)
    show_symmetries(out, done.symmetries, done.runs[0].units)
    show_algebra(out, done.symmetries)
    if done.discrete is not None:
        show_discrete(out, done.discrete)
    if done.hamiltonian is not None:
        show_hamiltonian(out, done.hamiltonian)
    if done.law_algebra is not None:
        show_law_algebra(out, done.law_algebra)
    if done.refit is not None:
        show_refit(out, done.refit)


def show_model(out: Console, model: Model, title: str) -> None:
    """The equations, and each coefficient with its standard error."""
    _heading(out, title)
    for equation in model.equations():
        out.print(Text("  " + equation), overflow="fold")
    table = _table("equation", "term", ">coefficient", ">std. error")
    for i, name in enumerate(model.field.names):
        for j in np.flatnonzero(model.coefficients[i]):
            value, error = _value_and_error(
                float(model.coefficients[i, j]), float(model.standard_errors[i, j])
            )
            table.add_row(f"{name}'", Text(model.field.dictionary.terms[j], overflow="fold"), value, error)
    if table.row_count:
        out.print(table)
    out.print(Text(f"  Rows: {model.method.description}."), overflow="fold")
    out.print()


def _value_and_error(value: float, error: float) -> tuple[str, str]:
    number = rounded(value, error)
    power = f"e{number.exponent}" if number.exponent else ""
    return number.value + power, (short(error) if number.error else "-")


def show_laws(out: Console, found: ConservedQuantities) -> None:
    """Conserved quantities with verdict, bound and drift."""
    _heading(out, f"Conserved quantities ({len(found.functions)} certified, {found.independent} independent)")
    rows = [
        (f.verdict, short(f.relative_drift), Text(f.expression, overflow="fold"), f.verdict.reason)
        for f in found.findings
    ]
    _findings(out, rows, "drift", found, _evidence(found))


def show_symmetries(out: Console, found: Symmetries, units: tuple[str, ...] | None = None) -> None:
    """Symmetries with verdict and bound, the algebra they form, and the units of their coefficients where states have any."""
    name = "" if found.algebra is None or not len(found.generators) else f"; algebra {found.algebra.name}"
    _heading(out, f"Symmetries ({len(found.generators)} certified{name})")
    rows = [
        (f.verdict, f.label, Text(f.generator.expressions()[0], overflow="fold"), f.verdict.reason)
        for f in found.findings
    ]
    _findings(out, rows, "kind", found, "; ".join(filter(None, [_together(found), _units(found, units)])))


def _units(found: Symmetries, units: tuple[str, ...] | None) -> str:
    """The units of the coefficients that are no pure numbers."""
    written: dict[str, str] = {}
    for finding in found.findings:
        own = units_of_symmetry(finding, units)
        written |= {} if own is None else own.written
    said = ", ".join(f"{term} in {unit}" for term, unit in written.items())
    return f"units of the coefficients: {said}" if said else ""


def show_algebra(out: Console, found: Symmetries) -> None:
    """Invariants, and the brackets in a basis in which they are simple."""
    basis = generator_basis(found.generators, found.algebra)
    if basis is None:
        return
    _heading(out, f"Algebra of the certified symmetries ({basis.algebra.name})")
    for line in basis.lines():
        out.print(Text(f"  {line}"), overflow="fold")
    out.print()


def show_law_algebra(out: Console, found: PoissonAlgebra) -> None:
    """The brackets of the conserved quantities, and the name of their algebra."""
    head, *lines = str(found).splitlines()
    _heading(out, head)
    for line in lines:
        out.print(Text(line), overflow="fold")
    if found.algebra is not None and found.algebra.dimension <= _LARGEST_TABLE:
        out.print(Text(f"  clean basis: {'; '.join(clean_basis(found.algebra).table)}"), overflow="fold")
    out.print()


def _evidence(found: ConservedQuantities) -> str:
    """What certified the laws: the fitted field, the states along the runs, or both."""
    sources = Counter(f.evidence for f in found.findings if f.verdict.status == "certified")
    said = ", ".join(f"{count} from the {source}" for source, count in sources.items())
    return f"evidence: {said}" if said else ""


def _together(found: Symmetries) -> str:
    """The bound of all certified generators at once, and how far the claim reaches beyond the samples."""
    parts = []
    if np.isfinite(found.upper):
        parts.append(f"all combinations of the certified ones: at most {short(found.upper)}")
    if np.isfinite(found.coverage):
        parts.append(f"coverage factor {short(found.coverage)}")
    return "; ".join(parts)


def show_discrete(out: Console, found: DiscreteSymmetries) -> None:
    """Discrete symmetries and reversals with verdict and bound, and the group they form."""
    name = found.name.removeprefix("group ")
    _heading(out, f"Discrete symmetries ({len(found.maps)} certified; group {name})")
    generators = found.maps if found.group is None else found.group.generators
    certified = [f for f in found.findings if f.map in generators][:_MOST_MAPS]
    undecided = [f for f in found.findings if f.verdict.status == "undecided"]
    rows = [
        (f.verdict, f.label, Text(f.expression, overflow="fold"), f.verdict.reason)
        for f in [*certified, *undecided[:_MOST_UNDECIDED]]
    ]
    left = [
        f"{count} more {what}"
        for count, what in (
            (len(found.maps) - len(certified), "certified maps are products of these"),
            (len(undecided) - _MOST_UNDECIDED, "are undecided"),
        )
        if count > 0
    ]
    _findings(out, rows, "kind", found, "; ".join(left))


def show_cloud(out: Console, found: CloudSymmetries) -> None:
    """Symmetries of points with verdict and bound, and their algebra."""
    noise = f", noise {short(found.noise)} across" if np.isfinite(found.noise) else ""
    gone = f"; {found.vanishing} more candidates vanish on the points" if found.vanishing else ""
    out.print(Text(f"A submanifold of dimension {found.dimension}{noise}{gone}."), overflow="fold")
    _heading(out, f"Symmetries ({len(found.generators)} certified; algebra {found.name})")
    rows = [
        (f.verdict, f.label, Text(f.expression, overflow="fold"), f.verdict.reason) for f in found.findings
    ]
    _findings(out, rows, "kind", found)


def show_map(out: Console, model: MapModel, found: MapSymmetries) -> None:
    """A fitted map with its standard errors, and its symmetries."""
    _heading(out, "Map")
    for equation in model.equations():
        out.print(Text("  " + equation), overflow="fold")
    table = _table("value", "term", ">coefficient", ">std. error")
    for i, name in enumerate(model.function.values):
        for j in np.flatnonzero(model.coefficients[i]):
            number, error = _value_and_error(
                float(model.coefficients[i, j]), float(model.standard_errors[i, j])
            )
            table.add_row(name, Text(model.function.dictionary.terms[j], overflow="fold"), number, error)
    if table.row_count:
        out.print(table)
    for one in model.kept:
        out.print(Text("\n".join(f"  {line}" for line in str(one).splitlines())), overflow="fold")
    out.print()
    _heading(out, f"Symmetries ({found.dimension} certified; algebra {found.name})")
    rows = [
        (f.verdict, f.label, Text(f.expression, overflow="fold"), f.verdict.reason) for f in found.findings
    ]
    _findings(out, rows, "kind", found)


def _findings(
    out: Console,
    rows: Sequence[tuple[Verdict, str, Text, str]],
    fact: str,
    found: Symmetries | ConservedQuantities | DiscreteSymmetries | CloudSymmetries | MapSymmetries,
    more: str = "",
) -> None:
    if rows:
        table = _table("verdict", ">defect", ">at most", fact if fact == "kind" else f">{fact}", "expression")
        for verdict, value, expression, _ in rows:
            status = Text(verdict.status, style=_STYLE.get(verdict.status, ""))
            table.add_row(status, short(verdict.defect), short(verdict.upper), value, expression)
        out.print(table)
    else:
        out.print("  none found")
    for reason in dict.fromkeys(reason for verdict, *_, reason in rows if verdict.status != "certified"):
        out.print(Text(f"  not certified: {reason}"), overflow="fold")
    if more and rows:
        out.print(Text(f"  {more}."), overflow="fold")
    out.print(
        Text(
            f"  Verdicts hold in {found.region.description}; delta = {found.level.delta:g}, "
            f"alpha = {found.level.alpha:g}."
        ),
        overflow="fold",
    )
    out.print()


def show_hamiltonian(out: Console, found: HamiltonianStructure) -> None:
    """Bracket, Hamiltonian, Casimirs, and what generates each symmetry."""
    _heading(out, f"Hamiltonian structure ({found.word})")
    table = _table("kind", "expression")
    table.add_row("H", Text(str(found.hamiltonian), overflow="fold"))
    table.add_row("bracket", Text(str(found.bracket), overflow="fold"))
    for casimir in found.casimirs:
        table.add_row("Casimir", Text(str(casimir), overflow="fold"))
    for pair in found.noether:
        table.add_row("symmetry from law", Text(str(pair), overflow="fold"))
    out.print(table)
    verdict = found.verdict
    out.print(
        Text(
            f"  {verdict.status}: the defect of f = J grad H is {short(verdict.defect)}, at most {short(verdict.upper)}."
        ),
        overflow="fold",
    )
    for note in found.warnings:
        out.print(Text(f"  {note}"), overflow="fold")
    out.print()


def show_refit(out: Console, refit: Refit) -> None:
    """Errors of the plain and of the symmetric fit, and the equations that were kept."""
    _heading(out, "Refit")
    out.print(Text(f"  {refit.message}"), overflow="fold")
    table = _table("relative error", ">plain", ">refit")
    table.add_row("left-out data", short(refit.heldout_plain, 3), short(refit.heldout_refit, 3))
    if refit.rollout_plain is not None and refit.rollout_refit is not None:
        table.add_row("simulation", short(refit.rollout_plain, 3), short(refit.rollout_refit, 3))
    out.print(table)
    for equation in refit.model.equations():
        out.print(Text("  " + equation), overflow="fold")
    out.print()


def show_quality(out: Console, facts: DataQuality) -> None:
    """Sampling of the runs and range of the states."""
    _heading(out, "Runs")
    table = _table("run", ">samples", ">missing", ">duration", ">median step", ">spread")
    columns = (facts.samples, facts.missing, facts.duration, facts.median_step, facts.step_spread)
    for k, label in enumerate(facts.labels[:_MOST_RUNS]):
        table.add_row(Text(label, overflow="fold"), *(_cell(column[k]) for column in columns))
    out.print(table)
    if len(facts.labels) > _MOST_RUNS:
        out.print(f"  and {len(facts.labels) - _MOST_RUNS} more, {facts.samples.sum():.0f} samples in all")
    out.print()
    _heading(out, "States")
    table = _table("state", ">lowest", ">highest", ">deviation", ">noise", ">stored step")
    for i, title in enumerate(facts.titles):
        values = (facts.low[i], facts.high[i], facts.deviation[i], facts.noise[i], facts.step[i])
        table.add_row(Text(title, overflow="fold"), *(_cell(value) for value in values))
    out.print(table)
    out.print()


def _cell(value: Any) -> str:
    return f"{float(value):.5g}" if np.isfinite(value) else "-"


def show_warnings(out: Console, warnings: Sequence[str]) -> None:
    """Warnings, last so that they are read."""
    if not warnings:
        return
    _heading(out, f"Warnings ({len(warnings)})")
    for line in _bulleted(warnings):
        out.print(line)


def _bulleted(items: Sequence[str]) -> Iterator[Table]:
    for item in items:
        grid = Table.grid(padding=(0, 1))
        grid.add_row("  !", Text(" ".join(item.split()), overflow="fold"))
        yield grid


def _heading(out: Console, text: str) -> None:
    out.print(Text(text, style="bold"))


def _table(*columns: str) -> Table:
    """A light table; a column name that starts with > is set to the right and never wraps."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, show_edge=False)
    for column in columns:
        right = column.startswith(">")
        wraps = column in ("term", "expression", "run", "state", "kind")
        table.add_column(
            column.removeprefix(">"), justify="right" if right else "left", no_wrap=not wraps, overflow="fold"
        )
    return table
