"""Fitting a million samples: PySINDy and dynsym on the same arrays, each fit in a process of its own; prints one table.

Seconds are those of the fit alone, from arrays in memory to coefficients, the median over rounds in which peer and ours take
turns; PySINDy is given the step alone, which is fastest for it. Memory is the highest resident size of the process beyond what
it held when the fit began, the data included there. The last lines show the factorisation at degree 7 beside one Gram matrix.

Run with: python tests/benchmarks/bench_compress.py [rounds]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

STEP = 0.002
CASES = {
    "Lorenz 1e6, degree 3": ("lorenz", 3),
    "Lorenz 1e6, degree 5": ("lorenz", 5),
    "10 states 1e5, degree 3": ("ten", 3),
}


def lorenz(m: int) -> np.ndarray:
    """States (m, 3) of one long run."""
    import dynsym as dy

    t = STEP * np.arange(m)
    return np.array(dy.systems.get("lorenz").field().simulate([-8.0, 8.0, 27.0], t).x)


def ten(m: int) -> tuple[np.ndarray, np.ndarray]:
    """States (m, 10), uniform, and derivatives with 30 terms and a little noise."""
    import dynsym as dy

    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (m, 10))
    c = np.zeros((10, 286))
    for row in c:
        row[rng.choice(286, 3, replace=False)] = rng.choice([-1.0, 1.0], 3) * rng.uniform(0.5, 2, 3)
    return x, dy.Monomials(10, 3).evaluate(x) @ c.T + 0.01 * rng.standard_normal((m, 10))


def peak() -> float:
    """Highest resident size since `forget_peak`, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def forget_peak() -> None:
    """Let the kernel count the peak from here on: a child starts with that of its parent."""
    Path("/proc/self/clear_refs").write_text("5")


def resident() -> float:
    """Resident size now, in MB."""
    text = Path("/proc/self/statm").read_text().split()[1]
    return int(text) * resource.getpagesize() / 2**20


def by_pysindy(kind: str, degree: int, folder: Path) -> dict[str, object]:
    """One PySINDy fit."""
    import pysindy as ps

    optimizer = ps.STLSQ(threshold=0.1, alpha=0.05)
    model = ps.SINDy(optimizer=optimizer, feature_library=ps.PolynomialLibrary(degree=degree))
    if kind == "lorenz":
        x, given = np.load(folder / "lorenz.npy"), None
    else:
        x, given = np.load(folder / "ten.npy"), np.load(folder / "ten_dot.npy")
    forget_peak()
    before, start = resident(), time.perf_counter()
    model.fit(x, t=STEP, x_dot=given)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "mb": peak() - before, "c": model.coefficients().tolist()}


def by_dynsym(kind: str, degree: int, folder: Path) -> dict[str, object]:
    """One fit of ours."""
    import dynsym as dy

    rows: dy.LocalPolynomial | dy.Derivatives
    if kind == "lorenz":
        x, given, rows = np.load(folder / "lorenz.npy"), None, dy.LocalPolynomial.finite_differences(2)
    else:
        x, given, rows = np.load(folder / "ten.npy"), np.load(folder / "ten_dot.npy"), dy.Derivatives()
    dictionary = dy.Monomials(x.shape[1], degree)
    t = STEP * np.arange(len(x))
    forget_peak()
    before, start = resident(), time.perf_counter()
    run = dy.Trajectory(t=t, x=x, dxdt=given)
    model = dy.fit(run, dictionary, penalty=dy.optim.STLSQ(0.1, ridge=0.05), rows=rows)
    seconds = time.perf_counter() - start
    routes = model.compressed.routes()
    return {"seconds": seconds, "mb": peak() - before, "c": model.coefficients.tolist(), "routes": routes}


