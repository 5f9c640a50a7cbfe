"""How often the lack-of-fit gate calls a model class too small; prints one table of rates (level 0.05).

Right classes (van der Pol's oscillator with cubic terms, Lorenz's with quadratic ones) and small ones (linear terms for
both), over the law of the errors, their place (in the derivatives: strong rows; in the states: the rows that `fit` chooses),
their size and the number of samples in 8 runs. Columns: how often the richer dictionary alone is significant, how often the
p-value of the whole test is below 0.05, and how often the gate closes (significant, and larger than delta / 2, delta = 0.05).

Run with: python tests/benchmarks/bench_lack_of_fit.py --repeats 100
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
from scipy.signal import lfilter
from threadpoolctl import threadpool_limits

import dynsym as dy
from dynsym.findings import misfit_of

LAWS = ("normal", "student t3", "ar 0.8", "by speed")
SYSTEMS = (("van_der_pol", 3), ("lorenz", 2))
SIZES = {"derivatives": (0.01, 0.1, 0.3), "states": (0.01, 0.03, 0.1)}
SAMPLES = (400, 1600, 6400)
LEVEL, DELTA, RUNS = 0.05, 0.05, 8


def drawn(law: str, rng: np.random.Generator, slopes: np.ndarray) -> np.ndarray:
    """Errors of unit variance (m, n)."""
    if law == "student t3":
        return rng.standard_t(3, slopes.shape) / np.sqrt(3)
    white = rng.standard_normal(slopes.shape)
    if law == "ar 0.8":
        white[1:] *= 0.6
        return np.asarray(lfilter([1.0], [1.0, -0.8], white, axis=0))
    if law == "by speed":
        size = 0.3 + np.abs(slopes) / np.abs(slopes).std(axis=0)
        return np.asarray(white * size / np.sqrt(np.mean(size**2)))
    return white


def rates(
    system: str, degree: int, where: str, law: str, size: float, samples: int, repeats: int
) -> np.ndarray:
    """Rates of the three columns for polynomials of one degree."""
    one = dy.systems.get(system)
    truth = one.field()
    runs = one.runs(n_runs=RUNS, n_samples=samples // RUNS)
    slopes = [truth.evaluate(run.x) for run in runs]
    every = np.concatenate(slopes).std(axis=0), np.concatenate([run.x for run in runs]).std(axis=0)
    out = np.zeros(3)
    for seed in range(repeats):
        rng = np.random.default_rng([7, seed])
        noisy = []
        for run, f in zip(runs, slopes):
            error = size * drawn(law, rng, f)
            if where == "derivatives":
                noisy.append(dy.Trajectory(run.t, run.x, run.names, dxdt=f + error * every[0], sd=0.0))
            else:
                noisy.append(dy.Trajectory(run.t, run.x + error * every[1], run.names))
        model = dy.fit(noisy, dy.Monomials(truth.n_states, degree, names=one.states))
        found = misfit_of(model)
        richer = min(1.0, len(found.tests) * min(test.p_value for test in found.tests))
        sure = found.p_value < LEVEL
        out += [richer < LEVEL, sure, sure and found.size.max() > DELTA / 2]
    return out / repeats


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--laws", default=",".join(LAWS))
    parser.add_argument("--samples", default=",".join(map(str, SAMPLES)))
    options = parser.parse_args()
    laws, samples = options.laws.split(","), [int(s) for s in options.samples.split(",")]
    print(
        f"{'system':<14}{'degree':>7}  {'errors in':<13}{'law':<12}{'size':>6}{'samples':>9}{'richer':>8}{'test':>7}{'gate':>7}"
    )
    with threadpool_limits(1):
        for (system, right), where, law, m in product(SYSTEMS, SIZES, laws, samples):
            for size, degree in product(SIZES[where], (right, 1)):
                found = rates(system, degree, where, law, size, m, options.repeats)
                label = f"{system:<14}{degree:>7}  {where:<13}{law:<12}{size:6.2f}{m:9d}"
                print(label + f"{found[0]:8.2f}{found[1]:7.2f}{found[2]:7.2f}", flush=True)


if __name__ == "__main__":
    main()
