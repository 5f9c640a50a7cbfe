"""Planted algebras seen through a random rotation: the refit chain beside its peers; prints one table.

Ten polynomial fields in R^3 to R^6 that are equivariant under a known algebra, written in coordinates turned by a random
rotation, so that no coefficient is zero; five fields without symmetry. From N samples x ~ N(0, I) with 5 % noise on the
derivatives every method estimates the field; errors are relative to the truth at 2000 fresh samples, medians over seeds.

- least squares, no constraint;
- STLSQ, PySINDy's, at the threshold that is best by the true error, which no user can know;
- refit, given candidates and nothing else (`STLSQ/oracle` is the most that it can gain);
- oracle, least squares under the exact algebra. `limit` is sqrt((k + d) / k): what k coefficients and a d-dimensional orbit
  of algebras cost beside k coefficients alone, the ratio of an efficient estimator that does not know the algebra.

Run with: python tests/benchmarks/bench_rotated.py --seeds 20 --samples 90 120 200 400
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations

import numpy as np

import dynsym as dy
from dynsym.inner_product import generic_region
from dynsym.spectral import null_space

NOISE = 0.05
THRESHOLDS = (0.0, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
METHODS = ("least squares", "STLSQ", "refit", "oracle")


@dataclass(frozen=True)
class Planted:
    """A field with a known algebra (or none) in turned coordinates, and the candidates that the methods are given."""

    name: str
    field: dy.VectorField
    algebra: dy.Generators | None
    candidates: dy.Generators

    @cached_property
    def constraint(self) -> dy.optim.LinearConstraint:
        """What the oracle knows."""
        return dy.equivariant_to(self.algebra, self.field.dictionary)

    @property
    def limit(self) -> float:
        """sqrt((k + d) / k) from the tangent space of the equivariant fields and their orbit; 1 without an algebra."""
        if self.algebra is None:
            return 1.0
        inside, tangent = dimensions(self.field, self.algebra, self.candidates)
        return float(np.sqrt(tangent / inside))


def turn(n: int, *planes: tuple[int, int, float]) -> np.ndarray:
    """The skew matrix that turns planes (i, j) at given rates."""
    out = np.zeros((n, n))
    for i, j, rate in planes:
        out[j, i], out[i, j] = rate, -rate
    return out


def affine(
    matrices: Sequence[np.ndarray], offsets: Sequence[np.ndarray], times: Sequence[float]
) -> dy.Generators:
    """Generators A x + a with time scalings b."""
    n = len(matrices[0])
    a = np.stack([np.hstack([o[:, None], m]) for m, o in zip(matrices, offsets)])
    return dy.Generators(dy.Monomials(n, 1), a, tuple(f"g{k}" for k in range(len(a))), np.array(times))


def linear(*matrices: np.ndarray, time: Sequence[float] | None = None) -> dy.Generators:
    """Generators A x."""
    n = len(matrices[0])
    return affine(matrices, [np.zeros(n)] * len(matrices), time or [0.0] * len(matrices))


def turned(generators: dy.Generators, q: np.ndarray) -> dy.Generators:
    """The generators in coordinates y = Q x."""
    matrices, offsets = generators.affine_parts()
    return affine([q @ m @ q.T for m in matrices], [q @ o for o in offsets], list(generators.time_scaling))


def rotation(n: int, rng: np.random.Generator) -> np.ndarray:
    """A random rotation."""
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    q = q * np.sign(np.diag(r))
    q[:, 0] *= np.sign(np.linalg.det(q))
    return q


def planted(
    name: str, algebra: dy.Generators | None, degree: int, candidates: dy.Generators, seed: int
) -> Planted:
    """A random equivariant field whose parts of each degree have equal size, in turned coordinates."""
    n = candidates.n_states
    rng = np.random.default_rng(seed)
    dictionary, q = dy.Monomials(n, degree), rotation(n, rng)
    space = np.eye(n * dictionary.n_terms)
    if algebra is not None:
        space = null_space(np.asarray(dy.equivariant_to(algebra, dictionary).matrix.toarray()))
    x = rng.standard_normal((4000, n))
    theta, sums = dictionary.evaluate(x), dictionary.exponents.sum(axis=1)
    c = (space @ rng.standard_normal(space.shape[1])).reshape(n, -1)
    for d in range(degree + 1):
        part = np.where(sums == d, c, 0.0)
        size = np.sqrt(np.mean((theta @ part.T) ** 2))
        if size > 1e-12:
            c = np.where(sums == d, c / size, c)
    values = (theta @ c.T) @ q.T  # Q f(x) at y = Q x
    own = np.linalg.lstsq(dictionary.evaluate(x @ q.T), values, rcond=None)[0].T
    return Planted(
        name, dy.VectorField(dictionary, own), None if algebra is None else turned(algebra, q), candidates
    )


def dimensions(field: dy.VectorField, algebra: dy.Generators, candidates: dy.Generators) -> tuple[int, int]:
    """Dimension of the equivariant fields, and with the orbit of the field under the candidates beside them."""
    dictionary = field.dictionary
    inside = null_space(np.asarray(dy.equivariant_to(algebra, dictionary).matrix.toarray()))
    region = generic_region(dictionary)
    moved = dy.lie_derivative.symmetry_matrix(candidates, field, region).operator
    theta = dictionary.evaluate(region.points) * region.roots[:, None]
    inside_rows = np.stack([(theta @ v.reshape(field.n_states, -1).T).ravel() for v in inside.T], axis=1)
    return inside.shape[1], int(
        np.linalg.matrix_rank(np.hstack([inside_rows, moved]), tol=1e-7 * np.linalg.norm(inside_rows))
    )


def gl(n: int) -> dy.Generators:
    """gl(n) and the scaling of time."""
    return dy.generators.with_time_scaling(dy.generators.linear(n))


@cache
def systems() -> tuple[Planted, ...]:
    """Ten with a symmetry."""
    so, eye2 = dy.generators.rotations, np.eye(2)
    so3 = [turn(3, (i, j, 1.0)) for i, j in combinations(range(3), 2)]
    twice = [np.kron(np.eye(2), m) for m in so3]
    scalar = [np.block([[m, np.zeros((3, 2))], [np.zeros((2, 5))]]) for m in so3]
    sl2 = [
        np.kron(eye2, np.array(m, dtype=float))
        for m in ([[1, 0], [0, -1]], [[0, 1], [0, 0]], [[0, 0], [1, 0]])
    ]
    two = turn(4, (0, 1, 1.0), (2, 3, 1.0))
    shift = [np.tile(e, 2) for e in eye2]
    se2 = affine([two, np.zeros((4, 4)), np.zeros((4, 4))], [np.zeros(4), *shift], [0.0] * 3)
    return (
        planted("so(3) R3", linear(*so3), 3, so(3), 1),
        planted("so(2) R3", linear(turn(3, (0, 1, 1.0))), 3, so(3), 2),
        planted("so(2)xso(2) R4", linear(turn(4, (0, 1, 1.0)), turn(4, (2, 3, 1.0))), 3, so(4), 3),
        planted("so(2) 1:2 R4", linear(turn(4, (0, 1, 1.0), (2, 3, 2.0))), 3, so(4), 4),
        planted("so(3) R5", linear(*scalar), 3, so(5), 5),
        planted("so(3) R6", linear(*twice), 3, so(6), 6),
        planted("so(2)^3 R6", linear(*(turn(6, (i, i + 1, 1.0)) for i in (0, 2, 4))), 3, so(6), 7),
        planted("scaling R3 gl", linear(np.diag([1.0, 2.0, 1.0]), time=[-1.0]), 3, gl(3), 8),
        planted("sl(2) R4 gl", linear(*sl2), 3, gl(4), 9),
        planted("se(2) R4 eucl", se2, 3, dy.generators.euclidean(4), 10),
    )


@cache
def controls() -> tuple[Planted, ...]:
    """Five without; the last two are nearly symmetric, which tempts."""
    so = dy.generators.rotations
    near = []
    for base in (systems()[1], systems()[2]):
        other = planted("", None, base.field.dictionary.degree, base.candidates, 77).field
        c = base.field.coefficients + 0.1 * other.coefficients
        near.append(Planted("near " + base.name, dy.VectorField(other.dictionary, c), None, base.candidates))
    return (
        planted("generic R3 deg 3", None, 3, gl(3), 11),
        planted("generic R4 deg 2", None, 2, dy.generators.affine(4), 12),
        planted("generic R5 deg 2", None, 2, so(5), 13),
        *near,
    )


def sample(one: Planted, count: int, seed: int) -> tuple[dy.Trajectory, np.ndarray]:
    """Independent states with noisy derivatives, and fresh states."""
    rng = np.random.default_rng([seed, count])
    x = rng.standard_normal((count, one.field.n_states))
    slopes = one.field.evaluate(x)
    slopes = slopes + NOISE * np.sqrt(np.mean(slopes**2)) * rng.standard_normal(slopes.shape)
    run = dy.Trajectory(t=np.arange(float(count)), x=x, dxdt=slopes, names=one.field.names)
    return run, rng.standard_normal((2000, one.field.n_states))


def error(one: Planted, field: dy.VectorField, fresh: np.ndarray) -> float:
    """|f - f_true| / |f_true| over the fresh states."""
    true = one.field.evaluate(fresh)
    return float(np.linalg.norm(field.evaluate(fresh) - true) / np.linalg.norm(true))


def thresholded(run: dy.Trajectory, dictionary: dy.Dictionary, threshold: float) -> dy.VectorField:
    """PySINDy's own STLSQ with a negligible ridge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where a threshold empties an equation
        import pysindy

        optimizer = pysindy.STLSQ(threshold=threshold, alpha=1e-8)
        optimizer.fit(dictionary.evaluate(run.x), run.dxdt)
    return dy.VectorField(dictionary, np.asarray(optimizer.coef_))


