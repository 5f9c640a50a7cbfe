"""What the samples can and cannot support, before any model is fitted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array, frozen
from dynsym.trajectory._alike import require_alike
from dynsym.trajectory._dependence import linear_dependences, pooled_sample
from dynsym.trajectory._quality_text import aligned, html, run_rows, state_rows
from dynsym.trajectory._warnings import warnings_for
from dynsym.trajectory.noise import noise_level, resolution
from dynsym.trajectory.stored import AnyRun, excerpts, pieces
from dynsym.trajectory.trajectory import Trajectory, with_units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The median step of more samples than this is that of an evenly spread subset of the steps.
_MOST_STEPS = 1_000_000
# Of runs that are not in memory, noise and dependence are read off this many excerpts of this many samples.
_EXCERPTS, _EXCERPT_LENGTH = 100, 1000


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


def quality(runs: Sequence[AnyRun]) -> DataQuality:
    """Describe sampling, noise and dependence of the states of the runs.

    Parameters
    ----------
    runs : sequence of Trajectory or StoredRun
        Runs with the same states. What is stored is read once in pieces; its noise, resolution and linear
        dependences are those of excerpts.

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
    seen = [_survey(run) for run in runs]
    spread = reduce(_joined, [survey.spread for survey in seen])
    low, high = spread.low, spread.high
    deviation = np.sqrt(spread.squares / np.where(spread.count > 0, spread.count, np.nan))
    moves = deviation > 1e-12 * np.fmax(np.abs(low), np.abs(high))
    moving = tuple(name for name, move in zip(names, moves) if move)
    scales = deviation[moves]
    sample = _sample(runs)
    facts = DataQuality(
        names=names,
        titles=tuple(with_units(next((run for run in runs if run.units), runs[0]))),
        labels=tuple(run.label or str(k) for k, run in enumerate(runs)),
        samples=frozen([len(run) for run in runs]),
        missing=frozen([survey.missing for survey in seen]),
        duration=frozen([run.duration for run in runs]),
        median_step=frozen([survey.median_step for survey in seen]),
        step_spread=frozen([survey.step_spread for survey in seen]),
        low=frozen(low),
        high=frozen(high),
        deviation=frozen(deviation),
        noise=frozen(noise_level(sample)),
        step=frozen(resolution(sample)),
        constant=tuple(name for name in names if name not in moving),
        dependences=linear_dependences(pooled_sample(sample)[:, moves], moving),
        scale_ratio=float(scales.max() / scales.min()) if scales.size else 1.0,
        warnings=(),
    )
    return replace(facts, warnings=warnings_for(facts, runs))


@dataclass(frozen=True)
class _Spread:
    """Lowest and highest value, number of values, their mean and squared deviations from it, (n,) each."""

    low: Array
    high: Array
    count: Array
    mean: Array
    squares: Array


@dataclass(frozen=True)
class _Survey:
    """What one pass over a run tells."""

    spread: _Spread
    missing: int
    median_step: float
    step_spread: float


def _survey(run: AnyRun) -> _Survey:
    """Read a run once, piece by piece."""
    spread, missing = None, 0
    shortest, longest, last = np.inf, -np.inf, np.nan
    some: list[Array] = []
    every = -(-run.n_samples // _MOST_STEPS)
    for start, stop in pieces(run):
        part = run.read(start, stop)
        # Sums along contiguous columns are several times faster than across rows.
        columns = np.ascontiguousarray(part.x.T)
        absent = np.isnan(columns)
        own = _spread(columns, absent)
        spread = own if spread is None else _joined(spread, own)
        missing += int(absent.any(axis=0).sum())
        step = np.diff(part.t, prepend=last)[1 if start == 0 else 0 :]
        last = part.t[-1]
        if step.size:
            shortest, longest = min(shortest, float(step.min())), max(longest, float(step.max()))
            # A view would keep all of the steps.
            some.append(step[::every].copy())
    assert spread is not None
    if not some:
        return _Survey(spread, missing, float("nan"), float("nan"))
    median = float(np.median(np.concatenate(some)))
    return _Survey(spread, missing, median, (longest - shortest) / median)


def _spread(columns: Array, absent: npt.NDArray[np.bool_]) -> _Spread:
    """Return the spread of states (n, m), some of them absent; NaN for a state without a value."""
    n, m = columns.shape
    if not absent.any():
        mean = columns.mean(axis=1)
        apart = columns - mean[:, None]
        squares = np.einsum("nm,nm->n", apart, apart)
        return _Spread(columns.min(axis=1), columns.max(axis=1), np.full(n, float(m)), mean, squares)
    count = m - absent.sum(axis=1).astype(float)
    mean = np.nansum(columns, axis=1) / np.where(count > 0, count, np.nan)
    low, high = np.fmin.reduce(columns, axis=1), np.fmax.reduce(columns, axis=1)
    return _Spread(low, high, count, mean, np.nansum((columns - mean[:, None]) ** 2, axis=1))


def _joined(a: _Spread, b: _Spread) -> _Spread:
    """Return the spread of both sets of samples (Chan, Golub, LeVeque 1979, eq. 2.1)."""
    count = a.count + b.count
    share = b.count / np.where(count > 0, count, 1.0)
    # The mean of no values is NaN, and has no weight.
    mean_a, mean_b = (np.where(s.count > 0, s.mean, 0.0) for s in (a, b))
    between = mean_b - mean_a
    return _Spread(
        np.fmin(a.low, b.low),
        np.fmax(a.high, b.high),
        count,
        np.where(count > 0, mean_a + share * between, np.nan),
        a.squares + b.squares + between**2 * share * a.count,
    )


def _sample(runs: Sequence[AnyRun]) -> list[Trajectory]:
    """Return runs in memory as they are, and excerpts of the others, for what needs neighbouring samples."""
    inside = [run for run in runs if isinstance(run, Trajectory)]
    stored = [run for run in runs if not isinstance(run, Trajectory)]
    for run in stored[:: max(1, -(-len(stored) // _EXCERPTS))]:
        inside += excerpts(run, max(1, _EXCERPTS // len(stored)), _EXCERPT_LENGTH)
    return inside


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return [float(item) if np.isfinite(item) else None for item in value]
    return list(value) if isinstance(value, tuple) else value
