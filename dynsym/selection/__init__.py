"""Model selection on triangular factors: whole regularisation paths, stability selection and the bootstrap."""

from ._bootstrap import Bootstrap, bootstrap
from ._breaks import Breaks, Event, Held
from ._conservation import ConservationWeights
from ._grid import PathGrid, path_grid
from ._l1 import L1Weights
from ._models import restricted
from ._path import RULES, Path, path
from ._stability import Stability, stability
from ._symmetry import SymmetryWeights
from ._thresholds import Thresholds

__all__ = [
    "RULES",
    "Bootstrap",
    "Breaks",
    "ConservationWeights",
    "Event",
    "Held",
    "L1Weights",
    "Path",
    "PathGrid",
    "Stability",
    "SymmetryWeights",
    "Thresholds",
    "bootstrap",
    "path",
    "path_grid",
    "restricted",
    "stability",
]
