"""The one bilinear operator: both readings agree, brackets are commutators, scaling laws are zeros."""

from __future__ import annotations

import numpy as np
import pytest

from dynsym import Fourier, Monomials, ScalarFunction, Terms, VectorField, generators, systems
from dynsym.generators import Generators
from dynsym.inner_product import Region, generic_region
from dynsym.lie_derivative import (
    conservation_matrix,
    equivariance_matrix,
    gradient_gram,
    law_matrix,
    symmetry_matrix,
)

NAMES = ("x", "v", "w")
RNG = np.random.default_rng(7)


def scaled_region(n, m=40):
    """Uneven weights and scales, so that no factor can hide."""
    rng = np.random.default_rng(n)
    weights = rng.random(m)
    return Region(
        rng.standard_normal((m, n)), weights / weights.sum(), 0.5 + rng.random(n) * 3, "test points"
    )


def random_field(seed, degree=2):
    d = Monomials(3, degree, names=NAMES) + Fourier(NAMES, 1, within=("x",))
    return VectorField(d, np.random.default_rng(seed).standard_normal((3, d.n_terms)))


def random_family(seed, q=5):
    d = Monomials(3, 2, names=NAMES)
    rng = np.random.default_rng(seed)
    labels = tuple(f"g{i}" for i in range(q))
    return Generators(d, rng.standard_normal((q, 3, d.n_terms)), labels, rng.standard_normal(q))


@pytest.mark.parametrize("seed", range(5))
def test_both_readings_of_the_operator_agree(seed):
    # Hold f and move xi, or hold xi and move f: the number is the same.
    field, family, region = random_field(seed), random_family(seed + 100), scaled_region(3)
    c = np.random.default_rng(seed).standard_normal(len(family))
    by_generator = symmetry_matrix(family, field, region).operator @ c
    one = family.combine(c[:, None])
    by_field = equivariance_matrix(one, field.dictionary, region) @ field.coefficients.ravel()
    np.testing.assert_allclose(by_generator, by_field, rtol=1e-11, atol=1e-12)


def test_columns_are_the_definition():
    # The slow twin: L_xi f = Df xi - Dxi f + b f, sample by sample, in units of the scales.
    field, family, region = random_field(1), random_family(2), scaled_region(3)
    wanted = np.empty((len(region.points), 3, len(family)))
    for m, x in enumerate(region.points):
        df, f = field.jacobian(x)[0], field(x)
        for i in range(len(family)):
            xi = family.field(i)
            lie = df @ xi(x) - xi.jacobian(x)[0] @ f + family.time_scaling[i] * f
            wanted[m, :, i] = lie / region.scale * np.sqrt(region.weights[m])
    np.testing.assert_allclose(
        symmetry_matrix(family, field, region).operator,
        wanted.reshape(-1, len(family)),
        rtol=1e-11,
        atol=1e-12,
    )


def test_without_time_scaling_it_is_the_bracket():
    field, region = random_field(3), scaled_region(3)
    xi = VectorField(Monomials(3, 2, names=NAMES), RNG.standard_normal((3, 10)))
    family = generators.custom([xi])
    lie = symmetry_matrix(family, field, region).operator[:, 0].reshape(-1, 3)
    lie = lie * region.scale / region.roots[:, None]
    np.testing.assert_allclose(lie, xi.bracket(field).evaluate(region.points), rtol=1e-10, atol=1e-11)


def test_lie_derivatives_represent_the_bracket():
    # L_[xi, eta] f = L_xi L_eta f - L_eta L_xi f, which is the Jacobi identity of vector fields.
    f = random_field(3)
    d = Monomials(3, 1, names=NAMES)
    xi, eta = (VectorField(d, np.random.default_rng(s).integers(-2, 3, (3, 4))) for s in (1, 2))
    x = scaled_region(3).points
    left = xi.bracket(eta).bracket(f).evaluate(x)
    right = xi.bracket(eta.bracket(f)).evaluate(x) - eta.bracket(xi.bracket(f)).evaluate(x)
    np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-10)
    assert np.abs(left).max() > 1


def test_operator_is_push_minus_pull_and_the_bound_bounds_both():
    field, family, region = random_field(4), random_family(5), scaled_region(3)
    matrix = symmetry_matrix(family, field, region)
    half = len(matrix.operator)
    np.testing.assert_allclose(matrix.operator, matrix.parts[:half] - matrix.parts[half:], atol=1e-12)
    for c in RNG.standard_normal((20, len(family))):
        # |Df xi|^2 <= |Df|^2 |xi|^2 in L2 only with sup norms; the parts with b are at most doubled.
        assert np.sum((matrix.parts @ c) ** 2) < 40 * (c @ matrix.bound @ c)
    assert np.linalg.eigvalsh(matrix.bound)[0] > 0


