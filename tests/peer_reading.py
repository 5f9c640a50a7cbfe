"""How findings from states alone are compared with the true laws: relations among states, and ranks of gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import dynsym as dy
from dynsym._checks import Array
from dynsym.sections import ScalarFunction

CLEAN = 1e-6  # relative drift that clean data with integration errors of 1e-12 stay below
_MOST_POINTS = 1500


def independent_states(
    runs: Sequence[dy.Trajectory], limit: float = CLEAN
) -> tuple[list[dy.Trajectory], tuple[str, ...]]:
    """The runs without states that are linear in earlier ones in all data, and the names of those left out.

    Each state left out is a linear relation, which is constant in all data.
    """
    x = np.concatenate([run.x for run in runs])
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    kept: list[int] = []
    for j in range(x.shape[1]):
        fitted = x[:, kept] @ np.linalg.lstsq(x[:, kept], x[:, j], rcond=None)[0] if kept else 0.0
        if np.linalg.norm(x[:, j] - fitted) > limit * np.linalg.norm(x[:, j]):
            kept.append(j)
    names = runs[0].names
    short = [dy.Trajectory(r.t, r.x[:, kept], names=tuple(names[j] for j in kept)) for r in runs]
    return short, tuple(name for j, name in enumerate(names) if j not in kept)


def relations(functions: Sequence[ScalarFunction], x: Array) -> list[ScalarFunction]:
    """Those functions that have one value in all data x (m, n), up to CLEAN of their size."""
    spread = x.std(axis=0)
    out = []
    for h in functions:
        size = float(np.sqrt(np.mean(np.sum((h.gradient(x) * spread) ** 2, axis=1))))
        if float(np.std(h.evaluate(x))) < CLEAN * size:
            out.append(h)
    return out


def rank_on(functions: Sequence[ScalarFunction], points: Array, spread: Array) -> int:
    """Rank of the gradients at most of the points."""
    if not functions:
        return 0
    slopes = np.stack([h.gradient(points) * spread for h in functions], axis=1)
    slopes = slopes / np.maximum(np.linalg.norm(slopes, axis=2, keepdims=True), 1e-300)
    ranks = np.count_nonzero(np.linalg.svd(slopes, compute_uv=False) > 1e-5, axis=1)
    return int(np.quantile(ranks, 0.9, method="nearest"))
