"""Point clouds near an unknown submanifold: its dimension, its level functions, its tangent spaces."""

from ._dimension import Dimension, intrinsic_dimension
from ._geometry import Geometry, LevelFunctions, TangentSpaces
from ._levels import LevelSet, fit_levels
from ._moments import corrected_gram, corrected_values
from ._tangents import LocalFits, fit_tangents

__all__ = [
    "Dimension",
    "Geometry",
    "LevelFunctions",
    "LevelSet",
    "LocalFits",
    "TangentSpaces",
    "corrected_gram",
    "corrected_values",
    "fit_levels",
    "fit_tangents",
    "intrinsic_dimension",
]
