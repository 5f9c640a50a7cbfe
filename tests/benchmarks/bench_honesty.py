"""Inventions on random polynomial systems without structure, and finds on systems with a planted algebra or planted invariants.

Everything starts from the states alone: simulated runs with noise, `fit`, `symmetries` and `conserved_quantities`.

- free: n = 2..6, degree 2 or 3, coefficients drawn at random, noise 0 to 5 %, 1 to 16 runs. Nothing may be certified. A law
  whose true defect is below delta all the same (short runs of a slow field) is counted apart, as "near".
- algebra: a random field in the space that an algebra leaves invariant, in random linear coordinates, 1 % noise, 16 runs of 500
  samples. Fields are drawn again if a run leaves |x| < 4, or if where the runs are another affine field is a symmetry to within
  twice delta. Found if all symmetries of the exact field are certified; named if the algebra has the name of the exact one.
- laws: Hamiltonian fields, fields with two quadratic or one linear invariant, in random linear coordinates, 1 % noise, 16 runs
  of 500 samples; named if the number of independent laws is right.

Run with: python tests/benchmarks/bench_honesty.py --count 200 [--seed 0] [--kinds free,algebra,laws]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

import dynsym as dy
from dynsym.discover import fair, read_conservation, read_symmetries

DELTA = 0.05
_STEP = 0.05  # of the solutions that decide which fields are worth following exactly
TURN = np.array([[0.0, -1.0], [1.0, 0.0]])


@dataclass(frozen=True)
class Case:
    """A field with noisy runs, what is planted in it, and where to look for laws."""

    kind: str
    field: dy.VectorField
    runs: list[dy.Trajectory]
    invariants: dy.Dictionary
    planted: int


@dataclass(frozen=True)
class Outcome:
    """What was found in one case."""

    case: Case
    certified: tuple[str, ...]
    false: tuple[str, ...]
    found: bool
    named: bool
    seconds: float


# --- fields


def conjugated(field: dy.VectorField, matrix: np.ndarray) -> dy.VectorField:
    """The field in the coordinates y = M x, over the same monomials."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal((6 * field.dictionary.n_terms, field.n_states))
    values = field.evaluate(y @ np.linalg.inv(matrix).T) @ matrix.T
    c = np.linalg.lstsq(field.dictionary.evaluate(y), values, rcond=None)[0].T
    return dy.VectorField(field.dictionary, np.where(np.abs(c) < 1e-12 * np.abs(c).max(), 0.0, c))


def coordinates(n: int, rng: np.random.Generator) -> np.ndarray:
    """A random matrix with singular values between 0.6 and 1.6."""
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return np.asarray(left @ np.diag(np.exp(rng.uniform(-0.5, 0.5, n))) @ right)


def paths(
    field: dy.VectorField, starts: np.ndarray, t: np.ndarray, limit: float, cuts: int = 8
) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """Times and paths that stay below a limit, on a shorter time if need be; None if even that fails."""
    for _ in range(cuts):
        try:
            found = [run.x for run in field.simulate_many(starts, t)]
            if (
                all(np.isfinite(x).all() and len(x) == len(t) for x in found)
                and max(np.abs(x).max() for x in found) < limit
            ):
                return t, found
        except dy.ConvergenceError:
            pass
        t = 0.7 * t
    return None


def escapes(field: dy.VectorField, starts: np.ndarray, duration: float, limit: float) -> bool:
    """Whether some solution clearly leaves |x| < limit, by Runge-Kutta steps of all of them at once up to where one does.

    Most random fields are refused; an exact solution up to its explosion costs forty times as much.
    """
    x, h = starts, _STEP
    with np.errstate(all="ignore"):
        for _ in range(int(np.ceil(duration / h))):
            a = field.evaluate(x)
            b = field.evaluate(x + h / 2 * a)
            c = field.evaluate(x + h / 2 * b)
            x = x + h / 6 * (a + 2 * b + 2 * c + field.evaluate(x + h * c))
            if not np.abs(x).max() < 1.05 * limit:
                return True
    return False


