"""How many laws promotion keeps, and what that is worth: plain least squares, the promoted path chosen by 1se, and the grid.

Derivatives are given with errors of a stated share of their spread. Printed for each system: laws there are, laws kept (median
and range over the seeds), largest angle of the kept laws to the true ones, relative error of the field on the region for the
plain, the promoted and the selected and promoted model, and seconds for one path. Systems with friction have no law; keeping
one is an invention.

    python tests/benchmarks/bench_promote_laws.py --seeds 5 --noise 0.1
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import dynsym as dy
from dynsym import ConservationWeights, Monomials, Terms, Trajectory, systems
from dynsym.inner_product import generic_region

# name: degree of the dynamics, candidate invariants, and the laws that are in their span
CASES: dict[str, tuple[int, str, list[str]]] = {
    "oscillator_1d": (2, "poly(2)", ["x^2 + v^2"]),
    "rigid_body": (2, "poly(2)", systems.get("rigid_body").invariants),
    "lotka_volterra_2d": (2, "poly(1) + terms(log(x), log(y))", systems.get("lotka_volterra_2d").invariants),
    "henon_heiles": (2, "poly(3)", ["x^2/2 + y^2/2 + vx^2/2 + vy^2/2 + x^2*y - y^3/3"]),
    "damped_oscillator": (2, "poly(2)", []),
    "van_der_pol": (3, "poly(4)", []),
}
VALUES = [0.01, 0.1, 1.0, 5.0, 25.0, 80.0]


def noisy(name: str, share: float, seed: int) -> list[Trajectory]:
    """Eight runs of 60 samples, their derivatives in error by a share of the spread."""
    field, rng = systems.get(name).field(), np.random.default_rng(seed)
    every = systems.get(name).runs(n_runs=8, n_samples=60)
    size = share * np.concatenate([field.evaluate(run.x) for run in every]).std(axis=0)
    return [
        Trajectory(r.t, r.x, r.names, dxdt=field.evaluate(r.x) + size * rng.standard_normal(r.x.shape))
        for r in every
    ]


def angle(kept: np.ndarray, texts: list[str], dictionary: dy.Dictionary, region: object) -> float:
    """Largest angle, in degrees, of kept laws to the space of true ones, by their gradients on the region."""
    x = generic_region(dictionary).points
    truth = np.linalg.lstsq(dictionary.evaluate(x), Terms(texts, dictionary.names).evaluate(x), rcond=None)[0]
    slope = dictionary.jacobian(region.points) * region.scale
    rows = slope.transpose(0, 2, 1).reshape(-1, dictionary.n_terms)
    a, b = np.linalg.qr(rows @ kept)[0], np.linalg.qr(rows @ truth)[0]
    return float(np.degrees(np.arcsin(min(1.0, np.linalg.norm(a - b @ (b.T @ a), 2)))))


def one(name: str, share: float, seed: int) -> dict[str, float]:
    """Figures of one draw."""
    degree, text, laws = CASES[name]
    truth, runs = systems.get(name).field(), noisy(name, share, seed)
    names = truth.names
    invariants = dy.parse_dictionary(text, names)
    plain = dy.fit(runs, Monomials(len(names), degree, names))
    start = time.perf_counter()
    found = dy.path(plain, over=ConservationWeights(invariants, VALUES))
    seconds = time.perf_counter() - start
    grid = dy.path_grid(plain, over=ConservationWeights(invariants, VALUES[:1] + VALUES[2::2]))
    x, scale = plain.region.points, plain.region.scale
    size = np.linalg.norm(truth.evaluate(x) / scale)

    def error(model: dy.Model) -> float:
        return float(np.linalg.norm((model.field.evaluate(x) - truth.evaluate(x)) / scale) / size)

    kept = found.walk.spared(found.coefficients[found.index("1se")])
    return {
        "kept": kept.shape[1],
        "angle": angle(kept, laws, invariants, plain.region) if laws and kept.shape[1] else np.nan,
        "plain": error(plain),
        "promoted": error(found.best("1se")),
        "grid": error(grid.best("1se")),
        "seconds": seconds,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--noise", type=float, default=0.1)
    args = parser.parse_args()
    print(f"derivatives in error by {args.noise:g} of their spread, {args.seeds} seeds; medians")
    head = f"{'system':<20}{'laws':>5}{'kept':>10}{'angle':>8}{'plain':>9}{'promoted':>10}{'ratio':>7}"
    print(f"{head}{'grid':>9}{'ratio':>7}{'s':>7}")
    for name, (_, _, laws) in CASES.items():
        draws = [one(name, args.noise, seed) for seed in range(args.seeds)]
        kept = [int(d["kept"]) for d in draws]
        m = {key: float(np.median([d[key] for d in draws])) for key in draws[0]}
        shown = f"{int(m['kept'])} ({min(kept)}-{max(kept)})"
        print(
            f"{name:<20}{len(laws):>5}{shown:>10}{m['angle']:>8.2f}{m['plain']:>9.4f}{m['promoted']:>10.4f}"
            f"{m['promoted'] / m['plain']:>7.2f}{m['grid']:>9.4f}{m['grid'] / m['plain']:>7.2f}{m['seconds']:>7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
