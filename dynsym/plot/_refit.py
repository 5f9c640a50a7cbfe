"""A refit as a figure: what each model predicts of left-out data, and how well the generators are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._style import ACCENT, FAINT, INK, MUTED, new_figure, styled

if TYPE_CHECKING:
    from ..refit import Refit

_MOST = 40  # entries of the generators that are drawn, the largest ones


@styled
def refit(done: Refit) -> Figure:
    """Held-out errors of all attempts above the entries of the generators with two standard errors."""
    rows = len(done.attempts)
    panels = 2 if len(done.generators) else 1
    figure = new_figure(6.4, 1.2 + 0.28 * rows + 2.4 * (panels - 1))
    axes = figure.subplots(
        panels, 1, squeeze=False, gridspec_kw={"height_ratios": [0.6 + 0.28 * rows, 2.4][:panels]}
    )
    _errors(axes[0, 0], done)
    if panels == 2:
        _generators(axes[1, 0], done)
    return figure


def _errors(axis: Axes, done: Refit) -> None:
    places = np.arange(len(done.attempts))[::-1]
    values = [one.heldout for one in done.attempts]
    axis.scatter(values, places, s=30, c=[ACCENT if one.kept else MUTED for one in done.attempts], zorder=3)
    axis.axvline(done.heldout_plain, color=FAINT, linewidth=1.0)
    if max(values) > 3 * min(values) > 0:
        axis.set_xscale("log")
    labels = [
        one.label + (f" ({one.n_generators} generators)" if one.n_generators else "") for one in done.attempts
    ]
    axis.set_yticks(places, labels)
    axis.set_ylim(-0.6, len(values) - 0.4)
    axis.set_xlabel("held-out error, relative")


def _generators(axis: Axes, done: Refit) -> None:
    times = np.asarray(done.generators.time_scaling)
    a = done.generators.coefficients.reshape(len(times), -1)
    values = np.concatenate([np.column_stack([a, times])]).ravel()
    spread = np.column_stack(
        [done.generator_errors[:, :, :-1].reshape(len(times), -1), done.generator_errors[:, 0, -1]]
    ).ravel()
    shown = np.sort(np.argsort(-np.abs(values), kind="stable")[: min(_MOST, np.count_nonzero(values))])
    axis.errorbar(
        np.arange(len(shown)),
        values[shown],
        2 * spread[shown],
        fmt="o",
        markersize=3,
        color=INK,
        linewidth=0.8,
    )
    axis.axhline(0.0, color=FAINT, linewidth=0.8)
    axis.set_xticks(
        np.arange(len(shown)), [_label(done, int(k)) for k in shown], rotation=90, fontsize="x-small"
    )
    axis.set_ylabel("entry of a generator")


def _label(done: Refit, index: int) -> str:
    generators = done.generators
    n, p = generators.n_states, generators.dictionary.n_terms
    which, entry = divmod(index, n * p + 1)
    if entry == n * p:
        return f"{which + 1}: t d/dt"
    state, term = divmod(entry, p)
    return f"{which + 1}: {generators.dictionary.terms[term]} d/d{generators.names[state]}"
