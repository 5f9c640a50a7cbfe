"""What the page shows, gathered from an analysis as text, numbers and pieces of MathML and SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from matplotlib.figure import Figure

from .. import plot
from ..algebra import PoissonAlgebra
from ..findings import (
    ConservedQuantities,
    DiscreteSymmetries,
    HamiltonianStructure,
    Symmetries,
    generator_basis,
)
from ..refit import Refit
from ..regression import Model
from ._mathml import equation_pieces, function_pieces, generator_pieces
from ._numbers import rounded, short
from ._svg import inline_svg
from ._words import law_sentence, map_sentence, maps_claimed, symmetry_sentence, what_is_claimed

if TYPE_CHECKING:
    from ..analysis import Analysis

Context = dict[str, Any]
_OPEN_ROWS = 36  # longer tables of coefficients are folded
_MOST_RUNS = 12
_MOST_MAPS = 16


def html_page(analysis: Analysis, version: str, command: str = "") -> str:
    """The report as one HTML text that loads nothing from anywhere.

    Parameters
    ----------
    analysis
        What is reported.
    version
        Of the software.
    command
        What the reader types to get the same.
    """
    environment = Environment(
        loader=PackageLoader("dynsym.report", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["first_upper"] = lambda text: text[:1].upper() + text[1:]
    return environment.get_template("report.html.jinja").render(_context(analysis, version, command))


def _context(analysis: Analysis, version: str, command: str) -> Context:
    model = analysis.model
    return {
        "title": f"Dynamics of {', '.join(model.field.names)}",
        "version": version,
        "command": command,
        "headline": _headline(analysis),
        "data": _data(analysis),
        "settings": _settings(analysis),
        "equations": [[Markup(piece) for piece in row] for row in equation_pieces(model.field)],
        "coefficients": _coefficients(model),
        "open_rows": _OPEN_ROWS,
        "rows": model.method.description,
        "laws": _laws(analysis.laws),
        "symmetries": _symmetries(analysis.symmetries),
        "discrete": None if analysis.discrete is None else _discrete(analysis.discrete),
        "algebra": _algebra(analysis.symmetries),
        "hamiltonian": _hamiltonian(analysis.hamiltonian),
        "law_algebra": _law_algebra(analysis.law_algebra),
        "figures": _figures(analysis),
        "refit": _refit(analysis.refit),
        "warnings": analysis.warnings,
        "timings": _timings(analysis.timings),
    }


def _headline(analysis: Analysis) -> list[tuple[str, str]]:
    """The few numbers at the top: value, then what it counts."""
    found = analysis.symmetries
    laws = [f for f in analysis.laws.findings if f.verdict.status == "certified"]
    terms = int(np.count_nonzero(analysis.model.coefficients))
    out = [
        (str(terms), "terms in the equations"),
        (str(len(laws)), f"conserved quantities certified, {analysis.laws.independent} independent"),
        (str(len(found.generators)), "symmetries certified"),
    ]
    if found.algebra is not None and found.algebra.dimension:
        out.append((found.algebra.name, "their Lie algebra"))
    return out


def _data(analysis: Analysis) -> Context:
    facts = analysis.quality
    states = [
        {"title": title, "cells": [short(float(v), 4) if np.isfinite(v) else "unknown" for v in values]}
        for title, *values in zip(facts.titles, facts.low, facts.high, facts.deviation, analysis.model.noise)
    ]
    runs = [
        {"label": label, "cells": [f"{m:g}", f"{missing:g}", short(float(span), 5), short(float(step), 4)]}
        for label, m, missing, span, step in zip(
            facts.labels, facts.samples, facts.missing, facts.duration, facts.median_step
        )
    ]
    return {
        "states": states,
        "runs": runs[:_MOST_RUNS],
        "more_runs": max(len(runs) - _MOST_RUNS, 0),
        "count": len(runs),
        "samples": f"{facts.samples.sum():,.0f}".replace(",", "\N{THIN SPACE}"),
        "time_unit": analysis.runs[0].time_unit,
        "warnings": facts.warnings,
    }


def _settings(analysis: Analysis) -> list[tuple[str, str]]:
    """The input block of the analysis as words."""
    return [
        (key.replace("_", " "), _words(value)) for key, value in analysis.input.items() if value is not None
    ]


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple | np.ndarray):
        shown = [_words(item) for item in list(value)[:_MOST_RUNS]]
        return ", ".join(shown) + (", \N{HORIZONTAL ELLIPSIS}" if len(value) > _MOST_RUNS else "")
    return str(value)


def _coefficients(model: Model) -> list[Context]:
    """One row for each non-zero coefficient, as value and error times a power of ten."""
    out = []
    terms = model.field.dictionary.terms
    for i, name in enumerate(model.field.names):
        for j in np.flatnonzero(model.coefficients[i]):
            value, error = float(model.coefficients[i, j]), float(model.standard_errors[i, j])
            number = rounded(value, error)
            ratio = f"{abs(value) / error:.2g}" if error > 0 and np.isfinite(error) else ""
            out.append({"state": name, "term": terms[j], "number": number, "ratio": ratio})
    return out


def _laws(found: ConservedQuantities) -> Context:
    rows = [
        {
            "pieces": [Markup(piece) for piece in function_pieces(law.function)],
            "text": law.expression,
            "status": law.verdict.status,
            "defect": short(law.verdict.defect),
            "upper": short(law.verdict.upper),
            "drift": short(law.relative_drift),
            "sentence": law_sentence(law, found),
        }
        for law in found.findings
    ]
    return {"rows": rows, "summary": what_is_claimed(found, "conserved quantity"), "notes": found.warnings}


def _symmetries(found: Symmetries) -> Context:
    rows = [
        {
            "pieces": [Markup(piece) for piece in generator_pieces(f.generator)],
            "text": f.generator.expressions()[0],
            "label": f.label,
            "status": f.verdict.status,
            "defect": short(f.verdict.defect),
            "upper": short(f.verdict.upper),
            "sentence": symmetry_sentence(f, found),
        }
        for f in found.findings
    ]
    return {"rows": rows, "summary": what_is_claimed(found, "symmetry"), "notes": found.warnings}


def _discrete(found: DiscreteSymmetries) -> Context:
    rows = [
        {
            "text": f.expression,
            "label": f.label,
            "status": f.verdict.status,
            "defect": short(f.verdict.defect),
            "upper": short(f.verdict.upper),
            "sentence": map_sentence(f, found),
        }
        for f in found.findings[:_MOST_MAPS]
    ]
    return {"rows": rows, "summary": maps_claimed(found), "notes": found.warnings}


def _algebra(found: Symmetries) -> Context | None:
    algebra = found.algebra
    if algebra is None or algebra.dimension == 0:
        return None
    basis = generator_basis(found.generators, algebra)
    kinds = {
        "abelian": algebra.is_abelian,
        "nilpotent": algebra.is_nilpotent and not algebra.is_abelian,
        "solvable": algebra.is_solvable and not algebra.is_nilpotent,
        "semisimple": algebra.is_semisimple,
    }
    return {
        "name": algebra.name,
        "aliases": algebra.aliases,
        "dimension": algebra.dimension,
        "kind": ", ".join(kind for kind, holds in kinds.items() if holds)
        or "neither solvable nor semisimple",
        "centre": len(algebra.centre),
        "derived": ", ".join(map(str, algebra.derived)),
        "signature": ", ".join(map(str, algebra.signature)),
        "closure": short(algebra.closure_defect),
        "nilradical": algebra.nilradical,
        "radical": algebra.radical,
        "levi": f"{algebra.levi} ({' + '.join(algebra.cartan)})" if algebra.cartan else algebra.levi,
        "moved": f"{np.degrees(algebra.moved):.2g} degrees" if algebra.moved else "",
        "definitions": [] if basis is None or not basis.clean.table else basis.definitions,
        "brackets": () if basis is None else basis.clean.table,
    }


def _law_algebra(found: PoissonAlgebra | None) -> Context | None:
    if found is None:
        return None
    return {
        "name": found.name,
        "level": ", ".join(map(str, found.level)),
        "invariants": [(label, str(f)) for label, f in zip(found.labels, found.functions)],
        "brackets": found.table,
        "open_pairs": found.open_pairs,
        "closure": short(found.closure_defect),
    }


def _hamiltonian(found: HamiltonianStructure | None) -> Context | None:
    if found is None or found.hamiltonian is None or found.bracket is None:
        return None
    return {
        "word": found.word,
        "pieces": [Markup(piece) for piece in function_pieces(found.hamiltonian)],
        "text": str(found.hamiltonian),
        "status": found.verdict.status,
        "reason": found.verdict.reason,
        "brackets": list(found.bracket.expressions().items()),
        "casimirs": [str(c) for c in found.casimirs],
        "noether": [
            (p.symmetry, str(p.function) if p.function is not None else p.reason) for p in found.noether
        ],
        "notes": found.warnings,
    }


def _figures(analysis: Analysis) -> Context:
    laws, symmetries = analysis.laws, analysis.symmetries
    runs = analysis.model.runs
    out: Context = {
        "laws": _svg(plot.conserved_quantities(laws), "c", "Spectrum of defects of all functions searched"),
        "symmetries": _svg(
            plot.symmetries(symmetries), "s", "Spectrum of defects of all candidate generators"
        ),
        "phase": _svg(
            plot.phase_portrait(analysis.model), "p", "Phase portraits of the runs and of the model"
        ),
        "drift": None,
    }
    if laws.findings:
        out["drift"] = _svg(plot.drift(laws, runs), "d", "Change of each conserved quantity along the runs")
    return out


def _svg(figure: Figure, name: str, description: str) -> Markup:
    return Markup(inline_svg(figure, name, description))


def _refit(refit: Refit | None) -> Context | None:
    if refit is None:
        return None
    errors = [("prediction of left-out data", short(refit.heldout_plain, 3), short(refit.heldout_refit, 3))]
    if refit.rollout_plain is not None and refit.rollout_refit is not None:
        simulated = (short(refit.rollout_plain, 3), short(refit.rollout_refit, 3))
        errors.append(("simulation from the first samples", *simulated))
    return {
        "message": refit.message,
        "errors": errors,
        "equations": [[Markup(piece) for piece in row] for row in equation_pieces(refit.model.field)],
    }


def _timings(timings: dict[str, float]) -> list[Context]:
    most = max([*timings.values(), 1e-9])
    return [
        {
            "stage": stage.replace("_", " "),
            "seconds": f"{seconds:.2f} s",
            "share": f"{100 * seconds / most:.1f}",
        }
        for stage, seconds in timings.items()
    ]
