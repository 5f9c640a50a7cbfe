"""Samples needed to recover symmetric polynomials: ours beside the published medians; prints one table.

The protocol is that of Otto, Zolman, Kutz and Brunton (2025), experiment on recovery: F = phi(y(x)) with phi a
polynomial of degree d in r latent variables, coefficients uniform on [0, 1); `ortho` y = U^T x with orthonormal U,
`quad` y_k = |x - c_k|^2 with c_k uniform on [-1, 1]^m; all monomials up to degree d (ortho) or 2 d (quad); samples
uniform on [-1, 1]^m, nested, without noise;
min |L_w|_* subject to Psi w = y over the candidates t(m) or se(m). The recovery number is the least number of samples, by
bisection, with |w - w*|_inf < 5e-3 |w*|_inf. `convex` is this problem in Bombieri's inner product, `reweighted` its concave
refinement, `freedom` the number of parameters of the class of functions, below which no method can go.

A trial ends early where its outcome is certain: all iterates meet the samples, so one with a smaller nuclear norm than the
truth proves that the truth is not the minimiser; and one within 1e-3 of the truth has found it. The bisection starts from
the answer of the seed before; the refinement is not tried where the convex problem has succeeded, because it keeps the better.

Run with: python tests/benchmarks/paper_recovery.py [--seeds N] [--full] [--jobs N] [--out FILE] [--only TEXT]
Finished cells in FILE are read and not computed again.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import dynsym as dy
from dynsym.inner_product import Bombieri
from dynsym.optim import Exact, Nuclear, Reweighted
from dynsym.optim._admm import Run

# 1.5 root mean squares of a state that is uniform on [-1, 1].
LENGTH = 1.5 / math.sqrt(3)
SUCCESS, SURE = 5e-3, 1e-3
# An iterate below the truth by this share is below it for certain.
BELOW = 1e-6
# Residuals at which the convex problem counts as solved, and as a start for the refinement.
SETTLED, ROUGH = 1e-6, 1e-3
MOST_STEPS, ROUGH_STEPS = 3000, 100

# target, group, degree, r and the published medians of the dimensions m.
PUBLISHED = {
    ("ortho", "t", 2, 1): (5, 5, [13.5, 32, 49, 72, 95, 136, 145.5, 186.5, 211, 274.5]),
    ("ortho", "t", 2, 2): (5, 5, [17.5, 50, 76, 108.5, 142.5, 178, 224, 293, 327, 359.5]),
    ("ortho", "t", 2, 3): (5, 5, [20.5, 52.5, 86, 132, 186, 228, 291.5, 343, 437, 470.5]),
    ("ortho", "t", 3, 1): (6, 1, [42.5, 62, 74.5, 67.5, 79, 132, 104.5, 109.5, 142, 171, 157]),
    ("ortho", "t", 3, 2): (6, 1, [63, 83, 108, 117, 138.5, 155.5, 212, 230, 256, 285, 311.5]),
    ("ortho", "t", 3, 3): (6, 1, [71.5, 97.5, 126.5, 151.5, 179, 242, 270, 312.5, 360.5, 392.5, 457]),
    ("ortho", "t", 4, 1): (5, 1, [64, 88.5, 140, 185.5, 219, 295]),
    ("ortho", "t", 4, 2): (5, 1, [102, 147.5, 226.5, 290, 409, 507.5]),
    ("ortho", "t", 4, 3): (5, 1, [120, 184.5, 276, 371.5, 518, 679.5]),
    ("ortho", "se", 2, 1): (5, 5, [15.5, 31.5, 46, 62.5, 86.5, 118]),
    ("ortho", "se", 2, 2): (5, 5, [19, 46.5, 78, 119, 142, 188.5]),
    ("ortho", "se", 2, 3): (5, 5, [21, 59, 102, 146.5, 208, 240.5]),
    ("ortho", "se", 3, 1): (6, 1, [46.5, 64.5, 74.5, 72, 79, 126.5, 118.5, 125.5, 142, 171.5, 167.5]),
    ("ortho", "se", 3, 2): (6, 1, [69.5, 82, 104.5, 143.5, 153.5, 170, 231, 267.5, 274.5, 331, 331.5]),
    ("ortho", "se", 3, 3): (6, 1, [78, 104.5, 137, 173, 208.5, 252, 291, 333.5, 392, 429.5, 500]),
    ("ortho", "se", 4, 1): (5, 1, [71.5, 102, 135.5, 228, 232, 326]),
    ("ortho", "se", 4, 2): (5, 1, [101.5, 169, 244, 316, 426.5, 534]),
    ("ortho", "se", 4, 3): (5, 1, [122.5, 190.5, 286.5, 399.5, 557.5, 712.5]),
    ("quad", "se", 1, 1): (5, 5, [16, 30, 42, 53, 60, 71.5]),
    ("quad", "se", 2, 1): (5, 1, [84.5, 111.5, 144.5, 156, 177.5, 209.5]),
    ("quad", "se", 2, 2): (5, 1, [111, 169.5, 233, 293.5, 370.5, 426]),
}

REDUCED = [
    *(("ortho", "t", d, m, r) for d, m in ((2, 5), (2, 10), (2, 20), (3, 6), (3, 8), (4, 5)) for r in (1, 3)),
    *(("ortho", "se", d, m, r) for d, m in ((2, 5), (2, 10), (3, 7)) for r in (1, 2)),
    *(("ortho", "se", 4, 5, 1), ("quad", "se", 1, 5, 1), ("quad", "se", 1, 10, 1), ("quad", "se", 1, 15, 1)),
    *(("quad", "se", 2, 5, 1), ("quad", "se", 2, 5, 2)),
]

Key = tuple[str, str, int, int, int]


@dataclass(frozen=True)
class Row:
    """One cell: medians over the seeds, and CPU seconds for each seed."""

    target: str
    group: str
    d: int
    m: int
    r: int
    terms: int
    published: float
    convex: float
    reweighted: float
    freedom: int
    seconds: float
    seeds: int

    @property
    def key(self) -> Key:
        return self.target, self.group, self.d, self.m, self.r

    def __str__(self) -> str:
        a, b = self.convex / self.published, self.reweighted / self.published
        return (
            f"{self.target:>6}{self.group:>4}{self.d:>3}{self.m:>4}{self.r:>3}{self.terms:>7}{self.published:>11g}"
            f"{self.convex:>9g}{a:>7.2f}{self.reweighted:>12g}{b:>7.2f}{self.freedom:>9}{self.seconds:>10.2f}"
        )


HEAD = " target grp  d   m  r  terms  published   convex  ratio  reweighted  ratio  freedom  s / seed"


def cells() -> dict[Key, float]:
    """The published medians, cell by cell."""
    found = {}
    for (target, group, d, r), (first, step, medians) in PUBLISHED.items():
        for k, value in enumerate(medians):
            found[target, group, d, first + k * step, r] = value
    return found


def freedom(key: Key) -> int:
    """Parameters of the class: a subspace (ortho) or the flat through r centres (quad), and the coefficients of phi.

    phi absorbs turns of u_1..u_r within their span, and moves of the centres within the flat that they span.
    """
    target, _, d, m, r = key
    inner = r * (m - r) if target == "ortho" else r * (m - r + 1)
    return inner + math.comb(r + d, d)


def truth(key: Key, terms: dy.Monomials, rng: np.random.Generator) -> np.ndarray:
    """Coefficients of one function of the class, by interpolation."""
    target, _, d, m, r = key
    phi = dy.Monomials(r, d)
    c = rng.uniform(size=phi.n_terms)
    if target == "ortho":
        U = np.linalg.svd(rng.standard_normal((m, r)), full_matrices=False)[0]
        latent: Callable[[np.ndarray], np.ndarray] = lambda x: x @ U  # noqa: E731
    else:
        centres = rng.uniform(-1, 1, size=(r, m))
        latent = lambda x: ((x[:, None, :] - centres) ** 2).sum(axis=2)  # noqa: E731
    x = rng.uniform(-1, 1, size=(terms.n_terms + 100, m))
    return np.linalg.lstsq(terms.evaluate(x), phi.evaluate(latent(x)) @ c, rcond=None)[0]


@dataclass(frozen=True)
class Trial:
    """One function with nested samples; `convex` and `reweighted` say whether so many samples suffice."""

    norm: Nuclear
    rows: np.ndarray
    w: np.ndarray

    def start(self, samples: int) -> Run:
        fit = Exact(self.rows[:samples], (self.rows[:samples] @ self.w)[:, None])
        return Run(fit, (self.norm,), fit.conditions[0])

    def error(self, w: np.ndarray) -> float:
        return float(np.abs(w - self.w).max() / np.abs(self.w).max())

    def convex(self, samples: int) -> bool:
        """Whether the minimiser of the nuclear norm is the truth."""
        run = self.start(samples)
        smallest = self.norm.value(self.w[None])
        for w, Kw, _ in run.rounds(MOST_STEPS):
            if self.error(w) < SURE:
                return True
            if self.below(Kw, smallest):
                return False
            if max(run.primal, run.dual) < SETTLED:
                break
        return self.error(run.w) < SUCCESS

    def below(self, Kw: np.ndarray, smallest: float) -> bool:
        """Whether the nuclear norm is below the smallest that the truth allows, and no rounding says so."""
        v = Kw.reshape(self.norm.shape)
        tall = v if v.shape[0] >= v.shape[1] else v.T
        rough = np.sqrt(np.maximum(np.linalg.eigvalsh(tall.T @ tall), 0.0)).sum()
        return rough < smallest and self.norm.norm(v) < smallest * (1 - BELOW)

    def reweighted(self, samples: int, solver: Reweighted) -> bool:
        """Whether the refinement of the convex minimiser, which need not be exact, ends at the truth."""
        run = self.start(samples)
        for _ in run.rounds(ROUGH_STEPS):
            if max(run.primal, run.dual) < ROUGH:
                break
        for _ in solver.descend(run):
            if self.error(run.w) < SURE:
                return True
        return self.error(run.w) < SUCCESS


def least(works: Callable[[int], bool], low: int, high: int, guess: int) -> int:
    """The least N in (low, high] that works, where `high` does and more samples never hurt."""
    guess = min(max(guess, low + 1), high - 1)
    step = max(2, guess // 16)
    if low < guess < high:
        if works(guess):
            high = guess
            while high - step > low and works(high - step):
                high, step = high - step, 2 * step
            low = max(low, high - step)
        else:
            low = guess
            while low + step < high and not works(low + step):
                low, step = low + step, 2 * step
            high = min(high, low + step)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def measure(key: Key, published: float, seeds: int) -> Row:
    """One row of the table."""
    target, group, d, m, r = key
    terms = dy.Monomials(m, d * (2 if target == "quad" else 1))
    candidates = dy.generators.translations(m) if group == "t" else dy.generators.euclidean(m)
    begin = time.process_time()
    with threadpool_limits(1):
        norm = dy.FunctionBreaking(candidates, terms, 1.0, Bombieri(LENGTH))
        p, first, second = terms.n_terms, int(0.8 * published), int(0.6 * published)
        convex, reweighted = [], []
        for seed in range(seeds):
            rng = np.random.default_rng([seed, m, d, r])
            w = truth(key, terms, rng)
            trial = Trial(norm, terms.evaluate(rng.uniform(-1, 1, size=(p + 1, m))), w)
            # With as many samples as terms the interpolant is unique.
            first = least(trial.convex, 1, p, first)
            second = least(lambda N, t=trial: t.reweighted(N, Reweighted()), 1, first, min(second, first - 1))
            convex.append(first)
            reweighted.append(second)
    spent = (time.process_time() - begin) / seeds
    return Row(
        *key, p, published, float(np.median(convex)), float(np.median(reweighted)), freedom(key), spent, seeds
    )


def finished(path: Path | None) -> list[Row]:
    """The rows that a results file holds."""
    if path is None or not path.exists():
        return []
    kinds = {name: kind for name, kind in Row.__annotations__.items()}
    turn = {"str": str, "int": int, "float": float}
    with path.open() as lines:
        return [Row(**{k: turn[kinds[k]](v) for k, v in row.items()}) for row in csv.DictReader(lines)]


def append(path: Path | None, row: Row) -> None:
    """Add one row to the results file."""
    if path is None:
        return
    new = not path.exists()
    with path.open("a", newline="") as out:
        writer = csv.DictWriter(out, list(asdict(row)))
        if new:
            writer.writeheader()
        writer.writerow(asdict(row))


def summary(rows: list[Row]) -> str:
    """Geometric means of the ratios, and how far the refinement closes on the degrees of freedom."""
    a = np.array([row.convex / row.published for row in rows])
    b = np.array([row.reweighted / row.published for row in rows])
    f = np.array([row.freedom for row in rows])
    convex = np.array([row.convex for row in rows])
    reweighted = np.array([row.reweighted for row in rows])
    mean = lambda v: float(np.exp(np.mean(np.log(v))))  # noqa: E731
    open_ = convex > f
    closed = np.median((convex - reweighted)[open_] / (convex - f)[open_])
    return "\n".join(
        [
            f"{len(rows)} cells; geometric mean of ours / published: convex {mean(a):.3f}, reweighted {mean(b):.3f}",
            f"convex at or below the published median in {int(np.sum(a <= 1))} of {len(rows)} cells, "
            f"largest ratio {a.max():.2f}",
            f"samples over degrees of freedom: published {mean(convex / a / f):.2f}, convex {mean(convex / f):.2f}, "
            f"reweighted {mean(reweighted / f):.2f}; reweighting closes {closed:.0%} of the way (median)",
            f"CPU: {sum(row.seconds * row.seeds for row in rows) / 60:.1f} minutes",
        ]
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="all 168 cells, 10 seeds")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--out", type=Path, help="results are appended here, and what is there is not done again"
    )
    parser.add_argument("--only", default="", help="cells whose name contains this, such as ortho-se-2")
    options = parser.parse_args()
    published = cells()
    chosen = [k for k in (published if options.full else REDUCED) if options.only in "-".join(map(str, k))]
    seeds = options.seeds or (10 if options.full else 4)
    known = {row.key: row for row in finished(options.out) if row.seeds >= seeds}
    print(HEAD, flush=True)
    rows = [known[k] for k in chosen if k in known]
    for row in rows:
        print(row)
    todo = [k for k in chosen if k not in known]
    with ProcessPoolExecutor(options.jobs) as pool:
        for row in pool.map(measure, todo, [published[k] for k in todo], [seeds] * len(todo)):
            append(options.out, row)
            rows.append(row)
            print(row, flush=True)
    print(summary(rows))


if __name__ == "__main__":
    sys.exit(main())
