"""One `fit`: least squares on compressed rows, with any penalty, linear constraints and selection."""

from ._fit import Prepared, compress_runs, fit, prepare
from ._information import Information
from ._model import Model
from ._selection import Stepwise

__all__ = ["Information", "Model", "Prepared", "Stepwise", "compress_runs", "fit", "prepare"]
