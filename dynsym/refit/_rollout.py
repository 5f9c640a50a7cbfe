"""How far simulations of a model stay from the runs it was fitted to."""

from __future__ import annotations

import numpy as np

from .._checks import ConvergenceError
from ..regression import Model
from ..trajectory import Trajectory

_RUNS, _SAMPLES = 5, 200
_FAR = 1.0  # share of the steps from which on a model does not say where the next sample lies


def rollout(model: Model) -> float | None:
    """Root mean square over a few runs of |simulated - measured| / sd of the states, 1 where the simulation breaks down.

    None where there is no run that a simulation could follow.
    """
    runs = [run for run in model.runs if len(run) >= 10 and _is_followed(model, run)][:_RUNS]
    if not runs:
        return None
    errors = []
    for run in runs:
        part = slice(0, min(len(run), _SAMPLES))
        spread = np.maximum(run.x.std(axis=0), 1e-300)
        try:
            path = model.field.simulate(run.x[0], run.t[part]).x
            errors.append(min(1.0, float(np.mean(((path - run.x[part]) / spread) ** 2))))
        except ConvergenceError:
            errors.append(1.0)
    return float(np.sqrt(np.mean(errors)))


def _is_followed(model: Model, run: Trajectory) -> bool:
    """Whether neighbouring samples are joined by the flow at all: states drawn at random are not a time series."""
    steps = np.diff(run.x, axis=0)
    slopes = model.field.evaluate(run.x)
    missed = steps - np.diff(run.t)[:, None] * (slopes[1:] + slopes[:-1]) / 2
    return bool(np.median(np.abs(missed)) <= _FAR * np.median(np.abs(steps)))
