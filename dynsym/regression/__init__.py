"""One `fit`: least squares on compressed rows, with any penalty, linear constraints and selection."""

from ._estimate import Estimate, Kept
from ._fit import constrained_least_squares, fit
from ._information import Information, free_directions
from ._map import MapModel, fit_map
from ._model import Model
from ._pairs import Pairs
from ._sandwich import Sandwich, sandwich, whitening
from ._selection import Stepwise

__all__ = [
    "Estimate",
    "Information",
    "Kept",
    "MapModel",
    "Model",
    "Pairs",
    "Sandwich",
    "Stepwise",
    "constrained_least_squares",
    "fit",
    "fit_map",
    "free_directions",
    "sandwich",
    "whitening",
]
