"""Rows from runs: weights exact on polynomials, weak forms that vanish on solutions, and the choice."""

from __future__ import annotations

import numpy as np
import pytest

from dynsym import DataError, Derivatives, LocalPolynomial, Monomials, Trajectory, WeakForm
from dynsym.differentiation import Window, choose_rows, derivative_stencils
from dynsym.differentiation._choice import time_scale
from dynsym.differentiation._stencils import apply_stencils
from dynsym.differentiation._test_functions import test_function_weights as weights_of
from dynsym.trajectory._times import is_even

EVEN = np.linspace(-1.0, 3.0, 41)
UNEVEN = np.sort(np.random.default_rng(0).random(41)) * 4 - 1
GRIDS = pytest.mark.parametrize("t", [EVEN, UNEVEN, 1e5 + EVEN], ids=["even", "uneven", "far from 0"])


@GRIDS
@pytest.mark.parametrize(("half", "degree"), [(1, 2), (2, 4), (3, 6), (4, 8), (5, 3), (4, 1)])
def test_slopes_of_polynomials_are_exact(t, half, degree):
    s = (t - t[0]) / np.ptp(t)
    weights = derivative_stencils(t, half, degree)
    assert weights.shape == (len(t) - 2 * half, 2 * half + 1)
    exact = np.stack([k * s ** max(k - 1, 0) / np.ptp(t) for k in range(degree + 1)], axis=1)
    found = apply_stencils(weights, np.stack([s**k for k in range(degree + 1)], axis=1))
    size = np.abs(weights).sum(axis=1).max()
    np.testing.assert_allclose(found, exact[half : len(t) - half], atol=1e-9 * size)


def test_one_degree_more_is_not_exact():
    weights = derivative_stencils(UNEVEN, 2, 2)
    found = apply_stencils(weights, UNEVEN[:, None] ** 3)[:, 0]
    assert np.abs(found - 3 * UNEVEN[2:-2] ** 2).max() > 1e-3


def test_even_and_uneven_branch_agree():
    nudged = EVEN.copy()
    nudged[7] += 1e-7
    assert is_even(EVEN)
    assert not is_even(nudged)
    a, b = derivative_stencils(EVEN, 3, 4), derivative_stencils(nudged, 3, 4)
    np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"), [((EVEN, 1, 3), "degree 3"), ((EVEN[:4], 2, 2), "4 samples")]
)
def test_windows_that_are_too_short_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        derivative_stencils(*arguments)


@GRIDS
@pytest.mark.parametrize("half", [0.8, 1.3])
def test_integration_by_parts_is_exact_for_polynomials(t, half):
    left, right = weights_of(t, half)
    s = (t - t[0]) / np.ptp(t)
    size = np.abs(left).sum(axis=1).max()
    # Scattered samples are only asked for what does not amplify noise: cubics at least.
    for d in range(9 if is_even(t) else 4):
        slope = d * s ** max(d - 1, 0) / np.ptp(t)
        np.testing.assert_allclose(left @ s**d, right @ slope, atol=1e-8 * size)
    # One degree more is only as good as the quadrature.
    assert np.abs(left @ s**12 - right @ (12 * s**11 / np.ptp(t))).max() > 1e-12


def test_test_functions_stay_inside_their_support():
    left, right = weights_of(EVEN, 0.5)
    for weights in (left, right):
        used = [EVEN[np.abs(row) > 1e-9 * np.abs(row).max()] for row in weights]
        assert max(np.ptp(part) for part in used) <= 1.0 + 1e-12
    assert right.min() >= 0
    # They cover the run.
    assert (right.sum(axis=0)[2:-2] > 0).all()


A = np.array([[-0.1, 2.0], [-2.0, -0.2]])
LINEAR = Monomials(2, 1)
EXACT = np.hstack([np.zeros((2, 1)), A])


def linear_run(t, sd=0.0, seed=0):
    values, vectors = np.linalg.eig(A)
    x = ((vectors * np.linalg.solve(vectors, [1.0, 0.5])) @ np.exp(np.outer(values, t - t[0]))).real.T
    return Trajectory(t, x + sd * np.random.default_rng(seed).standard_normal(x.shape))


@pytest.mark.parametrize(
    ("method", "m", "accuracy"),
    [
        (LocalPolynomial(4, 8), 200, 1e-9),
        (LocalPolynomial(2, 4), 400, 1e-5),
        (WeakForm(1.0), 200, 1e-8),
        (WeakForm(0.5), 400, 1e-9),
    ],
)
def test_rows_vanish_for_the_true_system(method, m, accuracy):
    # theta(x) C^T = target, up to the accuracy of the quadrature or of the local polynomial.
    for t in (np.linspace(0, 8, m), np.sort(np.append(np.random.default_rng(1).random(m - 2), [0, 1])) * 8):
        even = is_even(t)
        rows = method.rows(linear_run(t), LINEAR, np.zeros(2))
        miss = np.linalg.norm(rows.theta @ EXACT.T - rows.target) / np.linalg.norm(rows.target)
        assert miss < accuracy * (1 if even else 1e4)
        wrong = np.linalg.norm(rows.theta @ (EXACT + 0.01).T - rows.target) / np.linalg.norm(rows.target)
        assert wrong > 3e-3  # negative control
        assert not method.leak(Window.of(linear_run(t)), LINEAR, np.zeros(2)).any()


def test_given_derivatives_are_taken_as_they_are():
    run = linear_run(EVEN)
    given = Trajectory(run.t, run.x, dxdt=run.x @ A.T)
    rows = Derivatives().rows(given, LINEAR, np.zeros(2))
    np.testing.assert_allclose(rows.theta @ EXACT.T, rows.target, rtol=1e-12, atol=1e-14)
    with pytest.raises(DataError, match="carry no derivatives"):
        Derivatives().rows(run, LINEAR, np.zeros(2))


