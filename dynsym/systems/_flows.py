"""Dissipative flows: two with a symmetry, and chaotic or relaxing ones with none."""

from __future__ import annotations

import sympy

from ._define import define, linear_fields
from ._start import cube, uniform
from ._system import System


def hopf() -> System:
    """Normal form of the Hopf bifurcation: x' = x - y - x |x|^2, y' = x + y - y |x|^2."""
    return define(
        "hopf",
        "Hopf normal form",
        "x y",
        "x - y - x*(x^2 + y^2); x + y - y*(x^2 + y^2)",
        dictionary="poly(3)",
        invariants_dictionary="poly(4)",
        affine=("R", ("-y; x",)),
        start=cube(2, 1.5),
        duration=8.0,
        note="On the limit cycle alone F and the rotation agree; runs start off it.",
    )


def contraction() -> System:
    """x' = -x in R^3: every linear map is a symmetry."""
    units = [sympy.Matrix(3, 3, lambda i, j, k=k: int((i, j) == divmod(k, 3))) for k in range(9)]
    return define(
        "contraction",
        "contraction to a point in space",
        "x y z",
        "-x; -y; -z",
        dictionary="poly(1)",
        invariants_dictionary="poly(4)",
        affine=("gl(3,R)", linear_fields(units, "xyz")),
        start=cube(3, 1.5),
        duration=3.0,
        note="The directions x/y, y/z are conserved but not polynomial.",
    )


def growth() -> System:
    """x' = y^2/10 - 3x/10, y' = y: growth with a weighted scaling symmetry."""
    return define(
        "growth",
        "growth with a weighted scaling",
        "x y",
        "y^2/10 - 3*x/10; y",
        dictionary="poly(2)",
        invariants_dictionary="poly(4)",
        affine=("R", ("2*x; y",)),
        start=uniform((-1.0, -1.0), (1.0, 1.0)),
        duration=2.5,
        note="Yang, Rao, Dehmamy, Walters, Yu (2024), Symmetry-informed governing equation discovery.",
    )


def radial_sphere() -> System:
    """x' = x (1 - |x|^2) in R^3: every ray leads to the unit sphere."""
    square = "(1 - x^2 - y^2 - z^2)"
    return define(
        "radial_sphere",
        "radial flow to the sphere",
        "x y z",
        f"x*{square}; y*{square}; z*{square}",
        dictionary="poly(1) + poly(1) * radial(x, y, z; 2)",
        invariants_dictionary="poly(4)",
        affine=("so(3)", ("0; -z; y", "z; 0; -x", "-y; x; 0")),
        start=cube(3, 1.5),
        duration=3.0,
        note="The directions x/y, y/z are conserved but not polynomial. A run is a ray, and eight rays do not "
        "determine the ten cubic monomials of poly(3); hence the smaller dictionary.",
    )


def lorenz() -> System:
    """Lorenz 1963 with sigma = 10, rho = 28, beta = 8/3."""
    return define(
        "lorenz",
        "Lorenz convection",
        "x y z",
        "10*(y - x); x*(28 - z) - y; x*y - 8/3*z",
        dictionary="poly(2)",
        invariants_dictionary="poly(4)",
        start=uniform((-15.0, -15.0, 10.0), (15.0, 15.0, 40.0)),
        duration=10.0,
        note="The reflection (x, y) -> (-x, -y) is discrete, not counted.",
    )


def rossler() -> System:
    """Rossler 1976 with a = b = 1/5, c = 57/10."""
    return define(
        "rossler",
        "Rossler attractor",
        "x y z",
        "-y - z; x + y/5; 1/5 + z*(x - 57/10)",
        dictionary="poly(2)",
        invariants_dictionary="poly(4)",
        start=uniform((-6.0, -6.0, 0.0), (6.0, 6.0, 3.0)),
        duration=30.0,
    )


def van_der_pol() -> System:
    """x'' = (1 - x^2) x' - x."""
    return define(
        "van_der_pol",
        "van der Pol oscillator",
        "x v",
        "v; v - x^2*v - x",
        dictionary="poly(3)",
        invariants_dictionary="poly(4)",
        start=cube(2, 2.5),
        duration=12.0,
    )


def damped_duffing() -> System:
    """x'' = x - x^3 - x'/5."""
    return define(
        "damped_duffing",
        "damped Duffing oscillator, double well",
        "x v",
        "v; x - x^3 - v/5",
        dictionary="poly(3)",
        invariants_dictionary="poly(4)",
        start=cube(2, 2.0),
        duration=12.0,
    )


def selkov() -> System:
    """Glycolysis: x' = -x + y/10 + x^2 y, y' = 3/5 - y/10 - x^2 y."""
    return define(
        "selkov",
        "Selkov glycolysis",
        "x y",
        "-x + y/10 + x^2*y; 3/5 - y/10 - x^2*y",
        dictionary="poly(3)",
        invariants_dictionary="poly(4)",
        start=uniform((0.2, 0.2), (2.0, 2.5)),
        duration=15.0,
    )


def brusselator() -> System:
    """x' = 1 - 4 x + x^2 y, y' = 3 x - x^2 y."""
    return define(
        "brusselator",
        "Brusselator, A = 1, B = 3",
        "x y",
        "1 - 4*x + x^2*y; 3*x - x^2*y",
        dictionary="poly(3)",
        invariants_dictionary="poly(4)",
        start=uniform((0.3, 0.5), (3.0, 4.5)),
        duration=12.0,
    )
