"""Verdicts: bounds that solve their equations, error levels by Monte Carlo, nothing certified unseen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg as sla

import dynsym as dy
from dynsym import DataError, Monomials, Trajectory, VectorField, generators, systems
from dynsym.certify import SubspaceBound, bound_subspace
from dynsym.certify._verdict import (
    CERTIFIED,
    REFUTED,
    UNDECIDED,
    Evidence,
    Level,
    Openings,
    _bounds,
    _Moments,
    _noise_moments,
    judge,
)
from dynsym.findings._evidence import coverage_of
from dynsym.inner_product import Region
from dynsym.lie_derivative import symmetry_matrix

NOTHING = Openings(np.zeros((6, 0)), np.zeros(0), np.zeros(0))


def evidence(c, covariance, openings=NOTHING, misfit=0.0):
    return Evidence(
        np.asarray(c, dtype=float), [(np.arange(len(c)), np.asarray(covariance))], openings, misfit
    )


def random_case(seed, rows=9, k=6, sd=1.0):
    rng = np.random.default_rng(seed)
    half = sd * rng.standard_normal((k, k))
    return rng.standard_normal((rows, k)), half @ half.T


@pytest.mark.parametrize("seed", range(20))
def test_the_bounds_solve_their_equations(seed):
    rng = np.random.default_rng(seed)
    estimate, trace, square, largest, z = rng.random(5) * [4, 1, 0.5, 0.5, 3] - [1, 0, 0, 0, 0]
    moments = _Moments(trace, square, largest)
    upper, lower = _bounds(estimate, moments, z)
    assert 0 <= lower <= upper
    if upper > 0:
        assert upper == pytest.approx(estimate + z * np.sqrt(2 * square + 4 * upper * largest), abs=1e-10)
    if lower > 0:
        assert lower == pytest.approx(estimate - z * np.sqrt(2 * square + 4 * lower * largest), abs=1e-10)


@pytest.mark.parametrize("rows", [2, 6, 30])
def test_moments_are_those_of_the_covariance_of_the_defect(rows):
    operator, cov = random_case(1, rows=rows)
    blocks = [(np.arange(3), cov[:3, :3]), (np.arange(3, 6), cov[3:, 3:])]
    full = np.zeros((6, 6))
    full[:3, :3], full[3:, 3:] = cov[:3, :3], cov[3:, 3:]
    g = operator @ full @ operator.T
    moments = _noise_moments(operator, Evidence(np.zeros(6), blocks, NOTHING, 0.0))
    assert moments.trace == pytest.approx(np.trace(g))
    assert moments.square == pytest.approx(np.trace(g @ g))
    assert moments.largest == pytest.approx(np.linalg.eigvalsh(g)[-1])


def verdicts(truth, operator, cov, level, size, repeats=1500):
    half = np.linalg.cholesky(cov)
    draws = truth + np.random.default_rng(0).standard_normal((repeats, len(truth))) @ half.T
    return [judge(operator, size, evidence(c, cov), level) for c in draws]


@pytest.mark.parametrize("alpha", [0.05, 0.2])
@pytest.mark.parametrize("trials", [1, 5])
def test_exact_symmetries_are_refuted_as_often_as_alpha_allows(alpha, trials):
    # K b = 0 is true; the level is shared among the trials.
    operator, cov = random_case(2)
    level = Level(delta=0.9, alpha=alpha, trials=trials)
    refuted = np.mean([v.status == REFUTED for v in verdicts(np.zeros(6), operator, cov, level, size=1e9)])
    wanted = alpha / trials
    assert refuted < 1.5 * wanted + 0.01
    assert refuted > 0.3 * wanted - 0.01


@pytest.mark.parametrize("sd", [0.02, 0.1, 0.3])
def test_a_defect_at_the_tolerance_is_rarely_certified(sd):
    # rho is 5 % larger than delta; every certificate is false.
    operator, cov = random_case(3, sd=sd)
    truth = np.random.default_rng(5).standard_normal(6)
    level = Level(delta=0.05)
    size = float(np.sum((operator @ truth) ** 2)) / (1.05 * level.delta) ** 2
    false = np.mean([v.status == CERTIFIED for v in verdicts(truth, operator, cov, level, size)])
    assert false <= 0.06


def test_bounds_contain_the_truth():
    operator, cov = random_case(4, sd=0.2)
    truth = np.random.default_rng(6).standard_normal(6)
    size = float(np.sum((operator @ truth) ** 2)) / 0.3**2  # rho = 0.3
    found = verdicts(truth, operator, cov, Level(alpha=0.05), size)
    assert np.mean([v.upper >= 0.3 for v in found]) > 0.92
    assert np.mean([v.lower <= 0.3 for v in found]) > 0.92
    assert np.mean([v.lower <= v.defect <= v.upper for v in found]) > 0.8


def test_many_data_certify_and_few_leave_open():
    operator, cov = random_case(7)
    zero = np.zeros(6)
    size = float(np.trace(operator @ cov @ operator.T))
    assert judge(operator, size, evidence(zero, cov), Level()).status == UNDECIDED
    assert judge(operator, size, evidence(zero, 1e-6 * cov), Level()).status == CERTIFIED
    broken = np.ones(6)
    assert judge(operator, size, evidence(broken, 1e-8 * cov), Level()).status == REFUTED


def opening(direction, estimate, error):
    return Openings(np.asarray(direction, dtype=float)[:, None], np.array([estimate]), np.array([error]))


def test_what_the_data_do_not_see_is_undecided_unless_it_has_no_effect():
    operator, cov = random_case(8, rows=4)
    small, zero = 1e-10 * cov, np.zeros(6)
    _, _, right = np.linalg.svd(operator, full_matrices=True)
    harmless, harmful = right[-1], right[0]
    unseen = evidence(zero, small, opening(harmful, 0.0, np.inf))
    verdict = judge(operator, 1.0, unseen, Level())
    assert verdict.status == UNDECIDED
    assert "do not cover" in verdict.reason
    assert np.isfinite(verdict.upper)
    assert (
        judge(operator, 1.0, evidence(zero, small, opening(harmless, 0.0, np.inf)), Level()).status
        == CERTIFIED
    )
    # A finite opening counts by estimate and error, and by its effect.
    effect = float(np.linalg.norm(operator @ harmful))
    level = Level(delta=0.05)
    fine = opening(harmful, 0.0, 0.5 * level.delta / effect / level.z)
    wide = opening(harmful, 0.0, 2.0 * level.delta / effect / level.z)
    assert judge(operator, 1.0, evidence(zero, small, fine), level).status == CERTIFIED
    assert judge(operator, 1.0, evidence(zero, small, wide), level).status == UNDECIDED
    np.testing.assert_allclose(wide.reach(operator, level.z), [2 * level.delta])


def test_a_model_class_that_is_too_small_decides_nothing():
    operator, cov = random_case(9)
    for c in (np.zeros(6), np.ones(6)):
        verdict = judge(operator, 1.0, evidence(c, 1e-10 * cov, misfit=0.2), Level())
        assert verdict.status == UNDECIDED
        assert "20% of the dynamics unexplained" in verdict.reason


def test_an_offset_is_what_the_operator_should_give():
    operator, cov = random_case(10)
    c = np.random.default_rng(0).standard_normal(6)
    size = float(np.sum((operator @ c) ** 2))
    assert judge(operator, size, evidence(c, 1e-10 * cov), Level(), operator @ c).status == CERTIFIED
    assert judge(operator, size, evidence(c, 1e-10 * cov), Level()).status == REFUTED


def test_an_exact_field_has_verdicts_without_statistics():
    operator, _ = random_case(11)
    exact = Evidence(np.zeros(6), [], NOTHING, 0.0)
    assert judge(operator, 1.0, exact, Level()).status == CERTIFIED
    broken = Evidence(np.ones(6), [], NOTHING, 0.0)
    assert judge(operator, 1.0, broken, Level()).status == REFUTED
    assert judge(operator, 0.0, exact, Level()).status == CERTIFIED


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"delta": 0.0}, "delta must lie between 0 and 1, got 0.0"),
        ({"delta": 1.0}, "got 1.0"),
        ({"alpha": 0.5}, "alpha must lie between 0 and 0.5, got 0.5"),
        ({"alpha": 0.0}, "alpha"),
        ({"trials": 0}, "at least 1, got 0"),
    ],
)
def test_levels_out_of_range_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        Level(**arguments)


# --- coverage: what one orbit can and cannot say ----------------------------------------------------

KEPLER = systems.get("kepler_2d")
THIRD_LAW = np.array([2 / 3, 2 / 3, -1 / 3, -1 / 3, 1.0])


def third_law(runs, penalty=None):
    """The verdict on Kepler's scaling, and how many scalings are certified."""
    field = KEPLER.field()
    model = dy.fit(runs, field.dictionary, penalty=penalty)
    family = generators.with_time_scaling(generators.scalings(4, field.names))
    return dy.symmetries(model, family.combine(THIRD_LAW[:, None], ["third law"]))


