"""The assertions hold for what is true, and fail for what is not with the numbers in the message."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import dynsym as dy
from dynsym.testing import assert_conserved, assert_equivariant, assert_jacobian

HOPF = dy.systems.get("hopf").field()
KEPLER_FORCE = dy.VectorField(
    dy.parse_dictionary("poly(1) + terms(x/(x^2+y^2)^(3/2), y/(x^2+y^2)^(3/2))", ("x", "y", "u", "w")),
    [[0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, -1, 0], [0, 0, 0, 0, 0, 0, -1]],
)
SPRING = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -4, 0]])


def kepler_scaling(time):
    """Lengths as e^s, velocities as e^(-s/2), times as e^(time s); Kepler's third law is time = 3/2."""
    matrix = np.diag([1.0, 1.0, -0.5, -0.5])
    return dy.Generators(
        dy.Monomials(4, 1, names=KEPLER_FORCE.names, constant=False), matrix[None], ("scaling",), [time]
    )


def test_true_symmetries_pass():
    assert_equivariant(HOPF, dy.generators.rotations(2))  # default names take those of the field
    assert_equivariant(KEPLER_FORCE, kepler_scaling(1.5), atol=1e-12)


def test_a_boost_has_two_orders_in_time():
    free = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, 0, 0]])
    terms = dy.Monomials(2, 1, names=("x", "v"))
    kick = np.array([[[0, 0, 0], [1.0, 0, 0]]])
    ramp = np.array([[[1.0, 0, 0], [0, 0, 0]]])
    assert_equivariant(free, dy.Generators(terms, kick, ("boost",), None, ramp))
    with pytest.raises(AssertionError, match="L_xi f - eta is 1"):
        assert_equivariant(free, dy.Generators(terms, 2 * kick, ("boost",), None, ramp))
    with pytest.raises(AssertionError, match="L_eta f"):
        assert_equivariant(SPRING, dy.Generators(terms, kick, ("boost",), None, ramp))


def test_a_broken_symmetry_is_named_with_its_place_and_size():
    with pytest.raises(
        AssertionError,
        match=r"1 of 1 generator.*'scaling'.*component of (x|y|u|w) of L_xi f is .*allowed .*x = .*, y = ",
    ):
        assert_equivariant(KEPLER_FORCE, kepler_scaling(1.0))
    with pytest.raises(AssertionError, match=r"6 of 6 generator"):
        assert_equivariant(SPRING, dy.generators.affine(2))


def test_tolerance_and_points_are_those_given():
    nearly = dy.VectorField(dy.Monomials(2, 1), [[0, 1e-6, 1], [0, -1, 0]])
    turn = dy.generators.rotations(2)
    with pytest.raises(AssertionError):
        assert_equivariant(nearly, turn)
    assert_equivariant(nearly, turn, atol=1e-5)
    assert_equivariant(nearly, turn, points=[0.0, 0.0])
    # Rounding grows with the terms: a perfect symmetry of size 1e8 is not refused.
    large = dy.VectorField(dy.Monomials(2, 1), [[0, -1e8, 3e8], [0, -3e8, -1e8]])
    assert_equivariant(large, dy.generators.affine(2).combine(np.array([[0, 0, 0.3, -1.1, 1.1, 0.3]]).T))
    with pytest.raises(dy.DataError, match=r"\(a, b\) but the field has the states \(x, v\)"):
        assert_equivariant(SPRING, dy.generators.rotations(2, names=("a", "b")))


def test_values_that_are_not_finite_never_pass():
    root = dy.VectorField(dy.Terms(["x*(x^2 + y^2)^(-1)"], ("x", "y")), [[1.0], [0.0]])
    with pytest.raises((AssertionError, dy.DataError)):
        assert_equivariant(root, dy.generators.scalings(2), points=[0.0, 0.0])


def test_conserved_functions_pass_and_others_are_told():
    energy = dy.ScalarFunction(dy.Monomials(2, 2), [0, 0, 0, 4, 0, 1])
    assert_conserved(energy, SPRING)
    wrong = dy.ScalarFunction(dy.Monomials(2, 2, names=("x", "v")), [0, 0, 0, 4.1, 0, 1])
    with pytest.raises(AssertionError, match=r"4\.1\*x\*\*2.*parts up to .*allowed .* at x = "):
        assert_conserved(wrong, SPRING)
    assert_conserved(wrong, SPRING, atol=1.0)
    assert_conserved(wrong, SPRING, points=[[0.0, 1.0], [2.0, 0.0]])


@pytest.mark.parametrize(
    "dictionary",
    [
        dy.Monomials(3, 5),
        dy.Fourier(("a", "b"), 3, ("a",)),
        dy.Radial(("x", "y", "z"), ("x", "y", "z"), (-5, -3, -1)),
        dy.Terms(["log(x)", "sqrt(x)*y", "tanh(x*y)"], ("x", "y")),
        dy.Monomials(2, 2, names=("x", "y")) * dy.Radial(("x", "y"), ("x", "y"), (-3,)),
    ],
    ids=["monomials", "fourier", "radial", "terms", "product"],
)
def test_the_jacobians_of_dynsym_are_right(dictionary):
    assert_jacobian(dictionary)


@dataclass(frozen=True, repr=False, eq=False)
class Wrong(dy.Monomials):
    """Monomials whose second slope is off by a part in a million, or whose Jacobian has another layout."""

    transposed: bool = False

    def __init__(self, transposed):
        super().__init__(2, 2, ("x", "y"))
        object.__setattr__(self, "transposed", transposed)

    def _jacobian(self, x):
        out = super()._jacobian(x)
        if self.transposed:
            return out.transpose(0, 2, 1)
        out[:, 3, 0] *= 1 + 1e-6
        return out


def test_a_wrong_jacobian_is_told_by_term_and_state():
    with pytest.raises(AssertionError, match=r"1 of 6 terms.*d/dx of 'x\*\*2' is .*by central differences"):
        assert_jacobian(Wrong(False))
    assert_jacobian(Wrong(False), rtol=1e-5)
    with pytest.raises(AssertionError, match=r"\(m, p, n\) = \(44, 6, 2\), got \(44, 2, 6\)"):
        assert_jacobian(Wrong(True))
