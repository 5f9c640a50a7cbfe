"""Numbers that people write: small fractions, small square roots, pi, the golden ratio and their multiples, simplest first.

A measured number equals some fraction within any error, if the fraction may be complicated enough. The table is therefore
ordered by how much has to be written, and a number is recognised only where so few simpler ones exist that hitting one by
chance is unlikely.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, log2, pi, sqrt
from typing import NamedTuple

import numpy as np

from ._checks import Array

_CHANCE = 0.1  # largest probability that a number of this precision meets a simple one by chance
_WIDEST = 0.1  # relative half-width beyond which nothing is recognised, 1 and 2 included
_SPAN = 6.0  # ln(20 / 0.05): numbers outside 1/20 ... 20 are left as they are
_LARGEST = 50
_LARGEST_DENOMINATOR = 24
_MOST = 9.0  # bits
_EXACT = 1e-14
_BY_CHANCE = 10  # how many times rarer an irrational constant is than a fraction that is as long to write
_INVERSE_PI = 2.5
_CONSTANTS = (
    ("pi", pi, 2.5),
    ("pi**2", pi * pi, 4.0),
    ("(1/2 + sqrt(5)/2)", (1 + sqrt(5)) / 2, 3.3),
    *((f"sqrt({n})", sqrt(n), 1.5 + log2(n)) for n in (2, 3, 5, 6, 7, 10, 11, 13, 15)),
)


class Known(NamedTuple):
    """A number that people write.

    Attributes
    ----------
    value, text
        The number, and how it is written (readable by SymPy).
    rank
        How many fractions are at most as long to write; for irrational numbers ten times how many numbers.
    is_rational
        Whether it is a fraction.
    """

    value: float
    text: str
    rank: float
    is_rational: bool

    @property
    def window(self) -> float:
        """Relative half-width up to which meeting this number, or a simpler one, is unlikely to be chance."""
        return min(_WIDEST, _CHANCE * _SPAN / (2 * self.rank))


@lru_cache(maxsize=1)
def known_numbers() -> tuple[Known, ...]:
    """All numbers of the table in 1/20 ... 20, simplest first.

    Examples
    --------
    >>> from dynsym._constants import known_numbers
    >>> [k.text for k in known_numbers()[:8]]
    ['1', '1/2', '2', '1/3', '3', '1/4', '4', '1/5']
    """
    rows = []
    for q in range(1, _LARGEST_DENOMINATOR + 1):
        for p in range(1, _LARGEST + 1):
            bits = log2(p) + log2(q)
            if gcd(p, q) > 1 or bits > _MOST:
                continue
            rows.append((bits, p / q, f"{p}/{q}" if q > 1 else str(p), True))
            for name, value, own in _CONSTANTS:
                text = (f"{p}*" if p > 1 else "") + name + (f"/{q}" if q > 1 else "")
                rows.append((bits + own, p * value / q, text, False))
            below = f"{p}/pi" if q == 1 else f"{p}/({q}*pi)"
            rows.append((bits + _INVERSE_PI, p / (q * pi), below, False))
    rows = [row for row in rows if row[0] <= _MOST and 0.05 <= row[1] <= 20]
    rows.sort(key=lambda row: (row[0], row[1]))
    fractions = np.cumsum([row[3] for row in rows])
    return tuple(
        Known(value, text, float(fractions[i] if rational else _BY_CHANCE * (i + 1)), rational)
        for i, (_, value, text, rational) in enumerate(rows)
    )


@lru_cache(maxsize=1)
def _values() -> Array:
    return np.array([k.value for k in known_numbers()])


def candidates(value: float, reach: float) -> list[Known]:
    """The known numbers within the relative distance `reach` of a positive value that are likely to be meant.

    Simplest first. A number as far away as it could be by chance is no candidate.

    Examples
    --------
    >>> from dynsym._constants import candidates
    >>> [k.text for k in candidates(1.4142, 0.01)], candidates(1.37, 0.01)
    (['sqrt(2)'], [])
    """
    away = np.abs(_values() / value - 1)
    near = [known_numbers()[i] for i in np.flatnonzero(away <= reach)]
    found = [k for k in near if abs(k.value / value - 1) <= k.window]
    return sorted(found, key=lambda k: k.rank)


def recognise(value: float, error: float) -> Known | None:
    """The simplest known number within two standard errors, if the error leaves no room for one by chance.

    Parameters
    ----------
    value
        Any number; its sign is left out.
    error
        Its standard error.

    Examples
    --------
    >>> from dynsym._constants import recognise
    >>> recognise(1.41424, 2e-5).text, recognise(0.3331, 1e-3).text
    ('sqrt(2)', '1/3')
    >>> recognise(0.333, 0.1), recognise(0.354, 1e-3)         # sqrt(2)/4, and it is no more than near
    (None, None)
    """
    size = abs(value)
    if not 0.05 <= size <= 20:
        return None
    reach = max(2 * error / size, _EXACT)
    return next((k for k in candidates(size, reach) if reach <= k.window), None)


@lru_cache(maxsize=4096)
def written(size: float) -> str | None:
    """How an irrational known number that is meant exactly is written; None for other numbers.

    Examples
    --------
    >>> from dynsym._constants import written
    >>> written(3 * 2**0.5 / 2), written(0.7071), written(0.5)
    ('3*sqrt(2)/2', None, None)
    """
    if not 0.05 <= size <= 20:
        return None
    near = np.flatnonzero(np.abs(_values() - size) <= _EXACT * size)
    found = [known_numbers()[i] for i in near]
    return None if not found or any(k.is_rational for k in found) else found[0].text
