"""Families of generators: dimension, closure under the bracket, time parts, names."""

from __future__ import annotations

import numpy as np
import pytest

from dynsym import DataError, Monomials, Terms, VectorField, generators
from dynsym.generators import Generators
from dynsym.inner_product import generic_region
from dynsym.lie_derivative import symmetry_matrix

N4 = ("x", "y", "vx", "vy")
PAIRS = [("x", "y"), ("vx", "vy")]

FAMILIES = [
    ("translations", lambda: generators.translations(4), 4, True),
    ("linear", lambda: generators.linear(3), 9, True),
    ("affine", lambda: generators.affine(3), 12, True),
    ("scalings", lambda: generators.scalings(4), 4, True),
    ("rotations", lambda: generators.rotations(4), 6, True),
    ("joint rotations", lambda: generators.rotations(4, N4, PAIRS), 1, True),
    ("euclidean", lambda: generators.euclidean(3), 6, True),
    ("symplectic", lambda: generators.symplectic(4), 10, True),
    ("quadratic", lambda: generators.polynomial(2, 2), 12, False),
    ("galilean", lambda: generators.galilean(4, ("x", "y"), ("vx", "vy"), N4), 5, None),
    ("over", lambda: generators.over(Terms(["x", "sin(x)"], ("x", "y"))), 4, None),
]


@pytest.mark.parametrize(("make", "q"), [(f[1], f[2]) for f in FAMILIES], ids=[f[0] for f in FAMILIES])
def test_dimension_is_that_of_the_algebra(make, q):
    family = make()
    assert len(family) == q == len(family.labels) == len(family.expressions())
    assert np.linalg.matrix_rank(family.vectors) == q
    assert len(set(family.labels)) == q


@pytest.mark.parametrize(
    ("make", "closed"),
    [(f[1], f[3]) for f in FAMILIES if f[3] is not None],
    ids=[f[0] for f in FAMILIES if f[3] is not None],
)
def test_closure_under_the_bracket(make, closed):
    # Fields of degree two bracket to degree three: a negative control.
    family = make()
    x = np.random.default_rng(0).standard_normal((40, family.n_states))
    span = family.evaluate(x).reshape(len(family), -1).T
    fields = [family.field(i) for i in range(len(family))]
    brackets = np.stack([f.bracket(g).evaluate(x).ravel() for f in fields for g in fields], axis=1)
    left = brackets - span @ np.linalg.lstsq(span, brackets, rcond=None)[0]
    assert (np.abs(left).max() < 1e-10 * max(1, np.abs(brackets).max())) == closed


def test_evaluate_and_jacobian_are_those_of_the_fields():
    family = generators.affine(3) + generators.polynomial(3, 2)
    x = np.random.default_rng(0).standard_normal((5, 3))
    for i in (0, 7, len(family) - 1):
        np.testing.assert_allclose(family.evaluate(x)[i], family.field(i).evaluate(x))
        np.testing.assert_allclose(family.jacobian(x)[i], family.field(i).jacobian(x))


def test_affine_parts_give_the_field_back():
    family = generators.affine(3)
    matrices, offsets = family.affine_parts()
    x = np.random.default_rng(0).standard_normal((5, 3))
    np.testing.assert_allclose(np.einsum("qij,mj->qmi", matrices, x) + offsets[:, None], family.evaluate(x))


def test_only_affine_generators_have_affine_parts():
    quadratic = generators.polynomial(2, 2)
    assert quadratic.affine_parts() is None
    degree = Monomials(2, 2).exponents.sum(axis=1)
    keep = np.flatnonzero(~quadratic.coefficients[:, :, degree > 1].any(axis=(1, 2)))
    some = quadratic.combine(np.eye(12)[:, keep])
    assert some.affine_parts() is not None
    # Affine families written over other dictionaries, as sums of families are.
    mixed = generators.rotations(2) + generators.custom(
        [VectorField(Terms(["x1", "1"], ("x1", "x2")), np.eye(2))]
    )
    matrices, offsets = mixed.affine_parts()
    np.testing.assert_array_equal(matrices[1], [[1, 0], [0, 0]])
    np.testing.assert_array_equal(offsets[1], [0, 1])
    assert generators.over(Terms(["sin(x)"], ("x",))).affine_parts() is None


def test_combinations_are_linear_in_all_parts():
    family = generators.with_time_scaling(generators.galilean(4, ("x", "y"), ("vx", "vy"), N4))
    w = np.random.default_rng(0).standard_normal((len(family), 3))
    mixed = family.combine(w)
    np.testing.assert_allclose(mixed.vectors, w.T @ family.vectors)
    assert mixed.time_scaling == pytest.approx(w[-1])
    assert mixed.labels == ("xi1", "xi2", "xi3")
    with pytest.raises(DataError, match=r"weights must have shape \(6, r\), got \(4, 2\)"):
        family.combine(np.ones((4, 2)))


