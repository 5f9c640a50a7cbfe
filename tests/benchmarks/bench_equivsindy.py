"""The two settings of EquivSINDy: is the support right, and how large is the error of the parameters; prints tables.

Growth x' = 0.1 y^2 - 0.3 x, y' = y: 100 runs of 1000 samples, dt = 0.002, 5 % multiplicative noise. Damped oscillator
x' = -0.1 x - y, y' = x - 0.1 y: 50 runs of 10 000 samples, dt = 0.002, noise of 20 % of the spread. All quadratic
monomials in both equations; the support is right if every one of the 12 coefficients is zero or not as in the truth; the
error is the root mean square over the true terms, averaged over the equations (the peer's own measure). Each of 50 seeds
takes a random half:

    raw     half of the runs, all samples: what the peer smooths with a Gaussian process before it takes its half
    thin    half of the runs, and of these every 10th or 100th sample, as the peer stores them, but not smoothed before
    points  of these stored samples of all runs a random half, so that steps are uneven

The peer is given the generator of the symmetry and the size of the noise; dynsym is told nothing: `fit` with `Stepwise`
chooses rows and terms, `refit` finds the symmetry among all affine ones. The numbers of the peer come from its published
code, run on data of the same recipe (its generators of data are not seeded, so the data are not the same).

Run with: python tests/benchmarks/bench_equivsindy.py --seeds 50 [--peer-seeds 10] [--data thin points raw] [--new-data]

References
----------
Yang, Rao, Dehmamy, Walters, Yu (2024), Symmetry-informed governing equation discovery, NeurIPS 37.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import dynsym as dy

DT = 0.002
TERMS = dy.Monomials(2, 2, names=("x", "y"))


@dataclass(frozen=True)
class Setting:
    """A system with the peer's numbers of runs and samples, and what the peer reaches."""

    name: str
    truth: np.ndarray
    samples: int
    every: int
    starts: Callable[[np.random.Generator], np.ndarray]
    noise: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    peers: tuple[tuple[str, int, float], ...]


def disk(rng: np.random.Generator) -> np.ndarray:
    """50 states with radius in [0.5, 2]."""
    radius, angle = rng.uniform(0.5, 2, 50), rng.uniform(0, 2 * np.pi, 50)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


SETTINGS = {
    "growth": Setting(
        "growth, 5 %",
        np.array([[0, -0.3, 0, 0, 0, 0.1], [0, 0, 1.0, 0, 0, 0]]),
        1000,
        10,
        lambda rng: rng.uniform(0.2, 1, (100, 2)),
        lambda x, rng: 0.05 * x * rng.standard_normal(x.shape),
        (("EquivSINDy-c, told the generator", 50, 0.0122), ("its SINDy", 2, 0.0800)),
    ),
    "oscillator": Setting(
        "damped oscillator, 20 %",
        np.array([[0, -0.1, -1, 0, 0, 0], [0, 1, -0.1, 0, 0, 0]]),
        10_000,
        100,
        disk,
        lambda x, rng: 0.2 * x.std(axis=(0, 1)) * rng.standard_normal(x.shape),
        (("EquivSINDy-c, told the generator", 15, 0.0426), ("its SINDy", 4, 0.0614)),
    ),
}


def data(setting: Setting, seed: int) -> np.ndarray:
    """Noisy states, (samples, runs, 2): classical Runge-Kutta steps, as the peer takes them."""
    rng = np.random.default_rng(seed)
    field = dy.VectorField(TERMS, setting.truth)
    x = [setting.starts(rng)]
    for _ in range(setting.samples - 1):
        a = field.evaluate(x[-1])
        b = field.evaluate(x[-1] + DT / 2 * a)
        c = field.evaluate(x[-1] + DT / 2 * b)
        d = field.evaluate(x[-1] + DT * c)
        x.append(x[-1] + DT * (a + 2 * b + 2 * c + d) / 6)
    clean = np.array(x)
    return clean + setting.noise(clean, rng)


