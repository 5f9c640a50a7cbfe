"""Two models on the same starts: which one stays valid longer, run by run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binomtest

from .._checks import Array

if TYPE_CHECKING:
    from ._results import Prediction

LONGER, SHORTER, UNDECIDED = "longer", "shorter", "undecided"
_TIE = 1.05  # factor between valid times, or between errors, up to which two models count as equal on a run
_EXACT = 1e-5  # errors below this are the integrator's


@dataclass(frozen=True)
class Comparison:
    """Whether a model foresees the runs longer than another one.

    Attributes
    ----------
    name, other
        The two models.
    wins, losses, ties
        Runs on which the first stays valid longer by at least 5 %, shorter, and neither. Where both stay valid to the end, the
        smaller error wins.
    ratio
        Geometric mean over the runs of valid time by valid time.
    p_value
        Of the two-sided sign test over the runs that are not ties.
    verdict
        ``longer`` or ``shorter`` where the p-value is at most alpha, else ``undecided``.

    References
    ----------
    Dixon, Mood (1946), The statistical sign test, J. Am. Stat. Assoc. 41: nothing is assumed of the distribution of the times.
    """

    name: str
    other: str
    wins: int
    losses: int
    ties: int
    ratio: float
    p_value: float
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return {
            "model": self.other,
            "wins": self.wins,
            "losses": self.losses,
            "ties": self.ties,
            "ratio_of_valid_times": self.ratio if np.isfinite(self.ratio) else None,
            "p_value": self.p_value,
            "verdict": self.verdict,
        }

    def __str__(self) -> str:
        return (
            f"{self.name} against {self.other}: {self.verdict} ({self.wins} : {self.losses} runs, {self.ties} ties, "
            f"valid times {self.ratio:.2f} to 1, p = {self.p_value:.2g})"
        )


def compare(one: Prediction, two: Prediction, runs: Array, alpha: float) -> Comparison:
    """The comparison of two predictions from the same starts; runs (k,) are the units of the test."""
    groups = [runs == run for run in np.unique(runs)]
    times = np.array([[_log_mean(p.valid[g]) for p in (one, two)] for g in groups])
    errors = np.array([[np.sqrt(np.mean(p.errors[g] ** 2)) for p in (one, two)] for g in groups])
    ends = np.array([one.to_the_end[g].all() and two.to_the_end[g].all() for g in groups])
    gain = times[:, 0] - times[:, 1]
    lower = -np.diff(np.log(np.maximum(errors, _EXACT)), axis=1)[:, 0]
    score = np.where(ends, -lower, gain)
    wins, losses = int(np.sum(score > np.log(_TIE))), int(np.sum(score < -np.log(_TIE)))
    decided = wins + losses
    p_value = float(binomtest(wins, decided).pvalue) if decided else 1.0
    verdict = UNDECIDED if p_value > alpha else LONGER if wins > losses else SHORTER
    ratio = float(np.exp(np.mean(gain)))
    return Comparison(one.name, two.name, wins, losses, len(groups) - decided, ratio, p_value, verdict)


def _log_mean(times: Array) -> float:
    return float(np.log(max(float(np.mean(times)), 1e-300)))
