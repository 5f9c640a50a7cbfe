"""How the pass over the data is cut into tasks: which rows become which block, independent of how the data are stored."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .._checks import require
from ..differentiation import RowMethod, Window
from ._cholesky_qr import batch_size
from ._prepare import Stretch

BLOCKS = 48  # stretches of time that count as independent when errors are estimated
FEWEST_ROWS = 8  # rows of a block
# Rows, and columns, from which blocks are made longer, so that merging them stays cheap.
_LARGE = 32_768
_WIDE = 128
_LONG = 32  # rows per column of such a block
_SLAB = 1 << 20  # samples times states that are read together
_LARGEST_SLAB = 1 << 23


@dataclass(frozen=True, eq=False)
class Task:
    """Parts of one stretch, as sample ranges; their rows make one block, or `split` blocks."""

    stretch: Stretch
    parts: tuple[tuple[int, int], ...]
    split: int
    expected: int


def plan(stretches: Sequence[Stretch], method: RowMethod, columns: int) -> list[Task]:
    """Tasks in the order of the data.

    Raises
    ------
    DataError
        If no stretch is long enough for a row.
    """
    usable = [s for s in stretches if len(s) >= method.shortest]
    require(
        bool(usable),
        f"no gap-free stretch has the {method.shortest} samples that '{method.description}' needs, the "
        f"longest has {max((len(s) for s in stretches), default=0)}; give longer runs or derivatives dxdt",
    )
    expected = [method.expected_rows(len(s), s.duration) for s in usable]
    blocks = BLOCKS
    if sum(expected) > _LARGE or columns > _WIDE:
        blocks = min(BLOCKS, max(16, sum(expected) // (_LONG * columns)))
    per_stretch = max(1, -(-blocks // len(usable)))
    make = _anywhere if method.longest is None else _in_parts
    return [task for s, rows in zip(usable, expected) for task in make(s, method, rows, per_stretch)]


def _anywhere(stretch: Stretch, method: RowMethod, rows: int, blocks: int) -> list[Task]:
    """Equal shares of the rows."""
    # A one-sided window at an end must not reach into the next block.
    least = max(FEWEST_ROWS, 2 * method.halo + 2)
    blocks = min(blocks, max(1, rows // least))
    sizes = [len(part) for part in np.array_split(np.arange(rows), blocks)]
    edges = (method.margin + np.cumsum([0, *sizes])).tolist()
    return [Task(stretch, ((a, b),), 1, b - a) for a, b in itertools.pairwise(edges)]


def _in_parts(stretch: Stretch, method: RowMethod, rows: int, blocks: int) -> list[Task]:
    """Whole parts that are worked on together, several to a block or several blocks to a part."""
    parts = [(a, b) for a, b in method.parts(len(stretch)) if b - a >= method.shortest]
    if not parts:
        return []
    if len(parts) >= blocks:
        groups = np.array_split(np.arange(len(parts)), blocks)
        return [
            Task(stretch, tuple(parts[i] for i in g.tolist()), 1, rows * len(g) // len(parts)) for g in groups
        ]
    share = rows // len(parts)
    split = max(1, min(-(-blocks // len(parts)), share // FEWEST_ROWS))
    return [Task(stretch, (part,), split, share) for part in parts]


def windows(task: Task, method: RowMethod, columns: int) -> Iterator[Window]:
    """The windows of a task with their halos, in order, read slab by slab; incomplete samples are cut out."""
    stretch, halo, m = task.stretch, method.halo, len(task.stretch)
    n = stretch.run.n_states
    # A chunk that two slabs share is read twice.
    longest_slab = max(_SLAB // n, min(8 * stretch.run.chunk, _LARGEST_SLAB // n), 1)
    for pieces in _slabs(list(_pieces(task, method, columns)), longest_slab):
        low, high = max(pieces[0][0] - halo, 0), min(pieces[-1][1] + halo, m)
        slab = stretch.window(low, high)
        whole = slab.is_complete
        for a, b in pieces:
            part = slab.part(max(a - halo, 0) - low, min(b + halo, m) - low)
            yield from (part,) if whole else part.complete()


def _pieces(task: Task, method: RowMethod, columns: int) -> Iterator[tuple[int, int]]:
    if method.longest is not None:
        yield from task.parts
        return
    # Even pieces: none is shorter than half a batch, so that none is shorter than its halo.
    size = max(batch_size(columns), 8 * method.halo + 8)
    for start, stop in task.parts:
        edges = np.linspace(start, stop, -(-(stop - start) // size) + 1).astype(int).tolist()
        yield from itertools.pairwise(edges)


def _slabs(pieces: list[tuple[int, int]], longest: int) -> Iterator[list[tuple[int, int]]]:
    slab: list[tuple[int, int]] = []
    for piece in pieces:
        if slab and piece[1] - slab[0][0] > longest:
            yield slab
            slab = []
        slab.append(piece)
    if slab:
        yield slab
