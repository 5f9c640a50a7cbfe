"""Reading an analysis.json back: its dictionary and its certified symmetries."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from .._checks import DataError, require
from ..certify import CERTIFIED
from ..dictionary import Monomials, Terms, parse_expression
from ..generators import Generators, by_name, with_time_scaling
from ..trajectory import AnyRun, with_states
from ..vector_field import field_from_sympy

_SCHEMA = 1
_DERIVATION = re.compile(r"\s*\bd/d(\w+)\s*")


@dataclass(frozen=True)
class Record:
    """What a refit needs of an analysis.json: terms, certified generators, the family they come from."""

    dictionary: Terms
    generators: Generators
    family: Generators


def load_record(path: Path) -> dict[str, Any]:
    """The plain content of an analysis.json of our schema; refuses everything else."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(
            f"{path} is not JSON ({error}); give the analysis.json that dynsym analyze wrote"
        ) from error
    require(
        isinstance(record, dict) and record.get("schema") == _SCHEMA,
        f"{path} is not an analysis of schema {_SCHEMA}; give the analysis.json that dynsym analyze wrote",
    )
    return record


def read_record(path: Path) -> Record:
    """The dictionary of the model and the certified symmetries of an analysis.json.

    Raises
    ------
    DataError
        If the file is no analysis.json of schema 1, or certifies no symmetry.
    """
    record = load_record(path)
    try:
        states = tuple(str(name) for name in record["model"]["states"])
        dictionary = Terms([str(term) for term in record["model"]["terms"]], states)
        certified = [entry for entry in record["symmetries"] if entry["verdict"] == CERTIFIED]
        found = [_generator(entry, states) for entry in certified]
        family = by_name(str(record["input"]["candidates"]), states)
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path} lacks the entry {error}; run dynsym analyze again") from error
    require(len(found) > 0, f"{path} certifies no symmetry, so there is nothing to enforce; see its verdicts")
    joint = found[0]
    for one in found[1:]:
        joint = joint + one
    assert family.time_scaling is not None
    return Record(dictionary, joint, family if family.time_scaling.any() else with_time_scaling(family))


def _generator(entry: Mapping[str, Any], names: Sequence[str]) -> Generators:
    label, text = str(entry["label"]), str(entry["expression"])
    scaling = [float(entry["time_scaling"])]
    if entry["matrix"] is None or "t*" in re.sub(r"\w+t\*", "", text):
        return _from_text(label, text, names)
    matrix, offset = np.asarray(entry["matrix"], dtype=float), entry["offset"]
    n = len(names)
    require(matrix.shape == (n, n), f"the matrix of {label!r} has shape {matrix.shape}, expected ({n}, {n})")
    affine = Monomials(n, 1, names=names)
    coefficients = np.zeros((1, n, affine.n_terms))
    for k, exponents in enumerate(affine.exponents):
        column = np.zeros(n) if offset is None else np.asarray(offset, dtype=float)
        coefficients[0, :, k] = matrix[:, int(np.argmax(exponents))] if exponents.any() else column
    return Generators(affine, coefficients, (label,), np.array(scaling))


def _from_text(label: str, text: str, names: Sequence[str]) -> Generators:
    """A generator written as ``-y d/dx + x d/dy + 1.5*t d/dt``."""
    pieces = _DERIVATION.split(text)
    rows = {name: sp.Integer(0) for name in names}
    scaling = 0.0
    for body, name in zip(pieces[0::2], pieces[1::2]):
        expression = parse_expression(body.strip().removeprefix("+").strip(), (*names, "t"))
        growth = sp.diff(expression, sp.Symbol("t", real=True))
        if name == "t" and name not in rows:
            scaling = float(growth)
            continue
        require(name in rows, f"the generator {text!r} moves {name}, which is no state ({', '.join(names)})")
        require(growth == 0, f"the generator {text!r} grows with time (a boost); a refit cannot enforce that")
        rows[name] = rows[name] + expression
    field = field_from_sympy(list(rows.values()), names)
    return Generators(field.dictionary, field.coefficients[None], (label,), np.array([scaling]))


def only_states(runs: Sequence[AnyRun], names: Sequence[str], path: Path) -> list[AnyRun]:
    """The runs with the states of the record, in its order and under its names."""
    have = [re.sub(r"\W+", "_", name.strip()).strip("_") for name in runs[0].names]
    missing = [name for name in names if name not in have]
    require(
        not missing,
        f"the data have no state {', '.join(missing)}, which {path} speaks of; "
        f"they have {', '.join(runs[0].names)}: choose with --states",
    )
    keep = [have.index(name) for name in names]
    return [with_states(run, keep, tuple(names), run.sd) for run in runs]