def measured(
    field: dy.VectorField, t: np.ndarray, found: Sequence[np.ndarray], noise: float, rng: np.random.Generator
) -> list[dy.Trajectory]:
    """States with errors of `noise` times their spread over all runs."""
    sd = noise * np.concatenate(found).std(axis=0)
    return [dy.Trajectory(t=t, x=x + sd * rng.standard_normal(x.shape), names=field.names) for x in found]


def free(seed: int) -> Case:
    """A random polynomial field with no structure."""
    rng = np.random.default_rng([31, seed])
    while True:
        n, degree = int(rng.integers(2, 7)), int(rng.integers(2, 4))
        degree = degree if n < 5 else 2
        terms = dy.Monomials(n, degree)
        field = dy.VectorField(terms, rng.standard_normal((n, terms.n_terms)) / np.sqrt(n))
        runs = int(rng.integers(1, 17))
        t = np.linspace(0, float(rng.uniform(0.5, 3)), int(rng.choice([100, 200, 500])))
        kept = paths(field, rng.uniform(-1, 1, (runs, n)), t, 4.0)
        if kept is not None:
            noise = float(rng.choice([0.0, 0.01, 0.02, 0.05]))
            return Case(
                "free", field, measured(field, *kept, noise, rng), dy.Monomials(n, 3 if n < 5 else 2), 0
            )


def block(*parts: np.ndarray | int) -> np.ndarray:
    """A block-diagonal matrix; an integer is a block of zeros."""
    from scipy.linalg import block_diag

    return np.asarray(block_diag(*[np.zeros((p, p)) if isinstance(p, int) else p for p in parts]))


def _unit(n: int, i: int) -> np.ndarray:
    return np.eye(n)[i]


def _spins() -> list[np.ndarray]:
    return [np.cross(np.eye(3), axis) for axis in np.eye(3)]


# name: states, degree, (matrix, offset) of each generator
ALGEBRAS: dict[str, tuple[int, int, list[tuple[np.ndarray, np.ndarray]]]] = {
    "so(2) in 2": (2, 3, [(TURN, np.zeros(2))]),
    "so(2) in 3": (3, 3, [(block(TURN, 1), np.zeros(3))]),
    "so(2) in 4": (4, 3, [(block(TURN, TURN), np.zeros(4))]),
    "so(3) in 3": (3, 3, [(m, np.zeros(3)) for m in _spins()]),
    "scaling in 2": (2, 2, [(np.diag([1.0, 2.0]), np.zeros(2))]),
    "scaling in 3": (3, 2, [(np.diag([1.0, 1.0, 2.0]), np.zeros(3))]),
    "translation in 3": (3, 2, [(np.zeros((3, 3)), _unit(3, 0))]),
    "so(2) x so(2)": (4, 3, [(block(TURN, 2), np.zeros(4)), (block(2, TURN), np.zeros(4))]),
    "se(2) in 4": (
        4,
        3,
        [
            (block(TURN, TURN), np.zeros(4)),
            (np.zeros((4, 4)), _unit(4, 0)),
            (np.zeros((4, 4)), _unit(4, 1)),
        ],
    ),
    "linear in 3": (3, 1, []),
}


def told_apart(field: dy.VectorField, runs: Sequence[dy.Trajectory]) -> bool:
    """Whether, where the data are, nothing but the exact symmetries is broken by less than twice delta.

    A field whose runs collapse to a point looks linear there, and has the symmetries of a linear field to within delta.
    """
    family = dy.generators.affine(field.n_states, names=field.names)
    around = fair(field, dy.inner_product.region_around(runs))
    values = read_symmetries(family, field, around).spectrum.values
    exact = dy.symmetries(field, family).dimension
    return bool(np.count_nonzero(values < 2 * DELTA) == exact)


def affine_fields(n: int, parts: list[tuple[np.ndarray, np.ndarray]]) -> dy.Generators:
    """Generators A x + b."""
    terms = dy.Monomials(n, 1)
    return dy.generators.custom([dy.VectorField(terms, np.column_stack([b, a])) for a, b in parts])