def circular(radius, n=200):
    t = np.linspace(0, 2 * np.pi * radius**1.5, n)
    a, s = t / radius**1.5, radius**-0.5
    x = np.stack([radius * np.cos(a), radius * np.sin(a), -s * np.sin(a), s * np.cos(a)], axis=1)
    return Trajectory(t, x, KEPLER.states, dxdt=KEPLER.evaluate(x))


@pytest.mark.parametrize(
    "penalty", [None, dy.Stepwise(), dy.optim.STLSQ(0.1)], ids=["dense", "stepwise", "stlsq"]
)
def test_one_circular_orbit_certifies_no_scaling_law(penalty):
    # On r = 1 the force -x/r^3 is -x: the orbit cannot tell the exponent, whatever a sparse fit picks.
    found = third_law([circular(1.0)], penalty)
    assert found.dimension == 0
    assert all(f.verdict.status != CERTIFIED for f in found.findings)


def test_orbits_of_many_sizes_certify_it():
    found = third_law(KEPLER.runs(n_runs=8, n_samples=300), dy.Stepwise())
    assert [f.verdict.status for f in found.findings] == [CERTIFIED]


def test_a_wrong_exponent_is_not_certified_from_any_orbits():
    field = KEPLER.field()
    model = dy.fit(KEPLER.runs(n_runs=8, n_samples=300), field.dictionary, penalty=dy.Stepwise())
    family = generators.with_time_scaling(generators.scalings(4, field.names))
    wrong = family.combine(np.array([[1.0, 1.0, 0.0, 0.0, 1.0]]).T, ["wrong law"])
    assert dy.symmetries(model, wrong).dimension == 0


