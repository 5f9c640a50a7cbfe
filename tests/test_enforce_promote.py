"""Enforcement gives the spaces that theory counts; promotion is the nuclear norm of the sampled operator."""

from __future__ import annotations

import numpy as np
import pytest

import dynsym as dy
from dynsym import (
    DataError,
    Monomials,
    ScalarFunction,
    SymmetryBreaking,
    Terms,
    VectorField,
    generators,
    systems,
)
from dynsym.inner_product import Region, generic_region
from dynsym.lie_derivative import symmetry_matrix

SIX = tuple("abcdef")
JOINT = generators.rotations(6, SIX, [SIX[:3], SIX[3:]])


def free(constraint):
    return constraint.size - constraint.rank


@pytest.mark.parametrize(
    ("family", "dictionary", "count"),
    [
        # SO(2) on the plane: r^2k x and r^2k J x for each odd degree 2k + 1.
        (generators.rotations(2), Monomials(2, 1), 2),
        (generators.rotations(2), Monomials(2, 3), 4),
        (generators.rotations(2), Monomials(2, 5), 6),
        # SO(3) on space: r^2k x alone.
        (generators.rotations(3), Monomials(3, 1), 1),
        (generators.rotations(3), Monomials(3, 3), 2),
        (generators.rotations(3), Monomials(3, 4), 2),
        # SO(3) on pairs of vectors u, v: {u, v} times 1, u.u, u.v, v.v gives 8 per component, u x v one more.
        (JOINT, Monomials(6, 3), 18),
        (JOINT, Monomials(6, 1), 4),
        (JOINT, Monomials(6, 2), 6),
        # Translations leave constant fields; scalings linear diagonal ones.
        (generators.translations(3), Monomials(3, 2), 3),
        (generators.scalings(3), Monomials(3, 3), 3),
        # gl(n) leaves multiples of the identity, affine fields nothing.
        (generators.linear(3), Monomials(3, 2), 1),
        (generators.affine(2), Monomials(2, 3), 0),
    ],
)
def test_equivariant_fields_are_as_many_as_theory_says(family, dictionary, count):
    assert free(dy.equivariant_to(family, dictionary)) == count


def test_the_equivariant_fields_are_equivariant():
    d = Monomials(6, 3, names=SIX)
    constraint = dy.equivariant_to(JOINT, d)
    rng = np.random.default_rng(0)
    field = VectorField(d, constraint.project(rng.standard_normal((6, d.n_terms))))
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    turn *= np.linalg.det(turn)
    both = np.kron(np.eye(2), turn)
    x = rng.standard_normal((5, 6))
    np.testing.assert_allclose(field.evaluate(x @ both.T), field.evaluate(x) @ both.T, rtol=1e-9, atol=1e-9)
    other = VectorField(d, rng.standard_normal((6, d.n_terms)))
    assert np.abs(other.evaluate(x @ both.T) - other.evaluate(x) @ both.T).max() > 1


def test_time_scaling_picks_a_degree():
    # x -> e^s x with t -> e^(-2 s) t leaves exactly the cubic fields.
    scaling = generators.with_time_scaling(generators.scalings(2)).combine([[1.0], [1.0], [-2.0]])
    d = Monomials(2, 4)
    constraint = dy.equivariant_to(scaling, d)
    assert free(constraint) == 2 * 4
    kept = constraint.project(np.ones((2, d.n_terms)))
    np.testing.assert_allclose(
        kept, np.where(d.exponents.sum(axis=1) == 3, 1.0, 0.0)[None, :] * np.ones((2, 1)), atol=1e-10
    )


def test_kepler_is_among_the_fields_of_its_own_symmetries():
    system = systems.get("kepler_2d")
    field = system.field()
    names = field.names
    family = generators.with_time_scaling(generators.scalings(4, names))
    scaling = family.combine(np.array([[2 / 3, 2 / 3, -1 / 3, -1 / 3, 1.0]]).T)
    constraint = dy.equivariant_to(scaling, field.dictionary)
    assert constraint.residual(field.coefficients) < 1e-12
    wrong = family.combine(np.array([[1.0, 1.0, 0.0, 0.0, 1.0]]).T)
    assert dy.equivariant_to(wrong, field.dictionary).residual(field.coefficients) > 0.1


@pytest.mark.parametrize(
    ("expression", "names", "degree", "count"),
    [
        # f . x = 0 on the plane: f = g J x with g of one degree less.
        ("x^2+y^2", ("x", "y"), 1, 1),
        ("x^2+y^2", ("x", "y"), 2, 3),
        ("x^2+y^2", ("x", "y"), 3, 6),
        # Linear fields that conserve the sphere: so(3).
        ("x^2+y^2+z^2", ("x", "y", "z"), 1, 3),
        # The sum of three numbers: two free components.
        ("x+y+z", ("x", "y", "z"), 2, 20),
        ("1", ("x", "y"), 2, 12),
    ],
)
def test_conserving_fields_are_as_many_as_theory_says(expression, names, degree, count):
    h = ScalarFunction(Terms([expression], names), [1.0])
    assert free(dy.conserving(h, Monomials(len(names), degree, names=names))) == count


