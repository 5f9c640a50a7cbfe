"""From any basis of a null space to the one a physicist would write: sparse, and rounded where the errors allow it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._checks import Array
from .._constants import Known, candidates, known_numbers
from ..certify import CERTIFIED, UNDECIDED, Level, Verdict
from ..spectral import relative_spectrum

_CUTS = (0.2, 0.1, 0.05, 0.02, 0.01, 1e-3, 1e-5, 1e-8)
_REACH = 0.03  # relative distance up to which a size may be moved to a number that people write
_PLAIN = 2  # rank up to which such a number (1, a half) needs no proof that the data exclude its neighbours
_MOST_TRIED = 3  # numbers tried for one coefficient
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

    Small entries are set to zero, from the coarsest cut on, and the others adapted; nearly equal sizes are made equal, and
    their ratios rounded to simple fractions or known constants (see `dynsym._constants`). A step is kept only if

    - the verdict on the simpler form is no worse, so that nothing moves by more than its error, and
    - the data reject the form with this ratio moved to the edge of the interval in which a number so long to write is
      unlikely to be met by chance, so that a ratio with a wide error keeps its digits.
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
        found = _together(trial, accepted) or _one_by_one(trial, accepted)
        if found is not None:
            return found
    return best, verdict


Accept = Callable[[Array], Verdict | None]


def _one_by_one(trial: Array, accepted: Accept) -> tuple[Array, Verdict] | None:
    """The trial, its sizes rounded one after the other as far as the data allow; None if the trial itself is refused."""
    verdict = accepted(trial)
    if verdict is None:
        return None
    equal = _Groups.of(trial).equalised()
    found = accepted(equal)
    best, verdict = (trial, verdict) if found is None else (equal, found)
    groups = _Groups.of(best)
    for i, ratio in enumerate(groups.ratios[:12]):
        for known in candidates(float(ratio), _REACH)[:_MOST_TRIED]:
            form = groups.moved(best, i, known.value)
            better = accepted(form)
            if better is not None and _resolved(form, groups, i, known, accepted):
                best, verdict = form, better
                break
    return best, verdict


def _together(trial: Array, accepted: Accept) -> tuple[Array, Verdict] | None:
    """All sizes rounded at once, which helps where their errors hang together; None if one of them is not justified."""
    groups = _Groups.of(trial)
    form = groups.equalised()
    chosen: list[tuple[int, Known]] = []
    for i, ratio in enumerate(groups.ratios):
        for known in candidates(float(ratio), _REACH)[:1]:
            chosen.append((i, known))
            form = groups.moved(form, i, known.value)
    verdict = accepted(form)
    if verdict is None or not all(_resolved(form, groups, i, known, accepted) for i, known in chosen):
        return None
    return form, verdict


def rounded(vector: Array) -> Array:
    """The vector with nearly equal sizes made equal and each ratio replaced by the simplest number near it, to be tested."""
    groups = _Groups.of(vector)
    form = groups.equalised()
    for i, ratio in enumerate(groups.ratios):
        form = groups.moved(form, i, simple(float(ratio)))
    return form


def simple(value: float) -> float:
    """The simplest known number near a positive value, else the value."""
    found = candidates(value, _REACH)
    return found[0].value if found else value


def _resolved(form: Array, groups: _Groups, i: int, known: Known, accepted: Accept) -> bool:
    """Whether the data refuse the form with size i moved to either edge of the window in which chance is unlikely."""
    if known.rank <= _PLAIN:
        return True
    return all(
        accepted(groups.moved(form, i, known.value * factor)) is None
        for factor in (1 + known.window, 1 / (1 + known.window))
    )


def _normalised(vector: Array, weights: Array) -> Array:
    """Scaled so that the leading entry, by contribution, is 1."""
    pivot = vector[int(np.argmax(np.abs(vector) * weights))]
    return vector / pivot if pivot else vector


@dataclass(frozen=True)
class _Groups:
    """The entries of a vector by nearly equal size: members, and their ratios to the unit, one of the sizes.

    The unit of a law is arbitrary, so what matters is ratios: in v^2 - 2 mu / r the squares have one coefficient, and the
    potential is a number to be measured. The unit is the size that brings most entries next to the simplest numbers.
    """

    vector: Array
    members: tuple[tuple[int, ...], ...]
    ratios: Array
    unit: float

    @classmethod
    def of(cls, vector: Array) -> _Groups:
        index = np.flatnonzero(vector)
        groups: list[list[int]] = []
        for k in index[np.argsort(np.abs(vector[index]), kind="stable")]:
            if groups and abs(vector[k]) <= (1 + _EQUAL) * abs(vector[groups[-1][0]]):
                groups[-1].append(int(k))
            else:
                groups.append([int(k)])
        sizes = np.array([np.mean(np.abs(vector[group])) for group in groups])
        unit = max(sizes, key=lambda size: _plainness(groups, sizes / size), default=1.0)
        return cls(vector, tuple(map(tuple, groups)), sizes / unit, float(unit))

    def equalised(self) -> Array:
        """The vector with one size for each group."""
        out = self.vector
        for i, ratio in enumerate(self.ratios):
            out = self.moved(out, i, float(ratio))
        return out

    def moved(self, vector: Array, i: int, ratio: float) -> Array:
        """The vector with group i at a ratio to the unit."""
        out = np.array(vector)
        group = list(self.members[i])
        out[group] = np.sign(vector[group]) * self.unit * ratio
        return out


def _plainness(groups: list[list[int]], ratios: Array) -> tuple[int, float]:
    """How many entries lie next to a number that people write, and how simple those numbers are."""
    near = [candidates(float(ratio), _REACH)[:1] for ratio in ratios]
    count = sum(len(group) for group, found in zip(groups, near) if found)
    return count, -sum(float(np.log(known.rank)) for found in near for known in found)


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
    table = np.array([known.value for known in known_numbers()])
    exact = np.array([[np.min(np.abs(table - r)) <= 1e-9 * r for r in row] for row in ratios])
    return int(len(sizes) - exact.sum(axis=1).max())


def shortened(text: str, width: int = 160) -> str:
    """Text cut for a table; the record keeps all of it."""
    return text if len(text) <= width else text[: width - 4].rsplit(" ", 1)[0] + " ..."