def with_algebra(seed: int) -> Case:
    """A random field that a planted algebra leaves invariant, in random coordinates."""
    rng = np.random.default_rng([37, seed])
    kind = list(ALGEBRAS)[seed % len(ALGEBRAS)]
    n, degree, parts = ALGEBRAS[kind]
    terms = dy.Monomials(n, degree)
    basis = (
        np.asarray(dy.equivariant_to(affine_fields(n, parts), terms).null_space)
        if parts
        else np.eye(n * terms.n_terms)
    )
    while True:
        c = (basis @ rng.standard_normal(basis.shape[1])).reshape(n, -1)
        if kind == "linear in 3":
            c[:, 0] = 0.0
        field = dy.VectorField(terms, c / np.abs(c).max())
        kept = paths(field, rng.uniform(-1.2, 1.2, (16, n)), np.linspace(0, 6, 500), 4.0, 1)
        if kept is None:
            continue
        move = coordinates(n, rng)
        other = conjugated(field, move)
        runs = measured(other, kept[0], [x @ move.T for x in kept[1]], 0.01, rng)
        if told_apart(other, runs):
            return Case(kind, other, runs, dy.Monomials(n, 2), len(parts))


def gradient_field(h: dy.ScalarFunction, matrix: np.ndarray, degree: int) -> dy.VectorField:
    """x' = M grad h as a field over monomials."""
    n = h.dictionary.n_states
    terms = dy.Monomials(n, degree)
    x = np.random.default_rng(0).standard_normal((6 * terms.n_terms, n))
    return dy.VectorField(
        terms, np.linalg.lstsq(terms.evaluate(x), h.gradient(x) @ matrix.T, rcond=None)[0].T
    )


def bowl(n: int, degree: int, rng: np.random.Generator) -> dy.ScalarFunction:
    """A positive quadratic form with a random polynomial of higher degree on top."""
    terms = dy.Monomials(n, degree)
    order = terms.exponents.sum(axis=1)
    c = np.where(order > 2, 0.3 * rng.standard_normal(terms.n_terms), 0.0)
    c[np.flatnonzero(terms.exponents.max(axis=1) * (order == 2) == 2)] = rng.uniform(0.4, 1.2, n)
    if degree == 4:
        c[np.flatnonzero(terms.exponents.max(axis=1) == 4)] = 0.4
    return dy.ScalarFunction(terms, c)


def crossed(rng: np.random.Generator) -> dy.VectorField:
    """x' = grad g x grad h with two quadratic functions, one of them definite."""
    g, h = bowl(3, 2, rng), rng.standard_normal((3, 3))
    h = h + h.T
    terms = dy.Monomials(3, 2)
    x = np.random.default_rng(0).standard_normal((60, 3))
    values = np.cross(g.gradient(x), x @ h)
    return dy.VectorField(terms, np.linalg.lstsq(terms.evaluate(x), values, rcond=None)[0].T)


def balanced(n: int, rng: np.random.Generator) -> dy.VectorField:
    """A random quadratic field with w . f = 0."""
    terms = dy.Monomials(n, 2)
    c = rng.standard_normal((n, terms.n_terms)) / np.sqrt(n)
    w = np.linalg.qr(rng.standard_normal((n, 1)))[0][:, 0]
    return dy.VectorField(terms, c - np.outer(w, w @ c))


def with_laws(seed: int) -> Case:
    """A random field with planted invariants, in random coordinates."""
    rng = np.random.default_rng([41, seed])
    kind = (
        "hamiltonian in 2",
        "hamiltonian in 4",
        "two quadratic in 3",
        "one linear in 3",
        "one linear in 4",
    )[seed % 5]
    while True:
        if kind == "hamiltonian in 2":
            field, degree, planted = gradient_field(bowl(2, 4, rng), TURN, 3), 4, 1
        elif kind == "hamiltonian in 4":
            field, degree, planted = gradient_field(bowl(4, 3, rng), block(TURN, TURN), 2), 3, 1
        elif kind == "two quadratic in 3":
            field, degree, planted = crossed(rng), 2, 2
        else:
            n = int(kind[-1])
            field, degree, planted = balanced(n, rng), 2, 1
        n = field.n_states
        starts = rng.uniform(-0.8, 0.8, (16, n))
        if escapes(field, starts, 10.0, 4.0):
            continue
        kept = paths(field, starts, np.linspace(0, 10, 500), 4.0, 1)
        if kept is None:
            continue
        move = coordinates(n, rng)
        other = conjugated(field, move)
        runs = measured(other, kept[0], [x @ move.T for x in kept[1]], 0.01, rng)
        return Case(kind, other, runs, dy.Monomials(n, degree), planted)


