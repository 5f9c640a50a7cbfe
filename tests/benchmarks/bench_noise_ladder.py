"""Noise ladder on the isotropic oscillator in the plane: 4 quadratic laws, 3 of them independent.

20 runs of 200 samples, dt = 0.1, standard normal initial states, quadratic dictionary in (x, y, px, py). Ours sees noisy
states and nothing else: from the within-run variance alone, from weak rows where they resolve the motion, and as
`conserved_quantities` combines them. SID's null space (Liu, Madhavan, Tegmark, PRE 106, 045307, 2022; written here in five
lines) is given clean states and the true derivative with noise of the same size, tolerance 1e-8 as in its notebook, and the
best of all tolerances; EDMD (written here in five lines) the same noisy states as ours.

    python tests/benchmarks/bench_noise_ladder.py [seeds]
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np

import dynsym as dy
from dynsym.certify import CERTIFIED, Level
from dynsym.constancy import Constancy, ensemble_of
from dynsym.findings._states import states_search
from dynsym.inner_product import region_around

NAMES = ("x", "y", "px", "py")
LADDER = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.3, 1.0)
DICTIONARY = dy.Monomials(4, 2, names=NAMES)


def clean_runs(seed: int) -> list[np.ndarray]:
    """States of 20 runs, (200, 4) each."""
    rng = np.random.default_rng(seed)
    t = 0.1 * np.arange(200)[:, None]
    out = []
    for _ in range(20):
        q, p = rng.standard_normal((2, 2))
        out.append(np.hstack([q * np.cos(t) + p * np.sin(t), p * np.cos(t) - q * np.sin(t)]))
    return out


def sid(states: np.ndarray, slopes: np.ndarray) -> tuple[int, bool]:
    """Number of singular values below 1e-8, and whether any tolerance gives 4: a gap of 10 after the fourth."""
    rows = np.einsum("mpn,mn->mp", DICTIONARY.jacobian(states), slopes)[:, 1:]
    values = np.linalg.svd(rows / np.linalg.norm(rows), compute_uv=False)[::-1]
    return int(np.sum(values < 1e-8)), bool(values[4] > 10 * values[3])


def edmd(runs: list[np.ndarray]) -> tuple[int, bool]:
    """Number of eigenvalues within 1e-3 of 1 beside that of the constant, and whether a gap of 10 follows the fourth."""
    before = np.concatenate([DICTIONARY.evaluate(x[:-1]) for x in runs])
    after = np.concatenate([DICTIONARY.evaluate(x[1:]) for x in runs])
    koopman = np.linalg.lstsq(before, after, rcond=None)[0]
    away = np.sort(np.abs(np.linalg.eigvals(koopman) - 1))[1:]
    return int(np.sum(away < 1e-3)), bool(away[4] > 10 * away[3])


def ours(runs: list[dy.Trajectory]) -> tuple[str, str, str, float]:
    """Certified (independent) by within-run variance, by weak rows, and combined; seconds of the last."""
    ensemble = ensemble_of(runs, DICTIONARY)
    level = Level(0.05, 0.05, DICTIONARY.n_terms)
    constancy = Constancy.of(ensemble, DICTIONARY, level.delta)
    counts = []
    for view in (replace(constancy, slow=None), constancy if constancy.slow is not None else None):
        if view is None:
            counts.append("-")
            continue
        search, _ = states_search(view, region_around(runs), level)
        counts.append(str(sum(verdict.status == CERTIFIED for _, verdict in search.run()[0])))
    start = time.perf_counter()
    found = dy.conserved_quantities(runs, DICTIONARY)
    seconds = time.perf_counter() - start
    undecided = sum(law.verdict.status == "undecided" for law in found.findings)
    text = f"{len(found.functions)} ({found.independent})" + (f" + {undecided}?" if undecided else "")
    return counts[0], counts[1], text, seconds


def main(seeds: int = 5) -> None:
    print(
        "truth: 4 certified (3 independent); '+ k?' counts undecided ones; '-': the samples do not resolve the weak rows"
    )
    print(
        f"{'noise':>7} {'seed':>4} | {'SID 1e-8':>8} {'any tol':>7} | {'EDMD 1e-3':>9} {'any tol':>7} |",
        end="",
    )
    print(f" {'variance':>8} {'weak':>5} {'ours':>12} {'s':>6}")
    for noise in LADDER:
        for seed in range(seeds):
            rng = np.random.default_rng([seed, 1])
            clean = clean_runs(seed)
            states = np.concatenate(clean)[::2]
            slopes = states[:, [2, 3, 0, 1]] * np.array([1, 1, -1, -1])
            a, b = sid(states, slopes + noise * rng.standard_normal(slopes.shape))
            noisy = [x + noise * rng.standard_normal(x.shape) for x in clean]
            c, d = edmd(noisy)
            runs = [dy.Trajectory(0.1 * np.arange(200), x, names=NAMES) for x in noisy]
            variance, weak, text, seconds = ours(runs)
            print(
                f"{noise:7.0e} {seed:4d} | {a:8d} {'yes' if b else 'no':>7} | {c:9d} {'yes' if d else 'no':>7} |"
                f" {variance:>8} {weak:>5} {text:>12} {seconds:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
