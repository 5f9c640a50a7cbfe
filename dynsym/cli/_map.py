"""`dynsym map`: a map y = F(x) from samples that have no order in time, and its symmetries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.text import Text

from .. import report
from .._checks import Array, DataError, require
from ..dictionary import parse_dictionary
from ..enforce import equivariant_to
from ..findings import MapSymmetries, symmetries_of
from ..generators import Generators, OnRegion, by_name, represented
from ..promote import SymmetryBreaking
from ..regression import MapModel, Pairs, Stepwise, fit_map
from ..sections import Representation, given, representation_by_name
from ..trajectory import open_runs
from ..trajectory.textfiles import read_text
from ._app import Alpha, Candidates, Delta, JsonFile, Paths, _real, app
from ._app import _check_targets as check_targets
from ._app import _names as names_of
from ._app import _screen as screen
from ._app import _write_json as write_json
from ._screen import collected_warnings
from ._tables import show_map, show_warnings

_TEXT = (".csv", ".tsv", ".txt", ".dat")

Inputs = Annotated[str, typer.Option(metavar="A,B,...", help="Columns of the inputs x, in this order.")]
Outputs = Annotated[str, typer.Option(metavar="C,...", help="Columns of the values y.")]
Terms = Annotated[
    str, typer.Option("--dictionary", metavar="EXPR", help="Terms of the map, such as 'poly(2)'.")
]
OutputsAs = Annotated[
    str,
    typer.Option(
        metavar="REP",
        help="How the values turn: trivial (default: invariants), vector, dual, symmetric, antisymmetric, sums and products.",
    ),
]
InputsAs = Annotated[
    str,
    typer.Option(
        metavar="REP", help="How the inputs turn, if the group acts on another space: --space names it."
    ),
]
Space = Annotated[
    str | None,
    typer.Option(metavar="X,Y,...", help="Coordinates that the candidates act on; default the inputs."),
]
Selected = Annotated[
    bool, typer.Option("--stepwise", help="Leave out terms that held-out samples do not need.")
]
Enforced = Annotated[
    bool, typer.Option("--enforce", help="Print the fit that has all candidates as symmetries.")
]
Promoted = Annotated[
    float | None,
    typer.Option(
        metavar="WEIGHT",
        parser=_real,
        help="Penalty on broken candidates; verdicts stay those of least squares.",
    ),
]


@app.command("map")
def map_command(
    paths: Paths,
    inputs: Inputs,
    outputs: Outputs,
    dictionary: Terms = "poly(2)",
    candidates: Candidates = "affine",
    outputs_as: OutputsAs = "",
    inputs_as: InputsAs = "vector",
    space: Space = None,
    stepwise: Selected = False,
    enforce: Enforced = False,
    promote: Promoted = None,
    delta: Delta = 0.05,
    alpha: Alpha = 0.05,
    json: JsonFile = None,
) -> None:
    """A map y = F(x) from samples, and the symmetries under which its values turn as --outputs-as says."""
    check_targets(None, json)
    names, values = names_of(inputs), names_of(outputs)
    assert names is not None
    assert values is not None
    with collected_warnings() as notes:
        pairs = Pairs(*read_columns(paths, names, values), tuple(names), tuple(values))
        family, turning = acting(
            candidates, names_of(space) or names, names, inputs_as, outputs_as, len(values)
        )
        own = parse_dictionary(dictionary, names)
        model = fit_map(pairs, own, Stepwise() if stepwise else None)
        found = symmetries_of(model, family, turning, delta, alpha)
        model = _with_symmetry(model, family, turning, enforce, promote)
    out = screen(json)
    out.print(Text(str(pairs)), overflow="fold")
    out.print()
    show_map(out, model, found)
    show_warnings(out, [*notes, *found.warnings])
    write_json(json, report.json_text(record_of_map(model, found, notes)) + "\n")


def _with_symmetry(
    model: MapModel, family: Generators, turning: Representation, enforce: bool, weight: float | None
) -> MapModel:
    """The model itself, or another on the same samples that has the candidates, or breaks few of them."""
    require(not (enforce and weight is not None), "give --enforce or --promote, not both")
    own = model.function.dictionary
    if enforce:
        return fit_map(model.pairs, own, constraints=equivariant_to(family, own, model.region, turning))
    if weight is None:
        return model
    scale_free = OnRegion(model.region)
    penalty = SymmetryBreaking(family, own, weight, model.region, turning, scale_free)
    return fit_map(model.pairs, own, penalty)


def acting(
    candidates: str, space: Sequence[str], inputs: Sequence[str], inputs_as: str, outputs_as: str, d: int
) -> tuple[Generators, Representation]:
    """The candidates as generators on the inputs, and how the values turn under them."""
    base = by_name(candidates, space)
    turning = representation_by_name(outputs_as or f"trivial({d})")
    if list(space) == list(inputs) and inputs_as == "vector":
        return base, turning
    moved = represented(base, representation_by_name(inputs_as), inputs)
    parts = base.affine_parts()
    assert parts is not None
    return moved, given(turning.derivative(parts[0], base.names))


def read_columns(paths: Sequence[Path], inputs: Sequence[str], outputs: Sequence[str]) -> tuple[Array, Array]:
    """The named columns of all files, (m, n) and (m, d)."""
    both = []
    for path in paths:
        columns = _columns_of(path, [*inputs, *outputs])
        missing = [name for name in (*inputs, *outputs) if name not in columns]
        require(not missing, f"{path}: no column {', '.join(missing)} among {', '.join(columns)}")
        lengths = {len(columns[name]) for name in (*inputs, *outputs)}
        require(len(lengths) == 1, f"{path}: columns have different lengths {sorted(lengths)}")
        both.append(
            np.stack([np.asarray(columns[name], dtype=float) for name in (*inputs, *outputs)], axis=1)
        )
    rows = np.concatenate(both)
    return rows[:, : len(inputs)], rows[:, len(inputs) :]


def _columns_of(path: Path, wanted: Sequence[str]) -> dict[str, Array]:
    if path.suffix.lower() in _TEXT:
        return dict(read_text(path).columns)
    if path.suffix.lower() == ".npz":
        try:
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files if archive[name].ndim == 1}
        except ValueError as error:
            raise DataError(
                f"{path} cannot be read ({error}); store one array of numbers for each column"
            ) from error
    parts = [run.read().x for run in open_runs([path], None, list(wanted))]
    return {name: np.concatenate(parts)[:, k] for k, name in enumerate(wanted)}


def record_of_map(model: MapModel, found: MapSymmetries, notes: Sequence[str]) -> dict[str, Any]:
    """The result as plain data."""
    algebra = found.algebra
    return {
        "schema": 1,
        "samples": len(model.pairs),
        "model": {
            "inputs": list(model.function.names),
            "outputs": list(model.function.values),
            "terms": list(model.function.dictionary.terms),
            "coefficients": model.coefficients,
            "standard_errors": model.standard_errors,
            "equations": model.equations(12),
            "unexplained": 1 - model.explained,
        },
        "symmetries": [
            {
                "label": f.label,
                "expression": f.generator.expressions(10)[0],
                "values_matrix": f.phi if f.phi.ndim == 2 else None,
                "verdict": f.verdict.status,
                "defect": f.verdict.defect,
                "defect_lower": f.verdict.lower,
                "defect_upper": f.verdict.upper,
                "reason": f.verdict.reason,
            }
            for f in found.findings
        ],
        "algebra": {
            "dimension": found.dimension,
            "name": found.name,
            "structure_constants": None if algebra is None else algebra.structure_constants,
        },
        "kept": [{"candidates": list(k.candidates), "unbroken": list(k.unbroken)} for k in model.kept],
        "region": found.region.description,
        "warnings": [*notes, *found.warnings],
    }
