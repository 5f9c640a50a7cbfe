"""Discrete symmetries: the exact list on exact fields, certified from noisy data, never invented."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import dynsym as dy
from dynsym import DataError, maps, systems
from dynsym.certify import CERTIFIED, REFUTED, UNDECIDED
from dynsym.findings._coverage import Coverage
from dynsym.maps import closed_region


def fitted(system, degree, runs=8, samples=200, noise=0.01, **kwargs):
    d = dy.Monomials(len(system.states), degree, names=system.states)
    return dy.fit(system.runs(runs, samples, noise=noise, **kwargs), d, penalty=dy.Stepwise())


def exact_symmetries(field):
    """The slow twin: all signed permutations with f(g x) = s A f(x), by substitution in exact formulas."""
    x = sp.Matrix([sp.Symbol(name, real=True) for name in field.names])
    f = sp.Matrix([sp.nsimplify(e, rational=True) for e in field.to_sympy()])
    out = []
    for g in maps.signed_permutations(field.names):
        a = sp.Matrix(g.matrix.astype(int).tolist())
        image = f.subs(dict(zip(x, a * x)), simultaneous=True)
        if all(sp.expand(e) == 0 for e in image - int(g.sign) * a * f):
            out.append(g.expression)
    return sorted(out)


POLYNOMIAL = (
    *("duffing", "damped_oscillator", "hopf", "lorenz", "rossler", "van_der_pol", "damped_duffing"),
    *("rigid_body", "lotka_volterra_2d", "lotka_volterra_3d", "selkov", "brusselator", "sir"),
)


@pytest.mark.parametrize("name", POLYNOMIAL)
def test_exact_fields_have_exactly_the_maps_that_substitution_finds(name):
    field = systems.get(name).field()
    found = dy.discrete_symmetries(field)
    assert sorted(f.expression for f in found.findings if f.verdict.status == CERTIFIED) == exact_symmetries(
        field
    )
    assert found.group is not None
    assert len(found.group) == len(found.maps) + 1


def test_an_invariant_of_four_states_is_found_completely():
    field = systems.get("isotropic_oscillator_2d").field()
    found = dy.discrete_symmetries(field)
    assert found.group is not None
    assert (
        len(found.group) == 64
    )  # each oscillator: quarter turns and time-reversing flips, one direction of time; swap


NOISY = [
    ("lorenz", 2, "Z2", ["(x, y, z) -> (-x, -y, z)"]),
    (
        "duffing",
        3,
        "Z2 x Z2",
        ["(x, v) -> (-x, -v)", "(x, v) -> (x, -v), t -> -t", "(x, v) -> (-x, v), t -> -t"],
    ),
    ("damped_duffing", 3, "Z2", ["(x, v) -> (-x, -v)"]),
    ("van_der_pol", 3, "Z2", ["(x, v) -> (-x, -v)"]),
    ("rossler", 2, "trivial", []),
    ("hopf", 3, "Z4", ["(x, y) -> (-x, -y)", "(x, y) -> (y, -x)", "(x, y) -> (-y, x)"]),
]


@pytest.mark.parametrize(("name", "degree", "group", "listed"), NOISY)
def test_certified_from_noisy_data_with_no_map_too_many(name, degree, group, listed):
    found = dy.discrete_symmetries(fitted(systems.get(name), degree))
    assert [f.expression for f in found.findings if f.verdict.status == CERTIFIED] == listed
    assert found.name == group
    assert all(f.verdict.upper <= 0.05 for f in found.findings if f.verdict.status == CERTIFIED)


def test_henon_heiles_turns_by_a_third_and_runs_backwards():
    system = systems.get("henon_heiles")
    model = fitted(system, 2, runs=16, samples=300, noise=0.005)
    s = system.states
    third, fourth = (maps.rotation([s[:2], s[2:]], s, order=k) for k in (3, 4))
    mirror = maps.reflection((s[0], s[2]), s)
    back = maps.time_reversal(s[2:], s)
    found = dy.discrete_symmetries(model, [third, mirror, back, fourth, maps.parity(s)])
    assert [f.map for f in found.findings if f.verdict.status == CERTIFIED] == [third, mirror, back]
    assert {f.map for f in found.findings if f.verdict.status == REFUTED} == {fourth, maps.parity(s)} or all(
        f.verdict.status == REFUTED for f in found.findings[3:]
    )
    assert found.name == "D6"  # D3 of space times the reversal of time


def test_cyclic_competition_has_z3():
    # x_i' = x_i (1 - x_i - a x_(i+1) - b x_(i+2)), May and Leonard; a differs from b.
    names = ("x", "y", "z")
    d = dy.Monomials(3, 2, names=names)
    place = {t: k for k, t in enumerate(d.terms)}
    c = np.zeros((3, 10))
    for i in range(3):
        c[i, place[names[i]]] = 1.0
        for shift, rate in ((0, -1.0), (1, -0.8), (2, -1.3)):
            c[i, place[str(sp.Symbol(names[i]) * sp.Symbol(names[(i + shift) % 3]))]] += rate
    field = dy.VectorField(d, c)
    rng = np.random.default_rng(0)
    runs = []
    for x0 in rng.uniform(0.1, 1.0, (12, 3)):
        t = np.linspace(0, 12, 200)
        x = field.simulate(x0, t).x
        runs.append(dy.Trajectory(t, x + 0.003 * rng.standard_normal(x.shape), names=names))
    found = dy.discrete_symmetries(dy.fit(runs, d, penalty=dy.Stepwise()))
    assert found.name == "Z3"
    assert {f.expression for f in found.findings if f.verdict.status == CERTIFIED} == {
        "(x, y, z) -> (y, z, x)",
        "(x, y, z) -> (z, x, y)",
    }


def test_unequal_predator_and_prey_have_none():
    names = ("x", "y")
    d = dy.Monomials(2, 2, names=names)
    c = np.zeros((2, 6))
    c[0, [1, 4]], c[1, [2, 4]] = [1.0, -0.5], [-0.7, 0.3]
    field = dy.VectorField(d, c)
    rng = np.random.default_rng(0)
    runs = []
    for x0 in rng.uniform(0.5, 3.0, (8, 2)):
        t = np.linspace(0, 15, 200)
        x = field.simulate(x0, t).x
        runs.append(dy.Trajectory(t, x + 0.01 * rng.standard_normal(x.shape), names=names))
    found = dy.discrete_symmetries(dy.fit(runs, d, penalty=dy.Stepwise()))
    assert found.maps == ()


def test_friction_is_seen_as_broken_reversibility():
    system = systems.get("damped_duffing")
    found = dy.discrete_symmetries(fitted(system, 3), maps.time_reversal("v", system.states))
    assert found.findings[0].verdict.status == REFUTED
    assert found.findings[0].verdict.lower > 0


def test_the_pendulum_swings_both_ways_and_back():
    d = dy.Terms(["v", "sin(th)", "cos(th)", "1"], ("th", "v"))
    field = dy.VectorField(d, [[1, 0, 0, 0], [0, -1, 0, 0]])
    rng = np.random.default_rng(1)
    t = np.linspace(0, 10, 200)
    runs = []
    for start in rng.uniform(-1.2, 1.2, (8, 2)):
        x = field.simulate(start, t).x
        runs.append(dy.Trajectory(t, x + 0.005 * rng.standard_normal(x.shape), names=("th", "v")))
    found = dy.discrete_symmetries(dy.fit(runs, d, penalty=dy.Stepwise()))
    assert found.name == "Z2 x Z2"


# ------------------------------------------------------------------ what must not be claimed


def test_one_well_says_nothing_about_the_other():
    # Runs that stay near x = 1 fix the cubic within their noise, yet nobody has been at x = -1.
    field = systems.get("duffing").field()
    t = np.linspace(0, 12, 300)
    rng = np.random.default_rng(0)
    runs = []
    for amplitude in np.linspace(0.05, 0.3, 8):
        x = field.simulate([1 + amplitude, 0.0], t).x
        runs.append(dy.Trajectory(t, x + 1e-5 * rng.standard_normal(x.shape), names=("x", "v")))
    model = dy.fit(runs, dy.Monomials(2, 3, names=("x", "v")), penalty=dy.Stepwise())
    assert abs(model.coefficients[1, 6] + 1) < 0.05  # the model itself is right
    found = dy.discrete_symmetries(model, [maps.parity(("x", "v")), maps.time_reversal("v", ("x", "v"))])
    by_label = {f.label: f.verdict for f in found.findings}
    assert by_label["parity"].status == UNDECIDED
    assert "do not cover" in by_label["parity"].reason
    assert by_label["time reversal"].status == CERTIFIED
    assert "(x, v) -> (-x, -v)" not in [f.expression for f in dy.discrete_symmetries(model).findings[:1]]


def test_coverage_is_one_for_a_symmetric_cloud_and_grows_with_distance():
    x = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    see = Coverage.of(np.vstack([x, -x]))
    assert see.factor(-x) < 4
    factors = [see.factor(x + shift) for shift in (0.5, 1.0, 2.0, 4.0)]
    assert factors == sorted(factors)
    assert factors[-1] > 1e3


@pytest.mark.parametrize("breaking", [0.15, 0.3, 1.0])
def test_a_broken_parity_is_never_certified(breaking):
    # x' = v, v' = x - x^3 + e x^2: the share of the even term is above delta.
    d = dy.Monomials(2, 3, names=("x", "v"))
    c = np.zeros((2, 10))
    c[0, 2], c[1, 1], c[1, 6], c[1, 3] = 1.0, 1.0, -1.0, breaking
    field = dy.VectorField(d, c)
    region = dy.inner_product.region_around(systems.get("duffing").runs(8, 100))
    exact = dy.discrete_symmetries(field, maps.parity(("x", "v")), region=region).findings[0].verdict
    assert exact.status == REFUTED
    assert exact.defect > 0.05
    for seed in range(3):
        rng = np.random.default_rng(seed)
        t = np.linspace(0, 10, 150)
        runs = []
        for start in rng.uniform(-1.3, 1.3, (6, 2)):
            x = field.simulate(start, t).x
            runs.append(dy.Trajectory(t, x + 0.02 * rng.standard_normal(x.shape), names=("x", "v")))
        model = dy.fit(runs, d, penalty=dy.Stepwise())
        assert dy.discrete_symmetries(model, maps.parity(("x", "v"))).findings[0].verdict.status != CERTIFIED


def random_field(seed, n, degree):
    rng = np.random.default_rng(seed)
    d = dy.Monomials(n, degree)
    c = rng.standard_normal((n, d.n_terms))
    c *= rng.random(c.shape) < 0.6
    for i in range(n):  # pulled back from far out, so that runs stay bounded
        c[i, i + 1] -= 1.0
    return dy.VectorField(d, c)


@pytest.mark.parametrize("seed", range(24))
def test_random_fields_have_no_discrete_symmetry(seed):
    n = 2 + seed % 3
    field = random_field(seed, n, 2)
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 0.8, 60)
    runs = []
    for start in rng.uniform(-0.7, 0.7, (12, n)):
        try:
            x = field.simulate(start, t).x
        except (DataError, dy.ConvergenceError):
            continue
        if np.abs(x).max() < 5:
            runs.append(dy.Trajectory(t, x + 0.01 * rng.standard_normal(x.shape)))
    model = dy.fit(runs, dy.Monomials(n, 2), penalty=dy.Stepwise())
    found = dy.discrete_symmetries(model)
    region = model.region
    for g in found.maps:
        truth = dy.discrete_symmetries(field, g, region=region).findings[0].verdict
        assert truth.defect <= 0.05  # nothing certified that is broken by more than delta


def test_states_and_maps_that_do_not_match_are_refused():
    field = systems.get("lorenz").field()
    with pytest.raises(DataError, match="the map acts on"):
        dy.discrete_symmetries(field, maps.parity(("a", "b", "c")))
    with pytest.raises(DataError, match="no map"):
        dy.discrete_symmetries(field, [])
    assert dy.discrete_symmetries(field, maps.parity(3)).findings[0].verdict.status == REFUTED


def test_the_closed_region_is_closed():
    region = dy.inner_product.region_around(systems.get("duffing").runs(4, 100), n_points=50)
    group = maps.group_of(maps.rotation(("x", "v"), order=4)).elements
    around = closed_region(region, group)
    there = maps.rotation(("x", "v"), order=4)(around.points)
    order = np.lexsort(np.round(around.points, 9).T), np.lexsort(np.round(there, 9).T)
    assert np.allclose(around.points[order[0]], there[order[1]])
    assert around.scale[0] == pytest.approx(around.scale[1])


def test_many_states_are_searched_for_flips_alone():
    n = 8
    c = np.zeros((n, n + 1))
    c[np.arange(n), np.arange(n) + 1] = -np.arange(1.0, n + 1)
    found = dy.discrete_symmetries(dy.VectorField(dy.Monomials(n, 1), c))
    assert any("only sign flips" in w for w in found.warnings)
    assert len(found.maps) >= 32


def test_results_print_and_draw():
    found = dy.discrete_symmetries(systems.get("lorenz").field())
    assert "group: Z2" in str(found)
    assert found._repr_html_().startswith("<pre>1 certified map")
    assert found.plot().axes


def test_the_analysis_lists_them():
    done = dy.analyze(systems.get("damped_duffing").runs(6, 150, noise=0.01))
    record = done.to_json()
    assert record["discrete_group"] == {"name": "Z2", "order": 2}
    first = record["discrete_symmetries"][0]
    assert first["expression"] == "(x, v) -> (-x, -v)"
    assert first["verdict"] == "certified"
    assert first["matrix"] == [[-1.0, 0.0], [0.0, -1.0]]
    assert "group: Z2" in str(done)
