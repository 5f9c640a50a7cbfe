"""Compiled fields, one run and many runs, laws that are kept; the command `simulate`."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pysindy as ps
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

import dynsym as dy
from dynsym import ConvergenceError, DataError, Integrator, Monomials, ScalarFunction, Terms, VectorField
from dynsym.cli import main
from dynsym.dictionary import PySINDyDictionary
from dynsym.vector_field import _dop853, _simulate
from dynsym.vector_field._levels import Levels
from dynsym.vector_field._program import program_of
from dynsym.vector_field._rows import Rows
from dynsym.vector_field._source import chain_of

NAMES = ("x", "y", "z")
POINTS = 0.3 + np.random.default_rng(0).random((40, 3))
DICTIONARIES = [
    "poly(4)",
    "fourier(3; x, z)",
    "poly(2) * radial(x, y, z; -5..-1) + poly(1)",
    "poly(1) * radial(x, y; 2, 3) + terms(x/y, x^-3*y, 1/(1 + x^2)^2)",
    "terms(exp(-y)*sin(x)^2*cos(x), log(x)*y^2, x^(3/2), x^(1/3)*y, tanh(x*z), (x - y)^3, abs(x)*z)",
    "terms(x + y - 2*x*y, pi*x, sqrt(2)*y*x, 3) + fourier(1; y)",
    "poly(2) * terms(sin(x*y), 1/x)",
]


def drawn(text: str, seed: int = 0, share: float = 0.6) -> VectorField:
    """A field over a dictionary, some of its coefficients zero, some 1 and -1."""
    dictionary = dy.parse_dictionary(text, NAMES)
    rng = np.random.default_rng(seed)
    c = rng.choice([1.0, -1.0, 0.37, -2.5], (3, dictionary.n_terms)) * (
        rng.random((3, dictionary.n_terms)) < share
    )
    return VectorField(dictionary, c)


def lorenz() -> VectorField:
    return dy.systems.get("lorenz").field()


# ---------------------------------------------------------------- straight-line code


@pytest.mark.parametrize("text", DICTIONARIES)
def test_the_code_gives_what_the_dictionary_gives(text):
    f = drawn(text)
    wanted = f.dictionary.evaluate(POINTS) @ f.coefficients.T
    one = np.array([f.program.one(*state) for state in POINTS.tolist()])
    np.testing.assert_allclose(one, wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(f.program.many(POINTS), wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(f(POINTS[0]), wanted[0], rtol=1e-12, atol=1e-12)
    slopes = np.array([f.jacobian_program.one(*state) for state in POINTS.tolist()]).reshape(-1, 3, 3)
    np.testing.assert_allclose(slopes, f.jacobian(POINTS), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(
        f.jacobian_program.many(POINTS).reshape(-1, 3, 3), slopes, rtol=1e-11, atol=1e-11
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    powers=st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12, unique=True),
    seed=st.integers(0, 100),
)
def test_every_monomial_is_one_product_and_none_is_made_in_vain(powers, seed):
    x = sp.symbols("x y z", real=True)
    terms = [sp.Mul(*(s**e for s, e in zip(x, row))) for row in powers]
    f = VectorField(Terms(terms, NAMES), np.random.default_rng(seed).standard_normal((3, len(terms))))
    rows = Rows.of([(f.dictionary, f.coefficients)])
    chain = chain_of(rows)
    wanted = {m for row in rows.rows for m in row}
    used = wanted | {part for pair in chain.values() for part in pair}
    for monomial, (lower, factor) in chain.items():
        assert sum(p for _, p in factor) == 1
        assert sum(p for _, p in lower) == sum(p for _, p in monomial) - 1
        assert lower in chain or sum(p for _, p in lower) == 1
        assert monomial in used
    np.testing.assert_allclose(
        f.program.many(POINTS), f.dictionary.evaluate(POINTS) @ f.coefficients.T, rtol=1e-12, atol=1e-12
    )


def test_terms_with_zero_coefficients_are_not_computed():
    d = Terms(["x", "1/y", "x*y*z"], NAMES)
    f = VectorField(d, [[1, 0, 0], [2, 0, 0], [0, 0, 0]])
    assert f.program.one(3.0, 0.0, 1.0) == (3.0, 6.0, 0.0)
    assert f.program.many([[3.0, 0.0, 1.0]]).tolist() == [[3.0, 6.0, 0.0]]
    assert f.program.n_work == 1


def test_names_of_states_do_not_enter_the_code():
    # The second name is that of the first variable of the code; the third is a keyword.
    names = ("x1", "x0", "lambda", "m0")
    f = VectorField(Monomials(4, 2, names=names), np.random.default_rng(0).standard_normal((4, 15)))
    g = VectorField(Terms(f.dictionary.symbolic(), names), f.coefficients)
    x = np.random.default_rng(1).standard_normal((5, 4))
    for field in (f, g):
        np.testing.assert_allclose(
            field.program.many(x), f.dictionary.evaluate(x) @ f.coefficients.T, rtol=1e-12
        )
        assert field.program.one(*x[0].tolist()) == pytest.approx(
            field.program.many(x)[0].tolist(), rel=1e-12
        )


def test_values_are_written_into_the_given_array():
    f = lorenz()
    x = np.random.default_rng(0).standard_normal((30_000, 3))
    out = np.full_like(x, np.nan)
    assert f.program.many(x, out) is out
    np.testing.assert_allclose(out, f.dictionary.evaluate(x) @ f.coefficients.T, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(f.evaluate(x), out)
    assert f.program.many(np.empty((0, 3))).shape == (0, 3)
    with pytest.raises(
        DataError, match=r"float64 array of shape \(30000, 3\), got float64 of shape \(3, 30000\)"
    ):
        f.program.many(x, np.empty((3, 30_000)))
    with pytest.raises(DataError, match=r"shape \(m, 3\), got \(2, 2\)"):
        f.program.many(np.ones((2, 2)))


def test_a_state_without_a_value_is_refused_as_the_dictionary_refuses_it():
    f = VectorField(Terms(["1/x", "x^(1/3)"], ("x",)), [[1.0, 1.0]])
    with pytest.raises(DataError, match="1/x is inf"):
        f([0.0])
    with pytest.raises(DataError):
        f([-1.0])
    with pytest.raises(DataError, match="shape"):
        f([1.0, 2.0])
    assert np.isnan(f.right_hand_side(np.array([-1.0]))).all()
    assert np.isnan(f.program.many([[-1.0]])).all()


def test_sums_of_thousands_of_terms_compile():
    d = Monomials(6, 6)
    f = VectorField(d, np.random.default_rng(0).standard_normal((6, d.n_terms)))
    x = np.random.default_rng(1).standard_normal((3, 6))
    np.testing.assert_allclose(f(x[0]), f.evaluate(x)[0], rtol=1e-10)
    large = Monomials(8, 8)
    g = VectorField(large, np.ones((8, large.n_terms)))
    assert not g.program.compiled
    np.testing.assert_allclose(g.program.one(*[0.5] * 8), g.evaluate([0.5] * 8)[0], rtol=1e-12)


def test_fields_survive_pickling_after_compilation():
    f = drawn(DICTIONARIES[2])
    before = f(POINTS[0]), f.jacobian_program
    again = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(again(POINTS[0]), before[0])
    assert set(again.__dict__) == {"dictionary", "coefficients", "program"}
    # The name under which earlier files know the class.
    assert pickle.loads(b"cdynsym.vector_field\nVectorField\n.") is VectorField


# ---------------------------------------------------------------- one run


def twin(f: VectorField, x0, t, how: Integrator):
    return solve_ivp(
        lambda _, x: f.dictionary.evaluate(x)[0] @ f.coefficients.T,
        (t[0], t[-1]),
        x0,
        how.method,
        t_eval=t,
        rtol=how.rtol,
        atol=how.atol,
    )


@pytest.mark.parametrize("name", ["lorenz", "van_der_pol", "kepler_2d", "henon_heiles", "pendulum"])
@pytest.mark.parametrize("how", [Integrator(), Integrator(rtol=1e-5, atol=1e-7)], ids=["default", "coarse"])
def test_one_run_takes_the_steps_of_scipy(name, how):
    system = dy.systems.get(name)
    f, x0 = system.field(), system.start(np.random.default_rng(3))
    t = np.sort(np.random.default_rng(0).random(120)) * 3 - 1
    done = twin(f, x0, t, how)
    np.testing.assert_allclose(f.simulate(x0, t, how).x, done.y.T, rtol=1e-9, atol=1e-10)
    few = np.array([-1.0, 2.0])
    np.testing.assert_allclose(
        f.simulate(x0, few, how).x[-1], twin(f, x0, few, how).y[:, -1], rtol=1e-9, atol=1e-10
    )


def test_the_written_out_step_is_that_of_the_tableau():
    f = lorenz().program.one
    x, h = (1.0, -2.0, 20.0), 0.01
    step, three_more = _dop853.step_code(3)
    y, stages, high, low = step(f, x, f(*x), h, 1e-6, 1e-8)
    extra = three_more(f, x, h, *stages)
    method = _dop853.DOP853
    k = np.zeros((16, 3))
    k[0] = f(*x)
    for s in range(1, 12):
        k[s] = f(*(np.array(x) + h * method.A[s, :s] @ k[:s]))
    end = np.array(x) + h * method.B @ k[:12]
    k[12] = f(*end)
    for s, row in enumerate(method.A_EXTRA, start=13):
        k[s] = f(*(np.array(x) + h * row[:s] @ k[:s]))
    np.testing.assert_allclose(y, end, rtol=1e-14)
    np.testing.assert_allclose(stages + extra, k, rtol=1e-12, atol=1e-12)
    scale = 1e-8 + 1e-6 * np.maximum(np.abs(x), np.abs(end))
    for got, weights in ((high, method.E5), (low, method.E3)):
        np.testing.assert_allclose(got, np.sum((weights @ k[:13] / scale) ** 2), rtol=1e-6)


def test_more_states_than_are_written_out_go_through_scipy(together):
    n = 30
    rng = np.random.default_rng(0)
    a = rng.standard_normal((n, n)) / n - np.eye(n)
    f = VectorField(Monomials(n, 1, constant=False), a)
    x0, t = rng.standard_normal(n), np.linspace(0, 1, 4)
    values, vectors = np.linalg.eig(a)
    exact = (vectors * np.linalg.solve(vectors, x0)) @ np.exp(values[:, None] * t)
    np.testing.assert_allclose(f.simulate(x0, t).x, exact.real.T, atol=1e-8)
    np.testing.assert_allclose(f.simulate_many([x0, -x0], t)[1].x, -exact.real.T, atol=1e-8)


def test_lsoda_gives_what_scipys_loop_over_it_gives():
    how = Integrator("LSODA", 1e-12, 1e-12)
    f, x0, t = lorenz(), [-8.0, 8.0, 27.0], np.linspace(0, 2, 300)
    np.testing.assert_allclose(f.simulate(x0, t, how).x, twin(f, x0, t, how).y.T, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA"])
def test_stiff_fields_are_followed_with_the_exact_jacobian(method):
    f = VectorField(Terms(["v", "(1 - x^2)*v", "x"], ("x", "v")), [[1, 0, 0], [0, 300.0, -1.0]])
    run = f.simulate([2.0, 0.0], [0.0, 100.0], Integrator(method, 1e-7, 1e-9))
    slow = f.simulate([2.0, 0.0], [0.0, 100.0], Integrator("DOP853", 1e-7, 1e-9))
    np.testing.assert_allclose(run.x[-1], slow.x[-1], rtol=1e-3)
    assert "jacobian_program" in f.__dict__
    assert "jacobian_program" not in slow.__dict__


@pytest.mark.parametrize("method", ["RK45", "RK23", "Radau", "BDF", "LSODA"])
def test_every_method_says_how_far_it_came(method):
    f = VectorField(Terms(["x^2"], ("x",)), [[1.0]])
    t = np.linspace(0, 2, 41)
    with pytest.raises(ConvergenceError, match="the solution stopped at t = ") as caught:
        f.simulate([1.0], t, Integrator(method, 1e-6, 1e-8))
    reached = caught.value.last[:, 0]
    assert 19 <= len(reached) <= 21
    np.testing.assert_allclose(reached[:19], 1 / (1 - t[:19]), rtol=1e-2)
    with pytest.raises(ConvergenceError, match="no value there") as caught:
        VectorField(Terms(["1/x"], ("x",)), [[1.0]]).simulate([0.0], t, Integrator(method))
    assert caught.value.last.tolist() == [[0.0]]


def test_integrators_that_do_not_exist_are_refused():
    with pytest.raises(DataError, match="unknown method 'Euler'"):
        Integrator("Euler")
    with pytest.raises(DataError, match="rtol = -1"):
        Integrator(rtol=-1)


# ---------------------------------------------------------------- many runs


@pytest.fixture(params=["together", "as many as pay"])
def together(request, monkeypatch):
    """Shared arrays from the first state on, and the choice that is made otherwise."""
    if request.param == "together":
        monkeypatch.setattr(_simulate, "_FEW", 0)
        monkeypatch.setattr(_simulate, "_FEW_LARGE", 0)


@pytest.mark.parametrize("name", ["lorenz", "kepler_2d", "pendulum", "hopf"])
def test_runs_together_are_the_runs_one_by_one(name, together):
    system = dy.systems.get(name)
    f = system.field()
    starts = [system.start(np.random.default_rng(k)) for k in range(40)]
    t = np.r_[0.0, np.sort(np.random.default_rng(0).random(50)) * 4]
    for run, x0 in zip(f.simulate_many(starts, t), starts):
        alone = f.simulate(x0, t)
        np.testing.assert_allclose(run.x, alone.x, rtol=1e-7, atol=1e-8)
        assert run.names == alone.names
        np.testing.assert_array_equal(run.t, t)


def test_each_of_many_runs_has_its_own_steps(together):
    # Frequencies 1 to 1000 in one batch: with a common step the slow ones would be far more exact than alone.
    f = VectorField(Terms(["w*y", "-w*x"], ("x", "y", "w")), [[1, 0], [0, 1], [0, 0]])
    w = np.geomspace(1, 1000, 30)
    t = np.linspace(0, 1, 20)
    runs = f.simulate_many(np.c_[np.ones(30), np.zeros(30), w], t, Integrator(rtol=1e-6, atol=1e-8))
    for run, k in zip(runs, w):
        np.testing.assert_allclose(run.x[:, 0], np.cos(k * t), atol=1e-6 * (1 + k))
        np.testing.assert_allclose(
            run.x, f.simulate(run.x[0], t, Integrator(rtol=1e-6, atol=1e-8)).x, atol=1e-8
        )


def test_runs_that_blow_up_do_not_disturb_the_others(together):
    f = VectorField(Terms(["x^2"], ("x",)), [[1.0]])
    t = np.linspace(0, 2, 41)
    x0 = np.array([[-1.0], [1.0], [0.1], [2.0], [-5.0]])
    with pytest.raises(
        ConvergenceError, match="2 of 5 solutions ended early, the first of them number 1"
    ) as caught:
        f.simulate_many(x0, t)
    runs = caught.value.last
    assert [len(run) for run in runs] == [41, 21, 41, 11, 41] or [len(r) for r in runs] == [
        41,
        20,
        41,
        10,
        41,
    ]
    calm = f.simulate_many(x0[[0, 2, 4]], t)
    for run, alone in zip([runs[0], runs[2], runs[4]], calm):
        np.testing.assert_allclose(run.x, alone.x, rtol=1e-13)
    for run, (start,) in zip(runs, x0):
        k = min(len(run), int(0.9 * 20 / max(start, 0.4)))
        np.testing.assert_allclose(run.x[:k, 0], start / (1 - start * t[:k]), rtol=1e-6)


def test_runs_that_start_where_there_is_no_field_keep_their_start(together):
    f = VectorField(Terms(["1/x"], ("x",)), [[1.0]])
    with pytest.raises(ConvergenceError, match="1 of 2 solutions") as caught:
        f.simulate_many([[0.0], [1.0]], [0.0, 1.0])
    assert caught.value.last[0].x.tolist() == [[0.0]]
    assert caught.value.last[1].x[-1, 0] == pytest.approx(np.sqrt(3), rel=1e-8)


@pytest.mark.parametrize("method", ["LSODA", "Radau"])
def test_other_methods_follow_many_states_one_by_one(method):
    f, t, how = lorenz(), np.linspace(0, 0.5, 5), Integrator(method, 1e-8, 1e-10)
    x0 = [[1.0, 2.0, 20.0], [-1.0, 0.0, 15.0]]
    for run, start in zip(f.simulate_many(x0, t, how), x0):
        np.testing.assert_array_equal(run.x, f.simulate(start, t, how).x)


def test_fields_without_formulas_are_followed_through_their_dictionary(together):
    c = np.array([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.2, 0.0, 0.1, 0.0]])
    theirs = VectorField(PySINDyDictionary(ps.PolynomialLibrary(degree=2), ("x", "v")), c)
    ours = VectorField(Monomials(2, 2, names=("x", "v")), c)
    assert not theirs.program.compiled
    assert ours.program.compiled
    x0, t = [[0.3, 0.1], [0.1, -0.2]], np.linspace(0, 1, 4)
    for run, wanted in zip(theirs.simulate_many(x0, t), ours.simulate_many(x0, t)):
        np.testing.assert_allclose(run.x, wanted.x, rtol=1e-10)
    jacobian = theirs.jacobian_program.many(x0).reshape(2, 2, 2)
    np.testing.assert_allclose(jacobian, ours.jacobian(x0), rtol=1e-12)


def test_starts_that_cannot_be_used_are_refused(together):
    f = lorenz()
    with pytest.raises(DataError, match=r"shape \(k, 3\), got \(1, 2\)"):
        f.simulate_many([[1.0, 2.0]], [0.0, 1.0])
    with pytest.raises(DataError, match="finite"):
        f.simulate_many([[1.0, 2.0, np.nan]], [0.0, 1.0])
    with pytest.raises(DataError, match="increase"):
        f.simulate_many([[1.0, 2.0, 3.0]], [0.0, 2.0, 1.0])
    assert f.simulate_many(np.empty((0, 3)), [0.0, 1.0]) == []
    assert f.simulate_many([[1.0, 2.0, 3.0]], [5.0])[0].x.tolist() == [[1.0, 2.0, 3.0]]


# ---------------------------------------------------------------- laws that are kept


def laws_of(name: str) -> list[ScalarFunction]:
    system = dy.systems.get(name)
    return [ScalarFunction(Terms([h], system.states), [1.0]) for h in system.invariants]


def drift(laws, x) -> list[float]:
    return [float(np.abs(h.evaluate(x) - h.evaluate(x[:1])).max()) for h in laws]


COARSE = Integrator(rtol=1e-5, atol=1e-8)


def test_kept_laws_do_not_drift_over_hundreds_of_orbits():
    # Four laws of which three are independent: the gradients are rank-deficient everywhere.
    f, laws = dy.systems.get("kepler_2d").field(), laws_of("kepler_2d")
    x0, t = [1.0, 0.0, 0.0, 1.2], np.linspace(0, 1000, 500)
    free = f.simulate(x0, t, COARSE)
    kept = f.simulate(x0, t, COARSE, conserve=laws)
    assert min(drift(laws, free.x)) > 1e-5
    assert max(drift(laws, kept.x)) < 1e-14
    only = f.simulate(x0, t, COARSE, conserve=laws[:1])
    assert drift(laws, only.x)[0] < 1e-14
    assert max(drift(laws, only.x)[1:]) > 1e-6


def test_kept_laws_bring_a_run_nearer_to_the_solution():
    f, laws = dy.systems.get("kepler_2d").field(), laws_of("kepler_2d")
    x0, t = [1.0, 0.0, 0.0, 1.2], np.linspace(0, 300, 200)
    exact = f.simulate(x0, t, Integrator(rtol=1e-13, atol=1e-15)).x
    free = np.abs(f.simulate(x0, t, COARSE).x - exact).max()
    kept = np.abs(f.simulate(x0, t, COARSE, conserve=laws).x - exact).max()
    assert kept < 0.3 * free


def test_energy_of_henon_heiles_is_kept_in_many_runs_together(together):
    system = dy.systems.get("henon_heiles")
    f, laws = system.field(), laws_of("henon_heiles")
    starts = [system.start(np.random.default_rng(k)) for k in range(5)]
    t = np.linspace(0, 300, 100)
    free, kept = f.simulate_many(starts, t, COARSE), f.simulate_many(starts, t, COARSE, conserve=laws)
    assert min(drift(laws, run.x)[0] for run in free) > 1e-9
    assert max(drift(laws, run.x)[0] for run in kept) < 1e-15
    short = t[:5]
    for run, x0 in zip(f.simulate_many(starts, short, conserve=laws), starts):
        np.testing.assert_allclose(run.x, f.simulate(x0, short, conserve=laws).x, rtol=1e-8, atol=1e-9)


def test_what_conserved_quantities_found_can_be_kept():
    system = dy.systems.get("kepler_2d")
    f = system.field()
    found = dy.conserved_quantities(f, dy.parse_dictionary(system.invariants_dictionary, system.states))
    run = f.simulate([1.0, 0.0, 0.0, 1.2], np.linspace(0, 100, 50), COARSE, conserve=found)
    assert max(drift(found.functions, run.x)) < 1e-14


def test_a_function_that_is_not_conserved_cannot_be_kept(together):
    f = dy.systems.get("kepler_2d").field()
    x = ScalarFunction(Terms(["x"], f.names), [1.0])
    with pytest.raises(ConvergenceError, match="the laws cannot be kept") as caught:
        f.simulate([1.0, 0.0, 0.0, 1.2], [0.0, 1.0, 2.0], conserve=[x])
    assert caught.value.last.tolist() == [[1.0, 0.0, 0.0, 1.2]]
    with pytest.raises(ConvergenceError, match=r"1 of 1 solutions ended early.*the laws cannot be kept"):
        f.simulate_many([[1.0, 0.0, 0.0, 1.2]], [0.0, 1.0], conserve=[x])


def test_projections_that_make_no_sense_are_refused():
    f, laws = dy.systems.get("kepler_2d").field(), laws_of("kepler_2d")
    x0 = [1.0, 0.0, 0.0, 1.2]
    with pytest.raises(DataError, match="needs the method DOP853, got Radau"):
        f.simulate(x0, [0.0, 1.0], Integrator("Radau"), conserve=laws)
    with pytest.raises(TypeError, match="ScalarFunctions, got str"):
        f.simulate(x0, [0.0, 1.0], conserve=["x"])
    with pytest.raises(DataError, match=r"over \(a, b\) but the field has the states"):
        f.simulate(x0, [0.0, 1.0], conserve=[ScalarFunction(Terms(["a"], ("a", "b")), [1.0])])
    with pytest.raises(DataError, match="no value at the start"):
        f.simulate(x0, [0.0, 1.0], conserve=[ScalarFunction(Terms(["1/y"], f.names), [1.0])])
    decay = VectorField(Terms(["x"], ("x",)), [[-1.0]])
    with pytest.raises(DataError, match="leave conserve out"):
        decay.simulate([1.0], [0.0, 1.0], conserve=[ScalarFunction(Terms(["x"], ("x",)), [1.0])])
    # Functions with default names take those of the field.
    energy = ScalarFunction(Terms(["x3^2/2 + x4^2/2 - 1/sqrt(x1^2 + x2^2)"], ("x1", "x2", "x3", "x4")), [1.0])
    assert max(drift(laws[:1], f.simulate(x0, [0.0, 9.0], COARSE, conserve=[energy]).x)) < 1e-14


def test_the_projection_is_the_nearest_state():
    functions = laws_of("kepler_2d")[:2]
    levels = Levels.of(functions, functions[0].dictionary.names)
    x0 = np.array([[1.0, 0.1, -0.1, 1.2]])
    values = levels.at(x0)
    off = x0 + 1e-4 * np.random.default_rng(0).standard_normal(x0.shape)
    near = levels.project(off, values)
    np.testing.assert_allclose(levels.values.many(near), values, atol=1e-15)
    done = minimize(
        lambda x: 1e8 * np.sum((x - off[0]) ** 2),
        off[0],
        constraints={"type": "eq", "fun": lambda x: (levels.values.many(x) - values)[0]},
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(near[0], done.x, atol=1e-7)
    np.testing.assert_allclose(levels.project(near, values), near, rtol=1e-15)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), copies=st.integers(1, 3))
def test_laws_that_depend_on_one_another_are_projected_as_the_independent_ones(seed, copies):
    rng = np.random.default_rng(seed)
    x = sp.symbols("x y z", real=True)
    one, two = x[0] ** 2 + 2 * x[1] ** 2 + x[2] ** 2, x[0] * x[1] + x[2]
    base = [Terms([one], NAMES), Terms([two], NAMES)]
    more = [Terms([e], NAMES) for e in (one**2, one + 3 * two, one * two)[:copies]]
    plain = Levels.of([ScalarFunction(d, [1.0]) for d in base], NAMES)
    many = Levels.of([ScalarFunction(d, [1.0]) for d in base + more], NAMES)
    start = rng.standard_normal((4, 3)) + 1.0
    off = start + 1e-6 * rng.standard_normal((4, 3))
    a, b = plain.project(off, plain.at(start)), many.project(off, many.at(start))
    np.testing.assert_allclose(a, b, atol=1e-10)


# ---------------------------------------------------------------- command line


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An analysis.json of a spring with its energy certified, and an undecided function."""
    laws = [
        {"expression": "x**2 + v**2/4", "coefficients": {"x**2": 1.0, "v**2": 0.25}, "verdict": "certified"},
        {"expression": "x", "coefficients": {"x": 1.0}, "verdict": "undecided"},
    ]
    model = {"states": ["x", "v"], "terms": ["1", "x", "v"], "coefficients": [[0, 0, 1], [0, -4, 0]]}
    content = {
        "schema": 1,
        "input": {"units": ["m", "m/s"]},
        "model": model,
        "conserved_quantities": laws,
        "independent_conserved": 1,
    }
    path = tmp_path_factory.mktemp("record") / "analysis.json"
    path.write_text(json.dumps(content))
    return path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["simulate", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("ending", ["csv", "nc"])
@pytest.mark.parametrize("starts", [1, 2])
def test_what_is_written_reads_back(record, tmp_path, capsys, ending, starts):
    out = tmp_path / f"runs.{ending}"
    x0 = [["--x0", "-1,0"], ["--x0", "0.5,2"]][:starts]
    words = [
        "--analysis",
        str(record),
        *[w for pair in x0 for w in pair],
        "--until",
        "3",
        "--samples",
        "7",
        "--out",
        str(out),
    ]
    code, text, err = said(capsys, *words)
    assert (code, err) == (0, "")
    assert "v' = -4*x" in text
    assert "not kept" in text
    runs = dy.open_runs(out)
    assert len(runs) == starts
    t = np.linspace(0, 3, 7)
    np.testing.assert_allclose(runs[0].x, np.c_[-np.cos(2 * t), 2 * np.sin(2 * t)], atol=1e-7)
    assert runs[0].units == ("m", "m/s")
    np.testing.assert_array_equal(runs[-1].t, t)
    assert sorted(p.name for p in tmp_path.iterdir()) == [out.name]


@pytest.mark.parametrize("ending", ["csv", "nc"])
def test_runs_start_where_the_data_start(record, tmp_path, capsys, ending):
    data, out = tmp_path / "data.csv", tmp_path / f"runs.{ending}"
    data.write_text("run,t,v,x\na,0,0,1\na,1,0,2\nb,0.5,,3\nb,1,1,0\nb,2,1,1\n")
    words = ["--analysis", str(record), "--from", str(data), "--run", "run", "--time", "t", "--until", "4"]
    code, text, err = said(capsys, *words, "--keep-laws", "--samples", "9", "--out", str(out))
    assert (code, err) == (0, "")
    assert "(kept)" in text
    first, second = dy.open_runs(out, run="run")
    assert (first.t[0], second.t[0], first.t[-1], second.t[-1]) == (0, 1, 4, 4)
    assert first.x[0].tolist() == [1.0, 0.0]
    assert second.x[0].tolist() == [0.0, 1.0]  # the first complete sample
    np.testing.assert_allclose(second.x[:, 0], 0.5 * np.sin(2 * (second.t - 1)), atol=1e-7)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--until", "1"], "give either --x0"),
        (["--x0", "1,0", "--from", "a.csv", "--until", "1"], "give either --x0"),
        (["--x0", "1,0"], "Missing option '--until'"),
        (["--x0", "1", "--until", "1"], "has 1 numbers for the 2 states x, v"),
        (["--x0", "1,a", "--until", "1"], "--x0 takes numbers, got 'a'"),
        (["--x0", "1,0", "--until", "inf"], "finite numbers, got 'inf'"),
        (["--x0", "1,0", "--until", "0"], "--until 0 does not come after the start at t = 0"),
        (["--x0", "1,0", "--until", "1", "--samples", "1"], "at least 2, got '1'"),
        (["--x0", "1,0", "--until", "1", "--out", "a.txt"], "must end in .csv or .nc"),
        (["--from", "/no/such.csv", "--until", "1"], "/no/such.csv"),
    ],
)
def test_bad_usage_ends_in_one_line_and_code_2(record, capsys, words, told):
    code, out, err = said(capsys, "--analysis", str(record), *words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert told in err


def changed(record: Path, folder: Path, **parts) -> str:
    path = folder / "analysis.json"
    path.write_text(json.dumps({**json.loads(record.read_text()), **parts}))
    return str(path)


def test_records_that_cannot_be_used_are_refused(record, tmp_path, capsys):
    words = ["--x0", "1,0", "--until", "1"]
    lacking = changed(record, tmp_path, model={"states": ["x", "v"]})
    assert "lacks the entry 'coefficients'" in said(capsys, "--analysis", lacking, *words)[2]
    older = changed(record, tmp_path, schema=0)
    assert "not an analysis of schema 1" in said(capsys, "--analysis", older, *words)[2]
    none = changed(record, tmp_path, conserved_quantities=[])
    code, _, err = said(capsys, "--analysis", none, *words, "--keep-laws")
    assert code == 2
    assert "certifies no conserved quantity" in err


def test_a_solution_that_blows_up_ends_in_code_3_and_writes_nothing(record, tmp_path, capsys):
    model = {"states": ["x"], "terms": ["x**2"], "coefficients": [[1.0]]}
    path = changed(record, tmp_path, model=model, conserved_quantities=[], input={"units": None})
    out = tmp_path / "runs.csv"
    code, _, err = said(capsys, "--analysis", path, "--x0", "1", "--until", "2", "--out", str(out))
    assert code == 3
    assert "1 of 1 solutions ended early" in err
    assert err.count("\n") == 1
    assert not out.exists()


def test_programs_join_functions_over_several_dictionaries():
    parts = [
        (Monomials(3, 2, names=NAMES), np.ones((1, 10))),
        (Terms(["sin(x)"], NAMES), np.array([[2.0], [3.0]])),
    ]
    program = program_of(parts)
    wanted = np.c_[parts[0][0].evaluate(POINTS).sum(axis=1), np.sin(POINTS[:, :1]) * [2.0, 3.0]]
    np.testing.assert_allclose(program.many(POINTS), wanted, rtol=1e-13)
