"""Hamiltonian structures: brackets, Hamiltonians, Casimirs, Noether's pairing; and systems that have none."""

from __future__ import annotations

import matplotlib.figure
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsym as dy
from dynsym._checks import DataError
from dynsym.analysis_json import plain
from dynsym.findings._energy import casimirs_of
from dynsym.inner_product import generic_region
from dynsym.sections import Bivector

ANGULAR = {"names": ("L1", "L2", "L3")}
TODA = ("q1", "q2", "q3", "p1", "p2", "p3")


def structure(name, energy=None):
    system = dy.systems.get(name)
    terms = dy.parse_dictionary(energy or system.invariants_dictionary, system.states)
    return dy.hamiltonian_structure(system.field(), terms)


def noisy(name, noise=0.01, n_runs=16, seed=0):
    system = dy.systems.get(name)
    runs = system.runs(n_runs, 500, noise=noise, seed=seed)
    return dy.fit(runs, dy.parse_dictionary(system.dictionary, system.states), penalty=dy.Stepwise())


def holds(found, system_field):
    """f = J grad H at generic points, with the shown formulas, by SymPy: the slow twin."""
    x = sp.symbols(found.names, real=True)
    slope = sp.Matrix([sp.diff(found.hamiltonian.to_sympy(), s) for s in x])
    value = sp.lambdify(x, list(found.bracket.to_sympy() * slope))
    points = np.abs(generic_region(system_field.dictionary).points[:20])
    mine = np.array([value(*p) for p in points], dtype=float)
    np.testing.assert_allclose(mine, system_field.evaluate(points), rtol=1e-8, atol=1e-8)


def toda():
    terms = dy.parse_dictionary("poly(1) + terms(exp(q1-q2), exp(q2-q3))", TODA)
    right = ["p1", "p2", "p3", "-exp(q1 - q2)", "exp(q1 - q2) - exp(q2 - q3)", "exp(q2 - q3)"]
    exact = dy.systems.coefficients_in(
        [dy.dictionary.parse_expression(r, TODA) for r in right], terms.symbolic()
    )
    return dy.VectorField(terms, np.array([[float(c) for c in row] for row in exact]))


def spin():
    """The free rigid body in angular momenta, moments 1, 2, 3."""
    terms = dy.Monomials(3, 2, **ANGULAR)
    place = {t: i for i, t in enumerate(terms.terms)}
    c = np.zeros((3, terms.n_terms))
    c[0, place["L2*L3"]], c[1, place["L1*L3"]], c[2, place["L1*L2"]] = -1 / 6, 2 / 3, -1 / 2
    return dy.VectorField(terms, c)


@pytest.mark.parametrize(
    ("name", "energy", "pairs"),
    [
        ("henon_heiles", None, (("x", "vx"), ("y", "vy"))),
        ("kepler_2d", None, (("x", "vx"), ("y", "vy"))),
        ("duffing", "poly(4)", (("x", "v"),)),
        ("pendulum", None, (("th", "w"),)),
        ("isotropic_oscillator_2d", "poly(2)", (("x", "vx"), ("y", "vy"))),
        ("coupled_springs", "poly(2)", (("q1", "v1"), ("q2", "v2"), ("q3", "v3"))),
    ],
)
def test_canonical_form_is_recovered_from_the_field(name, energy, pairs):
    found = structure(name, energy)
    assert found.certified
    assert found.is_canonical
    assert tuple(p[:2] for p in found.pairs) == pairs
    assert found.casimirs == ()
    assert found.jacobi == 0
    holds(found, dy.systems.get(name).field())


def test_the_toda_chain_in_canonical_coordinates():
    found = dy.hamiltonian_structure(
        toda(), dy.parse_dictionary("poly(2) + terms(exp(q1-q2), exp(q2-q3))", TODA)
    )
    assert found.is_canonical
    assert [p[:2] for p in found.pairs] == [("q1", "p1"), ("q2", "p2"), ("q3", "p3")]
    q1, q2, q3, p1, p2, p3 = sp.symbols(TODA, real=True)
    wanted = (p1**2 + p2**2 + p3**2) / 2 + sp.exp(q1 - q2) + sp.exp(q2 - q3)
    assert sp.simplify(sp.nsimplify(found.hamiltonian.to_sympy()) - wanted) == 0


