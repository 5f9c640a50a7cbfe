"""Concave refinement, exact data and warm starts: defining properties, cvxpy, and cases that tempt."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from dynsym._checks import DataError
from dynsym.optim import (
    ADMM,
    CVXPY,
    L1,
    Composed,
    CoupledQuadratic,
    Exact,
    Group,
    Nuclear,
    Quadratic,
    Reweighted,
    Ridge,
    solve,
)
from dynsym.optim._curves import Curve

SHAPE = (3, 4)
RNG = np.random.default_rng(3)
OPERATOR = RNG.standard_normal((15, 12))
PENALTIES = {
    "l1": L1(0.7),
    "group of terms": Group(0.7),
    "named groups": Group(0.7, groups=((0, 5, 7), (1, 2))),
    "nuclear": Nuclear(0.7, OPERATOR, (5, 3)),
    "wide nuclear": Nuclear(0.7, sparse.csr_array(OPERATOR), (3, 5)),
    "composed": Composed(L1(0.7), OPERATOR[:6]),
}
every_penalty = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES.keys())
POWERS = [0.0, 0.3, 0.8]
positive = st.floats(1e-3, 10)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(s=st.floats(0, 10), threshold=positive, bend=positive, power=st.sampled_from(POWERS))
def test_the_prox_of_a_curve_is_the_minimum_of_its_definition(s, threshold, bend, power):
    curve = Curve(bend, power)

    def cost(x):
        return 0.5 * (x - s) ** 2 + threshold * curve.value(np.array([x]))

    best = float(curve.prox(np.array([s]), threshold)[0])
    grid = np.linspace(0, s, 2001)
    assert cost(best) <= min(cost(x) for x in grid) + 1e-12 * (1 + cost(0.0))
    if s <= curve.level(threshold) * (1 - 1e-12):
        assert best == 0


@pytest.mark.parametrize("power", POWERS)
def test_the_slope_of_a_curve_is_its_derivative(power):
    curve, s, h = Curve(0.2, power), np.array([0.0, 0.1, 3.0]), 1e-7
    for x in s:
        rise = (curve.value(np.array([x + h])) - curve.value(np.array([x]))) / h
        assert rise == pytest.approx(float(curve.slope(np.array([x]))[0]), rel=1e-5)
    assert curve.slope(np.zeros(1))[0] == 1


def test_a_small_power_is_nearly_the_logarithm():
    s = np.linspace(0, 3, 50)
    assert np.allclose(Curve(0.2, 1e-9).prox(s, 0.3), Curve(0.2).prox(s, 0.3), atol=1e-6)


def bent(penalty, v, curve):
    return 0.7 * curve.value(penalty.summands(v))


@every_penalty
@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("step", [0.05, 0.5])
def test_no_move_lowers_what_the_bent_prox_minimises(penalty, power, step):
    v, curve = 2 * RNG.standard_normal(penalty.split_shape(SHAPE)), Curve(0.4, power)
    best = penalty.bent_prox(v, step, curve)

    def cost(z):
        return bent(penalty, z, curve) + np.sum((z - v) ** 2) / (2 * step)

    rng = np.random.default_rng(0)
    moves = [rng.standard_normal(v.shape) * size for size in (1e-5, 1e-3, 1e-1, 1.0) for _ in range(40)]
    assert cost(best) <= min(cost(best + m) for m in [*moves, v - best, -best]) + 1e-12


@every_penalty
def test_the_sizes_sum_to_the_norm(penalty):
    v = RNG.standard_normal(penalty.split_shape(SHAPE))
    assert penalty.norm(v) == pytest.approx(0.7 * penalty.summands(v).sum())


@every_penalty
def test_the_tilted_penalty_has_the_slopes_of_the_bent_one(penalty):
    # Directional derivatives agree in every direction, at kinks as well (L1 and groups with zeros).
    curve, h = Curve(0.3), 1e-6
    C = RNG.standard_normal(12)
    C[[0, 5, 7]] = 0.0
    K = penalty.linear_map(SHAPE)

    def image(w):
        return w if K is None else np.asarray(K @ w)

    shape = penalty.split_shape(SHAPE)
    tilted = penalty.tilted(image(C).reshape(shape), curve)
    for move in RNG.standard_normal((20, 12)):
        after, before = ((image(C + t * move)).reshape(shape) for t in (h, 0.0))
        rise = (bent(penalty, after, curve) - bent(penalty, before, curve)) / h
        convex = (tilted.value((C + h * move).reshape(SHAPE)) - tilted.value(C.reshape(SHAPE))) / h
        assert convex == pytest.approx(rise, abs=2e-4)


def exact_problem():
    rng = np.random.default_rng(5)
    R = rng.standard_normal((4, 8))
    return Exact(R, R @ rng.standard_normal((8, 3))), rng.standard_normal((30, 24))


@pytest.mark.parametrize("penalty", ["l1", "group", "nuclear", "nuclear + l1", "nuclear + ridge"])
def test_exact_data_are_met_and_the_objective_is_that_of_cvxpy(penalty):
    fit, A = exact_problem()
    norm = {
        "l1": L1(0.5),
        "group": Group(0.5),
        "nuclear": Nuclear(0.5, A, (6, 5)),
        "nuclear + l1": Nuclear(0.5, A, (6, 5)) + L1(0.2),
        "nuclear + ridge": Nuclear(0.5, A, (6, 5)) + Ridge(0.2),
    }[penalty]
    found = solve(fit, norm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = solve(fit, norm, solver=CVXPY("CLARABEL"))
    assert np.allclose(fit.R @ found.coefficients.T, fit.Y, atol=1e-9)
    assert found.objective == pytest.approx(reference.objective, rel=1e-6)
    assert found.duality_gap <= 1e-8
    assert found.objective - reference.objective <= (found.duality_gap + 1e-7) * found.objective


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_units_of_exact_data_do_not_matter(scale):
    fit, A = exact_problem()
    one = solve(fit, Nuclear(1.0, A, (6, 5)))
    other = solve(Exact(fit.R, scale * fit.Y), Nuclear(3.0 / scale, A, (6, 5)))
    assert np.allclose(other.coefficients / scale, one.coefficients, atol=1e-6)
    assert other.iterations <= 2 * one.iterations


def test_exact_data_without_a_penalty_give_the_least_norm():
    fit, _ = exact_problem()
    assert np.allclose(solve(fit).coefficients, np.linalg.lstsq(fit.R, fit.Y, rcond=None)[0].T)


def test_exact_data_that_contradict_each_other_are_refused():
    with pytest.raises(DataError, match="contradict"):
        solve(Exact([[1.0, 2.0], [1.0, 2.0]], [[1.0], [2.0]]), L1(1.0))


def completion(rank, observed, seed=0, size=12):
    """A random matrix of a rank, of which some entries are known: the unknown is the matrix itself."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((size, rank)) @ rng.standard_normal((rank, size))
    seen = rng.permutation(size * size)[:observed]
    R = np.eye(size * size)[seen]
    return Exact(R, (R @ X.ravel())[:, None]), Nuclear(1.0, np.eye(size * size), (size, size)), X.ravel()


