"""Linear constraints: redundant rows are normal, contradictions are refused, solutions meet what is left."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg, sparse

from dynsym._checks import DataError
from dynsym.optim import LinearConstraint, Quadratic, solve

N = 12
RNG = np.random.default_rng(3)
ROWS = RNG.standard_normal((4, N))
RHS = RNG.standard_normal(4)


def repeated(noise):
    """Four rows, said three times over: as they are, scaled, and as combinations, with relative noise."""
    mix = RNG.standard_normal((6, 4))
    E = np.vstack([ROWS, 1e5 * ROWS, mix @ ROWS])
    d = np.concatenate([RHS, 1e5 * RHS, mix @ RHS])
    return E * (1 + noise * RNG.standard_normal(E.shape)), d


@pytest.mark.parametrize("noise", [0.0, 1e-15, 1e-13], ids=["exact", "rounding", "nearly"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_matrix])
def test_repeated_rows_are_reduced_to_their_row_space(noise, form):
    E, d = repeated(noise)
    one = LinearConstraint(form(E), d)
    Z = one.null_space
    Z = Z.toarray() if sparse.issparse(Z) else Z
    assert one.rank == 4
    assert Z.shape == (N, N - 4)
    assert np.allclose(Z.T @ Z, np.eye(N - 4), atol=1e-13)
    assert np.abs(ROWS @ Z).max() < 1e-11
    assert np.allclose(one.particular, linalg.lstsq(ROWS, RHS)[0], atol=1e-10)
    assert one.residual(one.particular) < 1e-10


def test_rows_that_differ_are_both_kept():
    # Negative control: a difference of 1e-6 is a constraint of its own.
    row = ROWS[:1]
    other = row + 1e-6 * ROWS[1:2]
    assert LinearConstraint(np.vstack([row, other])).rank == 2
    assert LinearConstraint(np.vstack([row, other]), rtol=1e-4).rank == 1


def test_many_rows_fold_into_few():
    mix = RNG.standard_normal((400, 4))
    one = LinearConstraint(mix @ ROWS, mix @ RHS)
    assert one.rank == 4
    assert np.allclose(one.particular, linalg.lstsq(ROWS, RHS)[0], atol=1e-11)
    assert one.residual(one.particular) < 1e-13


def test_blocks_are_reduced_apart_and_agree_with_one_dense_svd():
    blocks = [RNG.standard_normal((r, c)) @ RNG.standard_normal((c, c)) for r, c in ((2, 4), (5, 3), (1, 6))]
    blocks[1] = np.outer(np.ones(5), blocks[1][0])
    order = RNG.permutation(15)
    E = linalg.block_diag(*blocks, np.zeros((0, 2)))[:, order]
    Z = LinearConstraint(sparse.csr_array(E)).null_space
    slow = linalg.null_space(E)
    assert Z.shape == slow.shape
    assert np.allclose(np.asarray(Z @ Z.T), slow @ slow.T, atol=1e-12)
    assert sparse.issparse(LinearConstraint(sparse.eye_array(3, 30)).null_space)


def test_projection_is_the_nearest_point():
    one = LinearConstraint(*repeated(0.0))
    w = RNG.standard_normal((3, 4))
    near = one.project(w)
    assert near.shape == w.shape
    assert one.residual(near) < 1e-14
    assert np.allclose(one.null_space.T @ (near - w).ravel(), 0, atol=1e-13)


def test_joining_meets_both():
    both = LinearConstraint(ROWS[:2], RHS[:2]) & LinearConstraint(ROWS[1:], RHS[1:])
    assert both.rank == 4
    assert np.allclose(ROWS @ both.particular, RHS)


@pytest.mark.parametrize("noise", [0.0, 1e-13])
def test_a_fit_meets_redundant_constraints(noise):
    E, d = repeated(noise)
    fit = Quadratic(RNG.standard_normal((50, 4)), RNG.standard_normal((50, 3)))
    found = solve(fit, constraints=LinearConstraint(E, d))
    assert found.constraint_residual <= 1e-10
    assert np.abs(ROWS @ found.coefficients.ravel() - RHS).max() <= 1e-10
    # optimality: the gradient is a combination of the rows
    slope = fit.gradient(found.coefficients).ravel()
    assert np.linalg.norm(linalg.null_space(ROWS).T @ slope) < 1e-10 * np.linalg.norm(slope)


def test_constraints_in_a_list_act_together():
    fit = Quadratic(np.eye(4), np.ones((4, 3)))
    parts = [LinearConstraint(ROWS[k : k + 1], RHS[k : k + 1]) for k in range(4)]
    joined = solve(fit, constraints=LinearConstraint(ROWS, RHS))
    assert np.allclose(solve(fit, constraints=parts).coefficients, joined.coefficients, atol=1e-12)


def test_constraints_may_leave_no_freedom():
    target = RNG.standard_normal((3, 4))
    fit = Quadratic(np.eye(4), np.ones((4, 3)))
    found = solve(fit, constraints=LinearConstraint(np.eye(N), target.ravel()))
    assert np.allclose(found.coefficients, target, atol=1e-14)


@pytest.mark.parametrize("folded", [1, 30], ids=["few rows", "many rows"])
def test_contradictions_are_refused_with_the_residual(folded):
    E = np.vstack([ROWS] * folded + [ROWS[0]])
    d = np.concatenate([RHS] * folded + [[RHS[0] + 0.1]])
    with pytest.raises(DataError, match=r"contradict each other: row \d+ of .* is missed by 0\.0"):
        LinearConstraint(E, d).project(np.zeros(N))


def test_an_empty_row_with_a_right_hand_side_is_a_contradiction():
    with pytest.raises(DataError, match="row 0 of 1 is missed by 1"):
        LinearConstraint(np.zeros((1, 3)), [1.0]).project(np.zeros(3))


def test_no_rows_leave_everything_free():
    one = LinearConstraint(np.zeros((0, 3)))
    assert one.rank == 0
    assert one.residual(np.ones(3)) == 0.0
    assert np.array_equal(one.project(np.ones(3)), np.ones(3))


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: LinearConstraint(np.ones((2, 3)), [1.0]), "2 rows and rhs has 1"),
        (lambda: LinearConstraint(np.ones(3)), r"2 axes, got shape \(3,\)"),
        (lambda: LinearConstraint([[np.nan, 1.0]]), "not finite"),
        (lambda: LinearConstraint(np.ones((1, 3)), rtol=2.0), "got 2.0"),
        (lambda: LinearConstraint(np.ones((1, 3))) & LinearConstraint(np.ones((1, 4))), "3 and 4"),
        (lambda: solve(Quadratic(np.eye(2), np.eye(2)), constraints=LinearConstraint([[1.0]])), "1 columns"),
    ],
)
def test_bad_arguments_are_refused_with_what_arrived(make, shown):
    with pytest.raises(DataError, match=shown):
        make()


def test_only_constraints_are_constraints():
    with pytest.raises(TypeError, match="got ndarray"):
        solve(Quadratic(np.eye(2), np.eye(2)), constraints=[np.eye(4)])
