"""Canonical form: sparsest basis, and coefficients that become known numbers only where their errors allow it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import null_space, subspace_angles
from scipy.optimize import linprog

import dynsym as dy
from dynsym._checks import DataError
from dynsym._constants import candidates, known_numbers, recognise, written
from dynsym.certify import CERTIFIED, REFUTED, Level, Verdict
from dynsym.discover import _least_l1, sparse_basis, sparse_vectors
from dynsym.findings import flow_multiple, law_units
from dynsym.findings._canonical import Judge, fitted_numbers, simplify

exactly = settings(derandomize=True, deadline=None, max_examples=60)


# --- sparsest basis ------------------------------------------------------------------------------------------


def planted(k, r, n_entries, rng, noise=0.0):
    sparse = np.zeros((k, r))
    for j in range(r):
        sparse[rng.choice(k, n_entries, replace=False), j] = rng.choice([-1, 1], n_entries) * rng.uniform(
            0.5, 2, n_entries
        )
    return sparse, (sparse + noise * rng.standard_normal(sparse.shape)) @ rng.standard_normal((r, r))


@pytest.mark.parametrize(("k", "r", "n_entries"), [(12, 2, 3), (40, 5, 4), (120, 12, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_planted_sparse_basis_is_found(k, r, n_entries, seed):
    sparse, mixed = planted(k, r, n_entries, np.random.default_rng(seed))
    found = sparse_basis(mixed, np.ones(k))
    assert np.count_nonzero(found) <= np.count_nonzero(sparse)
    assert subspace_angles(found, mixed)[0] < 1e-8


@exactly
@given(st.integers(1, 6), st.integers(0, 10**6), st.sampled_from([0.0, 1e-6, 1e-3, 0.1, 3.0]))
def test_the_basis_spans_what_was_given(r, seed, noise):
    """Whatever the space, noisy or full: same span, same dimension, and no basis close to dependent."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(r, 15))
    _, mixed = planted(k, r, min(3, k), rng, noise)
    if np.linalg.matrix_rank(mixed, tol=1e-6) < r:
        return
    weights = rng.uniform(0.1, 10.0, k)
    found = sparse_basis(mixed, weights)
    assert found.shape == mixed.shape
    assert subspace_angles(found * weights[:, None], mixed * weights[:, None])[0] < 1e-6
    assert np.abs(found * weights[:, None]).max(axis=0) == pytest.approx(1.0)


