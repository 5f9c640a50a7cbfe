"""Maps compose as functions do, groups close and have their names, and enforcement is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsym as dy
from dynsym import DataError, maps
from dynsym.inner_product import generic_region

XYZ = ("x", "y", "z")
TOL = 1e-12


def random_map(seed, n=3, names=XYZ):
    rng = np.random.default_rng(seed)
    return maps.AffineMap(rng.standard_normal((n, n)), rng.standard_normal(n), names, bool(rng.integers(2)))


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_composition_is_that_of_functions_and_the_inverse_undoes(one, two):
    g, h = random_map(one), random_map(two)
    x = np.random.default_rng(0).standard_normal((5, 3))
    both = g @ h
    assert np.allclose(both(x), g(h(x)), atol=1e-9)
    assert both.reverses_time == (g.reverses_time != h.reverses_time)
    scale = np.linalg.cond(g.matrix)
    assert (g.inverse() @ g).same_as(maps.AffineMap(np.eye(3), None, XYZ), 1e-12 * scale)


def test_families_do_what_they_say():
    x = np.array([[1.0, 2.0, 3.0]])
    assert maps.parity(XYZ)(x).tolist() == [[-1, -2, -3]]
    assert maps.reflection("x y", XYZ)(x).tolist() == [[-1, -2, 3]]
    assert maps.reflection([1, -1, 1], XYZ)(x).tolist() == [[1, -2, 3]]
    assert maps.permutation("x y z -> y z x")(x).tolist() == [[2, 3, 1]]
    assert maps.permutation([1, 2, 0], XYZ)(x).tolist() == [[2, 3, 1]]
    assert maps.rotation(("x", "y"), XYZ, order=4)(x).tolist() == [[-2, 1, 3]]
    assert np.allclose(maps.rotation(("x", "y"), XYZ, angle=np.pi / 2)(x), [[-2, 1, 3]])
    assert maps.time_reversal(("z",), XYZ).reverses_time
    assert maps.affine([[2.0]], [1.0])([[3.0]]).tolist() == [[7.0]]
    assert str(maps.time_reversal("y z", XYZ)) == "(x, y, z) -> (x, -y, -z), t -> -t"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: maps.permutation("x y -> x x"), "same names on both sides"),
        (lambda: maps.permutation([0, 0, 1]), "each index"),
        (lambda: maps.reflection("w", XYZ), "unknown states w"),
        (lambda: maps.rotation(("x", "y"), XYZ), "either the order or the angle"),
        (lambda: maps.rotation(("x", "y"), XYZ, order=3, angle=1.0), "either the order or the angle"),
        (lambda: maps.rotation(("x", "x"), XYZ, order=3), "two different states"),
        (lambda: maps.affine([[1.0, 1.0], [1.0, 1.0]]), "invertible"),
        (lambda: maps.affine([[1.0, 2.0]]), "square"),
        (lambda: maps.affine([[1.0]], [1.0, 2.0]), "offset must have shape"),
        (lambda: maps.parity(2) @ maps.parity(3), "different states"),
        (lambda: maps.group_of([]), "at least one map"),
        (lambda: maps.group_of(maps.rotation(("x", "y"), angle=1.0)), "not finite"),
        (lambda: maps.group_of(maps.affine([[1.0]], [1.0])), "not finite"),
        (lambda: maps.signed_permutations(9), "list the maps"),
        (lambda: dy.equivariant_to(maps.parity(2), dy.Monomials(3, 2)), "acts on 2 states"),
        (lambda: dy.SymmetryBreaking(maps.parity(2), dy.Monomials(3, 2), 1.0), "acts on 2 states"),
        (lambda: dy.SymmetryBreaking([], dy.Monomials(3, 2), 1.0), "no map"),
        (lambda: dy.SymmetryBreaking(maps.affine(np.eye(2)), dy.Monomials(2, 2), 1.0), "identity"),
    ],
)
def test_errors_say_what_arrived(make, said):
    with pytest.raises(DataError, match=said):
        make()


def turn(order, plane=("x", "y"), names=XYZ):
    return maps.rotation(plane, names, order=order)


FLIP = maps.reflection("x", XYZ)
SIGNS = [maps.reflection(s, XYZ) for s in XYZ]
SWAPS = [maps.permutation("x y -> y x", XYZ), maps.permutation("x y z -> y z x")]
EVEN = [maps.reflection("x y", XYZ), maps.reflection("y z", XYZ), SWAPS[1]]


@pytest.mark.parametrize(
    ("generators", "name", "size"),
    [
        ([maps.affine(np.eye(3))], "trivial", 1),
        ([maps.parity(3)], "Z2", 2),
        ([turn(3)], "Z3", 3),
        ([turn(4)], "Z4", 4),
        ([maps.reflection("x", XYZ), maps.reflection("y", XYZ)], "Z2 x Z2", 4),
        ([turn(6)], "Z6", 6),
        ([turn(3), maps.reflection("z", XYZ)], "Z6", 6),
        ([turn(4), maps.reflection("z", XYZ)], "Z4 x Z2", 8),
        (SIGNS, "Z2 x Z2 x Z2", 8),
        ([turn(3), FLIP], "S3", 6),
        ([turn(4), FLIP], "D4", 8),
        ([turn(5), FLIP], "D5", 10),
        ([turn(6), FLIP], "D6", 12),
        ([turn(3), FLIP, maps.reflection("z", XYZ)], "D6", 12),
        ([turn(4), FLIP, maps.reflection("z", XYZ)], "D4 x Z2", 16),
        (SWAPS, "S3", 6),
        (EVEN, "A4", 12),
        ([*EVEN, maps.parity(XYZ)], "A4 x Z2", 24),
        ([*SIGNS, *SWAPS], "S4 x Z2", 48),
        ([turn(4), turn(4, ("y", "z"))], "S4", 24),
    ],
)
def test_groups_have_their_size_and_name(generators, name, size):
    own = [g.renamed(XYZ) for g in generators]
    group = maps.group_of(own)
    assert (group.name, len(group)) == (name, size)
    # The slow twin: every product is an element, every element has an inverse.
    assert all((a @ b) in group for a in group.elements[:6] for b in group.elements)
    assert all(g.inverse() in group for g in group.elements)


def quaternions():
    i = np.kron(np.array([[0.0, -1.0], [1.0, 0.0]]), np.eye(2))
    j = np.kron(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.0, -1.0], [1.0, 0.0]]))
    return [maps.affine(i), maps.affine(j)]


def test_one_map_generates_its_powers():
    assert turn(5).group().name == "Z5"
    with pytest.raises(DataError, match="more than 3"):
        turn(5).group(limit=3)


def test_quaternions_are_told_from_the_square():
    assert maps.group_of(quaternions()).name == "Q8"


@pytest.mark.parametrize("n", [1, 2, 3])
def test_signed_permutations_are_all_of_them(n):
    every = maps.signed_permutations(n)
    assert len(every) == 2 * 2**n * [1, 1, 2, 6][n] - 1
    assert len(maps.group_of(every)) == len(every) + 1


def spread(constraint, g, dictionary, seed=0):
    """|A f - s f o g| of random fields that meet the constraint, relative to |f|."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((40, dictionary.n_states))
    free = np.asarray(constraint.null_space @ np.eye(constraint.null_space.shape[1]))
    worst = 0.0
    for column in free.T:
        f = dy.VectorField(dictionary, column.reshape(dictionary.n_states, -1))
        gap = f.evaluate(x) @ g.matrix.T - g.sign * f.evaluate(g(x))
        worst = max(worst, float(np.abs(gap).max() / np.abs(f.evaluate(x)).max()))
    return worst