def test_motion_on_a_line_certifies_no_rotation():
    # x = y all along: the data do not tell which of x, y drives which.
    d = Monomials(2, 1, names=("x", "y"))
    t = np.linspace(0, 3, 200)
    f = VectorField(d, [[0, -1, 0], [0, 0, -1]])
    run = f.simulate([1.0, 1.0], t)
    run = Trajectory(run.t, run.x, run.names, dxdt=f.evaluate(run.x))
    assert dy.symmetries(dy.fit(run, d), generators.rotations(2, d.names)).dimension == 0
    plane = [f.simulate(x0, t) for x0 in ([1.0, 1.0], [1.0, -0.5], [-0.3, 1.0])]
    plane = [Trajectory(r.t, r.x, r.names, dxdt=f.evaluate(r.x)) for r in plane]
    assert dy.symmetries(dy.fit(plane, d), generators.rotations(2, d.names)).dimension == 1


# --- one bound for a whole subspace ------------------------------------------------------------------


def drawn_operator(seed, rows=12, q=6, p=10, d=2, broken=0.0):
    """T (rows, q, p) and b such that T(v) b = 0 for the first d unit vectors v, up to `broken` in the d-th."""
    rng = np.random.default_rng(seed)
    tensor, b = rng.standard_normal((rows, q, p)), rng.standard_normal(p)
    tensor[:, :d] -= np.einsum("rq,p->rqp", tensor[:, :d] @ b, b) / (b @ b)
    if broken:
        away = rng.standard_normal(rows)
        tensor[:, d - 1] += broken * np.outer(away / np.linalg.norm(away), b) / (b @ b)
    return tensor, b


