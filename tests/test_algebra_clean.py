"""Clean bases: an isomorphism with the model is a proof of the name, and is checked as one."""

from __future__ import annotations

import numpy as np
import pytest
from test_algebra import NAMED, almost_abelian, basis_change, moved, noisy, tensor

from dynsym.algebra import clean_basis, identify
from dynsym.algebra._linear import change_basis
from dynsym.algebra._models import model
from dynsym.algebra.clean import _as_basis, _as_map

MODELS = [name for name in NAMED if model(name) is not None]
SMALL = [name for name in MODELS if len(model(name)) <= 10]


@pytest.mark.parametrize("name", [*MODELS, "su(3,1)", "so(3) + R^3"])
def test_a_model_is_the_algebra_of_its_name(name):
    """Built from tables and matrices here, from conditions on matrices in the tests."""
    assert identify(model(name)).name == name
    assert np.array_equal(model(name), np.round(model(name)))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("seed", range(2))
def test_clean_basis_of_a_random_basis(name, seed):
    c = moved(tensor(NAMED[name]()), basis_change(len(model(name)), 10.0, np.random.default_rng(seed)))
    found = clean_basis(identify(c))
    assert found.is_clean
    assert found.name == name
    assert change_basis(c, found.basis) == pytest.approx(found.structure_constants, abs=1e-7)
    assert np.array_equal(found.structure_constants, model(name))
    assert found.residual < 1e-8


def test_vectors_with_one_term_each_are_only_scaled():
    """The basis a user gave stays recognisable: e1 ... e6 of se(3) in other units and another order."""
    order, units = [3, 0, 5, 1, 4, 2], np.array([1.0, 2.0, 0.5, -3.0, 0.1, 7.0])
    c = change_basis(model("se(3)"), np.diag(units)[:, order])
    found = clean_basis(identify(c))
    assert found.is_clean
    assert np.count_nonzero(found.basis) == 6
    assert set(np.abs(found.structure_constants).ravel()) == {0.0, 1.0}
    assert identify(found.structure_constants).name == "se(3)"


def test_tables_read_as_in_a_book():
    assert clean_basis(identify(model("heisenberg"))).table == ("[e1, e2] = e3",)
    mixed = moved(model("so(3)"), basis_change(3, 5.0, np.random.default_rng(0)))
    assert clean_basis(identify(mixed)).table == ("[e1, e2] = e3", "[e1, e3] = -e2", "[e2, e3] = e1")
    assert str(clean_basis(identify(np.zeros((2, 2, 2))))) == "R^2: all brackets vanish"
    assert "[e1, e2]" in clean_basis(identify(mixed))._repr_html_()


def test_noisy_constants_come_clean_to_their_noise():
    rng = np.random.default_rng(0)
    c = noisy(moved(model("so(4)"), basis_change(6, 2.0, rng)), 1e-4, rng)
    found = clean_basis(identify(c, tol=5e-3))
    assert found.is_clean
    assert 1e-6 < found.residual < 5e-2
    assert identify(found.structure_constants).name == "so(4)"


def test_without_a_model_the_given_basis_comes_back():
    c = moved(
        tensor(almost_abelian(np.diag([1.0, 2.1, 3.3, 4.7]))), basis_change(5, 5.0, np.random.default_rng(0))
    )
    found = clean_basis(identify(c))
    assert not found.is_clean
    assert np.array_equal(found.basis, np.eye(5))
    assert np.array_equal(found.structure_constants, identify(c).structure_constants)
    undecided = identify(noisy(model("so(3)"), 0.05, np.random.default_rng(0)), tol=0.3)
    assert not clean_basis(undecided).is_clean


@pytest.mark.parametrize("equations", [_as_map, _as_basis])
def test_slopes_are_the_derivatives_of_the_equations(equations):
    rng = np.random.default_rng(0)
    c, goal, g = tensor(NAMED["so(4)"]()), model("se(3)"), rng.standard_normal((6, 6)) + 3 * np.eye(6)
    a, step = rng.standard_normal((6, 6)), 1e-6
    _, slope, move = equations(c, goal, g)
    numeric = (equations(c, goal, move(step * a))[0] - equations(c, goal, move(-step * a))[0]) / (2 * step)
    assert slope @ a.ravel() == pytest.approx(numeric, rel=1e-5, abs=1e-5)


def test_brackets_are_drawn():
    algebra = identify(model("so(3)"))
    axis = algebra.plot().axes[0]
    assert {text.get_text() for text in axis.texts} == {"e1", "e2", "e3", "-e1", "-e2", "-e3"}
    assert clean_basis(algebra).plot().axes[0].get_title(loc="left") == "so(3)"
    assert not identify(np.zeros((0, 0, 0))).plot().axes[0].axison
