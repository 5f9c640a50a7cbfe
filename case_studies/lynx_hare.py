"""Hare and lynx, 1900 to 1920: when the honest answer is undecided

Twenty-one pairs of numbers, pelts traded by the Hudson's Bay Company, are the textbook example of
predator and prey. Offered all six monomials of degree at most two, the fit keeps four, and they are those
of Lotka and Volterra: hares multiply, lynx starve, and both rates change with the encounters,

$$ h' = 0.50\\,h - 0.024\\,h\\,l, \\qquad l' = -0.96\\,l + 0.027\\,h\\,l . $$

These equations have the conserved quantity $V = \\delta h - \\gamma \\ln h + \\beta l - \\alpha \\ln l$,
and its defect for the fitted equations is zero to rounding. A program that stops here announces a
conservation law of Canadian wildlife.

But is it a law of the data? Nothing speaks against it: along the record $V$ varies by a sixth of what it
would if hares and lynx varied independently, which is about what the noise alone does. But nothing speaks for
it either. The law follows from the four terms that were kept, and one run of two cycles, some ten
independent rows, leaves open that the equations contain other terms that break it. The verdict is
`undecided`, and the reason says that the data do not cover the region.

Left to itself, the program does not even choose Lotka and Volterra's dictionary: 21 samples are too few
to choose one, it says so and takes the linear one, and every finding on that is undecided as well. More
than twenty directions of functions and generators are asked about and not one is certified.

References: V. Volterra (1926), Nature 118, 558; B. Carpenter (2018), Predator-Prey Population Dynamics:
the Lotka-Volterra model in Stan, which finds rates 0.55, 0.028, 0.80, 0.024 from the same record.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import dynsym as dy

DATA = Path(__file__).resolve().parents[1] / "data" / "lynx_hare.csv"
VOLTERRA = dy.AnalysisSettings(
    dictionary="poly(2)", invariants="poly(1) + terms(log(hare), log(lynx))", candidates="affine"
)

EXPECTED = {
    "samples": (21, {}),
    "terms_kept": (("hare", "hare*lynx", "lynx", "hare*lynx"), {}),
    "birth_of_hares": (0.55, {"rel_tol": 0.3}),
    "death_of_hares": (-0.028, {"rel_tol": 0.3}),
    "death_of_lynx": (-0.80, {"rel_tol": 0.35}),
    "birth_of_lynx": (0.024, {"rel_tol": 0.3}),
    "defect_of_the_law": (0.0, {"abs_tol": 1e-10}),
    "verdict_on_the_law": ("undecided", {}),
    "certified_laws": (0, {}),
    "certified_symmetries": (0, {}),
    "certified_laws_left_to_itself": (0, {}),
    "certified_symmetries_left_to_itself": (0, {}),
}


def certified(findings: tuple[Any, ...]) -> int:
    """How many findings are certified."""
    return sum(f.verdict.status == "certified" for f in findings)


def compute() -> dict[str, Any]:
    """The analysis with the ecologists' dictionary, and without any hint."""
    runs = dy.open_runs(DATA, time="year")
    told, alone = dy.analyze(runs, VOLTERRA), dy.analyze(runs)
    field = told.model.field
    kept = [(i, j) for i, row in enumerate(field.coefficients) for j in np.flatnonzero(row)]
    rates = [float(field.coefficients[i, j]) for i, j in kept]
    law = told.laws.findings[0]
    return {
        "samples": len(runs[0]),
        "terms_kept": tuple(field.dictionary.terms[j] for _, j in kept),
        **dict(zip(("birth_of_hares", "death_of_hares", "death_of_lynx", "birth_of_lynx"), rates)),
        "defect_of_the_law": law.verdict.defect,
        "verdict_on_the_law": law.verdict.status,
        "reason": law.verdict.reason,
        "certified_laws": certified(told.laws.findings),
        "certified_symmetries": certified(told.symmetries.findings),
        "certified_laws_left_to_itself": certified(alone.laws.findings),
        "certified_symmetries_left_to_itself": certified(alone.symmetries.findings),
        "told": told,
        "law": law,
    }


def figure(result: dict[str, Any]) -> Figure:
    """The record, the cycle among the level sets of V, and V along the record."""
    run, law = result["told"].runs[0], result["law"].function
    drawing = Figure(figsize=(11, 3.6), layout="constrained")
    record, cycle, along = drawing.subplots(1, 3)
    for column, name in enumerate(run.names):
        record.plot(run.t, run.x[:, column], "o-", ms=4, label=name)
    record.set(xlabel="year", ylabel="pelts (thousands)", title="The record")
    record.legend(frameon=False)

    hare, lynx = np.meshgrid(np.linspace(3, 85, 200), np.linspace(2, 65, 200))
    values = law.evaluate(np.column_stack([hare.ravel(), lynx.ravel()])).reshape(hare.shape)
    own = law.evaluate(run.x)
    lowest = values.min()
    levels = lowest + (own.max() - lowest) * np.linspace(0.1, 1.5, 8)
    cycle.contour(hare, lynx, values, levels=levels, colors="0.8", linewidths=0.8, linestyles="solid")
    cycle.plot(run.x[:, 0], run.x[:, 1], "o-", ms=4, color="C2")
    cycle.set(xlabel="hare", ylabel="lynx", title="One orbit, and the level sets of $V$")

    along.plot(run.t, own - lowest, "o-", ms=4, color="C3")
    along.axhline(0, color="0.6", lw=0.8)
    along.text(1900, 0.02 * np.ptp(own), "equilibrium", color="0.4", va="bottom")
    along.set(
        xlabel="year", ylabel="$V$ above its minimum", title=f"Conserved? {result['verdict_on_the_law']}"
    )
    return drawing
