"""f = (J - M) grad H with M in the cone: the optimum of the cone program, and never an energy from nowhere."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import dynsym as dy
from dynsym import DataError, Monomials, ScalarFunction, Terms, Trajectory, VectorField

NAMES = ("x", "y", "z")
H = ScalarFunction(Terms(["x^2/2 + y^2 + z^2/2 + x*y/4"], NAMES), [1.0])
J = np.array([[0.0, 1.0, 0.5], [-1.0, 0.0, -0.3], [-0.5, 0.3, 0.0]])
U = np.array([0.6, 0.0, 0.8])


def data(friction, sd, seed=0):
    d = Monomials(3, 1, NAMES)
    x = np.random.default_rng(seed).standard_normal((5, 3))
    grad = H.gradient(np.vstack([np.zeros(3), np.eye(3)]))
    slopes = np.hstack([grad[:1].T, grad[1:].T - grad[:1].T])
    field = VectorField(d, (J - friction) @ slopes)
    rng, out = np.random.default_rng(seed), []
    for start in x:
        run = field.simulate(start, np.linspace(0, 3, 60))
        f = field.evaluate(run.x)
        out.append(Trajectory(run.t, run.x, NAMES, dxdt=f + sd * rng.standard_normal(f.shape)))
    return out, d, field


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_bracket_and_friction_are_found(rank):
    friction = {0: np.zeros((3, 3)), 1: 0.2 * np.outer(U, U), 3: np.diag([0.3, 0.2, 0.1])}[rank]
    runs, d, _ = data(friction, 1e-3)
    found = dy.dissipative(runs, d, H)
    np.testing.assert_allclose(found.friction, friction, atol=2e-3)
    np.testing.assert_allclose(found.bracket, J, atol=2e-3)
    assert np.linalg.eigvalsh(found.friction).min() > -1e-8
    assert found.rank >= rank


@pytest.mark.parametrize("seed", range(4))
def test_the_face_holds_the_optimum_of_the_cone(seed):
    # The slow twin: the whole problem in one general cone program.
    runs, d, _ = data(0.02 * np.outer(U, U), 0.2, seed)
    found = dy.dissipative(runs, d, H)
    total = found.plain.compressed.total
    grad = H.gradient(np.vstack([np.zeros(3), np.eye(3)]))
    slopes = np.hstack([grad[:1].T, grad[1:].T - grad[:1].T])
    A, M = cp.Variable((3, 3)), cp.Variable((3, 3), PSD=True)
    cost = cp.sum_squares(total.theta @ slopes.T @ (A - M).T - total.target)
    problem = cp.Problem(cp.Minimize(cost), [A + A.T == 0])
    problem.solve(solver="SCS", eps_abs=1e-9, eps_rel=1e-9, max_iters=100_000)
    ours = float(np.sum((total.theta @ found.model.coefficients.T - total.target) ** 2))
    assert ours == pytest.approx(problem.value, rel=1e-6)
    assert np.linalg.eigvalsh(found.friction).min() > -1e-6


def test_the_energy_never_grows():
    runs, d, _ = data(0.02 * np.outer(U, U), 0.2)
    found = dy.dissipative(runs, d, H)
    assert found.active
    free = dy.fit(runs, d)
    x = np.random.default_rng(1).standard_normal((500, 3))
    assert (np.sum(H.gradient(x) * found.model.field.evaluate(x), axis=1) <= 1e-6).all()
    assert np.sum(H.gradient(x) * free.field.evaluate(x), axis=1).max() > 0.01  # negative control
    assert (found.model.standard_errors >= 0).all()
    assert found.model.standard_errors.max() > 0


def test_a_field_that_gains_energy_is_held_and_shows_it():
    runs, d, _ = data(-0.3 * np.eye(3), 0.01)
    found = dy.dissipative(runs, d, H)
    assert found.active
    assert found.model.residual_sd.max() > 5 * found.plain.residual_sd.max()


def test_it_shows_itself():
    runs, d, _ = data(0.2 * np.outer(U, U), 1e-3)
    found = dy.dissipative(runs, d, H)
    assert "M of rank" in str(found)
    assert found._repr_html_().startswith("<pre>")
    found.plot().canvas.draw()


def test_what_does_not_fit_is_refused():
    runs, d, _ = data(np.zeros((3, 3)), 0.01)
    quartic = ScalarFunction(Terms(["x^4"], NAMES), [1.0])
    with pytest.raises(DataError, match="lacks dH/dx"):
        dy.dissipative(runs, d, quartic)
    with pytest.raises(DataError, match="over 2 states"):
        dy.dissipative(runs, d, ScalarFunction(Monomials(2, 1), np.ones(3)))
