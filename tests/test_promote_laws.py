"""Promotion of conservation: the nuclear norm of h -> grad h . f, and the path that keeps as many laws as the data allow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsym as dy
from dynsym import (
    ConservationBreaking,
    ConservationWeights,
    DataError,
    Monomials,
    ScalarFunction,
    Terms,
    Trajectory,
    VectorField,
    systems,
)
from dynsym.inner_product import Box, Gaussian, Quadrature, Region, generic_region
from dynsym.polynomial_derivative import gradient_tensor, law_tensor, places
from dynsym.promote import law_operator, rates


def random_region(n, m=200, seed=0):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-1, 1, n)
    weights = rng.random(m)
    return Region(scale * rng.standard_normal((m, n)), weights / weights.sum(), scale, "random points")


def slow_values(invariants, dictionary, coefficients, region):
    """Singular values by definition: generalised eigenvalues of the rates relative to the gradients, both sampled."""
    x, w = region.points, region.weights
    slope = invariants.jacobian(x)
    f = VectorField(dictionary, coefficients).evaluate(x)
    rate = np.einsum("mpk,mk->mp", slope, f) * np.sqrt(w)[:, None]
    size = slope * region.scale * np.sqrt(w)[:, None, None]
    gram = np.einsum("mpk,mqk->pq", size, size)
    moving = np.diag(gram) > 1e-12
    root = np.linalg.cholesky(gram[np.ix_(moving, moving)])
    return np.linalg.svd(np.linalg.solve(root, rate[:, moving].T), compute_uv=False)


def noisy(name, runs, samples, share, seed=0):
    """Runs with given derivatives, in error by a share of their spread."""
    field, rng = systems.get(name).field(), np.random.default_rng(seed)
    out = []
    for run in systems.get(name).runs(n_runs=runs, n_samples=samples):
        slopes = field.evaluate(run.x)
        error = share * slopes.std(axis=0) * rng.standard_normal(slopes.shape)
        out.append(Trajectory(run.t, run.x, run.names, dxdt=slopes + error))
    return out


# --- the operator


@pytest.mark.parametrize(
    ("invariants", "dictionary"),
    [
        (Monomials(2, 2), Monomials(2, 3)),
        (Monomials(3, 3), Monomials(3, 2)),
        (Monomials(2, 3, constant=False), Monomials(2, 1, constant=False)),
        (Terms(["x1^2", "sin(x2)", "x1*x2"], ("x1", "x2")), Monomials(2, 2)),
        (Monomials(2, 2), Terms(["x1", "x2^3", "cos(x1)"], ("x1", "x2"))),
    ],
    ids=["poly", "3 states", "no constants", "sampled laws", "sampled field"],
)
def test_the_penalty_is_the_nuclear_norm_by_definition(invariants, dictionary):
    region = random_region(dictionary.n_states)
    penalty = ConservationBreaking(invariants, dictionary, 2.5, region)
    for seed in range(3):
        c = np.random.default_rng(seed).standard_normal((dictionary.n_states, dictionary.n_terms))
        wanted = slow_values(invariants, dictionary, c, region)
        np.testing.assert_allclose(rates(penalty, c)[: len(wanted)], wanted, rtol=1e-7, atol=1e-9 * wanted[0])
        assert penalty.value(c) == pytest.approx(2.5 * wanted.sum(), rel=1e-8)


def test_exact_and_sampled_operators_agree():
    names = ("x1", "x2")
    d, same = Monomials(2, 2, names), Terms(["x1", "x2", "x1^2", "x1*x2", "x2^2"], names)
    region = random_region(2)
    exact = ConservationBreaking(Monomials(2, 2, names), d, 1.0, region)
    sampled = ConservationBreaking(same, d, 1.0, region)
    c = np.random.default_rng(0).standard_normal((2, 6))
    np.testing.assert_allclose(rates(exact, c), rates(sampled, c)[:5], rtol=1e-9)


@pytest.mark.parametrize(
    ("exact", "seed"), [(Box([-1.0, 0.5], [2.0, 1.0]), 0), (Gaussian([0.3, -1.0], [1.0, 0.2]), 1)]
)
def test_exact_moments_are_the_limit_of_many_points(exact, seed):
    rng = np.random.default_rng(seed)
    if isinstance(exact, Box):
        points = exact.low + rng.random((400_000, 2)) * (exact.high - exact.low)
    else:
        points = exact.mean + exact.sd * rng.standard_normal((400_000, 2))
    c = rng.standard_normal((2, 6))
    many = Quadrature(points, np.ones(len(points)))
    a, b = (rates(ConservationBreaking(Monomials(2, 2), Monomials(2, 2), 1.0, m), c) for m in (exact, many))
    np.testing.assert_allclose(a, b[: len(a)], rtol=0.03)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), degree=st.integers(1, 3), laws=st.integers(1, 3))
def test_exact_tensors_are_the_derivatives(seed, degree, laws):
    rng = np.random.default_rng(seed)
    h, d = Monomials(3, laws), Monomials(3, degree)
    into, tensor = law_tensor(h, d)
    c, a, x = rng.standard_normal((3, d.n_terms)), rng.standard_normal(h.n_terms), rng.standard_normal((7, 3))
    coefficients = (tensor @ c.ravel()).reshape(into.n_terms, h.n_terms) @ a
    wanted = np.sum(ScalarFunction(h, a).gradient(x) * VectorField(d, c).evaluate(x), axis=1)
    np.testing.assert_allclose(into.evaluate(x) @ coefficients, wanted, atol=1e-9 * np.abs(wanted).max())
    entries = Monomials(3, 1)
    matrix = rng.standard_normal((3, 3, entries.n_terms))
    into, tensor = gradient_tensor(h, matrix, entries)
    moved = into.evaluate(x) @ (tensor @ a).reshape(3, into.n_terms).T
    A = np.einsum("ijk,mk->mij", matrix, entries.evaluate(x))
    wanted = np.einsum("mij,mj->mi", A, ScalarFunction(h, a).gradient(x))
    np.testing.assert_allclose(moved, wanted, atol=1e-9 * max(np.abs(wanted).max(), 1e-9))


def test_places_of_missing_monomials():
    assert places(Monomials(2, 1), np.array([[0, 1], [2, 0]])).tolist() == [2, -1]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_neither_basis_nor_units_matter(seed):
    rng = np.random.default_rng(seed)
    names = ("x1", "x2")
    d, region = Monomials(2, 2, names), random_region(2, seed=seed)
    c = rng.standard_normal((2, 6))
    first = rates(ConservationBreaking(Monomials(2, 2, names), d, 1.0, region), c)
    size = 10.0 ** rng.uniform(-2, 2, 2)
    scaled = Region(region.points * size, region.weights, region.scale * size, "in other units")
    monomial = np.prod(size**d.exponents, axis=1)
    other = c * size[:, None] / monomial
    np.testing.assert_allclose(
        first, rates(ConservationBreaking(Monomials(2, 2, names), d, 1.0, scaled), other), rtol=1e-6
    )


@pytest.mark.parametrize(
    "name", ["oscillator_1d", "rigid_body", "henon_heiles", "lotka_volterra_2d", "kepler_2d"]
)
def test_it_vanishes_exactly_on_fields_that_keep_the_laws(name):
    system = systems.get(name)
    field = system.field()
    laws = Terms(system.invariants, field.names)
    penalty = ConservationBreaking(laws, field.dictionary, 1.0)
    size = np.linalg.norm(penalty.operator) * np.linalg.norm(field.coefficients)
    assert penalty.value(field.coefficients) < 1e-12 * size
    pushed = field.coefficients + 0.01
    assert penalty.value(pushed) > 1e-5 * size


def test_products_of_laws_are_laws():
    # Of the polynomials of degree 4 in x, v the circle keeps r^2 and r^4.
    turn = np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    values = rates(ConservationBreaking(Monomials(2, 4), Monomials(2, 1), 1.0), turn)
    assert int((values < 1e-12 * values[0]).sum()) == 2
    damped = np.add(turn, [[0, 0, 0], [0, 0, -0.01]])
    values = rates(ConservationBreaking(Monomials(2, 4), Monomials(2, 1), 1.0), damped)
    assert int((values < 1e-12 * values[0]).sum()) == 0


def test_constants_count_for_nothing():
    d = Monomials(2, 1)
    operators = [law_operator(Monomials(2, 2, constant=c), d) for c in (True, False)]
    assert operators[0].shape[1] == operators[1].shape[1] == 5
    assert not operators[0].mix[0].any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConservationBreaking(Monomials(3, 1), Monomials(2, 1), 1.0), "over 3 states"),
        (lambda: ConservationBreaking(Monomials(2, 0), Monomials(2, 1), 1.0), "constant"),
        (lambda: ConservationBreaking(Monomials(2, 1), Monomials(2, 1), -1.0), "-1"),
        (lambda: ConservationBreaking(Monomials(10, 4), Monomials(10, 3), 1.0), "fewer candidate"),
        (lambda: ConservationWeights(Monomials(2, 1), [-1.0]), "conservation weights must not be negative"),
    ],
)
def test_what_cannot_be_promoted_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


# --- fits and paths


def law_angle(vectors, truth, region, dictionary):
    """Largest angle, in degrees, of given functions to the space of true laws, by their gradients on the region."""
    slope = dictionary.jacobian(region.points) * region.scale * region.roots[:, None, None]
    rows = slope.transpose(0, 2, 1).reshape(-1, dictionary.n_terms)
    a, b = np.linalg.qr(rows @ vectors)[0], np.linalg.qr(rows @ truth)[0]
    return float(np.degrees(np.arcsin(min(1.0, np.linalg.norm(a - b @ (b.T @ a), 2)))))


def coefficients_of(texts, dictionary):
    """Coefficients (p, r) of expressions over a dictionary, by least squares on generic points."""
    x = generic_region(dictionary).points
    values = Terms(texts, dictionary.names).evaluate(x)
    return np.linalg.lstsq(dictionary.evaluate(x), values, rcond=None)[0]


CASES = {
    "oscillator_1d": (2, "poly(2)", ["x^2 + v^2"]),
    "rigid_body": (2, "poly(2)", None),
    "lotka_volterra_2d": (2, "poly(1) + terms(log(x), log(y))", None),
}


@pytest.fixture(scope="module", params=sorted(CASES))
def promoted(request):
    degree, text, laws = CASES[request.param]
    runs = noisy(request.param, 6, 60, 0.1)
    names = runs[0].names
    invariants = dy.parse_dictionary(text, names)
    model = dy.fit(runs, Monomials(len(names), degree, names))
    found = dy.path(model, over=ConservationWeights(invariants, [0.01, 0.5, 3.0, 30.0, 1e5]))
    truth = coefficients_of(laws or systems.get(request.param).invariants, invariants)
    return request.param, model, invariants, found, truth


def test_promotion_recovers_the_laws_that_a_plain_fit_breaks(promoted):
    _, model, invariants, found, truth = promoted
    k, r = found.index("1se"), truth.shape[1]
    breaks = found.breaks
    assert breaks.broken[0] == found.walk.shape[1]  # the plain fit keeps nothing
    assert breaks.broken[k] == found.walk.shape[1] - r
    kept = found.walk.spared(found.coefficients[k])
    field = found.best("1se").field
    for v in kept.T:
        assert (
            dy.conserving(ScalarFunction(invariants, v), field.dictionary).residual(field.coefficients) < 1e-5
        )
    assert law_angle(kept, truth, model.region, invariants) < 3.0
    plain = rates(ConservationBreaking(invariants, field.dictionary, 1.0, model.region), model.coefficients)
    assert plain[-1] > 1e-4 * plain[0]


def test_the_promoted_model_is_closer_to_the_truth(promoted):
    name, model, _, found, _ = promoted
    truth = systems.get(name).field()
    x = model.region.points
    error = [
        np.linalg.norm((f.evaluate(x) - truth.evaluate(x)) / model.region.scale)
        for f in (model.field, found.best("1se").field)
    ]
    assert error[1] < 0.9 * error[0]


def test_the_number_of_laws_along_the_path(promoted):
    _, _, _, found, truth = promoted
    kept = found.walk.shape[1] - found.breaks.broken
    assert kept[0] == 0
    assert kept[-1] == found.walk.shape[1]
    assert not found.coefficients[-1].any()  # only f = 0 keeps everything
    assert truth.shape[1] in kept
    assert found.breaks.events[-1].restored == ("everything: f = 0",)
    freedom = found.freedom.sum(axis=1)
    assert (np.diff(freedom) <= 0).all()
    assert freedom[-1] == 0


def test_kept_laws_are_judged_by_the_model_without_penalty(promoted):
    _, model, _, found, truth = promoted
    judged = found.breaks.judged()
    assert len(judged) == truth.shape[1]
    for held in judged:
        assert held.verdict.status != "refuted"
        assert held.verdict.upper > 1e-3  # not the zero that the promoted model has by construction
    assert found.model is model


@pytest.fixture(scope="module")
def damped():
    return dy.fit(noisy("damped_oscillator", 6, 60, 0.1), Monomials(2, 2))


def test_friction_is_not_promoted_away(damped):
    names = damped.field.names
    found = dy.path(damped, over=ConservationWeights(Monomials(2, 2, names), [0.01, 1.0, 20.0]))
    broken = found.breaks.broken
    assert broken[-1] == 4  # a strong weight invents the law
    for rule in ("1se", "cv", "bic", "aicc"):
        assert broken[found.index(rule)] == 5
    assert found.breaks.judged() == ()


def test_a_law_forced_on_friction_is_refuted_by_the_data(damped):
    names = damped.field.names
    found = dy.path(damped, over=ConservationWeights(Monomials(2, 2, names), [20.0]))
    (held,) = found.breaks.judged("bic")
    assert held.verdict.status == "refuted"


def test_the_penalty_of_fit_is_that_of_the_path(damped):
    invariants = Monomials(2, 2, damped.field.names)
    over = ConservationWeights(invariants, [2.0], relaxed=False, adaptive=False, equilibrated=False, tol=1e-8)
    found = dy.path(damped, over=over)
    penalty = ConservationBreaking(invariants, damped.field.dictionary, 2.0, damped.region)
    direct = dy.fit(list(damped.runs), damped.field.dictionary, penalty=penalty)
    np.testing.assert_allclose(found.coefficients[0], direct.coefficients, atol=1e-6)


def test_unrelaxed_solutions_shrink():
    runs = noisy("oscillator_1d", 6, 60, 0.05)
    d, invariants = Monomials(2, 1), Monomials(2, 2)
    soft = dy.path(runs, d, ConservationWeights(invariants, [30.0], relaxed=False))
    hard = dy.path(runs, d, ConservationWeights(invariants, [30.0]))
    assert np.linalg.norm(soft.coefficients) < 0.95 * np.linalg.norm(hard.coefficients)
    assert soft.breaks.kept(0) != []


def test_paths_over_other_things_break_nothing(damped):
    with pytest.raises(DataError, match="breaks nothing"):
        _ = dy.path(damped).breaks


def test_breaks_show_themselves(promoted):
    breaks = promoted[3].breaks
    text = str(breaks)
    assert "restored" in text
    assert max(map(len, text.splitlines())) <= 116
    assert breaks._repr_html_().startswith("<pre>")
    figure = breaks.plot()
    figure.canvas.draw()
    assert len(figure.axes) == 2


@pytest.mark.parametrize(("friction", "kept"), [(3e-4, 0), (0.0, 1)])
def test_friction_far_below_the_other_rates_is_seen_where_the_data_see_it(friction, kept):
    d = Monomials(2, 1)
    field = VectorField(d, [[0, 0, 1], [0, -1, -friction]])
    rng, runs = np.random.default_rng(0), []
    for a in (0.5, 1.0, 1.5, 2.0):
        run = field.simulate([a, 0.0], np.linspace(0, 12, 120))
        slopes = field.evaluate(run.x)
        runs.append(Trajectory(run.t, run.x, dxdt=slopes + 1e-6 * rng.standard_normal(slopes.shape)))
    found = dy.path(runs, d, ConservationWeights(Monomials(2, 2), [1e-9, 1e-4, 1.0, 30.0]))
    for rule in ("1se", "cv", "bic"):
        assert len(found.breaks.kept(found.index(rule))) == kept
