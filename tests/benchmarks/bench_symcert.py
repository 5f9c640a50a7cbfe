"""Detection and false certification on the published protocol: ten polynomial systems, 240 settings.

For each system the states are uniform on the box [-h, h]^n and the derivatives carry normal errors of `noise` times the root
mean square of |f| on the box; 6 sample sizes, 4 noise levels; dense least squares in the degree of the system; affine
candidates; delta = alpha = 0.05 and the claim is about the uniform measure on the box. A false certification is a declared
space that holds a generator whose true defect exceeds delta; detection is a declared dimension of at least the true one,
averaged over the systems that have a symmetry. Ours is the public verb `symmetries`, its milliseconds are those of the verb
with canonical forms and algebra, theirs those of fit and certificate. With --peer PATH (a checkout of
Kendiukhov/certified-symmetry-discovery) SymCert itself runs on the same data.

Run with: python tests/benchmarks/bench_symcert.py --repeats 12 [--peer PATH] [--systems hopf,lorenz]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import scipy.linalg as sla
from threadpoolctl import threadpool_limits

import dynsym as dy
from dynsym.inner_product import Region
from dynsym.lie_derivative import symmetry_matrix

DELTA = ALPHA = 0.05
SIZES, NOISES = (100, 200, 400, 800, 1600, 3200), (0.01, 0.03, 0.1, 0.3)
Peer = Callable[[str, np.ndarray, np.ndarray], tuple[int, np.ndarray]]
# name: (equations, degree of the dictionary, half-width of the box, dimension of the affine symmetries)
SYSTEMS: dict[str, tuple[list[dict[str, float]], int, float, int]] = {
    "hopf": (
        [
            {"x": 1, "y": -1, "x**3": -1, "x*y**2": -1},
            {"x": 1, "y": 1, "x**2*y": -1, "y**3": -1},
        ],
        3,
        1.0,
        1,
    ),
    "lin_rot2": ([{"y": -1}, {"x": 1}], 1, 1.0, 2),
    "rigid_sym": ([{"y*z": -1}, {"x*z": 1}, {}], 2, 1.0, 2),
    "sphere_flow3": (
        [
            {"x": 1, "x**3": -1, "x*y**2": -1, "x*z**2": -1},
            {"y": 1, "x**2*y": -1, "y**3": -1, "y*z**2": -1},
            {"z": 1, "x**2*z": -1, "y**2*z": -1, "z**3": -1},
        ],
        3,
        1.0,
        3,
    ),
    "vanderpol": ([{"y": 1}, {"x": -1, "y": 1, "x**2*y": -1}], 3, 1.0, 0),
    "duffing": ([{"y": 1}, {"x": 1, "x**3": -1, "y": -0.2}], 3, 2.0, 0),
    "lotka_volterra": ([{"x": 1, "x*y": -1}, {"y": -1, "x*y": 1}], 2, 1.0, 0),
    "selkov": (
        [{"1": 0.1, "x": -1, "y": 0.5, "x**2*y": 1}, {"y": -0.5, "x**2*y": -1}],
        3,
        2.0,
        0,
    ),
    "rigid_asym": ([{"y*z": -1}, {"x*z": 1}, {"x*y": -1 / 3}], 2, 1.0, 0),
    "lorenz": (
        [{"x": -10, "y": 10}, {"x": 28, "y": -1, "x*z": -1}, {"x*y": 1, "z": -8 / 3}],
        2,
        20.0,
        0,
    ),
}


def field_of(name: str) -> dy.VectorField:
    """The system in its dictionary."""
    equations, degree, _, _ = SYSTEMS[name]
    terms = dy.Monomials(len(equations), degree, names=("x", "y", "z")[: len(equations)])
    place = {term: k for k, term in enumerate(terms.terms)}
    c = np.zeros((len(equations), terms.n_terms))
    for i, equation in enumerate(equations):
        for term, value in equation.items():
            c[i, place[term]] = value
    return dy.VectorField(terms, c)


def box(n: int, half: float, order: int = 5) -> Region:
    """The uniform measure on [-half, half]^n by Gauss-Legendre points: exact for the squares of all brackets here."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    points = half * np.stack([g.ravel() for g in np.meshgrid(*[nodes] * n, indexing="ij")], axis=1)
    share = np.prod(np.stack([g.ravel() for g in np.meshgrid(*[weights / 2] * n, indexing="ij")]), axis=0)
    return Region(points, share, np.ones(n), f"uniform on [-{half:g}, {half:g}]^{n}")


