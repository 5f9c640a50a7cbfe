"""Processor time (one thread) and success rates: names, clean bases, sparse bases.

Run: python tests/benchmarks/bench_algebra.py
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from scipy.optimize import linprog

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from test_algebra import NAMED, basis_change, moved, noisy, tensor

from dynsym._checks import DataError
from dynsym._threads import one_blas_thread
from dynsym.algebra import clean_basis, identify, model
from dynsym.discover import _least_l1, sparse_basis


def timed(call, repeats=3):
    """Median processor seconds of a call."""
    out = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        out.append(time.process_time() - start)
    return median(out)


def names() -> None:
    """Milliseconds by dimension, and right / wrong / undecided names under noise of known size."""
    cases = {n: tensor(make()) for n, make in NAMED.items() if n not in ("R", "R^4") and "bianchi V" not in n}
    for low, high in ((2, 6), (7, 10), (11, 15), (16, 28)):
        took = [timed(partial(identify, c)) for c in cases.values() if low <= len(c) <= high]
        print(
            f"identify, dimension {low:2d}-{high:2d}: median {1e3 * median(took):6.1f} ms, most {1e3 * max(took):6.1f} ms"
        )
    small = {n: c for n, c in cases.items() if len(c) <= 8}
    for noise in (1e-4, 1e-3, 1e-2):
        for condition in (1.0, 3.0, 10.0):
            count = {"right": 0, "wrong": 0, "undecided": 0}
            for name, c in small.items():
                rng = np.random.default_rng(1)
                try:
                    found = identify(
                        noisy(moved(c, basis_change(len(c), condition, rng)), noise, rng), error=noise
                    )
                except DataError:
                    count["undecided"] += 1
                    continue
                right = name in found.name.split(" or ")
                count["undecided" if not found.is_decided else "right" if right else "wrong"] += 1
            print(f"names, noise {noise:g}, condition {condition:g}: {count}")


def clean() -> None:
    """Isomorphisms with the textbook form, from random bases of condition 10."""
    found, took = [], []
    for name in NAMED:
        standard = model(name)
        if standard is None or len(standard) > 10:
            continue
        algebra = identify(moved(standard, basis_change(len(standard), 10.0, np.random.default_rng(5))))
        start = time.process_time()
        found.append(clean_basis(algebra).is_clean)
        took.append(time.process_time() - start)
    print(
        f"clean_basis: {sum(found)} of {len(found)} found, median {median(took):.2f} s, most {max(took):.2f} s"
    )


def primal(basis, rows, values):
    """The program with two rows and a bound for each absolute value."""
    k, r = basis.shape
    return linprog(
        np.concatenate([np.zeros(r), np.ones(k)]),
        A_ub=np.block([[basis, -np.eye(k)], [-basis, -np.eye(k)]]),
        b_ub=np.zeros(2 * k),
        A_eq=np.hstack([rows, np.zeros((len(rows), k))]),
        b_eq=values,
        bounds=[(None, None)] * r + [(0, None)] * k,
        method="highs",
    )


def sparse() -> None:
    """One program, primal against dual, and whole bases, of planted spaces with and without errors."""
    for k, r, noise in ((30, 4, 0.0), (100, 10, 0.0), (100, 10, 1e-3), (300, 40, 0.0), (300, 40, 1e-3)):
        rng = np.random.default_rng(0)
        planted = np.zeros((k, r))
        for j in range(r):
            planted[rng.choice(k, 5, replace=False), j] = rng.standard_normal(5)
        span = (planted + noise * rng.standard_normal((k, r))) @ rng.standard_normal((r, r))
        basis = np.linalg.qr(span)[0]
        rows = [basis[[j]] for j in rng.choice(k, 8, replace=False)]
        slow = median(timed(partial(primal, basis, row, np.ones(1)), 1) for row in rows)
        fast = median(timed(partial(_least_l1, basis, row, np.ones(1)), 1) for row in rows)
        whole = timed(partial(sparse_basis, span, np.ones(k)), 1)
        entries = np.count_nonzero(np.abs(sparse_basis(span, np.ones(k))) > 0.03)
        print(
            f"k {k:3d}, r {r:2d}, errors {noise:g}: program {1e3 * slow:5.1f} ms primal, {1e3 * fast:5.1f} ms dual "
            f"({slow / fast:.1f} times); basis {whole:.2f} s, {entries} entries, planted {5 * r}"
        )


def main() -> None:
    """Print the three tables."""
    with one_blas_thread():
        names()
        clean()
        sparse()


if __name__ == "__main__":
    main()
