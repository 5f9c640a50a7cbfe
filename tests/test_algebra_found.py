"""The algebra of certified generators: closed within their errors or not named, boosts and time scalings included."""

from __future__ import annotations

import numpy as np
import pytest

import dynsym as dy
from dynsym.algebra import LieAlgebra, certain_facts, identify, model
from dynsym.findings._lie_algebra import _values, algebra_of
from dynsym.generators import Generators
from dynsym.inner_product import generic_region

SPACE = ("x", "y", "z")


def turned(family: Generators, error: float, seed: int) -> Generators:
    """The generators with errors of a given relative size, within the affine algebra, in a random basis."""
    rng = np.random.default_rng(seed)
    a = np.array(family.coefficients)
    noise = rng.standard_normal(a.shape)
    sizes = np.linalg.norm(a, axis=(1, 2)) / np.linalg.norm(noise, axis=(1, 2))
    mixed = Generators(
        family.dictionary,
        a + error * sizes[:, None, None] * noise,
        family.labels,
        family.time_scaling,
        family.ramp,
    )
    return mixed.combine(np.linalg.qr(rng.standard_normal((len(a), len(a))))[0])


def found(family: Generators, error: float) -> tuple[LieAlgebra | None, tuple[str, ...]]:
    return algebra_of(family, generic_region(family.dictionary), error)


ALGEBRAS = {
    "so(3)": dy.generators.rotations(3, SPACE),
    "se(2)": dy.generators.euclidean(2, ("x", "y")),
    "se(3)": dy.generators.euclidean(3, SPACE),
    "R^3": dy.generators.translations(3, SPACE),
    "gl(2,R)": dy.generators.linear(2, ("x", "y")),
    "aff(2)": dy.generators.affine(2, ("x", "y")),
}


@pytest.mark.parametrize("name", ALGEBRAS)
@pytest.mark.parametrize("seed", range(4))
def test_noisy_generators_get_the_right_name_or_none(name, seed):
    """Errors of 0.3 % with a bound of 1 %: as generators and their bounds come out of a fit."""
    algebra, notes = found(turned(ALGEBRAS[name], 3e-3, seed), 0.01)
    assert algebra is not None, notes
    assert algebra.name == name
    assert algebra.jacobi_defect < 1e-9
    assert algebra.moved < np.radians(2)
    assert algebra.closure_defect < 0.05


@pytest.mark.parametrize("name", ["so(3)", "se(3)", "aff(2)"])
def test_wide_errors_give_no_wrong_name(name):
    for seed in range(3):
        algebra, _ = found(turned(ALGEBRAS[name], 0.05, seed), 0.05)
        assert algebra is None or algebra.name in (name, *algebra.rivals) or "unnamed" in algebra.name


@pytest.mark.parametrize(("name", "keep"), [("so(3)", [0, 1]), ("se(2)", [0, 2]), ("se(3)", [0, 3, 4])])
@pytest.mark.parametrize("error", [1e-15, 0.01, 0.05])
def test_part_of_an_algebra_is_not_an_algebra(name, keep, error):
    """Two rotations of three, or a translation and a rotation, do not close; projected on their span they would commute."""
    part = ALGEBRAS[name].combine(np.eye(len(ALGEBRAS[name]))[:, keep])
    algebra, notes = found(part, error)
    assert algebra is None
    assert "leave their span" in notes[0]


def test_a_small_bracket_is_not_called_abelian():
    """[d/dx, d/dz + 0.1 x d/dx] = 0.1 d/dx: neither R^2 nor aff(1) is certain with errors of 2 %, aff(1) without."""
    dictionary = dy.Monomials(3, 1, names=SPACE)
    a = np.zeros((2, 3, 4))
    a[0, 0, 0], a[1, 2, 0], a[1, 0, 1] = 1.0, 1.0, 0.1
    pair = Generators(dictionary, a, ("shift", "screw"))
    assert found(pair, 0.0)[0].name == "aff(1)"
    unsure = found(pair, 0.02)[0]
    assert unsure.name.startswith("unnamed(dim 2")
    assert set(unsure.rivals) == {"R^2", "aff(1)"}


