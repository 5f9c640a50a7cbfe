"""Figures of whole results: what their `.plot()` methods return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..findings import ConservedQuantities, HamiltonianStructure, InvariantTensors, Symmetries
from ..trajectory import Trajectory
from ._runs import draw_drift
from ._spectra import Finding, draw_spectrum, draw_verdicts, verdict_height
from ._style import new_figure, styled

if TYPE_CHECKING:
    from ..analysis import Analysis

_MOST_LAWS = 4


@styled
def symmetries(found: Symmetries) -> Figure:
    """The spectrum of the candidate generators above the verdict on each finding."""
    findings = found.findings
    figure = new_figure(6.4, 2.6 + _height(findings))
    _two_panels(figure, found, findings, [f.expression for f in findings], _statuses(findings))
    return figure


@styled
def conserved_quantities(found: ConservedQuantities, runs: Sequence[Trajectory] = ()) -> Figure:
    """The spectrum of the dictionary above the verdict on each law; given runs, the drift of four."""
    findings = found.findings
    followed = findings[:_MOST_LAWS] if runs else ()
    figure = new_figure(6.4, 2.6 + _height(findings) + 1.2 * len(followed))
    # A law is found in its lowest degree, so directions of the whole dictionary do not match laws one by one.
    axes = _two_panels(figure, found, findings, [f.expression for f in findings], (), len(followed))
    for axis, law in zip(axes, followed):
        draw_drift(axis, law, runs, 4000)
    if followed:
        axes[len(followed) - 1].set_xlabel("time")
    return figure


@styled
def invariant_tensors(found: InvariantTensors) -> Figure:
    """The spectrum of the tensors of a kind above the verdict on each finding."""
    findings = found.findings
    figure = new_figure(6.4, 2.6 + _height(findings))
    _two_panels(figure, found, findings, [f.expression for f in findings], ())
    return figure


@styled
def hamiltonian_structure(found: HamiltonianStructure) -> Figure:
    """The brackets {x_i, x_j} of all pairs of states as a table, coloured by their sign at a typical point."""
    names = found.names
    n = len(names)
    figure = new_figure(2.2 + 0.9 * n, 1.4 + 0.6 * n)
    axis = figure.subplots()
    axis.set_xticks(range(n), names)
    axis.set_yticks(range(n), names)
    axis.tick_params(length=0)
    axis.xaxis.set_ticks_position("top")
    if found.bracket is None:
        axis.imshow(np.zeros((n, n)), cmap="RdBu", vmin=-4, vmax=4)
        axis.set_xlabel(f"no Hamiltonian structure: {found.verdict.status}")
        return figure
    value = found.bracket.evaluate(found.region.points) / np.outer(found.region.scale, found.region.scale)
    axis.imshow(np.sign(np.median(value, axis=0)), cmap="RdBu", vmin=-4, vmax=4)
    symbols = found.bracket.to_sympy()
    for i, j in np.ndindex(n, n):
        text = _entry(symbols[i, j])
        axis.text(j, i, text, ha="center", va="center", fontsize="small")
    axis.set_xlabel(f"{{row, column}};  H = {found.hamiltonian}", wrap=True)
    return figure


def _entry(expression: Any) -> str:
    """One component of a bracket in few characters; nothing for 0."""
    return (
        ""
        if expression == 0
        else sp.sstr(expression.xreplace({c: c.round(3) for c in expression.atoms(sp.Float)}))
    )


@styled
def analysis(done: Analysis) -> Figure:
    """The spectra of both null spaces side by side, conserved quantities left and symmetries right."""
    count = max(len(done.laws.findings), len(done.symmetries.findings))
    figure = new_figure(10.0, 2.8 + verdict_height(count))
    axes = figure.subplots(2, 2, gridspec_kw={"height_ratios": [2.4, verdict_height(count)]})
    for column, found, name in ((0, done.laws, "conserved quantities"), (1, done.symmetries, "symmetries")):
        statuses = _statuses(found.findings) if column else ()
        draw_spectrum(axes[0, column], found.spectrum, found.level, statuses)
        axes[0, column].set_title(name, loc="left")
        draw_verdicts(
            axes[1, column],
            [f.verdict for f in found.findings],
            found.level,
            [f.expression for f in found.findings],
        )
    return figure


def _two_panels(
    figure: Figure,
    found: Symmetries | ConservedQuantities | InvariantTensors,
    findings: Sequence[Finding],
    labels: Sequence[str],
    statuses: Sequence[str | None],
    more: int = 0,
) -> Sequence[Axes]:
    """Spectrum and verdicts, and `more` empty panels below, which are returned."""
    heights = [2.2, *([_height(findings)] if findings else []), *[1.1] * more]
    axes = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    draw_spectrum(axes[0], found.spectrum, found.level, statuses)
    if findings:
        draw_verdicts(axes[1], [f.verdict for f in findings], found.level, labels)
    return list(axes[len(heights) - more :])


def _statuses(findings: Sequence[Finding]) -> list[str | None]:
    """Verdicts in the order of the spectrum: the findings span its least broken directions."""
    return [f.verdict.status for f in sorted(findings, key=lambda f: f.verdict.defect)]


def _height(findings: Sequence[Finding]) -> float:
    return verdict_height(len(findings)) if findings else 0.0
