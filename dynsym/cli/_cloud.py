"""`dynsym cloud`: symmetries of points that have no time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.text import Text

from .. import report
from .._checks import Array, require
from ..clouds import Geometry
from ..findings import CloudSymmetries, cloud_symmetries
from ..generators import by_name
from ..trajectory import open_runs
from ..trajectory.textfiles import read_text
from ._app import Alpha, Candidates, Delta, JsonFile, Paths, States, _whole, app
from ._app import _check_targets as check_targets
from ._app import _names as names_of
from ._app import _screen as screen
from ._app import _write_json as write_json
from ._screen import collected_warnings
from ._tables import show_cloud, show_warnings

_TEXT = (".csv", ".tsv", ".txt", ".dat")  # files that need no column of times


@app.command("cloud")
def cloud_command(
    paths: Paths,
    states: States = None,
    candidates: Candidates = "affine",
    dimension: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=_whole, help="Of the submanifold under the points; default estimated."
        ),
    ] = None,
    delta: Delta = 0.05,
    alpha: Alpha = 0.05,
    json: JsonFile = None,
) -> None:
    """Symmetries of points near an unknown curve or surface; a text file needs no column of times."""
    check_targets(None, json)
    with collected_warnings() as notes:
        x, names = read_points(paths, names_of(states))
        found = cloud_symmetries(x, by_name(candidates, names), delta, alpha, Geometry(dimension))
    out = screen(json)
    out.print(Text(f"{len(x)} points of {len(names)} coordinates: {', '.join(names)}"), overflow="fold")
    out.print()
    show_cloud(out, found)
    show_warnings(out, [*notes, *found.warnings])
    write_json(json, report.json_text(record_of(found, names, len(x), notes)) + "\n")


def read_points(paths: Sequence[Path], states: list[str] | None) -> tuple[Array, tuple[str, ...]]:
    """The complete rows of all files, and the names of their columns."""
    parts: list[Array] = []
    names = states
    for path in paths:
        if path.suffix.lower() in _TEXT:
            columns = read_text(path).columns
            names = list(columns) if names is None else names
            missing = [name for name in names if name not in columns]
            require(not missing, f"{path}: no column {', '.join(missing)} among {', '.join(columns)}")
            parts.append(np.stack([np.asarray(columns[name], dtype=float) for name in names], axis=1))
        else:
            for run in open_runs([path], None, names):
                names = list(run.names) if names is None else names
                parts.append(np.asarray(run.read().x))
    assert names is not None
    x = np.concatenate(parts)
    return x[np.isfinite(x).all(axis=1)], tuple(names)


def record_of(found: CloudSymmetries, names: Sequence[str], m: int, notes: Sequence[str]) -> dict[str, Any]:
    """The result as plain data."""
    algebra = found.algebra if found.complete else None
    return {
        "schema": 1,
        "points": m,
        "coordinates": list(names),
        "dimension": found.dimension,
        "noise": found.noise if np.isfinite(found.noise) else None,
        "vanishing": found.vanishing,
        "undecided": found.undecided,
        "symmetries": [
            {
                "label": f.label,
                "expression": f.generator.expressions(10)[0],
                "verdict": f.verdict.status,
                "defect": f.verdict.defect,
                "defect_lower": f.verdict.lower,
                "defect_upper": f.verdict.upper,
                "reason": f.verdict.reason,
            }
            for f in found.findings
        ],
        "algebra": {
            "dimension": len(found.generators),
            "name": found.name,
            "structure_constants": None if algebra is None else algebra.structure_constants,
        },
        "region": found.region.description,
        "warnings": [*notes, *found.warnings],
    }
