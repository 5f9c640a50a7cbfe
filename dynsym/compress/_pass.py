"""The pass over the data: tasks in, blocks of triangular factors out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._checks import Array, frozen, require
from ..dictionary import Dictionary, MomentCover, Monomials, moment_cover
from ..differentiation import RowMethod, Window
from ..differentiation._rows import Evaluate
from ..trajectory import Trajectory
from ._blocks import Block
from ._cholesky_qr import HOUSEHOLDER, ONE_PRODUCT, PLAIN, Start, condition_of, start_of, triangle_of
from ._factor import Factor, triangle_of_rows
from ._frame import Frame
from ._plan import FEWEST_ROWS, Task, windows

_FEW = 8  # rows per column up to which a block is factored by Householder transformations right away
_FEW_WIDE = (
    2  # the same for wide dictionaries, where one product takes a third of the time of the transformations
)
_FEWEST = 512
_START_ROWS = 6  # rows per column that a start is made from
_START_MORE = 200
_START_WINDOWS = 50
# Polynomials of degree five on an attractor stay below this in the frame: the price of a start, another matrix product, would
# buy digits only of coefficients that the data hardly determine.
_PLAIN_FRAME = 3e4
_UNLIKE = 10.0  # times that number that the condition number of all rows may have, relative to a start


@dataclass(frozen=True, eq=False)
class Pass:
    """Makes the blocks of a task: a pure function of what it holds and of the task, so that it can run anywhere.

    Attributes
    ----------
    dictionary, method, noise
        What rows are made of; noise only where the method weighs rows by it.
    frame
        States in which the terms are evaluated, or None for the states themselves.
    start
        What the factorisation starts from, in the frame.
    cover
        Which products of terms hold all others, where rows are terms at single states.
    """

    dictionary: Dictionary
    method: RowMethod
    noise: Array | None
    frame: Frame | None = None
    start: Start | None = None
    cover: MomentCover | None = None

    def streams(self, task: Task) -> bool:
        """Whether a task has so many rows that they are made anew for each pass rather than kept."""
        columns = self.dictionary.n_terms + self.dictionary.n_states
        few = _FEW if columns < ONE_PRODUCT else _FEW_WIDE
        return task.split == 1 and task.expected > max(few * columns, _FEWEST)

    def evaluate(self) -> Evaluate:
        """theta of states (n, k), in the frame."""
        return self.dictionary._fill if self.frame is None else self.frame.evaluate(self.dictionary)

    def __call__(self, task: Task) -> list[Block]:
        """The blocks of a task, in order."""
        return self._streamed(task) if self.streams(task) else self._kept(task)

    def _kept(self, task: Task) -> list[Block]:
        p, n = self.dictionary.n_terms, self.dictionary.n_states
        batches = [rows.T.copy() for rows in self._batches(task, self.dictionary._fill)]
        rows = np.concatenate(batches) if batches else np.zeros((0, p + n))
        self._require_finite(rows)
        pieces = min(task.split, max(1, len(rows) // FEWEST_ROWS))
        return [
            Block(Factor(frozen(triangle_of_rows(part)), p, len(part)), task.stretch.origin)
            for part in np.array_split(rows, pieces)
            if len(part)
        ]

    def _streamed(self, task: Task) -> list[Block]:
        p, n = self.dictionary.n_terms, self.dictionary.n_states
        theta = self.evaluate()
        found = triangle_of(lambda: self._batches(task, theta), p, n, self.start, self.cover)
        self._require_finite(found.matrix)
        if not found.n_rows:
            return []
        matrix = found.matrix
        if self.frame is not None:
            matrix = np.hstack([matrix[:, :p] @ self.frame.terms, matrix[:, p:]])
            if found.route == HOUSEHOLDER:
                matrix = triangle_of_rows(matrix)
        factor = Factor(frozen(matrix), p, found.n_rows)
        return [Block(factor, task.stretch.origin, found.route, found.condition)]

    def _batches(self, task: Task, theta: Evaluate) -> Iterator[Array]:
        """Rows as columns of one reused buffer, (p + n, k)."""
        columns = self.dictionary.n_terms + self.dictionary.n_states
        buffer = np.empty((columns, 0))
        for window in windows(task, self.method, columns):
            if len(window) < self.method.shortest:
                continue
            room = self.method.most_rows(len(window))
            if buffer.shape[1] < room:
                buffer = np.empty((columns, room))
            count = self.method.fill(window, theta, self.noise, buffer)
            if count:
                yield buffer[:, :count]

    def _require_finite(self, rows: Array) -> None:
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=0))
        if len(bad):
            terms = self.dictionary.terms
            name = terms[bad[0]] if bad[0] < len(terms) else f"target {bad[0] - len(terms)}"
            require(False, f"{name} overflows on these data; scale the states or lower the degree")


def started(one: Pass, runs: Sequence[Trajectory], step: float | None) -> Pass:
    """The same in the frame of some runs, with what makes the factorisation cheap; `step` is that of all times or None."""
    d = one.dictionary
    cover = moment_cover(d.exponents) if isinstance(d, Monomials) and one.method.pointwise else None
    return _with_start(replace(one, frame=Frame.of(d, runs), cover=cover), runs, step)


def _with_start(one: Pass, runs: Sequence[Trajectory], step: float | None) -> Pass:
    """The same with a start made of a few hundred rows from all over the runs."""
    p, n = one.dictionary.n_terms, one.dictionary.n_states
    wanted = _START_ROWS * (p + n) + _START_MORE
    if one.method.longest is None:
        sample, width = _scattered(runs, one.method, wanted, step)
        samples = [sample] if sample is not None else []
    else:
        samples, width = (
            [w for run in runs for w in one.method.windows(run) if len(w) >= one.method.shortest],
            1,
        )
        samples = samples[:: max(1, len(samples) // _START_WINDOWS)]
    rows = []
    for window in samples:
        out = np.empty((p + n, one.method.most_rows(len(window))))
        rows.append(out[:, : one.method.fill(window, one.evaluate(), one.noise, out) : width].T)
    return replace(one, start=start_of(np.concatenate(rows), p, _plain(one)) if rows else None)


def _plain(one: Pass) -> float:
    """Condition number up to which one pass needs no start but for the targets."""
    return PLAIN if one.frame is None else _PLAIN_FRAME


def better_start(one: Pass, total: Factor) -> Pass | None:
    """The same started from the factor of all rows, where the sample it was started from did not stand for them."""
    if one.start is None or len(total.triangle) < total.triangle.shape[1]:
        return None
    p = one.dictionary.n_terms
    matrix = total.triangle
    if one.frame is not None:
        back = np.linalg.solve(one.frame.terms.T, matrix[:, :p].T).T
        matrix = np.hstack([back, matrix[:, p:]])
    relative = np.linalg.solve(one.start.matrix.T, matrix.T).T[:p, :p]
    size = np.linalg.norm(relative, axis=0)
    if not (size > 0).all() or condition_of(relative / size) <= _UNLIKE * _plain(one):
        return None
    start = start_of(matrix, p, few=True)
    return None if start is None else replace(one, start=start)


def _scattered(
    runs: Sequence[Trajectory], method: RowMethod, wanted: int, step: float | None
) -> tuple[Window | None, int]:
    """Windows of one row each from all over the runs, laid end to end, and their width: every width-th row is of one window."""
    h = method.halo
    width = 2 * h + 1
    long = [run for run in runs if len(run) >= width]
    if not long:
        return None, width
    total = sum(len(run) for run in long)
    parts = []
    for run in long:
        count = max(1, wanted * len(run) // total)
        centres = np.unique(np.linspace(h, len(run) - h - 1, count).astype(int))
        at = (centres[:, None] + np.arange(-h, h + 1)).ravel()
        parts.append((run.t[at], run.x[at], None if run.dxdt is None else run.dxdt[at]))
    t, x, slopes = zip(*parts)
    given = None if any(s is None for s in slopes) else np.concatenate(slopes)
    return Window(np.concatenate(t), np.concatenate(x), given, step, first=False, last=False), width