# --- what is found in them


def search(case: Case) -> Outcome:
    """Fit the states, search, and hold what is certified against the exact field."""
    start = time.perf_counter()
    field = case.field
    model = dy.fit(case.runs, field.dictionary, penalty=dy.Stepwise())
    family = dy.generators.affine(field.n_states, names=field.names)
    moves = dy.symmetries(model, family, delta=DELTA)
    laws = dy.conserved_quantities(model, case.invariants, delta=DELTA)
    seconds = time.perf_counter() - start
    certified, false = [], []
    for move in (f for f in moves.findings if f.verdict.status == "certified"):
        certified.append(move.expression)
        if read_symmetries(move.generator, field, fair(field, moves.region)).defect(np.ones(1)) > DELTA:
            false.append(move.expression)
    for law in (f for f in laws.findings if f.verdict.status == "certified"):
        certified.append(law.expression)
        function = law.function
        around = fair(field, laws.region)
        if read_conservation(field, function.dictionary, around).defect(function.coefficients) > DELTA:
            false.append(law.expression)
    if case.kind in ALGEBRAS:
        exact = dy.symmetries(field, family)
        assert exact.dimension >= case.planted
        name = exact.algebra.name if exact.algebra else None
        found = moves.dimension >= exact.dimension
        named = found and moves.algebra is not None and moves.algebra.name == name
    else:
        found = laws.independent >= case.planted
        named = laws.independent == case.planted
    return Outcome(case, tuple(certified), tuple(false), found, bool(named), seconds)


MAKERS = {"free": free, "algebra": with_algebra, "laws": with_laws}


def run(kind: str, count: int, seed: int = 0) -> list[Outcome]:
    """The outcomes of so many cases of a kind."""
    out = []
    with threadpool_limits(1):
        for k in range(seed, seed + count):
            out.append(search(MAKERS[kind](k)))
            if len(out) % 20 == 0:
                said = f"{kind}: {len(out)} of {count}, {sum(bool(o.false) for o in out)} false"
                print(said, file=sys.stderr, flush=True)
    return out


def table(kind: str, outcomes: Sequence[Outcome]) -> str:
    """One line for each sort of case."""
    lines = [f"{kind:<20}{'cases':>7}{'false':>7}{'near':>7}{'found':>8}{'named':>8}{'s/case':>8}"]
    sorts = Counter(o.case.kind if kind != "free" else f"n = {o.case.field.n_states}" for o in outcomes)
    for sort in [*sorted(sorts), "all"]:
        own = [
            o
            for o in outcomes
            if sort in ("all", o.case.kind, f"n = {o.case.field.n_states}" if kind == "free" else "")
        ]
        false = sum(bool(o.false) for o in own)
        near = sum(bool(o.certified) for o in own) - false if kind == "free" else 0
        share = [
            f"{np.mean([x for x in xs]):8.2f}" for xs in ([o.found for o in own], [o.named for o in own])
        ]
        shown = ["       -", "       -"] if kind == "free" else share
        pace = np.median([o.seconds for o in own])
        lines.append(f"  {sort:<18}{len(own):>7}{false:>7}{near:>7}{shown[0]}{shown[1]}{pace:8.2f}")
    lines += [f"  false: {o.case.kind} {text}" for o in outcomes for text in o.false]
    if kind == "free":
        lines += [
            f"  near: n = {o.case.field.n_states} {t[:100]}"
            for o in outcomes
            for t in o.certified
            if t not in o.false
        ]
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(MAKERS))
    options = parser.parse_args()
    for kind in options.kinds.split(","):
        print(table(kind, run(kind, options.count, options.seed)), flush=True)


if __name__ == "__main__":
    main()
