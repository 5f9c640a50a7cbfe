"""`dynsym fit`: least squares on a dictionary, held to laws that are known or to Hamiltonian form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.text import Text

from .. import report
from .._checks import require
from ..certify import Level
from ..dictionary import Dictionary, Terms, parse_dictionary
from ..enforce import PotentialFields, conserving, hamiltonian_fields
from ..findings._evidence import evidence_of
from ..optim import LinearConstraint
from ..regression import Model, fit
from ..report import short
from ..sections import ScalarFunction
from ..selection._breaks import Held
from ..selection._conservation import Kept
from ..trajectory import open_runs
from ._app import JsonFile, Noise, Paths, Run, States, Time, app
from ._app import _check_targets as check_targets
from ._app import _names as names_of
from ._app import _noise as noise_of
from ._app import _screen as screen
from ._app import _write_json as write_json
from ._screen import collected_warnings, progress
from ._tables import _heading as heading
from ._tables import _table as table_of
from ._tables import show_model, show_warnings


@app.command("fit")
def fit_command(
    paths: Paths,
    dictionary: Annotated[str, typer.Option(metavar="EXPR", help="Terms of the equations, as 'poly(3)'.")],
    conserve: Annotated[
        list[str] | None,
        typer.Option(metavar="EXPR", help="A function that the model is to keep, as 'x^2 + v^2'; repeat it."),
    ] = None,
    hamiltonian: Annotated[
        bool,
        typer.Option("--hamiltonian", help="Canonical form: positions first, then their momenta."),
    ] = False,
    energies: Annotated[
        str | None,
        typer.Option(metavar="EXPR", help="Functions that the energy of --hamiltonian is made of."),
    ] = None,
    time: Time = None,
    states: States = None,
    run: Run = None,
    noise: Noise = "auto",
    json: JsonFile = None,
) -> None:
    """Least squares on given terms, held exactly to known laws or to Hamiltonian form."""
    sd = noise_of(noise)
    check_targets(None, json)
    require(energies is None or hamiltonian, "--energies says what H is made of, and needs --hamiltonian")
    with collected_warnings() as notes, progress() as tell:
        runs = open_runs(paths, time, names_of(states), run)
        if sd != "auto":
            runs = [replace(item, sd=np.full(item.n_states, float(sd))) for item in runs]
        names = tuple(runs[0].names)
        terms = parse_dictionary(dictionary, names)
        tell("rows", 0.3)
        plain = fit(runs, terms)
        own = plain.field.dictionary
        laws = [ScalarFunction(Terms([text], names), np.ones(1)) for text in conserve or ()]
        constraints, family = constraints_of(own, laws, hamiltonian, energies)
        model = fit(plain.compressed, constraints=constraints) if constraints else plain
        held = [judged(plain, law) for law in laws]
    show = screen(json)
    show_model(show, model, "Model" if constraints else "Model, no constraint")
    _show_constraint(show, plain, model, held, family)
    show_warnings(show, notes)
    write_json(json, report.json_text(_record(plain, model, held, family, notes)) + "\n")


def constraints_of(
    dictionary: Dictionary, laws: Sequence[ScalarFunction], hamiltonian: bool, energies: str | None
) -> tuple[list[LinearConstraint], PotentialFields | None]:
    """The constraints that the options ask for, and the Hamiltonian family among them."""
    out: list[LinearConstraint] = [conserving(laws, dictionary)] if laws else []
    if not hamiltonian:
        return out, None
    made_of = None if energies is None else parse_dictionary(energies, dictionary.names)
    family = hamiltonian_fields(dictionary, energies=made_of)
    return [*out, family], family


def judged(plain: Model, law: ScalarFunction) -> Held:
    """What the fit without constraint says about a law."""
    found = Kept(law.dictionary, plain.region)
    verdict = found.judge(plain, law.coefficients, evidence_of(plain), Level())
    return Held(str(law), law.coefficients, verdict)


def _show_constraint(
    out: Console, plain: Model, model: Model, held: Sequence[Held], family: PotentialFields | None
) -> None:
    if model.constraint is None:
        return
    heading(out, "Constraint")
    free = model.constraint.size - model.constraint.rank
    out.print(Text(f"  {free} of {model.constraint.size} coefficients are free."), overflow="fold")
    table = table_of("equation", ">residual, free fit", ">constrained")
    for name, a, b in zip(model.field.names, plain.residual_sd, model.residual_sd):
        table.add_row(f"{name}'", short(float(a), 3), short(float(b), 3))
    out.print(table)
    for one in held:
        bound = f"(defect {one.verdict.defect:.1e} <= {one.verdict.upper:.1e})"
        said = f"  {one.verdict.status} by the free fit: {one.expression} {bound}"
        out.print(Text(said, overflow="fold"))
    if family is not None:
        out.print(Text(f"  H = {family.potentials(model)['H']}"), overflow="fold")
    out.print()


def _record(
    plain: Model, model: Model, held: Sequence[Held], family: PotentialFields | None, notes: list[str]
) -> dict[str, Any]:
    field = model.field
    energy = None
    if family is not None:
        H = family.potentials(model)["H"]
        energy = {
            "expression": str(H),
            "terms": list(H.dictionary.terms),
            "coefficients": H.coefficients,
            "standard_errors": family.errors(model)["H"],
        }
    return {
        "schema": 1,
        "model": {
            "states": list(field.names),
            "terms": list(field.dictionary.terms),
            "coefficients": field.coefficients,
            "standard_errors": model.standard_errors,
            "equations": field.equations(12),
        },
        "residual_sd": {"free": plain.residual_sd, "constrained": model.residual_sd},
        "free_coefficients": field.coefficients.size
        if model.constraint is None
        else model.constraint.size - model.constraint.rank,
        "conserved": [
            {
                "expression": one.expression,
                "verdict": one.verdict.status,
                "defect": one.verdict.defect,
                "upper": one.verdict.upper,
            }
            for one in held
        ],
        "hamiltonian": energy,
        "warnings": notes,
    }