def worst(generators: dy.Generators, field: dy.VectorField, region: Region) -> float:
    """The largest true defect in the span of some generators: a generalised eigenvalue, no sampling."""
    if not len(generators):
        return 0.0
    matrix = symmetry_matrix(generators, field, region)
    size = matrix.parts.T @ matrix.parts
    size += 1e-14 * np.trace(size) / len(size) * np.eye(len(size))
    return float(
        np.sqrt(max(sla.eigh(matrix.operator.T @ matrix.operator, size, eigvals_only=True)[-1], 0.0))
    )


def load_peer(path: Path) -> Peer:
    """SymCert's certified dimension on given samples, from a checkout."""
    sys.path.insert(0, str(path / "src"))
    from hsd import DefectProblem, fit_ols  # type: ignore[import-not-found]
    from hsd.certify import certified_dimension  # type: ignore[import-not-found]

    problems = {
        name: DefectProblem.build(len(equations), degree, "affine", "box", scale=half)
        for name, (equations, degree, half, _) in SYSTEMS.items()
    }

    def declare(name: str, x: np.ndarray, y: np.ndarray) -> tuple[int, np.ndarray]:
        problem = problems[name]
        d, span = certified_dimension(problem, fit_ols(problem, x, y), DELTA, ALPHA)
        return int(d), np.asarray(span)

    return declare


def setting(
    name: str, n_samples: int, noise: float, repeats: int, peer: Peer | None, seed: int
) -> dict[str, float]:
    """Detection, false certification and seconds of both, over the repetitions of one setting."""
    truth, (_, degree, half, wanted) = field_of(name), SYSTEMS[name]
    n, region = truth.n_states, box(truth.n_states, half)
    rms = float(np.sqrt(region.weights @ np.sum(truth.evaluate(region.points) ** 2, axis=1)))
    terms, family = (
        dy.Monomials(n, degree, names=truth.names),
        dy.generators.affine(n, names=truth.names),
    )
    out = dict.fromkeys(("found", "false", "seconds", "peer found", "peer seconds"), 0.0)
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        x = rng.uniform(-half, half, (n_samples, n))
        y = truth.evaluate(x) + noise * rms * rng.standard_normal(x.shape)
        run = dy.Trajectory(np.arange(n_samples), x, truth.names, dxdt=y, sd=0.0)
        model = dy.fit(run, terms)
        start = time.perf_counter()
        found = dy.symmetries(model, family, delta=DELTA, alpha=ALPHA, region=region)
        out["seconds"] += (time.perf_counter() - start) / repeats
        out["found"] += float(found.dimension >= wanted) / repeats
        out["false"] += float(worst(found.generators, truth, region) > DELTA)
        if peer is not None:
            start = time.perf_counter()
            out["peer found"] += float(peer(name, x, y)[0] >= wanted) / repeats
            out["peer seconds"] += (time.perf_counter() - start) / repeats
    return out


def main() -> None:
    """Run what is asked for and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    options = parser.parse_args()
    peer = load_peer(options.peer) if options.peer else None
    print(f"{'system':<16}{'true':>5}{'detected':>10}{'false':>7}{'ms':>7}{'SymCert':>10}{'ms':>7}")
    totals: list[tuple[float, float]] = []
    false = 0.0
    with threadpool_limits(1):
        for name in options.systems.split(","):
            grid = product(SIZES, NOISES)
            rows = [setting(name, m, s, options.repeats, peer, 100 * k) for k, (m, s) in enumerate(grid)]
            mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
            wrong = sum(row["false"] for row in rows)
            false += wrong
            if SYSTEMS[name][3]:
                totals.append((mean["found"], mean["peer found"]))
            seen = f"{mean['found']:10.3f}" if SYSTEMS[name][3] else f"{'-':>10}"
            other = f"{mean['peer found']:10.3f}" if SYSTEMS[name][3] and peer else f"{'-':>10}"
            print(
                f"{name:<16}{SYSTEMS[name][3]:>5}{seen}{wrong:7.0f}{1e3 * mean['seconds']:7.1f}"
                f"{other}{1e3 * mean['peer seconds']:7.1f}",
                flush=True,
            )
    ours, theirs = np.mean(totals, axis=0) if totals else (np.nan, np.nan)
    print(
        f"mean detection where there is a symmetry: ours {ours:.3f}, SymCert {theirs:.3f}; false {false:.0f}"
    )


if __name__ == "__main__":
    main()
