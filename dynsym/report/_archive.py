"""The analysis as labelled arrays in netCDF: groups model, conserved_quantities, symmetries and input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ..certify import Verdict
from ..findings import DiscreteSymmetries
from ._json import json_text

if TYPE_CHECKING:
    from ..analysis import Analysis


def write_netcdf(analysis: Analysis, path: Path, attributes: dict[str, Any]) -> None:
    """Write the groups; read one back with ``xarray.open_dataset(path, group="model")``.

    Parameters
    ----------
    analysis
        What is written.
    path
        A new file.
    attributes
        Of the file: software, version, settings.
    """
    xr.Dataset(attrs={key: _attribute(value) for key, value in attributes.items()}).to_netcdf(
        path, mode="w", engine="netcdf4"
    )
    groups = {
        "model": _model(analysis),
        "conserved_quantities": _laws(analysis),
        "symmetries": _symmetries(analysis),
        "input": _input(analysis),
    }
    if analysis.discrete is not None:
        groups["discrete_symmetries"] = _maps(analysis.discrete)
    for name, dataset in groups.items():
        dataset.to_netcdf(path, mode="a", group=name, engine="netcdf4")


def _attribute(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else json.dumps(json.loads(json_text(value)))


def _model(analysis: Analysis) -> xr.Dataset:
    model = analysis.model
    units = analysis.runs[0].units
    out = xr.Dataset(
        {
            "coefficients": (("state", "term"), model.coefficients),
            "standard_errors": (("state", "term"), model.standard_errors),
            "explained": ("state", model.explained, {"long_name": "share of the mean square explained"}),
            "noise": ("state", model.noise, {"long_name": "standard deviation of the measurement noise"}),
        },
        coords={"state": list(model.field.names), "term": list(model.field.dictionary.terms)},
        attrs={"equations": "\n".join(model.field.equations(12)), "rows": model.method.description},
    )
    if units is not None:
        out["noise"].attrs["units"] = ", ".join(units)
    return out


def _verdicts(kind: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "verdict": (kind, _text([v.status for v in verdicts])),
        "reason": (kind, _text([v.reason for v in verdicts])),
        "defect": (kind, np.array([v.defect for v in verdicts], dtype=float)),
        "lower": (kind, np.array([v.lower for v in verdicts], dtype=float)),
        "upper": (kind, np.array([v.upper for v in verdicts], dtype=float)),
    }


def _laws(analysis: Analysis) -> xr.Dataset:
    found = analysis.laws
    variables = _verdicts("law", [f.verdict for f in found.findings])
    variables["expression"] = ("law", _text([f.expression for f in found.findings]))
    variables["relative_drift"] = ("law", np.array([f.relative_drift for f in found.findings], dtype=float))
    variables["spectrum"] = ("direction", found.spectrum.values, {"long_name": found.spectrum.metric})
    coords: dict[str, Any] = {}
    if found.findings:
        functions = [f.function for f in found.findings]
        variables["coefficients"] = (("law", "function"), np.stack([h.coefficients for h in functions]))
        coords["function"] = list(functions[0].dictionary.terms)
    return xr.Dataset(variables, coords, {**_claim(found), "independent": found.independent})


def _symmetries(analysis: Analysis) -> xr.Dataset:
    found = analysis.symmetries
    variables = _verdicts("symmetry", [f.verdict for f in found.findings])
    variables["label"] = ("symmetry", _text([f.label for f in found.findings]))
    variables["expression"] = ("symmetry", _text([f.generator.expressions(12)[0] for f in found.findings]))
    variables["spectrum"] = ("direction", found.spectrum.values, {"long_name": found.spectrum.metric})
    attributes = _claim(found)
    if found.findings:
        generators = [f.generator for f in found.findings]
        first = generators[0].dictionary
        stacked = np.concatenate([g.coefficients for g in generators])
        variables["coefficients"] = (("symmetry", "state", "basis"), stacked)
        variables["time_scaling"] = (
            "symmetry",
            np.array([g.vectors[0, stacked[0].size] for g in generators]),
        )
        variables["state"] = list(first.names)
        variables["basis"] = list(first.terms)
    if found.algebra is not None:
        attributes["algebra"] = found.algebra.name
        axes = ("certified", "certified_2", "certified_3")
        variables["structure_constants"] = (axes, found.algebra.structure_constants)
    return xr.Dataset(variables, attrs=attributes)


def _maps(found: DiscreteSymmetries) -> xr.Dataset:
    variables = _verdicts("map", [f.verdict for f in found.findings])
    variables["label"] = ("map", _text([f.label for f in found.findings]))
    variables["expression"] = ("map", _text([f.expression for f in found.findings]))
    coords: dict[str, Any] = {}
    if found.findings:
        maps = [f.map for f in found.findings]
        variables["matrix"] = (("map", "state", "from"), np.stack([g.matrix for g in maps]))
        variables["offset"] = (("map", "state"), np.stack([g.shift for g in maps]))
        variables["reverses_time"] = ("map", np.array([g.reverses_time for g in maps], dtype=np.int8))
        coords = {"state": list(maps[0].names), "from": list(maps[0].names)}
    return xr.Dataset(variables, coords, {**_claim(found), "group": found.name})


def _claim(found: Any) -> dict[str, Any]:
    return {"region": found.region.description, "delta": found.level.delta, "alpha": found.level.alpha}


def _input(analysis: Analysis) -> xr.Dataset:
    facts = analysis.quality
    per_state = {key: ("state", getattr(facts, key)) for key in ("low", "high", "deviation", "noise", "step")}
    per_run = {key: ("run", getattr(facts, key)) for key in ("samples", "missing", "duration", "median_step")}
    return xr.Dataset(
        {**per_state, **per_run},
        {"state": list(facts.names), "run": list(facts.labels)},
        {"settings": _attribute(analysis.input), "warnings": "\n".join(analysis.warnings)},
    )


def _text(values: Sequence[str]) -> np.ndarray[Any, Any]:
    return np.array(values, dtype=object) if values else np.array([], dtype="S1")
