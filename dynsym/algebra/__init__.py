"""Lie algebras from measured brackets: structure constants, names, closure, nearest closed subalgebra.

All but `poisson_algebra` works on plain coefficient vectors and brackets and knows nothing of functions.
"""

from dynsym.algebra._models import model
from dynsym.algebra.clean import CleanBasis, clean_basis
from dynsym.algebra.levi import LeviDecomposition, levi_decomposition
from dynsym.algebra.lie_algebra import LieAlgebra, certain_facts, identify
from dynsym.algebra.poisson import LevelSet, PoissonAlgebra, canonical_bracket, poisson_algebra
from dynsym.algebra.structure import close, structure_constants
from dynsym.algebra.subalgebra import SnappedSubalgebra, nearest_subalgebra
from dynsym.algebra.toward import nearest_of_type

__all__ = [
    "CleanBasis",
    "LevelSet",
    "LeviDecomposition",
    "LieAlgebra",
    "PoissonAlgebra",
    "SnappedSubalgebra",
    "canonical_bracket",
    "certain_facts",
    "clean_basis",
    "close",
    "identify",
    "levi_decomposition",
    "model",
    "nearest_of_type",
    "nearest_subalgebra",
    "poisson_algebra",
    "structure_constants",
]
