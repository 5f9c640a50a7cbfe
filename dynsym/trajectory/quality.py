"""What the samples can and cannot support, before any model is fitted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from dynsym._checks import Array, frozen
from dynsym.trajectory._alike import require_alike
from dynsym.trajectory._dependence import linear_dependences, pooled_sample
from dynsym.trajectory._quality_text import aligned, html, run_rows, state_rows
from dynsym.trajectory._warnings import warnings_for
from dynsym.trajectory.noise import noise_level, resolution
from dynsym.trajectory.trajectory import Trajectory, with_units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLOCK = 65_536


@dataclass(frozen=True, eq=False, repr=False)
class DataQuality:
    """Sampling, range, noise and linear dependence of the states of r runs, with warnings in plain sentences.

    Per run, shape (r,): `samples`, `missing` (incomplete samples), `duration`, `median_step` (NaN for a
    single sample) and `step_spread`, the largest minus the smallest step over the median step. Per state,
    shape (n,): `low`, `high`, `deviation` (standard deviation), `noise` (see `noise_level`, NaN where
    unknown) and `step` (the stored resolution, NaN where there is none). `constant` names states that do
    not vary; `dependences` holds exact linear relations between the others; `scale_ratio` is the largest
    over the smallest deviation.

    Examples
    --------
    >>> run = Trajectory(range(6), [[1.0, k] for k in range(6)], names=("a", "b"))
    >>> quality([run]).constant
    ('a',)
    """

    names: tuple[str, ...]
    titles: tuple[str, ...]
    labels: tuple[str, ...]
    samples: Array
    missing: Array
    duration: Array
    median_step: Array
    step_spread: Array
    low: Array
    high: Array
    deviation: Array
    noise: Array
    step: Array
    constant: tuple[str, ...]
    dependences: tuple[str, ...]
    scale_ratio: float
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings; what is unknown is None, never NaN."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def __str__(self) -> str:
        blocks = [aligned(run_rows(self)), aligned(state_rows(self))]
        blocks += ["\n".join(f"! {warning}" for warning in self.warnings) or "No warnings."]
        return "\n\n".join(blocks)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        tables = "".join(html(rows) for rows in (run_rows(self), state_rows(self)))
        return tables + "<ul>" + "".join(f"<li>{escape(w)}</li>" for w in self.warnings) + "</ul>"

    def plot(self) -> Figure:
        """Draw the noise of each state relative to its range, and the steps and lengths of the runs.

        Examples
        --------
        >>> len(quality([Trajectory(range(6), range(6))]).plot().axes)
        2
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8.0, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        share = 100 * self.noise / np.where(self.high > self.low, self.high - self.low, np.nan)
        left.bar(self.names, np.nan_to_num(share))
        left.set_ylabel("noise, % of range")
        left.set_title("states", loc="left", fontsize="medium")
        right.plot(self.samples, self.median_step, ".")
        right.set_xlabel("samples")
        right.set_ylabel("median step")
        right.set_title(f"{len(self.labels)} run(s)", loc="left", fontsize="medium")
        return figure


def quality(runs: Sequence[Trajectory]) -> DataQuality:
    """Describe sampling, noise and dependence of the states of the runs.

    Parameters
    ----------
    runs : sequence of Trajectory
        Runs with the same states.

    Returns
    -------
    DataQuality
        Facts per run and per state; `warnings` says in sentences what may go wrong and what to do.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 10, 200)
    >>> quality([Trajectory(t, np.c_[np.sin(t), 2 * np.sin(t)], names=("a", "b"))]).dependences
    ('b = 2 a',)
    """
    runs = require_alike(runs)
    names = runs[0].names
    low, high, deviation = _spread(runs)
    moves = deviation > 1e-12 * np.fmax(np.abs(low), np.abs(high))
    moving = tuple(name for name, move in zip(names, moves) if move)
    scales = deviation[moves]
    samples, missing, duration, median_step, step_spread = frozen([_of_run(run) for run in runs]).T
    facts = DataQuality(
        names=names,
        titles=tuple(with_units(next((run for run in runs if run.units), runs[0]))),
        labels=tuple(run.label or str(k) for k, run in enumerate(runs)),
        samples=samples,
        missing=missing,
        duration=duration,
        median_step=median_step,
        step_spread=step_spread,
        low=frozen(low),
        high=frozen(high),
        deviation=frozen(deviation),
        noise=frozen(noise_level(runs)),
        step=frozen(resolution(runs)),
        constant=tuple(name for name in names if name not in moving),
        dependences=linear_dependences(pooled_sample(runs)[:, moves], moving),
        scale_ratio=float(scales.max() / scales.min()) if scales.size else 1.0,
        warnings=(),
    )
    return replace(facts, warnings=warnings_for(facts, runs))


def _of_run(run: Trajectory) -> tuple[float, float, float, float, float]:
    """Return samples, missing, duration, median step and spread of the steps of one run."""
    missing = sum(stop - start for start, stop in run.gaps)
    if len(run) < 2:
        return len(run), missing, 0.0, float("nan"), float("nan")
    step = np.diff(run.t)
    median = float(np.median(step))
    return len(run), missing, run.duration, median, float(step.max() - step.min()) / median


def _blocks(runs: Sequence[Trajectory]) -> Iterator[Array]:
    for run in runs:
        for start in range(0, len(run), _BLOCK):
            yield run.x[start : start + _BLOCK]


def _spread(runs: Sequence[Trajectory]) -> tuple[Array, Array, Array]:
    """Return lowest, highest and standard deviation of each state, block by block; NaN without a sample."""
    n = runs[0].n_states
    low, high = np.full(n, np.nan), np.full(n, np.nan)
    count, total, squares = np.zeros(n), np.zeros(n), np.zeros(n)
    for x in _blocks(runs):
        low = np.fmin(low, np.fmin.reduce(x, axis=0))
        high = np.fmax(high, np.fmax.reduce(x, axis=0))
        count += (~np.isnan(x)).sum(axis=0)
        total += np.nansum(x, axis=0)
    mean = total / np.where(count > 0, count, np.nan)
    for x in _blocks(runs):
        squares += np.nansum((x - mean) ** 2, axis=0)
    return low, high, np.sqrt(squares / np.where(count > 0, count, np.nan))


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return [float(item) if np.isfinite(item) else None for item in value]
    return list(value) if isinstance(value, tuple) else value
