"""Whole paths with cross-validation against refitting on the data: PySINDy for thresholds, scikit-learn for the lasso.

Thresholds: 50 values, 8 folds, on Lorenz samples with derivatives in error. Ours reads the data once (`fit`, timed with the
path); PySINDy fits once per value and fold, of which `--part` fits are timed and scaled up. Lasso: 60 weights on all rows, one
`lasso_path` per equation, without folds on either side (ours is timed with the compression of the rows).
scikit-learn runs at its default tolerance, and at one that comes nearer to the minimum.

Run with: OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_path.py
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import pysindy as ps
from sklearn.linear_model import lasso_path

import dynsym as dy
from dynsym.selection._lasso import lasso_path as homotopy

VALUES, FOLDS, WEIGHTS = 50, 8, 60


def lorenz(samples: int, n_runs: int = FOLDS) -> list[dy.Trajectory]:
    """Runs of Lorenz's system, derivatives in error by one per cent or so."""
    system = dy.systems.get("lorenz")
    rng = np.random.default_rng(0)
    out = []
    for run in system.runs(n_runs=n_runs, n_samples=samples // n_runs):
        slopes = system.field().evaluate(run.x) + 0.5 * rng.standard_normal(run.x.shape)
        out.append(dy.Trajectory(run.t, run.x, run.names, dxdt=slopes))
    return out


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median wall time."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def pysindy(runs: list[dy.Trajectory], threshold: float, degree: int) -> np.ndarray:
    """One refit on data."""
    model = ps.SINDy(
        optimizer=ps.STLSQ(threshold=threshold, alpha=0.05),
        feature_library=ps.PolynomialLibrary(degree=degree),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit([r.x for r in runs], t=[r.t for r in runs], x_dot=[np.array(r.dxdt) for r in runs])
    return np.asarray(model.coefficients())


def thresholds(runs: list[dy.Trajectory], degree: int, part: int, repeats: int) -> None:
    """A threshold path with cross-validation."""
    values = np.geomspace(0.02, 5.0, VALUES)
    terms = dy.Monomials(3, degree)
    over = dy.Thresholds(values.tolist(), ridge=0.05)
    ours = seconds(lambda: dy.path(runs, terms, over), repeats)
    found = dy.path(runs, terms, over)
    model = found.model
    again = seconds(lambda: dy.path(model, over=over), repeats)
    places = np.linspace(0, VALUES - 1, part).round().astype(int)
    start = time.perf_counter()
    fits = [pysindy(runs[: k % FOLDS] + runs[k % FOLDS + 1 :], float(values[k]), degree) for k in places]
    each = (time.perf_counter() - start) / len(fits)
    whole = [pysindy(runs, float(values[k]), degree) for k in places]
    same = all(np.array_equal(found.coefficients[k] != 0, c != 0) for k, c in zip(places, whole))
    apart = max(float(np.abs(found.coefficients[k] - c).max()) for k, c in zip(places, whole))
    theirs = each * VALUES * FOLDS
    label = f"thresholds, degree {degree}"
    line(label, f"{theirs:.1f} ({part} of {VALUES * FOLDS} fits timed)", ours, theirs)
    line("  from a fitted model", "", again, theirs)
    print(f"    supports equal at {part} thresholds: {same}; largest difference {apart:.1e}")


def lasso(runs: list[dy.Trajectory], degree: int, repeats: int) -> None:
    """A lasso path on all rows."""
    terms = dy.Monomials(3, degree)
    theta = np.concatenate([terms.evaluate(r.x) for r in runs])
    slopes = np.concatenate([r.dxdt for r in runs])
    size = np.linalg.norm(theta, axis=0) / np.sqrt(len(theta))
    largest = np.abs((theta / size).T @ slopes).max()
    weights = np.geomspace(1e-4, 1, WEIGHTS) * largest

    def peer(tol: float, most: int) -> list[np.ndarray]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says so where coordinate descent did not reach its tolerance
            paths = [
                lasso_path(theta / size, y, alphas=weights / len(theta), tol=tol, max_iter=most)[1]
                for y in slopes.T
            ]
        return [path[:, ::-1].T for path in paths]

    def own() -> list[np.ndarray]:
        total = dy.compress(runs, terms).total
        return [homotopy(total.theta / size, y, weights) for y in total.target.T]

    def worst(paths: list[np.ndarray]) -> float:
        gaps = []
        for y, path in zip(slopes.T, paths):
            for w, c in zip(weights, path):
                residual = y - theta / size @ c
                t = min(1.0, w / max(float(np.abs((theta / size).T @ residual).max()), 1e-300))
                value = 0.5 * residual @ residual + w * np.abs(c).sum()
                gaps.append((value - (t * residual @ y - 0.5 * t**2 * residual @ residual)) / value)
        return float(max(gaps))

    ours, gap = seconds(own, repeats), worst(own())
    for tol, most in ((1e-4, 1000), (1e-9, 100_000)):
        theirs = seconds(lambda t=tol, k=most: peer(t, k), 1)
        line(f"lasso, degree {degree}", f"{theirs:.2f} (tol {tol:g})", ours, theirs)
        print(
            f"    largest relative duality gap on all rows: theirs {worst(peer(tol, most)):.1e}, ours {gap:.1e}"
        )


def line(label: str, peer: str, ours: float, theirs: float) -> None:
    """One line of the table."""
    print(f"{label:<26}{peer:>34}{ours:>12.3f}{theirs / ours:>10.1f}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--part", type=int, default=8, help="PySINDy fits that are timed")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    runs = lorenz(args.samples)
    print(f"{args.samples} samples in {FOLDS} runs; seconds")
    print(f"{'':<26}{'peer':>34}{'ours':>12}{'ratio':>10}")
    for degree in (3, 5):
        thresholds(runs, degree, args.part, args.repeats)
    for degree in (3, 5):
        lasso(runs, degree, args.repeats)


if __name__ == "__main__":
    main()
