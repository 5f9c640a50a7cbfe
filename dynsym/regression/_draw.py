"""A picture of a fitted model beside the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import ConvergenceError

if TYPE_CHECKING:
    from ._model import Model


def draw_model(model: Model) -> Any:
    """The longest run as dots, the model started from its first sample as a line, one panel per state."""
    from matplotlib.figure import Figure

    run = max(model.runs, key=len)
    n = model.field.n_states
    figure = Figure(figsize=(7, 1.2 + 1.3 * n), layout="constrained")
    axes = np.atleast_1d(figure.subplots(n, 1, sharex=True))
    note = ""
    try:
        simulated = model.field.simulate(run.x[0], run.t).x if len(run) > 1 else run.x
    except ConvergenceError as error:
        simulated, note = np.asarray(error.last), "  (the simulation leaves every bound)"
    for k, axis in enumerate(axes):
        axis.plot(run.t, run.x[:, k], ".", ms=2, color="0.6", label="data")
        axis.plot(run.t[: len(simulated)], simulated[:, k], lw=1, color="C0", label="model")
        axis.set_ylabel(model.field.names[k])
    axes[0].legend(loc="upper right", frameon=False, ncols=2)
    axes[0].set_title("data and model" + note, fontsize=10)
    axes[-1].set_xlabel("t")
    return figure
