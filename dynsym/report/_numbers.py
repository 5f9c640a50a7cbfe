"""Numbers as a physicist writes them: rounded to their error, with a power of ten where that is shorter."""

from __future__ import annotations

import math
from dataclasses import dataclass

_DIGITS = 5
_MOST_DIGITS = 12


@dataclass(frozen=True)
class Rounded:
    """A value and its standard error to the same decimal, times 10^exponent; error is empty if unknown."""

    value: str
    error: str
    exponent: int

    def __str__(self) -> str:
        text = f"{self.value} \N{PLUS-MINUS SIGN} {self.error}" if self.error else self.value
        if not self.exponent:
            return text
        return f"({text})e{self.exponent}" if self.error else f"{text}e{self.exponent}"


def rounded(value: float, error: float = 0.0) -> Rounded:
    """Round to two digits of the error, or to five digits where there is none.

    Examples
    --------
    >>> from dynsym.report._numbers import rounded
    >>> str(rounded(2.9591220828e-4, 1.2e-9)), str(rounded(-4.0, 0.012)), str(rounded(1.0))
    ('(2.959122 ± 0.000012)e-4', '-4.000 ± 0.012', '1')
    """
    if not math.isfinite(value):
        return Rounded("unknown", "", 0)
    known = math.isfinite(error) and error > 0
    size = max(abs(value), error) if known else abs(value)
    exponent = math.floor(math.log10(size)) if size > 0 else 0
    if -3 <= exponent < 5:
        exponent = 0
    unit = 10.0**exponent
    if not known:
        return Rounded(f"{value / unit:.{_DIGITS}g}", "", exponent)
    places = 1 - math.floor(math.log10(error / unit))
    places = min(max(places, 0), _MOST_DIGITS)
    return Rounded(f"{value / unit:.{places}f}", f"{error / unit:.{places}f}", exponent)


def short(value: float | None, digits: int = 2) -> str:
    """A size to a few digits: 0.013, 3.2e-07, or "unknown"."""
    if value is None or not math.isfinite(value):
        return "unknown"
    if value and not 1e-3 <= abs(value) < 1e4:
        return f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.{digits}g}"
