"""Nuclear norm of the Lie derivative: our ADMM beside cvxpy with SCS; prints one table.

The problem is 1/2 |R C^T - Y|^2 + weight |L(C)|_* for polynomial fields of degree 3 on R^n and the candidates
gl(n): column E_ij of L(C) holds the coefficients of Df x_j e_i - E_ij f. Both solvers run on one thread.

Run with: python tests/benchmarks/bench_nuclear.py [largest n]
"""

from __future__ import annotations

import itertools
import math
import sys
import time
import warnings

import numpy as np
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from dynsym.optim import ADMM, CVXPY, Nuclear, Quadratic, Solution, solve

# Here L has the rank of a rotation-invariant field: the minimum lies where the norm has a kink.
WEIGHT = 0.02


def monomials(n: int, degree: int) -> list[tuple[int, ...]]:
    """Exponents of all monomials in n states up to the degree."""
    picks = (c for d in range(degree + 1) for c in itertools.combinations_with_replacement(range(n), d))
    return [tuple(pick.count(state) for state in range(n)) for pick in picks]


def lie_derivative_of_gl(n: int, degree: int) -> tuple[sparse.csr_array, tuple[int, int]]:
    """Sparse map from coefficients (n, p) to the matrix (n p, n^2) of Lie derivatives along E_ij."""
    powers = monomials(n, degree)
    index = {power: k for k, power in enumerate(powers)}
    p, q = len(powers), n * n
    entries = []
    for (i, j), (equation, (term, power)) in itertools.product(
        itertools.product(range(n), repeat=2), itertools.product(range(n), enumerate(powers))
    ):
        source, generator = equation * p + term, i * n + j
        if power[i]:
            moved = list(power)
            moved[i] -= 1
            moved[j] += 1
            entries.append(((equation * p + index[tuple(moved)]) * q + generator, source, power[i]))
        if equation == j:
            entries.append(((i * p + term) * q + generator, source, -1.0))
    rows, columns, values = zip(*entries, strict=True)
    # Bombieri's weights: the norm of a polynomial, and so the nuclear norm, does not change under rotation.
    weights = [math.sqrt(math.prod(map(math.factorial, e)) / math.factorial(sum(e))) for e in powers]
    plain = sparse.csr_array((values, (rows, columns)), shape=(n * p * q, n * p))
    return sparse.diags_array(np.repeat(np.tile(weights, n), q)) @ plain, (n * p, q)


def cubic_oscillator(n: int, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Monomials (m, p) at isotropic random states and noisy right-hand sides (m, n) of x' = (1 - |x|^2) x."""
    rng = np.random.default_rng(seed)
    x = 0.6 * rng.standard_normal((samples, n))
    f = (1 - np.sum(x**2, axis=1, keepdims=True)) * x
    terms = np.stack([np.prod(x ** np.array(power), axis=1) for power in monomials(n, 3)], axis=1)
    return terms, f + 0.002 * rng.standard_normal(f.shape)


def timed(fit: Quadratic, penalty: Nuclear, solver: ADMM | CVXPY) -> tuple[float, Solution]:
    """CPU seconds and solution of one solve."""
    start = time.process_time()
    with warnings.catch_warnings(), threadpool_limits(1):
        # cvxpy warns about its own defaults; only its time and objective matter here.
        warnings.simplefilter("ignore")
        found = solve(fit, penalty, solver=solver)
    return time.process_time() - start, found


def main(largest: int) -> None:
    """Print the table for gl(3) to gl(largest)."""
    heads = ("size", "unknowns", "SCS s", "ADMM s", "ratio", "steps", "rank", "objective ADMM/SCS - 1")
    widths = (14, 9, 10, 10, 8, 7, 6, 25)
    print("".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
    for n in range(3, largest + 1):
        terms, f = cubic_oscillator(n, 50 * len(monomials(n, 3)), seed=0)
        operator, shape = lie_derivative_of_gl(n, 3)
        scale = np.sqrt(len(f))
        fit, penalty = Quadratic(terms / scale, f / scale), Nuclear(WEIGHT, operator, shape)
        ours, found = timed(fit, penalty, ADMM())
        peer, reference = timed(fit, penalty, CVXPY("SCS"))
        sizes = linalg.svdvals((operator @ found.coefficients.ravel()).reshape(shape))
        cells = (
            f"gl({n}) {shape[0]}x{shape[1]}",
            f"{fit.size}",
            f"{peer:.3f}",
            f"{ours:.3f}",
            f"{peer / ours:.1f}",
            f"{found.iterations}",
            f"{np.sum(sizes > 1e-4 * sizes[0])}",
            f"{found.objective / reference.objective - 1:.1e}",
        )
        print("".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
