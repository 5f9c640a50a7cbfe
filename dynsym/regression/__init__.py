"""One `fit`: least squares on compressed rows, with any penalty, linear constraints and selection."""

from ._fit import constrained_least_squares, fit
from ._information import Information, free_directions
from ._model import Model
from ._sandwich import Sandwich, sandwich, whitening
from ._selection import Stepwise

__all__ = [
    "Information",
    "Model",
    "Sandwich",
    "Stepwise",
    "constrained_least_squares",
    "fit",
    "free_directions",
    "sandwich",
    "whitening",
]