def test_coordinates_without_weight_follow_the_others():
    """A constant has no gradient and no weight; its entry has to stay with its vector."""
    mixed = np.array([[3.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    found = sparse_basis(mixed, np.array([0.0, 1.0, 1.0]))
    assert subspace_angles(found, mixed)[0] < 1e-12
    assert np.count_nonzero(found[1:]) == 2


def test_least_l1_is_the_textbook_program():
    """Slow twin: the primal program with one variable and two rows for each absolute value."""
    rng = np.random.default_rng(5)
    for k, r in ((6, 2), (15, 4), (30, 8)):
        basis, _ = np.linalg.qr(rng.standard_normal((k, r)))
        for rows, values in ((basis[[2]], np.ones(1)), (rng.standard_normal((2, r)), np.array([1.0, 0.0]))):
            a = _least_l1(basis, rows, values)
            twin = linprog(
                np.concatenate([np.zeros(r), np.ones(k)]),
                A_ub=np.block([[basis, -np.eye(k)], [-basis, -np.eye(k)]]),
                b_ub=np.zeros(2 * k),
                A_eq=np.hstack([rows, np.zeros((len(rows), k))]),
                b_eq=values,
                bounds=[(None, None)] * r + [(0, None)] * k,
            )
            assert np.abs(basis @ a).sum() == pytest.approx(twin.fun, rel=1e-8)
            assert rows @ a == pytest.approx(values, abs=1e-8)


def test_sparsest_vectors_of_a_small_space_against_all_supports():
    """Slow twin: the sparsest vectors by enumeration of the coordinates that vanish."""
    rng = np.random.default_rng(2)
    sparse, mixed = planted(9, 3, 3, rng)
    fewest = min(
        9 - len(zeros)
        for size in range(2, 9)
        for zeros in combinations(range(9), size)
        if null_space(mixed[list(zeros)], rcond=1e-9).shape[1] > 0
    )
    found = sparse_vectors(mixed, np.ones(9))
    assert np.count_nonzero(found[0]) == fewest == np.count_nonzero(sparse[:, 0])


def test_small_entries_of_an_exact_space_count_and_errors_do_not():
    """What counts as an entry comes from the errors that a space shows: 0.001 is an entry of an exact space."""
    exact = np.zeros((40, 2))
    exact[[0, 1, 2], 0] = 1.0, 1e-3, 1e-3
    exact[[0, 3], 1] = 1.0, 1.0
    mixed = exact @ np.array([[1.0, 2.0], [-1.0, 1.0]])
    found = sparse_basis(mixed, np.ones(40))
    # With the small entries e_0 + e_3 is simpler than e_3 less the first vector; without them e_3 alone is.
    assert np.count_nonzero(found) == 5
    noisy = mixed + 1e-4 * np.random.default_rng(0).standard_normal(mixed.shape)
    assert np.count_nonzero(np.abs(sparse_basis(noisy, np.ones(40))) > 0.05) == 2


def test_noise_does_not_make_two_vectors_of_one():
    """One sparse vector found from several coordinates with different errors is one vector."""
    _, mixed = planted(60, 5, 4, np.random.default_rng(0), noise=1e-3)
    found = sparse_basis(mixed, np.ones(60))
    assert np.linalg.cond(found / np.linalg.norm(found, axis=0)) < 50
    assert np.count_nonzero(np.abs(found) > 0.05) == 20


def test_a_dependent_span_is_refused():
    with pytest.raises(DataError, match="linearly dependent"):
        sparse_basis(np.ones((4, 2)), np.ones(4))
    with pytest.raises(DataError, match="no entry of positive weight"):
        sparse_basis(np.eye(3)[:, :2], np.array([1.0, 0.0, 1.0]))
    with pytest.raises(DataError, match="fit together"):
        sparse_basis(np.ones((4, 2)), np.ones(3))


# --- known numbers ---------------------------------------------------------------------------------------------


def test_texts_are_the_numbers():
    table = known_numbers()
    assert len({known.text for known in table}) == len(table) > 1000
    for known in table[::7]:
        assert float(sp.sympify(known.text)) == pytest.approx(known.value, rel=1e-15)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.4143, 1e-4, "sqrt(2)"),
        (3.14159, 1e-5, "pi"),
        (1.618034, 1e-6, "(1/2 + sqrt(5)/2)"),
        (0.866, 1e-4, "sqrt(3)/2"),
        (0.5004, 1e-3, "1/2"),
        (0.667, 1e-3, "2/3"),
        (-2.02, 0.02, "2"),
        (0.7, 5e-4, "7/10"),
    ],
)
def test_known_numbers_inside_their_errors(value, error, text):
    assert recognise(value, error).text == text


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0.333, 0.1),  # anything from 1/8 to 1/2
        (0.3536, 0.01),  # sqrt(2)/4, 7/20, 6/17, ...
        (1.41, 0.02),
        (0.7072, 1e-2),
        (1.5, 0.3),
        (1.2345678, 1e-7),
        (0.5004, 1e-4),  # four standard errors from a half
        (1e6, 1.0),
        (1e-9, 1e-12),
    ],
)
def test_numbers_that_keep_their_digits(value, error):
    assert recognise(value, error) is None


@pytest.mark.parametrize("error", [0.1, 0.03, 0.01, 1e-3, 1e-4])
def test_random_numbers_are_seldom_recognised(error):
    """The negative control, whatever the error: a chance hit has probability 0.1, for fractions and roots each."""
    rng = np.random.default_rng(0)
    values = np.exp(rng.uniform(np.log(0.05), np.log(20), 1000))
    assert np.mean([recognise(v, error * v) is not None for v in values]) < 0.15


