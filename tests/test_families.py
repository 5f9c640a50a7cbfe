"""Families of fields: as many as theory counts, made of their potentials, and known systems are members of their own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsym as dy
from dynsym import (
    Bivector,
    DataError,
    Metric,
    Monomials,
    ScalarFunction,
    Terms,
    Trajectory,
    VectorField,
    systems,
)
from dynsym.cli import main

ROTATION = Bivector(Monomials(3, 1, constant=False), [[0, 0, 1], [0, -1, 0], [1, 0, 0]])
GAMMA, TEMPERATURE = 0.3, 2.0
BATH = ("q", "p", "s")
DRAG = Metric(
    Terms(["1", "p", "p^2"], BATH), [[0] * 3] * 3 + [[TEMPERATURE, 0, 0], [0, -1, 0], [0, 0, 1 / TEMPERATURE]]
)
PLANE = [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def free(constraint):
    return constraint.size - constraint.rank


def noisy(field, start, sd, runs=6, m=80, seed=0):
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(runs):
        run = field.simulate(start(rng), np.linspace(0, 6, m))
        slopes = field.evaluate(run.x)
        out.append(
            Trajectory(run.t, run.x, field.names, dxdt=slopes + sd * rng.standard_normal(slopes.shape))
        )
    return out


# --- counting


@pytest.mark.parametrize(
    ("constraint", "count"),
    [
        # Canonical: one field for each monomial of H but 1.
        (lambda: dy.hamiltonian_fields(Monomials(2, 1)), 5),
        (lambda: dy.hamiltonian_fields(Monomials(2, 3)), 14),
        (lambda: dy.hamiltonian_fields(Monomials(4, 2)), 34),
        # Without constants in the dictionary no linear H is left.
        (lambda: dy.hamiltonian_fields(Monomials(2, 1, constant=False)), 3),
        # so(3): H of degree 2 but for 1 and the Casimir |x|^2.
        (lambda: dy.hamiltonian_fields(Monomials(3, 2), ROTATION), 8),
        # Linear gradients are the symmetric matrices.
        (lambda: dy.gradient_fields(Monomials(3, 1, constant=False)), 6),
        (lambda: dy.gradient_fields(Monomials(2, 2)), 9),
        # n + n^2 + n n (n + 1) / 2 - C(n + 2, 3).
        (lambda: dy.energy_preserving(Monomials(3, 2)), 3 + 9 + 8),
        (lambda: dy.energy_preserving(Monomials(4, 2)), 4 + 16 + 20),
        (lambda: dy.energy_preserving(Monomials(2, 3), degree=3), 2 * 10 - 5),
        # Linear parts without work are the antisymmetric matrices.
        (lambda: dy.energy_preserving(Monomials(3, 1, constant=False), degree=1), 3),
    ],
)
def test_families_are_as_large_as_theory_says(constraint, count):
    assert free(constraint()) == count


# --- twins


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["canonical", "linear", "gradient", "constant"]))
def test_members_are_made_of_their_potentials(seed, kind):
    rng = np.random.default_rng(seed)
    n = 4 if kind == "canonical" else 3
    d = Monomials(n, 2)
    raw = rng.standard_normal((n, n))
    M, J = raw @ raw.T, raw - raw.T
    family = {
        "canonical": lambda: dy.hamiltonian_fields(d),
        "linear": lambda: dy.hamiltonian_fields(d, ROTATION),
        "gradient": lambda: dy.gradient_fields(d, M),
        "constant": lambda: dy.hamiltonian_fields(d, J),
    }[kind]()
    c = family.project(rng.standard_normal((n, d.n_terms)))
    (h,) = family.potentials(c).values()
    x = rng.standard_normal((20, n))
    slope = h.gradient(x)
    wanted = {
        "canonical": lambda: np.hstack([slope[:, 2:], -slope[:, :2]]),
        "linear": lambda: np.cross(slope, x),
        "gradient": lambda: -slope @ M,
        "constant": lambda: slope @ J.T,
    }[kind]()
    np.testing.assert_allclose(VectorField(d, c).evaluate(x), wanted, atol=1e-9 * np.abs(wanted).max())
    outside = c + 0.1 * rng.standard_normal(c.shape)
    assert family.residual(outside) > 1e-4  # negative control
    with pytest.raises(DataError, match="miss the form"):
        family.potentials(outside)


def test_coefficients_and_points_give_the_same_family():
    names = ("x1", "x2")
    exact = dy.hamiltonian_fields(Monomials(2, 2, names))
    sampled = dy.hamiltonian_fields(
        Terms(Monomials(2, 2, names).terms, names), energies=Monomials(2, 3, names)
    )
    for one, other in ((exact, sampled), (sampled, exact)):
        member = one.project(np.random.default_rng(0).standard_normal((2, 6)))
        assert other.residual(member) < 1e-10


def test_quadratic_terms_do_no_work():
    rng = np.random.default_rng(0)
    raw = rng.standard_normal((3, 3))
    G = raw @ raw.T
    d = Monomials(3, 2)
    c = dy.energy_preserving(d, G).project(rng.standard_normal((3, d.n_terms)))
    x = rng.standard_normal((10, 3))
    quadratic = np.where(d.exponents.sum(axis=1) == 2, c, 0.0)
    work = np.einsum("mi,ij,mj->m", x, G, VectorField(d, quadratic).evaluate(x))
    assert np.abs(work).max() < 1e-10
    assert np.abs(c[:, 1:4]).max() > 0.1  # the others stay
    lorenz = systems.get("lorenz").field()
    assert dy.energy_preserving(lorenz.dictionary).residual(lorenz.coefficients) < 1e-12
    assert (
        dy.energy_preserving(lorenz.dictionary, np.diag([1.0, 2.0, 1.0])).residual(lorenz.coefficients) > 0.01
    )


# --- members


@pytest.mark.parametrize("name", ["oscillator_1d", "henon_heiles", "duffing", "kepler_2d", "pendulum"])
def test_hamiltonian_systems_are_members(name):
    system = systems.get(name)
    field = system.field()
    energies = system.invariants_dictionary
    own = energies if isinstance(energies, dy.Dictionary) else dy.parse_dictionary(energies, field.names)
    family = dy.hamiltonian_fields(field.dictionary, energies=own)
    assert family.residual(field.coefficients) < 1e-10
    H = family.potentials(field.coefficients)["H"]
    x = np.abs(np.random.default_rng(0).standard_normal((10, field.n_states))) + 0.5
    f, slope = field.evaluate(x), H.gradient(x)
    n = field.n_states // 2
    np.testing.assert_allclose(np.hstack([slope[:, n:], -slope[:, :n]]), f, atol=1e-8 * np.abs(f).max())


def test_the_rigid_body_is_a_member_of_its_bracket():
    field = systems.get("rigid_body").field()
    # In angular momenta it is Hamiltonian with the bracket of so(3); in rates with that bracket rescaled, which
    # `hamiltonian_structure` finds.
    found = dy.hamiltonian_structure(field, Monomials(3, 2, field.names))
    family = dy.hamiltonian_fields(field.dictionary, found.bracket, Monomials(3, 2, field.names))
    assert family.residual(field.coefficients) < 1e-8


@pytest.mark.parametrize("name", ["damped_oscillator", "van_der_pol", "lotka_volterra_2d"])
def test_others_are_not(name):
    field = systems.get(name).field()
    try:
        family = dy.hamiltonian_fields(field.dictionary, energies=Monomials(2, 4, field.names))
    except DataError:
        return  # nothing but 0 is Hamiltonian in so small a dictionary
    assert family.residual(field.coefficients) > 0.05


def heated():
    """A damped oscillator and the bath it heats: q' = p, p' = -q - gamma p, s' = gamma p^2 / T."""
    d = Monomials(3, 2, BATH)
    c = np.zeros((3, d.n_terms))
    c[0, d.terms.index("p")] = 1.0
    c[1, d.terms.index("q")], c[1, d.terms.index("p")] = -1.0, -GAMMA
    c[2, d.terms.index("p**2")] = GAMMA / TEMPERATURE
    return VectorField(d, c)