def test_the_refinement_completes_a_matrix_where_the_convex_norm_does_not():
    # 144 entries, rank 2: 44 parameters; the nuclear norm needs more than 90 entries.
    fit, norm, X = completion(rank=2, observed=80)
    found = solve(fit, norm, solver=Reweighted(ADMM(tol=1e-7)))
    assert found.chosen == "reweighted"
    assert np.abs(found.convex.coefficients - X).max() > 0.1
    assert np.abs(found.coefficients - X).max() < 1e-4
    assert found.duality_gap < 1e-6
    assert found.convex.duality_gap < 1e-6
    assert "reweighted" in str(found)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_never_has_more_concave_objective_than_the_convex_solution(seed):
    # Full rank: there is nothing to find, and the refinement must not pretend otherwise.
    fit, norm, _ = completion(rank=12, observed=100, seed=seed)
    solver = Reweighted(ADMM(tol=1e-6))
    found = solve(fit, norm, solver=solver)
    s, t = (
        np.linalg.svd(c.reshape(12, 12), compute_uv=False)
        for c in (found.coefficients, found.convex.coefficients)
    )
    curve = Curve(solver.floor * t[0])
    assert curve.value(s) <= curve.value(t) * (1 + 1e-6)
    assert found.chosen in ("convex", "reweighted")
    if found.chosen == "convex":
        assert np.array_equal(found.coefficients, found.convex.coefficients)


def test_beside_noise_the_refinement_keeps_zeros_and_shrinks_less():
    rng = np.random.default_rng(0)
    R = rng.standard_normal((60, 8))
    truth = np.array([[2.0, -1.5, 0, 0, 0, 0, 0, 0]])
    fit = Quadratic(R, R @ truth.T + 0.1 * rng.standard_normal((60, 1)))
    found = solve(fit, L1(5.0), solver=Reweighted())
    assert found.chosen == "reweighted"
    assert np.array_equal(found.support, truth != 0)
    error, convex = (np.abs(c - truth).max() for c in (found.coefficients, found.convex.coefficients))
    assert error < 0.7 * convex


def test_where_all_is_zero_the_convex_solution_is_kept():
    found = solve(Quadratic(np.eye(3), [[1.0], [2.0], [3.0]]), L1(100.0), solver=Reweighted())
    assert found.chosen == "convex"
    assert not found.coefficients.any()


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"power": 1.0}, "power"),
        ({"floor": 0.0}, "floor"),
        ({"decay": 1.0}, "decay"),
        ({"steps": 0}, "steps"),
    ],
)
def test_settings_out_of_range_are_refused(settings_, message):
    with pytest.raises(DataError, match=message):
        Reweighted(**settings_)


def path_problem():
    rng = np.random.default_rng(1)
    return CoupledQuadratic(
        rng.standard_normal((60, 24)), rng.standard_normal(60), (3, 8)
    ), rng.standard_normal((48, 24))


def test_a_start_changes_the_number_of_steps_and_not_the_answer():
    fit, A = path_problem()
    weights = np.geomspace(0.5, 0.3, 6)
    last, warm, cold = None, 0, 0
    for weight in weights:
        fresh = solve(fit, Nuclear(weight, A, (8, 6)))
        last = solve(fit, Nuclear(weight, A, (8, 6)), start=last)
        warm, cold = warm + last.iterations, cold + fresh.iterations
        assert last.objective == pytest.approx(fresh.objective, rel=1e-7)
        assert last.duality_gap <= 1e-8
    assert warm < cold


def test_a_start_at_the_answer_is_done_at_once():
    fit, A = path_problem()
    first = solve(fit, Nuclear(0.4, A, (8, 6)))
    again = solve(fit, Nuclear(0.4, A, (8, 6)), start=first)
    assert again.iterations <= 10


def test_a_start_of_another_shape_is_refused():
    fit, _ = path_problem()
    other = solve(Quadratic([[1.0]], [[1.0]]))
    with pytest.raises(DataError, match="start has coefficients of shape"):
        solve(fit, L1(1.0), start=other)


def test_a_start_from_a_direct_solution_is_taken_as_none():
    fit, A = path_problem()
    found = solve(fit, Nuclear(0.4, A, (8, 6)), start=solve(fit))
    assert found.objective == pytest.approx(solve(fit, Nuclear(0.4, A, (8, 6))).objective, rel=1e-7)