@dataclass(frozen=True)
class Outcome:
    """Errors by method on one draw, the refit behind them, its CPU seconds."""

    errors: tuple[float, float, float, float]
    refit: dy.Refit
    seconds: float


def outcome(one: Planted, count: int, seed: int) -> Outcome:
    """All methods on one draw."""
    dictionary = one.field.dictionary
    run, fresh = sample(one, count, seed)
    start = time.process_time()
    kept = dy.refit(run, dictionary, one.candidates)
    seconds = time.process_time() - start
    best = min(error(one, thresholded(run, dictionary, threshold), fresh) for threshold in THRESHOLDS)
    oracle = kept.plain
    if one.algebra is not None:
        oracle = dy.fit(run, dictionary, constraints=[one.constraint])
    fields = (kept.plain.field, kept.field, oracle.field)
    plain, again, told = (error(one, field, fresh) for field in fields)
    return Outcome((plain, best, again, told), kept, seconds)


def table(
    title: str, chosen: Sequence[Planted], counts: Sequence[int], seeds: int, show: Callable[[str], None]
) -> None:
    """One row per system and number of samples."""
    show(f"\n{title}")
    show(
        f"{'system':<20}{'N':>5}"
        + "".join(f"{m:>14}" for m in METHODS)
        + f"{'STLSQ/refit':>13}{'STLSQ/oracle':>14}{'refit/oracle':>14}"
        f"{'limit':>7}{'refit/plain':>13}{'kept':>6}{'s':>6}"
    )
    ratios = []
    for one in chosen:
        for count in counts:
            done = [outcome(one, count, seed) for seed in range(seeds)]
            errors = np.array([d.errors for d in done])
            plain, best, again, told = np.median(errors, axis=0)
            dims = [len(d.refit.generators) for d in done]
            common = max(set(dims), key=dims.count)
            worst = float(np.max(errors[:, 2] / errors[:, 0]))
            ratios.append((count, best / again, best / told, again / told, worst))
            show(
                f"{one.name:<20}{count:>5}{plain:14.5f}{best:14.5f}{again:14.5f}{told:14.5f}"
                f"{best / again:13.2f}{best / told:14.2f}{again / told:14.2f}"
                f"{one.limit:7.2f}{worst:13.3f}{common:>3}:{dims.count(common):<3}"
                f"{np.median([d.seconds for d in done]):5.2f}"
            )
    for count in counts:
        rows = np.array([r[1:] for r in ratios if r[0] == count])
        gain, most, loss = np.median(rows[:, :3], axis=0)
        show(
            f"{'median':<20}{count:>5}{'':56}{gain:13.2f}{most:14.2f}{loss:14.2f}{'':7}{rows[:, 3].max():13.3f}"
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds, from 0 on")
    parser.add_argument("--samples", type=int, nargs="+", default=[90, 120, 200, 400])
    parser.add_argument("--only", default="", help="only systems whose name contains this")
    args = parser.parse_args()

    def show(text: str) -> None:
        print(text, flush=True)

    for title, every in (
        ("planted algebra", systems()),
        ("no symmetry (refit/plain is the worst seed)", controls()),
    ):
        chosen = [one for one in every if args.only in one.name]
        if chosen:
            table(title, chosen, args.samples, args.seeds, show)


if __name__ == "__main__":
    main()
