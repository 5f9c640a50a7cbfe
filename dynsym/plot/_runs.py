"""What happens along the runs: how constant the conserved quantities stay, and the orbits in phase space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._checks import Array, require
from ..findings import ConservedQuantities, Law
from ..regression import Model
from ..trajectory import Trajectory
from ..trajectory.trajectory import with_units
from ..vector_field import VectorField
from ._lines import extremes, orbit, resolved, shown_runs
from ._style import FAINT, INK, MUTED, STATUS_COLOUR, new_figure, run_colour, say, shorten, styled

_MOST_LAWS = 8
_MOST_PANELS = 6
_MOST_ORBITS = 8
# Points of all lines of one figure together: what keeps a page of many long runs within a few megabytes.
_DRIFT_POINTS = 16_000
_PHASE_POINTS = 24_000
_LEGEND = 8
_FEW, _FINE = 60, 150


@styled
def drift(laws: ConservedQuantities | Sequence[Law], runs: Sequence[Trajectory]) -> Figure:
    """(h(t) - mean h) / (rms |grad h| sd(x)) against time, one panel per law and one line per run.

    The scale is that of `Law.relative_drift`: what h would change by if the states moved independently.

    Parameters
    ----------
    laws
        What `conserved_quantities` found; the first eight are drawn.
    runs
        Gap-free runs, such as `Model.runs`. Of many, 24 are drawn.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> from dynsym import findings, plot
    >>> spring = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -4, 0]])
    >>> laws = findings.conserved_quantities(spring, dy.Monomials(2, 2))
    >>> len(plot.drift(laws, [spring.simulate([1.0, 0.0], np.linspace(0, 9, 50))]).axes)
    1
    """
    found = tuple(laws.findings if isinstance(laws, ConservedQuantities) else laws)[:_MOST_LAWS]
    figure = new_figure(6.4, 0.6 + 1.15 * max(len(found), 1))
    axes = np.atleast_1d(figure.subplots(max(len(found), 1), 1, sharex=True))
    if not found or not runs:
        say(axes[0], "no conserved quantity to follow" if not found else "no run to follow it along")
        return figure
    for axis, law in zip(axes, found):
        draw_drift(axis, law, runs, _DRIFT_POINTS // len(found))
    axes[-1].set_xlabel(_time_label(runs[0]))
    _run_legend(figure, axes[0], runs)
    return figure


def draw_drift(axis: Axes, law: Law, runs: Sequence[Trajectory], points: int) -> None:
    shown = shown_runs(runs)
    most = max(points // len(shown), 20)
    axis.axhline(0.0, color=FAINT, lw=0.8)
    for k, run in shown:
        change = relative_change(law, run)
        kept = extremes(change, most)
        axis.plot(
            run.t[kept], change[kept], "-", color=run_colour(k), lw=0.9, label=run.label or f"run {k + 1}"
        )
    axis.set_title(
        shorten(law.expression, 84), loc="left", color=STATUS_COLOUR.get(law.verdict.status, INK), fontsize=8
    )
    axis.margins(x=0.01)
    axis.locator_params(axis="y", nbins=4)
    axis.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))


def relative_change(law: Law, run: Trajectory) -> Array:
    """(h - mean h) / (rms |grad h| sd(x)) along a run, (m,); rms: the run's relative drift."""
    values = law.function.evaluate(run.x)
    slope = law.function.gradient(run.x)
    size = float(np.sqrt(np.mean(np.sum((slope * run.x.std(axis=0)) ** 2, axis=1))))
    return (values - values.mean()) / (size if size > 0 else 1.0)


@styled
def phase_portrait(model_or_runs: Model | Sequence[Trajectory]) -> Figure:
    """The runs in planes of two states each; for a model also its own orbits from the same starts.

    Parameters
    ----------
    model_or_runs
        A fitted model, or runs alone. Of many, 24 runs and the orbits of 8 are drawn.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If there is no run.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> from dynsym import plot
    >>> run = dy.Trajectory(np.arange(4.0), np.eye(4)[:, :3])
    >>> len(plot.phase_portrait([run]).axes)
    3
    """
    model = model_or_runs if isinstance(model_or_runs, Model) else None
    runs = list(model.runs if model is not None else model_or_runs)  # type: ignore[arg-type]
    require(len(runs) > 0, "a phase portrait needs at least one run, got none")
    pairs = state_pairs(runs[0].n_states)
    columns = min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = new_figure(6.4 if columns > 1 else 4.2, 0.5 + rows * (2.3 if columns > 2 else 3.0))
    axes = list(np.atleast_1d(figure.subplots(rows, columns)).ravel())
    _draw_portraits(axes, runs, model.field if model is not None else None, pairs)
    for axis in axes[len(pairs) :]:
        axis.set_axis_off()
    _portrait_legend(figure, axes[0], model is not None)
    return figure