def bath_family(**more):
    d = Monomials(3, 2, BATH)
    return dy.metriplectic_fields(d, PLANE, DRAG, Monomials(3, 2, BATH), Monomials(3, 1, BATH), **more)


def test_a_damped_oscillator_with_its_bath_is_metriplectic():
    field, family = heated(), bath_family()
    assert family.residual(field.coefficients) < 1e-12
    found = family.potentials(field.coefficients)
    x = np.random.default_rng(1).standard_normal((30, 3))
    energy, entropy = (found[k].gradient(x) for k in ("H", "S"))
    f = field.evaluate(x)
    assert np.abs(np.sum(energy * f, axis=1)).max() < 1e-10  # H is kept
    assert (np.sum(entropy * f, axis=1) <= 1e-12).all()  # S falls
    assert np.sum(entropy * f, axis=1).min() < -0.01
    # Without the bath's own equation the energy is not kept, and no metriplectic field.
    leaking = field.coefficients.copy()
    leaking[2] = 0.0
    assert family.residual(leaking) > 0.05


def test_a_bracket_and_a_metric_of_full_rank_leave_nothing():
    # M grad H = 0 leaves H constant, J grad S = 0 leaves S constant.
    with pytest.raises(DataError, match="no field of the dictionary but 0"):
        dy.metriplectic_fields(Monomials(2, 1), None, np.eye(2))