CASES = [
    (maps.parity(XYZ), 2, 9),  # 3 equations times x, y, z
    (maps.reflection("x y", XYZ), 2, 14),
    (maps.permutation("x y z -> y z x"), 2, 10),
    (maps.time_reversal("z", XYZ), 2, 3 + 3 + 7),
    (turn(3), 3, None),
    (maps.affine([[0, -1.0, 0], [1, 0, 0], [0, 0, 1]], [1.0, 0.5, 0.0], XYZ), 3, None),
]


@pytest.mark.parametrize(("g", "degree", "count"), CASES)
def test_enforced_fields_are_equivariant_to_rounding(g, degree, count):
    d = dy.Monomials(3, degree, names=XYZ)
    constraint = dy.equivariant_to(g, d)
    assert spread(constraint, g, d) < TOL * 100
    if count is not None:
        assert constraint.size - constraint.rank == count


@pytest.mark.parametrize(("g", "degree", "count"), CASES)
def test_exact_and_sampled_constraints_leave_the_same_fields(g, degree, count):
    d = dy.Monomials(3, degree, names=XYZ)
    exact = dy.equivariant_to(g, d)
    sampled = maps.map_matrix(g, d, generic_region(d))
    image = sampled @ np.asarray(exact.null_space @ np.eye(exact.null_space.shape[1]))
    assert np.abs(image).max() <= 1e-11 * np.abs(sampled).max()
    values = np.linalg.svd(sampled, compute_uv=False)
    assert int(np.sum(values > 1e-10 * values[0])) == exact.rank


def test_a_dictionary_without_the_image_holds_only_fields_that_stay_in_it():
    # (x, y) -> (x + 1, y) turns x into x + 1, and constants are missing.
    d = dy.Monomials(2, 1, names=("x", "y"), constant=False)
    shift = maps.affine(np.eye(2), [1.0, 0.0], ("x", "y"))
    constraint = dy.equivariant_to(shift, d)
    assert constraint.size - constraint.rank == 2
    assert spread(constraint, shift, d) < TOL


