"""Null spaces with their evidence, and functions as text that can be read again."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg as sla
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsym import DataError, Monomials, ScalarFunction, Terms
from dynsym.sections import expression_of, text_of
from dynsym.spectral import null_space, principal_angles, relative_spectrum, row_space


def test_values_are_the_generalised_singular_values():
    rng = np.random.default_rng(0)
    operator, half = rng.standard_normal((9, 5)), rng.standard_normal((7, 5))
    gram = half.T @ half
    spectrum = relative_spectrum(operator, gram, "test")
    slow = np.sqrt(sla.eigh(operator.T @ operator, gram, eigvals_only=True))
    np.testing.assert_allclose(spectrum.values, slow, rtol=1e-10)
    np.testing.assert_allclose(spectrum.vectors.T @ gram @ spectrum.vectors, np.eye(5), atol=1e-10)
    np.testing.assert_allclose(
        np.linalg.norm(operator @ spectrum.vectors, axis=0), spectrum.values, rtol=1e-10
    )


def test_zeros_are_at_rounding_and_not_at_its_root():
    rng = np.random.default_rng(1)
    operator = rng.standard_normal((40, 8))
    operator[:, 7] = operator[:, :7] @ rng.standard_normal(7)
    assert relative_spectrum(operator, np.eye(8), "test").values[0] < 1e-14
    eigen = np.sqrt(np.abs(np.linalg.eigvalsh(operator.T @ operator)[0]))
    assert eigen > 1e-9  # negative control: the Gram matrix loses half of the digits


@pytest.mark.parametrize("rows", [0, 2, 30])
def test_few_rows_leave_many_zeros(rows):
    spectrum = relative_spectrum(np.random.default_rng(0).standard_normal((rows, 5)), np.eye(5), "test")
    assert spectrum.values.shape == (5,)
    assert spectrum.dimension(1e-12) == max(5 - rows, 0)


def test_units_of_the_unknowns_do_not_matter():
    rng = np.random.default_rng(2)
    operator, scale = rng.standard_normal((9, 4)), np.array([1.0, 1e8, 1e-8, 1e3])
    one = relative_spectrum(operator, np.eye(4), "test")
    other = relative_spectrum(operator * scale, np.diag(scale**2), "test")
    np.testing.assert_allclose(other.values, one.values, rtol=1e-10)


def test_functions_that_the_norm_does_not_see_are_left_out():
    spectrum = relative_spectrum(np.eye(3), np.diag([1.0, 0.0, 4.0]), "test")
    np.testing.assert_allclose(spectrum.values, [0.5, 1.0])
    assert not spectrum.vectors[1].any()


def test_a_gap_is_a_ratio():
    spectrum = relative_spectrum(np.diag([1e-6, 1e-3, 1.0]), np.eye(3), "Euclidean")
    assert spectrum.gap(1) == pytest.approx(1e3)
    assert spectrum.gap(0) == spectrum.gap(3) == np.inf
    assert "Euclidean" in str(spectrum)
    with pytest.raises(DataError, match="operator has 2 columns, the norm 3"):
        relative_spectrum(np.eye(2), np.eye(3), "test")


@pytest.mark.parametrize("shape", [(3, 6), (6, 6), (40, 6)])
@pytest.mark.parametrize("rank", [0, 1, 3])
def test_null_space_and_row_space_complement_each_other(shape, rank):
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    null, rows = null_space(matrix), row_space(matrix)
    assert null.shape == (6, 6 - rank)
    assert rows.shape == (rank, 6)
    both = np.hstack([null, rows.T])
    np.testing.assert_allclose(both.T @ both, np.eye(6), atol=1e-12)
    assert np.abs(matrix @ null).max(initial=0.0) < 1e-12


def test_angles_between_spaces():
    a = np.eye(4)[:, :2]
    b = np.stack([np.eye(4)[0], np.cos(0.3) * np.eye(4)[1] + np.sin(0.3) * np.eye(4)[2]], axis=1)
    np.testing.assert_allclose(principal_angles(a, b), [0, 0.3], atol=1e-8)


NAMES = ("x", "v")
TERMS = Terms(["1", "x", "x*v^2", "sin(x)", "x+v", "1/(x^2+1)"], NAMES)
POINTS = np.random.default_rng(0).standard_normal((5, 2))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([0.0, 1.0, -1.0, 0.5, -2.0, 1e-12, -3e8, 0.1 + 0.2]), min_size=6, max_size=6))
def test_the_text_of_a_function_is_the_function(c):
    wanted = TERMS.evaluate(POINTS) @ c
    text = text_of(TERMS.terms, c, digits=17)
    size = np.abs(TERMS.evaluate(POINTS)) @ np.abs(c) + 1e-300
    assert (np.abs(Terms([text], NAMES).evaluate(POINTS)[:, 0] - wanted) <= 1e-12 * size).all()
    x, v = sp.symbols("x v", real=True)
    values = [float(expression_of(TERMS, np.array(c)).subs({x: a, v: b})) for a, b in POINTS]
    assert (np.abs(values - wanted) <= 1e-12 * size).all()


def test_a_scalar_function_has_the_gradient_of_itself():
    h = ScalarFunction(TERMS, np.arange(6.0))
    step = 1e-6
    for k in range(2):
        central = (h(POINTS + step * np.eye(2)[k]) - h(POINTS - step * np.eye(2)[k])) / (2 * step)
        np.testing.assert_allclose(h.gradient(POINTS)[:, k], central, rtol=1e-6, atol=1e-8)
    with pytest.raises(DataError, match=r"shape \(6,\), got \(5,\)"):
        ScalarFunction(TERMS, np.ones(5))
    assert str(ScalarFunction(Monomials(1, 1), [0.0, 0.0])) == "0"
