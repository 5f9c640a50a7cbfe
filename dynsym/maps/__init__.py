"""Maps g(x) = A x + b of the states, with or without reversal of time, and the finite groups they generate."""

from ._affine import AffineMap
from ._families import (
    affine,
    parity,
    permutation,
    reflection,
    rotation,
    signed_permutations,
    time_reversal,
)
from ._group import FiniteGroup, group_of
from ._operator import closed_region, exact_map_matrix, map_matrix, map_sizes

__all__ = [
    "AffineMap",
    "FiniteGroup",
    "affine",
    "closed_region",
    "exact_map_matrix",
    "group_of",
    "map_matrix",
    "map_sizes",
    "parity",
    "permutation",
    "reflection",
    "rotation",
    "signed_permutations",
    "time_reversal",
]
