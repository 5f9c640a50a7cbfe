"""DOP853 for many initial states at once: every state has its own step and error control, arrays are shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.integrate import DOP853

from .._checks import Array
from .._threads import one_blas_thread
from ._dop853 import EXPONENT, LARGEST_FACTOR, LEAST_FACTOR, SAFETY, bends, between, first_steps
from ._levels import Levels, kept_within
from ._program import Program

_GROUP_BYTES = 2**20  # of the stages of the states that are advanced together: a share of the cache


@dataclass
class _Group:
    """States that are under way, one per column."""

    which: npt.NDArray[np.intp]  # (k,) their numbers
    x: Array  # (n, k)
    t: Array  # (k,)
    h: Array  # (k,) next step
    largest: Array  # (k,) by how much it may grow: not at all after a step that failed
    stages: Array  # (16, n, k), the first one filled
    done: npt.NDArray[np.intp]  # (k,) samples written

    def kept(self, keep: npt.NDArray[np.bool_]) -> _Group:
        """The states marked by `keep`."""
        stages = np.empty((16, len(self.x), np.count_nonzero(keep)))
        stages[0] = self.stages[0][:, keep]
        return _Group(
            self.which[keep],
            np.ascontiguousarray(self.x[:, keep]),
            self.t[keep],
            self.h[keep],
            self.largest[keep],
            stages,
            self.done[keep],
        )


def solve_many(
    program: Program, starts: Array, times: Array, tolerances: tuple[float, float], levels: Levels | None
) -> tuple[Array, npt.NDArray[np.intp]]:
    """Solutions (k, m, n) of k initial states, and how many samples of each were reached, (k,)."""
    k, n = starts.shape
    out = np.full((k, len(times), n), np.nan)
    out[:, 0] = starts
    reached = np.ones(k, dtype=np.intp)
    values = np.empty((k, 0)) if levels is None else levels.at(starts)
    size = max(_GROUP_BYTES // (16 * 8 * n), 16)
    groups = np.array_split(np.arange(k), -(-k // size))
    with np.errstate(all="ignore"), one_blas_thread():
        for which in groups:
            _Advance(program, times, tolerances, levels, values, out, reached).run(which)
    return out, reached


@dataclass
class _Advance:
    """What a group needs on its way."""

    program: Program
    times: Array
    tolerances: tuple[float, float]
    levels: Levels | None
    values: Array  # (k, q) of the laws
    out: Array
    reached: npt.NDArray[np.intp]

    def run(self, which: npt.NDArray[np.intp]) -> None:
        """Advance states from the first time to the last, or as far as each can be followed."""
        x = np.ascontiguousarray(self.out[which, 0].T)
        k, start, end = len(which), self.times[0], self.times[-1]
        stages = np.empty((16, *x.shape))
        stages[0] = self._slope(x)
        h = first_steps(self._slope, x, stages[0], end - start, self.tolerances)
        now, done = np.full(k, start), np.ones(k, dtype=np.intp)
        group = _Group(which, x, now, h, np.full(k, LARGEST_FACTOR), stages, done)
        while len(group.which):
            least = 10 * (np.nextafter(group.t, np.inf) - group.t)
            first_try = group.largest > 1
            group.h = np.where(first_try, np.maximum(group.h, least), group.h)
            self._step(group)
            lost = (group.h < least) & (group.largest <= 1)
            over = lost | ~np.isfinite(group.h) | (group.t >= end)
            if over.any():
                self.reached[group.which[over]] = group.done[over]
                group = group.kept(~over)

    def _slope(self, x: Array, out: Array | None = None) -> Array:
        out = np.empty_like(x) if out is None else out
        self.program.columns(x, out, np.empty((self.program.n_work, x.shape[1])))
        return out

    def _step(self, group: _Group) -> None:
        """One step of each state, accepted where its error is small enough."""
        arrive = np.minimum(group.t + group.h, self.times[-1])
        h = arrive - group.t
        flat = group.stages.reshape(16, -1)
        work = np.empty((self.program.n_work, len(h)))
        for s, row in enumerate(DOP853.A[1:], start=1):
            at = group.x + h * np.dot(row[:s], flat[:s]).reshape(group.x.shape)
            self.program.columns(at, group.stages[s], work)
        y = group.x + h * np.dot(DOP853.B, flat[:12]).reshape(group.x.shape)
        self.program.columns(y, group.stages[12], work)
        error = self._error(group, y, h)
        good = error < 1
        factor = SAFETY * error**EXPONENT
        # fmax passes over NaN: where the field has no value, the step is cut most.
        group.h = h * np.where(good, np.minimum(group.largest, factor), np.fmax(LEAST_FACTOR, factor))
        group.largest = np.where(good, LARGEST_FACTOR, 1.0)
        near = self._projected(group, y, good)
        # A state that the laws do not let go on ends here.
        ended = good & np.isnan(near).any(axis=0)
        group.h[ended] = np.nan
        good &= ~ended
        self._sample(group, y, h, arrive, good)
        self._move(group, near, arrive, good)

    def _projected(self, group: _Group, y: Array, good: npt.NDArray[np.bool_]) -> Array:
        """The ends of the accepted steps on the level sets of the laws, NaN where that cannot be."""
        if self.levels is None or not good.any():
            return y
        new = np.ascontiguousarray(y[:, good].T)
        near = self.levels.project(new, self.values[group.which[good]])
        out = y.copy()
        out[:, good] = kept_within(group.x[:, good].T, new, near).T
        return out

    def _error(self, group: _Group, y: Array, h: Array) -> Array:
        """The error of each step over its tolerance, (k,)."""
        rtol, atol = self.tolerances
        scale = atol + rtol * np.maximum(np.abs(group.x), np.abs(y))
        flat = group.stages[:13].reshape(13, -1)
        high, low = (
            np.sum((np.dot(row, flat).reshape(y.shape) / scale) ** 2, axis=0)
            for row in (DOP853.E5, DOP853.E3)
        )
        both = (high + 0.01 * low) * len(y)
        return np.where(both == 0, 0.0, h * high / np.sqrt(np.where(both == 0, 1.0, both)))

    def _sample(self, group: _Group, y: Array, h: Array, arrive: Array, good: npt.NDArray[np.bool_]) -> None:
        """Write the samples that lie within the accepted steps."""
        upto = np.where(good, np.searchsorted(self.times, arrive, side="right"), group.done)
        count = upto - group.done
        some = np.flatnonzero(count)
        if not len(some):
            return
        x, h, y = group.x[:, some], h[some], y[:, some]
        stages = group.stages[:, :, some]
        for s, row in enumerate(DOP853.A_EXTRA, start=13):
            at = x + h * np.tensordot(row[:s], stages[:s], 1)
            stages[s] = self._slope(at)
        bent = bends(x, y, h, stages)
        of = np.repeat(np.arange(len(some)), count[some])
        first = np.cumsum(count[some]) - count[some]
        sample = np.arange(len(of)) - first[of] + group.done[some][of]
        inside = (self.times[sample] - group.t[some][of]) / h[of]
        values = between(x[:, of], bent[:, :, of], inside).T
        which = group.which[some][of]
        if self.levels is not None:
            values = self.levels.project(values, self.values[which])
        self.out[which, sample] = values
        group.done = upto

    def _move(self, group: _Group, near: Array, arrive: Array, good: npt.NDArray[np.bool_]) -> None:
        """Go on from the ends of the accepted steps."""
        slope = group.stages[12] if self.levels is None else self._slope(near)
        np.copyto(group.x, near, where=good)
        np.copyto(group.stages[0], slope, where=good)
        np.copyto(group.t, arrive, where=good)
