"""Workers: the same results wherever they are computed, whatever happens to the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import distributed
import numpy as np
import pytest

from dynsym import _workers
from dynsym._checks import DataError
from dynsym._workers import Shared, Workers, open_workers


@pytest.fixture(scope="module")
def cluster() -> Iterator[Workers]:
    with open_workers(2) as workers:
        yield workers


@pytest.fixture(params=["threads", "one thread", "processes"])
def workers(request: pytest.FixtureRequest, cluster: Workers) -> Iterator[Workers]:
    if request.param == "processes":
        yield cluster
        return
    with open_workers(1 if request.param == "one thread" else None) as threads:
        threads.count = 1 if request.param == "one thread" else 4
        yield threads


def noisy_sum(task: tuple[int, np.ndarray]) -> float:
    seed, values = task
    return float(np.random.default_rng(seed).standard_normal(1000) @ values)


def joined(parts: list[list[int]]) -> list[int]:
    return [item for part in parts for item in part]


def refuse_odd(k: int) -> int:
    # The first refusal in order comes last in time.
    time.sleep(0.2 if k == 3 else 0.0)
    if k % 2 and k > 2:
        raise DataError(f"{k} is odd")
    return k


class TestEverywhere:
    def test_results_are_in_order(self, workers: Workers) -> None:
        seen: list[tuple[int, int]] = []
        tasks = [(k, np.linspace(0, 1, 1000)) for k in range(20)]
        got = workers.map(noisy_sum, tasks, lambda done, total: seen.append((done, total)))
        assert got == [noisy_sum(task) for task in tasks]
        assert seen == [(k + 1, 20) for k in range(20)]
        assert workers.map(noisy_sum, []) == []

    @pytest.mark.parametrize("count", [1, 2, 8, 9, 65, 100])
    def test_reduction_keeps_the_order(self, count: int, workers: Workers) -> None:
        assert workers.reduce(joined, [[k] for k in range(count)]) == list(range(count))
        kept = workers.map(lambda k: [k], range(count), keep=True)
        assert all(isinstance(item, Shared) for item in kept)
        assert workers.reduce(joined, kept) == list(range(count))

    def test_reduction_has_one_shape(self, workers: Workers) -> None:
        items = np.random.default_rng(0).standard_normal(100).tolist()

        def tree(level: list[float]) -> float:
            return (
                level[0]
                if len(level) == 1
                else tree([sum(level[k : k + 8]) for k in range(0, len(level), 8)])
            )

        assert workers.reduce(sum, items) == tree(items)

    def test_nothing_to_reduce(self, workers: Workers) -> None:
        with pytest.raises(DataError, match="nothing to combine"):
            workers.reduce(sum, [])

    def test_shared_values(self, workers: Workers) -> None:
        big = workers.share(np.arange(1000.0))
        assert workers.map(noisy_sum, [(k, big) for k in range(5)]) == [
            noisy_sum((k, np.arange(1000.0))) for k in range(5)
        ]
        assert workers.map(len, [big]) == [1000]
        assert workers.map(lambda task: float(task["a"][0].sum()), [{"a": [big]}]) == [499500.0]

    def test_the_first_error_in_order_arrives_unchanged(self, workers: Workers) -> None:
        with pytest.raises(DataError, match=r"^3 is odd$"):
            workers.map(refuse_odd, range(8))
        assert workers.map(refuse_odd, range(0, 8, 2)) == [0, 2, 4, 6]

    def test_errors_of_progress_stop_the_work(self, workers: Workers) -> None:
        def stop(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            workers.map(refuse_odd, range(3), stop)
        assert workers.map(refuse_odd, [2]) == [2]


def slow_sum(task: tuple[int, np.ndarray, str]) -> tuple[float, int]:
    seed, values, folder = task
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(0.05)
    return noisy_sum((seed, values)), os.getpid()


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class TestProcesses:
    def test_one_thread_of_blas_each(self, cluster: Workers) -> None:
        def threads(_: int) -> set[int]:
            from threadpoolctl import threadpool_info

            np.ones((2, 2)) @ np.ones((2, 2))
            return {pool["num_threads"] for pool in threadpool_info()}

        assert cluster.count == 2
        assert cluster.map(threads, range(4)) == [{1}] * 4

    def test_a_killed_process_changes_nothing(self, cluster: Workers, tmp_path: Path) -> None:
        values = np.linspace(0, 1, 1000)
        tasks = [(k, cluster.share(values), str(tmp_path)) for k in range(40)]
        killed: list[int] = []

        def kill(done: int, total: int) -> None:
            pids = [int(path.name) for path in tmp_path.iterdir()]
            if done in (6, 20) and len(pids) >= 2:
                victim = next(pid for pid in pids if pid not in killed and Path(f"/proc/{pid}").exists())
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

        got = cluster.map(slow_sum, tasks, kill)
        assert killed
        assert [value for value, _ in got] == [noisy_sum((k, values)) for k in range(40)]
        kept = cluster.map(slow_sum, tasks[:20], keep=True)
        os.kill(got[-1][1] if got[-1][1] not in killed else got[0][1], signal.SIGKILL)
        total = cluster.reduce(lambda parts: (sum(part[0] for part in parts), 0), kept)
        with open_workers() as threads:
            want = threads.reduce(sum, [noisy_sum((k, values)) for k in range(20)])
        assert total[0] == want

    def test_all_processes_killed(self, cluster: Workers, tmp_path: Path) -> None:
        """What was sent ahead is gone with them, and is sent again."""
        values = np.linspace(0, 1, 1000)
        tasks = [(k, cluster.share(values), str(tmp_path)) for k in range(20)]

        def kill(done: int, total: int) -> None:
            if done == 4:
                for path in list(tmp_path.iterdir()):
                    os.kill(int(path.name), signal.SIGKILL)

        assert [value for value, _ in cluster.map(slow_sum, tasks, kill)] == [
            noisy_sum((k, values)) for k in range(20)
        ]

    def test_a_client_and_an_address(self, cluster: Workers) -> None:
        client = cluster.client  # type: ignore[attr-defined]
        client.wait_for_workers(2)  # one that was killed before may still be on its way back
        for place in (client, client.scheduler.address):
            with open_workers(place) as workers:
                assert (workers.count, workers.map(refuse_odd, [2, 4])) == (2, [2, 4])
        assert client.status == "running"


ENDS = """
import os, sys, time
from pathlib import Path
from dynsym._workers import open_workers

