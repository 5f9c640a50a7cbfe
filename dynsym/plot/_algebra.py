"""The table of brackets of a Lie algebra as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from .._checks import Array
from ..sections import text_of
from ._style import FAINT, RUN_COLOURS, new_figure, say, shorten, styled

_MOST_WRITTEN = 10  # dimension up to which the brackets are written into their cells


@styled
def brackets(c: Array, labels: Sequence[str], title: str) -> Figure:
    """[row, column] in its cell, coloured by the basis vector that it holds most of; empty cells commute.

    Parameters
    ----------
    c
        Structure constants, shape (r, r, r).
    labels
        Names of the r basis vectors.
    title
        Name of the algebra.
    """
    r = len(c)
    figure = new_figure(1.4 + 0.75 * max(r, 2), 1.2 + 0.5 * max(r, 2))
    axis = figure.subplots()
    axis.set_title(title, loc="left")
    if r == 0:
        say(axis, "no generators")
        return figure
    size = float(np.max(np.abs(c), initial=0.0))
    for i, j in np.ndindex(r, r):
        row = np.where(np.abs(c[i, j]) > 1e-6 * size, c[i, j], 0.0)
        if not row.any():
            continue
        colour = RUN_COLOURS[int(np.argmax(np.abs(row))) % len(RUN_COLOURS)]
        axis.fill(
            [j - 0.5, j + 0.5, j + 0.5, j - 0.5], [i - 0.5, i - 0.5, i + 0.5, i + 0.5], colour, alpha=0.25
        )
        if r <= _MOST_WRITTEN:
            text = shorten(text_of(labels, np.round(row, 9), 3), 14)
            axis.text(j, i, text, ha="center", va="center", fontsize=7.5)
    axis.set_xlim(-0.5, r - 0.5)
    axis.set_ylim(r - 0.5, -0.5)
    axis.set_xticks(range(r), labels)
    axis.set_yticks(range(r), labels)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    for k in range(r + 1):
        axis.axhline(k - 0.5, color=FAINT, linewidth=0.5)
        axis.axvline(k - 0.5, color=FAINT, linewidth=0.5)
    return figure
