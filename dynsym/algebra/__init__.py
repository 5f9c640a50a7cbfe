"""Lie algebras from measured brackets: structure constants, names, closure, nearest closed subalgebra.

Everything here works on plain coefficient vectors and brackets; it knows nothing of vector fields.
"""

from dynsym.algebra.lie_algebra import LieAlgebra, identify
from dynsym.algebra.structure import close, structure_constants
from dynsym.algebra.subalgebra import SnappedSubalgebra, nearest_subalgebra

__all__ = [
    "LieAlgebra",
    "SnappedSubalgebra",
    "close",
    "identify",
    "nearest_subalgebra",
    "structure_constants",
]
