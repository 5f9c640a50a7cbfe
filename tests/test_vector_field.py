"""Vector fields: Jacobians, the bracket as an algebra and as commuting flows, simulation, equations."""

from __future__ import annotations

import numpy as np
import pysindy as ps
import pytest
import sympy as sp

from dynsym import (
    ConvergenceError,
    DataError,
    Fourier,
    Integrator,
    Monomials,
    Terms,
    VectorField,
    parse_dictionary,
)
from dynsym.dictionary import PySINDyDictionary
from dynsym.dictionary._base import symbols_for
from dynsym.vector_field import field_from_sympy

NAMES = ("x", "y")
X = 0.5 + np.random.default_rng(0).random((6, 2))


def random_field(seed, dictionary=None):
    d = Monomials(2, 2, names=NAMES) + Fourier(NAMES, 1, within=("x",)) if dictionary is None else dictionary
    return VectorField(d, np.random.default_rng(seed).integers(-3, 4, (d.n_states, d.n_terms)))


def same(f, g, rtol=1e-12):
    np.testing.assert_allclose(f.evaluate(X), g.evaluate(X), rtol=rtol, atol=1e-12)


def test_jacobian_is_the_complex_step():
    f = random_field(1)
    compiled = sp.lambdify(symbols_for(NAMES), f.to_sympy(), modules="numpy")
    for k in range(2):
        z = X.astype(complex)
        z[:, k] += 1e-200j
        slope = np.stack([np.imag(c) / 1e-200 for c in compiled(*z.T)], axis=1)
        np.testing.assert_allclose(f.jacobian(X)[:, :, k], slope, rtol=1e-12)


def test_bracket_is_dg_f_minus_df_g():
    f, g = random_field(1), random_field(2)
    wanted = np.einsum("mik,mk->mi", g.jacobian(X), f.evaluate(X))
    wanted -= np.einsum("mik,mk->mi", f.jacobian(X), g.evaluate(X))
    np.testing.assert_allclose(f.bracket(g).evaluate(X), wanted, rtol=1e-12, atol=1e-12)


def test_bracket_is_antisymmetric_and_obeys_jacobi():
    f, g, h = (random_field(s) for s in (1, 2, 3))
    np.testing.assert_allclose(f.bracket(g).evaluate(X), -g.bracket(f).evaluate(X), rtol=1e-12)
    assert not f.bracket(f).coefficients.any()
    cyclic = [f.bracket(g.bracket(h)), g.bracket(h.bracket(f)), h.bracket(f.bracket(g))]
    size = np.abs(cyclic[0].evaluate(X)).max()
    assert np.abs(sum(part.evaluate(X) for part in cyclic)).max() < 1e-12 * size


def test_bracket_is_the_failure_of_two_flows_to_commute():
    # (g-flow after f-flow) - (f-flow after g-flow) = e^2 [f, g] + O(e^3); Richardson removes the cubic term.
    f = VectorField(Terms(["y", "x*y", "sin(x)"], NAMES), [[1, 0, 0], [0, 0.5, -1]])
    g = VectorField(Terms(["1", "x^2", "y"], NAMES), [[0, 1, 0.3], [1, 0, 0]])
    tight = Integrator(rtol=1e-13, atol=1e-14)
    start = np.array([0.7, -0.4])

    def flow(field, x, e):
        return field.simulate(x, [0.0, e], tight).x[-1]

    def apart(e):
        return (flow(g, flow(f, start, e), e) - flow(f, flow(g, start, e), e)) / e**2

    e = 1e-2
    quotient = 2 * apart(e / 2) - apart(e)
    np.testing.assert_allclose(quotient, f.bracket(g)(start), rtol=1e-3)
    assert np.abs(quotient + f.bracket(g)(start)).max() > 0.1  # the sign is a convention, and it is this one


def test_a_bracket_without_formulas_or_over_other_states_is_refused():
    f = VectorField(PySINDyDictionary(ps.PolynomialLibrary(degree=1), NAMES), np.ones((2, 3)))
    with pytest.raises(DataError, match="needs formulas"):
        f.bracket(random_field(1))
    with pytest.raises(DataError, match="different states"):
        random_field(1).bracket(VectorField(Monomials(2, 1), np.zeros((2, 3))))


def test_simulation_agrees_with_the_closed_form():
    a = np.array([[-0.3, 2.0], [-2.0, -0.1]])
    f = VectorField(Monomials(2, 1, names=NAMES, constant=False), a)
    t = np.sort(np.random.default_rng(0).random(7)) * 5
    run = f.simulate([1.0, 0.5], t)
    values, vectors = np.linalg.eig(a)
    w = np.linalg.solve(vectors, np.array([1.0, 0.5]))
    exact = (vectors * w) @ np.exp(values[:, None] * (t - t[0]))
    np.testing.assert_allclose(run.x, exact.real.T, atol=1e-8)
    assert run.names == NAMES