def test_candidates_come_simplest_first_and_inside_reach():
    found = candidates(0.5003, 0.03)
    assert found[0].text == "1/2"
    assert [k.rank for k in found] == sorted(k.rank for k in found)
    assert all(abs(k.value / 0.5003 - 1) <= 0.03 for k in found)


def test_roots_are_written_as_roots_where_they_are_exact():
    terms = dy.Monomials(2, 1, names=("x", "y"))
    law = dy.ScalarFunction(terms, [0.0, np.sqrt(2), -np.pi / 2])
    assert str(law) == "sqrt(2)*x - pi/2*y"
    x, y = sp.symbols("x y")
    assert sp.expand(sp.sympify(str(law)) - (sp.sqrt(2) * x - sp.pi * y / 2)) == 0
    assert str(dy.ScalarFunction(terms, [0.0, 1.41421, 0.25])) == "1.41421*x + 0.25*y"
    assert written(0.1) is None


# --- forms -----------------------------------------------------------------------------------------------------


def judged(fitted, errors, weights=None):
    """Accepts what lies within two standard errors of the fitted ratios to the first entry."""
    fitted, errors = np.asarray(fitted, float), np.asarray(errors, float)
    pulls = (np.eye(len(fitted)) - np.outer(fitted, np.eye(len(fitted))[0])) / np.maximum(errors, 1e-12)[
        :, None
    ]
    operator = 1e-3 * pulls[1:]

    def verdict(vector):
        ratios = vector / vector[0]
        pull = float(np.max(np.abs(ratios - fitted)[1:] / np.maximum(errors, 1e-12)[1:]))
        return Verdict(CERTIFIED if pull <= 2 else REFUTED, 1e-3 * pull, 0.0, 0.01, "")

    gram = np.eye(len(fitted))
    return Judge(operator, gram, np.ones(len(fitted)), verdict, Level(0.05, 0.05, len(fitted)))


def form(fitted, errors):
    simple, verdict = simplify(np.asarray(fitted, float), judged(fitted, errors))
    assert verdict.status == CERTIFIED
    return simple / simple[0]


def test_ratios_become_known_numbers_inside_their_errors():
    assert form([1, 0.4996, 1e-4], [0, 1e-3, 1e-4]) == pytest.approx([1, 0.5, 0], abs=1e-14)
    assert form([1, 1.41425, 0.3334], [0, 1e-4, 1e-3])[1:] == pytest.approx([np.sqrt(2), 1 / 3], abs=1e-14)
    assert form([1, -1.001, 2.003], [0, 1e-3, 3e-3]) == pytest.approx([1, -1, 2], abs=1e-14)


def test_wide_errors_keep_the_fitted_number():
    """0.34 +- 0.1 is neither 1/3 nor sqrt(3)/5; 0.7 +- 0.01 is neither 7/10 nor sqrt(2)/2."""
    assert form([1, 0.34, 0.02], [0, 0.1, 0.1])[1] == pytest.approx(0.34, abs=1e-3)
    assert form([1, 0.7], [0, 0.01])[1] == pytest.approx(0.7, abs=1e-3)
    assert form([1, 0.7072], [0, 0.01])[1] != np.sqrt(2) / 2


def test_what_the_data_exclude_is_not_rounded():
    assert form([1, 0.505], [0, 1e-3])[1] == pytest.approx(0.505, abs=1e-9)
    assert form([1, 1.02, 1.0], [0, 1e-3, 1e-3])[1] == pytest.approx(1.02, abs=1e-9)


def test_refuted_findings_stay_as_they_are():
    judge = judged([1.0, 0.5], [0.0, 1e-3])
    vector = np.array([1.0, 0.8])
    simple, verdict = simplify(vector, judge)
    assert verdict.status == REFUTED
    assert simple == pytest.approx(vector)


def test_fitted_numbers_are_those_that_are_no_known_ratios():
    assert fitted_numbers(np.array([1.0, 0.5, np.sqrt(2), 0.0])) == 0
    assert fitted_numbers(np.array([1.0, 0.50012, 1.23456789])) == 2
    assert fitted_numbers(np.zeros(3)) == 0