def declared(tensor, b, d, half, rng, delta=0.05):
    """The least broken d directions of a noisy fit, their bound, and their largest true residual."""
    fit = b + half @ rng.standard_normal(len(b))
    values = tensor @ fit
    _, _, right = np.linalg.svd(values)
    v, w = right[::-1][:d].T, right[::-1][d:].T
    outside, _ = np.linalg.qr(values @ w)
    noise = np.stack([np.einsum("rqp,q->rp", tensor, c) @ half for c in v.T])
    return bound_subspace(values @ v, outside, noise, delta**2), np.linalg.norm(tensor @ b @ v, 2)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("broken", [0.0, 0.05, 0.3])
def test_the_bound_of_a_chosen_subspace_holds(d, broken):
    tensor, b = drawn_operator(d, d=d, broken=broken)
    rng = np.random.default_rng(7)
    held = [
        np.sqrt(bound.upper(0.05)) >= truth
        for bound, truth in (declared(tensor, b, d, 0.004 * np.eye(len(b)), rng) for _ in range(400))
    ]
    assert np.mean(held) > 0.93


def test_a_single_bound_without_the_choice_would_not_hold():
    # Many directions to choose from: what the choice took out of the residual is missing in the truth.
    tensor, b = drawn_operator(3, rows=14, q=13, d=1)
    rng = np.random.default_rng(1)
    half = 0.004 * np.eye(len(b))
    chosen, blind = [], []
    for _ in range(300):
        bound, truth = declared(tensor, b, 1, half, rng)
        chosen.append(np.sqrt(bound.upper(0.05)) >= truth)
        still = SubspaceBound(bound.estimate, 0 * bound.tilt, bound.left, bound.cross)
        blind.append(np.sqrt(still.upper(0.05)) >= truth)
    assert np.mean(chosen) > 0.93
    assert np.mean(blind) < 0.8


def test_the_bound_solves_its_equation_and_grows_with_the_distance():
    tensor, b = drawn_operator(5)
    bound, _ = declared(tensor, b, 2, 0.01 * np.eye(len(b)), np.random.default_rng(2))
    last = 0.0
    for moved in (0.0, 0.01, 0.05):
        u = bound.upper(0.05, moved)
        tilt = (np.sqrt(bound.tilt) + moved) ** 2
        short = tilt + bound.left - 2 * np.sqrt(np.maximum(u - tilt, 0)) * bound.cross
        assert u == pytest.approx(bound.estimate + np.quantile(short, 0.95), rel=1e-6)
        assert u > last
        last = u
    assert bound.upper(0.01) > bound.upper(0.2)


def cube(field, half=1.0):
    nodes, weights = np.polynomial.legendre.leggauss(5)
    n = field.n_states
    points = half * np.stack([g.ravel() for g in np.meshgrid(*[nodes] * n, indexing="ij")], axis=1)
    share = np.prod(np.stack([g.ravel() for g in np.meshgrid(*[weights / 2] * n, indexing="ij")]), axis=0)
    return Region(points, share, np.ones(n), "the cube")


def noisy_fit(field, m, noise, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (m, field.n_states))
    y = field.evaluate(x)
    y = y + noise * np.sqrt(np.mean(np.sum(y**2, axis=1))) * rng.standard_normal(y.shape)
    return dy.fit(Trajectory(np.arange(m), x, field.names, dxdt=y, sd=0.0), field.dictionary)


def sphere_flow():
    terms = Monomials(3, 3, names=("x", "y", "z"))
    place = {t: k for k, t in enumerate(terms.terms)}
    c = np.zeros((3, terms.n_terms))
    for i, own in enumerate("xyz"):
        c[i, place[own]] = 1.0
        for other in "xyz":
            name = (
                f"{own}**3"
                if own == other
                else "*".join(sorted([own, f"{other}**2"], key=lambda s: "xyz".index(s[0])))
            )
            c[i, place[name]] = -1.0
    return VectorField(terms, c)


