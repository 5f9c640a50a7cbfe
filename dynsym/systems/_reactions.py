"""Populations, epidemics and reaction networks."""

from __future__ import annotations

from ._define import define
from ._start import uniform
from ._system import System


def lotka_volterra_2d() -> System:
    """Predator and prey, all rates 1."""
    return define(
        "lotka_volterra_2d",
        "Lotka-Volterra, two species",
        "x y",
        "x - x*y; x*y - y",
        dictionary="poly(2)",
        invariants_dictionary="poly(1) + terms(log(x), log(y))",
        invariants="x - log(x) + y - log(y)",
        n_independent=1,
        start=uniform((0.4, 0.4), (2.0, 2.0)),
        duration=12.0,
        note="No polynomial is conserved.",
    )


def lotka_volterra_3d() -> System:
    """Three species that eat each other in a cycle."""
    return define(
        "lotka_volterra_3d",
        "Lotka-Volterra, cyclic, three species",
        "x y z",
        "x*(y - z); y*(z - x); z*(x - y)",
        dictionary="poly(2)",
        invariants_dictionary="poly(3)",
        invariants="x + y + z; (x + y + z)^2; (x + y + z)^3; x*y*z",
        n_independent=2,
        scaling=("R", "x; y; z; -1"),
        start=uniform((0.3, 0.3, 0.3), (1.5, 1.5, 1.5)),
        duration=12.0,
        note="The cyclic permutation of the species is a discrete symmetry, not counted.",
    )


def sir() -> System:
    """Susceptible, infected, recovered; contact rate 2, recovery rate 1/2."""
    return define(
        "sir",
        "SIR epidemic",
        "s i r",
        "-2*s*i; 2*s*i - i/2; i/2",
        dictionary="poly(2)",
        invariants_dictionary="poly(1) + terms(log(s))",
        invariants="s + i + r; s + i - log(s)/4",
        n_independent=2,
        affine=("aff(1)", ("0; 0; 1", "0; 0; s + i + r")),
        start=uniform((0.5, 0.02, 0.0), (1.0, 0.3, 0.3)),
        duration=12.0,
        note="Nothing depends on r, so r may be shifted by any conserved amount.",
    )


def seir() -> System:
    """Susceptible, exposed, infected, recovered; rates 2 (contact), 1 (onset), 1/2 (recovery)."""
    return define(
        "seir",
        "SEIR epidemic",
        "s e i r",
        "-2*s*i; 2*s*i - e; e - i/2; i/2",
        dictionary="poly(2)",
        invariants_dictionary="poly(1) + terms(log(s))",
        invariants="s + e + i + r; r + log(s)/4",
        n_independent=2,
        affine=("aff(1)", ("0; 0; 0; 1", "0; 0; 0; s + e + i + r")),
        start=uniform((0.5, 0.0, 0.02, 0.0), (1.0, 0.2, 0.3, 0.3)),
        duration=15.0,
        note="Nothing depends on r, so r may be shifted by any conserved amount.",
    )


def reaction_network() -> System:
    """Reversible Michaelis-Menten: e + s <-> c <-> e + p with rates 1, 1/2, 1/2, 1/4."""
    return define(
        "reaction_network",
        "Michaelis-Menten, reversible",
        "e s c p",
        "c - e*s - e*p/4; c/2 - e*s; e*s + e*p/4 - c; c/2 - e*p/4",
        dictionary="poly(2)",
        invariants_dictionary="poly(1)",
        invariants="e + c; s + c + p",
        n_independent=2,
        scaling=("R", "e; s + 1/2; 2*c + e; p + 2; -1"),
        start=uniform((0.3, 0.5, 0.0, 0.0), (1.2, 2.0, 0.6, 0.6)),
        duration=8.0,
        note="The conserved totals span the left null space of the stoichiometric matrix. Written with the "
        "total e + c, the equations for e, s + 1/2, p + 2 become homogeneous if it has weight 2.",
    )
