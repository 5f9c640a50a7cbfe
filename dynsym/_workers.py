"""Where pure functions run over a list of tasks: threads, processes of this machine, or a cluster.

The results are the same wherever they are computed, and the shape of a reduction does not depend on the number of
workers, so neither do its last digits.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import pickle
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from concurrent.futures import as_completed as threads_completed
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

from threadpoolctl import threadpool_limits

from dynsym._checks import DataError, need_extra, require

if TYPE_CHECKING:
    import distributed

Place: TypeAlias = "int | str | distributed.Client | None"
Progress: TypeAlias = Callable[[int, int], object]

_ARITY = 8
_PATIENCE = 10  # seconds for a scheduler to answer
# A task is given up when it was running in this many workers that died: by then it is the task that kills them.
_DEATHS = 10
# dask lets workers return every freed buffer to the system at once; buffers that come back page by page cost a pass over data
# more than its arithmetic.
_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": str(1 << 29),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 28),
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Shared:
    """A value that the workers hold already; in a task it stands for the value."""

    value: Any


class Workers(ABC):
    """What runs tasks: `count` of them at a time.

    `open_workers` returns one.
    """

    count: int

    @abstractmethod
    def share(self, value: Any) -> Shared:
        """Send a large value to the workers once; tasks that hold the handle are given the value.

        The handle may be the task, or lie in tuples, lists and dictionaries in it.
        """

    @abstractmethod
    def map(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        progress: Progress | None = None,
        keep: bool = False,
    ) -> list[Any]:
        """Return [function(task) for task in tasks].

        Parameters
        ----------
        function : callable
            Pure: a task may be run again when a worker dies.
        tasks : sequence
            One argument each.
        progress : callable, optional
            Called as progress(done, total) in the calling thread, after every task.
        keep : bool
            Leave the results where they were computed and return handles of them, for `reduce`.

        Raises
        ------
        Exception
            What the first task in order that fails has raised.
        """

    @abstractmethod
    def reduce(self, function: Callable[[list[Any]], Any], items: Sequence[Any]) -> Any:
        """Combine items, or handles of them, to one: a tree whose nodes are function(list of up to 8 items).

        Neighbours stay neighbours, so that `function` need be associative only.
        """


@contextmanager
def open_workers(workers: Place = None) -> Iterator[Workers]:
    """Open the workers that a `with` block uses.

    Parameters
    ----------
    workers : int, str, distributed.Client or None
        None or 1: threads in this process, one for each core that it may use. N >= 2: so many processes on this
        machine, closed at the end. An address such as "tcp://host:8786", or a client: the workers of that cluster.
        A script that asks for processes has to do so below `if __name__ == "__main__":`, since they import it.

    Raises
    ------
    DataError
        If `workers` is none of these, or nothing answers at the address.
    ImportError
        If processes or a cluster are wanted and distributed is not installed.

    Examples
    --------
    >>> with open_workers() as workers:
    ...     squares = workers.map(lambda k: k * k, range(4))
    ...     workers.reduce(sum, squares)
    14
    """
    choice = _checked(workers)
    if choice is None or choice == 1:
        yield _Threads()
    elif isinstance(choice, int):
        with TemporaryDirectory(prefix="dynsym-") as folder, _processes(choice) as client:
            yield _Cluster(client, Path(folder))
    elif isinstance(choice, str):
        with _connected(choice) as client:
            yield _Cluster(client)
    else:
        yield _Cluster(choice)


def _checked(workers: Any) -> Any:
    """Return None, a positive number, an address, or a client."""
    if workers is None:
        return None
    if isinstance(workers, str):
        text = workers.strip()
        if "://" in text:
            return text
        try:
            workers = int(text)
        except ValueError:
            raise DataError(
                f"workers must be a number of processes or an address such as tcp://host:8786, got {workers!r}"
            ) from None
    if hasattr(workers, "scheduler_info"):
        return workers
    if isinstance(workers, bool) or not hasattr(workers, "__index__"):
        raise DataError(
            "workers must be a number, an address or a distributed.Client, got "
            f"{workers!r} of type {type(workers).__name__}"
        )
    count = int(workers)
    require(
        count >= 1, f"workers must be at least 1, got {count}; leave it out to use threads in this process"
    )
    return count


class _Threads(Workers):
    """The cores that this process may use."""

    def __init__(self) -> None:
        self.count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def share(self, value: Any) -> Shared:
        return Shared(value)

    def map(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        progress: Progress | None = None,
        keep: bool = False,
    ) -> list[Any]:
        listed = [_filled(task, lambda shared: shared.value) for task in tasks]
        count = min(self.count, len(listed))
        out = (
            self._one_by_one(function, listed, progress)
            if count < 2
            else self._at_once(function, listed, progress)
        )
        return [Shared(item) for item in out] if keep else out

    @staticmethod
    def _one_by_one(function: Callable[[Any], Any], tasks: list[Any], progress: Progress | None) -> list[Any]:
        out = []
        for task in tasks:
            out.append(function(task))
            if progress is not None:
                progress(len(out), len(tasks))
        return out

    def _at_once(
        self, function: Callable[[Any], Any], tasks: list[Any], progress: Progress | None
    ) -> list[Any]:
        # Threads of BLAS under threads of tasks would compete for the same cores.
        with threadpool_limits(1), ThreadPoolExecutor(min(self.count, len(tasks))) as pool:
            futures = [pool.submit(function, task) for task in tasks]
            try:
                for done, future in enumerate(threads_completed(futures), 1):
                    if future.exception() is not None:
                        break
                    if progress is not None:
                        progress(done, len(tasks))
            finally:
                # Tasks start in their order, so all before a failed one have started.
                for future in futures:
                    future.cancel()
            return [future.result() for future in _settled(futures)]

    def reduce(self, function: Callable[[list[Any]], Any], items: Sequence[Any]) -> Any:
        require(len(items) > 0, "nothing to combine: no item was given")
        level = [_filled(item, lambda shared: shared.value) for item in items]
        while len(level) > 1:
            level = self.map(function, _groups(level))
        return level[0]


def _settled(futures: list[Future[Any]]) -> list[Future[Any]]:
    """Return the futures when those that run have ended, without the ones that were cancelled after a failure."""
    wait([future for future in futures if not future.cancelled()], return_when=FIRST_EXCEPTION)
    wait([future for future in futures if not future.cancelled()])
    return [future for future in futures if not future.cancelled()]


def _groups(level: list[Any]) -> list[list[Any]]:
    return [level[start : start + _ARITY] for start in range(0, len(level), _ARITY)]


def _filled(task: Any, fill: Callable[[Shared], Any]) -> Any:
    """Return the task with every handle in it replaced."""
    if isinstance(task, Shared):
        return fill(task)
    if type(task) in (list, tuple):
        return type(task)(_filled(item, fill) for item in task)
    if type(task) is dict:
        return {key: _filled(item, fill) for key, item in task.items()}
    return task


@dataclasses.dataclass(frozen=True)
class _Slot:
    """The place of a handle in a task on its way to a worker."""

    number: int


def _run(function: Callable[[Any], Any], task: Any, *shared: Any) -> Any:
    """Run a task on a worker, with what the handles in it stand for."""
    return function(_put_back(task, shared)) if shared else function(task)


def _itself(value: Any) -> Any:
    return value


def _unpickled(path: str) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)


def _put_back(task: Any, shared: Sequence[Any]) -> Any:
    if isinstance(task, _Slot):
        return shared[task.number]
    if type(task) in (list, tuple):
        return type(task)(_put_back(item, shared) for item in task)
    if type(task) is dict:
        return {key: _put_back(item, shared) for key, item in task.items()}
    return task


class _Cluster(Workers):
    """The workers behind a client of distributed.

    Whatever a worker holds can be computed again, shared values too, so a worker that dies takes nothing along.
    """

    def __init__(self, client: distributed.Client, folder: Path | None = None) -> None:
        self.client = client
        self.count = max(1, sum(worker["nthreads"] for worker in _workers_of(client).values()))
        # Processes of this machine read shared values from here; to others they are sent.
        self._folder = folder

    def share(self, value: Any) -> Shared:
        if self._folder is None:
            return self._everywhere(self._submit(_itself, value))
        path = self._folder / uuid4().hex
        with path.open("wb") as file:
            pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
        return self._everywhere(self._submit(_unpickled, str(path)))

    def _everywhere(self, future: Any) -> Shared:
        """The value on every worker: tasks go where their values are, so a single copy would keep one worker busy alone."""
        self.client.replicate([future])
        return Shared(future)

    def map(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        progress: Progress | None = None,
        keep: bool = False,
    ) -> list[Any]:
        from distributed import as_completed

        futures = [self._submit(function, task) for task in tasks]
        try:
            for done, future in enumerate(as_completed(futures, loop=self.client.loop), 1):
                if future.status != "finished":
                    self._raise_first(futures)
                if progress is not None:
                    progress(done, len(futures))
        except BaseException:
            self.client.cancel(futures)
            raise
        return [Shared(future) for future in futures] if keep else self.client.gather(futures)

    def reduce(self, function: Callable[[list[Any]], Any], items: Sequence[Any]) -> Any:
        require(len(items) > 0, "nothing to combine: no item was given")
        level = list(items)
        while len(level) > 1:
            level = self.map(function, _groups(level), keep=True)
        return level[0].value.result() if isinstance(level[0], Shared) else level[0]

    def _submit(self, function: Callable[[Any], Any], task: Any) -> distributed.Future:
        shared: list[distributed.Future] = []

        def slot(handle: Shared) -> _Slot:
            shared.append(handle.value)
            return _Slot(len(shared) - 1)

        light = _filled(task, slot)
        with warnings.catch_warnings():
            # Whoever sends large tasks does so on purpose.
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            return self.client.submit(_run, function, light, *shared, pure=False)

    def _raise_first(self, futures: list[distributed.Future]) -> None:
        """Raise what the first failed task in order has raised, as if tasks ran one after the other."""
        from distributed import KilledWorker

        first = next(future for future in futures if future.exception() is not None)
        try:
            first.result()
        except KilledWorker as error:
            raise RuntimeError(
                f"{_DEATHS + 1} workers died one after the other while they ran the same task; they may be out of "
                "memory, so use fewer workers"
            ) from error


def _workers_of(client: distributed.Client) -> dict[str, Any]:
    try:
        workers: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    except TypeError:
        # Before 2025 there was no limit to lift.
        workers = client.scheduler_info()["workers"]
    return workers


@contextmanager
def _processes(count: int) -> Iterator[distributed.Client]:
    """Start processes of one thread each, and end them whatever happens."""
    module = need_extra("distributed", "dask")
    dask = need_extra("dask", "dask")
    settings = {
        "distributed.scheduler.allowed-failures": _DEATHS,
        "distributed.nanny.pre-spawn-environ": {**_ENVIRONMENT},
    }
    with dask.config.set(settings):
        try:
            cluster = module.LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                # No dashboard, but a port for it is opened nevertheless: any free one.
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                # A limit per process would kill those that hold the data; the tasks are bounded anyway.
                memory_limit=None,
                silence_logs=logging.CRITICAL,
            )
        except RuntimeError as error:
            raise DataError(
                f"{count} worker processes could not be started ({error}); they import the script that asks for "
                'them, so it has to be a file that does so below `if __name__ == "__main__":`'
            ) from error
        with cluster, module.Client(cluster, set_as_default=False) as client:
            yield client


@contextmanager
def _connected(address: str) -> Iterator[distributed.Client]:
    module = need_extra("distributed", "dask")
    try:
        client = module.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise DataError(
            f"no scheduler answers at {address!r} within {_PATIENCE} s ({error}); check the address, or give a "
            "number of processes"
        ) from error
    with client:
        require(
            len(_workers_of(client)) > 0,
            f"the scheduler at {address!r} has no workers; start some with: dask worker",
        )
        yield client
