"""Data that do not fit: a chunked Zarr store fitted in one pass, its cost beside that of data in memory, and on dask workers.

The first table fits degree 3 to a million Lorenz samples in memory and to the whole store, each in a process of its own, and
reads the store without fitting it: microseconds per sample, peak memory. The second runs the same pass on a dask cluster
with one and with two single-threaded workers; the factors have to agree in every bit.

Run with: python tests/benchmarks/bench_out_of_core.py [samples, default 1e7] [store]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench_compress import forget_peak, peak, resident

MAKE = Path(__file__).with_name("make_lorenz_store.py")


def rows() -> object:
    import dynsym as dy

    return dy.LocalPolynomial.finite_differences(2)


def in_memory(store: Path) -> dict[str, float]:
    """Fit the first million samples of the store, held in memory."""
    import dynsym as dy
    from dynsym.trajectory import as_runs

    parts, left = [], 1_000_000
    for run in as_runs(str(store)):
        parts.append(run.read(0, min(len(run), left)))
        left -= len(parts[-1])
        if left <= 0:
            break
    seconds = []
    forget_peak()
    before = resident()
    for _ in range(5):
        start = time.perf_counter()
        dy.fit(parts, dy.Monomials(3, 3), penalty=dy.optim.STLSQ(0.1), rows=rows())
        seconds.append(time.perf_counter() - start)
    return {"seconds": float(np.median(seconds)), "samples": sum(map(len, parts)), "mb": peak() - before}


def from_store(store: Path) -> dict[str, object]:
    """Fit the whole store."""
    import dynsym as dy

    forget_peak()
    before, start = resident(), time.perf_counter()
    model = dy.fit(str(store), dy.Monomials(3, 3), penalty=dy.optim.STLSQ(0.1), rows=rows())
    seconds = time.perf_counter() - start
    n_rows = model.compressed.n_rows
    return {"seconds": seconds, "samples": n_rows, "mb": peak() - before, "equations": model.equations(4)}


def only_read(store: Path) -> dict[str, float]:
    """Read every sample of the store, and do nothing with it."""
    from dynsym.trajectory import as_runs
    from dynsym.trajectory.stored import pieces

    forget_peak()
    before, start, count = resident(), time.perf_counter(), 0
    for run in as_runs(str(store)):
        run.times(0, len(run))
        for a, b in pieces(run):
            count += len(run.read(a, b))
    return {"seconds": time.perf_counter() - start, "samples": count, "mb": peak() - before}


def in_a_process(what: str, store: Path) -> dict[str, object]:
    command = [sys.executable, __file__, "--one", what, str(store)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def on_workers(store: Path) -> None:
    """The pass on clusters of one and two workers."""
    import dask
    import distributed

    import dynsym as dy
    from dynsym._workers import _ENVIRONMENT
    from dynsym.trajectory import as_runs

    dask.config.set({"distributed.nanny.pre-spawn-environ": {**_ENVIRONMENT}})
    runs = as_runs(str(store))
    print(f"\n{'dask workers':>14}{'seconds':>10}{'ratio':>8}")
    seconds, factors = [], []
    for count in (1, 2):
        with (
            distributed.LocalCluster(
                n_workers=count, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            taken = []
            for _ in range(5):  # the first is a warm-up: workers import the package
                start = time.perf_counter()
                data = dy.compress(runs, dy.Monomials(3, 3), rows(), workers=client)
                taken.append(time.perf_counter() - start)
        seconds.append(float(np.median(taken[1:])))
        factors.append(data.total.triangle)
        print(f"{count:>14}{seconds[-1]:>10.2f}{seconds[0] / seconds[-1]:>8.2f}", flush=True)
    print("same factor in every bit:", np.array_equal(*factors))


def main(samples: float, store: Path) -> None:
    """Print the tables."""
    if not store.exists():
        command = [sys.executable, str(MAKE), str(store), "--samples", f"{samples:g}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    made = {what: in_a_process(what, store) for what in TASKS}
    cost = {what: 1e6 * float(d["seconds"]) / float(d["samples"]) for what, d in made.items()}
    print(f"{'':22}{'samples':>12}{'seconds':>10}{'us a sample':>13}{'peak MB':>9}")
    for what, d in made.items():
        print(f"{what:22}{d['samples']:>12}{d['seconds']:>10.2f}{cost[what]:>13.4f}{d['mb']:>9.0f}")
    ratio = (cost["from_store"] - cost["only_read"]) / cost["in_memory"]
    print(f"cost beyond reading over cost in memory: {ratio:.2f}")
    print("\n".join(made["from_store"]["equations"]))
    on_workers(store)


TASKS = {"in_memory": in_memory, "only_read": only_read, "from_store": from_store}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(TASKS[sys.argv[2]](Path(sys.argv[3]))))
    else:
        with tempfile.TemporaryDirectory() as folder:
            chosen = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder) / "lorenz.zarr"
            main(float(sys.argv[1]) if len(sys.argv) > 1 else 1e7, chosen)
