"""Penalties of polynomials without samples, and recovery from few: slow twins, invariance, and cases that tempt."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import dynsym as dy
from dynsym._checks import DataError
from dynsym.inner_product import Bombieri, Box, Gaussian
from dynsym.optim import ADMM, Exact, solve
from dynsym.promote._polynomials import candidate_norms

RNG = np.random.default_rng(0)


def gauss_box(n, order):
    """Nodes (m, n) and weights of a product rule that is exact for polynomials up to degree 2 order - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    grid = np.stack(np.meshgrid(*[nodes] * n, indexing="ij"), axis=-1).reshape(-1, n)
    w = np.prod(np.stack(np.meshgrid(*[weights / 2] * n, indexing="ij"), axis=-1).reshape(-1, n), axis=1)
    return grid, w


FAMILIES = {
    "translations": dy.generators.translations(3),
    "euclidean": dy.generators.euclidean(3),
    "affine": dy.generators.affine(3),
    "turned": dy.generators.affine(3).combine(RNG.standard_normal((12, 5))),
}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())


@every_family
@pytest.mark.parametrize("degree", [1, 3])
def test_the_norm_of_a_function_is_that_of_its_sampled_lie_derivatives(family, degree):
    terms, box = dy.Monomials(3, degree), Box(-np.ones(3), np.ones(3))
    c = RNG.standard_normal(terms.n_terms)
    x, w = gauss_box(3, degree + 1)
    slopes = np.einsum("mpn,p->mn", terms.jacobian(x), c)
    columns = np.einsum("mn,qmn->mq", slopes, family.evaluate(x)) / candidate_norms(family, box)
    sampled = np.linalg.svd(columns * np.sqrt(w)[:, None], compute_uv=False).sum()
    assert dy.FunctionBreaking(family, terms, 1.0, box).value(c[None]) == pytest.approx(sampled, rel=1e-10)


@every_family
@pytest.mark.parametrize("degree", [1, 2])
def test_the_norm_of_a_field_is_that_of_its_sampled_brackets(family, degree):
    terms, box = dy.Monomials(3, degree), Box(-np.ones(3), np.ones(3))
    C = RNG.standard_normal((3, terms.n_terms))
    x, w = gauss_box(3, degree + 1)
    field = dy.VectorField(terms, C)
    brackets = np.einsum("mik,qmk->qmi", field.jacobian(x), family.evaluate(x)) - np.einsum(
        "qmik,mk->qmi", family.jacobian(x), field.evaluate(x)
    )
    columns = (brackets * np.sqrt(w)[:, None]).reshape(len(family), -1).T / candidate_norms(family, box)
    sampled = np.linalg.svd(columns, compute_uv=False).sum()
    assert dy.FieldBreaking(family, terms, 1.0, box).value(C) == pytest.approx(sampled, rel=1e-10)


def test_the_penalty_of_fields_and_that_by_samples_vanish_together():
    terms, turns = dy.Monomials(2, 3), dy.generators.rotations(2)
    exact, sampled = dy.FieldBreaking(turns, terms), dy.SymmetryBreaking(turns, terms, 1.0)
    isotropic = np.zeros((2, 10))
    x, y, x3, x2y, xy2, y3 = (
        terms.terms.index(t) for t in ("x1", "x2", "x1**3", "x1**2*x2", "x1*x2**2", "x2**3")
    )
    isotropic[0, [x, x3, xy2]] = 1.0, -1.0, -1.0
    isotropic[1, [y, x2y, y3]] = 1.0, -1.0, -1.0
    for penalty in (exact, sampled):
        assert penalty.value(isotropic) < 1e-12
        assert penalty.value(RNG.standard_normal((2, 10))) > 0.1