@pytest.mark.parametrize("name", ["henon_heiles", "rigid_body", "kepler_2d", "lotka_volterra_2d"])
def test_known_systems_meet_the_constraint_of_their_own_laws(name):
    system = systems.get(name)
    field = system.field()
    laws = [ScalarFunction(Terms([h], field.names), [1.0]) for h in system.invariants]
    constraint = dy.conserving(laws, field.dictionary)
    assert constraint.rank > 0
    assert constraint.residual(field.coefficients) < 1e-10
    pushed = VectorField(field.dictionary, field.coefficients + 0.01)
    assert constraint.residual(pushed.coefficients) > 1e-4


def test_both_constraints_join():
    d = Monomials(2, 3, names=("x", "y"))
    turn = dy.equivariant_to(generators.rotations(2, ("x", "y")), d)
    energy = dy.conserving(ScalarFunction(Terms(["x^2+y^2"], ("x", "y")), [1.0]), d)
    assert free(turn & energy) == 2  # J x and r^2 J x


@pytest.mark.parametrize(
    ("family", "dictionary"),
    [
        (generators.affine(2), Monomials(2, 2)),
        (generators.with_time_scaling(generators.linear(3)), Monomials(3, 2)),
        (generators.polynomial(2, 2), Terms(["x1", "sin(x2)", "x1*x2^2"], ("x1", "x2"))),
    ],
    ids=["affine", "time scaling", "quadratic"],
)
@pytest.mark.parametrize("weight", [0.5, 3.0])
def test_the_penalty_is_the_nuclear_norm_of_the_sampled_matrix(family, dictionary, weight):
    # The slow twin: sample, normalise the candidates, take singular values.
    penalty = SymmetryBreaking(family, dictionary, weight)
    region = generic_region(dictionary)
    size = np.linalg.norm(family.vectors, axis=1)
    for seed in range(4):
        c = np.random.default_rng(seed).standard_normal((dictionary.n_states, dictionary.n_terms))
        sampled = symmetry_matrix(family, VectorField(dictionary, c), region).operator / size
        wanted = weight * np.linalg.norm(sampled, "nuc")
        # Directions below 1e-9 of the largest Lie derivative are left out of the penalty.
        assert penalty.value(c) == pytest.approx(wanted, rel=1e-7)


def test_the_penalty_counts_on_the_region_that_is_given():
    rng = np.random.default_rng(0)
    d = Monomials(2, 2)
    region = Region(rng.standard_normal((50, 2)), np.full(50, 0.02), np.array([1.0, 10.0]), "points")
    c = rng.standard_normal((2, 6))
    family = generators.affine(2)
    sampled = symmetry_matrix(family, VectorField(d, c), region).operator
    assert SymmetryBreaking(family, d, 1.0, region).value(c) == pytest.approx(
        np.linalg.norm(sampled, "nuc"), rel=1e-10
    )


def test_the_penalty_vanishes_exactly_on_the_equivariant_fields():
    d = Monomials(3, 3)
    family = generators.rotations(3)
    kept = dy.equivariant_to(family, d).project(np.random.default_rng(0).standard_normal((3, d.n_terms)))
    penalty = SymmetryBreaking(family, d, 1.0)
    assert penalty.value(kept) < 1e-10
    assert penalty.value(np.ones((3, d.n_terms))) > 1


def test_promotion_finds_what_enforcement_is_told():
    # A plain fit of a noisy rotating system breaks the rotation; a large weight restores it.
    system = systems.get("hopf")
    runs = system.runs(n_runs=4, n_samples=200, noise=0.02)
    d = Monomials(2, 3, names=runs[0].names)
    turn = generators.rotations(2, d.names)
    plain = dy.fit(runs, d)
    soft = dy.fit(runs, d, penalty=SymmetryBreaking(turn, d, 1e4, plain.region))
    measure = SymmetryBreaking(turn, d, 1.0, plain.region)
    assert measure.value(soft.coefficients) < 1e-3 * measure.value(plain.coefficients)
    hard = dy.fit(runs, d, constraints=dy.equivariant_to(turn, d))
    np.testing.assert_allclose(
        soft.coefficients, hard.coefficients, atol=1e-3 * np.abs(hard.coefficients).max()
    )


BOOST = generators.galilean(2, ("q",), ("v",), ("q", "v"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: dy.equivariant_to(generators.rotations(3), Monomials(2, 1)),
            "act on 3 states, the dictionary has 2",
        ),
        (
            lambda: dy.equivariant_to(generators.rotations(2).combine(np.zeros((1, 0))), Monomials(2, 1)),
            "no generator",
        ),
        (lambda: dy.equivariant_to(BOOST, Monomials(2, 1)), "depend on time"),
        (lambda: dy.conserving([], Monomials(2, 1)), "no function"),
        (
            lambda: dy.conserving(ScalarFunction(Monomials(3, 1), np.ones(4)), Monomials(2, 1)),
            "function of 3 states",
        ),
        (
            lambda: SymmetryBreaking(generators.rotations(2).combine(np.zeros((1, 0))), Monomials(2, 1), 1.0),
            "no candidate",
        ),
        (lambda: SymmetryBreaking(BOOST, Monomials(2, 1), 1.0), "depend on time"),
        (lambda: SymmetryBreaking(generators.rotations(2), Monomials(2, 1), -1.0), "-1"),
        (
            lambda: SymmetryBreaking(generators.rotations(3), Monomials(2, 1), 1.0),
            "act on 3 states, the dictionary has 2",
        ),
        (
            lambda: SymmetryBreaking(generators.rotations(2).combine([[0.0]]), Monomials(2, 1), 1.0),
            "rotation|xi1 are zero",
        ),
    ],
)
def test_what_cannot_be_enforced_or_promoted_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()
