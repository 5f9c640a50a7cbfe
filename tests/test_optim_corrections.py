"""Least squares under equality constraints: the least correction against elimination and against cvxpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, sparse

from dynsym._checks import DataError
from dynsym.compress import Block, Compressed, factor_of
from dynsym.optim import STLSQ, CoupledQuadratic, LinearConstraint, Quadratic, solve
from dynsym.optim._corrections import least_correction
from dynsym.regression import constrained_least_squares
from dynsym.regression._information import Information

N, P = 3, 7
EVERY = np.ones((N, P), dtype=bool)


def problem(seed, rows=4, spread=1.0, condition=10.0):
    """R, Y and a consistent constraint of `rows` dense rows that a known C meets."""
    rng = np.random.default_rng(seed)
    U, V = np.linalg.qr(rng.standard_normal((40, P)))[0], np.linalg.qr(rng.standard_normal((P, P)))[0]
    size = np.geomspace(1 / spread, spread, P)
    R = (U * np.geomspace(1.0, 1.0 / condition, P)) @ V.T * size
    C = rng.standard_normal((N, P)) / size
    Y = R @ C.T + 0.3 * rng.standard_normal((40, N)) / np.sqrt(40)
    # Rows of unit norm as seen by the terms, which is how constraints on terms of different size arise.
    E = rng.standard_normal((rows, N * P)) * np.tile(size, N)
    return R, Y, E, E @ C.ravel()


def slow(R, Y, E, d):
    """Null-space method in coefficients measured by the size of their term, by SVD alone."""
    size = np.tile(np.linalg.norm(R, axis=0), N)
    A = np.kron(np.eye(N), R) / size
    F = E / size
    w0, Z = np.linalg.lstsq(F, d, rcond=1e-11)[0], linalg.null_space(F, rcond=1e-11)
    step = np.linalg.lstsq(A @ Z, Y.T.ravel() - A @ w0)[0]
    return ((w0 + Z @ step) / size).reshape(N, P)


def worth(R, Y, C):
    return 0.5 * np.sum((R @ C.T - Y) ** 2)


@given(
    seed=st.integers(0, 10**6),
    rank=st.integers(1, 10),
    copies=st.sampled_from([1, 2, 4]),
    spread=st.sampled_from([1.0, 1e2, 1e4]),
    overall=st.sampled_from([1e-8, 1.0, 1e8]),
    condition=st.sampled_from([1.0, 1e3]),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_correction_agrees_with_elimination(seed, rank, copies, spread, overall, condition):
    R, Y, E, d = problem(seed, rank, spread, condition)
    mix = np.random.default_rng(seed + 1).standard_normal((copies * rank, rank))
    E, d, R = mix @ E, mix @ d, overall * R
    C = least_correction(Quadratic(R, Y), LinearConstraint(E, d), EVERY)
    assert C is not None
    expected = slow(R, Y, E, d)
    size = np.linalg.norm(R, axis=0)
    assert np.linalg.norm((C - expected) * size) <= 1e-10 * condition * np.linalg.norm(expected * size)
    assert worth(R, Y, C) <= worth(R, Y, expected) * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_the_objective_is_that_of_cvxpy(seed, form):
    import cvxpy as cp

    R, Y, E, d = problem(seed)
    found = solve(Quadratic(R, Y), constraints=LinearConstraint(form(E), d))
    C = cp.Variable((N, P))
    cost = 0.5 * cp.sum_squares(R @ C.T - Y)
    cp.Problem(cp.Minimize(cost), [E @ cp.vec(C, order="C") == d]).solve(
        solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12
    )
    assert abs(found.objective - cost.value) <= 1e-9 * cost.value
    assert found.constraint_residual <= 1e-14


def test_the_samples_the_factor_and_coupled_rows_give_the_same():
    R, Y, E, d = problem(0)
    constraint = LinearConstraint(E, d)
    T = np.linalg.qr(np.hstack([R, Y]), mode="r")
    found = [
        solve(Quadratic(R, Y), constraints=constraint).coefficients,
        solve(Quadratic(T[:, :P], T[:, P:]), constraints=constraint).coefficients,
        solve(
            CoupledQuadratic(np.kron(np.eye(N), R), Y.T.ravel(), (N, P)), constraints=constraint
        ).coefficients,
    ]
    information = Information(Compressed((Block(factor_of(R, Y), 0),)))
    found.append(constrained_least_squares(information, constraint).coefficients)
    for other in found[1:]:
        assert np.allclose(other, found[0], rtol=1e-11, atol=1e-12)


def test_each_equation_may_have_its_own_support():
    R, Y, E, d = problem(1)
    active = np.random.default_rng(0).random((N, P)) < 0.7
    fixed = np.eye(N * P)[~active.ravel()]
    C = least_correction(Quadratic(R, Y), LinearConstraint(E, d), active)
    expected = slow(R, Y, np.vstack([E, fixed]), np.append(d, np.zeros(len(fixed))))
    assert np.all(C[~active] == 0)
    assert np.allclose(C, expected, atol=1e-12)


def test_thresholding_under_constraints_takes_either_path():
    R, Y, E, _ = problem(2)
    E = E[:2]
    fast = solve(Quadratic(R, Y), STLSQ(0.2, ridge=0.01), LinearConstraint(E))
    rows = CoupledQuadratic(np.kron(np.eye(N), R), Y.T.ravel(), (N, P))
    reference = solve(rows, STLSQ(0.2, ridge=0.01), LinearConstraint(E))
    assert np.array_equal(fast.support, reference.support)
    assert np.allclose(fast.coefficients, reference.coefficients, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("noise", [1e-15, 1e-13])
def test_rows_that_nearly_repeat_count_once(noise):
    R, Y, E, d = problem(3)
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((9, 4))
    many = (mix @ E) * (1 + noise * rng.standard_normal((9, N * P)))
    found = solve(Quadratic(R, Y), constraints=LinearConstraint(many, mix @ d))
    assert np.allclose(found.coefficients, slow(R, Y, E, d), atol=1e-10)


def test_rows_that_differ_in_the_seventh_digit_are_both_met():
    # Negative control: a basis by Cholesky does not see the second row, and the measured residual does.
    R, Y, E, d = problem(4)
    both, rhs = np.vstack([E[0], E[0] + 1e-7 * E[1]]), np.array([d[0], d[0] + 1e-7 * d[1]])
    constraint = LinearConstraint(both, rhs)
    assert least_correction(Quadratic(R, Y), constraint, EVERY) is None
    found = solve(Quadratic(R, Y), constraints=constraint)
    assert np.abs(E[1] @ found.coefficients.ravel() - d[1]) < 1e-7
    assert np.allclose(found.coefficients, slow(R, Y, E[:2], d[:2]), atol=1e-6)


@pytest.mark.parametrize("noise", [1e-2, 1e-6])
def test_contradictions_are_refused(noise):
    R, Y, E, d = problem(5)
    constraint = LinearConstraint(np.vstack([E, E[0]]), np.append(d, d[0] + noise))
    with pytest.raises(DataError, match="contradict each other: row"):
        solve(Quadratic(R, Y), constraints=constraint)
    with pytest.raises(DataError, match="row 0 of 1 is missed by 1"):
        solve(Quadratic(R, Y), constraints=LinearConstraint(np.zeros((1, N * P)), [1.0]))


def test_equations_of_very_different_size_are_held_to_their_own():
    R, Y, E, d = problem(11, rows=3)
    E = np.kron(np.eye(N), np.ones(P)) * E  # one row about each equation
    d = E @ np.random.default_rng(0).standard_normal(N * P)
    scale = np.array([1e8, 1.0, 1e-8])
    C = least_correction(Quadratic(R, Y * scale), LinearConstraint(E, d * scale), EVERY)
    assert np.allclose(C / scale[:, None], slow(R, Y, E, d), rtol=1e-10, atol=1e-11)
    # Negative control: a contradiction within the smallest equation is not drowned by the largest.
    both, rhs = np.vstack([E, E[2]]), np.append(d * scale, (d[2] + 1e-3) * scale[2])
    assert least_correction(Quadratic(R, Y * scale), LinearConstraint(both, rhs), EVERY) is None


@pytest.mark.parametrize("condition", [1e2, 1e4])
def test_ill_conditioned_terms_agree_with_elimination_as_far_as_their_digits_go(condition):
    R, Y, E, d = problem(12, condition=condition)
    C = least_correction(Quadratic(R, Y), LinearConstraint(E, d), EVERY)
    assert C is not None
    assert np.linalg.norm(C - slow(R, Y, E, d)) <= 1e-15 * condition**2 * np.linalg.norm(C)
    assert abs(worth(R, Y, C) - worth(R, Y, slow(R, Y, E, d))) <= 1e-9 * worth(R, Y, C)


def test_terms_that_the_data_do_not_tell_apart_go_to_the_null_space_method():
    R, Y, E, d = problem(6)
    R[:, 3] = R[:, 1] - R[:, 2]
    constraint = LinearConstraint(E, d)
    assert least_correction(Quadratic(R, Y), constraint, EVERY) is None
    found = solve(Quadratic(R, Y), constraints=constraint)
    # The constraints tie down as many of the undetermined directions as they can reach: here all.
    assert found.message == "the minimiser is unique"
    assert np.allclose(found.coefficients, slow(R, Y, E, d), atol=1e-10)
    free = solve(Quadratic(R, Y), constraints=LinearConstraint(E[:1], d[:1]))
    assert "2 directions are not determined" in free.message
    assert free.constraint_residual <= 1e-12


def test_fewer_rows_than_terms_go_to_the_null_space_method():
    R, Y, E, d = problem(7)
    constraint = LinearConstraint(E, d)
    assert least_correction(Quadratic(R[:5], Y[:5]), constraint, EVERY) is None
    assert solve(Quadratic(R[:5], Y[:5]), constraints=constraint).constraint_residual <= 1e-12


def test_nearly_dependent_terms_go_to_the_null_space_method():
    R, Y, E, d = problem(8, condition=1e10)
    assert least_correction(Quadratic(R, Y), LinearConstraint(E, d), EVERY) is None


def test_forbidden_terms_are_exact_zeros():
    R, Y, E, d = problem(9)
    # c[0,2] = 0 outright; c[1,3] = 0 by two rows that only together say so.
    zero = np.zeros((3, N * P))
    zero[0, 2] = 1.0
    zero[1, [P + 3, P + 4]] = 1.0, 1.0
    zero[2, [P + 3, P + 4]] = 1.0, -1.0
    constraint = LinearConstraint(np.vstack([zero, E]), np.append(np.zeros(3), d))
    C = least_correction(Quadratic(R, Y), constraint, EVERY)
    assert np.argwhere(C == 0).tolist() == [[0, 2], [1, 3], [1, 4]]
    # Negative control: a coefficient that comes out zero by chance of the data is not written as one.
    Y[:, 2] = R[:, 1:] @ np.arange(1.0, P)
    free = least_correction(Quadratic(R, Y), LinearConstraint(E * (np.arange(N * P) < P), d), EVERY)
    assert 0 < np.abs(free[2, 0]) < 1e-12


def test_equations_without_terms_take_no_part():
    R, Y, E, _ = problem(10)
    active = EVERY.copy()
    active[1] = False
    C = least_correction(Quadratic(R, Y), LinearConstraint(E), active)
    assert np.all(C[1] == 0)
    assert np.abs(E @ C.ravel()).max() < 1e-12