def test_units_of_the_states_do_not_matter():
    # Recording v in other units changes coefficients and scales, and no entry of the operator.
    field, region = random_field(6), scaled_region(3)
    s = np.array([1.0, 1000.0, 1.0])
    family = generators.affine(3, NAMES)
    d = Monomials(3, 2, names=NAMES)
    poly = VectorField(d, field.coefficients[:, :10])
    factor = np.prod(s**d.exponents, axis=1)
    rescaled = VectorField(d, poly.coefficients / factor * s[:, None])
    other = Region(region.points * s, region.weights, region.scale * s, "the same points")
    affine = symmetry_matrix(family, poly, region)
    moved = symmetry_matrix(family, rescaled, other)
    ratio = [1, s[1], 1] + [s[i] / s[j] for i in range(3) for j in range(3)]
    np.testing.assert_allclose(moved.operator * ratio, affine.operator, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moved.bound * np.outer(ratio, ratio), affine.bound, rtol=1e-9)


@pytest.mark.parametrize("name", ["kepler_2d", "kepler_3d"])
def test_keplers_third_law_and_no_other_scaling(name):
    field = systems.get(name).field()
    n = field.n_states
    region = generic_region(field.dictionary)
    family = generators.with_time_scaling(generators.scalings(n, field.names))

    def defect(position, velocity, b):
        weights = np.array([position] * (n // 2) + [velocity] * (n // 2) + [b])
        return np.linalg.norm(symmetry_matrix(family, field, region).operator @ weights)

    assert defect(2 / 3, -1 / 3, 1) < 1e-13
    for wrong in [(1, 0, 1), (2 / 3, 1 / 3, 1), (2 / 3, -1 / 3, -1), (2 / 3, -1 / 3, 0), (0.5, -0.5, 1)]:
        assert defect(*wrong) > 0.1, wrong


def test_a_ramp_has_two_orders_in_time():
    # xi + t eta: L_eta f = 0 and L_xi f - eta = 0. The slow twin solves for both by hand.
    field, region = random_field(8), scaled_region(3)
    d = Monomials(3, 1, names=NAMES)
    a, ramp = RNG.standard_normal((2, 1, 3, 4))
    family = Generators(d, a, ("g",), np.array([0.3]), ramp)
    xi, eta = VectorField(d, a[0]), VectorField(d, ramp[0])
    x = region.points
    f = field.evaluate(x)
    first = xi.bracket(field).evaluate(x) + 0.3 * f - eta.evaluate(x)
    second = eta.bracket(field).evaluate(x)
    wanted = np.concatenate([(v / region.scale * region.roots[:, None]).ravel() for v in (first, second)])
    np.testing.assert_allclose(
        symmetry_matrix(family, field, region).operator[:, 0], wanted, rtol=1e-10, atol=1e-10
    )


def test_conservation_is_gradient_times_field():
    field, region = random_field(9), scaled_region(3)
    d = Monomials(3, 3, names=NAMES)
    h = ScalarFunction(d, RNG.standard_normal(d.n_terms))
    wanted = np.sum(h.gradient(region.points) * field.evaluate(region.points), axis=1) * region.roots
    np.testing.assert_allclose(
        conservation_matrix(field, d, region) @ h.coefficients, wanted, rtol=1e-11, atol=1e-12
    )


def test_both_readings_of_conservation_agree():
    field, region = random_field(10), scaled_region(3)
    d = Monomials(3, 3, names=NAMES)
    c = RNG.standard_normal(d.n_terms)
    by_function = conservation_matrix(field, d, region) @ c
    by_field = law_matrix(d, c, field.dictionary, region) @ field.coefficients.ravel()
    np.testing.assert_allclose(by_function, by_field, rtol=1e-11, atol=1e-12)


def test_the_rate_of_a_function_never_exceeds_its_bound():
    field, region = random_field(11), scaled_region(3)
    d = Monomials(3, 2, names=NAMES)
    rates, gram = conservation_matrix(field, d, region), gradient_gram(field, d, region)
    for c in RNG.standard_normal((50, d.n_terms)):
        assert np.sum((rates @ c) ** 2) <= c @ gram @ c * (1 + 1e-12)


@pytest.mark.parametrize("name", ["kepler_2d", "rigid_body", "henon_heiles", "lotka_volterra_2d"])
def test_known_laws_are_zeros(name):
    system = systems.get(name)
    field, run = system.field(), system.runs(n_runs=1, n_samples=60)[0]
    region = Region(run.x, np.full(60, 1 / 60), np.ones(field.n_states), "one run")
    for h in system.invariants:
        d = Terms([h], field.names)
        rate = np.abs(conservation_matrix(field, d, region)).max()
        assert rate < 1e-12 * np.sqrt(gradient_gram(field, d, region)[0, 0])
