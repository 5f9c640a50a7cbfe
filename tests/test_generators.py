"""Families of generators: dimension, closure under the bracket, time parts, names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsym import DataError, Monomials, Terms, VectorField, generators, sections
from dynsym.findings._lie_algebra import algebra_of
from dynsym.generators import Frobenius, Generators, OnRegion, orthonormal, orthonormal_weights
from dynsym.inner_product import Region, generic_region
from dynsym.lie_derivative import symmetry_matrix

N4 = ("x", "y", "vx", "vy")
PAIRS = [("x", "y"), ("vx", "vy")]

BLOCKS = [generators.rotations(3, tuple("abc")), generators.translations(2, tuple("de"))]
TENSORS = sections.symmetric_square()

FAMILIES = [
    ("translations", lambda: generators.translations(4), 4, True),
    ("linear", lambda: generators.linear(3), 9, True),
    ("affine", lambda: generators.affine(3), 12, True),
    ("scalings", lambda: generators.scalings(4), 4, True),
    ("rotations", lambda: generators.rotations(4), 6, True),
    ("joint rotations", lambda: generators.rotations(4, N4, PAIRS), 1, True),
    ("euclidean", lambda: generators.euclidean(3), 6, True),
    ("symplectic", lambda: generators.symplectic(4), 10, True),
    ("special linear", lambda: generators.special_linear(3), 8, True),
    ("special affine", lambda: generators.special_affine(3), 11, True),
    ("dilation", lambda: generators.dilation(3), 1, True),
    ("similarity", lambda: generators.similarity(3), 7, True),
    ("lorentz", lambda: generators.lorentz(4), 6, True),
    ("poincare", lambda: generators.poincare(4), 10, True),
    ("orthogonal", lambda: generators.orthogonal(4, None, (2.0, 1.0, -3.0, -1.0)), 6, True),
    ("product", lambda: generators.direct_product(BLOCKS), 5, True),
    ("on tensors", lambda: generators.represented(generators.linear(2), TENSORS), 4, True),
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


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: generators.translations(3), "R^3"),
        (lambda: generators.rotations(3), "so(3)"),
        (lambda: generators.rotations(4), "so(4)"),
        (lambda: generators.euclidean(2), "se(2)"),
        (lambda: generators.euclidean(3), "se(3)"),
        (lambda: generators.similarity(2), "sim(2)"),
        (lambda: generators.linear(3), "gl(3,R)"),
        (lambda: generators.special_linear(3), "sl(3,R)"),
        (lambda: generators.affine(2), "aff(2)"),
        (lambda: generators.special_affine(2), "sa(2)"),
        (lambda: generators.symplectic(4), "sp(4,R)"),
        (lambda: generators.lorentz(4), "so(3,1)"),
        (lambda: generators.poincare(4), "poincare"),
        (lambda: generators.poincare(3), "iso(2,1)"),
        (lambda: generators.orthogonal(4, None, (1, 1, -1, -1)), "so(2,2)"),
        # A metric in other units is the same algebra; another signature is not.
        (lambda: generators.lorentz(3, None, (-9.0, 1.0, 1.0)), "so(2,1)"),
        (lambda: generators.orthogonal(3, None, (9.0, 1.0, 1.0)), "so(3)"),
        (lambda: generators.direct_product(BLOCKS), "so(3) + R^2"),
        (lambda: generators.represented(generators.rotations(3), TENSORS), "so(3)"),
    ],
)
def test_structure_constants_are_those_of_the_named_algebra(make, name):
    family = make()
    algebra, notes = algebra_of(family, generic_region(family.dictionary), 0.0)
    assert not notes
    assert name in (algebra.name, *algebra.aliases)


def test_lorentz_fields_keep_the_metric():
    signature = np.array([-4.0, 1.0, 1.0, 2.0])
    matrices, _ = generators.lorentz(4, None, signature).affine_parts()
    metric = np.diag(signature)
    np.testing.assert_allclose(matrices.transpose(0, 2, 1) @ metric + metric @ matrices, 0, atol=1e-14)
    # Negative control: the plain rotations do not.
    plain, _ = generators.rotations(4).affine_parts()
    assert np.abs(plain.transpose(0, 2, 1) @ metric + metric @ plain).max() > 1


def test_galilei_of_two_particles_moves_both():
    names = ("x", "y", "u", "v", "vx", "vy", "vu", "vv")
    family = generators.galilean(8, [("x", "y"), ("u", "v")], [("vx", "vy"), ("vu", "vv")], names)
    assert len(family) == 5
    # A spring between the two particles is left unchanged; one of them tied to the origin is not.
    force = np.kron([[-1.0, 1.0], [1.0, -1.0]], np.eye(2))
    both = np.block([[np.zeros((4, 4)), np.eye(4)], [force, np.zeros((4, 4))]])
    field = VectorField(Monomials(8, 1, names=names, constant=False), both)
    region = generic_region(field.dictionary)
    assert np.abs(symmetry_matrix(family, field, region).operator).max() < 1e-13
    both[4, 0] -= 1.0
    tied = VectorField(field.dictionary, both)
    assert np.abs(symmetry_matrix(family, tied, region).operator).max() > 1e-3


def test_factors_of_a_direct_product_commute_and_leave_the_other_block_alone():
    family = generators.direct_product(BLOCKS, ("d", "a", "b", "c", "e"))
    x = np.random.default_rng(0).standard_normal((4, 5))
    values = family.evaluate(x)
    assert not values[:3][:, :, [0, 4]].any()
    assert not values[3:][:, :, 1:4].any()
    fields = [family.field(i) for i in range(5)]
    assert np.abs([f.bracket(g).evaluate(x) for f in fields[:3] for g in fields[3:]]).max() < 1e-14


def test_families_over_other_functions_are_embedded_too():
    field = VectorField(Terms(["sin(y)"], ("y",)), [[2.0]])
    wide = generators.embedded(generators.custom([field], ["swing"]), ("x", "y"))
    assert wide.expressions() == ["2*sin(y) d/dy"]


def test_a_group_acts_on_tensors_as_its_matrices_do():
    # The slow twin: the flow of the generator on components against Q T Q^T.
    family = generators.represented(generators.linear(2), TENSORS)
    matrices, _ = generators.linear(2).affine_parts()
    t = np.array([[1.0, 2.0], [2.0, -3.0]])
    upper = np.triu_indices(2)
    for field, a in zip(family.evaluate(t[upper][None]), matrices):
        np.testing.assert_allclose(field[0], (a @ t + t @ a.T)[upper])


scale_of_states = st.lists(st.floats(-3, 3).map(lambda e: 10.0**e), min_size=3, max_size=3)


@given(scale_of_states)
@settings(derandomize=True, deadline=None, max_examples=25)
def test_the_product_on_a_region_does_not_depend_on_units(sizes):
    # gl(3) in new units: the field of generator x_j d/dx_i becomes s_i / s_j of itself; lengths and angles do not move.
    family, s = generators.linear(3), np.array(sizes)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 3)) + np.array([0.3, 0.0, -0.2])
    w = np.full(50, 0.02)
    before = OnRegion(Region(x, w, x.std(axis=0), "")).gram(family)
    moved = family.combine(np.diag((s[:, None] / s[None, :]).ravel()))
    after = OnRegion(Region(x * s, w, x.std(axis=0) * s, "")).gram(moved)
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)


def test_orthonormal_candidates_span_the_same_and_are_orthonormal():
    skew = generators.linear(2).combine(np.random.default_rng(0).standard_normal((4, 3)))
    for product in (None, Frobenius(), OnRegion(generic_region(skew.dictionary))):
        made = orthonormal(skew, product)
        gram = (product or Frobenius()).gram(made)
        np.testing.assert_allclose(gram, np.eye(3), atol=1e-12)
        assert np.linalg.matrix_rank(np.vstack([made.vectors, skew.vectors])) == 3
    twice = generators.rotations(2) + generators.rotations(2)
    assert orthonormal_weights(twice).shape == (2, 1)


def test_generators_that_grow_with_time_have_no_size_on_a_region():
    boost = generators.galilean(2, ("q",), ("v",), ("q", "v"))
    with pytest.raises(DataError, match="use Frobenius"):
        OnRegion(generic_region(boost.dictionary)).gram(boost)


@pytest.mark.parametrize(
    ("text", "q"),
    [
        ("poincare", 10),
        ("lorentz(x; y, u)", 3),
        ("similarity(x, y)", 4),
        ("linear(x, y; u, v)", 4),
        ("symplectic(x, y; u, v)", 10),
        ("symplectic(x; u)", 3),
        ("galilean(x, y; u, v)", 5),
        ("galilean(x; u; y; v)", 2),
        ("rotations(x, y), affine(u)", 3),
        ("special_linear(x, y), special_affine(u, v), dilation", 3 + 5 + 1),
    ],
)
def test_families_on_some_of_the_states_by_name(text, q):
    family = generators.by_name(text, ("x", "y", "u", "v"))
    assert len(family) == q
    assert np.linalg.matrix_rank(family.vectors) == q


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: generators.by_name("affine(x; y)", ("x", "y")), "unknown candidates 'affine"),
        (lambda: generators.by_name("galilean(x)", ("x", "y")), "unknown candidates"),
        (lambda: generators.by_name("linear(q)", ("x", "y")), "unknown states q"),
        (lambda: generators.special_linear(1), "at least two states, got 1"),
        (lambda: generators.lorentz(2, None, (0.0, 1.0)), r"other than 0, got \[0.0, 1.0\]"),
        (lambda: generators.direct_product([]), "got none"),
        (lambda: generators.direct_product([BLOCKS[0], BLOCKS[0]]), "a, b, c are in two"),
        (lambda: generators.embedded(BLOCKS[0], ("a", "b")), "unknown states c"),
        (lambda: generators.represented(generators.translations(2), TENSORS), "act trivially"),
        (lambda: generators.represented(generators.polynomial(2, 2), TENSORS), "only affine"),
        (
            lambda: generators.galilean(3, [("x",), ("y", "u")], [("x", "y"), ("u",)], ("x", "y", "u")),
            "as many",
        ),
    ],
)
def test_what_is_no_family_on_blocks_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()
