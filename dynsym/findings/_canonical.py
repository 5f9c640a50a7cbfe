"""From any basis of a null space to the one a physicist would write: sparse, and rounded where the errors allow it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from .._checks import Array
from ..certify import CERTIFIED, Level, Verdict

_CUTS = (0.2, 0.1, 0.05, 0.02, 0.01, 1e-3, 1e-5, 1e-8)
_LARGEST_DENOMINATOR = 12
_SLACK = 0.1  # share of delta by which the upper bound of a simpler form may exceed that of the fitted one


def simplify(vector: Array, weights: Array, judged: Callable[[Array], Verdict], level: Level) -> tuple[Array, Verdict]:
    """The simplest form of a finding that the data accept as well as the fitted one.

    Small entries are set to zero, from the coarsest cut on; then ratios to the leading entry are rounded to simple fractions.
    Each step is kept only if the verdict on the simpler form is no worse, so nothing is rounded beyond its error.

    Parameters
    ----------
    vector
        (k,) coefficients.
    weights
        (k,) size of each coordinate's function.
    judged
        The verdict on given coefficients.
    level
        Tolerance and error level.
    """
    pivot = int(np.argmax(np.abs(vector) * weights))
    best = vector / vector[pivot]
    verdict = judged(best)
    if verdict.status != CERTIFIED:
        return best, verdict
    allowed = verdict.upper + _SLACK * level.delta

    def accepted(trial: Array) -> Verdict | None:
        found = judged(trial)
        return found if found.status == CERTIFIED and found.upper <= allowed else None

    size = np.abs(best) * weights
    previous = None
    for cut in _CUTS:
        trial = np.where(size > cut * size.max(), best, 0.0)
        if previous is not None and np.array_equal(trial, previous):
            continue
        previous = trial
        found = accepted(trial)
        if found is not None:
            best, verdict = trial, found
            break
    rounded = np.array([_simple(value) for value in best])
    if not np.array_equal(rounded, best):
        found = accepted(rounded)
        if found is not None:
            return rounded, found
        best, verdict = _round_one_by_one(best, verdict, accepted)
    return best, verdict


def _round_one_by_one(
    best: Array, verdict: Verdict, accepted: Callable[[Array], Verdict | None]
) -> tuple[Array, Verdict]:
    for k in np.flatnonzero(best)[:12]:
        trial = best.copy()
        trial[k] = _simple(best[k])
        if trial[k] != best[k]:
            found = accepted(trial)
            if found is not None:
                best, verdict = trial, found
    return best, verdict


def _simple(value: float) -> float:
    """The nearest fraction with a denominator up to 12 if it is within 5 %, else the value itself."""
    if value == 0 or abs(value) > 1e4:
        return value
    near = float(Fraction(value).limit_denominator(_LARGEST_DENOMINATOR))
    return near if near != 0 and abs(near - value) <= 0.05 * abs(value) else value