def in_a_process(who: str, kind: str, degree: int, folder: Path) -> dict[str, object]:
    command = [sys.executable, __file__, "--one", who, kind, str(degree), str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def degree_seven(folder: Path) -> None:
    """Accuracy and cost of the factorisation where the Gram matrix is hopeless."""
    import dynsym as dy
    from dynsym._threads import one_blas_thread
    from dynsym.compress import compress_prepared, prepare
    from dynsym.compress._cholesky_qr import _gram
    from dynsym.compress._pass import Pass
    from dynsym.compress._plan import plan

    x = np.load(folder / "lorenz.npy")
    d = dy.Monomials(3, 7)
    truth = np.random.default_rng(0).standard_normal((3, d.n_terms))
    truth /= np.sqrt(np.mean(d.evaluate(x[::50]) ** 2, axis=0))
    slopes = np.concatenate([d.evaluate(part) @ truth.T for part in np.array_split(x, 100)])
    run = dy.Trajectory(STEP * np.arange(len(x)), x, dxdt=slopes)
    ready = prepare(run, dy.Derivatives())
    tasks = plan(ready.stretches, ready.method, d.n_terms + 3)
    plain = Pass(d, ready.method, None)
    seconds: dict[str, list[float]] = {"gram": [], "ours": []}
    with one_blas_thread():
        for _ in range(3):
            start = time.perf_counter()
            gram = sum(_gram(plain._batches(task, d._fill), d.n_terms + 3)[0] for task in tasks)
            seconds["gram"].append(time.perf_counter() - start)
            start = time.perf_counter()
            data = compress_prepared(ready, d)
            seconds["ours"].append(time.perf_counter() - start)
    size = np.sqrt(np.diag(gram))[: d.n_terms]
    p = d.n_terms
    by_gram = (
        np.linalg.solve(gram[:p, :p] / np.outer(size, size), gram[:p, p:] / size[:, None]) / size[:, None]
    )
    r = data.total
    ours = np.linalg.lstsq(r.theta / size, r.target, rcond=None)[0] / size[:, None]
    scale = np.abs(truth.T * size[:, None]).max()
    cost = {name: float(np.median(values)) for name, values in seconds.items()}
    print(
        f"\nLorenz 1e6, degree 7, {p} terms, condition number {r.condition:.1e}, exact derivatives of a full model"
    )
    print(f"{'':24}{'Gram matrix':>14}{'ours':>14}{'ratio':>10}")
    print(f"{'seconds':24}{cost['gram']:>14.3f}{cost['ours']:>14.3f}{cost['ours'] / cost['gram']:>10.2f}")
    errors = [np.abs((c - truth.T) * size[:, None]).max() / scale for c in (by_gram, ours)]
    print(f"{'scaled error':24}{errors[0]:>14.1e}{errors[1]:>14.1e}   routes {data.routes()}")


def main(rounds: int) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "lorenz.npy", lorenz(1_000_000))
        x, slopes = ten(100_000)
        np.save(folder / "ten.npy", x)
        np.save(folder / "ten_dot.npy", slopes)
        heads = ("case", "PySINDy s", "ours s", "ratio", "PySINDy MB", "ours MB", "supports", "difference")
        widths = (26, 11, 10, 8, 12, 10, 10, 12)
        print("".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
        for case, (kind, degree) in CASES.items():
            pairs = [
                (in_a_process("pysindy", kind, degree, folder), in_a_process("dynsym", kind, degree, folder))
                for _ in range(rounds)
            ]
            peer, ours = (float(np.median([pair[k]["seconds"] for pair in pairs])) for k in (0, 1))
            mb = [float(np.median([pair[k]["mb"] for pair in pairs])) for k in (0, 1)]
            a, b = np.array(pairs[0][0]["c"]), np.array(pairs[0][1]["c"])
            same = "equal" if np.array_equal(a != 0, b != 0) else "DIFFER"
            cells = (
                *(case, f"{peer:.2f}", f"{ours:.4f}", f"{peer / ours:.1f}", f"{mb[0]:.0f}", f"{mb[1]:.0f}"),
                *(same, f"{np.abs(a - b).max():.1e}"),
            )
            print("".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)), flush=True)
        degree_seven(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        method = by_pysindy if sys.argv[2] == "pysindy" else by_dynsym
        print(json.dumps(method(sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
