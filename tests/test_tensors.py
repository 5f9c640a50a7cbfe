"""Tensor sections, their Lie derivatives against SymPy, and what `invariant_tensors` finds and refuses."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsym as dy
from dynsym._checks import DataError
from dynsym.inner_product import Region, generic_region
from dynsym.sections import Bivector, Density, Metric, OneForm, Scalar, TwoForm, section_class
from dynsym.tensor_derivative import (
    CompressedField,
    exterior_matrix,
    field_matrix,
    generic_tensor_rank,
    jacobi_defect,
    tensor_gram,
    tensor_matrix,
    value_matrix,
)

KINDS = [Scalar, OneForm, TwoForm, Bivector, Metric, Density]


def random_pair(kind, n, seed):
    """A random quadratic field and a random quadratic section over n states."""
    rng = np.random.default_rng(seed)
    terms = dy.Monomials(n, 2)
    field = dy.VectorField(terms, rng.integers(-3, 4, (n, terms.n_terms)).astype(float))
    c = len(kind.components(n))
    return field, kind(terms, rng.integers(-3, 4, (c, terms.n_terms)).astype(float))


def by_sympy(section, field):
    """L_f T by the textbook formulas, symbolically."""
    x = sp.symbols(section.names, real=True)
    f, value = field.to_sympy(), section.to_sympy()
    f = sp.Matrix(list(f))
    a = f.jacobian(x)

    def along(e):
        return sum(sp.diff(e, s) * g for s, g in zip(x, f))

    if isinstance(section, Scalar):
        return along(value)
    if isinstance(section, Density):
        return sum(sp.diff(value * g, s) for s, g in zip(x, f))
    moved = value.applyfunc(along)
    if isinstance(section, OneForm):
        return moved + a.T * value
    if isinstance(section, Bivector):
        return moved - a * value - value * a.T
    return moved + a.T * value + value * a


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [2, 3])
def test_both_readings_of_the_lie_derivative_agree_with_sympy(kind, n):
    for seed in range(3):
        field, section = random_pair(kind, n, seed)
        scale = np.arange(1.0, n + 1) ** 2
        points = np.random.default_rng(seed).standard_normal((7, n))
        region = Region(points, np.full(7, 1 / 7), scale, "test")
        exact = sp.lambdify(sp.symbols(section.names, real=True), by_sympy(section, field))
        truth = np.stack([np.asarray(exact(*x), dtype=float).reshape((n,) * kind.order) for x in points])
        weights = kind.weights(scale) / np.sqrt(7)
        wanted = np.stack([[t[place] for place in kind.components(n)] for t in truth]) * weights
        by_tensor = tensor_matrix(kind, section.dictionary, field, region) @ section.coefficients.ravel()
        by_field = field_matrix(section, field.dictionary, region) @ field.coefficients.ravel()
        np.testing.assert_allclose(by_tensor, wanted.ravel(), rtol=1e-10, atol=1e-9)
        np.testing.assert_allclose(by_field, wanted.ravel(), rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_weighted_rows_have_the_frobenius_norm_of_the_tensor(kind):
    _, section = random_pair(kind, 3, 5)
    points = np.random.default_rng(1).standard_normal((5, 3))
    region = Region(points, np.full(5, 0.2), np.ones(3), "test")
    rows = value_matrix(kind, section.dictionary, region) @ section.coefficients.ravel()
    full = section.evaluate(points)
    assert np.sum(rows**2) == pytest.approx(np.sum(full**2) / 5)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 1000), power=st.integers(-3, 3))
@settings(max_examples=10, derandomize=True, deadline=None)
def test_defects_do_not_depend_on_units(kind, seed, power):
    """Recording the first state in another unit changes neither |L_f T| nor what it is relative to (up to one factor)."""
    rng = np.random.default_rng(seed)
    n, unit = 2, np.array([10.0**power, 1.0])
    field, section = random_pair(kind, n, seed)
    points = rng.standard_normal((6, n))
    terms = section.dictionary
    monomial = np.prod(
        unit ** terms.exponents.astype(float), axis=1
    )  # theta(y) = monomial * theta(x) for y = unit x
    other_field = dy.VectorField(terms, field.coefficients * unit[:, None] / monomial)
    places = kind.components(n)
    factor = np.array([np.prod(unit[list(p)]) ** -float(kind.variance) if p else 1.0 for p in places])
    other = kind(terms, section.coefficients * factor[:, None] / monomial)

    def defect(tensor, f, region):
        vector = tensor.coefficients.ravel()
        rate = np.linalg.norm(tensor_matrix(kind, terms, f, region) @ vector)
        return rate / np.sqrt(vector @ tensor_gram(kind, terms, f, region) @ vector)

    here = defect(section, field, Region(points, np.full(6, 1 / 6), np.ones(n), ""))
    there = defect(other, other_field, Region(points * unit, np.full(6, 1 / 6), unit, ""))
    assert there == pytest.approx(here, rel=1e-8)


def test_the_exterior_derivative_of_an_exact_form_vanishes_and_of_others_does_not():
    terms = dy.Monomials(3, 2)
    a = random_pair(OneForm, 3, 2)[1]
    x = sp.symbols(a.names, real=True)
    value = a.to_sympy()
    exact = [sp.diff(value[j], x[i]) - sp.diff(value[i], x[j]) for i, j in TwoForm.components(3)]
    polys = [sp.Poly(e, *x) for e in exact]
    rows = [[float(p.coeff_monomial(t)) for t in terms.symbolic()] for p in polys]
    region = generic_region(terms)
    operator = exterior_matrix(terms, region)
    assert np.abs(operator @ np.ravel(rows)).max() < 1e-12
    assert np.abs(operator @ random_pair(TwoForm, 3, 3)[1].coefficients.ravel()).max() > 0.1


def test_jacobi_defect_agrees_with_sympy():
    x = sp.symbols("x1 x2 x3", real=True)
    _, section = random_pair(Bivector, 3, 4)
    j = section.to_sympy()
    total, size = 0.0, 0.0
    points = np.random.default_rng(0).standard_normal((4, 3))
    for a in range(3):
        for b in range(3):
            for c in range(3):
                parts = [
                    sum(j[p, m] * sp.diff(j[q, r], x[m]) for m in range(3))
                    for p, q, r in ((a, b, c), (b, c, a), (c, a, b))
                ]
                values = np.array([[float(e.subs(dict(zip(x, y)))) for e in parts] for y in points])
                total += np.sum(values.sum(axis=1) ** 2)
                size += np.sum(values**2)
    region = Region(points, np.full(4, 0.25), np.ones(3), "")
    assert jacobi_defect(section, region) == pytest.approx(np.sqrt(total / size))


def test_ranks_of_brackets():
    linear = dy.Monomials(3, 1, constant=False)
    spin = Bivector(linear, [[0, 0, 1], [0, -1, 0], [1, 0, 0]])
    assert generic_tensor_rank(spin, generic_region(linear)) == 2


def test_shapes_and_kinds_are_checked():
    with pytest.raises(DataError, match=r"coefficients of a two-form must have shape \(1, 3\), got \(2, 3\)"):
        TwoForm(dy.Monomials(2, 1), np.zeros((2, 3)))
    with pytest.raises(DataError, match="unknown kind of tensor 'spinor'"):
        section_class("spinor")


@pytest.mark.parametrize("kind", KINDS)
def test_compressed_rows_have_the_norms_of_the_sampled_ones(kind):
    field, section = random_pair(kind, 3, 7)
    points = np.random.default_rng(3).standard_normal((60, 3))
    region = Region(points, np.full(60, 1 / 60), np.array([1.0, 3.0, 0.2]), "")
    plain = field_matrix(section, field.dictionary, region)
    short = CompressedField.of(kind, section.dictionary, field.dictionary, region).matrix(
        section.coefficients.ravel()
    )
    assert len(short) < len(plain)
    np.testing.assert_allclose(short.T @ short, plain.T @ plain, atol=1e-9 * np.abs(plain.T @ plain).max())
