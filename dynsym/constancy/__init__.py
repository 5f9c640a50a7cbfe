"""Constancy along runs, from the states alone: no derivative, no fitted field."""

from ._constancy import Constancy, Energy
from ._ensemble import Ensemble, ensemble_of, root_mean_square_noise
from ._unbiased import Unbiased, hermite

__all__ = ["Constancy", "Energy", "Ensemble", "Unbiased", "ensemble_of", "hermite", "root_mean_square_noise"]
