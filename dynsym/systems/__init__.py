"""Reference systems with exact ground truth; tests, documentation and case studies read them from here."""

from ._registry import all_systems, controls, get, names, positives, table
from ._system import SymmetryAlgebra, System
from .exact import coefficients_in, conserved_dimension, generic_rank, symmetry_dimension

__all__ = [
    "SymmetryAlgebra",
    "System",
    "all_systems",
    "coefficients_in",
    "conserved_dimension",
    "controls",
    "generic_rank",
    "get",
    "names",
    "positives",
    "symmetry_dimension",
    "table",
]
