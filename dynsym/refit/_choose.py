"""Which algebra is kept, if any: held-out errors compared fold by fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .._checks import Array
from ..generators import Generators
from ._settle import Settled

_ALPHA = 0.05
_MATERIAL = 0.1  # relative rise of the squared held-out error that matters
_REFUTED = 0.01  # p value of the lack of fit below which an algebra that was merely suggested is refuted
_ROUNDING = 1e-22  # squared held-out errors below this share of the targets are rounding


@dataclass(frozen=True, eq=False)
class Tried:
    """One algebra that was tried.

    Attributes
    ----------
    settled
        The field under it, with the tangent directions that its held-out error counts.
    left_out
        (K, n) squared errors on the folds.
    errors
        (K,) the same with each equation in units of its noise.
    told
        Whether it was certified or given, rather than suggested by a spectrum.
    family
        The candidates that the weights of its generators refer to.
    label
        Where it came from, in words.
    lack
        p value of the test that it is true beside the fit without symmetry.
    """

    settled: Settled
    left_out: Array
    errors: Array
    told: bool
    family: Generators
    label: str
    lack: float = 1.0

    @property
    def size(self) -> int:
        """Number of generators."""
        return self.settled.weights.shape[1]


@dataclass(frozen=True)
class Comparison:
    """Held-out errors of two models, fold by fold.

    Attributes
    ----------
    difference
        Mean of first minus second, over the mean of the second.
    standard_error
        Of the difference.
    p_value
        One-sided paired t test: small where the first is worse.
    """

    difference: float
    standard_error: float
    p_value: float

    @property
    def significant(self) -> bool:
        """Whether the first is worse beyond chance."""
        return self.p_value < _ALPHA


def compared(first: Array, second: Array, targets: Array) -> Comparison:
    """A paired comparison of held-out errors (K,), folds in proportion to their targets' share."""
    floor = _ROUNDING * targets
    gap = np.maximum(first, floor) - np.maximum(second, floor)
    base = max(float(np.maximum(second, floor).mean()), 1e-300)
    mean = float(gap.mean())
    error = float(gap.std(ddof=1)) / np.sqrt(len(gap)) if len(gap) > 1 else float("inf")
    if error == 0:
        return Comparison(mean / base, 0.0, 1.0 if mean <= 0 else 0.0)
    return Comparison(
        mean / base, error / base, float(stats.t.sf(mean / error, len(gap) - 1)) if len(gap) > 1 else 1.0
    )


def admissible(one: Tried, plain: Array, targets: Array) -> bool:
    """Whether an algebra holds its own against the plain fit.

    One that was certified or given stays unless its held-out error is larger, significantly and by more than a twentieth; one
    that a spectrum merely suggests has to lower the error by more than a standard error, and a test of its lack of fit must not
    refute it.
    """
    beside = compared(one.errors, plain, targets)
    if one.told:
        return not (beside.significant and beside.difference > _MATERIAL)
    return beside.difference < -beside.standard_error and one.lack >= _REFUTED


def chosen(tried: Sequence[Tried], plain: Array, targets: Array) -> Tried | None:
    """Of those that hold their own, the one with the fewest free parameters within a standard error of the best.

    References
    ----------
    Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees, section 3.4.3, for the rule.
    """
    good = [one for one in tried if admissible(one, plain, targets)]
    if not good:
        return None
    best = min(good, key=lambda one: float(one.errors.mean()))
    near = []
    for one in good:
        beside = compared(one.errors, best.errors, targets)
        if one is best or beside.difference <= beside.standard_error:
            near.append(one)
    return min(near, key=lambda one: (one.settled.freedom, -one.size, float(one.errors.mean())))
