"""Thresholded least squares: PySINDy's result from the triangular factor, extended to constraints."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import linalg
from scipy.integrate import solve_ivp

from dynsym._checks import ConvergenceError, DataError
from dynsym.optim import ADMM, STLSQ, CoupledQuadratic, LinearConstraint, Quadratic, solve


def monomials(x, degree):
    powers = [e for e in np.ndindex(*([degree + 1] * x.shape[1])) if sum(e) <= degree]
    return np.stack([np.prod(x ** np.array(e), axis=1) for e in powers], axis=1), powers


@pytest.fixture(scope="module")
def lorenz():
    def field(t, x):
        return [10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]]

    t = np.linspace(0, 10, 2000)
    x = solve_ivp(field, (0, 10), [-8.0, 8.0, 27.0], t_eval=t, rtol=1e-9, atol=1e-9).y.T
    f = np.array([field(0, row) for row in x])
    return x, f + 0.05 * np.random.default_rng(0).standard_normal(f.shape)


def peer(theta, f, threshold, ridge):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pysindy

        optimizer = pysindy.STLSQ(threshold=threshold, alpha=ridge)
        optimizer.fit(theta, f)
    return np.asarray(optimizer.coef_)


@pytest.mark.parametrize("degree", [2, 3])
@pytest.mark.parametrize("ridge", [0.0, 0.05, 10.0])
@pytest.mark.parametrize("threshold", [0.01, 0.1, 0.5, 3.0])
def test_support_and_coefficients_are_those_of_pysindy(lorenz, degree, ridge, threshold):
    x, f = lorenz
    theta, _ = monomials(x, degree)
    R, Q = linalg.qr(theta, mode="r")[0][: theta.shape[1]], linalg.qr(theta, mode="economic")[0]
    found = solve(Quadratic(R, Q.T @ f), STLSQ(threshold, ridge=ridge))
    reference = peer(theta, f, threshold, ridge)
    assert np.array_equal(found.support, reference != 0)
    assert np.allclose(found.coefficients, reference, rtol=1e-8, atol=1e-8)
    assert found.converged


def test_the_factor_and_the_samples_give_the_same(lorenz):
    x, f = lorenz
    theta, _ = monomials(x, 3)
    samples = solve(Quadratic(theta, f), STLSQ(0.1, ridge=0.05))
    rows = solve(CoupledQuadratic(np.kron(np.eye(3), theta[::4]), f[::4].T.ravel(), (3, 20)), STLSQ(0.1))
    assert np.array_equal(samples.support, rows.support)
    assert samples.support.sum() == 7


def test_the_result_is_a_fixed_point(lorenz):
    x, f = lorenz
    theta, _ = monomials(x, 3)
    found = solve(Quadratic(theta, f), STLSQ(0.2))
    for row, on, target in zip(found.coefficients, found.support, f.T, strict=True):
        assert np.all(np.abs(row[on]) >= 0.2)
        assert np.all(row[~on] == 0)
        # optimality of the refit on the support
        assert np.abs(theta[:, on].T @ (theta @ row - target)).max() < 1e-6 * np.abs(theta.T @ target).max()


def test_constraints_hold_through_thresholding(lorenz):
    x, f = lorenz
    theta, powers = monomials(x, 2)
    E = np.zeros((3, 3 * theta.shape[1]))
    E[0, powers.index((1, 0, 0))] = E[0, powers.index((0, 1, 0))] = 1.0
    E[1] = E[0]
    E[2, powers.index((2, 0, 0))], E[2, powers.index((0, 2, 0))] = 1.0, -1.0
    constraint = LinearConstraint(E)
    found = solve(Quadratic(theta, f), STLSQ(0.1), constraint)
    C = found.coefficients
    assert found.constraint_residual <= 1e-10
    assert abs(C[0, powers.index((1, 0, 0))] + C[0, powers.index((0, 1, 0))]) < 1e-10
    assert found.support.sum() == 7
    # optimality on the support: the gradient is a combination of the rows that are left
    on = found.support.ravel()
    slope = Quadratic(theta, f).gradient(C).ravel()[on]
    assert np.linalg.norm(linalg.null_space(E[:, on]).T @ slope) < 1e-9 * np.abs(theta.T @ f).max()


def test_a_threshold_that_the_constraints_forbid_is_refused():
    constraint = LinearConstraint([[1.0, 0.0]], [0.01])
    with pytest.raises(DataError, match="lower the threshold"):
        solve(Quadratic(np.eye(2), [[1.0], [1.0]]), STLSQ(0.1), constraint)


def test_an_equation_without_terms_is_said_in_the_message():
    found = solve(Quadratic(np.eye(2), [[1.0, 0.01], [1.0, 0.02]]), STLSQ(0.1))
    assert np.array_equal(found.support, [[True, True], [False, False]])
    assert "equation 1" in found.message


def test_too_few_iterations_raise_with_the_last_iterate(lorenz):
    x, f = lorenz
    theta, _ = monomials(x, 3)
    with pytest.raises(ConvergenceError, match="raise max_iter") as caught:
        solve(Quadratic(theta, f), STLSQ(0.1, max_iter=1))
    assert caught.value.last.coefficients.shape == (3, 20)
    assert not caught.value.last.converged


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: STLSQ(-0.1), "-0.1"),
        (lambda: STLSQ(0.1, ridge=np.inf), "inf"),
        (lambda: STLSQ(0.1, max_iter=0), "got 0"),
        (lambda: solve(Quadratic(np.eye(2), np.eye(2)), STLSQ(0.1), solver=ADMM()), "ADMM"),
    ],
)
def test_bad_arguments_are_refused_with_what_arrived(make, shown):
    with pytest.raises(DataError, match=shown):
        make()
