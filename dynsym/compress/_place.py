"""Where work on the data is done: in this process, or on workers that a `with` block has opened."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .._workers import Workers, open_workers

_pool: ContextVar[Workers | None] = ContextVar("_pool", default=None)


@contextmanager
def working_on(workers: int | str | Any = None) -> Iterator[None]:
    """Let every pass inside the block run on `workers`: processes, or the cluster at an address; None or 1 is this process."""
    if workers is None or workers == 1:
        yield
        return
    with open_workers(workers) as pool:
        token = _pool.set(pool)
        try:
            yield
        finally:
            _pool.reset(token)


def current_workers() -> Workers | None:
    """The workers of the innermost block, or None in this process."""
    return _pool.get()


def evenly(count: int, groups: int) -> list[tuple[int, int]]:
    """Ranges of nearly equal length that make up range(count), at most `groups` of them, none empty.

    Examples
    --------
    >>> from dynsym.compress._place import evenly
    >>> evenly(5, 2)
    [(0, 2), (2, 5)]
    """
    edges = [count * k // min(count, groups) for k in range(min(count, groups) + 1)] if count else [0]
    return list(itertools.pairwise(edges))