def test_time_scaling_is_one_more_generator():
    family = generators.with_time_scaling(generators.affine(2))
    assert len(family) == 7
    assert family.time_scaling.tolist() == [0] * 6 + [1]
    assert not family.coefficients[-1].any()
    assert family.expressions()[-1] == "t d/dt"


def test_sums_of_families_keep_each_field():
    a, b = generators.rotations(2), generators.polynomial(2, 2)
    both = a + b
    x = np.random.default_rng(0).standard_normal((5, 2))
    np.testing.assert_allclose(both.evaluate(x), np.concatenate([a.evaluate(x), b.evaluate(x)]))
    assert both.labels == a.labels + b.labels
    with pytest.raises(DataError, match="different states"):
        a + generators.rotations(3)


def free_particle():
    return VectorField(Monomials(4, 1, names=N4, constant=False), np.eye(4, k=2))


def test_boosts_are_symmetries_of_a_free_particle():
    galilean = generators.galilean(4, ("x", "y"), ("vx", "vy"), N4)
    field = free_particle()
    region = generic_region(field.dictionary)
    assert np.abs(symmetry_matrix(galilean, field, region).operator).max() < 1e-14
    # Negative control: a force q'' = -q breaks translations and boosts, not rotations.
    pulled = VectorField(field.dictionary, np.eye(4, k=2) - np.eye(4, k=-2))
    size = np.linalg.norm(symmetry_matrix(galilean, pulled, region).operator, axis=0)
    broken = [label for label, s in zip(galilean.labels, size) if s > 1e-12]
    assert broken == ["translation x", "translation y", "boost x", "boost y"]


def test_a_boost_is_written_with_its_time():
    boost = generators.galilean(2, ("q",), ("v",), ("q", "v"))
    assert boost.expressions() == ["d/dq", "t d/dq + d/dv"]
    assert boost.ramps() is not None
    assert generators.rotations(2).ramps() is None


def test_symplectic_fields_preserve_the_form():
    family = generators.symplectic(4)
    form = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    matrices, _ = family.affine_parts()
    for a in matrices:
        np.testing.assert_allclose(a.T @ form + form @ a, 0, atol=1e-14)


@pytest.mark.parametrize(
    ("text", "q"),
    [
        ("affine", 6),
        ("rotations, scalings", 3),
        ("poly(2)", 12),
        ("affine,time", 7),
        (" symplectic ", 3),
        ("time,linear", 5),
    ],
)
def test_families_by_name(text, q):
    assert len(generators.by_name(text, ("x", "y"))) == q


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("afine", "unknown candidates 'afine'; choose from: translations"),
        ("", "unknown candidates ''"),
        ("time", "name no family"),
        ("poly(x)", "unknown candidates"),
        ("poly(-1)", "unknown candidates"),
        ("poly(99)", "monomials|generators"),
        ("affine,", "unknown candidates ''"),
        ("symplectic", "even number of states, got 3"),
    ],
)
def test_unknown_names_list_the_known_ones(text, message):
    with pytest.raises(DataError, match=message):
        generators.by_name(text, ("x", "y", "z"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: generators.affine(0), "at least one state"),
        (lambda: generators.affine(2, ("x",)), "1 names"),
        (lambda: generators.rotations(3, vectors=[("x1",)]), "length >= 2, got lengths"),
        (lambda: generators.rotations(3, vectors=[("x1", "q")]), "unknown states q"),
        (lambda: generators.galilean(2, ("q",), ("v", "w"), ("q", "v")), "1 positions but 2 velocities"),
        (lambda: generators.galilean(2, ("r",), ("v",), ("q", "v")), "unknown states r"),
        (lambda: generators.custom([]), "got none"),
        (lambda: Generators(Monomials(2, 1), np.zeros((1, 2, 2)), ("a",)), r"shape \(q, 2, 3\)"),
        (lambda: Generators(Monomials(2, 1), np.zeros((1, 2, 3)), ()), "1 generators but 0 labels"),
        (lambda: Generators(Monomials(2, 1), np.zeros((1, 2, 3)), ("a",), np.zeros(2)), "time_scaling"),
        (lambda: Generators(Monomials(2, 1), np.full((1, 2, 3), np.nan), ("a",)), "not finite"),
    ],
)
def test_what_is_no_family_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


def test_renaming_keeps_the_fields():
    family = generators.rotations(2, ("x", "y")).renamed(("a", "b"))
    assert family.names == ("a", "b")
    assert family.expressions() == ["-b d/da + a d/db"]
