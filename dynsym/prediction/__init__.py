"""Prediction is the judge: rollout errors, valid times and drifts of laws on runs that no model has seen."""

from ._compare import Comparison
from ._exponent import lyapunov_exponent
from ._predictions import predictions
from ._results import Prediction, Predictions
from ._rule import PredictionRule
from ._shooting import Shooting, shooting
from ._starts import local_state

__all__ = [
    "Comparison",
    "Prediction",
    "PredictionRule",
    "Predictions",
    "Shooting",
    "local_state",
    "lyapunov_exponent",
    "predictions",
    "shooting",
]
