"""From any basis of a null space to the one a physicist would write: sparse, and rounded where the errors allow it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .._checks import Array
from ..certify import CERTIFIED, UNDECIDED, Level, Verdict
from ..spectral import relative_spectrum

_CUTS = (0.2, 0.1, 0.05, 0.02, 0.01, 1e-3, 1e-5, 1e-8)
_LARGEST_DENOMINATOR = 12
_COARSE_DENOMINATOR = 4
_EQUAL = 0.03  # relative difference up to which two sizes are tried as equal
_SLACK = 0.1  # share of delta by which the upper bound of a simpler form may exceed that of the fitted one


@dataclass(frozen=True)
class Judge:
    """How a form of a finding is tested: its operator and norm on the region, and the verdict on given coefficients."""

    operator: Array
    gram: Array
    weights: Array
    verdict: Callable[[Array], Verdict]
    level: Level

    def nearest(self, vector: Array, kept: Array) -> Array:
        """The least broken vector on some of the coordinates, near to the given one and with the same leading entry."""
        index = np.flatnonzero(kept)
        spectrum = relative_spectrum(self.operator[:, index], self.gram[np.ix_(index, index)], "")
        low = spectrum.values <= 3 * spectrum.values[0] + 1e-12
        span = spectrum.vectors[:, low]
        out = np.zeros_like(vector)
        out[index] = span @ (span.T @ self.gram[np.ix_(index, index)] @ vector[index])
        return out


def simplify(vector: Array, judge: Judge) -> tuple[Array, Verdict]:
    """The simplest form of a finding that the data accept as well as the fitted one.

    Small entries are set to zero, from the coarsest cut on, and the others adapted; then ratios to the leading entry are
    rounded to simple fractions. Each step is kept only if the verdict on the simpler form is no worse, so nothing is rounded
    beyond its error.
    """
    best = _normalised(vector, judge.weights)
    verdict = judge.verdict(best)
    if verdict.status != CERTIFIED:
        return best, verdict
    allowed = verdict.upper + _SLACK * judge.level.delta

    def accepted(trial: Array) -> Verdict | None:
        found = judge.verdict(trial)
        return found if found.status == CERTIFIED and found.upper <= allowed else None

    size = np.abs(best) * judge.weights
    tried: set[int] = set()
    for cut in _CUTS:
        kept = size > cut * size.max()
        if int(kept.sum()) in tried or not kept.any():
            continue
        tried.add(int(kept.sum()))
        trial = _normalised(judge.nearest(best, kept), judge.weights)
        for form in (_rounded(trial), trial):
            found = accepted(form)
            if found is not None:
                return (form, found) if form is not trial else _round_one_by_one(trial, found, accepted)
    return best, verdict


def _normalised(vector: Array, weights: Array) -> Array:
    """Scaled so that the leading entry, by contribution, is 1."""
    pivot = vector[int(np.argmax(np.abs(vector) * weights))]
    return vector / pivot if pivot else vector


def _rounded(vector: Array) -> Array:
    """Nearly equal sizes made equal, and sizes that are simple multiples of the most frequent one made so.

    The unit of a law is arbitrary, so what matters is ratios: in v^2 - 2 mu / r the squares have one coefficient, and the
    potential is a number to be measured.
    """
    out = np.array(vector)
    index = np.flatnonzero(vector)
    order = index[np.argsort(np.abs(vector[index]), kind="stable")]
    groups: list[list[int]] = []
    for k in order:
        if groups and abs(vector[k]) <= (1 + _EQUAL) * abs(vector[groups[-1][0]]):
            groups[-1].append(int(k))
        else:
            groups.append([int(k)])
    sizes = np.array([np.mean(np.abs(vector[group])) for group in groups])
    unit = sizes[int(np.argmax([len(group) for group in groups]))] if groups else 1.0
    for group, size in zip(groups, sizes):
        out[group] = np.sign(vector[group]) * unit * _simple(size / unit)
    return out


def _round_one_by_one(
    best: Array, verdict: Verdict, accepted: Callable[[Array], Verdict | None]
) -> tuple[Array, Verdict]:
    for k in np.flatnonzero(best)[:12]:
        trial = best.copy()
        trial[k] = np.sign(best[k]) * _simple(abs(best[k]))
        if trial[k] != best[k]:
            found = accepted(trial)
            if found is not None:
                best, verdict = trial, found
    return best, verdict


def _simple(value: float) -> float:
    """The nearest simple fraction, else the value: halves to quarters within 3 %, twelfths only where they are exact."""
    if not 0.05 <= abs(value) <= 20:
        return value
    for denominator, tolerance in ((_LARGEST_DENOMINATOR, 1e-6), (_COARSE_DENOMINATOR, 0.03)):
        near = float(Fraction(value).limit_denominator(denominator))
        if near != 0 and abs(near - value) <= tolerance * abs(value):
            return near
    return value


def as_undecided(verdict: Verdict, reason: str) -> Verdict:
    """A certified verdict withdrawn for the stated reason; others stay as they are."""
    if verdict.status != CERTIFIED:
        return verdict
    return Verdict(UNDECIDED, verdict.defect, verdict.lower, verdict.upper, reason)


def fitted_numbers(vector: Array) -> int:
    """How many coefficients are no simple multiples of the others: the numbers that a law had to fit."""
    sizes = np.abs(vector[vector != 0])
    if not len(sizes):
        return 0
    ratios = sizes[None, :] / sizes[:, None]
    exact = np.array(
        [[abs(_simple(float(r)) - r) <= 1e-9 * r and 0.05 <= r <= 20 for r in row] for row in ratios]
    )
    return int(len(sizes) - exact.sum(axis=1).max())


def shortened(text: str, width: int = 160) -> str:
    """Text cut for a table; the record keeps all of it."""
    return text if len(text) <= width else text[: width - 4].rsplit(" ", 1)[0] + " ..."
