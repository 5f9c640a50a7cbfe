"""The refit chain beside least squares, PySINDy's STLSQ and an oracle; prints one table.

The rotated cubic oscillator in R^6 has 504 cubic coefficients and a hidden so(3) inside so(6). From 200
samples x ~ N(0, I) with 5 % noise on the derivatives each method estimates the field; its error is relative
to the true one at 2000 fresh samples. STLSQ gets the threshold that is best by this true error, which no user
can know; the oracle is least squares under the exact algebra.

Run with: python tests/benchmarks/bench_chain.py --seeds 20
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np

import dynsym as dy

N_SAMPLES, NOISE = 200, 0.05
THRESHOLDS = (0.0, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
METHODS = ("least squares", "STLSQ", "chain", "oracle")


@dataclass(frozen=True)
class Chain:
    """Relative errors of one seed, by method, with the refit behind them; CPU seconds of the refit."""

    errors: dict[str, float]
    refit: dy.Refit
    seconds: float


@cache
def truth() -> tuple[dy.VectorField, dy.Generators]:
    """The field over cubic monomials, and its exact algebra among the rotations."""
    system = dy.systems.get("rotated_cubic_oscillator")
    field = system.field()
    generators = dy.symmetries(field, dy.generators.rotations(6, names=system.states)).generators
    return field, generators


def sample(seed: int) -> tuple[dy.Trajectory, np.ndarray]:
    """200 independent states with noisy derivatives, and 2000 fresh states."""
    field, _ = truth()
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N_SAMPLES, field.n_states))
    slopes = field.evaluate(x)
    slopes = slopes + NOISE * np.sqrt(np.mean(slopes**2)) * rng.standard_normal(slopes.shape)
    run = dy.Trajectory(t=np.arange(float(N_SAMPLES)), x=x, dxdt=slopes, names=field.names)
    return run, rng.standard_normal((2000, field.n_states))


def error(field: dy.VectorField, fresh: np.ndarray) -> float:
    """|f - f_true| / |f_true| over the fresh states."""
    true = truth()[0].evaluate(fresh)
    return float(np.linalg.norm(field.evaluate(fresh) - true) / np.linalg.norm(true))


def thresholded(run: dy.Trajectory, dictionary: dy.Dictionary, threshold: float) -> dy.VectorField:
    """PySINDy's own STLSQ with a negligible ridge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where a threshold empties an equation
        import pysindy

        optimizer = pysindy.STLSQ(threshold=threshold, alpha=1e-8)
        optimizer.fit(dictionary.evaluate(run.x), run.dxdt)
    return dy.VectorField(dictionary, np.asarray(optimizer.coef_))


def chain(seed: int) -> Chain:
    """All methods on the data of one seed."""
    field, algebra = truth()
    dictionary = field.dictionary
    run, fresh = sample(seed)
    start = time.process_time()
    kept = dy.refit(run, dictionary, dy.generators.rotations(field.n_states, names=field.names))
    seconds = time.process_time() - start
    oracle = dy.fit(run, dictionary, constraints=[dy.equivariant_to(algebra, dictionary)])
    errors = (
        error(kept.plain.field, fresh),
        min(error(thresholded(run, dictionary, threshold), fresh) for threshold in THRESHOLDS),
        error(kept.field, fresh),
        error(oracle.field, fresh),
    )
    return Chain(dict(zip(METHODS, errors)), kept, seconds)


def main() -> None:
    """Print one row per seed, the medians and the ratios of medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds, from 0 on")
    args = parser.parse_args()
    print(
        f"{'seed':>6}"
        + "".join(f"{m:>15}" for m in METHODS)
        + f"{'STLSQ/chain':>13}{'chain/oracle':>14}{'s':>7}"
    )
    done = []
    for seed in range(args.seeds):
        one = chain(seed)
        done.append(list(one.errors.values()))
        print(
            row(str(seed), done[-1]) + f"{one.seconds:7.1f}  {len(one.refit.generators)} generators",
            flush=True,
        )
    print(row("median", list(np.median(done, axis=0))))


def row(label: str, errors: list[float]) -> str:
    """One line of the table, with both ratios."""
    cells = "".join(f"{e:15.5f}" for e in errors)
    return f"{label:>6}{cells}{errors[1] / errors[2]:13.1f}{errors[2] / errors[3]:14.2f}"


if __name__ == "__main__":
    main()