def test_maps_can_be_enforced_on_dictionaries_that_are_not_polynomial():
    d = dy.Terms(["sin(th)", "cos(th)", "v", "th"], ("th", "v"))
    back = maps.time_reversal("v", ("th", "v"))
    constraint = dy.equivariant_to([back, maps.parity(("th", "v"))], d)
    assert constraint.size - constraint.rank == 3  # th' = v; v' = sin(th), th
    assert spread(constraint, back, d) < TOL


def test_a_fit_keeps_the_enforced_symmetry():
    system = dy.systems.get("duffing")
    d = dy.Monomials(2, 3, names=system.states)
    g = [maps.parity(system.states), maps.time_reversal("v", system.states)]
    model = dy.fit(system.runs(4, 200, noise=0.02), d, constraints=[dy.equivariant_to(g, d)])
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    f = model.field
    for one in g:
        assert np.abs(f.evaluate(x) @ one.matrix.T - one.sign * f.evaluate(one(x))).max() < TOL * 10
    truth = system.field()
    assert np.abs(f.evaluate(x) - truth.evaluate(x)).max() < 0.5


# ------------------------------------------------------------------ promotion


def broken(penalty, model):
    image = np.asarray(penalty.operator @ model.coefficients.ravel())
    return np.array([np.linalg.norm(image[list(group)]) for group in penalty.penalty.groups])


@pytest.fixture(scope="module")
def duffing():
    return dy.systems.get("duffing").runs(6, 200, noise=0.02)


XV = ("x", "v")
TRUE_AND_FALSE = [
    maps.parity(XV),
    maps.time_reversal("v", XV),
    maps.permutation("x v -> v x"),
    maps.rotation(XV, order=3),
]


def test_the_right_maps_are_kept_at_a_moderate_weight_and_all_at_a_high_one(duffing):
    d = dy.Monomials(2, 3, names=XV)
    region = dy.fit(duffing, d).region
    none, some, every = (
        dy.fit(duffing, d, penalty=dy.SymmetryBreaking(TRUE_AND_FALSE, d, w, region))
        for w in (0.0, 10.0, 1e4)
    )
    penalty = dy.SymmetryBreaking(TRUE_AND_FALSE, d, 1.0, region)
    assert (broken(penalty, none) > 1e-4).all()
    kept = broken(penalty, some)
    assert kept[0] == kept[1] == 0.0  # exactly: sign flips touch each coefficient alone
    assert (kept[2:] > 0.1).all()
    assert broken(penalty, every).max() < 1e-8


def test_at_a_high_weight_promotion_is_enforcement(duffing):
    d = dy.Monomials(2, 3, names=XV)
    g = [maps.parity(XV), maps.time_reversal("v", XV)]
    soft = dy.fit(duffing, d, penalty=dy.SymmetryBreaking(g, d, 1e3))
    hard = dy.fit(duffing, d, constraints=[dy.equivariant_to(g, d)])
    assert np.allclose(soft.coefficients, hard.coefficients, atol=1e-6)


def test_a_broken_symmetry_is_not_promoted_away_while_the_data_speak_against_it():
    system = dy.systems.get("damped_duffing")
    d = dy.Monomials(2, 3, names=system.states)
    g = [maps.parity(system.states), maps.time_reversal("v", system.states)]
    penalty = dy.SymmetryBreaking(g, d, 0.3)
    parts = broken(penalty, dy.fit(system.runs(6, 200, noise=0.01), d, penalty=penalty))
    assert parts[0] == 0.0
    assert parts[1] > 0.05


def test_the_penalty_is_the_norm_it_says_for_functions_that_are_not_polynomial():
    d = dy.Terms(["sin(th)", "cos(th)", "v"], ("th", "v"))
    g = maps.rotation(("th", "v"), order=4)
    region = generic_region(d)
    penalty = dy.SymmetryBreaking(g, d, 2.0, region)
    c = np.random.default_rng(0).standard_normal((2, 3))
    f = dy.VectorField(d, c)
    moved = f.evaluate(g(region.points)) @ np.linalg.inv(g.matrix).T
    wanted = 2.0 * np.sqrt(np.sum(region.weights[:, None] * (moved - f.evaluate(region.points)) ** 2))
    assert penalty.value(c) == pytest.approx(wanted, rel=1e-10)


def test_the_penalty_of_polynomials_is_invariant_to_the_order_of_terms_and_convex():
    d = dy.Monomials(2, 3, names=XV)
    penalty = dy.SymmetryBreaking(TRUE_AND_FALSE, d, 1.0)
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 2, 10))
    assert penalty.value((a + b) / 2) <= (penalty.value(a) + penalty.value(b)) / 2 + 1e-12
    assert penalty.value(3 * a) == pytest.approx(3 * penalty.value(a))
