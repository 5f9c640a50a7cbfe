"""Prediction and simulation of a learned Lorenz field beside PySINDy, and many runs beside one by one; prints one table.

PySINDy fits x' of the Lorenz system over polynomials of degree 2 and its model is taken over as it is, so both sides
evaluate the same 7 coefficients. Simulations are from the first sample at 5000 times in 0 .. 10: LSODA with
rtol = atol = 1e-12, which is PySINDy's default, on both sides, then our default (DOP853, rtol 1e-9). The flow is
chaotic and multiplies every error by about 10^4 until t = 10, so the last column has the largest errors of peer and ours
against a run with tolerances of 1e-14. All numbers are medians in one process on one thread.

Run with: OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_simulate.py [--repeats 5] [--states 100000] [--runs 1000]
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pysindy as ps
from scipy.integrate import solve_ivp

import dynsym as dy

START = np.array([-8.0, 8.0, 27.0])
TIMES = np.linspace(0, 10, 5000)
TIGHT = dy.Integrator("LSODA", rtol=1e-12, atol=1e-12)
TIGHTEST = dy.Integrator("DOP853", rtol=1e-14, atol=1e-14)


def learned() -> ps.SINDy:
    """A fitted PySINDy model of the Lorenz system."""
    t = np.arange(0, 10, 0.002)
    truth = dy.systems.get("lorenz").field()
    x = truth.simulate(START, t).x
    model = ps.SINDy(optimizer=ps.STLSQ(threshold=0.1), feature_library=ps.PolynomialLibrary(degree=2))
    return model.fit(x, t=t, x_dot=truth.evaluate(x), feature_names=["x", "y", "z"])


def seconds(work: Callable[[], Any], repeats: int, calls: int = 1) -> float:
    """Median time of one call; the first round is not counted."""
    taken = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        for _ in range(calls):
            work()
        taken.append((time.perf_counter() - begin) / calls)
    return statistics.median(taken[1:])


def peak(work: Callable[[], Any]) -> float:
    """Largest memory that a call allocates, in MB."""
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


def written(value: float) -> str:
    """A time with a unit."""
    for factor, unit in ((1e6, "us"), (1e3, "ms")):
        if value * factor < 1000:
            return f"{value * factor:.3g} {unit}"
    return f"{value:.3g} s"


def row(what: str, peer: float, ours: float, apart: float | str) -> None:
    """One line of the table."""
    last = apart if isinstance(apart, str) else f"{apart:.1e}"
    print(f"{what:<52}{written(peer):>10}{written(ours):>10}{peer / ours:>9.1f}  {last}")


def prediction(model: ps.SINDy, field: dy.VectorField, repeats: int, states: int) -> None:
    """One state, and many."""
    one = START[None, :]
    gap = float(np.abs(model.predict(one)[0] - field(START)).max())
    peer = seconds(lambda: model.predict(one), repeats, 200)
    row("f at one state: model.predict", peer, seconds(lambda: field(START), repeats, 20_000), gap)
    state = START.tolist()
    row("   ... as program.one", peer, seconds(lambda: field.program.one(*state), repeats, 20_000), gap)
    many = np.random.default_rng(0).standard_normal((states, 3))
    out = np.empty_like(many)
    gap = float(np.abs(model.predict(many) - field.evaluate(many)).max())
    peer = seconds(lambda: model.predict(many), repeats)
    row(f"f at {states} states: model.predict", peer, seconds(lambda: field.evaluate(many), repeats), gap)
    ours = seconds(lambda: field.program.many(many, out), repeats)
    memory = f"peak {peak(lambda: model.predict(many)):.0f} MB, {peak(lambda: field.program.many(many, out)):.1f} MB"
    row("   ... as program.many, into the same array", peer, ours, memory)


def simulation(model: ps.SINDy, field: dy.VectorField, repeats: int) -> None:
    """One run with PySINDy's integrator and with ours, and beside SciPy on a compiled right-hand side."""
    exact = field.simulate(START, TIMES, TIGHTEST).x
    peer = seconds(lambda: model.simulate(START, TIMES), min(repeats, 2))
    theirs = model.simulate(START, TIMES)
    for what, how in (("LSODA 1e-12 on both sides", TIGHT), ("ours DOP853 1e-9", dy.Integrator())):
        ours = seconds(lambda how=how: field.simulate(START, TIMES, how), repeats)
        row(f"a run: model.simulate, {what}", peer, ours, errors(exact, theirs, field, how))
    f = field.program.one
    for how in (TIGHT, dy.Integrator()):

        def scipys(how: dy.Integrator = how) -> Any:
            span, rate = (TIMES[0], TIMES[-1]), lambda _, x: f(*x.tolist())
            return solve_ivp(rate, span, START, how.method, t_eval=TIMES, rtol=how.rtol, atol=how.atol)

        ours = seconds(lambda how=how: field.simulate(START, TIMES, how), repeats)
        row(
            f"a run: solve_ivp {how.method} on compiled f",
            seconds(scipys, repeats),
            ours,
            errors(exact, scipys().y.T, field, how),
        )


def errors(exact: np.ndarray, theirs: np.ndarray, field: dy.VectorField, how: dy.Integrator) -> str:
    """The largest error of a peer's run and of ours."""
    pair = (np.abs(x - exact).max() for x in (theirs, field.simulate(START, TIMES, how).x))
    return "errors " + ", ".join(f"{error:.1e}" for error in pair)


def batches(field: dy.VectorField, repeats: int, runs: int) -> None:
    """Many initial states together and one by one, without and with a law that is kept."""
    starts = START + np.random.default_rng(0).standard_normal((runs, 3))
    t = np.linspace(0, 2, 101)
    kepler = dy.systems.get("kepler_2d")
    planets = np.array([kepler.start(np.random.default_rng(k)) for k in range(runs)])
    laws = [dy.ScalarFunction(dy.Terms([h], kepler.states), [1.0]) for h in kepler.invariants[:1]]
    newton = kepler.field()
    cases = [
        ("Lorenz", field, starts, ()),
        ("Kepler", newton, planets, ()),
        ("Kepler, energy kept", newton, planets, laws),
    ]
    for what, f, x0, keep in cases:

        def together(f: dy.VectorField = f, x0: np.ndarray = x0, keep: Any = keep) -> Any:
            return f.simulate_many(x0, t, conserve=keep)

        def alone(f: dy.VectorField = f, x0: np.ndarray = x0, keep: Any = keep) -> Any:
            return [f.simulate(x, t, conserve=keep) for x in x0]

        gap = max(float(np.abs(a.x - b.x).max()) for a, b in zip(together(), alone()))
        row(
            f"{what}: {runs} runs one by one, together",
            seconds(alone, min(repeats, 3)),
            seconds(together, repeats),
            gap,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--states", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=1000)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    model = learned()
    field = dy.interop.from_pysindy(model)
    print(f"PySINDy {ps.__version__}; {'; '.join(field.equations(4))}\n")
    print(f"{'':<52}{'peer':>10}{'ours':>10}{'ratio':>9}  largest difference")
    prediction(model, field, args.repeats, args.states)
    simulation(model, field, args.repeats)
    batches(field, args.repeats, args.runs)


if __name__ == "__main__":
    main()
