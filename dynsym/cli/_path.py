"""`dynsym path`: a regularisation path, the point that a rule chooses on it, and the terms that are stable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as File
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.text import Text

from .. import report
from .._checks import choose, require
from .._writing import write_whole
from ..dictionary import parse_dictionary
from ..generators import by_name
from ..regression import fit
from ..report import short
from ..selection import (
    RULES,
    ConservationWeights,
    L1Weights,
    Path,
    Stability,
    SymmetryWeights,
    Thresholds,
    path,
    stability,
)
from ..selection._nuclear import NuclearWalk
from ..trajectory import open_runs
from ._app import JsonFile, Noise, Paths, Run, Seed, States, Time, app
from ._app import _check_targets as check_targets
from ._app import _names as names_of
from ._app import _noise as noise_of
from ._app import _screen as screen
from ._app import _seed as seed_of
from ._app import _write_json as write_json
from ._compress import added
from ._screen import collected_warnings, progress
from ._tables import _heading as heading
from ._tables import _table as table_of
from ._tables import show_model, show_warnings

FAMILIES = ("threshold", "l1", "symmetry", "laws")
_STRUCTURES = ("symmetry", "laws")
_SHOWN = 16
_CUT = 0.9


@app.command("path")
def path_command(
    paths: Paths,
    dictionary: Annotated[
        str | None,
        typer.Option(
            metavar="EXPR", help="Terms of the equations, as 'poly(3)'; not for files of dynsym compress."
        ),
    ] = None,
    over: Annotated[
        str, typer.Option(metavar="threshold|l1|symmetry|laws", help="The weight that the path runs over.")
    ] = "threshold",
    candidates: Annotated[
        str, typer.Option(metavar="NAMES", help="Candidate symmetries of --over symmetry.")
    ] = "affine",
    invariants: Annotated[
        str,
        typer.Option(metavar="EXPR", help="Candidate conserved quantities of --over laws, as 'poly(2)'."),
    ] = "poly(2)",
    choose_by: Annotated[
        str, typer.Option("--choose", metavar="cv|1se|aicc|bic", help="The rule that chooses the point.")
    ] = "1se",
    stable: Annotated[
        bool, typer.Option("--stability", help="Selection probabilities on random halves of the data.")
    ] = False,
    time: Time = None,
    states: States = None,
    run: Run = None,
    noise: Noise = "auto",
    json: JsonFile = None,
    out: Annotated[
        File | None, typer.Option(metavar="DIR", help="Write path.json and path.png there.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Fits for every weight of a regularisation, with held-out errors, and the one that a rule chooses."""
    choose("--over", over, FAMILIES)
    choose("--choose", choose_by, RULES)
    require(
        not (stable and over in _STRUCTURES),
        f"--stability needs --over threshold or l1: {over} selects no terms",
    )
    sd = noise_of(noise)
    seed_of(seed)
    check_targets(out, json)
    with collected_warnings() as notes, progress() as tell:
        if dictionary is None:
            model = fit(added(paths))
        else:
            runs = open_runs(paths, time, names_of(states), run)
            if sd != "auto":
                runs = [replace(item, sd=np.full(item.n_states, float(sd))) for item in runs]
            model = fit(runs, parse_dictionary(dictionary, runs[0].names))
        wanted = invariants if over == "laws" else candidates
        family = _family(over, wanted, model.field.names)
        tell("rows", 0.3)
        found = path(model, over=family)
        tell("path", 0.7)
        stability_found = stability(model, over=family, seed=seed) if stable else None
    show = screen(json)
    show_path(show, found, choose_by)
    if over in _STRUCTURES:
        show_breaks(show, found, choose_by)
    if stability_found is not None:
        show_stability(show, stability_found)
    show_warnings(show, notes)
    text = report.json_text(record_of(found, choose_by, stability_found, notes)) + "\n"
    if out is not None:
        _write(out, text, found, show)
    write_json(json, text)


def _family(
    over: str, candidates: str, names: tuple[str, ...]
) -> Thresholds | L1Weights | SymmetryWeights | ConservationWeights:
    if over == "threshold":
        return Thresholds()
    if over == "l1":
        return L1Weights(relaxed=True, equilibrated=True)
    if over == "laws":
        return ConservationWeights(parse_dictionary(candidates, names))
    return SymmetryWeights(by_name(candidates, names), relaxed=True, equilibrated=True, adaptive=True)


def _write(out: File, text: str, found: Path, show: Console) -> None:
    def picture(place: File) -> None:
        found.plot().savefig(place, dpi=150)

    def numbers(place: File) -> None:
        place.write_text(text, encoding="utf-8")

    def structure(place: File) -> None:
        found.breaks.plot().savefig(place, dpi=150)

    files = {"path.json": numbers, "path.png": picture}
    if isinstance(found.walk, NuclearWalk):
        files["breaks.png"] = structure
    written = write_whole(out, files)
    show.print("Written: " + ", ".join(str(place) for place in written), overflow="fold")


