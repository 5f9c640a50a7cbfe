"""Pictures of paths, selection probabilities and bootstrap draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import Array

if TYPE_CHECKING:
    from ._bootstrap import Bootstrap
    from ._breaks import Breaks
    from ._grid import PathGrid
    from ._path import Path
    from ._stability import Stability

_LABELLED = 8  # terms named in the legend of a panel
_LEAST = 1e-9  # defects below this are drawn there
_TEXT = 60


def draw_path(path: Path) -> Any:
    """Errors with the number of terms on a second axis, and below the coefficients of each equation."""
    from matplotlib.figure import Figure

    n = path.coefficients.shape[1]
    figure = Figure(figsize=(7, 2.9 + 1.7 * n), layout="constrained")
    axes = figure.subplots(n + 1, 1, sharex=True, height_ratios=[1.6] + [1.0] * n)
    _errors(axes[0], path)
    for i, axis in enumerate(axes[1:]):
        size = np.abs(path.coefficients[:, i]).max(axis=0)
        _lines(axis, path.values, path.coefficients[:, i], size, path.model.field.dictionary.terms)
        axis.set_yscale("symlog", linthresh=1e-3 * max(float(size.max(initial=0.0)), 1e-300))
        axis.set_ylabel(f"{path.model.field.names[i]}'")
    axes[-1].set_xlabel(path.walk.label)
    return figure


def _errors(axis: Any, path: Path) -> None:
    from matplotlib.ticker import MaxNLocator

    root = np.sqrt(np.where(np.isfinite(path.cv), path.cv, np.nan))
    if np.isfinite(root).any():
        spread = np.where(np.isfinite(path.cv), path.cv_error, np.nan)
        low, high = (np.sqrt(np.maximum(path.cv + s * spread, 0.0)) for s in (-1, 1))
        axis.fill_between(path.values, np.maximum(low, 1e-3 * root), high, color="C0", alpha=0.2, lw=0)
        axis.plot(path.values, root, "-", color="C0", lw=1.3, label="left-out folds")
        axis.axvline(path.values[path.index("1se")], color="0.4", lw=0.8, ls="--", label="1se")
    axis.plot(path.values, np.maximum(path.residual, 1e-16), "-", color="C1", lw=1.0, label="all data")
    if (path.values > 0).any():
        axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylabel("relative error")
    axis.legend(frameon=False, fontsize=8)
    second = axis.twinx()
    second.step(path.values, path.n_terms, where="mid", color="0.6", lw=0.9)
    second.set_ylabel("terms", color="0.5")
    second.yaxis.set_major_locator(MaxNLocator(integer=True))


def draw_breaks(found: Breaks) -> Any:
    """Number of broken combinations, and defects against the weight: what is restored somewhere bold, each candidate thin.

    Dotted lines mark the events, a dashed one the point chosen by 1se.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    path = found.path
    figure = Figure(figsize=(8.4, 5.0), layout="constrained")
    top, axis = figure.subplots(2, 1, sharex=True, height_ratios=[1.0, 2.4])
    top.step(path.values, found.broken, where="post", color="0.3", lw=1.2)
    top.set_ylabel("broken")
    top.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.plot(path.values, np.maximum(found.defects, _LEAST), lw=0.6, color="0.75", zorder=0)
    order = np.argsort(found.along[0], kind="stable")
    for place, j in enumerate(order[:_LABELLED]):
        text = found.walk.candidates.gist(found.combinations[:, j])
        label = text if len(text) <= _TEXT else text[: _TEXT - 3] + "..."
        axis.plot(
            path.values, np.maximum(found.along[:, j], _LEAST), ".-", lw=1.4, color=f"C{place}", label=label
        )
    axis.set_yscale("log")
    axis.set_ylim(_LEAST / 2, 2.0)
    axis.set_ylabel("defect")
    axis.set_xlabel(path.walk.label)
    if (path.values > 0).any():
        axis.set_xscale("log")
    _mark(top, axis, found)
    if len(order):
        figure.legend(
            *axis.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center"
        )
    return figure


def _mark(top: Any, axis: Any, found: Breaks) -> None:
    path = found.path
    for panel in (top, axis):
        for event in found.events:
            panel.axvline(event.weight, color="0.55", lw=0.8, ls=":")
        if (path.converged & np.isfinite(path.cv)).any():
            panel.axvline(path.values[path.index("1se")], color="C3", lw=0.9, ls="--")


