"""How often +-1.96 standard errors hold the true coefficient; prints one table of coverages (nominal 0.95).

Van der Pol's oscillator, 2400 samples in all, derivatives in error by 0.3: first-order autoregressive errors of correlation
rho, independent errors whose size follows the speed, and Student's t with three degrees of freedom. Columns: one variance for
independent errors; `standard_errors` (one design effect); `robust_errors` (sandwich CR2 over joined stretches, t quantiles).

Run with: python tests/benchmarks/bench_coverage.py --repeats 200
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.signal import lfilter
from threadpoolctl import threadpool_limits

import dynsym as dy
from dynsym.selection import restricted

RUNS = (1, 4, 16)
ERRORS = ("rho 0", "rho 0.5", "rho 0.9", "rho 0.98", "by speed", "Student t")
METHODS = ("independent", "standard", "robust")
SAMPLES, SIZE = 2400, 0.3


def draw(rng: np.random.Generator, slopes: np.ndarray, kind: str) -> np.ndarray:
    """Errors of unit variance (m, n)."""
    if kind == "Student t":
        return rng.standard_t(3, slopes.shape) / np.sqrt(3)
    white = rng.standard_normal(slopes.shape)
    if kind == "by speed":
        return white * (0.2 + np.abs(slopes) / np.abs(slopes).std(axis=0))
    rho = float(kind.split()[1])
    white[1:] *= np.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], white, axis=0))


def independent_errors(model: dy.Model) -> np.ndarray:
    """s^2 (R^T R)^-1 alone."""
    out = np.zeros(model.coefficients.shape)
    for i, chosen in enumerate(model.support):
        half = np.linalg.inv(np.linalg.qr(model.information.total.theta[:, chosen])[1])
        variance = model.information.residual_variance(i, model.coefficients[i])
        out[i, chosen] = np.sqrt(variance) * np.linalg.norm(half, axis=1)
    return out


def coverage(n_runs: int, kind: str, full: bool, repeats: int) -> list[float]:
    """Share of intervals that hold the truth, by method."""
    system = dy.systems.get("van_der_pol")
    truth = system.field()
    runs = system.runs(n_runs=n_runs, n_samples=SAMPLES // n_runs)
    slopes = [truth.evaluate(run.x) for run in runs]
    hits: list[list[np.ndarray]] = [[], [], []]
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        noisy = [
            dy.Trajectory(run.t, run.x, run.names, dxdt=f + SIZE * draw(rng, f, kind))
            for run, f in zip(runs, slopes)
        ]
        model = dy.fit(noisy, truth.dictionary)
        if not full:
            model = restricted(model, truth.coefficients != 0)
        miss = np.abs(model.coefficients - truth.coefficients)[model.support]
        errors = (independent_errors(model), model.standard_errors, model.robust_errors)
        for found, error in zip(hits, errors):
            found.append(miss <= 1.96 * error[model.support])
    return [float(np.mean(np.concatenate(found))) for found in hits]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200, help="data sets behind each number")
    args = parser.parse_args()
    print(f"{'terms':>6}{'runs':>6}  {'errors':<12}" + "".join(f"{m:>13}" for m in METHODS))
    with threadpool_limits(1):
        for full in (False, True):
            for n_runs in RUNS:
                for kind in ERRORS:
                    found = coverage(n_runs, kind, full, args.repeats)
                    label = f"{'all' if full else 'true':>6}{n_runs:>6}  {kind:<12}"
                    print(label + "".join(f"{share:13.3f}" for share in found), flush=True)


if __name__ == "__main__":
    main()
