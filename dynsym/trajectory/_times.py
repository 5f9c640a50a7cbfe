"""What the steps of a grid of times are like, found without temporaries of its length."""

from __future__ import annotations

import numpy as np

from dynsym._checks import Array

_EVEN = 1e-9  # relative spread of the steps below which a grid counts as even
_PIECE = 16_384  # times looked at together: they stay in cache


def step_range(t: Array) -> tuple[float, float]:
    """Smallest and largest step of times (m,); (inf, -inf) for one sample, (nan, nan) where a time is missing."""
    low, high = np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        for start in range(0, len(t) - 1, _PIECE):
            step = np.diff(t[start : start + _PIECE + 1])
            low, high = np.minimum(low, step.min()), np.maximum(high, step.max())
    return float(low), float(high)


def steps_agree(steps: tuple[float, float], first: float, last: float) -> bool:
    """Whether steps within a range, between two times, agree to the rounding of these times."""
    low, high = steps
    return high - low <= _EVEN * max(abs(first), abs(last), high) + _EVEN * high


def is_even(t: Array) -> bool:
    """Whether all steps agree to rounding."""
    return len(t) < 2 or steps_agree(step_range(t), float(t[0]), float(t[-1]))


def even_step(t: Array) -> float | None:
    """The step of an even grid of times (m,), m >= 2, else None."""
    if len(t) < 2 or not is_even(t):
        return None
    return float((t[-1] - t[0]) / (len(t) - 1))