def draw_grid(found: PathGrid) -> Any:
    """Two maps over both weights: held-out error and degrees of freedom; a cross where 1se chooses, a ring where cv does."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 1.6 + 0.45 * found.shape[0]), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    free = np.stack([one.freedom.sum(axis=1) for one in found.paths])
    errors = np.where(np.isfinite(found.errors), found.errors, np.nan)
    norm = LogNorm() if np.isfinite(errors).any() and np.nanmin(errors) > 0 else None
    for axis, values, scale, title in (
        (left, errors, norm, "held-out error"),
        (right, free, None, "degrees of freedom"),
    ):
        image = axis.imshow(values, aspect="auto", origin="lower", norm=scale, cmap="viridis")
        figure.colorbar(image, ax=axis)
        axis.set_title(title, fontsize=9)
        ticks = np.unique(np.linspace(0, found.shape[1] - 1, 5).round().astype(int))
        axis.set_xticks(ticks, [f"{found.values[k]:.2g}" for k in ticks])
        axis.set_xlabel(found.paths[0].walk.label)
        for rule, marker in (("1se", "x"), ("cv", "o")):
            if (found.whole.converged & np.isfinite(found.whole.cv)).any():
                i, k = found.index(rule)
                axis.plot(k, i, marker, color="w", mec="w", mfc="none", ms=9, mew=1.6)
    left.set_yticks(range(found.shape[0]), [f"{s:.2g}" for s in found.levels])
    left.set_ylabel(found.terms.walk.label)
    return figure


def draw_stability(found: Stability) -> Any:
    """Selection probability of each term against the weight, one panel per equation."""
    from matplotlib.figure import Figure

    n = found.probabilities.shape[0]
    figure = Figure(figsize=(7, 0.8 + 1.9 * n), layout="constrained")
    axes = figure.subplots(n, 1, sharex=True, squeeze=False)[:, 0]
    for i, axis in enumerate(axes):
        terms = found.model.field.dictionary.terms
        _lines(axis, found.values, found.along[:, i], found.probabilities[i], terms)
        axis.axhline(0.9, color="0.4", lw=0.8, ls="--")
        axis.set_ylim(-0.03, 1.03)
        axis.set_ylabel(f"{found.model.field.names[i]}' selected")
    if (found.values > 0).any():
        axes[-1].set_xscale("log")
    axes[-1].set_xlabel(found.walk.label)
    return figure


def _lines(axis: Any, x: Array, y: Array, size: Array, terms: tuple[str, ...]) -> None:
    """One line per term, the largest ones named."""
    order = np.argsort(-size, kind="stable")
    for place, j in enumerate(order):
        if place < _LABELLED and size[j] > 0:
            axis.plot(x, y[:, j], lw=1.2, color=f"C{place}", label=terms[j])
        else:
            axis.plot(x, y[:, j], lw=0.6, color="0.75", zorder=0)
    if size.any():
        axis.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5))


def draw_bootstrap(found: Bootstrap) -> Any:
    """The distribution of each coefficient, centred on the estimate and divided by the standard error of the fit."""
    from matplotlib.figure import Figure

    places = np.argwhere(found.model.support)
    names, terms = found.model.field.names, found.model.field.dictionary.terms
    figure = Figure(figsize=(6.4, 0.9 + 0.3 * max(len(places), 1)), layout="constrained")
    axis = figure.subplots()
    for k, (i, j) in enumerate(places):
        unit = max(float(found.model.standard_errors[i, j]), 1e-300)
        moved = (found.draws[:, i, j] - found.model.coefficients[i, j]) / unit
        axis.plot(np.quantile(moved, [0.025, 0.975]), [k, k], "-", color="C0", lw=2)
        axis.plot(np.median(moved), k, "o", color="C0", ms=4)
    axis.set_yticks(range(len(places)), [f"{names[i]}': {terms[j]}" for i, j in places])
    axis.invert_yaxis()
    axis.axvline(0.0, color="0.6", lw=0.8)
    axis.set_xlabel("draws minus estimate, in standard errors of the fit")
    return figure
