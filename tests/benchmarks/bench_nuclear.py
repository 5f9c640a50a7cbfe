"""Nuclear norm of the Lie derivative: our ADMM beside cvxpy with SCS; prints one table.

The problem is 1/2 |R C^T - Y|^2 + weight |L(C)|_* for polynomial fields of degree 3 on R^n and the candidates
gl(n): column E_ij of L(C) holds the coefficients of Df x_j e_i - E_ij f. `a x b` is reduced-rank regression, L(C) = A C with
A (a, 25) and C (25, b). Every solve runs in a process of its own, on one thread; memory is what its peak adds to that of the
process with the problem and all packages loaded.

Run with: python tests/benchmarks/bench_nuclear.py [gl3 gl5 gl7 2000x40 gl10]; the last is solved by ADMM alone.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import resource
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

import dynsym as dy
from dynsym.optim import ADMM, CVXPY, CoupledQuadratic, Datafit, Nuclear, Quadratic, Solution, solve

# Here L has the rank of a rotation-invariant field: the minimum lies where the norm has a kink.
WEIGHT = 0.02
# cvxpy does not fit here.
ALONE = ("gl10",)


def monomials(n: int, degree: int) -> list[tuple[int, ...]]:
    """Exponents of all monomials in n states up to the degree."""
    picks = (c for d in range(degree + 1) for c in itertools.combinations_with_replacement(range(n), d))
    return [tuple(pick.count(state) for state in range(n)) for pick in picks]


def cubic_oscillator(n: int, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Monomials (m, p) at isotropic random states and noisy right-hand sides (m, n) of x' = (1 - |x|^2) x."""
    rng = np.random.default_rng(seed)
    x = 0.6 * rng.standard_normal((samples, n))
    f = (1 - np.sum(x**2, axis=1, keepdims=True)) * x
    terms = np.stack([np.prod(x ** np.array(power), axis=1) for power in monomials(n, 3)], axis=1)
    return terms, f + 0.002 * rng.standard_normal(f.shape)


def field_problem(n: int, samples: int) -> tuple[Datafit, Nuclear]:
    """The cubic oscillator in n states, with the candidates gl(n)."""
    terms, f = cubic_oscillator(n, samples, seed=0)
    scale = np.sqrt(len(f))
    penalty = dy.FieldBreaking(dy.generators.linear(n), dy.Monomials(n, 3), WEIGHT)
    return Quadratic(terms / scale, f / scale), penalty


def reduced_rank_problem(a: int, b: int, inner: int = 25, rank: int = 3) -> tuple[Datafit, Nuclear]:
    """1/2 |A C - Y|^2 / a + weight |A C|_* / sqrt(a) with C of low rank, Y seen at every fifth row."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((a, inner))
    C = rng.standard_normal((inner, rank)) @ rng.standard_normal((rank, b)) / np.sqrt(inner)
    seen = A[::5]
    R, Y = (
        seen / np.sqrt(len(seen)),
        (seen @ C + 0.1 * rng.standard_normal((len(seen), b))) / np.sqrt(len(seen)),
    )
    # Unknowns in the order (inner, b): the datafit has to see them as one flat vector.
    T = np.linalg.qr(np.hstack([R, Y]), mode="r")
    fit = CoupledQuadratic(np.kron(T[:, :inner], np.eye(b)), T[:, inner:].ravel(), (inner, b))
    return fit, Nuclear(
        5 * WEIGHT / np.sqrt(a), sparse.kron(sparse.csr_array(A), sparse.eye_array(b)), (a, b)
    )


def problem(case: str) -> tuple[Datafit, Nuclear]:
    """The problem of a name such as gl5 or 2000x40."""
    if case.startswith("gl"):
        n = int(case[2:])
        return field_problem(n, min(50 * math.comb(n + 3, 3), 6000))
    a, b = map(int, case.split("x"))
    return reduced_rank_problem(a, b)


def measured(case: str, peer: bool) -> tuple[float, float, float, Solution]:
    """CPU seconds, wall seconds, MB added at the peak, and the solution of one solve."""
    import cvxpy  # noqa: F401

    fit, penalty = problem(case)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, wall = time.process_time(), time.perf_counter()
    with warnings.catch_warnings(), threadpool_limits(1):
        # cvxpy warns about its own defaults; only its time and objective matter here.
        warnings.simplefilter("ignore")
        found = solve(fit, penalty, solver=CVXPY("SCS") if peer else ADMM())
    spent, wall = time.process_time() - start, time.perf_counter() - wall
    return spent, wall, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, found


def apart(case: str, peer: bool) -> tuple[float, float, float, Solution]:
    """The same in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, case, peer).result()


def main(cases: list[str]) -> None:
    """Print the table."""
    heads = (
        "case",
        "unknowns",
        "SCS s",
        "ADMM s",
        "ratio",
        "SCS MB",
        "ADMM MB",
        "ratio",
        "steps",
        "rank",
        "gap",
        "objective - 1",
    )
    widths = (22, 9, 10, 9, 8, 9, 9, 7, 7, 6, 9, 15)
    print("".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
    for case in cases:
        # The first solve of a machine pays for what the others find in its caches: best of three.
        ours, _, memory, found = min((apart(case, False) for _ in range(3)), key=lambda run: run[0])
        _, penalty = problem(case)
        values = linalg.svdvals((penalty.operator @ found.coefficients.ravel()).reshape(penalty.shape))
        beside = ["-"] * 5
        if case not in ALONE:
            peer, _, more, reference = apart(case, True)
            excess = found.objective / reference.objective - 1
            beside = [
                f"{peer:.3g}",
                f"{peer / ours:.1f}",
                f"{more:.0f}",
                f"{more / max(memory, 0.1):.0f}",
                f"{excess:.1e}",
            ]
        cells = (
            f"{case} {penalty.shape[0]}x{penalty.shape[1]}",
            f"{found.coefficients.size}",
            beside[0],
            f"{ours:.3f}",
            beside[1],
            beside[2],
            f"{memory:.1f}",
            beside[3],
            f"{found.iterations}",
            f"{np.sum(values > 1e-4 * values[0])}",
            f"{found.duality_gap:.0e}",
            beside[4],
        )
        print("".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["gl3", "gl4", "gl5"])