# --- fits


def test_a_hamiltonian_fit_has_errors_and_verdicts():
    system = systems.get("henon_heiles")
    truth = system.field()
    runs = noisy(truth, lambda rng: 0.3 * rng.uniform(-1, 1, 4), 0.01)
    d = Monomials(4, 2, truth.names)
    family = dy.hamiltonian_fields(d)
    plain, model = dy.fit(runs, d), dy.fit(runs, d, constraints=[family])
    x = model.region.points
    wrong = [np.linalg.norm(m.field.evaluate(x) - truth.evaluate(x)) for m in (plain, model)]
    assert wrong[1] < 0.9 * wrong[0]
    assert 0 < np.median(model.standard_errors[model.standard_errors > 0]) < np.median(plain.standard_errors)
    H, errors = family.potentials(model)["H"], family.errors(model)["H"]
    wanted = ScalarFunction(H.dictionary, _hamiltonian_of(H.dictionary))
    z = (H.coefficients - wanted.coefficients)[1:] / errors[1:]
    assert 0.5 < np.sqrt(np.mean(z**2)) < 1.6
    found = dy.conserved_quantities(model, Monomials(4, 3, truth.names))
    assert any(law.verdict.status == "certified" for law in found.findings)


def _hamiltonian_of(dictionary):
    c = np.zeros(dictionary.n_terms)
    for term, value in {
        "x**2": 0.5,
        "y**2": 0.5,
        "vx**2": 0.5,
        "vy**2": 0.5,
        "x**2*y": 1.0,
        "y**3": -1 / 3,
    }.items():
        c[dictionary.terms.index(term)] = value
    return c


def test_errors_of_the_energy_are_those_of_redrawn_data():
    truth = systems.get("oscillator_1d").field()
    d = Monomials(2, 1, truth.names)
    family = dy.hamiltonian_fields(d)
    draws, said = [], []
    for seed in range(40):
        runs = noisy(truth, lambda rng: np.array([1.0, 0.5]), 0.1, runs=4, m=40, seed=seed)
        model = dy.fit(runs, d, constraints=[family])
        draws.append(family.potentials(model)["H"].coefficients)
        said.append(family.errors(model)["H"])
    spread, mean = np.std(draws, axis=0)[1:], np.mean(said, axis=0)[1:]
    # The design effect is the larger of several estimates, and never below 1: errors err on the safe side.
    assert (mean > 0.75 * spread).all()
    assert (mean < 2.0 * spread).all()


def test_friction_forced_into_a_hamiltonian_form_certifies_nothing():
    truth = systems.get("damped_oscillator").field()
    runs = noisy(truth, lambda rng: rng.uniform(-1, 1, 2), 0.02)
    d = Monomials(2, 1, truth.names)
    model = dy.fit(runs, d, constraints=[dy.hamiltonian_fields(d)])
    found = dy.conserved_quantities(model, Monomials(2, 2, truth.names))
    assert not found.functions


def test_a_metriplectic_fit_keeps_the_energy_and_loses_the_entropy():
    truth, family = heated(), bath_family()
    runs = noisy(truth, lambda rng: rng.uniform(-1, 1, 3), 0.05)
    model = dy.fit(runs, truth.dictionary, constraints=[family])
    found = family.potentials(model)
    run = model.field.simulate([1.0, 0.0, 0.0], np.linspace(0, 20, 200))
    energy, entropy = found["H"].evaluate(run.x), found["S"].evaluate(run.x)
    assert np.ptp(energy) < 1e-6 * np.ptp(run.x[:, 0])
    assert (np.diff(entropy) <= 1e-8).all()


