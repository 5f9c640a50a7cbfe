"""One `fit`: least squares on compressed rows, with any penalty, linear constraints and selection."""

from ._fit import Prepared, compress_runs, constrained_least_squares, fit, prepare
from ._information import Information, free_directions
from ._model import Model
from ._sandwich import Sandwich, sandwich, whitening
from ._selection import Stepwise

__all__ = [
    "Information",
    "Model",
    "Prepared",
    "Sandwich",
    "Stepwise",
    "compress_runs",
    "constrained_least_squares",
    "fit",
    "free_directions",
    "prepare",
    "sandwich",
    "whitening",
]
