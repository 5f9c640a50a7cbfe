"""Least squares under dense, redundant equality constraints: PySINDy's ConstrainedSR3, cvxpy and dynsym.

A field in n states over all polynomials up to degree 3, 10 000 samples with noise, and random dense constraint
rows of half their number in rank that the true coefficients meet. Every method runs in a process of its own,
which reads the data from a file; `MB` is the growth of its peak memory from then on. Seconds run from the
states, the derivatives and the constraint rows to the coefficients; for methods on the factor from the
triangular factor and the rows. `residual` is the largest |e w - d| / |e| over the rows, relative to |w|, at
the coefficients that predict; `objective` is relative to the least of the table among those that meet the
rows. The first half of the rows is a basis, which in use nobody knows: methods named so are told.

Run with: python tests/benchmarks/bench_constraints.py
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Data = dict[str, np.ndarray]
Task = Callable[[], np.ndarray]


def problem(n: int, rows: int, samples: int) -> Data:
    """States, derivatives, theta, its factor, and the constraint rows with their right-hand sides."""
    import dynsym as dy

    rng = np.random.default_rng(0)
    x = 0.7 * rng.standard_normal((samples, n))
    theta = dy.Monomials(n, 3).evaluate(x)
    p = theta.shape[1]
    C = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.1)
    y = theta @ C.T + 0.1 * rng.standard_normal((samples, n))
    basis = rng.standard_normal((rows // 2, n * p))
    E = rng.standard_normal((rows, rows // 2)) @ basis / np.sqrt(rows // 2)
    T = np.linalg.qr(np.hstack([theta, y]), mode="r")
    return {"x": x, "y": y, "E": E, "d": E @ C.ravel(), "R": T[:, :p], "Y": T[:, p:]}


def constrained_sr3(data: Data, share: int = 1) -> Task:
    """PySINDy: rows in its feature order, thirty iterations, coefficients as `predict` uses them."""
    import pysindy as ps

    n, x, first = data["y"].shape[1], data["x"], len(data["E"]) // share
    rows = data["E"][:first].reshape(first, n, -1).transpose(0, 2, 1).reshape(first, -1)
    times = np.arange(len(x), dtype=float)

    def task() -> np.ndarray:
        optimizer = ps.ConstrainedSR3(
            reg_weight_lam=1e-3,
            relax_coeff_nu=1e-2,
            max_iter=30,
            constraint_lhs=rows,
            constraint_rhs=data["d"][:first],
            constraint_order="feature",
            equality_constraints=True,
        )
        model = ps.SINDy(optimizer=optimizer, feature_library=ps.PolynomialLibrary(3))
        model.fit([x], t=[times], x_dot=[data["y"]])
        return np.asarray(model.coefficients())

    return task


def by_cvxpy(data: Data, share: int = 1) -> Task:
    """cvxpy with its interior-point solver, from the factor and the first 1/share of the rows."""
    import cvxpy as cp

    def task() -> np.ndarray:
        C = cp.Variable((data["Y"].shape[1], data["R"].shape[1]))
        cost = 0.5 * cp.sum_squares(data["R"] @ C.T - data["Y"])
        first = len(data["E"]) // share
        met = data["E"][:first] @ cp.vec(C, order="C") == data["d"][:first]
        cp.Problem(cp.Minimize(cost), [met]).solve(solver="CLARABEL")
        return np.asarray(C.value)

    return task


def end_to_end(data: Data) -> Task:
    """dynsym from samples."""
    import dynsym as dy

    def task() -> np.ndarray:
        run = dy.Trajectory(t=np.arange(len(data["x"]), dtype=float), x=data["x"], dxdt=data["y"])
        rows = dy.optim.LinearConstraint(data["E"], data["d"])
        return dy.fit(run, dy.Monomials(data["x"].shape[1], 3), constraints=rows).field.coefficients

    return task


def on_the_factor(data: Data) -> Task:
    """dynsym's solver."""
    from dynsym.optim import LinearConstraint, Quadratic, solve

    def task() -> np.ndarray:
        rows = LinearConstraint(data["E"], data["d"])
        return solve(Quadratic(data["R"], data["Y"]), constraints=rows).coefficients

    return task


METHODS = {
    "PySINDy ConstrainedSR3": constrained_sr3,
    "PySINDy, basis": lambda data: constrained_sr3(data, share=2),
    "cvxpy, factor": by_cvxpy,
    "cvxpy, factor, basis": lambda data: by_cvxpy(data, share=2),
    "dynsym, samples": end_to_end,
    "dynsym, factor": on_the_factor,
}


def child(method: str, file: str, repeats: int) -> None:
    """Run one method and print what was measured."""
    warnings.simplefilter("ignore")  # PySINDy says that it did not converge, at every number of iterations
    with np.load(file) as stored:
        data = {name: stored[name].copy() for name in stored.files}
    task = METHODS[method](data)
    start_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        C = task()
        times.append(time.perf_counter() - start)
    gap = np.abs(data["E"] @ C.ravel() - data["d"]) / np.linalg.norm(data["E"], axis=1)
    print(
        json.dumps(
            {
                "seconds": float(np.median(times)),
                "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - start_mb,
                "residual": float(gap.max() / np.linalg.norm(C)),
                "objective": float(0.5 * np.sum((data["R"] @ C.T - data["Y"]) ** 2)),
            }
        )
    )


def main() -> None:
    """Print one table per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="runs of each method behind its median")
    parser.add_argument("--child", nargs=2, metavar=("METHOD", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(*args.child, args.repeats)
        return
    for n, rows in ((6, 300), (10, 1000)):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "problem.npz"
            np.savez(file, **problem(n, rows, 10_000))
            found = {method: measured(method, file, args.repeats) for method in METHODS}
        table(f"n = {n}, {rows} rows of rank {rows // 2}", found)


def measured(method: str, file: Path, repeats: int) -> dict[str, Any]:
    """What one method does in a process of its own; PySINDy and cvxpy run once."""
    count = repeats if method.startswith("dynsym") else 1
    command = [sys.executable, __file__, "--repeats", str(count), "--child", method, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1] if done.stderr else f"exit {done.returncode}"}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(title: str, found: dict[str, dict[str, Any]]) -> None:
    """Seconds, ratio, peak memory, residual and objective of each method."""
    print(title)
    print(f"{'':24}{'s':>10}{'ratio':>8}{'MB':>8}{'residual':>12}{'objective':>14}")
    best = min(one["objective"] for one in found.values() if one.get("residual", 1.0) < 1e-8)
    quickest = found["dynsym, samples"]["seconds"]
    for name, one in found.items():
        if "failed" in one:
            print(f"{name:24}  failed: {one['failed'][:90]}")
            continue
        print(
            f"{name:24}{one['seconds']:10.3f}{one['seconds'] / quickest:8.1f}{one['mb']:8.0f}"
            f"{one['residual']:12.1e}{one['objective'] / best - 1:14.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
