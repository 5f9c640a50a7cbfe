"""A picture of predictions: errors against time, valid times of all starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._results import Predictions


def draw_predictions(found: Predictions) -> Any:
    """Left the median error of each model with its quartiles, right the valid time of every start."""
    from matplotlib.figure import Figure

    unit = found.lyapunov_time or found.characteristic_time
    label = "Lyapunov times" if found.lyapunov_time is not None else "characteristic times"
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2.0, 1.0])
    jitter = np.linspace(-0.25, 0.25, len(found.runs))
    for k, one in enumerate(found.findings):
        low, middle, high = np.maximum(one.curve, 1e-12)
        left.fill_between(found.times / unit, low, high, color=f"C{k}", alpha=0.18, lw=0)
        left.plot(found.times / unit, middle, color=f"C{k}", lw=1.3, label=one.name)
        valid = one.valid / unit
        right.plot(k + jitter[~one.to_the_end], valid[~one.to_the_end], ".", color=f"C{k}", ms=4)
        right.plot(k + jitter[one.to_the_end], valid[one.to_the_end], "^", color=f"C{k}", ms=4, mfc="none")
        right.plot([k - 0.35, k + 0.35], [one.valid_time / unit] * 2, color=f"C{k}", lw=2)
    left.axhline(found.rule.threshold, color="0.4", lw=0.8, ls="--")
    left.set_yscale("log")
    left.set_ylim(top=10.0)
    left.set_xlabel(label)
    left.set_ylabel("error / spread")
    left.legend(frameon=False, fontsize=8)
    right.set_xticks(range(len(found.findings)), [one.name for one in found.findings])
    right.set_ylabel(f"valid for ({label})")
    right.set_ylim(bottom=0.0)
    right.set_title("triangles: to the end", fontsize=8, color="0.4", loc="left")
    return figure