@pytest.mark.parametrize("even", [True, False], ids=["even", "uneven"])
def test_whitened_noise_has_unit_covariance(even):
    # The target is linear in x: unit vectors give its matrix M, and M M^T is the covariance of white noise.
    t = np.linspace(0, 8, 120) if even else np.sort(np.random.default_rng(3).random(120)) * 8
    target = WeakForm(1.0).rows(Trajectory(t, np.eye(120)), Monomials(120, 0), np.zeros(120)).target
    values = np.linalg.eigvalsh(target @ target.T)
    assert len(target) >= 20
    # Only directions that rounding cannot tell from zero are damped by the jitter, and never inflated.
    assert values.max() < 1 + 1e-9
    assert np.count_nonzero(values > 0.9) > 0.8 * len(target)
    # The slow twin: Monte Carlo.
    e = 0.3 * np.random.default_rng(0).standard_normal((120, 2000))
    drawn = WeakForm(1.0).rows(Trajectory(t, e), Monomials(2000, 0), np.zeros(2000)).target / 0.3
    np.testing.assert_allclose(drawn @ drawn.T / 2000, target @ target.T, atol=0.15)


@pytest.mark.parametrize("method", [LocalPolynomial(2, 2), WeakForm(1.0)], ids=["strong", "weak"])
def test_row_noise_is_the_scatter_of_the_targets(method):
    sd, draws = 0.02, 400
    t = np.linspace(0, 8, 120)
    e = sd * np.random.default_rng(0).standard_normal((120, draws))
    run = Trajectory(t, e)
    target = method.rows(run, Monomials(draws, 0), np.zeros(draws)).target
    told = method.row_noise(run, np.full(draws, sd))
    assert told == pytest.approx(np.full(draws, np.sqrt(np.mean(target**2))), rel=0.03)
    assert Derivatives().row_noise(run, np.full(draws, sd)) is None


def test_leak_is_the_gram_matrix_of_the_noise_in_theta():
    # Monte Carlo over the same clean run; first order in the noise, so the noise is small.
    t, sd, d = np.linspace(0, 8, 200), np.array([1e-3, 3e-3]), Monomials(2, 2)
    clean = linear_run(t)
    for method in (LocalPolynomial(2, 4), WeakForm(1.0)):
        base = method.rows(clean, d, sd)
        grams = []
        for seed in range(60):
            e = sd * np.random.default_rng(seed).standard_normal(clean.x.shape)
            moved = method.rows(Trajectory(t, clean.x + e), d, sd).theta - base.theta
            grams.append(moved.T @ moved)
        mean = np.mean(grams, axis=0)
        leak = method.leak(Window.of(clean), d, sd)
        np.testing.assert_allclose(np.diag(leak)[1:], np.diag(mean)[1:], rtol=0.25)
        assert leak[0, 0] == 0


def test_the_time_scale_is_that_of_the_motion():
    t = np.linspace(0, 20, 2000)
    run = Trajectory(t, np.stack([np.sin(3 * t), np.sin(0.1 * t)], axis=1))
    assert time_scale([run], np.zeros(2)) == pytest.approx(1 / 3, rel=0.02)
    e = 0.05 * np.random.default_rng(0).standard_normal(run.x.shape)
    assert time_scale([Trajectory(t, run.x + e)], np.full(2, 0.05)) == pytest.approx(1 / 3, rel=0.1)
    still = Trajectory(t, np.ones((2000, 1)))
    assert time_scale([still], np.zeros(1)) > 0


def test_the_choice_of_rows():
    t = np.linspace(0, 20, 500)
    clean = linear_run(t)
    noisy = linear_run(t, sd=0.01)
    given = Trajectory(t, clean.x, dxdt=clean.x @ A.T)
    assert isinstance(choose_rows([given], np.zeros(2)), Derivatives)
    assert choose_rows([clean], np.zeros(2)) == LocalPolynomial(4, 8)
    assert isinstance(choose_rows([noisy], np.full(2, 0.01)), WeakForm)
    # Derivatives are used only where every run has them.
    assert choose_rows([given, clean], np.zeros(2)) == LocalPolynomial(4, 8)
    # Short runs take shorter windows.
    assert choose_rows([linear_run(t[:9] / 10)], np.zeros(2)) == LocalPolynomial(3, 6)
    assert choose_rows([linear_run(t[:3])], np.full(2, 0.01)) == LocalPolynomial(1, 2)
    with pytest.raises(DataError, match=r"2 sample\(s\), too few"):
        choose_rows([linear_run(t[:2])], np.zeros(2))


def test_short_runs_and_long_runs_give_rows():
    for m in (8, 9, 20, 1199, 1201, 2500):
        rows = WeakForm(0.5).rows(linear_run(np.linspace(0, m / 50, m)), LINEAR, np.zeros(2))
        assert len(rows.theta) == len(rows.target) >= 1
        assert np.isfinite(rows.theta).all()
    for method in (LocalPolynomial(3, 6), LocalPolynomial(1, 2)):
        run = linear_run(np.linspace(0, 1, method.shortest))
        assert len(method.rows(run, LINEAR, np.zeros(2)).theta) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WeakForm(0.0), "half_width"),
        (lambda: WeakForm(-1.0), "half_width"),
        (lambda: LocalPolynomial(0, 1), "half_width"),
        (lambda: LocalPolynomial(2, 5), "degree"),
        (lambda: LocalPolynomial(2, 0), "degree"),
    ],
)
def test_methods_that_cannot_work_are_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()
