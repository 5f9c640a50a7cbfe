"""Candidate generators: families of vector fields xi_1..xi_q, each with an optional time part.

A generator acts by x -> x + e (xi(x) + t eta(x)), t -> t + e (a + b t). The part b rescales time (Kepler's
third law), the ramp eta moves states in proportion to time (Galilean boosts). Translations of time, a, are
symmetries of every autonomous system and are not candidates.
"""

from ._blocks import direct_product, embedded, represented
from ._free import custom, over, polynomial, with_time_scaling
from ._generators import Generators
from ._inner import Frobenius, InnerProduct, OnRegion, orthonormal, orthonormal_weights
from ._linear import (
    affine,
    dilation,
    euclidean,
    linear,
    orthogonal,
    rotations,
    scalings,
    similarity,
    special_affine,
    special_linear,
    symplectic,
    translations,
)
from ._names import FAMILIES, by_name
from ._spacetime import galilean, lorentz, poincare

__all__ = [
    "FAMILIES",
    "Frobenius",
    "Generators",
    "InnerProduct",
    "OnRegion",
    "affine",
    "by_name",
    "custom",
    "dilation",
    "direct_product",
    "embedded",
    "euclidean",
    "galilean",
    "linear",
    "lorentz",
    "orthogonal",
    "orthonormal",
    "orthonormal_weights",
    "over",
    "poincare",
    "polynomial",
    "represented",
    "rotations",
    "scalings",
    "similarity",
    "special_affine",
    "special_linear",
    "symplectic",
    "translations",
    "with_time_scaling",
]