def test_families_join_with_other_constraints():
    d = Monomials(2, 3)
    both = dy.hamiltonian_fields(d) & dy.equivariant_to(dy.generators.rotations(2), d)
    assert free(both) == 2  # H of r^2 and r^4
    assert type(both) is dy.optim.LinearConstraint


# --- doors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dy.hamiltonian_fields(Monomials(3, 1)), "3 cannot be paired"),
        (lambda: dy.hamiltonian_fields(Monomials(2, 1), np.eye(2)), "antisymmetric"),
        (lambda: dy.hamiltonian_fields(Monomials(2, 1), np.eye(3)), "shape"),
        (lambda: dy.hamiltonian_fields(Monomials(2, 1), np.zeros((2, 2))), "zero"),
        (lambda: dy.hamiltonian_fields(Monomials(2, 1), ROTATION), "over"),
        (
            lambda: dy.hamiltonian_fields(
                Monomials(3, 2),
                Bivector(Monomials(3, 1, constant=False), [[0, 0, 1], [1, 0, 0], [1, 0, 0]]),
            ),
            "Jacobi",
        ),
        (lambda: dy.hamiltonian_fields(Terms(["x", "v"], ("x", "v"))), "no default functions"),
        (
            lambda: dy.hamiltonian_fields(Terms(["x*v"], ("x", "v")), energies=Monomials(2, 2, ("x", "v"))),
            "no field of the dictionary but 0",
        ),
        (lambda: dy.gradient_fields(Monomials(2, 1), -np.eye(2)), "positive semidefinite"),
        (lambda: dy.gradient_fields(Monomials(2, 1), [[1, 2], [0, 1]]), "symmetric"),
        (lambda: dy.energy_preserving(Monomials(2, 1)), "no monomial of degree 2"),
        (lambda: dy.energy_preserving(Terms(["x"], ("x",))), "Monomials"),
        (lambda: dy.energy_preserving(Monomials(2, 2), [[1, 2], [0, 1]]), "symmetric"),
    ],
)
def test_what_makes_no_family_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


def test_a_family_says_what_it_is():
    family = dy.hamiltonian_fields(Monomials(2, 1))
    assert str(family) == "f = J grad H: 5 of 6 coefficients free; H of 6 functions"
    assert family._repr_html_().startswith("<pre>")


# --- command line


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    place = tmp_path_factory.mktemp("data")
    for name in ("oscillator_1d", "damped_oscillator"):
        runs = systems.get(name).runs(6, 80, noise=0.002)
        rows = ["run,t," + ",".join(runs[0].names)]
        for k, run in enumerate(runs):
            rows += [f"{k},{t:.5f},{a:.6f},{b:.6f}" for t, (a, b) in zip(run.t, run.x)]
        (place / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return place


def words(table, name, *more):
    file = str(table / f"{name}.csv")
    return ["fit", file, "--run", "run", "--time", "t", "--dictionary", "poly(1)", *more]


def test_the_command_holds_a_law(table, capsys):
    assert main(words(table, "oscillator_1d", "--conserve", "x^2 + v^2", "--json", "-")) == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out, parse_constant=pytest.fail)
    c = np.array(record["model"]["coefficients"])
    assert c[0, 2] == pytest.approx(-c[1, 1], rel=1e-12)
    assert record["free_coefficients"] == 1
    assert record["conserved"][0]["verdict"] == "certified"
    assert record["hamiltonian"] is None
    assert "1 of 6 coefficients are free" in captured.err


def test_the_command_reads_the_energy(table, capsys):
    assert main(words(table, "oscillator_1d", "--hamiltonian", "--json", "-")) == 0
    energy = json.loads(capsys.readouterr().out)["hamiltonian"]
    found = dict(zip(energy["terms"], energy["coefficients"]))
    error = dict(zip(energy["terms"], energy["standard_errors"]))
    assert abs(found["x**2"] - 0.5) < max(5 * error["x**2"], 0.01)


def test_the_command_says_that_a_forced_law_is_refuted(table, capsys):
    assert main(words(table, "damped_oscillator", "--conserve", "x^2 + y^2")) == 0
    said = capsys.readouterr().out
    assert "refuted by the free fit" in said


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--energies", "poly(2)"), "needs --hamiltonian"),
        (("--conserve", "x^2 + w"), "w"),
        (("--hamiltonian", "--energies", "poly(0)"), "no field of the dictionary but 0"),
    ],
)
def test_bad_words_of_fit_give_one_line(table, capsys, more, message):
    assert main(words(table, "oscillator_1d", *more)) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