def half(x: np.ndarray, every: int, kind: str, seed: int) -> list[dy.Trajectory]:
    """A random half of the data as runs."""
    rng = np.random.default_rng(seed)
    step = 1 if kind == "raw" else every
    t, stored = np.arange(0, len(x), step) * DT, x[::step]
    if kind == "points":
        chosen = rng.permutation(stored[..., 0].size).reshape(stored.shape[:2]) < stored[..., 0].size // 2
        return [dy.Trajectory(t[own], stored[own, k], names=("x", "y")) for k, own in enumerate(chosen.T)]
    runs = np.sort(rng.permutation(x.shape[1])[: x.shape[1] // 2])
    return [dy.Trajectory(t, stored[:, k], names=("x", "y")) for k in runs]


def judge(c: np.ndarray, truth: np.ndarray) -> tuple[bool, float]:
    """Whether the support is right, and the error over the true terms."""
    per_equation = [np.mean((row[own != 0] - own[own != 0]) ** 2) for row, own in zip(c, truth)]
    return bool(np.array_equal(c != 0, truth != 0)), float(np.sqrt(np.mean(per_equation)))


def pysindy_models(runs: list[dy.Trajectory]) -> dict[str, np.ndarray]:
    """PySINDy with smoothed derivatives and in weak form, at several thresholds; uneven steps get the strong form only."""
    import pysindy as ps

    x, t = [run.x for run in runs], [run.t for run in runs]
    even = len({len(one) for one in t}) == 1 and np.ptp(np.diff(t[0])) < 1e-9
    libraries = {"strong": ps.PolynomialLibrary(degree=2)}
    if even:
        own = ps.PolynomialLibrary(degree=2, include_bias=False)
        libraries["weak"] = ps.WeakPDELibrary(own, spatiotemporal_grid=t[0], K=100, include_bias=True)
    out = {}
    for kind, library in libraries.items():
        for threshold in (0.02, 0.05):
            window = min(51, (min(len(one) for one in t) // 4) * 2 - 1)
            model = ps.SINDy(
                optimizer=ps.STLSQ(threshold=threshold, alpha=1e-6),
                feature_library=library,
                differentiation_method=ps.SmoothedFiniteDifference(smoother_kws={"window_length": window}),
            )
            out[f"PySINDy {kind}, threshold {threshold}"] = np.asarray(model.fit(x, t=t).coefficients())
    return out


def methods(runs: list[dy.Trajectory], with_peers: bool) -> dict[str, tuple[np.ndarray, float]]:
    """Coefficients and seconds of each method on the runs of one seed."""
    start = time.process_time()
    best = dy.refit(runs, TERMS, dy.generators.affine(2, names=("x", "y")), penalty=dy.Stepwise())
    seconds = time.process_time() - start
    out = {
        "dynsym fit": (best.plain.coefficients, np.nan),
        "dynsym refit": (best.model.coefficients, seconds),
    }
    if not with_peers:
        return out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.random.seed(0)  # noqa: NPY002 - PySINDy draws from the global state
        start = time.process_time()
        peers = pysindy_models(runs)
        each = (time.process_time() - start) / len(peers)
    return out | {name: (c, each) for name, c in peers.items()}


def table(setting: Setting, kind: str, seeds: int, peer_seeds: int, new_data: bool) -> None:
    """Print the rows of one setting."""
    x = data(setting, 0)
    found: dict[str, list[tuple[bool, float, float]]] = {}
    for seed in range(seeds):
        runs = half(data(setting, seed) if new_data else x, setting.every, kind, seed)
        for name, (c, seconds) in methods(runs, seed < peer_seeds).items():
            found.setdefault(name, []).append((*judge(c, setting.truth), seconds))
    print(
        f"\n{setting.name}, {kind}, {seeds} halves" + (", each of new data" if new_data else ""), flush=True
    )
    print(f"  {'':<36}{'support right':>14}{'error':>9}{'(sd)':>10}{'half of peer / error':>22}{'CPU s':>8}")
    for name, rows in found.items():
        right, errors, seconds = (np.array(column) for column in zip(*rows))
        ratio = setting.peers[0][2] / 2 / errors.mean()
        print(
            f"  {name:<36}{int(right.sum()):>8} of {len(right):<2}{errors.mean():>9.4f}{f'({errors.std():.4f})':>10}"
            f"{ratio:>22.2f}{np.median(seconds):>8.2f}"
        )
    for name, right, error in setting.peers:
        print(f"  {name:<36}{right:>8} of 50{error:>9.4f}")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--peer-seeds", type=int, default=10, help="seeds on which PySINDy runs as well")
    parser.add_argument("--data", nargs="+", choices=("raw", "thin", "points"), default=["thin", "points"])
    parser.add_argument("--settings", nargs="+", choices=tuple(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--new-data", action="store_true", help="new runs and noise for every seed")
    args = parser.parse_args()
    for kind in args.data:
        for name in args.settings:
            table(SETTINGS[name], kind, args.seeds, args.peer_seeds, args.new_data)


if __name__ == "__main__":
    main()