def test_constants_are_those_of_the_listed_generators():
    """[g_i, g_j] = sum_k c_ijk g_k, checked by evaluation at points."""
    family = turned(ALGEBRAS["se(3)"], 0.0, 3)
    algebra = found(family, 0.0)[0]
    x = np.random.default_rng(0).standard_normal((5, 3))
    xi, d = family.evaluate(x), family.jacobian(x)
    c = algebra.structure_constants
    for i in range(6):
        for j in range(6):
            bracket = np.einsum("mab,mb->ma", d[j], xi[i]) - np.einsum("mab,mb->ma", d[i], xi[j])
            assert np.einsum("k,kmn->mn", c[i, j], xi) == pytest.approx(bracket, abs=1e-9)
    assert algebra.killing == pytest.approx(np.einsum("ikl,jlk->ij", c, c), abs=1e-9)


def test_boosts_and_time_scaling():
    """Brackets on states and time: a boost is moved by a rescaling of time; translations, boosts and turns close."""
    names = ("x", "y", "u", "v")
    free = dy.VectorField(
        dy.Monomials(4, 1, names=names), [[0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0] * 5, [0] * 5]
    )
    family = dy.generators.galilean(4, ("x", "y"), ("u", "v"), names=names)
    moved = dy.symmetries(free, family)
    assert moved.dimension == 5
    assert moved.algebra is not None
    assert (moved.algebra.derived, len(moved.algebra.centre)) == ((5, 4, 0), 0)
    scale = dy.generators.custom(
        [dy.VectorField(free.dictionary, [[0] * 5, [0] * 5, [0, 0, 0, -1, 0], [0, 0, 0, 0, -1]])]
    )
    clock = Generators(scale.dictionary, scale.coefficients, ("slower",), np.ones(1))
    boost = family.combine(np.eye(5)[:, [3]])
    algebra = found(boost + clock, 0.0)[0]
    assert algebra.name == "aff(1)"


def test_brackets_on_states_and_time_against_matrices():
    """The slow twin: fields affine in states and time, with the time, as vector fields of n + 1 variables."""
    names = ("q", "v")
    rng = np.random.default_rng(0)
    a, ramp = np.zeros((2, 2, 3)), np.zeros((2, 2, 3))
    a[:] = rng.standard_normal(a.shape)
    ramp[:, :, 0] = rng.standard_normal((2, 2))
    pair = Generators(dy.Monomials(2, 1, names=names), a, ("a", "b"), rng.standard_normal(2), ramp)
    region = generic_region(pair.dictionary)
    _, table = _values(pair, region, 1.0)
    z = dy.generators.affine(3)
    both = np.zeros((2, 3, 4))
    both[:, :2, [0, 1, 2]], both[:, :2, 3], both[:, 2, 3] = a, ramp[:, :, 0], pair.time_scaling
    wide = Generators(z.dictionary, both, ("a", "b"))
    nodes, total = (-np.sqrt(3), 0.0, np.sqrt(3)), []
    for node, weight in zip(nodes, (1 / 6, 2 / 3, 1 / 6)):
        points = np.column_stack([region.points, np.full(len(region.points), node)])
        xi, d = wide.evaluate(points), wide.jacobian(points)
        value = np.einsum("mab,mb->ma", d[1], xi[0]) - np.einsum("mab,mb->ma", d[0], xi[1])
        total.append((value[:, :2] / region.scale * region.roots[:, None] * np.sqrt(weight)).ravel())
    assert table[0, 1, :-1] == pytest.approx(np.concatenate(total), abs=1e-9)


def test_certain_facts_are_those_that_all_tolerances_share():
    assert "derived 3" in certain_facts(model("so(3)"), 1e-3)
    assert "solvable" in certain_facts(model("se(2)"), 1e-3)
    near = 0.05 * model("so(3)") + 0.95 * model("se(2)")
    assert "derived 3" not in certain_facts(near, 5e-3)
    assert identify(model("so(3)"), error=1e-3).is_decided