@settings(derandomize=True, deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), length=st.floats(0.3, 3), group=st.sampled_from(["t", "se"]))
def test_in_bombieris_inner_product_a_rotation_of_the_states_changes_no_norm(seed, length, group):
    n, degree = 3, 3
    terms = dy.Monomials(n, degree)
    turn = stats.special_ortho_group(n, seed=seed).rvs()
    c = np.random.default_rng(seed).standard_normal(terms.n_terms)
    turned = terms.substitution(np.zeros(n), turn) @ c
    family = dy.generators.translations(n) if group == "t" else dy.generators.euclidean(n)
    norm = dy.FunctionBreaking(family, terms, 1.0, Bombieri(length))
    assert norm.value(turned[None]) == pytest.approx(norm.value(c[None]), rel=1e-9)
    gram = Bombieri(length).gram(terms)
    assert turned @ gram @ turned == pytest.approx(c @ gram @ c, rel=1e-10)


def test_a_box_prefers_its_axes_and_bombieri_does_not():
    # x1^4 + x2^4 turned by 45 degrees has another norm on the box: the negative control of invariance.
    terms = dy.Monomials(2, 4)
    c = RNG.standard_normal(terms.n_terms)
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
    turned = terms.substitution(np.zeros(2), turn) @ c
    box = Box(-np.ones(2), np.ones(2)).gram(terms)
    assert abs(turned @ box @ turned / (c @ box @ c) - 1) > 1e-3


def test_lengths_are_units_of_the_states():
    # Measured in half the unit, states and centre are twice as large and nothing else changes.
    terms, family = dy.Monomials(2, 3), dy.generators.euclidean(2)
    c = RNG.standard_normal(terms.n_terms)
    scaled = c / 2.0 ** terms.exponents.sum(axis=1)
    one = dy.FunctionBreaking(family, terms, 1.0, Bombieri(1.0)).value(c[None])
    assert dy.FunctionBreaking(family, terms, 1.0, Bombieri(2.0)).value(scaled[None]) == pytest.approx(one)


def test_moments_of_box_and_normal_measures_are_exact_for_many_states():
    terms = dy.Monomials(12, 3)
    for measure in (Box(-np.ones(12), np.ones(12)), Gaussian(np.zeros(12), np.ones(12))):
        gram = measure.gram(terms)
        both = terms.exponents[5] + terms.exponents[200]
        assert gram[5, 200] == pytest.approx(np.prod([measure.moments(6)[k][e] for k, e in enumerate(both)]))


@pytest.mark.parametrize(
    ("family", "terms", "product", "message"),
    [
        (dy.generators.translations(3), dy.Monomials(2, 2), None, "act on 3 states"),
        (dy.generators.translations(2), dy.Monomials(2, 2, constant=False), None, "all monomials"),
        (dy.generators.translations(2), dy.Fourier(("x1", "x2"), 1), None, "all monomials"),
        (dy.generators.galilean(2, ("x1",), ("x2",)), dy.Monomials(2, 2), None, "do not depend on time"),
        (dy.generators.translations(2).combine(np.zeros((2, 1))), dy.Monomials(2, 2), None, "are zero"),
    ],
)
def test_candidates_that_do_not_fit_are_refused(family, terms, product, message):
    for make in (dy.FunctionBreaking, dy.FieldBreaking):
        with pytest.raises(DataError, match=message):
            make(family, terms, 1.0, product)


@pytest.mark.parametrize("length", [0.0, -1.0, np.inf])
def test_a_length_has_to_be_positive(length):
    with pytest.raises(DataError, match="length must be positive"):
        Bombieri(length)


def ridge(m, n=6, seed=0):
    """(u . x + 0.5)^2 with unit u at m points."""
    rng = np.random.default_rng(seed)
    u = rng.standard_normal(n)
    x = rng.uniform(-1, 1, (m, n))
    return x, (x @ u / np.linalg.norm(u) + 0.5) ** 2, u / np.linalg.norm(u)


def test_a_function_of_one_direction_is_recovered_and_its_symmetries_are_named():
    x, y, u = ridge(20)
    found = dy.recover(x, y, dy.Monomials(6, 2), dy.generators.translations(6))
    assert found.verdict == "recovered"
    assert found.broken == 1
    fresh = np.random.default_rng(9).uniform(-1, 1, (50, 6))
    assert np.allclose(found.function(fresh), (fresh @ u + 0.5) ** 2, atol=1e-4)
    _, shifts = found.unbroken.affine_parts()
    assert np.abs(shifts @ u).max() < 1e-4
    assert found.solution.duality_gap < 1e-5
    assert "recovered" in str(found)
    assert "<pre>" in found._repr_html_()
    assert found.plot() is not None


