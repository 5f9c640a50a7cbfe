"""Compressed data in a file: numbers and text only, so that reading one can run nothing."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import Array, DataError, frozen, require
from .._writing import write_whole
from ..dictionary import Dictionary, Monomials, Terms
from ..differentiation import Derivatives, LocalPolynomial, RowMethod, WeakForm
from ..trajectory import Trajectory
from ..vector_field import VectorField
from ._blocks import Block, Compressed
from ._factor import Factor
from ._prepare import Prepared, thinned

_SCHEMA = 1
_EXCERPTS = 20_000  # samples kept beside the factors, for regions and pictures


def save_compressed(data: Compressed, path: str | os.PathLike[str]) -> Path:
    """Write factors, what their rows are made of, and excerpts of the runs; whole or not at all.

    Raises
    ------
    DataError
        If the dictionary has no formulas, or the rows were made by a method of another package.

    Examples
    --------
    >>> import dynsym as dy, pathlib, tempfile
    >>> from dynsym.compress import load_compressed, save_compressed
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "day1.npz"
    >>> data = dy.compress(dy.systems.get("lorenz").runs(4, 500), dy.Monomials(3, 2))
    >>> _ = save_compressed(data, path)
    >>> bool((load_compressed(path).total.triangle == data.total.triangle).all())
    True
    """
    source, dictionary = data.origin
    require(dictionary.has_formulas, f"{dictionary!r} has no formulas that could be written to a file")
    runs = list(thinned(source.clouds, _EXCERPTS))
    about = {
        "schema": _SCHEMA,
        "names": list(dictionary.names),
        "terms": list(dictionary.terms),
        "degree": dictionary.degree if isinstance(dictionary, Monomials) and dictionary.is_complete else None,
        "method": _method_record(source.method),
        "routes": [block.route for block in data.blocks],
        "n_terms": dictionary.n_terms,
    }
    arrays = {
        "about": np.array(json.dumps(about)),
        "triangles": np.vstack([block.factor.triangle for block in data.blocks]),
        "heights": np.array([len(block.factor.triangle) for block in data.blocks]),
        "n_rows": np.array([block.factor.n_rows for block in data.blocks]),
        "runs": np.array([block.run for block in data.blocks]),
        "conditions": np.array([np.nan if b.condition is None else b.condition for b in data.blocks]),
        "noise": source.noise,
        "leak": data.leak,
        "t": np.concatenate([run.t for run in runs]),
        "x": np.concatenate([run.x for run in runs]),
        "lengths": np.array([len(run) for run in runs]),
    }
    target = Path(path)
    require(bool(target.name), f"{str(path)!r} is no name of a file")

    def save(place: Path) -> None:
        with place.open("wb") as file:  # given a name instead, NumPy would append one more ending to it
            np.savez_compressed(file, allow_pickle=False, **arrays)

    return write_whole(target.parent, {target.name: save})[0]


def load_compressed(path: str | os.PathLike[str]) -> Compressed:
    """Read what `save_compressed` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DataError
        If the file is damaged or something else.
    """
    try:
        # Opened here, since NumPy leaves a file open that it cannot read.
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays["about"]))
        require(about["schema"] == _SCHEMA, f"schema {about['schema']} is not {_SCHEMA}")
        return _compressed_of(about, arrays)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise DataError(
            f"{path} is not a file of compressed data ({error}); give one that `dynsym compress` wrote"
        ) from error


def _compressed_of(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Compressed:
    names = tuple(about["names"])
    degree, dictionary = about["degree"], None
    if degree is not None:
        dictionary = Monomials(len(names), int(degree), names)
    made: Dictionary = dictionary if dictionary is not None else Terms(list(about["terms"]), names)
    ends = np.cumsum(arrays["lengths"])[:-1]
    runs = tuple(
        Trajectory(t, x, names)
        for t, x in zip(np.split(arrays["t"], ends), np.split(arrays["x"], ends), strict=True)
    )
    source = Prepared(
        runs, (), _method_of(about["method"], made), frozen(arrays["noise"]), tuple(range(len(runs)))
    )
    cuts = np.cumsum(arrays["heights"])[:-1]
    blocks = [
        Block(
            Factor(frozen(triangle), int(about["n_terms"]), int(m)),
            int(run),
            route,
            None if np.isnan(c) else float(c),
        )
        for triangle, m, run, route, c in zip(
            np.split(arrays["triangles"], cuts),
            arrays["n_rows"],
            arrays["runs"],
            about["routes"],
            arrays["conditions"],
            strict=True,
        )
    ]
    return Compressed(tuple(blocks), source, made, frozen(arrays["leak"]))


def _method_record(method: RowMethod) -> dict[str, Any]:
    if isinstance(method, Derivatives):
        return {"kind": "derivatives"}
    if isinstance(method, LocalPolynomial):
        return {
            "kind": "local polynomial",
            "half_width": method.half_width,
            "degree": method.degree,
            "ends": method.ends,
        }
    if isinstance(method, WeakForm):
        field = None if method.field is None else method.field.coefficients.tolist()
        return {"kind": "weak form", "half_width": method.half_width, "field": field}
    raise DataError(f"rows by '{method.description}' cannot be described in a file; use one of dynsym's own")


def _method_of(record: Mapping[str, Any], dictionary: Dictionary) -> RowMethod:
    kind = record["kind"]
    if kind == "derivatives":
        return Derivatives()
    if kind == "local polynomial":
        return LocalPolynomial(int(record["half_width"]), int(record["degree"]), bool(record["ends"]))
    require(kind == "weak form", f"unknown rows {kind!r}")
    coefficients: Array | None = None if record["field"] is None else np.array(record["field"])
    field = None if coefficients is None else VectorField(dictionary, coefficients)
    return WeakForm(float(record["half_width"]), field)
