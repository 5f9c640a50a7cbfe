"""How predictions are judged: the threshold, the starts, the horizon, the units of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._checks import require


@dataclass(frozen=True)
class PredictionRule:
    """When a prediction e(t) = |(x_model(t) - x(t)) / sd(x)| / sqrt(n) counts as valid, and where it starts and ends.

    Parameters
    ----------
    threshold
        A prediction is valid until e exceeds it.
    starts
        Starts in each run, spread evenly over its first half.
    horizon
        Longest prediction, in units of t; default the rest of the run.
    lyapunov_time
        In units of t; default that of the best model, where it is chaotic beyond doubt.
    alpha
        Level of the comparison of two models.

    Raises
    ------
    DataError
        If a number is out of its range.

    References
    ----------
    Pathak, Hunt, Girvan, Lu, Ott (2018), Phys. Rev. Lett. 120, 024102, for the valid time of a prediction.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.PredictionRule(threshold=0.3, starts=4).threshold
    0.3
    """

    threshold: float = 0.4
    starts: int = 1
    horizon: float | None = None
    lyapunov_time: float | None = None
    alpha: float = 0.05

    def __post_init__(self) -> None:
        require(0 < self.threshold < np.inf, f"threshold must be positive, got {self.threshold}")
        require(self.starts >= 1, f"a run needs at least 1 start, got {self.starts}")
        for name, value in (("horizon", self.horizon), ("lyapunov_time", self.lyapunov_time)):
            require(value is None or 0 < value < np.inf, f"{name} must be a positive time, got {value}")
        require(0 < self.alpha < 1, f"alpha must lie in (0, 1), got {self.alpha}")