def test_a_function_of_a_distance_is_recovered():
    rng = np.random.default_rng(4)
    centre, x = rng.uniform(-1, 1, 5), rng.uniform(-1, 1, (15, 5))
    found = dy.recover(x, np.sum((x - centre) ** 2, axis=1), dy.Monomials(5, 2), dy.generators.euclidean(5))
    assert found.verdict == "recovered"
    assert found.broken == 5


@pytest.mark.parametrize("seed", range(4))
def test_a_function_without_symmetry_is_never_called_recovered_from_few_samples(seed):
    rng = np.random.default_rng(seed)
    terms, x = dy.Monomials(5, 2), rng.uniform(-1, 1, (16, 5))
    found = dy.recover(x, terms.evaluate(x) @ rng.standard_normal(21), terms, dy.generators.euclidean(5))
    assert found.verdict == "undecided"


@pytest.mark.parametrize("noise", [1e-5, 1e-3, 1e-1])
def test_noise_is_not_taken_for_symmetry(noise):
    x, y, _ = ridge(22)
    y = y + noise * np.random.default_rng(1).standard_normal(22)
    assert dy.recover(x, y, dy.Monomials(6, 2), dy.generators.translations(6)).verdict == "undecided"


@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-4])
@pytest.mark.parametrize("samples", [20, 24, 27])
def test_a_weakly_broken_symmetry_is_not_called_unbroken(size, samples):
    # Nearly a function of one direction: little breaks the rest, and fewer samples than terms are given.
    x, y, _ = ridge(samples)
    y = y + size * (x[:, 0] * x[:, 1] - x[:, 2] ** 2 + x[:, 3] * x[:, 4] + x[:, 5])
    found = dy.recover(x, y, dy.Monomials(6, 2), dy.generators.translations(6))
    assert found.verdict == "undecided" or found.broken == 6


def test_with_as_many_samples_as_terms_any_function_is_recovered_with_the_symmetries_it_has():
    rng = np.random.default_rng(3)
    terms, x = dy.Monomials(3, 2), rng.uniform(-1, 1, (14, 3))
    found = dy.recover(x, terms.evaluate(x) @ rng.standard_normal(10), terms, dy.generators.euclidean(3))
    assert found.verdict == "recovered"
    assert found.broken == 6
    assert found.unbroken is None


def test_a_constant_breaks_nothing():
    x = RNG.uniform(-1, 1, (8, 3))
    found = dy.recover(x, np.full(8, 2.0), dy.Monomials(3, 2), dy.generators.euclidean(3))
    assert found.verdict == "recovered"
    assert found.broken == 0
    assert len(found.unbroken) == 6
    assert found.solution.duality_gap < 1e-6


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((5, 3)), np.zeros(4), "5 samples"),
        (np.zeros((3, 3)), np.zeros(3), "at least 5"),
        (np.zeros((5, 3)), [0, 1, 2, np.nan, 4], "finite"),
        (np.zeros((5, 3)), [0, 1, 2, 3, 4], "contradict"),
    ],
)
def test_samples_that_cannot_be_used_are_refused(x, y, message):
    with pytest.raises(DataError, match=message):
        dy.recover(x, y, dy.Monomials(3, 2), dy.generators.translations(3), Bombieri())


def test_the_exact_penalty_goes_into_fit():
    t = np.linspace(0, 6, 60)
    runs = [
        dy.Trajectory(t=t, x=a * np.column_stack([np.cos(t), -np.sin(t)]), names=("x", "v"))
        for a in (0.5, 1.0)
    ]
    terms = dy.Monomials(2, 2, names=("x", "v"))
    penalty = dy.FieldBreaking(dy.generators.rotations(2, ("x", "v")), terms, 0.01)
    for solver in (None, dy.optim.Reweighted()):
        model = dy.fit(runs, terms, penalty=penalty, solver=solver)
        assert model.field.coefficients[0, 2] == pytest.approx(1.0, abs=1e-2)
        assert model.solution.duality_gap < 1e-6


