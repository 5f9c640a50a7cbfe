"""Verdicts: bounds that solve their equations, error levels by Monte Carlo, nothing certified unseen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg as sla
from scipy import stats

import dynsym as dy
from dynsym import DataError, Monomials, Trajectory, VectorField, generators, systems
from dynsym.certify import Stretches, SubspaceBound, bound_subspace, lack_of_fit, least_outside
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
from dynsym.findings import misfit_of
from dynsym.findings._evidence import coverage_of, uncovered
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


# --- lack of fit: level, power, and what does not close the gate ----------------------------------------


def stretches(z, e):
    """Scores, shares and squares of z (g, m, q) and e (g, m)."""
    return Stretches(np.einsum("gmq,gm->gq", z, e), np.einsum("gmq,gmr->gqr", z, z), np.sum(e**2, axis=1))


def orthonormal_stretches(g=24, m=12, q=5):
    rng = np.random.default_rng(3)
    return np.linalg.qr(rng.standard_normal((g * m, q)))[0].reshape(g, m, q)


def errors_of(kind, rng, shape):
    if kind == "student t":
        return rng.standard_t(3, shape)
    e = rng.standard_normal(shape)
    if kind == "by stretch":
        return e * np.geomspace(0.3, 3, shape[0])[:, None]
    if kind == "constant in a stretch":
        return e[:, :1] + 0.1 * e
    return e


@pytest.mark.parametrize("kind", ["normal", "student t", "by stretch", "constant in a stretch"])
def test_errors_are_called_structure_no_more_often_than_the_level(kind):
    z, rng = orthonormal_stretches(), np.random.default_rng(0)
    p = [
        lack_of_fit(stretches(z, errors_of(kind, rng, z.shape[:2])), np.zeros(5)).p_value for _ in range(600)
    ]
    assert np.mean(np.array(p) < 0.05) < 0.08
    assert np.mean(np.array(p) < 0.01) < 0.025


def test_the_statistic_is_that_of_its_formula_and_what_is_foretold_is_fitted_to_the_others():
    z, rng = orthonormal_stretches(), np.random.default_rng(1)
    e = rng.standard_normal(z.shape[:2]) + 8 * z[..., 0]
    found = lack_of_fit(stretches(z, e), np.zeros(5), 0.9)
    scores = np.array([zg.T @ eg for zg, eg in zip(z, e)])
    cov = np.cov(scores.T) / 0.9
    g = len(z)
    assert found.statistic == pytest.approx(g * np.sum(scores.mean(axis=0) ** 2) / np.trace(cov))
    square = np.sum(cov**2) - np.trace(cov) ** 2 / (g - 1)
    assert found.freedom[0] == pytest.approx(np.trace(cov) ** 2 / square)
    cosines = []
    for k in range(g):
        rest = np.delete(z, k, axis=0).reshape(-1, 5), np.delete(e, k, axis=0).ravel()
        told = z[k] @ np.linalg.lstsq(*rest, rcond=None)[0]
        cosines.append(told @ e[k] / np.linalg.norm(told) / np.linalg.norm(e[k]))
    assert found.foretold == pytest.approx(np.mean(cosines))


def test_structure_that_differs_between_stretches_is_foretold():
    # All of it in the first sixth of the stretches, of either sign: the mean score says little, the others foretell it all.
    z = orthonormal_stretches()
    c = np.array([3.0, -2.0, 1.0, 0.5, 2.0])
    e = z @ c * np.where(np.arange(24) % 6 == 0, 1.0, 1e-3)[:, None] + 0 * z[..., 0]
    assert lack_of_fit(stretches(z, z @ c), np.zeros(5)).p_value < 1e-12
    assert lack_of_fit(stretches(z, e), np.zeros(5)).p_value < 0.01


def test_what_noise_in_the_regressors_adds_is_no_lack_of_fit():
    z, rng = orthonormal_stretches(), np.random.default_rng(2)
    bias = 10 * np.eye(5)[0]
    e = rng.standard_normal(z.shape[:2]) + z @ bias
    assert lack_of_fit(stretches(z, e), np.zeros(5)).p_value < 1e-4
    assert lack_of_fit(stretches(z, e), bias).p_value > 0.05


def test_few_stretches_say_nothing_and_a_share_has_to_be_one():
    z = orthonormal_stretches(g=3)
    assert lack_of_fit(stretches(z, 100 * z[..., 0]), np.zeros(5)).p_value == 1
    with pytest.raises(DataError, match=r"shrinkage is a share above 0 and at most 1, got 1.5"):
        lack_of_fit(stretches(z, z[..., 0]), np.zeros(5), 1.5)


def test_the_gate_closes_for_what_is_sure_and_material():
    operator, cov = random_case(9)
    base = evidence(np.zeros(6), 1e-10 * cov, misfit=0.2)
    closed = judge(operator, 1.0, replace(base, chance=1e-6), Level())
    assert closed.status == UNDECIDED
    assert closed.reason.startswith("lack of fit, p = 1e-06: the model class leaves 20%")
    # It may be chance; or it is sure, and far below delta.
    assert judge(operator, 1.0, replace(base, chance=0.3), Level()).status == CERTIFIED
    assert judge(operator, 1.0, replace(base, misfit=0.01, chance=1e-9), Level()).status == CERTIFIED


def measured_slopes(name, degree, size, kind="normal", seed=0, samples=100):
    system = systems.get(name)
    truth, rng = system.field(), np.random.default_rng(seed)
    runs = []
    for run in system.runs(n_runs=8, n_samples=samples):
        f = truth.evaluate(run.x)
        e = rng.standard_t(3, f.shape) / np.sqrt(3) if kind == "student t" else rng.standard_normal(f.shape)
        if kind == "by speed":
            e = e * (0.3 + np.abs(f) / np.abs(f).std(axis=0))
        if kind == "correlated":
            for k in range(1, len(e)):
                e[k] = 0.8 * e[k - 1] + 0.6 * e[k]
        runs.append(Trajectory(run.t, run.x, run.names, dxdt=f + size * f.std(axis=0) * e, sd=0.0))
    return dy.fit(runs, Monomials(truth.n_states, degree, names=system.states))


@pytest.mark.parametrize("kind", ["normal", "student t", "by speed", "correlated"])
@pytest.mark.parametrize("size", [0.01, 0.3])
def test_linear_fits_of_a_cubic_system_lack_fit_and_cubic_ones_do_not(kind, size):
    small = misfit_of(measured_slopes("van_der_pol", 1, size, kind))
    assert small.p_value < 1e-3
    assert small.size.max() > 0.1
    right = [misfit_of(measured_slopes("van_der_pol", 3, size, kind, seed)) for seed in range(6)]
    assert sum(m.p_value < 0.05 for m in right) <= 1
    assert "unexplained and systematic" in str(small)


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_noise_in_the_states_is_no_lack_of_fit(noise):
    for degree, wrong in ((3, False), (1, True)):
        runs = systems.get("van_der_pol").runs(n_runs=8, n_samples=200, noise=noise)
        model = dy.fit(runs, Monomials(2, degree, names=runs[0].names))
        assert (misfit_of(model).p_value < 0.05) == wrong


def test_transients_alone_show_a_class_that_is_too_small():
    # Most of a Hopf run lies on its cycle, where quadratic terms nearly do; each run has its own transient.
    runs = systems.get("hopf").runs(8, 300)
    model = dy.fit(runs, Monomials(2, 2, names=runs[0].names), penalty=dy.Stepwise())
    found = dy.symmetries(model, generators.affine(2, runs[0].names))
    assert found.dimension == 0
    assert all("lack of fit, p = " in f.verdict.reason for f in found.findings)


# --- at most r symmetries ---------------------------------------------------------------------------------


def test_the_lower_bound_holds_for_the_worst_direction():
    tensor, b = drawn_operator(4, d=1)
    rng, held = np.random.default_rng(3), []
    half = 0.004 * np.eye(len(b))
    for _ in range(300):
        fit = b + half @ rng.standard_normal(len(b))
        _, values, right = np.linalg.svd(tensor @ fit)
        w, s = right[:-1].T, values[:-1]
        images = [np.einsum("rqp,q->rp", tensor, c) @ half / v for c, v in zip(w.T, s)]
        bound = least_outside(float(s[-1]), sum(n.T @ n for n in images), 0.0, 0.05)
        truth = np.linalg.svd(tensor @ b @ w, compute_uv=False)[-1]
        held.append(bound <= truth)
        assert bound > 0.3 * s[-1]
    assert np.mean(held) > 0.94


def test_one_square_has_the_largest_quantile_of_all_forms_of_its_trace():
    for spread in ([1.0], [0.5, 0.5], [0.7, 0.2, 0.1], list(np.full(20, 0.05))):
        one = least_outside(1.0, np.array([[0.05]]), 0.0, 0.05)
        assert least_outside(1.0, 0.05 * np.diag(spread), 0.0, 0.05) >= one - 0.01


@pytest.mark.parametrize(("noise", "m"), [(0.03, 400), (0.1, 800)])
def test_all_other_directions_are_refuted_together(noise, m):
    field = sphere_flow()
    for seed in range(3):
        found = dy.symmetries(
            noisy_fit(field, m, noise, seed), generators.affine(3, field.names), region=cube(field)
        )
        assert found.at_most == 3
        assert "at most 3 can be symmetries: the other 9 directions are refuted together" in str(found)


def test_nothing_is_excluded_where_the_data_do_not_carry_it():
    # One run on a circle; a class that is too small; so few samples that everything is noise.
    t = np.linspace(0, 6, 200)
    x = np.column_stack([np.cos(t), -np.sin(t)])
    one = dy.fit(Trajectory(t, x, dxdt=np.column_stack([x[:, 1], -x[:, 0]])), Monomials(2, 3))
    small = measured_slopes("van_der_pol", 1, 0.01)
    noise = noisy_fit(sphere_flow(), 24, 3.0, 0)
    for model in (one, small, noise):
        n = model.field.n_states
        assert dy.symmetries(model, generators.affine(n, model.field.names)).at_most > 0.7 * (n * n + n)


def test_an_exact_field_knows_how_many_at_most():
    assert dy.symmetries(sphere_flow(), generators.affine(3, ("x", "y", "z"))).at_most == 3


def test_alpha_is_split_between_the_ways_to_a_certificate():
    level = Level(alpha=0.05, trials=12)
    alone, joint = level.way(0.2), level.way(0.8)
    assert alone.certifying + joint.certifying == pytest.approx(level.alpha)
    assert alone.alpha == joint.alpha == level.alpha
    assert alone.z == pytest.approx(stats.norm.isf(0.01 / 12))
    with pytest.raises(DataError, match=r"share is a part of alpha above 0 and at most 1, got 0"):
        Level(share=0.0)


# --- thin data under noise --------------------------------------------------------------------------------


def circles(radii, noise, seed=0):
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 12, 400)
    runs = []
    for radius, phase in zip(radii, rng.uniform(0, 6, len(radii))):
        x = radius * np.column_stack([np.cos(t + phase), -np.sin(t + phase)])
        runs.append(Trajectory(t, x + noise * rng.standard_normal(x.shape)))
    return dy.fit(runs, Monomials(2, 2))


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.1, 0.2])
def test_runs_on_one_circle_stay_thin_whatever_the_noise(noise):
    assert "one run" in uncovered(circles([1.0], noise))
    assert "all runs" in uncovered(circles(np.ones(8), noise))


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.1])
def test_runs_on_circles_of_many_sizes_are_thick_under_noise(noise):
    assert uncovered(circles(np.linspace(0.4, 1.6, 8), noise)) == ""
