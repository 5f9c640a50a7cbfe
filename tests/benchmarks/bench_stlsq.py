"""Thresholded least squares on the triangular factor beside PySINDy's on all rows; prints one table.

Both get the same theta (m, p) and targets (m, n). PySINDy's time is that of `STLSQ.fit` on them. Ours is
split into the one QR pass over the rows, which later fits share, and the thresholding on the factor:
construction of the datafit, `solve` and `Solution` included. `diff` is the largest difference of a
coefficient, relative to the largest; `same` says whether the supports agree. BLAS is held to one thread for
both: on a busy machine the two thread pools of numpy and scipy cost PySINDy up to 27 times that.

Run with: python tests/benchmarks/bench_stlsq.py
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import dynsym as dy
from dynsym._threads import one_blas_thread
from dynsym.compress import factor_of
from dynsym.optim import STLSQ, Quadratic, solve


@dataclass(frozen=True)
class Case:
    """Theta and targets of a sparse random field in n states with polynomials up to a degree."""

    n: int
    degree: int
    samples: int
    spread: float = 1.0

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Theta (m, p) and Y (m, n): every equation has terms of its own, of sizes around 0.1."""
        rng = np.random.default_rng(0)
        x = rng.uniform(-self.spread, self.spread, (self.samples, self.n))
        theta = dy.Monomials(self.n, self.degree).evaluate(x)
        p = theta.shape[1]
        C = rng.standard_normal((self.n, p)) * (rng.random((self.n, p)) < 0.3)
        C *= np.exp(rng.standard_normal(C.shape)) / np.sqrt(np.mean(theta**2, axis=0))
        y = theta @ C.T
        return theta, y + 0.5 * np.std(y) * rng.standard_normal(y.shape)


def factor(theta: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The triangle of [theta | y], (k, p + n)."""
    with one_blas_thread():
        return np.array(factor_of(theta, y).triangle)


def peer(theta: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """PySINDy's coefficients (n, p)."""
    import pysindy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of bad conditions
        with one_blas_thread():
            return np.asarray(pysindy.STLSQ(threshold=0.1, alpha=ridge).fit(theta, y).coef_)


def median(task: Callable[[], object], repeats: int) -> float:
    """Median seconds of a task that was run once before."""
    task()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    """Print one row per case and ridge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, help="runs behind each median")
    repeats = parser.parse_args().repeats
    names = ("n", "p", "m", "ridge", "PySINDy ms", "QR ms", "STLSQ ms", "ratio", "with QR", "diff", "same")
    print("".join(f"{name:>12}" for name in names))
    for case in (Case(3, 3, 10_000), Case(3, 5, 10_000), Case(10, 3, 10_000), Case(10, 3, 10_000, 3.0)):
        theta, y = case.rows()
        p = theta.shape[1]
        T = factor(theta, y)
        R, Y = T[:, :p].copy(), T[:, p:].copy()
        for ridge in (0.0, 0.05):

            def ours(R: np.ndarray = R, Y: np.ndarray = Y, ridge: float = ridge) -> np.ndarray:
                return solve(Quadratic(R, Y), STLSQ(0.1, ridge=ridge, max_iter=100)).coefficients

            theirs = peer(theta, y, ridge)
            found = ours()
            difference = np.abs(found - theirs).max() / np.abs(theirs).max()
            seconds = median(lambda ridge=ridge, rows=(theta, y): peer(*rows, ridge), max(repeats // 3, 1))
            qr = median(lambda rows=(theta, y): factor(*rows), repeats)
            own = median(ours, repeats)
            print(
                f"{case.n:12d}{p:12d}{case.samples:12d}{ridge:12.2f}{1e3 * seconds:12.1f}{1e3 * qr:12.1f}"
                f"{1e3 * own:12.2f}{seconds / own:12.0f}{seconds / (own + qr):12.1f}{difference:12.1e}"
                f"{'yes' if np.array_equal(found != 0, theirs != 0) else 'no':>12}",
                flush=True,
            )


if __name__ == "__main__":
    main()