# The benchmark: its shortcuts have to be right.


def load_benchmark():
    path = Path(__file__).parent / "benchmarks" / "paper_recovery.py"
    spec = importlib.util.spec_from_file_location("paper_recovery", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["paper_recovery"] = module
    spec.loader.exec_module(module)
    return module


BENCH = load_benchmark()


@pytest.fixture
def bench():
    return BENCH


@settings(derandomize=True, deadline=None, max_examples=100)
@given(answer=st.integers(2, 100), guess=st.integers(-5, 200))
def test_the_bisection_finds_the_least_number_from_any_guess(answer, guess):
    assert BENCH.least(lambda N: answer <= N, 1, 100, guess) == answer


@pytest.mark.parametrize(
    "key",
    [("ortho", "t", 2, 5, 2), ("ortho", "t", 3, 4, 1), ("quad", "se", 1, 5, 1), ("quad", "se", 2, 4, 2)],
)
def test_the_degrees_of_freedom_are_the_rank_of_the_parametrisation(bench, key):
    target, _, d, m, r = key
    phi = dy.Monomials(r, d)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, m))
    shape = (m, r) if target == "ortho" else (r, m)

    def values(v):
        c, inner = v[: phi.n_terms], v[phi.n_terms :].reshape(shape)
        latent = x @ np.linalg.qr(inner)[0] if target == "ortho" else ((x[:, None] - inner) ** 2).sum(axis=2)
        return phi.evaluate(latent) @ c

    v = rng.uniform(-1, 1, phi.n_terms + m * r)
    slopes = np.stack([(values(v + h) - values(v - h)) / 2e-5 for h in 1e-5 * np.eye(len(v))], axis=1)
    s = np.linalg.svd(slopes, compute_uv=False)
    assert np.sum(s > 1e-6 * s[0]) == bench.freedom(key)


@pytest.mark.parametrize("samples", [12, 18, 24, 36])
def test_the_early_end_of_a_trial_agrees_with_the_certified_minimiser(bench, samples):
    key = ("ortho", "t", 2, 6, 2)
    terms, rng = dy.Monomials(6, 2), np.random.default_rng(2)
    norm = dy.FunctionBreaking(dy.generators.translations(6), terms, 1.0, Bombieri(bench.LENGTH))
    w = bench.truth(key, terms, rng)
    trial = bench.Trial(norm, terms.evaluate(rng.uniform(-1, 1, (40, 6))), w)
    fit = Exact(trial.rows[:samples], (trial.rows[:samples] @ w)[:, None])
    certified = solve(fit, norm, solver=ADMM(tol=1e-9))
    assert certified.duality_gap <= 1e-9
    assert trial.convex(samples) == (trial.error(certified.coefficients[0]) < bench.SUCCESS)


def test_the_published_table_is_whole(bench):
    cells = bench.cells()
    assert len(cells) == 168
    assert cells["ortho", "t", 2, 50, 1] == 274.5
    assert cells["ortho", "se", 4, 10, 3] == 712.5
    assert cells["quad", "se", 2, 10, 2] == 426
    assert set(bench.REDUCED) <= set(cells)
    assert len(set(bench.REDUCED)) >= 24


def test_broken_maps_can_be_refined_as_well():
    # Penalties of maps measure themselves by coefficients, and refinement measures them by their image.
    rng = np.random.default_rng(0)
    terms, x = dy.Monomials(2, 2), rng.uniform(-1, 1, (40, 2))
    C = np.array([[0, 1.0, 2.0, 0, 0, 0], [0, -1.0, 0.5, 0, 0, 0]])
    fit = dy.optim.Quadratic(terms.evaluate(x), terms.evaluate(x) @ C.T + 0.01 * rng.standard_normal((40, 2)))
    odd = dy.SymmetryBreaking(dy.maps.parity(2), terms, weight=1.0)
    found = solve(fit, odd, solver=dy.optim.Reweighted())
    assert np.abs(found.coefficients[:, [0, 3, 4, 5]]).max() < 1e-8
    assert np.allclose(found.coefficients, C, atol=0.02)
