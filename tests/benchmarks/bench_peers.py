"""The headline systems of AI Poincare 2, SID, COMET and Lu et al., from states alone; prints one table.

Every system is simulated at the parameters of the package that published it (tests/peer_systems.py), and only times and states
are handed on: no derivatives, no equations. AI Poincare 2 and SID are given the equations; COMET the derivatives (5 % noise).
Two readings are made, both of which must give every law and no other:

  model   learn the dynamics, then `conserved_quantities` with verdicts. Both dictionaries are chosen as `analyze` does it, with
          no hint at all, except where CASES names them (double pendulum).
  runs    `conserved_quantities` straight from the states, without derivatives or dynamics.

`right` means: as many independent ones as there are, and the gradients of the found span those of the true formulas;
`missed`, that laws are lacking and none is false. COMET's two bodies rest on their centre, so four of its seven are
relations x2 = -x1; moving bodies have six algebraic ones and a transcendental seventh. AI Poincare lists four for three
bodies; the fifth is the angular momentum of the centre of mass. Columns of peers: what they published, and what was
measured with their code on two cores (not all were run). Ours are CPU seconds, so that a busy machine does not count.

Run with: python tests/benchmarks/bench_peers.py [--systems Kepler,pendulum] [--formulas]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import peer_systems as peers
from peer_reading import independent_states, rank_on, relations

import dynsym as dy
from dynsym.ladder import choose_dictionary, invariants_for
from dynsym.sections import ScalarFunction

Runs = list[dy.Trajectory]
EXACT = 1e-9  # standard deviation that is said of simulated states
PAIRS = tuple(combinations("123", 2))


def apart(a: str, b: str) -> str:
    """Squared distance of two bodies."""
    return f"((x{a}-x{b})^2 + (y{a}-y{b})^2)"


POTENTIALS = ", ".join(f"1/sqrt({apart(a, b)})" for a, b in PAIRS)
MOMENT = " + ".join(f"x{b}*vy{b} - y{b}*vx{b}" for b in "123")
LRL = "(x*vy - y*vx)*vy - x/sqrt(x^2+y^2); (x*vy - y*vx)*vx + y/sqrt(x^2+y^2)"
KEPLER = f"(vx^2+vy^2)/2 - 1/sqrt(x^2+y^2); x*vy - y*vx; {LRL}"
TRIANGLE = (
    "vx1+vx2+vx3; vy1+vy2+vy3; vx1^2+vx2^2+vx3^2+vy1^2+vy2^2+vy3^2; " + MOMENT + "; "
    "(x1+x2+x3)*(vy1+vy2+vy3) - (y1+y2+y3)*(vx1+vx2+vx3); x1*(y2-y3) + x2*(y3-y1) + x3*(y1-y2); "
    "vx1*(y2-y3) + x1*(vy2-vy3) + vx2*(y3-y1) + x2*(vy3-vy1) + vx3*(y1-y2) + x3*(vy1-vy2); "
    "vx1*(x2-x3) + vx2*(x3-x1) + vx3*(x1-x2) + vy1*(y2-y3) + vy2*(y3-y1) + vy3*(y1-y2)"
)
AUTO = ("auto", "auto")


@dataclass(frozen=True)
class Case:
    """One system: data, truth, what the peer says, and the dictionaries of both readings."""

    name: str
    runs: Callable[[], Runs]
    true: str  # the laws, formulas joined by semicolons
    count: int
    peer: str
    published: str
    measured: str
    model: tuple[str, str] | None = AUTO  # dynamics and laws; None: the dynamics are not sought
    along: str = "poly(2)"


CASES = (
    Case(
        "isotropic oscillator",
        lambda: peers.oscillator(1.0),
        "x^2+vx^2; y^2+vy^2; x*y+vx*vy; x*vy-y*vx",
        3,
        "AI Poincare 2",
        "3",
        "3 (107 s)",
    ),
    Case(
        "oscillator 1:2",
        lambda: peers.oscillator(4.0),
        "x^2+vx^2; 4*y^2+vy^2; y*(x^2-vx^2)+x*vx*vy; 4*x*y*vx - vy*(x^2-vx^2)",
        3,
        "AI Poincare 2",
        "3",
        "3 (763 s)",
        along="poly(3)",
    ),
    Case(
        "oscillator 1:sqrt 2",
        lambda: peers.oscillator(2.0),
        "x^2+vx^2; 2*y^2+vy^2",
        2,
        "AI Poincare 2",
        "2",
        "not run",
        along="poly(3)",
    ),
    Case(
        "Kepler, uniform starts",
        peers.kepler_uniform,
        KEPLER,
        3,
        "AI Poincare 2",
        "3",
        "3 (712 s)",
        along="poly(3) + poly(1; x, y) * radial(x, y; -1)",
    ),
    Case(
        "three bodies",
        peers.three_body,
        "vx1+vx2+vx3; vy1+vy2+vy3; "
        + MOMENT
        + "; (x1+x2+x3)*(vy1+vy2+vy3) - (y1+y2+y3)*(vx1+vx2+vx3); "
        + "+".join(f"vx{b}^2/2+vy{b}^2/2" for b in "123")
        + "-"
        + "-".join(POTENTIALS.split(", ")),
        5,
        "AI Poincare 2",
        "4",
        "no gap (52 s)",
        along=f"poly(2) + terms({POTENTIALS})",
    ),
    Case(
        "cyclic Lotka-Volterra",
        peers.lotka_volterra_cyclic,
        "x+y+z; x*y*z",
        2,
        "SID",
        "2",
        "2 (2.3 s)",
        along="poly(3)",
    ),
    Case("fluid triangle", peers.fluid_triangle, TRIANGLE, 8, "SID", "8", "8 (5.7-66 s)", None),
    Case("mass on a spring", peers.mass_spring, "x^2+v^2", 1, "COMET", "1", "not run"),
    Case(
        "quartic spring, plane",
        lambda: peers.quartic_spring(2),
        "x*vy-y*vx; (vx^2+vy^2)/2 + (x^2+y^2)^2/4",
        2,
        "COMET",
        "2",
        "not run",
        along="poly(4)",
    ),
    Case(
        "quartic spring, space",
        lambda: peers.quartic_spring(3),
        "x*vy-y*vx; y*vz-z*vy; z*vx-x*vz; (vx^2+vy^2+vz^2)/2 + (x^2+y^2+z^2)^2/4",
        4,
        "COMET",
        "4",
        "not run",
        along="poly(4)",
    ),
    Case(
        "pendulum on a circle",
        peers.pendulum_on_circle,
        "x^2+y^2; x*vx+y*vy; y + (vx^2+vy^2)/2",
        3,
        "COMET",
        "3",
        "not run",
    ),
    Case(
        "damped pendulum, circle",
        lambda: peers.pendulum_on_circle(damping=1.0),
        "x^2+y^2; x*vx+y*vy",
        2,
        "COMET",
        "2",
        "not run",
        None,
    ),
    Case(
        "Lotka-Volterra",
        peers.lotka_volterra,
        "x - log(x) + y - log(y)",
        1,
        "COMET",
        "1",
        "not run",
        along="poly(1) + terms(log(x), log(y))",
    ),
    Case(
        "two bodies at rest",
        peers.two_body,
        "(vx1^2+vy1^2) - 1/(2*sqrt(x1^2+y1^2)); x1*vy1-y1*vx1; 4*(x1*vy1-y1*vx1)*vy1 - x1/sqrt(x1^2+y1^2); "
        "4*(x1*vy1-y1*vx1)*vx1 + y1/sqrt(x1^2+y1^2)",
        7,
        "COMET",
        "7",
        "not run",
        along="poly(3) + poly(1; x1, y1) * radial(x1, y1; -1)",
    ),
    Case(
        "two bodies, moving",
        lambda: dy.systems.get("two_body_planar").runs(30, 200, exact_derivatives=False),
        "vx1+vx2; vy1+vy2; (x1+x2)*(vy1+vy2)-(y1+y2)*(vx1+vx2); x1*vy1-y1*vx1 + x2*vy2-y2*vx2; "
        + "(vx1^2+vx2^2+vy1^2+vy2^2)/2 - 1/sqrt((x1-x2)^2+(y1-y2)^2); "
        + "((x1-x2)*(vy1-vy2)-(y1-y2)*(vx1-vx2))*(vy1-vy2) - 2*(x1-x2)/sqrt((x1-x2)^2+(y1-y2)^2)",
        6,
        "none",
        "-",
        "-",
        along="poly(3) + terms(1/sqrt((x1-x2)^2+(y1-y2)^2), (x1-x2)/sqrt((x1-x2)^2+(y1-y2)^2), "
        "(y1-y2)/sqrt((x1-x2)^2+(y1-y2)^2))",
    ),
    Case(
        "pendulum",
        lambda: peers.lu_pendulum(step=0.1),
        "p^2/2 - cos(q)",
        1,
        "Lu et al.",
        "1",
        "not run",
        along="poly(2) + fourier(1)",
    ),
    Case(
        "pendulum, random times",
        peers.lu_pendulum,
        "p^2/2 - cos(q)",
        1,
        "Lu et al.",
        "1",
        "not run",
        None,
        "poly(2) + fourier(1)",
    ),
    Case(
        "Kepler, random times",
        peers.lu_kepler,
        KEPLER,
        3,
        "Lu et al.",
        "3",
        "not run",
        None,
        "poly(3) + poly(1; x, y) * radial(x, y; -1)",
    ),
    Case(
        "double pendulum",
        peers.lu_double_pendulum,
        "w1^2 + w2^2/2 + w1*w2*cos(th1-th2) - 2*cos(th1) - cos(th2)",
        1,
        "Lu et al.",
        "1",
        "not run",
        (
            dy.systems.get("double_pendulum").dictionary,
            dy.systems.get("double_pendulum").invariants_dictionary,
        ),
        "poly(2; w1, w2) + terms(w1*w2*cos(th1-th2), w1*w2*sin(th1-th2), w1*cos(th1), w2*cos(th2)) + fourier(1)",
    ),
)


@dataclass(frozen=True)
class Found:
    """What one reading gave: formulas, number of independent ones, linear relations among the states, seconds."""

    functions: tuple[ScalarFunction, ...]
    independent: int
    relations: int
    seconds: float
    undecided: int = 0


def by_model(runs: Runs, dictionaries: tuple[str, str]) -> Found:
    """Learn the dynamics, then find laws; states that are linear in others are left out first."""
    start = time.process_time()
    short, left_out = independent_states(runs)
    if dictionaries == AUTO:
        terms, text, _ = choose_dictionary(short)
        model = dy.fit(short, terms, penalty=dy.Stepwise())
        inside = dy.parse_dictionary(invariants_for(model, text), short[0].names)
    else:
        terms, inside = (dy.parse_dictionary(text, short[0].names) for text in dictionaries)
        model = dy.fit(short, terms, penalty=dy.Stepwise())
    laws = dy.conserved_quantities(model, inside)
    undecided = len(laws.findings) - len(laws.functions)
    seconds = time.process_time() - start
    return Found(laws.functions, laws.independent + len(left_out), len(left_out), seconds, undecided)


def by_runs(runs: Runs, text: str) -> Found:
    """Laws straight from the states: no derivatives, no dynamics.

    The data are simulated and said to be exact: at random times no noise can be told from motion. Relations that all data obey
    (x^2 + y^2 = 1) are not certified as laws, since one surface may hold all runs; they are counted apart.
    """
    start = time.process_time()
    short, left_out = independent_states(runs)
    short = [replace(run, sd=np.full(run.n_states, EXACT)) for run in short]
    found = dy.conserved_quantities(short, dy.parse_dictionary(text, short[0].names))
    undecided = [law.function for law in found.findings if law.verdict.status == "undecided"]
    held = relations(undecided, np.concatenate([run.x for run in short]))
    seconds = time.process_time() - start
    independent = found.independent + len(held) + len(left_out)
    return Found((*found.functions, *held), independent, len(left_out), seconds, len(undecided) - len(held))


def judged(found: Found, case: Case, runs: Runs) -> str:
    """right, missed (laws are lacking, none is false) or FALSE, by the gradients of the found and of the true laws."""
    short = independent_states(runs)[0]
    true = dy.Terms([part.strip() for part in case.true.split(";")], short[0].names)
    laws = [ScalarFunction(true, row) for row in np.eye(true.n_terms)]
    x = np.concatenate([run.x for run in short])[::37][:800]
    sizes = x.std(axis=0)
    known = rank_on(laws, x, sizes)
    if rank_on([*laws, *found.functions], x, sizes) > known:
        return "FALSE"
    return "right" if found.independent == case.count == known + found.relations else "missed"


def is_right(found: Found, case: Case, runs: Runs) -> bool:
    """Whether every law was found and no other."""
    return judged(found, case, runs) == "right"


def cell(found: Found | None, word: str) -> str:
    """Number of independent ones, whether right, and seconds."""
    return "-" if found is None else f"{found.independent} {word} ({found.seconds:.1f} s)"


WIDTHS = (24, 6, 14, 10, 14, 18, 18)
HEADS = ("system", "truth", "peer", "published", "measured", "ours, model", "ours, runs")


def line(cells: Sequence[str]) -> str:
    """One row."""
    return " ".join(c.ljust(w) for c, w in zip(cells, WIDTHS)).rstrip()


def report(case: Case, formulas: bool) -> bool:
    """Print one system; whether both readings are right."""
    runs = case.runs()
    model = None if case.model is None else by_model(runs, case.model)
    along = by_runs(runs, case.along)
    words = ["-" if found is None else judged(found, case, runs) for found in (model, along)]
    cells = [case.name, str(case.count), case.peer, case.published, case.measured]
    print(line([*cells, cell(model, words[0]), cell(along, words[1])]), flush=True)
    if formulas:
        best = along if model is None or words[0] != "right" else model
        extra = [f"{found_state} is linear in the others" for found_state in independent_states(runs)[1]]
        for text in [*extra, *(str(h) for h in best.functions)]:
            print(f"    {text}")
    return all(word in ("right", "-") for word in words)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", default="", help="parts of names, joined by commas; all by default")
    parser.add_argument("--formulas", action="store_true", help="print what was found")
    args = parser.parse_args()
    wanted = [name.strip() for name in args.systems.split(",") if name.strip()]
    print(line(HEADS))
    chosen = [case for case in CASES if not wanted or any(name in case.name for name in wanted)]
    right = [report(case, args.formulas) for case in chosen]
    print(f"\n{sum(right)} of {len(right)} systems right in every reading that was made")


if __name__ == "__main__":
    main()