def test_the_toda_chain_in_flaschka_variables_has_a_linear_bracket_with_a_casimir():
    found = structure("toda_3")
    assert found.family == "linear"
    assert found.rank == 4
    assert [str(c) for c in found.casimirs] == ["b1 + b2 + b3"]
    holds(found, dy.systems.get("toda_3").field())


def test_the_rigid_body_has_the_lie_poisson_bracket_of_so3_and_the_casimir_of_its_length():
    found = dy.hamiltonian_structure(spin(), dy.Monomials(3, 2, **ANGULAR))
    assert found.certified
    assert found.algebra == "so(3)"
    assert found.rank == 2
    assert [str(c) for c in found.casimirs] == ["L1**2 + L2**2 + L3**2"]
    assert set(found.bracket.expressions().values()) <= {"L1", "-L1", "L2", "-L2", "L3", "-L3"}
    assert len(found.space) == 2  # bi-Hamiltonian, and said so
    assert any("2 independent linear brackets" in w for w in found.warnings)
    holds(found, spin())
    casimir = found.casimirs[0]
    zero = [g for g in found.generated if g.field == "0"]
    assert all(str(g.function) == str(casimir) for g in zero)


def test_the_heavy_top_has_the_bracket_of_se3_and_two_casimirs():
    found = structure("lagrange_top")
    assert found.algebra == "se(3)"
    assert found.rank == 4
    assert len(found.casimirs) == 2
    assert [p.function is not None for p in found.noether] == [True]
    holds(found, dy.systems.get("lagrange_top").field())


def test_lotka_volterra_has_its_log_canonical_bracket():
    found = structure("lotka_volterra_2d")
    assert found.family == "log-canonical"
    assert not found.is_canonical
    assert found.pairs == ()
    assert str(found.hamiltonian) == "x + y - log(x) - log(y)"
    assert found.bracket.expressions() == {"{x, y}": "-x*y"}
    holds(found, dy.systems.get("lotka_volterra_2d").field())


def test_noether_pairs_rotations_with_angular_momentum_and_scalings_with_nothing():
    system = dy.systems.get("kepler_2d")
    field = system.field()
    terms = dy.parse_dictionary(system.invariants_dictionary, system.states)
    family = dy.generators.with_time_scaling(dy.generators.affine(4, system.states))
    symmetries = dy.symmetries(field, family)
    found = dy.hamiltonian_structure(field, terms, symmetries=symmetries)
    by_text = {p.symmetry: p for p in found.noether}
    assert len(by_text) == 2
    rotation = next(p for text, p in by_text.items() if "d/dt" not in text)
    scaling = next(p for text, p in by_text.items() if "d/dt" in text)
    assert set(
        rotation.function.dictionary.terms[i] for i in np.flatnonzero(rotation.function.coefficients)
    ) == {
        "vy*x",
        "vx*y",
    }
    assert rotation.defect < 1e-10
    assert scaling.function is None
    assert "changes time" in scaling.reason


def test_symmetries_that_change_the_bracket_are_said_to():
    found = structure("isotropic_oscillator_2d", "poly(2)")
    reasons = [p.reason for p in found.noether if p.function is None]
    assert len(found.noether) == 8
    assert len(reasons) == 6
    assert all("changes the bracket" in r for r in reasons)


@pytest.mark.parametrize(
    ("name", "energy"),
    [
        ("lorenz", "poly(3)"),
        ("van_der_pol", "poly(4)"),
        ("damped_oscillator", "poly(4)"),
        ("damped_duffing", "poly(4)"),
        ("hopf", "poly(4)"),
        ("rossler", "poly(3)"),
        ("selkov", "poly(3) + terms(log(x), log(y))"),
    ],
)
def test_systems_without_a_structure_in_the_dictionary_get_none(name, energy):
    found = structure(name, energy)
    assert found.bracket is None
    assert not found.certified
    assert found.verdict.status == "refuted"
    assert found.to_json() is None


@pytest.mark.parametrize("name", ["van_der_pol", "damped_duffing", "lorenz"])
def test_noisy_controls_get_none(name):
    model = noisy(name)
    found = dy.hamiltonian_structure(model, dy.Monomials(model.field.n_states, 3, names=model.field.names))
    assert not found.certified


