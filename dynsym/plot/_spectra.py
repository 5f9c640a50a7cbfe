"""Spectra and defects on a logarithmic axis, against the tolerance that a claim is made at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from .._checks import Array, require
from ..certify import Level, Verdict
from ..spectral import Spectrum
from ._style import (
    ACCENT,
    FAINT,
    MUTED,
    STATUS_COLOUR,
    STATUS_MARKER,
    new_figure,
    power_label,
    say,
    shorten,
    styled,
)

_FLOOR = 1e-16  # exact zeros are drawn here
_MOST = 60


class Finding(Protocol):
    """Anything that carries a verdict."""

    @property
    def verdict(self) -> Verdict: ...


@styled
def spectrum(spectrum: Spectrum, level: Level, statuses: Sequence[str | None] = ()) -> Figure:
    """The values s_1 <= ... <= s_q on a logarithmic axis, with the tolerance delta as a line.

    Parameters
    ----------
    spectrum
        Singular values, ascending.
    level
        Its delta is drawn.
    statuses
        Verdict on each of the first values (certified, refuted, undecided, or None where there is none).

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If there are more statuses than values.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym import plot
    >>> from dynsym.certify import Level
    >>> from dynsym.spectral import Spectrum
    >>> s = Spectrum(np.array([1e-9, 0.4, 0.9]), np.eye(3), "Euclidean")
    >>> plot.spectrum(s, Level(), ["certified"]).axes[0].get_yscale()
    'log'
    """
    require(
        len(statuses) <= len(spectrum.values),
        f"{len(statuses)} statuses for a spectrum of {len(spectrum.values)} values; give at most one each",
    )
    figure = new_figure(6.4, 2.7)
    draw_spectrum(figure.subplots(), spectrum, level, statuses)
    return figure


def draw_spectrum(axis: Axes, spectrum: Spectrum, level: Level, statuses: Sequence[str | None]) -> None:
    values = spectrum.values[:_MOST]
    if not len(values):
        say(axis, "the spectrum is empty")
        return
    place = np.arange(1, len(values) + 1)
    shown = np.maximum(values, _FLOOR)
    known = np.array([*(s or "" for s in statuses), *[""] * len(values)][: len(values)])
    plain = known == ""
    axis.axhspan(_FLOOR / 10, level.delta, color=ACCENT, alpha=0.06, lw=0)
    axis.vlines(place, _FLOOR / 10, shown, color=FAINT, lw=0.8)
    axis.plot(place[plain], shown[plain], "o", ms=5, mfc="none", mec=MUTED, mew=1.1)
    for status in STATUS_COLOUR:
        here = known == status
        if here.any():
            axis.plot(
                place[here],
                shown[here],
                STATUS_MARKER[status],
                ms=6,
                color=STATUS_COLOUR[status],
                label=status,
            )
    _tolerance(axis, level)
    axis.set_ylim(*_decades(shown, level.delta))
    axis.set_xlim(0.2, len(values) + 0.8)
    axis.set_xticks(place if len(values) <= 20 else place[4::5])
    more = f" (first {_MOST} of {len(spectrum.values)})" if len(spectrum.values) > _MOST else ""
    axis.set_xlabel(f"direction, least broken first{more}")
    axis.set_ylabel("defect")
    if (~plain).any():
        axis.legend(loc="lower right", borderaxespad=0.1)


@styled
def verdicts(findings: Sequence[Finding], level: Level, labels: Sequence[str] = ()) -> Figure:
    """The defect of each finding with its bounds, coloured by verdict, against the tolerance delta.

    Parameters
    ----------
    findings
        Anything with a `verdict`.
    level
        Its delta is drawn.
    labels
        One short text for each finding; default their numbers.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from dynsym import plot
    >>> from dynsym.certify import Level, Verdict
    >>> one = SimpleNamespace(verdict=Verdict("certified", 1e-6, 0.0, 1e-4, "small"))
    >>> len(plot.verdicts([one], Level(), ["energy"]).axes)
    1
    """
    names = [str(text) for text in labels] or [f"{k + 1}" for k in range(len(findings))]
    require(len(names) == len(findings), f"{len(findings)} findings but {len(names)} labels")
    figure = new_figure(6.4, verdict_height(len(findings)))
    draw_verdicts(figure.subplots(), [f.verdict for f in findings], level, names)
    return figure


def verdict_height(count: int) -> float:
    """Inches that a panel of this many verdicts needs."""
    return 0.8 + 0.36 * max(count, 1)


def draw_verdicts(axis: Axes, found: Sequence[Verdict], level: Level, names: Sequence[str]) -> None:
    if not found:
        say(axis, "nothing was found that could be judged")
        return
    axis.axvspan(_FLOOR / 10, level.delta, color=ACCENT, alpha=0.06, lw=0)
    for k, (verdict, name) in enumerate(zip(found, names)):
        colour = STATUS_COLOUR.get(verdict.status, MUTED)
        low, high = max(verdict.lower, _FLOOR), max(verdict.upper, _FLOOR)
        axis.plot([low, high], [k, k], "-", color=colour, lw=2.2, alpha=0.45, solid_capstyle="butt")
        axis.plot([high, high], [k - 0.16, k + 0.16], "-", color=colour, lw=1.4)
        axis.plot(max(verdict.defect, _FLOOR), k, STATUS_MARKER.get(verdict.status, "o"), ms=6, color=colour)
        axis.text(
            0.006, k - 0.46, shorten(name, 78), transform=axis.get_yaxis_transform(), va="center", fontsize=8
        )
    axis.set_xscale("log")
    _powers(axis.xaxis)
    axis.axvline(level.delta, color=ACCENT, lw=1.1, ls=(0, (4, 3)))
    every = np.array([[v.defect, v.upper] for v in found]).ravel()
    axis.set_xlim(*_decades(np.maximum(every, _FLOOR), level.delta))
    axis.set_ylim(len(found) - 0.5, -0.85)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.annotate(
        _delta(level),
        (level.delta, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        textcoords="offset points",
        color=ACCENT,
        fontsize=8,
        ha="center",
    )
    axis.set_xlabel("defect; the bar ends at its upper bound")


def _powers(axis: Axis) -> None:
    axis.set_major_formatter(power_label)
    axis.set_minor_formatter(NullFormatter())


def _delta(level: Level) -> str:
    return f"\N{GREEK SMALL LETTER DELTA} = {level.delta:g}"


def _tolerance(axis: Axes, level: Level) -> None:
    axis.set_yscale("log")
    _powers(axis.yaxis)
    axis.axhline(level.delta, color=ACCENT, lw=1.1, ls=(0, (4, 3)))
    axis.annotate(
        _delta(level),
        (1.0, level.delta),
        xycoords=("axes fraction", "data"),
        xytext=(3, 0),
        textcoords="offset points",
        color=ACCENT,
        fontsize=8,
        va="center",
    )


def _decades(values: Array, delta: float) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    low = float(min(finite.min(initial=delta), delta))
    high = float(max(finite.max(initial=delta), delta))
    return max(low / 4, _FLOOR / 2), high * 4
