"""The verb `predictions`: how far and how well models foresee runs that they were not fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .._checks import Array, require
from .._threads import one_blas_thread
from ..differentiation import time_scale
from ..sections import ScalarFunction
from ..trajectory import Trajectory, as_runs, noise_level
from ..vector_field import VectorField
from ..vector_field._levels import HasLaws, Laws
from ._exponent import lyapunov_exponent
from ._results import Prediction, Predictions
from ._rollouts import LOST, Scale, rollouts, square_errors, valid_time
from ._rule import PredictionRule
from ._starts import Start, starts_of

_GRID = 200
_EXPONENT_STATES = 16
_EXPONENT_TIME = 4.0
_SHARED = 0.9  # of the variance of the motion that neighbouring samples have in common: cos(0.45), steps of 0.45 radians
_QUIET = 1e-6  # of the spread: less noise is left alone


@runtime_checkable
class HasField(Protocol):
    """What carries a vector field, such as the results of `fit` and `refit`."""

    @property
    def field(self) -> VectorField: ...


def predictions(
    models: Mapping[str, VectorField | HasField] | Sequence[VectorField | HasField],
    runs: Any,
    laws: Laws = (),
    rule: PredictionRule | None = None,
) -> Predictions:
    """Error e(t) = |(x_model(t) - x(t)) / sd(x)| / sqrt(n) of simulations along held-out runs, and how long it is small.

    All models start from the same states: measured samples, freed from noise by local polynomials without using any
    model. The noise of the samples that they are compared with is taken off the squared errors in the mean.

    Parameters
    ----------
    models
        Fields, or results of `fit` or `refit`, by name; the first is the one that others are compared with.
    runs
        Runs that no model has seen, in any form that `fit` takes. Their noise is `sd` where given, else estimated.
    laws
        Functions whose drift along the simulations is measured: `ScalarFunction` objects, or the result of
        `conserved_quantities`, whose certified laws are meant.
    rule
        Threshold (default 0.4), starts in each run, horizon.

    Returns
    -------
    Predictions
        Prints as a table; `.findings` holds the numbers, `.against(name)` compares two models.

    Raises
    ------
    DataError
        If models and runs have different states, no run has ten samples, or the noise hides errors of the size of the
        threshold.

    Examples
    --------
    >>> import dynsym as dy
    >>> lorenz = dy.systems.get("lorenz")
    >>> plain = dy.fit(lorenz.runs(4, 400, noise=0.01), dy.Monomials(3, 2))
    >>> held_out = lorenz.runs(8, 400, seed=1)
    >>> judged = dy.predictions({"plain": plain, "exact": lorenz.field()}, held_out)
    >>> judged.against("exact").verdict
    'longer'
    """
    named = _named(models)
    rule = rule or PredictionRule()
    pieces = [piece for run in as_runs(runs) for piece in run.read().segments(2)]
    _check_states(named, pieces)
    with one_blas_thread():
        scale = _scale(pieces)
        _check_noise(scale, rule)
        starts = starts_of(pieces, scale.noise, rule)
        functions = tuple(laws.functions if isinstance(laws, HasLaws) else laws)
        sizes = _law_sizes(functions, pieces, scale)
        times = np.linspace(0.0, max(start.times[-1] for start in starts), _GRID)
        found = tuple(
            _judge(name, field, starts, scale, rule, (functions, sizes, times)) for name, field in named
        )
        lyapunov = rule.lyapunov_time or _lyapunov_time(found, starts, scale)
    errors = np.stack([start.sd / scale.spread for start in starts])
    return Predictions(
        findings=found,
        rule=rule,
        runs=np.array([start.run for start in starts]),
        spread=scale.spread,
        noise=scale.noise,
        start_error=float(np.sqrt(np.mean(errors**2))),
        characteristic_time=time_scale(pieces, scale.noise),
        lyapunov_time=lyapunov,
        laws=tuple(str(h) for h in functions),
        times=times,
    )


def _named(models: Any) -> list[tuple[str, VectorField]]:
    items = (
        list(models.items())
        if isinstance(models, Mapping)
        else [(f"model {k + 1}", model) for k, model in enumerate(models)]
    )
    require(bool(items), "no model was given; pass a dict such as {'plain': plain, 'refit': best}")
    out = []
    for name, model in items:
        field = model if isinstance(model, VectorField) else getattr(model, "field", None)
        if not isinstance(field, VectorField):
            raise TypeError(
                f"{name} is a {type(model).__name__} without a vector field; pass a VectorField or the result of fit, "
                "refit, or dynsym.interop.from_pysindy"
            )
        out.append((str(name), field))
    return out


def _check_states(named: Sequence[tuple[str, VectorField]], runs: Sequence[Trajectory]) -> None:
    require(bool(runs), "no run has two complete samples in a row; there is nothing to predict")
    for name, field in named:
        require(
            field.n_states == runs[0].n_states,
            f"{name} has {field.n_states} states and the runs have {runs[0].n_states}; predict runs of the states that "
            "it was fitted to",
        )


def _scale(runs: Sequence[Trajectory]) -> Scale:
    """Spread of the states without the noise, and the noise."""
    if all(run.sd is not None for run in runs):
        squares = [np.broadcast_to(np.asarray(run.sd, dtype=float), (run.n_states,)) ** 2 for run in runs]
        noise = np.sqrt(np.mean(squares, axis=0))
    else:
        noise = np.nan_to_num(noise_level(runs))
        # Motion between coarse samples looks like noise; then nothing is smoothed and nothing taken off.
        noise = noise if _is_white(runs, noise) else np.zeros_like(noise)
    x = np.concatenate([run.x for run in runs])
    variance = np.maximum(x.var(axis=0) - noise**2, 0.25 * x.var(axis=0))
    size = np.maximum(np.abs(x).max(axis=0), 1e-300)
    # A state that does not move counts in units of its size, so that a model that makes it move is seen to err.
    spread = np.where(variance > (1e-9 * size) ** 2, np.sqrt(variance), size)
    quiet = noise < _QUIET * spread
    return Scale(spread, np.where(quiet, 0.0, noise))


def _is_white(runs: Sequence[Trajectory], noise: Array) -> bool:
    """Whether neighbouring samples share what is not noise: their covariance is the variance less that of the noise."""
    long = [run.x - run.x.mean(axis=0) for run in runs if len(run) > 2]
    if not long:
        return False
    variance = sum(np.sum(x[1:] ** 2 + x[:-1] ** 2, axis=0) / 2 for x in long)
    shared = sum(np.sum(x[1:] * x[:-1], axis=0) for x in long)
    motion = variance - noise**2 * sum(len(x) - 1 for x in long)
    return bool(np.all(shared >= _SHARED * motion))


def _check_noise(scale: Scale, rule: PredictionRule) -> None:
    require(
        scale.floor <= (rule.threshold / 1.5) ** 2,
        f"the noise is {np.sqrt(scale.floor):.2g} of the spread of the states, which hides errors of the size of the "
        f"threshold {rule.threshold:g}; take a threshold of at least {1.5 * np.sqrt(scale.floor):.2g}",
    )


def _judge(
    name: str,
    field: VectorField,
    starts: Sequence[Start],
    scale: Scale,
    rule: PredictionRule,
    shared: tuple[tuple[ScalarFunction, ...], Array, Array],
) -> Prediction:
    functions, sizes, times = shared
    paths = rollouts(field, starts)
    squares = [square_errors(path, start, scale) for path, start in zip(paths, starts)]
    valid = [valid_time(s.times, e, rule.threshold, scale.floor) for s, e in zip(starts, squares)]
    mean = np.array([e.mean() for e in squares]) - scale.floor
    lost = np.array([len(path) < len(start.times) for path, start in zip(paths, starts)])
    return Prediction(
        name=name,
        field=field,
        errors=np.where(lost, 1.0, np.sqrt(np.clip(mean, 0.0, 1.0))),
        valid=np.array([v for v, _ in valid]),
        to_the_end=np.array([end for _, end in valid]),
        lost=lost,
        drift=_drift(functions, sizes, paths),
        curve=_curve(starts, squares, times, scale.floor),
    )


def _curve(starts: Sequence[Start], squares: Sequence[Array], times: Array, floor: float) -> Array:
    """Quartiles over the starts of e at the times, (3, _); NaN from where no start is left."""
    table = np.stack([np.interp(times, start.times, e, right=np.nan) for start, e in zip(starts, squares)])
    left = ~np.isnan(table).all(axis=0)
    out = np.full((3, len(times)), np.nan)
    quartiles = np.nanquantile(table[:, left], [0.25, 0.5, 0.75], axis=0)
    out[:, left] = np.minimum(np.sqrt(np.maximum(quartiles - floor, 0.0)), LOST)
    return out


def _law_sizes(functions: Sequence[ScalarFunction], runs: Sequence[Trajectory], scale: Scale) -> Array:
    """(q,) rms |grad h| sd(x): what each law would change by if the states moved independently."""
    x = np.concatenate([run.x[:: max(1, len(run) // 200)] for run in runs])
    out = []
    for h in functions:
        if not isinstance(h, ScalarFunction):
            raise TypeError(f"laws are ScalarFunctions, got {type(h).__name__}")
        size = np.sqrt(np.mean(np.sum((h.gradient(x) * scale.spread) ** 2, axis=1)))
        require(
            np.isfinite(size) and size > 0,
            f"the law {h} has no finite, nonzero gradient on the runs ({size}); leave it out",
        )
        out.append(float(size))
    return np.array(out)


def _drift(functions: Sequence[ScalarFunction], sizes: Array, paths: Sequence[Array]) -> Array:
    out = []
    for h, size in zip(functions, sizes):
        with np.errstate(all="ignore"):
            changes = []
            for path in paths:
                values = h.evaluate(path) if len(path) else np.array([np.nan])
                change = float(np.sqrt(np.mean((values - values[0]) ** 2))) / size
                changes.append(change if np.isfinite(change) and change < LOST else np.inf)
        out.append(float(np.median(changes)))
    return np.array(out)


def _lyapunov_time(found: Sequence[Prediction], starts: Sequence[Start], scale: Scale) -> float | None:
    """1 / the exponent of the model that stays valid longest, None where it has none or breaks down."""
    best = max(found, key=lambda f: (f.valid_time, -f.error))
    every = max(1, len(starts) // _EXPONENT_STATES)
    states = np.stack([start.state for start in starts[::every]])
    # Longer than the predictions: the distance needs time to grow from 1e-7 to saturation.
    duration = _EXPONENT_TIME * max(float(start.times[-1]) for start in starts)
    exponent = lyapunov_exponent(best.field, states, scale.spread, duration)
    return None if exponent is None else 1.0 / exponent
