"""What all ways of making rows have in common: windows of samples in, rows [theta(x) | y] out."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .._checks import Array
from ..dictionary import Dictionary
from ..trajectory import Trajectory
from ..trajectory._times import even_step

Evaluate = Callable[[Array, Array], None]
"""Writes theta of the states (n, k) into a buffer (p, k)."""

_LEAK_SAMPLES = 100  # samples of a window that stand for all of them where noise in theta is averaged
_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, eq=False)
class Window:
    """Neighbouring complete samples of one stretch, and whether the stretch begins or ends with them.

    Attributes
    ----------
    t, x
        (k,) and (k, n).
    slopes
        (k, n), or None where the data bring no derivatives.
    step
        Time between samples of the whole stretch, or None where that is uneven. It is the stretch's and not the
        window's, so that the rows do not depend, not in the last bit, on how the stretch was cut into windows.
    first, last
        Whether the first, the last sample of the window is that of the stretch.
    """

    t: Array
    x: Array
    slopes: Array | None
    step: float | None
    first: bool = True
    last: bool = True

    @classmethod
    def of(cls, run: Trajectory) -> Window:
        """A whole run without gaps."""
        return cls(run.t, run.x, run.dxdt, even_step(run.t))

    def __len__(self) -> int:
        return len(self.x)

    def part(self, start: int, stop: int) -> Window:
        """The samples start..stop-1."""
        m = len(self)
        return Window(
            self.t[start:stop],
            self.x[start:stop],
            None if self.slopes is None else self.slopes[start:stop],
            self.step,
            self.first and start == 0,
            self.last and stop == m,
        )

    @property
    def is_complete(self) -> bool:
        """Whether no sample misses a value."""
        # One pass without a temporary: a sum is NaN as soon as one summand is.
        return bool(np.isfinite(self.x.sum()) and (self.slopes is None or np.isfinite(self.slopes.sum())))

    def complete(self) -> Iterator[Window]:
        """The maximal parts in which no sample misses a value."""
        if self.is_complete:
            yield self
            return
        bad = np.isnan(self.x).any(axis=1)
        if self.slopes is not None:
            bad |= np.isnan(self.slopes).any(axis=1)
        edges = np.flatnonzero(np.diff(np.r_[True, bad, True].astype(np.int8)))
        for start, stop in edges.reshape(-1, 2):
            yield self.part(int(start), int(stop))


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows [theta | target] of one stretch: theta (k, p), target (k, n)."""

    theta: Array
    target: Array


class RowMethod(ABC):
    """How a gap-free stretch of a run becomes regression rows.

    `fill` works on one window at a time and writes rows as columns, (p + n, k): the layout in which terms are products of
    long vectors. A stretch is cut into windows that overlap by `halo` samples on either side; where `longest` is None it
    may be cut anywhere, else into parts of at most that many samples, each a window of its own.
    """

    @property
    @abstractmethod
    def description(self) -> str:
        """The method in words, for reports."""

    @property
    @abstractmethod
    def shortest(self) -> int:
        """The smallest number of samples that gives a row."""

    @property
    def halo(self) -> int:
        """Samples on either side of a row's own sample that the row needs."""
        return 0

    @property
    def margin(self) -> int:
        """Samples at either end of a stretch that have no row."""
        return self.halo

    @property
    def longest(self) -> int | None:
        """Most samples that are worked on together, or None where each row depends on its own window only."""
        return None

    @property
    def pointwise(self) -> bool:
        """Whether the terms of a row are those at one state, up to a weight, so that their products are moments."""
        return False

    def expected_rows(self, m: int, duration: float) -> int:
        """About how many rows a stretch of m samples gives."""
        return max(m - 2 * self.margin, 0)

    @abstractmethod
    def row_noise(self, run: Trajectory, noise: Array) -> Array | None:
        """Expected sd of each target's error, (n,), from the noise of the states; None where not known."""

    @abstractmethod
    def fill(self, window: Window, theta: Evaluate, noise: Array | None, out: Array) -> int:
        """Write the k rows of a window into out[:, :k], terms first, and return k.

        `noise` is the sd of the measurement noise of each state, (n,); None where the method needs none.
        """

    @abstractmethod
    def leak(self, window: Window, dictionary: Dictionary, noise: Array) -> Array:
        """(p, p) expected Gram matrix of the measurement noise inside the theta of a window's rows."""

    def most_rows(self, samples: int) -> int:
        """An upper bound of the rows of a window of so many samples."""
        return samples

    def windows(self, run: Trajectory) -> list[Window]:
        """The windows of a gap-free run that are to be worked on together; one where it may be cut anywhere."""
        whole = Window.of(run)
        return [whole.part(a, b) for a, b in self.parts(len(run)) if b - a >= self.shortest]

    def parts(self, m: int) -> list[tuple[int, int]]:
        """Sample ranges of a stretch of m samples that are worked on together."""
        pieces = 1 if self.longest is None else max(1, -(-m // self.longest))
        edges = np.linspace(0, m, pieces + 1).astype(int).tolist()
        return list(itertools.pairwise(edges))

    def rows(self, run: Trajectory, dictionary: Dictionary, noise: Array) -> Rows:
        """All rows of a gap-free run at once; noise (n,)."""
        p, n = dictionary.n_terms, run.n_states
        out = []
        for window in self.windows(run):
            buffer = np.empty((p + n, self.most_rows(len(window))))
            count = self.fill(window, dictionary._fill, noise, buffer)
            out.append(buffer[:, :count].T)
        every = np.concatenate(out)
        return Rows(every[:, :p], every[:, p:])


def noise_gram(dictionary: Dictionary, x: Array, noise: Array, weights: Array) -> Array:
    """sum_i w_i Dtheta(x_i) diag(noise^2) Dtheta(x_i)^T over states x (m, n), thinned to a hundred of them."""
    p = dictionary.n_terms
    if not noise.any() or len(x) == 0:
        return np.zeros((p, p))
    step = max(1, len(x) // _LEAK_SAMPLES)
    slope = dictionary.jacobian(x[::step]) * noise * np.sqrt(weights[::step] * step)[:, None, None]
    flat = slope.transpose(0, 2, 1).reshape(-1, p)
    return flat.T @ flat
