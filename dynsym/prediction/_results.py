"""How models did on runs that they were not fitted to: the nouns behind the verb `predictions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._checks import Array, require
from ..vector_field import VectorField
from ._compare import Comparison, compare
from ._rule import PredictionRule
from ._table import html_table, lines


@dataclass(frozen=True, eq=False)
class Prediction:
    """How one model did.

    Attributes
    ----------
    name, field
        Of the model.
    errors
        (k,) root mean square over time of e(t) of each start, the noise taken off; at most 1, and 1 where the simulation
        breaks down.
    valid
        (k,) time until e(t) exceeds the threshold, in units of t.
    to_the_end
        (k,) True where it never did, so that `valid` is a lower bound.
    lost
        (k,) True where the simulation broke down.
    drift
        (q,) root mean square of (h(x(t)) - h(x(0))) / (rms |grad h| sd(x)) along the simulations, median over the starts;
        infinite where h leaves every bound on half of them.
    curve
        (3, _) lower quartile, median and upper quartile of e at the times of `Predictions.times`.
    """

    name: str
    field: VectorField
    errors: Array
    valid: Array
    to_the_end: npt.NDArray[np.bool_]
    lost: npt.NDArray[np.bool_]
    drift: Array
    curve: Array

    @property
    def error(self) -> float:
        """Root mean square of the errors."""
        return float(np.sqrt(np.mean(self.errors**2)))

    @property
    def valid_time(self) -> float:
        """Median of the valid times, in units of t."""
        return float(np.median(self.valid))

    @property
    def is_bound(self) -> bool:
        """Whether `valid_time` is a lower bound: half of the predictions are valid to the end."""
        return bool(np.mean(self.to_the_end) >= 0.5)


@dataclass(frozen=True, eq=False)
class Predictions:
    """How far models foresee the same runs from the same starts.

    Attributes
    ----------
    findings
        One `Prediction` per model, in their order; the first is what the others are compared with.
    rule
        Threshold, starts, horizon and level.
    runs
        (k,) run of each start.
    spread, noise
        (n,) sd of the states over all runs, and of the measurement noise.
    start_error
        Root mean square of the standard error of the starts, in units of the spread.
    characteristic_time
        Time in which the states change by about their spread: sd(x) / rms(dx/dt), of the fastest state.
    lyapunov_time
        1 / largest Lyapunov exponent, as given or of the model with the longest valid times; None where neighbouring
        solutions do not part exponentially.
    laws
        Expressions of the functions whose drift is given.
    times
        Grid of the curves.
    """

    findings: tuple[Prediction, ...]
    rule: PredictionRule
    runs: Array
    spread: Array
    noise: Array
    start_error: float
    characteristic_time: float
    lyapunov_time: float | None
    laws: tuple[str, ...]
    times: Array

    def __getitem__(self, name: str) -> Prediction:
        """The prediction of the model of this name."""
        known = {f.name: f for f in self.findings}
        require(name in known, f"no model is called {name!r}; there are: {', '.join(known)}")
        return known[name]

    def against(self, name: str, other: str | None = None) -> Comparison:
        """One model compared with another, by default the first: run by run, which of them stays valid longer.

        Raises
        ------
        DataError
            If a name is unknown.
        """
        base = self.findings[0] if other is None else self[other]
        return compare(self[name], base, self.runs, self.rule.alpha)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and strings; what is infinite or unknown is None."""
        return {
            "threshold": self.rule.threshold,
            "starts": len(self.runs),
            "runs": len(set(self.runs.tolist())),
            "start_error": self.start_error,
            "characteristic_time": self.characteristic_time,
            "lyapunov_time": self.lyapunov_time,
            "laws": list(self.laws),
            "models": [self._model_dict(f) for f in self.findings],
        }

    def _model_dict(self, finding: Prediction) -> dict[str, Any]:
        comparison = self.against(finding.name)
        return {
            "name": finding.name,
            "rollout_error": finding.error,
            "valid_time": finding.valid_time,
            "valid_time_is_lower_bound": finding.is_bound,
            "valid_lyapunov_times": None
            if self.lyapunov_time is None
            else finding.valid_time / self.lyapunov_time,
            "valid_characteristic_times": finding.valid_time / self.characteristic_time,
            "valid_times": finding.valid.tolist(),
            "broken_down": int(finding.lost.sum()),
            "drift": [float(d) if np.isfinite(d) else None for d in finding.drift],
            "against": None if finding is self.findings[0] else comparison.to_dict(),
        }

    def __str__(self) -> str:
        return "\n".join(lines(self))

    def _repr_html_(self) -> str:
        return html_table(self)

    def plot(self) -> Any:
        """Median error against time with its quartiles, and the valid time of every start: a matplotlib figure."""
        from ._draw import draw_predictions

        return draw_predictions(self)
