"""The pass over the data: tasks in, blocks of triangular factors out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .._checks import Array, frozen, require
from ..dictionary import Dictionary
from ..differentiation import RowMethod
from ..differentiation._rows import Evaluate
from ._blocks import Block
from ._cholesky_qr import HOUSEHOLDER, triangle_of
from ._factor import Factor, triangle_of_rows
from ._frame import Frame
from ._plan import Task, windows

_FEW = 8  # rows per column up to which a block is factored by Householder transformations right away
_FEWEST = 512


@dataclass(frozen=True, eq=False)
class Pass:
    """Makes the blocks of a task: a pure function of what it holds and of the task, so that it can run anywhere."""

    dictionary: Dictionary
    method: RowMethod
    noise: Array | None
    frame: Frame | None

    def __call__(self, task: Task) -> list[Block]:
        """The blocks of a task, in order."""
        p, n = self.dictionary.n_terms, task.stretch.run.n_states
        if task.split == 1 and task.expected > max(_FEW * (p + n), _FEWEST):
            return self._streamed(task, p, n)
        kept = [np.array(rows.T) for rows in self._batches(task, self.dictionary._fill, p + n)]
        rows = np.concatenate(kept) if kept else np.zeros((0, p + n))
        require(bool(np.isfinite(rows).all()), _overflow(self.dictionary, rows.T))
        pieces = min(task.split, max(1, len(rows) // _FEW))
        return [
            Block(
                Factor(frozen(triangle_of_rows(part)), p, len(part)), task.stretch.origin, HOUSEHOLDER, None
            )
            for part in np.array_split(rows, pieces)
            if len(part)
        ]

    def _streamed(self, task: Task, p: int, n: int) -> list[Block]:
        theta = self.dictionary._fill if self.frame is None else self.frame.evaluate(self.dictionary)
        found = triangle_of(lambda: self._batches(task, theta, p + n), p, n)
        require(bool(np.isfinite(found.matrix).all()), _overflow(self.dictionary, found.matrix.T))
        if not found.n_rows:
            return []
        matrix = found.matrix
        if self.frame is not None:
            matrix = np.hstack([matrix[:, :p] @ self.frame.terms, matrix[:, p:]])
            if found.route == HOUSEHOLDER:
                matrix = triangle_of_rows(matrix)
        factor = Factor(frozen(matrix), p, found.n_rows)
        return [Block(factor, task.stretch.origin, found.route, found.condition)]

    def _batches(self, task: Task, theta: Evaluate, columns: int) -> Iterator[Array]:
        """Rows as columns of one reused buffer, (p + n, k)."""
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


def _overflow(dictionary: Dictionary, rows: Array) -> str:
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1)) if rows.size else np.zeros(0, dtype=int)
    name = dictionary.terms[bad[0]] if len(bad) and bad[0] < dictionary.n_terms else "a target"
    return f"{name} overflows on these data; scale the states or lower the degree"