def alive(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)

if __name__ == "__main__":
    with open_workers(2) as workers:
        workers.map(alive, [sys.argv[1]] * 4)
        print("done", flush=True)
        if len(sys.argv) > 2:
            workers.map(time.sleep, [60, 60])
"""


def test_a_script_that_the_workers_cannot_import(tmp_path: Path) -> None:
    script = tmp_path / "bare.py"
    script.write_text("from dynsym._workers import open_workers\nwith open_workers(2): pass\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert "DataError: 2 worker processes could not be started" in done.stderr
    assert 'below `if __name__ == "__main__":`' in done.stderr


def gone(pid: str) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("interrupted", [False, True])
def test_no_process_is_left_behind(interrupted: bool, tmp_path: Path) -> None:
    script, folder = tmp_path / "ends.py", tmp_path / "pids"
    folder.mkdir()
    script.write_text(ENDS)
    command = [sys.executable, "-W", "error::UserWarning", str(script), str(folder)]
    child = subprocess.Popen(
        command + (["0.1"] if interrupted else []), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stderr is not None
    assert child.stdout.readline() == "done\n" or child.stderr.read() == ""
    if interrupted:
        child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert ("KeyboardInterrupt" in errors) == interrupted, errors
    assert interrupted or (errors, child.returncode) == ("", 0)
    pids = [path.name for path in folder.iterdir()]
    assert pids
    wait_for(lambda: all(gone(pid) for pid in pids))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (0, "workers must be at least 1, got 0"),
        (-3, "workers must be at least 1, got -3"),
        ("0", "workers must be at least 1, got 0"),
        ("abc", "a number of processes or an address such as tcp://host:8786, got 'abc'"),
        ("localhost:8786", "an address such as tcp://host:8786, got 'localhost:8786'"),
        (2.5, "got 2.5 of type float"),
        (True, "got True of type bool"),
        ("nothing://here", "no scheduler answers at 'nothing://here'"),
        ("tcp://127.0.0.1:1", "no scheduler answers at 'tcp://127.0.0.1:1' within 1 s"),
    ],
)
def test_places_that_are_none(choice: object, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_workers, "_PATIENCE", 1)
    with pytest.raises(DataError, match=message), open_workers(choice):  # type: ignore[arg-type]
        raise AssertionError("opened")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'dynsym\[dask\]'"), open_workers(2):
        raise AssertionError("opened")


def test_a_scheduler_without_workers() -> None:
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", processes=False) as empty,
        pytest.raises(DataError, match="has no workers; start some with: dask worker"),
        open_workers(empty.scheduler_address),
    ):
        raise AssertionError("opened")
