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


def test_volume_and_area_kept_by_known_flows():
    names = ("x", "y", "z")
    terms = dy.Fourier(names, 1)
    place = {t: i for i, t in enumerate(terms.terms)}
    c = np.zeros((3, 6))
    c[0, place["sin(z)"]], c[0, place["cos(y)"]] = 1.0, 0.5
    c[1, place["sin(x)"]], c[1, place["cos(z)"]] = 0.8, 1.0
    c[2, place["sin(y)"]], c[2, place["cos(x)"]] = 0.5, 0.8
    abc = dy.VectorField(terms, c)
    found = dy.invariant_tensors(abc, "density", dy.Monomials(3, 2, names=names) + dy.Fourier(names, 1))
    assert [str(s) for s in found.sections] == ["1"]  # the ABC flow keeps volume, and no other measure here
    heiles = dy.systems.get("henon_heiles").field()
    areas = dy.invariant_tensors(heiles, "two-form", dy.Monomials(4, 1))
    assert [(str(f.section), f.rank, f.closure) for f in areas.findings] == [("dx^dvx + dy^dvy", 4, 0.0)]


def test_lorenz_keeps_no_density_but_multiplies_volume():
    lorenz = dy.systems.get("lorenz").field()
    assert dy.invariant_tensors(lorenz, "density", dy.Monomials(3, 3)).findings == ()
    found = dy.invariant_tensors(lorenz, dy.Multiplied(Density), dy.Monomials(3, 2))
    assert str(found.sections[0]) == "1"
    assert found.findings[0].eigenvalue == pytest.approx(-41 / 3)


def test_eigenfunctions_real_complex_and_nonlinear_without_their_products():
    spiral = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -1, -0.5]])
    found = dy.invariant_tensors(spiral, "koopman", dy.Monomials(2, 3))
    assert len(found.findings) == 1
    assert found.findings[0].partner is not None
    assert found.findings[0].eigenvalue == pytest.approx(-0.25 + 1j * np.sqrt(1 - 0.0625))
    slow = dy.VectorField(dy.Monomials(2, 2, names=("x", "v")), [[0, -1, 0, 0, 0, 0], [0, 0, -3, 1, 0, 0]])
    found = dy.invariant_tensors(slow, "koopman", dy.Monomials(2, 3))
    assert [f.expression for f in found.findings] == ["x", "v - x**2"]
    assert [f.eigenvalue for f in found.findings] == pytest.approx([-1, -3])


def test_a_complex_pair_satisfies_both_real_equations():
    spiral = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -1, -0.5]])
    f = dy.invariant_tensors(spiral, "koopman", dy.Monomials(2, 1)).findings[0]
    x = np.random.default_rng(0).standard_normal((5, 2))
    h = f.section.parts(x)[:, 0] + 1j * f.partner.parts(x)[:, 0]
    slope = f.section.slopes(x)[:, 0] + 1j * f.partner.slopes(x)[:, 0]
    np.testing.assert_allclose(np.einsum("mk,mk->m", slope, spiral.evaluate(x)), f.eigenvalue * h, atol=1e-12)


def test_a_damped_system_is_conformally_symplectic():
    duffing = dy.systems.get("damped_duffing").field()
    assert dy.invariant_tensors(duffing, "two-form", dy.Monomials(2, 2)).sections == ()
    found = dy.invariant_tensors(duffing, dy.Multiplied(TwoForm), dy.Monomials(2, 0))
    assert found.findings[0].eigenvalue == pytest.approx(-0.2)


def test_rotations_are_killing_fields_and_multiples_are_not_listed_twice():
    turn = dy.VectorField(dy.Monomials(2, 1, constant=False), [[0, 1], [-1, 0]])
    found = dy.invariant_tensors(turn, "metric", dy.Monomials(2, 2))
    assert str(found.sections[0]) == "dx1*dx1 + dx2*dx2"
    assert any("times conserved functions" in w for w in found.warnings)
    assert len(found.sections) <= 3


@pytest.mark.parametrize("kind", ["one-form", "two-form", "bivector", "metric", "density", "koopman"])
def test_random_fields_keep_nothing(kind):
    for seed in range(3):
        rng = np.random.default_rng([5, seed])
        terms = dy.Monomials(2, 3)
        field = dy.VectorField(terms, rng.standard_normal((2, terms.n_terms)))
        assert dy.invariant_tensors(field, kind, dy.Monomials(2, 2)).sections == ()


@pytest.mark.parametrize("kind", ["bivector", "metric", "density", "koopman"])
def test_noisy_limit_cycles_keep_nothing(kind):
    system = dy.systems.get("van_der_pol")
    model = dy.fit(
        system.runs(6, 300, noise=0.02), dy.Monomials(2, 3, names=system.states), penalty=dy.Stepwise()
    )
    assert dy.invariant_tensors(model, kind, dy.Monomials(2, 2, names=system.states)).sections == ()


def test_noisy_predators_keep_their_measure():
    system = dy.systems.get("lotka_volterra_2d")
    model = dy.fit(
        system.runs(16, 500, noise=0.01), dy.Monomials(2, 2, names=system.states), penalty=dy.Stepwise()
    )
    terms = dy.Terms(["1", "x", "y", "x*y", "1/(x*y)"], system.states)
    found = dy.invariant_tensors(model, Density, terms)
    assert [str(s) for s in found.sections] == ["1/(x*y)"]
    assert found.findings[0].verdict.upper < 0.01


def test_refusals_say_what_to_do():
    field = dy.systems.get("duffing").field()
    with pytest.raises(DataError, match="call conserved_quantities"):
        dy.invariant_tensors(field, "function", dy.Monomials(2, 2))
    with pytest.raises(DataError, match="more than 700 unknowns"):
        dy.invariant_tensors(dy.systems.get("lagrange_top").field(), "metric", dy.Monomials(6, 3))
    with pytest.raises(DataError, match="the dictionary is over"):
        dy.invariant_tensors(field, "metric", dy.Monomials(2, 2, names=("a", "b")))


def test_results_print_and_draw_themselves():
    found = dy.invariant_tensors(dy.systems.get("henon_heiles").field(), "bivector", dy.Monomials(4, 0))
    assert "rank 4, Poisson" in str(found)
    assert found._repr_html_().startswith("<pre>")
    assert found.plot().axes
    assert found.sections[0]._repr_latex_().startswith("$$")


@pytest.mark.parametrize("kind", ["two-form", "metric", "density", "koopman"])
def test_of_a_flow_that_stands_still_nothing_is_said(kind):
    still = dy.VectorField(dy.Monomials(2, 1), np.zeros((2, 3)))
    found = dy.invariant_tensors(still, kind, dy.Monomials(2, 1))
    assert found.findings == ()
    assert any("nothing moves" in w for w in found.warnings)
    assert dy.hamiltonian_structure(still, dy.Monomials(2, 2)).verdict.status == "undecided"
