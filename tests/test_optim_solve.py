"""Solvers: optimality conditions, agreement with cvxpy, and failures that carry the last iterate."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import linalg, sparse

from dynsym._checks import ConvergenceError, DataError
from dynsym.optim import (
    ADMM,
    CVXPY,
    L1,
    STLSQ,
    Composed,
    CoupledQuadratic,
    Group,
    LinearConstraint,
    Nuclear,
    Penalty,
    Quadratic,
    Ridge,
    solve,
)

N_EQUATIONS, N_TERMS = 3, 8
SIZE = N_EQUATIONS * N_TERMS
RNG = np.random.default_rng(11)
# Columns of very different size, as monomials have, and correlated.
TERMS = (RNG.standard_normal((60, N_TERMS)) @ RNG.standard_normal((N_TERMS, N_TERMS))) * 10.0 ** np.arange(
    -2, 2, 0.5
)
TRUTH = np.where(RNG.random((N_EQUATIONS, N_TERMS)) < 0.4, 1.0, 0.0) / 10.0 ** np.arange(-2, 2, 0.5)
SEPARATE = Quadratic(TERMS, TERMS @ TRUTH.T + 0.3 * RNG.standard_normal((60, N_EQUATIONS)))
COUPLED = CoupledQuadratic(RNG.standard_normal((40, SIZE)), RNG.standard_normal(40), (N_EQUATIONS, N_TERMS))
SHORT = CoupledQuadratic(RNG.standard_normal((10, SIZE)), RNG.standard_normal(10), (N_EQUATIONS, N_TERMS))
MAP = sparse.random_array((30, SIZE), density=0.2, rng=RNG, format="csr")
DIFFERENCES = np.eye(SIZE - 1, SIZE) - np.eye(SIZE - 1, SIZE, 1)

FITS = {"separate": SEPARATE, "coupled": COUPLED, "fewer rows than unknowns": SHORT}
PENALTIES = {
    "l1": L1(0.5),
    "group": Group(0.8),
    "named groups": Group(0.8, groups=((0, 1, 9, 2, 4, 5, 6), (3, 12, 20, 21), tuple(range(13, 20)))),
    "nuclear": Nuclear(0.6, MAP, (6, 5)),
    "dense nuclear": Nuclear(0.6, MAP.toarray() + 0.1, (6, 5)),
    "differences": Composed(L1(0.3), DIFFERENCES),
    "l1 + nuclear + ridge": L1(0.2) + Nuclear(0.4, MAP, (5, 6)) + Ridge(0.1),
    "l1 + group": L1(0.3) + Group(0.3),
}
ROWS = RNG.standard_normal((3, SIZE))
REPEATED = np.vstack([ROWS, ROWS, (ROWS[0] + ROWS[1]) * (1 + 1e-13)])
RHS = np.array([0.2, 0.0, -0.1])
CONSTRAINTS = {
    "free": (),
    "redundantly constrained": LinearConstraint(REPEATED, np.concatenate([RHS, RHS, [RHS[0] + RHS[1]]])),
}

every_fit = pytest.mark.parametrize("fit", FITS.values(), ids=FITS.keys())
every_penalty = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES.keys())
every_constraint = pytest.mark.parametrize("constraint", CONSTRAINTS.values(), ids=CONSTRAINTS.keys())


def oracle(fit, penalty, constraint, solver=None):
    with warnings.catch_warnings():
        # cvxpy's own deprecations, which are not what is tested here
        warnings.simplefilter("ignore")
        return solve(fit, penalty, constraint, solver=CVXPY(solver))


@every_fit
@every_penalty
@every_constraint
def test_admm_reaches_the_objective_of_cvxpy(fit, penalty, constraint):
    found = solve(fit, penalty, constraint)
    reference = oracle(fit, penalty, constraint, "CLARABEL")
    assert found.solver == "ADMM"
    assert found.objective == pytest.approx(reference.objective, rel=1e-6)
    # the certificate is honest: the true excess is within the gap (up to the oracle's own tolerance)
    assert found.objective - reference.objective <= (found.duality_gap + 1e-7) * found.objective
    assert found.duality_gap <= 1e-8
    assert found.constraint_residual <= 1e-10
    # and no feasible move, small or large, lowers the objective
    Z = np.eye(SIZE) if constraint == () else linalg.null_space(ROWS)
    rng = np.random.default_rng(0)
    for size in (1e-4, 1e-2, 1.0):
        for move in rng.standard_normal((20, Z.shape[1])) * size * np.abs(found.coefficients).max():
            C = found.coefficients + (Z @ move).reshape(fit.shape)
            assert fit.value(C) + penalty.value(C) >= found.objective * (1 - 1e-8)


def test_l1_obeys_its_optimality_condition():
    weight = 0.5
    tight = solve(SEPARATE, L1(weight), solver=ADMM(tol=1e-12))
    slope = SEPARATE.gradient(tight.coefficients)
    on = tight.support
    assert 0 < on.sum() < on.size
    assert np.allclose(slope[on], -weight * np.sign(tight.coefficients[on]), atol=1e-5)
    assert np.abs(slope[~on]).max() <= weight + 1e-5


def test_l1_obeys_its_optimality_condition_under_constraints():
    E = np.zeros((2, SIZE))
    E[0, [0, 9]] = 1.0, -1.0
    E[1, [2, 18]] = 1.0, 1.0
    tight = solve(SEPARATE, L1(0.5), LinearConstraint(np.vstack([E, E])), solver=ADMM(tol=1e-12))
    slope = SEPARATE.gradient(tight.coefficients).ravel()
    untouched = ~np.any(E, axis=0)
    on = tight.support.ravel()
    assert np.allclose(
        slope[on & untouched], -0.5 * np.sign(tight.coefficients.ravel()[on & untouched]), atol=1e-5
    )
    # coefficients tied by a constraint vanish together
    assert on[0] == on[9]
    assert on[2] == on[18]


def test_groups_obey_their_optimality_condition():
    weight = 40.0
    tight = solve(SEPARATE, Group(weight), solver=ADMM(tol=1e-12))
    slope = SEPARATE.gradient(tight.coefficients)
    sizes = np.linalg.norm(tight.coefficients, axis=0)
    assert 0 < np.sum(sizes > 0) < N_TERMS
    on = sizes > 0
    assert np.allclose(slope[:, on], -weight * tight.coefficients[:, on] / sizes[on], atol=1e-4)
    assert np.all(np.linalg.norm(slope[:, ~on], axis=0) <= weight * (1 + 1e-6))


def test_the_nuclear_norm_obeys_its_optimality_condition():
    # With A = I the condition is explicit: -gradient = weight (U V^T + W), W orthogonal to both, |W| <= 1.
    weight, A = 8.0, np.eye(SIZE)
    tight = solve(COUPLED, Nuclear(weight, A, (4, 6)), solver=ADMM(tol=1e-11))
    X = tight.coefficients.reshape(4, 6)
    G = -COUPLED.gradient(tight.coefficients).reshape(4, 6) / weight
    U, s, Vt = np.linalg.svd(X)
    rank = int(np.sum(s > 1e-6 * s[0]))
    assert 0 < rank < 4
    assert np.allclose(U[:, :rank].T @ G @ Vt[:rank].T, np.eye(rank), atol=1e-6)
    assert np.linalg.norm(G, 2) <= 1 + 1e-7


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_units_of_the_problem_do_not_matter(scale):
    fit = Quadratic(TERMS, scale * SEPARATE.Y)
    found = solve(fit, L1(0.5 * scale))
    assert np.allclose(found.coefficients / scale, solve(SEPARATE, L1(0.5)).coefficients, atol=1e-5)


def test_a_zero_answer_is_found():
    for penalty in (L1(1e6), Group(1e6), Nuclear(1e6, np.eye(SIZE), (4, 6))):
        found = solve(SEPARATE, penalty)
        assert np.abs(found.coefficients).max() < 1e-9
        assert found.objective == pytest.approx(0.5 * np.sum(SEPARATE.Y**2), rel=1e-9)


def test_the_penalty_alone_decides_what_data_and_constraints_leave_open():
    # No data at all: the smallest nuclear norm on the constraints, as in recovery from few samples.
    none = Quadratic(np.zeros((0, N_TERMS)), np.zeros((0, N_EQUATIONS)))
    A = RNG.standard_normal((30, SIZE))
    constraint = CONSTRAINTS["redundantly constrained"]
    found = solve(none, Nuclear(1.0, A, (6, 5)), constraint)
    reference = oracle(none, Nuclear(1.0, A, (6, 5)), constraint, "CLARABEL")
    assert found.objective == pytest.approx(reference.objective, rel=1e-6)
    assert found.constraint_residual <= 1e-10


def test_directions_seen_by_nothing_stay_at_least_norm():
    A = np.zeros((4, SIZE))
    A[:, :4] = np.eye(4)
    rows = np.zeros((2, SIZE))
    rows[0, 4], rows[1, 5] = 1.0, 1.0
    found = solve(CoupledQuadratic(rows, [1.0, 2.0], SEPARATE.shape), Nuclear(1.0, A, (2, 2)))
    assert np.allclose(found.coefficients.ravel(), [0, 0, 0, 0, 1, 2] + [0] * (SIZE - 6), atol=1e-8)
    assert f"{SIZE - 6} directions" in found.message


def test_a_fit_without_residual_and_penalty_is_found():
    # More unpenalised coefficients than rows: the minimum is zero, and nothing is small beside zero.
    found = solve(SHORT, Group(0.8, groups=((0, 1, 9), (3, 12))))
    assert found.converged
    assert found.objective < 1e-12 * SHORT.value(np.zeros(SHORT.shape))


@pytest.mark.parametrize("idle", [L1(0.0), Composed(Composed(L1(0.0), DIFFERENCES[:5, :23]), DIFFERENCES)])
def test_a_penalty_of_weight_zero_changes_nothing(idle):
    with_it, without = solve(SEPARATE, L1(0.5) + idle), solve(SEPARATE, L1(0.5))
    assert np.array_equal(with_it.coefficients, without.coefficients)


def test_constraints_that_leave_no_freedom_leave_one_point():
    target = RNG.standard_normal(SEPARATE.shape)
    found = solve(SEPARATE, L1(0.5), LinearConstraint(np.eye(SIZE), target.ravel()))
    assert np.allclose(found.coefficients, target, atol=1e-13)


@every_fit
def test_datafits_agree_with_their_rows(fit):
    C = RNG.standard_normal(fit.shape)
    A, y = fit.rows()
    r = A @ C.ravel() - y
    assert fit.value(C) == pytest.approx(0.5 * r @ r)
    assert np.allclose(fit.gradient(C).ravel(), A.T @ r)
    assert np.allclose(fit.hessian(C).ravel(), fit.normal_matrix() @ C.ravel())
    assert np.allclose(fit.normal_matrix(), (A.T @ A).toarray() if sparse.issparse(A) else A.T @ A)
    assert fit.compressed().value(C) == pytest.approx(fit.value(C), rel=1e-12)
    assert fit.with_ridge(0.3).value(C) == pytest.approx(fit.value(C) + 0.15 * np.sum(C**2))
    # complex step: the imaginary part of f(C + i s) is the slope along s, without cancellation
    step = 1e-30 * RNG.standard_normal(SIZE)
    stepped = 0.5 * np.sum((A @ (C.ravel() + 1j * step) - y) ** 2)
    assert fit.gradient(C).ravel() @ step == pytest.approx(stepped.imag, rel=1e-10)


@every_fit
@every_constraint
@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_least_squares_is_stationary(fit, constraint, ridge):
    found = solve(fit, Ridge(ridge) if ridge else None, constraint)
    slope = fit.gradient(found.coefficients) + ridge * found.coefficients
    Z = np.eye(SIZE) if constraint == () else linalg.null_space(ROWS)
    size = np.abs(fit.gradient(np.zeros(fit.shape))).max()
    assert found.solver == "least squares"
    assert np.abs(Z.T @ slope.ravel()).max() < 1e-11 * size
    assert found.constraint_residual <= 1e-10


def test_least_squares_takes_the_least_norm_and_says_so():
    found = solve(SHORT)
    assert np.allclose(found.coefficients.ravel(), linalg.lstsq(SHORT.A, SHORT.y)[0], atol=1e-12)
    assert f"{SIZE - 10} directions" in found.message
    doubled = Quadratic(np.column_stack([TERMS, TERMS[:, 0], np.zeros(60)]), SEPARATE.Y)
    found = solve(doubled)
    assert np.allclose(found.coefficients[:, 0], found.coefficients[:, -2], atol=1e-8)
    assert np.all(found.coefficients[:, -1] == 0)
    assert "6 directions" in found.message


def test_terms_of_very_different_size_are_not_mistaken_for_dependent():
    powers = np.linspace(1, 2, 50)[:, None] ** np.arange(4) * 10.0 ** np.array([0, -9, 9, -18])
    truth = np.array([[1.0, 2.0, 3.0, 4.0]]) / 10.0 ** np.array([0, -9, 9, -18])
    found = solve(Quadratic(powers, powers @ truth.T))
    assert np.allclose(found.coefficients / truth, 1, atol=1e-10)
    assert found.message == "the minimiser is unique"


@pytest.mark.parametrize(
    ("penalty", "name"),
    [(None, "least squares"), (Ridge(1.0), "least squares"), (L1(0.0), "least squares"), (L1(1.0), "ADMM")],
)
def test_the_penalty_decides_the_solver(penalty, name):
    assert solve(SEPARATE, penalty).solver == name


def test_a_penalty_without_a_prox_goes_to_cvxpy():
    class Huber(Penalty):
        def value(self, C):
            size = np.abs(C)
            return float(np.sum(np.where(size <= 1, size**2, 2 * size - 1)))

        def cvxpy_expression(self, C):
            import cvxpy as cp

            return cp.sum(cp.huber(C))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = solve(COUPLED, Huber(), CONSTRAINTS["redundantly constrained"])
    assert found.solver == "cvxpy with CLARABEL"
    assert found.constraint_residual <= 1e-10
    slope = COUPLED.gradient(found.coefficients) + 2 * np.clip(found.coefficients, -1, 1)
    assert np.abs(linalg.null_space(ROWS).T @ slope.ravel()).max() < 1e-4
    with pytest.raises(DataError, match=r"got \['Huber'\]|\['Huber'\]"):
        solve(COUPLED, Huber(), solver=ADMM())


@pytest.mark.parametrize("constraint", [(), LinearConstraint(ROWS, RHS)], ids=["free", "constrained"])
def test_not_converging_raises_with_the_last_iterate(constraint):
    with pytest.raises(ConvergenceError, match="raise max_iter") as caught:
        solve(SEPARATE, L1(0.5), constraint, solver=ADMM(max_iter=3))
    last = caught.value.last
    assert last.iterations == 3
    assert not last.converged
    assert last.constraint_residual <= 1e-10
    # the certificate holds at any iterate, not only at the end
    best = solve(SEPARATE, L1(0.5), constraint).objective
    assert last.objective - best <= last.duality_gap * last.objective
    assert "not converged" in str(last)


def test_a_solution_prints_as_a_table_and_is_read_only():
    found = solve(SEPARATE, L1(0.5))
    lines = str(found).splitlines()
    assert lines[0].startswith("Solution (ADMM, converged, ")
    assert lines[1].split() == ["coefficients", "3", "x", "8,", str(found.support.sum()), "nonzero"]
    with pytest.raises(ValueError, match="read-only"):
        found.coefficients[0, 0] = 1.0
    with pytest.raises(AttributeError):
        found.objective = 0.0


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: Quadratic(np.ones((3, 2)), np.ones((4, 1))), "3 rows and Y has 4"),
        (lambda: Quadratic(np.ones(3), np.ones((3, 1))), r"R must have 2 axes, got shape \(3,\)"),
        (lambda: Quadratic([[np.nan]], [[1.0]]), "not finite"),
        (lambda: Quadratic(np.ones((3, 0)), np.ones((3, 1))), "needs a term"),
        (lambda: CoupledQuadratic(np.ones((3, 5)), np.ones(3), (2, 3)), r"\(3, 6\).*got \(3, 5\)"),
        (lambda: CoupledQuadratic(np.ones((3, 5)), np.ones(3), (5,)), r"got \(5,\)"),
        (lambda: SEPARATE.value(np.ones((8, 3))), r"\(3, 8\).*got \(8, 3\)"),
        (lambda: ADMM(tol=0.0), "got 0.0"),
        (lambda: ADMM(max_iter=0), "got 0"),
        (lambda: solve(SEPARATE, solver=ADMM()), "no penalty"),
        (lambda: solve(SEPARATE, Nuclear(1.0, np.eye(4), (2, 2))), "4 columns"),
        (lambda: solve(SEPARATE, L1(1.0), solver=CVXPY("NOSUCH")), "NOSUCH"),
    ],
)
def test_bad_arguments_are_refused_with_what_arrived(make, shown):
    with pytest.raises(DataError, match=shown):
        make()


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: solve(TERMS, L1(1.0)), "got ndarray"),
        (lambda: solve(SEPARATE, 0.5), "float 0.5"),
        (lambda: STLSQ(0.1) + L1(1.0), "unsupported operand"),
    ],
)
def test_wrong_kinds_are_refused(make, shown):
    with pytest.raises(TypeError, match=shown):
        make()