def state_pairs(n: int) -> list[tuple[int, int]]:
    """The planes drawn: all of few states; of many those within the first half and across the halves.

    With positions first and velocities second these are the orbits and the phase planes.
    """
    if n == 1:
        return [(0, 0)]
    every = list(combinations(range(n), 2))
    if len(every) <= _MOST_PANELS:
        return every
    half = n // 2
    within = list(combinations(range(half), 2))[: _MOST_PANELS // 2]
    across = [(k, k + half) for k in range(half)]
    return (within + across)[:_MOST_PANELS]


def _draw_portraits(
    axes: Sequence[Axes],
    runs: Sequence[Trajectory],
    field: VectorField | None,
    pairs: Sequence[tuple[int, int]],
) -> None:
    shown = shown_runs(runs)
    most = max(_PHASE_POINTS // (len(pairs) * (len(shown) + _MOST_ORBITS)), 20)
    drawn = {k for k, _ in shown_runs(runs, _MOST_ORBITS)}
    titles = with_units(runs[0])
    for k, run in shown:
        kept = resolved(run, most)
        # Few samples must not turn the model into a polygon.
        fine = np.linspace(run.t[kept[0]], run.t[kept[-1]], max(len(kept), _FINE))
        path = orbit(field, run.x[0], fine) if field is not None and k in drawn else None
        for axis, (i, j) in zip(axes, pairs):
            _draw_orbit(axis, run, (kept, path, fine), (i, j), run_colour(k))
    for axis, (i, j) in zip(axes, pairs):
        axis.set_xlabel(_time_label(runs[0]) if i == j else titles[i])
        axis.set_ylabel(titles[j])
        _keep_to_data(axis, runs, (i, j))


def _draw_orbit(
    axis: Axes,
    run: Trajectory,
    lines: tuple[npt.NDArray[np.intp], Array | None, Array],
    pair: tuple[int, int],
    colour: str,
) -> None:
    kept, path, fine = lines
    size = 5.0 if len(kept) <= _FEW else 2.6
    i, j = pair
    across = run.t if i == j else run.x[:, i]
    axis.plot(across[kept], run.x[kept, j], ".", ms=size, mew=0, alpha=0.8, color=colour, zorder=3)
    if path is not None:
        along = fine[: len(path)] if i == j else path[:, i]
        axis.plot(along, path[:, j], "-", lw=0.7, color=INK, zorder=2)


def _keep_to_data(axis: Axes, runs: Sequence[Trajectory], pair: tuple[int, int]) -> None:
    """Limits from the data alone: a model that runs away must not shrink them to a dot."""
    i, j = pair
    for k, limit in ((i, axis.set_xlim), (j, axis.set_ylim)):
        if i == j and limit == axis.set_xlim:
            low, high = min(float(r.t[0]) for r in runs), max(float(r.t[-1]) for r in runs)
        else:
            low, high = (
                min(float(np.min(r.x[:, k])) for r in runs),
                max(float(np.max(r.x[:, k])) for r in runs),
            )
        if np.isfinite([low, high]).all() and high > low:
            limit(low - 0.06 * (high - low), high + 0.06 * (high - low))


def _portrait_legend(figure: Figure, axis: Axes, with_model: bool) -> None:
    if not with_model:
        return
    dots = axis.plot([], [], ".", color=MUTED, label="data")
    line = axis.plot([], [], "-", color=INK, lw=0.9, label="model, from the first sample of each run")
    figure.legend(handles=dots + line, loc="outside upper center", ncols=2)


def _run_legend(figure: Figure, axis: Axes, runs: Sequence[Trajectory]) -> None:
    handles, labels = axis.get_legend_handles_labels()
    if 1 < len(handles) <= _LEGEND and len(runs) <= _LEGEND:
        figure.legend(handles, labels, loc="outside upper center", ncols=4)


def _time_label(run: Trajectory) -> str:
    return f"time [{run.time_unit}]" if run.time_unit else "time"
