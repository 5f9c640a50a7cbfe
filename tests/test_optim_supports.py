"""Least squares on supports: every path gives what one orthogonal factorisation per support gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsym._threads import one_blas_thread
from dynsym.optim import STLSQ, Quadratic, solve
from dynsym.optim._matrices import least_norm_solution
from dynsym.optim._supports import Supports, orthogonal_solution

N, P = 3, 14


def slow(R, Y, active):
    """One orthogonal factorisation, with its rank decision, for each equation."""
    C, free = np.zeros(active.shape), np.zeros(len(active), dtype=int)
    for i, own in enumerate(active):
        solved, rank = least_norm_solution(R[:, own], Y[:, [i]])
        C[i, own], free[i] = solved[:, 0], own.sum() - rank
    return C, free


def matrix(rng, condition, spread, k=30):
    """A (k, P) matrix whose equilibrated columns have about the given condition, then scaled apart."""
    U, V = np.linalg.qr(rng.standard_normal((k, P)))[0], np.linalg.qr(rng.standard_normal((P, P)))[0]
    return (U * np.geomspace(1.0, 1.0 / condition, P)) @ V.T * np.geomspace(1.0 / spread, spread, P)


@given(
    seed=st.integers(0, 10**6),
    digits=st.sampled_from([0.0, 2.0, 4.0, 5.0, 7.0, 9.0, 10.5]),
    spread=st.sampled_from([1.0, 1e4, 1e8]),
    noise=st.sampled_from([0.0, 1e-3, 1.0]),
)
@settings(max_examples=120, deadline=None, derandomize=True)
def test_all_paths_agree_with_one_factorisation_per_support(seed, digits, spread, noise):
    rng = np.random.default_rng(seed)
    R = matrix(rng, 10**digits, spread)
    size = np.linalg.norm(R, axis=0)
    C = rng.standard_normal((N, P)) / size
    Y = R @ C.T + noise * rng.standard_normal((len(R), N)) / np.sqrt(len(R))
    active = rng.random((N, P)) < 0.7
    found, free = Supports(R, Y).solve(active, np.arange(N))
    expected, expected_free = slow(R, Y, active)
    assert np.array_equal(free, expected_free)
    assert np.all(found[~active] == 0)
    # The bound of the least-squares perturbation theory, at the unit rounding with a modest constant: digits
    # that the condition takes from one orthogonal factorisation it takes from another as well.
    for i, own in enumerate(active):
        if not own.any():
            continue
        scaled = R[:, own] / size[own]
        kappa = np.linalg.cond(scaled)
        residual = np.linalg.norm(Y[:, i] - R @ expected[i])
        bound = kappa * np.linalg.norm(expected[i] * size) + kappa**2 * residual
        assert np.linalg.norm((found - expected)[i] * size) <= 1e-14 * (bound + 1e-30)


@pytest.mark.parametrize("spread", [1.0, 1e-8, 1e8])
def test_ten_digits_where_the_condition_is_moderate(spread):
    rng = np.random.default_rng(0)
    R = matrix(rng, 1e4, 1.0) * spread
    Y = rng.standard_normal((30, N))
    active = rng.random((N, P)) < 0.7
    found, _ = Supports(R, Y).solve(active, np.arange(N))
    assert np.allclose(found, slow(R, Y, active)[0], rtol=1e-10, atol=1e-10 * np.abs(found).max())


def test_dependent_terms_get_the_least_norm_and_are_counted():
    rng = np.random.default_rng(1)
    R = rng.standard_normal((30, P))
    R[:, 3] = R[:, 1] - 2.0 * R[:, 2]
    R[:, 7] = 0.0
    Y = rng.standard_normal((30, N))
    active = np.ones((N, P), dtype=bool)
    active[1, [1, 7]] = False
    found, free = Supports(R, Y).solve(active, np.arange(N))
    expected, _ = slow(R, Y, active)
    assert free.tolist() == [2, 0, 2]
    assert np.allclose(found, expected, rtol=1e-11, atol=1e-12)
    assert np.allclose(found[0], np.linalg.lstsq(R, Y[:, 0])[0], atol=1e-12)


def test_fewer_rows_than_terms():
    rng = np.random.default_rng(2)
    R, Y = rng.standard_normal((5, P)), rng.standard_normal((5, N))
    found, free = Supports(R, Y).solve(np.ones((N, P), dtype=bool), np.arange(N))
    assert free.tolist() == [P - 5] * N
    assert np.allclose(found, np.linalg.lstsq(R, Y)[0].T, atol=1e-12)


def test_only_the_equations_asked_for_are_solved():
    rng = np.random.default_rng(3)
    R, Y = rng.standard_normal((30, P)), rng.standard_normal((30, N))
    active = rng.random((N, P)) < 0.5
    every = Supports(R, Y)
    assert np.allclose(
        every.solve(active, np.array([2, 0]))[0], every.solve(active, np.arange(N))[0][[2, 0]], atol=1e-14
    )


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_the_orthogonal_path_agrees_with_the_pivoted_one(rows):
    rng = np.random.default_rng(4)
    A, B = rng.standard_normal((rows, 3)), rng.standard_normal((rows, 2))
    X, rank = orthogonal_solution(A, B)
    slow_X, slow_rank = least_norm_solution(A, B)
    assert rank == slow_rank == min(rows, 3)
    assert np.allclose(X, slow_X, atol=1e-13)


def test_a_term_that_the_cholesky_factor_loses_is_found_from_the_rows():
    # Negative control for the fast path: at condition 1e9 the Gram matrix knows nothing of the coefficients.
    rng = np.random.default_rng(5)
    R = matrix(rng, 1e9, 1.0)
    C = rng.standard_normal((N, P))
    Y = R @ C.T
    found, _ = Supports(R, Y).solve(np.ones((N, P), dtype=bool), np.arange(N))
    normal = np.linalg.lstsq(R.T @ R, R.T @ Y, rcond=None)[0].T
    assert np.abs(found - C).max() < 1e-5
    assert np.abs(normal - C).max() > 1e-2


@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_thresholding_is_that_of_a_loop_with_one_factorisation_each(ridge):
    rng = np.random.default_rng(6)
    R = matrix(rng, 1e3, 1.0, k=40) * np.sqrt(40)
    C = rng.standard_normal((N, P)) * (rng.random((N, P)) < 0.5)
    Y = R @ C.T + 0.02 * rng.standard_normal((40, N))
    stacked = np.vstack([R, np.sqrt(ridge) * np.eye(P)]), np.vstack([Y, np.zeros((P, N))])
    on = np.ones((N, P), dtype=bool)
    while True:
        kept = on & (np.abs(slow(*stacked, on)[0]) >= 0.3)
        if np.array_equal(kept, on):
            break
        on = kept
    found = solve(Quadratic(R, Y), STLSQ(0.3, ridge=ridge))
    assert np.array_equal(found.support, on)
    assert np.allclose(found.coefficients, slow(R, Y, on)[0], rtol=1e-10, atol=1e-12)


def test_every_blas_is_held_to_one_thread_inside_and_released_outside():
    from threadpoolctl import threadpool_info

    def threads():
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    before = threads()
    with one_blas_thread():
        assert set(threads()) == {1}
    assert threads() == before
