"""`dynsym predict`: how long the models of analyses and refits foresee runs that they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.text import Text

from .. import report
from .._checks import DataError, require
from ..certify import CERTIFIED
from ..dictionary import Terms
from ..prediction import PredictionRule, Predictions, predictions
from ..sections import ScalarFunction
from ..trajectory import open_runs
from ..vector_field import VectorField
from ._app import Alpha, JsonFile, Noise, Paths, Run, Time, _noise, _whole, app
from ._app import _check_targets as check_targets
from ._app import _screen as screen
from ._app import _write_json as write_json
from ._record import load_record, only_states
from ._screen import collected_warnings, progress
from ._tables import show_warnings


@app.command("predict")
def predict_command(
    paths: Paths,
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            metavar="[NAME=]FILE",
            help="An analysis.json or refit.json; several times for several models, the first is the baseline.",
        ),
    ],
    time: Time = None,
    run: Run = None,
    noise: Noise = "auto",
    threshold: Annotated[
        float,
        typer.Option(
            metavar="E", help="Error, in spreads of the states, up to which predictions count as valid."
        ),
    ] = 0.4,
    starts: Annotated[
        int, typer.Option(metavar="N", parser=_whole, help="Starts in each run, over its first half.")
    ] = 1,
    alpha: Alpha = 0.05,
    json: JsonFile = None,
) -> None:
    """Judge models by simulating them along runs that they were not fitted to."""
    check_targets(None, json)
    sd = _noise(noise)
    rule = PredictionRule(threshold=threshold, starts=starts, alpha=alpha)
    fields, laws = read_models(model)
    names = next(iter(fields.values())).names
    first = Path(model[0].rpartition("=")[2])
    runs = only_states(open_runs(paths, time, None, run), names, first)
    if sd != "auto":
        runs = [replace(item, sd=np.full(item.n_states, float(sd))) for item in runs]
    with collected_warnings() as notes, progress() as tell:
        tell("predictions", 0.1)
        judged = predictions(fields, runs, laws, rule)
    out = screen(json)
    show_predictions(out, judged)
    show_warnings(out, notes)
    write_json(json, report.json_text({"schema": 1, **judged.to_dict(), "warnings": notes}) + "\n")


def show_predictions(out: Any, judged: Predictions) -> None:
    """The table of a comparison of predictions."""
    for line in str(judged).splitlines():
        out.print(Text(line), overflow="fold")
    out.print()


def read_models(texts: Sequence[str]) -> tuple[dict[str, VectorField], list[ScalarFunction]]:
    """Fields by name, and the certified laws of the first file that has any.

    Raises
    ------
    DataError
        If a file holds no model, two models have the same name, or their states differ.
    """
    fields: dict[str, VectorField] = {}
    laws: list[ScalarFunction] = []
    for text in texts:
        given, _, file = text.rpartition("=")
        path = Path(file)
        name = given or path.stem
        require(name not in fields, f"two models are called {name!r}; name them with --model NAME=FILE")
        record = load_record(path)
        try:
            content = record["model"]
            states = tuple(str(state) for state in content["states"])
            terms = Terms([str(term) for term in content["terms"]], states)
            fields[name] = VectorField(terms, np.array(content["coefficients"], dtype=float))
            laws = laws or _laws(record, states)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} lacks the entry {error}; give an analysis.json or refit.json") from error
        first = next(iter(fields.values())).names
        require(
            states == first,
            f"{name} has the states {states} and the first model {first}; compare models of the same states",
        )
    return fields, laws


def _laws(record: dict[str, Any], states: tuple[str, ...]) -> list[ScalarFunction]:
    out = []
    for entry in record.get("conserved_quantities", ()):
        if entry["verdict"] == CERTIFIED:
            terms = {str(term): float(c) for term, c in entry["coefficients"].items()}
            out.append(ScalarFunction(Terms(list(terms), states), np.array(list(terms.values()))))
    return out