def show_path(out: Console, found: Path, rule: str) -> None:
    """Points of the path, the chosen one marked, and its equations with errors."""
    heading(out, f"Path ({len(found)} points, {found.errors.shape[1]} folds)")
    chosen = found.index(rule)
    table = table_of(
        ">weight", f">{found.walk.counted}", ">all data", ">left out", ">+-", ">AICc", ">BIC", ""
    )
    spread = np.linspace(0, len(found) - 1, min(_SHOWN, len(found))).round().astype(int)
    for k in sorted({int(k) for k in spread} | {chosen}):
        root = float(np.sqrt(found.cv[k]))
        error = float(found.cv_error[k]) / (2 * root) if 0 < root < np.inf else np.nan
        above = [float(scores[k] - scores[found.converged].min()) for scores in (found.aicc, found.bic)]
        cells = [
            _cell(float(found.residual[k]), 3),
            _cell(root, 3),
            _cell(error, 2),
            *(_cell(c, 3) for c in above),
        ]
        mark = rule if k == chosen else "" if found.converged[k] else "open"
        table.add_row(_cell(float(found.values[k]), 3), f"{found.freedom[k].sum():.0f}", *cells, mark)
    out.print(table)
    out.print(Text(f"  Weight: {found.walk.label}; AICc and BIC above their minimum."), overflow="fold")
    if not found.converged.all():
        out.print("  open: the solver did not converge there; not chosen.")
    rows = ", ".join(f"{m:.0f}" for m in found.effective_rows)
    out.print(
        Text(f"  {found.model.compressed.n_rows} rows amount to {rows} independent ones."), overflow="fold"
    )
    out.print()
    show_model(out, found.best(rule), f"Chosen by {rule}")


def show_breaks(out: Console, found: Path, rule: str) -> None:
    """Where along the path symmetries or laws are restored, and what the data say about those that the chosen point keeps."""
    breaks = found.breaks
    noun = breaks.walk.candidates.noun
    heading(out, f"Broken and kept ({len(breaks.labels)} candidates)")
    table = table_of(">weight", ">broken", "restored")
    table.add_row(_cell(float(found.values[0]), 3), str(int(breaks.broken[0])), "")
    for event in breaks.events:
        text = Text("; ".join(event.restored) or f"another {noun}", overflow="fold")
        table.add_row(_cell(event.weight, 3), str(event.broken[1]), text)
    out.print(table)
    kept = breaks.judged(rule)
    for held in kept:
        said = f"  {held.verdict.status}: {held.expression} (defect {held.verdict.defect:.1e} <= {held.verdict.upper:.1e})"
        out.print(Text(said, overflow="fold"))
    words = "verdicts are those of the fit without penalty" if kept else f"the chosen point keeps no {noun}"
    out.print(Text(f"  {words[0].upper()}{words[1:]}."), overflow="fold")
    out.print()


def _cell(value: float, digits: int) -> str:
    return short(value, digits) if np.isfinite(value) else "-"


def show_stability(out: Console, found: Stability) -> None:
    """Terms that are selected on halves of the data, with their share."""
    heading(out, f"Stability over {found.n_halves} halves")
    table = table_of("equation", "term", ">selected")
    for i, name in enumerate(found.model.field.names):
        for j in np.argsort(-found.probabilities[i], kind="stable"):
            if found.probabilities[i, j] >= 0.1:
                term = Text(found.model.field.dictionary.terms[j], overflow="fold")
                table.add_row(f"{name}'", term, f"{found.probabilities[i, j]:.2f}")
    out.print(table)
    bounds = ", ".join(f"{bound:.2g}" for bound in found.false_terms(_CUT))
    out.print(
        Text(f"  Bound on false terms selected in {_CUT:.0%}: {bounds} (by equation)."), overflow="fold"
    )
    out.print()


def record_of(found: Path, rule: str, stable: Stability | None, notes: list[str]) -> dict[str, Any]:
    """What path.json holds, schema 1."""
    best = found.best(rule)
    field = best.field
    return {
        "schema": 1,
        "over": found.walk.label,
        "weights": found.values,
        "terms": list(field.dictionary.terms),
        "states": list(field.names),
        "coefficients": found.coefficients,
        "n_terms": found.n_terms,
        "degrees_of_freedom": found.freedom.sum(axis=1),
        "residual": found.residual,
        "heldout_error": np.sqrt(found.cv),
        "heldout_standard_error": _root_errors(found),
        "aicc": found.aicc,
        "bic": found.bic,
        "duality_gap": found.gaps,
        "converged": found.converged,
        "rows": found.model.compressed.n_rows,
        "effective_rows": found.effective_rows,
        "chosen": {"rule": rule, "index": found.index(rule), "weight": found.values[found.index(rule)]},
        "model": {
            "states": list(field.names),
            "terms": list(field.dictionary.terms),
            "coefficients": field.coefficients,
            "standard_errors": best.standard_errors,
            "equations": field.equations(12),
        },
        "structure": _structure_record(found, rule),
        "stability": None if stable is None else _stability_record(stable),
        "warnings": notes,
    }


def _structure_record(found: Path, rule: str) -> dict[str, Any] | None:
    if not isinstance(found.walk, NuclearWalk):
        return None
    breaks = found.breaks
    return {
        "candidates": list(breaks.labels),
        "broken": breaks.broken,
        "defects": np.where(np.isfinite(breaks.defects), breaks.defects, np.nan),
        "events": [
            {"index": e.index, "weight": e.weight, "restored": list(e.restored), "lost": list(e.lost)}
            for e in breaks.events
        ],
        "kept": [
            {
                "expression": held.expression,
                "coefficients": held.coefficients,
                "verdict": held.verdict.status,
                "defect": held.verdict.defect,
                "upper": held.verdict.upper,
            }
            for held in breaks.judged(rule)
        ],
    }


def _root_errors(found: Path) -> Any:
    root = np.sqrt(np.where(np.isfinite(found.cv) & (found.cv > 0), found.cv, np.nan))
    return np.where(np.isfinite(found.cv_error), found.cv_error, np.nan) / (2 * root)


def _stability_record(found: Stability) -> dict[str, Any]:
    return {
        "halves": found.n_halves,
        "probabilities": found.probabilities,
        "cut": _CUT,
        "support": found.support(_CUT),
        "false_terms_bound": found.false_terms(_CUT),
    }