@pytest.mark.parametrize("seed", range(3))
def test_certified_generators_are_certified_in_all_combinations(seed):
    # Sparse forms of a noisy space used to be one rotation twice, with different errors; their difference was no symmetry.
    field = sphere_flow()
    region = cube(field)
    found = dy.symmetries(noisy_fit(field, 400, 0.03, seed), generators.affine(3, field.names), region=region)
    assert found.dimension == 3
    assert found.algebra.name == "so(3)"
    matrix = symmetry_matrix(found.generators, field, region)
    size = matrix.parts.T @ matrix.parts
    worst = sla.eigh(matrix.operator.T @ matrix.operator, size, eigvals_only=True)[-1]
    assert np.sqrt(worst) <= found.upper <= 0.05
    # In units of their noise true symmetries are near 1, the first broken direction is far above.
    assert (found.whitened[:3] < 2).all()
    assert found.whitened[3] > 10


def test_a_region_that_is_given_is_taken_as_it_is():
    field = sphere_flow()
    region = cube(field)
    found = dy.symmetries(field, generators.affine(3, field.names), region=region)
    matrix = symmetry_matrix(generators.affine(3, field.names), field, region)
    gram = matrix.parts.T @ matrix.parts + 0.01 * matrix.bound
    values = sla.eigh(matrix.operator.T @ matrix.operator, gram, eigvals_only=True)
    np.testing.assert_allclose(found.spectrum.values**2, np.maximum(values, 0), atol=1e-12)


def test_the_coverage_factor_is_one_on_the_data_and_infinite_on_a_circle():
    field = sphere_flow()
    model = noisy_fit(field, 4000, 0.03, 0)
    same = Region(model.runs[0].x, np.full(4000, 1 / 4000), np.ones(3), "the data")
    assert coverage_of(model, same) == pytest.approx(1.0)
    assert 1.0 < coverage_of(model, cube(field)) < 1.5
    assert coverage_of(model, cube(field, 2.0)) > 4
    t = np.linspace(0, 2 * np.pi, 200)
    x = np.stack([np.cos(t), np.sin(t)], axis=1)
    circle = dy.fit(Trajectory(t, x, dxdt=np.stack([-x[:, 1], x[:, 0]], axis=1)), Monomials(2, 2))
    assert np.isinf(coverage_of(circle, circle.region))


def test_small_terms_that_a_selection_drops_do_not_hide_a_symmetry():
    # A rotation in skew coordinates: some coefficients are small, and without them it is broken.
    move = np.array([[1.0, 0.3], [0.02, 0.9]])
    turn = move @ np.array([[0.0, -1.0], [1.0, 0.0]]) @ np.linalg.inv(move)
    terms = Monomials(2, 3)
    exact = dy.equivariant_to(
        generators.custom([VectorField(Monomials(2, 1), np.column_stack([np.zeros(2), turn]))]), terms
    )
    free = np.asarray(exact.null_space)
    field = VectorField(terms, (free @ np.linspace(1, -1, free.shape[1])).reshape(2, -1))
    dense = noisy_fit(field, 3000, 0.01, 0)
    small = np.abs(dense.coefficients) < 0.05 * np.abs(dense.coefficients).max()
    pruned = replace(dense, field=VectorField(terms, np.where(small, 0.0, dense.coefficients)))
    family = generators.affine(2)
    assert small.any()
    assert dy.symmetries(dense, family).dimension == 1
    found = dy.symmetries(pruned, family)
    assert found.dimension == 1
    assert any("selection left out" in w for w in found.warnings)


def test_the_dynamics_times_a_law_is_marked_as_trivial() -> None:
    """Cubic fields that commute with a spring: h f and h R with h the energy; only the first says nothing."""
    spring = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -1, 0]])
    energy = dy.ScalarFunction(dy.Monomials(2, 2, names=("x", "v")), [0, 0, 0, 1, 0, 1])
    candidates = dy.generators.polynomial(2, 3, names=("x", "v"))
    found = dy.symmetries(spring, candidates, laws=[energy])
    marked = [f for f in found.findings if f.trivial]
    assert len(found.findings) == 4
    assert {f.label for f in marked} == {"the dynamics itself", "the dynamics times h1"}
    plain = dy.symmetries(spring, candidates)
    assert len([f for f in plain.findings if f.trivial]) == 1
