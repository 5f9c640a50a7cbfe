"""What has to be known of the runs before the pass over them: where they break, how noisy they are, how rows are made."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .._checks import Array, DataError, frozen, require
from ..differentiation import RowMethod, Window, choose_rows
from ..trajectory import AnyRun, StoredRun, Trajectory, as_runs, excerpts, noise_level
from ..trajectory._fields import check_times
from ..trajectory._times import step_range, steps_agree
from ._place import current_workers, evenly

_GAP = 10.0  # a step this many times the median one is a gap: nothing is interpolated across it
_SAMPLES = 200_000  # samples that the noise, the time scale and the region are read off, evenly chosen where there are more
_EXCERPT = 2000
_GROUPS = 4  # tasks of reading excerpts for each worker
_TIMES = 1 << 20  # times read together
_MEDIAN_OF = 100_000  # steps whose median stands for that of all


@dataclass(frozen=True, eq=False)
class Stretch:
    """The samples start..stop-1 of a run, with no gap in their times; single samples may miss values."""

    run: AnyRun
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
        if isinstance(self.run, Trajectory):
            run, part = self.run, slice(self.start + start, self.start + stop)
            slopes = None if run.dxdt is None else run.dxdt[part]
            return Window(run.t[part], run.x[part], slopes, self.step, start == 0, stop == len(self))
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
    known_noise: Array | None = None
    origins: tuple[int, ...] = ()

    @cached_property
    def noise(self) -> Array:
        """(n,) standard deviation of the measurement noise, as given or estimated."""
        return measured_noise(self.excerpts) if self.known_noise is None else self.known_noise

    @cached_property
    def excerpts(self) -> tuple[Trajectory, ...]:
        """Runs that stand for all of them where averages are taken."""
        return tuple(thinned(self.runs))

    @cached_property
    def clouds(self) -> tuple[Trajectory, ...]:
        """One run in memory for each stretch without a gap; of a run in a file, all its excerpts as one."""
        if all(isinstance(stretch.run, Trajectory) for stretch in self.stretches):
            return self.runs
        out = []
        for origin in sorted(set(self.origins)):
            parts = [run for run, own in zip(self.runs, self.origins) if own == origin]
            t, x = (np.concatenate([getattr(run, name) for run in parts]) for name in ("t", "x"))
            out.append(Trajectory(t, x, parts[0].names, label=parts[0].label))
        return tuple(out)

    @property
    def step(self) -> float | None:
        """The step of all stretches where they have one, else None."""
        steps = {stretch.step for stretch in self.stretches if len(stretch) > 1}
        return steps.pop() if len(steps) == 1 else None

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
    found = _in_memory(stretches)
    pieces = tuple(piece for _, piece in found)
    require(bool(pieces), "every sample has a missing value; there is nothing to fit")
    known = _known_noise(runs)
    if rows is None:
        sample = thinned(pieces)
        known = measured_noise(sample) if known is None else known
        rows = choose_rows(sample, known)
    return Prepared(pieces, stretches, rows, known, tuple(origin for origin, _ in found))


def stretches_of(run: AnyRun, origin: int) -> list[Stretch]:
    """The stretches of a run between the gaps in its times; only the times are read.

    Raises
    ------
    DataError
        If the times of a run in a file do not increase.
    """
    m = len(run)
    if m == 1:
        return [Stretch(run, origin, 0, 1, None)]
    low, high = _step_range(run, 0, m)
    if high <= _GAP * low:
        return [Stretch(run, origin, 0, m, _step(run, 0, m, (low, high)))]
    every = max(1, (m - 1) // _MEDIAN_OF)
    some = [np.diff(t)[:: min(every, len(t) - 1)] for _, t in _pieces_of_times(run, 0, m)]
    limit = _GAP * float(np.median(np.concatenate(some)))
    inner = [a + 1 + np.flatnonzero(np.diff(t) > limit) for a, t in _pieces_of_times(run, 0, m)]
    cuts = [0, *np.concatenate(inner).tolist(), m]
    return [
        Stretch(run, origin, a, b, _step(run, a, b, _step_range(run, a, b)) if b - a > 1 else None)
        for a, b in itertools.pairwise(cuts)
    ]


def _pieces_of_times(run: AnyRun, start: int, stop: int) -> Iterator[tuple[int, Array]]:
    """(a, times from sample a on) of pieces that overlap by one sample."""
    for a in range(start, stop - 1, _TIMES):
        yield a, run.times(a, min(a + _TIMES + 1, stop))


def _step_range(run: AnyRun, start: int, stop: int) -> tuple[float, float]:
    if isinstance(run, StoredRun) and (start, stop) == (0, len(run)):
        return run.steps  # seen when the file was opened
    low, high = np.inf, -np.inf
    for a, t in _pieces_of_times(run, start, stop):
        least, most = step_range(t)
        if not 0 < least <= most < np.inf:
            try:
                check_times(t)
            except DataError as error:
                raise DataError(f"{run!r}, from sample {a} on: {error}") from error
        low, high = min(low, least), max(high, most)
    return low, high


def _step(run: AnyRun, start: int, stop: int, steps: tuple[float, float]) -> float | None:
    first, last = float(run.times(start, start + 1)[0]), float(run.times(stop - 1, stop)[0])
    return (last - first) / (stop - start - 1) if steps_agree(steps, first, last) else None


def _in_memory(stretches: Sequence[Stretch]) -> list[tuple[int, Trajectory]]:
    """The complete parts of stretches, each with the number of its run; of those in files, of excerpts."""
    count = max(1, _SAMPLES // _EXCERPT // max(1, len(stretches)))
    pool = current_workers()
    stored = any(isinstance(stretch.run, StoredRun) for stretch in stretches)
    if pool is None or not stored:
        return _parts_in_memory((stretches, count))
    # Excerpts of many runs take a read each, a tenth of the pass itself.
    groups = evenly(len(stretches), _GROUPS * pool.count)
    made = pool.map(_parts_in_memory, [(stretches[a:b], count) for a, b in groups])
    return [part for parts in made for part in parts]


def _parts_in_memory(task: tuple[Sequence[Stretch], int]) -> list[tuple[int, Trajectory]]:
    """The same for some of the stretches, with the number of excerpts of each."""
    stretches, count = task
    out = []
    for stretch in stretches:
        if isinstance(stretch.run, Trajectory):
            pieces = [stretch.run]
            if (stretch.start, stretch.stop) != (0, len(stretch.run)):
                pieces = [stretch.run._part(stretch.start, stretch.stop)]
        else:
            pieces = excerpts(stretch.run, count, _EXCERPT, stretch.start, stretch.stop)
        out += [(stretch.origin, part) for piece in pieces for part in piece.segments()]
    return out


def thinned(runs: Sequence[Trajectory], most: int = _SAMPLES) -> Sequence[Trajectory]:
    """The runs, or evenly spread pieces of them where they hold more than `most` samples."""
    total = sum(len(run) for run in runs)
    if total <= most:
        return runs
    out = []
    for run in runs:
        out += excerpts(run, max(1, int(np.ceil(most * len(run) / total / _EXCERPT))), _EXCERPT)
    every = max(1, len(out) * _EXCERPT // (2 * most))
    return out[::every]


def _known_noise(runs: Sequence[AnyRun]) -> Array | None:
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
