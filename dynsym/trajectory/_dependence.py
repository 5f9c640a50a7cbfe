"""Exact linear relations between states, which make the coefficients of any model ambiguous."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dynsym._checks import Array
from dynsym.trajectory.trajectory import Trajectory

_MOST_SAMPLES = 50_000
# Relative to the spread of the states: above rounding of stored numbers, far below any measurement.
TOLERANCE = 1e-7


def pooled_sample(runs: Sequence[Trajectory]) -> Array:
    """Return complete samples of all runs, (m, n); of many, an evenly spread subset."""
    every = -(-sum(len(run) for run in runs) // _MOST_SAMPLES)
    # The offset carries on from run to run, so that runs shorter than the stride are not left out.
    offset, parts = 0, []
    for run in runs:
        parts.append(run.x[offset::every])
        offset = (offset - len(run)) % every
    x = np.concatenate(parts)
    return x[~np.isnan(x).any(axis=1)]


def linear_dependences(x: Array, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return relations such as "R = 1 - S - I" that hold for x (m, n) up to `TOLERANCE` of the spread.

    The smallest singular value of the standardised states says whether there is one at all; each state is
    then regressed on the states before it.
    """
    m, n = x.shape
    if n < 2 or m <= n:
        return ()
    mean, spread = x.mean(axis=0), x.std(axis=0)
    # States that vary only in samples which miss another state have no spread here.
    if not (spread > 0).all():
        kept = np.flatnonzero(spread > 0)
        return linear_dependences(x[:, kept], tuple(names[i] for i in kept))
    factor: Array = np.asarray(np.linalg.qr((x - mean) / (spread * np.sqrt(m)), mode="r"))
    if np.linalg.svd(factor, compute_uv=False)[-1] > TOLERANCE:
        return ()
    free: list[int] = []
    found = []
    for j in range(n):
        weights = np.linalg.lstsq(factor[:, free], factor[:, j], rcond=None)[0]
        if np.linalg.norm(factor[:, j] - factor[:, free] @ weights) > TOLERANCE:
            free.append(j)
            continue
        scaled = np.where(np.abs(weights) > 10 * TOLERANCE, weights * spread[j] / spread[free], 0.0)
        constant = mean[j] - scaled @ mean[free]
        if abs(constant) < 10 * TOLERANCE * (spread[j] + abs(mean[j])):
            constant = 0.0
        found.append(f"{names[j]} = {_combination(constant, scaled, [names[i] for i in free])}")
    return tuple(found)


def _combination(constant: float, weights: Array, names: Sequence[str]) -> str:
    terms = [(constant, "")] if constant else []
    terms += [(float(w), name) for w, name in zip(weights, names) if w]
    out = ""
    for value, name in terms:
        size = f"{abs(value):.4g}"
        body = name if name and size == "1" else f"{size} {name}".strip()
        sign = "-" if value < 0 else "+"
        out += f" {sign} {body}" if out else (f"-{body}" if value < 0 else body)
    return out or "0"