def test_weak_friction_is_refuted_by_good_data_and_undecided_by_poor_data():
    terms = dy.Monomials(2, 3, names=("x", "v"))
    c = np.zeros((2, terms.n_terms))
    place = {t: i for i, t in enumerate(terms.terms)}
    c[0, place["v"]] = 1.0
    c[1, [place["x"], place["x**3"], place["v"]]] = 1.0, -1.0, -0.02
    field, rng = dy.VectorField(terms, c), np.random.default_rng(0)
    t = np.linspace(0, 10, 400)
    clean = [field.simulate(rng.uniform(-1.5, 1.5, 2), t).x for _ in range(12)]

    def found(noise, count):
        runs = [
            dy.Trajectory(t, x + noise * rng.standard_normal(x.shape), names=("x", "v"))
            for x in clean[:count]
        ]
        return dy.hamiltonian_structure(dy.fit(runs, terms), dy.Monomials(2, 4, names=("x", "v")))

    assert found(0.002, 12).verdict.status == "refuted"
    assert found(0.2, 3).verdict.status != "certified"


def test_one_orbit_certifies_nothing():
    model = noisy("henon_heiles", n_runs=1)
    found = dy.hamiltonian_structure(model, dy.Monomials(4, 3, names=model.field.names))
    assert not found.certified


@pytest.mark.slow
@pytest.mark.parametrize("name", ["henon_heiles", "kepler_2d", "rigid_body", "toda_3", "lotka_volterra_2d"])
def test_structures_are_certified_at_one_percent_noise(name):
    system, model = dy.systems.get(name), noisy(name)
    terms = dy.parse_dictionary(system.invariants_dictionary, system.states)
    found, exact = dy.hamiltonian_structure(model, terms), structure(name)
    assert found.certified
    assert (found.family, found.rank, found.algebra) == (exact.family, exact.rank, exact.algebra)
    assert found.pairs == exact.pairs
    assert found.verdict.upper < 0.01


@pytest.mark.parametrize("name", ["lotka_volterra_2d", "rigid_body"])
def test_a_third_of_noise_leaves_the_structure_undecided(name):
    system, model = dy.systems.get(name), noisy(name, noise=0.3)
    terms = dy.parse_dictionary(system.invariants_dictionary, system.states)
    found = dy.hamiltonian_structure(model, terms)
    assert found.verdict.status == "undecided"
    assert found.bracket is None


@given(seed=st.integers(0, 500))
@settings(max_examples=12, derandomize=True, deadline=None)
def test_random_hamiltonian_fields_are_recovered_in_any_scaling_of_the_states(seed):
    """f = J grad H with random quartic H over two pairs, in units that differ: the bracket and f = J grad H come back."""
    rng = np.random.default_rng(seed)
    terms = dy.Monomials(4, 3, names=("q1", "q2", "p1", "p2"))
    energy = dy.Monomials(4, 4, names=terms.names)
    x = sp.symbols(terms.names, real=True)
    h = sum(int(v) * e for v, e in zip(rng.integers(-3, 4, energy.n_terms), energy.symbolic()))
    scale = [sp.Integer(2) ** int(k) for k in rng.integers(-3, 4, 4)]
    y = dict(zip(x, [s / k for s, k in zip(x, scale)]))
    slope = [sp.diff(h, s).xreplace(y) for s in x]
    right = [scale[0] * slope[2], scale[1] * slope[3], -scale[2] * slope[0], -scale[3] * slope[1]]
    exact = dy.systems.coefficients_in([sp.expand(r) for r in right], terms.symbolic())
    field = dy.VectorField(terms, np.array([[float(c) for c in row] for row in exact]))
    laws = dy.conserved_quantities(field, dy.Monomials(4, 1, names=terms.names))
    found = dy.hamiltonian_structure(field, energy, laws=laws)
    assert found.certified
    assert found.family == "constant"
    assert found.rank == 4
    assert {frozenset(p[:2]) for p in found.pairs} == {frozenset(("q1", "p1")), frozenset(("q2", "p2"))}


