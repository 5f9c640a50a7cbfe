"""Figures of runs. Figures are built without pyplot, so that no global state is touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynsym.trajectory.trajectory import Trajectory, with_units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_DRAWN = 50


def draw_runs(runs: Sequence[Trajectory]) -> Figure:
    """Draw each state of the runs against time, one panel per state (the first 50 runs)."""
    from matplotlib.figure import Figure

    first = runs[0]
    figure = Figure(figsize=(7.0, 1.0 + 1.4 * first.n_states), layout="constrained")
    panels = figure.subplots(first.n_states, 1, sharex=True, squeeze=False)[:, 0]
    alone = len(runs) == 1
    for i, (panel, name) in enumerate(zip(panels, with_units(first))):
        for run in runs[:_MOST_DRAWN]:
            # A lone sample between two gaps has no line to belong to, so samples are also marked.
            panel.plot(
                run.t, run.x[:, i], lw=0.9, marker="." if len(run) < 200 else None, ms=3, label=run.label
            )
        panel.set_ylabel(name)
        panel.margins(x=0.01)
    panels[-1].set_xlabel(f"t [{first.time_unit}]" if first.time_unit else "t")
    title = (
        first.label
        if alone
        else f"{len(runs)} runs" + (", first 50 shown" if len(runs) > _MOST_DRAWN else "")
    )
    panels[0].set_title(title, loc="left", fontsize="medium")
    return figure