def test_incommensurate_oscillator_shows_its_root():
    """x'' = -x, y'' = -2 y from the exact field: the frequencies 1 and sqrt(2) appear as such."""
    terms = dy.Monomials(4, 1, names=("x", "y", "u", "v"))
    root = np.sqrt(2)
    field = dy.VectorField(
        terms, [[0, 0, 0, 1, 0], [0, 0, 0, 0, root], [0, -1, 0, 0, 0], [0, 0, -root, 0, 0]]
    )
    found = dy.symmetries(field, dy.generators.linear(4))
    assert found.dimension == 4
    assert found.algebra.name == "R^4"


# --- units -----------------------------------------------------------------------------------------------------


def test_units_of_kepler_laws():
    names = ("x", "y", "vx", "vy")
    units = ("m", "m", "m/s", "m s^-1")
    moment = dy.ScalarFunction(dy.Terms(["x*vy", "y*vx"], names), [1.0, -1.0])
    assert law_units(moment, units).unit == "m**2/s"
    assert set(law_units(moment, units).coefficients.values()) == {""}
    energy = dy.ScalarFunction(dy.Terms(["vx^2 + vy^2", "1/sqrt(x^2 + y^2)"], names), [1.0, -0.5])
    found = law_units(energy, dict(zip(names, units)))
    assert found.unit == "m**2/s**2"
    assert found.coefficients["1/sqrt(x**2 + y**2)"] == "m**3/s**2"
    assert "m**3/s**2" in str(found)


def test_units_that_cannot_be():
    terms = dy.Terms(["sin(x)", "v^2", "x + v"], ("x", "v"))
    assert law_units(dy.ScalarFunction(terms, [1.0, 0.5, 0.0]), ("m", "m/s")).unit is None
    assert law_units(dy.ScalarFunction(terms, [1.0, 0.5, 0.0]), ("", "1/s")).coefficients["v**2"] == "s**2"
    assert law_units(dy.ScalarFunction(terms, [0.0, 0.5, 1.0]), ("m", "m/s")).unit is None
    assert law_units(dy.ScalarFunction(terms, [0.0, 0.0, 0.0]), ("m", "m/s")).unit is None
    with pytest.raises(DataError, match="2 states need as many units, got 1"):
        law_units(dy.ScalarFunction(terms, [1.0, 0.0, 0.0]), ("m",))
    with pytest.raises(DataError, match="cannot be read"):
        law_units(dy.ScalarFunction(terms, [1.0, 0.0, 0.0]), ("m", "m?s"))


# --- the trivial -----------------------------------------------------------------------------------------------


def test_multiples_of_the_flow_by_laws_are_trivial():
    names = ("x", "v")
    spring = dy.VectorField(dy.Monomials(2, 1, names=names), [[0, 0, 1], [0, -1, 0]])
    energy = dy.ScalarFunction(dy.Monomials(2, 2, names=names), [0, 0, 0, 1, 0, 1])

    def of(first, second):
        field = dy.VectorField(dy.Terms([first, second], names), np.eye(2))
        return dy.generators.custom([field], ["xi"])

    assert flow_multiple(of("v", "-x"), spring) == "1"
    assert flow_multiple(of("3*v*(x^2 + v^2)", "-3*x*(x^2 + v^2)"), spring, [energy]) == "3*h1"
    assert (
        flow_multiple(of("v*(1 + (x^2 + v^2)^2)", "-x*(1 + (x^2 + v^2)^2)"), spring, [energy]) == "1 + h1*h1"
    )
    # Negative controls: a scaling; the flow times a function that is not conserved; a law that was not given.
    assert flow_multiple(of("x", "v"), spring, [energy]) is None
    assert flow_multiple(of("v*x^2", "-x^3"), spring, [energy]) is None
    assert flow_multiple(of("3*v*(x^2 + v^2)", "-3*x*(x^2 + v^2)"), spring) is None
    with pytest.raises(DataError, match="takes one generator, got 2"):
        flow_multiple(dy.generators.translations(2, names=names), spring)
