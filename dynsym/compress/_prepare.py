"""What has to be known of the runs before the pass over them: where they break, how noisy they are, how rows are made."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .._checks import Array, frozen, require
from ..differentiation import RowMethod, Window, choose_rows
from ..trajectory import Trajectory, as_runs, noise_level
from ..trajectory._times import median_step, step_range, steps_agree

_GAP = 10.0  # a step this many times the median one is a gap: nothing is interpolated across it
_SAMPLES = 200_000  # samples that the noise, the time scale and the region are read off, evenly chosen where there are more
_EXCERPT = 2000


@dataclass(frozen=True, eq=False)
class Stretch:
    """The samples start..stop-1 of a run, with no gap in their times; single samples may miss values."""

    run: Trajectory
    origin: int
    start: int
    stop: int
    step: float | None

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def duration(self) -> float:
        """Time from the first sample to the last."""
        first, last = self.run.times(self.start, self.start + 1), self.run.times(self.stop - 1, self.stop)
        return float(last[0] - first[0])

    def window(self, start: int, stop: int) -> Window:
        """The samples start..stop-1, counted from the first of the stretch; nothing is copied."""
        piece = self.run.read(self.start + start, self.start + stop)
        return Window(piece.t, piece.x, piece.dxdt, self.step, start == 0, stop == len(self))


@dataclass(frozen=True, eq=False)
class Prepared:
    """Runs split at their gaps, with the noise level and the row method that fits them.

    Attributes
    ----------
    runs
        Complete gap-free stretches in memory: all of them, or evenly spread excerpts where the data stay in files.
    stretches
        What the pass goes over.
    method
        How rows are made.
    """

    runs: tuple[Trajectory, ...]
    stretches: tuple[Stretch, ...]
    method: RowMethod
    known_noise: Array | None = field(default=None)

    @cached_property
    def noise(self) -> Array:
        """(n,) standard deviation of the measurement noise, as given or estimated."""
        return measured_noise(self.excerpts) if self.known_noise is None else self.known_noise

    @cached_property
    def excerpts(self) -> tuple[Trajectory, ...]:
        """Runs that stand for all of them where averages are taken."""
        return tuple(thinned(self.runs))

    @property
    def n_samples(self) -> int:
        """Samples in all stretches."""
        return sum(len(stretch) for stretch in self.stretches)


def prepare(data: Any, rows: RowMethod | None = None) -> Prepared:
    """Split runs at gaps, and choose the row method where none is given.

    Raises
    ------
    DataError
        If no sample is complete, or no row can be made.
    """
    runs = as_runs(data)
    stretches = tuple(s for k, run in enumerate(runs) for s in stretches_of(run, k))
    pieces = tuple(piece for stretch in stretches for piece in _complete(stretch))
    require(bool(pieces), "every sample has a missing value; there is nothing to fit")
    known = _known_noise(runs)
    if rows is None:
        sample = thinned(pieces)
        known = measured_noise(sample) if known is None else known
        rows = choose_rows(sample, known)
    return Prepared(pieces, stretches, rows, known)


def stretches_of(run: Trajectory, origin: int) -> list[Stretch]:
    """The stretches of a run between the gaps in its times."""
    m = len(run)
    if m == 1:
        return [Stretch(run, origin, 0, 1, None)]
    t = run.times(0, m)
    low, high = step_range(t)
    if high <= _GAP * low:
        even = steps_agree((low, high), float(t[0]), float(t[-1]))
        return [Stretch(run, origin, 0, m, float((t[-1] - t[0]) / (m - 1)) if even else None)]
    limit = _GAP * median_step(m, lambda at: t[at])
    cuts = [0, *(np.flatnonzero(np.diff(t) > limit) + 1).tolist(), m]
    return [Stretch(run, origin, a, b, _step(run, a, b)) for a, b in itertools.pairwise(cuts)]


def _step(run: Trajectory, start: int, stop: int) -> float | None:
    if stop - start < 2:
        return None
    t = run.times(start, stop)
    first, last = float(t[0]), float(t[-1])
    return (last - first) / (len(t) - 1) if steps_agree(step_range(t), first, last) else None


def _complete(stretch: Stretch) -> list[Trajectory]:
    """The parts of a stretch in which no sample misses a value, as runs."""
    piece = stretch.run
    if (stretch.start, stretch.stop) != (0, len(piece)):
        piece = piece._part(stretch.start, stretch.stop)
    return piece.segments()


def thinned(runs: Sequence[Trajectory], most: int = _SAMPLES) -> Sequence[Trajectory]:
    """The runs, or evenly spread pieces of them where they hold more than `most` samples."""
    total = sum(len(run) for run in runs)
    if total <= most:
        return runs
    out = []
    for run in runs:
        count = max(1, int(np.ceil(most * len(run) / total / _EXCERPT)))
        for start in np.linspace(0, max(len(run) - _EXCERPT, 0), count).astype(int).tolist():
            out.append(run.read(start, min(start + _EXCERPT, len(run))))
    every = max(1, len(out) * _EXCERPT // (2 * most))
    return out[::every]


def _known_noise(runs: Sequence[Trajectory]) -> Array | None:
    given = [run.sd for run in runs if run.sd is not None]
    if len(given) == len(runs):
        return frozen(
            np.sqrt(np.mean([np.broadcast_to(sd, (runs[0].n_states,)) ** 2 for sd in given], axis=0))
        )
    if all(run.has_slopes for run in runs):
        return frozen(np.zeros(runs[0].n_states))
    return None


def measured_noise(runs: Sequence[Trajectory]) -> Array:
    """(n,) noise read off the samples; 0 where they are too few."""
    # Too few samples to tell noise from motion give NaN: then the residuals alone have to speak.
    return frozen(np.nan_to_num(noise_level(runs)))