def test_casimirs_of_a_given_bracket():
    linear = dy.Monomials(3, 1, constant=False)
    bracket = Bivector(linear, [[0, 0, 1], [0, -1, 0], [1, 0, 0]])
    found = casimirs_of(bracket, dy.Monomials(3, 4), generic_region(dy.Monomials(3, 4)), 2, 0.0)
    assert [str(c) for c in found] == ["x1**2 + x2**2 + x3**2"]


def test_the_record_is_plain_and_the_result_draws_and_prints_itself():
    found = structure("kepler_2d")
    record = found.to_json()
    assert plain(record) == record
    assert record["canonical"]
    assert record["pairs"][0] == {"q": "x", "p": "vx", "bracket": 1.0}
    assert sp.sympify(record["expression"].replace("vx", "a")) is not None
    assert "f = J grad H" in str(found)
    assert found._repr_html_().startswith("<pre>")
    assert isinstance(found.plot(), matplotlib.figure.Figure)
    assert isinstance(structure("lorenz", "poly(2)").plot(), matplotlib.figure.Figure)


def test_other_states_are_refused():
    with pytest.raises(DataError, match="the dictionary is over"):
        dy.hamiltonian_structure(dy.systems.get("duffing").field(), dy.Monomials(2, 2, names=("a", "b")))


def test_analyze_reports_a_certified_structure():
    done = dy.analyze(dy.systems.get("duffing").runs(12, 300, noise=0.005))
    assert done.hamiltonian is not None
    assert done.hamiltonian.is_canonical
    record = done.to_json()["hamiltonian"]
    assert record["verdict"] == "certified"
    assert record["canonical"]
    assert "Hamiltonian structure (canonical bracket" in str(done)
    assert dy.analyze(dy.systems.get("van_der_pol").runs(8, 200, noise=0.01)).to_json()["hamiltonian"] is None


def test_the_spherical_pendulum_has_a_symplectic_form_in_velocities_and_its_energy_comes_from_it():
    """The bracket in velocities holds 1 / sin(th)^2; the two-form is polynomial in sines and cosines."""
    system = dy.systems.get("spherical_pendulum")
    field = system.field()
    terms = dy.Terms(["1", "sin(th)**2", "sin(th)*cos(th)*wph", "cos(th)"], system.states)
    forms = dy.invariant_tensors(field, "two-form", terms)
    assert [(f.rank, f.closure < 1e-6) for f in forms.findings] == [(4, True)]
    energies = dy.Terms(["wth**2", "wph**2", "sin(th)**2*wph**2", "cos(th)", "sin(th)**2*wph"], system.states)
    found = dy.hamiltonian_of(field, forms.sections[0], energies)
    assert found.verdict.status == "certified"
    th, _, a, b = sp.symbols(system.states, real=True)
    energy = (a**2 + sp.sin(th) ** 2 * b**2) / 2 - sp.cos(th)
    assert sp.simplify(sp.nsimplify(found.function.to_sympy()) ** 2 - energy**2) == 0


def test_forms_that_are_not_closed_or_not_kept_give_no_hamiltonian():
    field = dy.systems.get("henon_heiles").field()
    constant, linear = dy.Monomials(4, 0, names=field.names), dy.Monomials(4, 1, names=field.names)
    other = dy.TwoForm(constant, [[1.0], [0], [0], [0], [0], [1.0]])  # dx^dy + dvx^dvy
    assert dy.hamiltonian_of(field, other, dy.Monomials(4, 3, names=field.names)).verdict.status == "refuted"
    c = np.zeros((6, 5))
    c[0, 3] = 1.0  # vx dx^dy
    with pytest.raises(DataError, match="must be closed"):
        dy.hamiltonian_of(field, dy.TwoForm(linear, c), dy.Monomials(4, 3, names=field.names))


def test_the_hamiltonian_of_a_two_form_agrees_with_that_of_the_inverse_bracket():
    field = dy.systems.get("henon_heiles").field()
    terms = dy.Monomials(4, 3, names=field.names)
    form = dy.invariant_tensors(field, "two-form", dy.Monomials(4, 0)).sections[0]
    found, other = dy.hamiltonian_of(field, form, terms), dy.hamiltonian_structure(field, terms)
    np.testing.assert_allclose(found.function.coefficients, other.hamiltonian.coefficients, atol=1e-12)
    assert "symplectic" in str(found)
