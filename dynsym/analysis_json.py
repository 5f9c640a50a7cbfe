"""The contracted record of an analysis: plain data for JSON, every number finite or None."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from ._checks import DataError
from .findings import (
    ConservedQuantities,
    DiscreteFinding,
    GeneratorUnits,
    Law,
    Symmetries,
    SymmetryFinding,
    generator_basis,
    generator_units,
    law_units,
)
from .refit import Refit

if TYPE_CHECKING:
    from .analysis import Analysis

SCHEMA = 1


def record_of(analysis: Analysis) -> dict[str, Any]:
    """The record of schema version 1."""
    model = analysis.model
    maps = analysis.discrete
    units = analysis.runs[0].units
    return plain(
        {
            "schema": SCHEMA,
            "input": analysis.input,
            "model": {
                "states": list(model.field.names),
                "terms": list(model.field.dictionary.terms),
                "coefficients": model.coefficients,
                "standard_errors": model.standard_errors,
                "equations": model.equations(10),
                "unexplained": 1 - model.explained,
            },
            "conserved_quantities": [_law(law, units) for law in analysis.laws.findings],
            "independent_conserved": analysis.laws.independent,
            "symmetries": [_symmetry(finding, units) for finding in analysis.symmetries.findings],
            "algebra": _algebra(analysis.symmetries),
            "poisson_algebra": None if analysis.law_algebra is None else analysis.law_algebra.to_json(),
            "symmetry_certificate": {
                **_certificate(analysis.symmetries),
                "at_most": analysis.symmetries.at_most,
            },
            "law_certificate": _certificate(analysis.laws),
            "discrete_symmetries": [] if maps is None else [_map(finding) for finding in maps.findings],
            "discrete_group": None
            if maps is None or maps.group is None
            else {"name": maps.group.name, "order": len(maps.group)},
            "region": analysis.symmetries.region.description,
            "hamiltonian": None if analysis.hamiltonian is None else analysis.hamiltonian.to_json(),
            "refit": None if analysis.refit is None else _refit(analysis.refit),
            "warnings": list(analysis.warnings),
            "timings": analysis.timings,
        }
    )


def _algebra(found: Symmetries) -> dict[str, Any]:
    """Name and structure constants in the basis of the certified symmetries, invariants, and the clean basis."""
    algebra = found.algebra
    contracted = {
        "dimension": found.dimension,
        "name": "not closed" if algebra is None else algebra.name,
        "structure_constants": None if algebra is None else algebra.structure_constants,
    }
    if algebra is None:
        return contracted
    basis = generator_basis(found.generators, algebra)
    return {**algebra.to_json(), **contracted, "clean_basis": None if basis is None else basis.to_json()}


def _certificate(found: Symmetries | ConservedQuantities) -> dict[str, Any]:
    """What holds of all certified findings at once."""
    return {
        "defect_upper_together": found.upper,
        "defects_in_units_of_their_noise": found.whitened,
        "coverage_factor": found.coverage,
    }


def _law(law: Law, units: tuple[str, ...] | None) -> dict[str, Any]:
    terms = law.function.dictionary.terms
    return {
        "expression": sp.sstr(law.function.to_sympy()),
        "coefficients": {t: c for t, c in zip(terms, law.function.coefficients) if c != 0},
        "verdict": law.verdict.status,
        "defect": law.verdict.defect,
        "defect_upper": law.verdict.upper,
        "defect_lower": law.verdict.lower,
        "reason": law.verdict.reason,
        "relative_drift": law.relative_drift,
        "drift_from_noise": law.drift_expected,
        "drift_on_held_out_runs": law.held_out,
        "evidence": law.evidence,
        "unit": unit_of_law(law, units),
    }


def unit_of_law(law: Law, units: tuple[str, ...] | None) -> str | None:
    """The unit of a law whose leading coefficient is a pure number; None where the units of the states are unknown."""
    if units is None:
        return None
    try:
        return law_units(law.function, units).unit
    except DataError:
        return None  # a unit that cannot be read, such as "arb. units", says nothing


def units_of_symmetry(finding: SymmetryFinding, units: tuple[str, ...] | None) -> GeneratorUnits | None:
    """Units of the entries of an affine generator; None where the units of the states are unknown or cannot be read."""
    if units is None:
        return None
    try:
        return generator_units(finding.generator, units)
    except DataError:
        return None


def _symmetry(finding: SymmetryFinding, units: tuple[str, ...] | None) -> dict[str, Any]:
    parts, own = finding.generator.affine_parts(), units_of_symmetry(finding, units)
    assert finding.generator.time_scaling is not None
    return {
        "label": finding.label,
        "matrix": None if parts is None else parts[0][0],
        "offset": None if parts is None else parts[1][0],
        "time_scaling": float(finding.generator.time_scaling[0]),
        "expression": finding.generator.expressions(10)[0],
        "verdict": finding.verdict.status,
        "defect": finding.verdict.defect,
        "defect_upper": finding.verdict.upper,
        "defect_lower": finding.verdict.lower,
        "reason": finding.verdict.reason,
        "trivial": finding.trivial,
        "units": None if own is None else {"matrix": own.matrix, "offset": own.offset, "time_scaling": ""},
    }


def _map(finding: DiscreteFinding) -> dict[str, Any]:
    return {
        "label": finding.label,
        "matrix": finding.map.matrix,
        "offset": finding.map.shift,
        "reverses_time": finding.map.reverses_time,
        "expression": finding.expression,
        "verdict": finding.verdict.status,
        "defect": finding.verdict.defect,
        "defect_upper": finding.verdict.upper,
        "defect_lower": finding.verdict.lower,
        "reason": finding.verdict.reason,
    }


def _refit(again: Refit) -> dict[str, Any]:
    return {
        "equations": again.model.equations(10),
        "coefficients": again.model.coefficients,
        "generators": again.generators.expressions(10),
        "heldout_error": {"plain": again.heldout_plain, "refit": again.heldout_refit},
        "rollout_error": {"plain": again.rollout_plain, "refit": again.rollout_refit},
        "message": again.message,
    }


def plain(value: Any) -> Any:
    """Nested plain lists, dicts, strings and finite numbers; anything not finite becomes None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value