def test_dictionaries_without_formulas_simulate_the_same():
    c = np.array([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.2, 0.0, 0.1, 0.0]])
    ours = VectorField(Monomials(2, 2, names=NAMES), c)
    theirs = VectorField(PySINDyDictionary(ps.PolynomialLibrary(degree=2), NAMES), c)
    t = np.linspace(0, 2, 5)
    np.testing.assert_allclose(theirs.simulate([0.3, 0.1], t).x, ours.simulate([0.3, 0.1], t).x, rtol=1e-12)


@pytest.mark.parametrize(
    ("row", "blow_up"),
    [("x^2", 1.0), ("-1/x", 0.5), ("-1/x^3", 0.25)],
    ids=["explosion", "fall", "steep fall"],
)
def test_a_solution_that_ends_early_carries_the_part_reached(row, blow_up):
    f = VectorField(Terms([row], ("x",)), [[1.0]])
    t = np.linspace(0, 2 * blow_up, 41)
    with pytest.raises(ConvergenceError, match="the solution stopped at t = ") as caught:
        f.simulate([1.0], t)
    reached = caught.value.last
    assert 15 <= len(reached) <= 21
    assert reached.shape[1] == 1
    assert np.isfinite(reached).all()
    closed = {"x^2": lambda s: 1 / (1 - s), "-1/x": lambda s: np.sqrt(1 - 2 * s)}
    closed["-1/x^3"] = lambda s: (1 - 4 * s) ** 0.25
    k = 15
    assert reached[k, 0] == pytest.approx(closed[row](t[k]), rel=1e-6)


def test_a_start_that_cannot_be_used_is_refused():
    f = VectorField(Monomials(2, 1), np.zeros((2, 3)))
    with pytest.raises(DataError, match="2 entries, got 3"):
        f.simulate([1.0, 2.0, 3.0], [0.0, 1.0])
    with pytest.raises(DataError, match="increase"):
        f.simulate([1.0, 2.0], [0.0, 2.0, 1.0])
    with pytest.raises(DataError, match="finite"):
        f.simulate([1.0, np.nan], [0.0, 1.0])
    with pytest.raises(DataError, match="t is empty"):
        f.simulate([1.0, 2.0], [])


def test_a_start_at_a_singularity_is_a_failure_that_says_so():
    f = VectorField(Terms(["1/x"], ("x",)), [[1.0]])
    with pytest.raises(ConvergenceError, match="stopped at t = 0, before 1") as caught:
        f.simulate([0.0], [0.0, 1.0])
    assert caught.value.last.tolist() == [[0.0]]


def test_one_time_is_the_start():
    f = VectorField(Monomials(2, 1), np.ones((2, 3)))
    assert f.simulate([1.0, 2.0], [3.0]).x.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("seed", range(4))
def test_the_printed_equations_are_the_field(seed):
    f = random_field(seed)
    for i, line in enumerate(f.equations(digits=17)):
        name, right = line.split(" = ")
        assert name == f"{NAMES[i]}'"
        np.testing.assert_allclose(
            Terms([right], NAMES).evaluate(X)[:, 0] if right != "0" else 0, f.evaluate(X)[:, i], rtol=1e-12
        )


def test_sympy_and_back():
    d = parse_dictionary("poly(2) + terms(x/(x^2+y^2)^(3/2), exp(-x)*sin(y))", NAMES)
    f = VectorField(d, np.random.default_rng(0).standard_normal((2, d.n_terms)))
    same(field_from_sympy(f.to_sympy(), NAMES), f)
    again = field_from_sympy((sp.Integer(0), sp.Integer(0)), NAMES)
    assert again.equations() == ["x' = 0", "y' = 0"]
    assert r"\dot{x} &=" in f.to_latex()


def test_coefficients_of_the_wrong_shape_or_size_are_refused():
    with pytest.raises(DataError, match=r"\(n, p\) = \(2, 3\), got \(3, 2\)"):
        VectorField(Monomials(2, 1), np.zeros((3, 2)))
    with pytest.raises(DataError, match="not finite"):
        VectorField(Monomials(1, 1), [[np.inf, 0.0]])


def test_fields_are_frozen():
    f = random_field(1)
    with pytest.raises(ValueError, match="read-only"):
        f.coefficients[0, 0] = 2.0
    assert f == f
    assert f != random_field(1)
