"""`compress`: any data to triangular factors, in one pass."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._threads import one_blas_thread
from ..dictionary import Dictionary
from ..dictionary._base import with_names
from ..differentiation import RowMethod
from ._blocks import Block, Compressed
from ._cholesky_qr import ONE_PRODUCT
from ._pass import Pass, better_start, started
from ._place import current_workers, evenly, working_on
from ._plan import Task, plan
from ._prepare import Prepared, prepare

# Calls for each worker: a scheduler takes milliseconds for every one, and the last ones to end keep the others waiting.
_PER_WORKER = 8


def compress(
    data: Any, dictionary: Dictionary, rows: RowMethod | None = None, workers: int | str | Any = None
) -> Compressed:
    """The triangular factor of all rows [theta(x_i) | y_i], and those of stretches of time, in one pass over the data.

    Everything after it, thresholds, penalties, constraints, model selection, errors, works on these factors, at a cost that
    does not depend on the number of samples. Memory is that of one chunk and does not grow with the data.

    Parameters
    ----------
    data
        As for `fit`.
    dictionary
        The p functions theta_j; one with default names takes the names of the data.
    rows
        How runs become rows; default chosen from the noise.
    workers
        None or 1: this process. N: so many processes on this machine. An address such as "tcp://host:8786", or a
        `distributed.Client`: the workers of that cluster. The result is the same in every bit.

    Returns
    -------
    Compressed
        Add two to have the factor of both data sets; give it to `fit` in place of data.

    Raises
    ------
    DataError
        If the data cannot be used, or the states do not match the dictionary.

    References
    ----------
    Yamamoto, Nakatsukasa, Yanagisawa, Fukaya (2015), ETNA 44 (CholeskyQR2); Demmel, Grigori, Hoemmen, Langou (2012),
    SISC 34 (TSQR).

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("lorenz").runs(n_runs=4, n_samples=2000)
    >>> day1, day2 = (dy.compress(part, dy.Monomials(3, 2)) for part in (runs[:2], runs[2:]))
    >>> model = dy.fit(day1 + day2, penalty=dy.optim.STLSQ(0.1))
    >>> model.equations(3)[0]
    "x' = -10*x + 10*y"
    """
    with working_on(workers):
        ready = prepare(data, rows)
        return compress_prepared(ready, matching(dictionary, ready.runs[0].names))


def matching(dictionary: Dictionary, names: tuple[str, ...]) -> Dictionary:
    """The dictionary over the states of the data."""
    said = "the dictionary is over ({own}) but the data have the states ({names})"
    return with_names(dictionary, names, said, "give the dictionary the same names in the same order")


def compress_prepared(ready: Prepared, dictionary: Dictionary) -> Compressed:
    """One pass over prepared runs."""
    columns = dictionary.n_terms + dictionary.n_states
    tasks = plan(ready.stretches, ready.method, columns)
    needs_noise = getattr(ready.method, "field", None) is not None
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        one = Pass(dictionary, ready.method, ready.noise if needs_noise else None)
        if any(one.streams(task) for task in tasks):
            one = started(one, ready.runs, ready.step)
        data = Compressed(_run(one, tasks), ready, dictionary)
        again = better_start(one, data.total)
        if again is not None:
            data = Compressed(_run(again, tasks), ready, dictionary)
    return data


def _run(one: Pass, tasks: Sequence[Task]) -> tuple[Block, ...]:
    """Blocks in the order of the tasks; threads where products are long enough for them not to wait for one another."""
    pool = current_workers()
    if pool is not None:
        # The runs go to the workers once, not with every task.
        shared = pool.share(tuple(tasks))
        parts = evenly(len(tasks), _PER_WORKER * pool.count)
        made = pool.map(_Numbered(one), [(shared, a, b) for a, b in parts])
        return tuple(block for blocks in made for block in blocks)
    columns = one.dictionary.n_terms + one.dictionary.n_states
    threads = min(len(os.sched_getaffinity(0)), len(tasks))
    if threads < 2 or columns < ONE_PRODUCT:
        return tuple(block for task in tasks for block in one(task))
    numbered = _Numbered(one)
    with ThreadPoolExecutor(threads) as threaded:
        made = list(threaded.map(numbered, [(tasks, k, k + 1) for k in range(len(tasks))]))
    return tuple(block for blocks in made for block in blocks)


@dataclass(frozen=True, eq=False)
class _Numbered:
    """The pass on some of a list of tasks, with the floating-point settings that a thread or process lacks."""

    one: Pass

    def __call__(self, place: tuple[Sequence[Task], int, int]) -> list[Block]:
        tasks, start, stop = place
        with np.errstate(over="ignore", invalid="ignore"):
            return [block for task in tasks[start:stop] for block in self.one(task)]
