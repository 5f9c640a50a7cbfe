"""Conserved quantities from the states alone: found on half of the runs, judged on the other half.

A function is

    certified   if, found anew on each half of the runs, it varies along the runs of the other half by at most delta of what
                it would vary if the states moved independently (upper bound at level alpha, noise taken off); if the held-out
                runs outnumber the directions that one half left open and the other closed by at least three; and if the runs
                differ in its value, so that they do not merely share an attractor or a surface,
    refuted     if it varies by more than delta and than the noise, or by less but far more than any noise does,
    undecided   otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import stats

from .._checks import Array
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Level, Verdict
from ..constancy import Constancy, Energy
from ..discover import ConservationReading
from ..inner_product import Region
from ..spectral import Spectrum, relative_spectrum
from ._dependent import Dependent
from ._search import NOTHING, Search, grades_of

_MARGIN = 3  # held-out runs beyond the directions that were open when the function was chosen
_OPEN = 2.0  # times delta: the largest relative drift at which one half of the runs leaves a direction open
_ALIKE = 3.0  # times what of a function's variation would be seen: other directions up to there are as constant as it is
_REPRODUCED = 0.9  # share of a function that both halves must find on their own
_VALUES = 4  # distinct values that the runs must show
_CONTRAST = 0.1  # of the variance between the runs, that within them may reach
_IMMATERIAL = 1e-5  # relative drifts below this are the integrator's
_FAR_BEYOND = 10.0  # times the noise: variation that no law of the noise is made responsible for
_COMBINATIONS = 3  # power of the number of terms, for the worst of their combinations
_LOUD = 1.0  # noise of h as a share of its motion, from which on nothing is said
_UNMOVED = 1e-20
_SHOWN = 8  # directions whose variation is given in units of the noise


@dataclass(frozen=True, eq=False)
class StatesJudge:
    """Verdicts on functions h = c . theta from an ensemble of runs."""

    constancy: Constancy
    level: Level
    usable: npt.NDArray[np.bool_]
    _spaces: dict[tuple[int, int, int], tuple[Array, Array, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, constancy: Constancy, level: Level, dependent: Dependent = NOTHING) -> StatesJudge:
        """Verdicts at a level on functions of the states that are not dependent."""
        theta2 = np.mean(constancy.values**2, axis=0)
        total = constancy.ensemble.weights[constancy.ensemble.run].sum()
        usable = np.diag(constancy.size_of((0, 1))) > _UNMOVED * theta2 * total
        usable &= dependent.free(constancy.unbiased.dictionary, constancy.ensemble.x)
        return cls(constancy, level, usable)

    def __call__(self, coefficients: Array) -> Verdict:
        slow = self.constancy.slow is not None and not self.constancy.faster(coefficients, self.level.z)
        own = self.constancy.energy(coefficients, slow=slow)
        lower, upper = own.bounds(self._sure)[0], own.bounds(self.level.z)[1]
        # A chance estimate below zero must not make half of the runs look for more than they can see.
        visible = max(upper, own.share(self._sure * float(np.sqrt(own.variance))))
        tried, reproduced, failed = self._held_out(coefficients, slow, visible)
        upper = max(upper, tried.bounds(self.level.z)[1])
        # An estimate is no smaller than its own error, or a chance zero would look exact.
        defect = own.share(max(own.estimate, 0.5 * float(np.sqrt(own.variance))))
        if reproduced < _REPRODUCED:
            reason = "the two halves of the runs do not find it independently of one another"
        else:
            reason = self._obstacle(coefficients, own, upper, failed)
        status, why = self._status(own, lower, upper, reason)
        return Verdict(status, defect, lower, min(upper, float(np.sqrt(2))), why)

    def method(self, coefficients: Array) -> str:
        """Which rows decide on a function."""
        if self.constancy.slow is None or self.constancy.faster(coefficients, self.level.z):
            return "within-run variance"
        upper = self.constancy.energy(coefficients, slow=False).bounds(self.level.z)[1]
        agree = upper <= self.level.delta
        return "weak rows and within-run variance" if agree else "weak rows"

    def whitened(self, spectrum: Spectrum) -> Array:
        """Variation of the most constant functions along the runs in units of what the noise leaves; about 1 for laws."""
        energies = [self.constancy.energy(v) for v in spectrum.vectors.T[:_SHOWN]]
        return np.array([np.sqrt(e.raw / e.noise) for e in energies if e.noise > 0])

    def _status(self, own: Energy, lower: float, upper: float, obstacle: str) -> tuple[str, str]:
        drift = own.share(own.estimate)
        noise = own.share(own.noise) * self._believable
        if drift > max(noise, _IMMATERIAL) and lower > self.level.delta:
            return REFUTED, f"along the runs it varies by at least {lower:.2g}"
        if drift > _IMMATERIAL and (lower > 0 or self._varies(own)):
            if drift > _FAR_BEYOND * noise:
                return (
                    REFUTED,
                    f"broken slightly: it varies by {drift:.1g} along the runs, far more than noise",
                )
            return (
                UNDECIDED,
                f"it varies by {drift:.1g} where white noise leaves {noise:.1g}: broken slightly, or the noise is not white",
            )
        if upper > self.level.delta:
            return UNDECIDED, f"it may vary by as much as {upper:.2g} along the runs"
        if obstacle:
            return UNDECIDED, obstacle
        return CERTIFIED, f"found on one half of the runs, it varies by at most {upper:.1g} along the others"

    @property
    def _believable(self) -> float:
        """How much larger than read off the samples the noise may be, because it was stated so."""
        ensemble = self.constancy.ensemble
        read = np.where(ensemble.sd > 0, ensemble.sd, 1.0)
        return float(np.max(np.where(ensemble.sd > 0, ensemble.sd_most / read, 1.0), initial=1.0))

    def _varies(self, own: Energy) -> bool:
        """Whether the energy is too large for a constant function: scaled chi-square with the same mean and variance."""
        if own.variance <= 0 or own.noise <= 0:
            return own.estimate > 0
        freedom = 2 * own.noise**2 / own.variance
        threshold = stats.chi2.isf(stats.norm.sf(self._sure), freedom) * own.noise / freedom
        return bool(own.raw > threshold)

    @property
    def _sure(self) -> float:
        """Normal quantile beyond which variation is no chance: the worst of all combinations of the terms has to stay below."""
        return float(stats.norm.isf(self.level.alpha / self.level.trials**_COMBINATIONS))

    def _obstacle(self, coefficients: Array, own: Energy, upper: float, failed: int) -> str:
        """Why runs cannot carry a claim however little the function varies along them; empty if they can."""
        moving = [int(np.sum(self._moving & (self.constancy.fold == f))) for f in (0, 1)]
        if min(moving) < _MARGIN:
            return f"{sum(moving)} moving runs are too few: something is constant along any few runs; {2 * _MARGIN} are needed"
        if min(moving) < failed + _MARGIN:
            return (
                f"{failed} other functions were as constant on one half of the runs and not on the other; "
                f"{min(moving)} runs do not rule out chance"
            )
        if own.share(own.noise) > _LOUD:
            return "its noise is larger than its motion"
        if self.constancy.neglected(coefficients) > self.level.delta:
            return "the noise is too large for functions that are no polynomials"
        between, values = self.constancy.contrast(coefficients)
        within = upper**2 * own.size
        if values < _VALUES or within > _CONTRAST * between:
            return (
                "it takes nearly the same values on all runs: a common surface or attractor would do that too"
            )
        return ""

    @property
    def _moving(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.constancy.ensemble.motion.any(axis=1))

    def _held_out(self, coefficients: Array, slow: bool, visible: float) -> tuple[Energy, float, int]:
        """Energy on each half of what the other half finds, the share reproduced, and how many other directions failed."""
        total, share, failed = Energy(0.0, 0.0, 0.0, 0.0, 0.0), 1.0, 0
        for f in (0, 1):
            basis, projector, fails = self._space(coefficients, f, visible)
            found = basis @ (projector @ coefficients)
            size = self.constancy.sizes[f]
            whole = float(coefficients @ size @ coefficients)
            share = min(share, float(np.sqrt(max(found @ size @ found, 0.0) / max(whole, 1e-300))))
            total = total + self.constancy.energy(found, (1 - f,), slow)
            failed = max(failed, fails)
        return total, share, failed

    def _space(self, coefficients: Array, f: int, visible: float) -> tuple[Array, Array, int]:
        """Directions among the terms of a function's grade that are as constant as it is on fold f: basis, projector,
        and how many of them are not so on the other fold."""
        grades = grades_of(self.constancy.unbiased.dictionary)
        grade = int(grades[np.abs(coefficients) > 0].max(initial=0))
        limit = min(max(_ALIKE * visible, _IMMATERIAL), _OPEN * self.level.delta)
        step = int(np.ceil(2 * np.log2(limit)))
        key = (grade, f, step)
        if key not in self._spaces:
            index = np.flatnonzero(self.usable & (grades <= grade))
            self._spaces[key] = self._open_space(index, f, 2.0 ** (step / 2))
        return self._spaces[key]

    def _open_space(self, index: npt.NDArray[np.intp], f: int, limit: float) -> tuple[Array, Array, int]:
        p = self.constancy.unbiased.dictionary.n_terms
        size = self.constancy.sizes[f][np.ix_(index, index)]
        spectrum = relative_spectrum(self._operators[f][:, index], size, "")
        low = spectrum.vectors[:, spectrum.values <= limit]
        basis, projector = np.zeros((p, low.shape[1])), np.zeros((low.shape[1], p))
        basis[index], projector[:, index] = low, low.T @ size
        if not low.shape[1]:
            return basis, projector, 0
        other = basis.T @ self.constancy.sizes[1 - f] @ basis
        tested = relative_spectrum(self._operators[1 - f] @ basis, other, "")
        return basis, projector, int(np.sum(tested.values > 2 * limit))

    @cached_property
    def _operators(self) -> tuple[Array, Array]:
        return self.constancy.operator((0,)), self.constancy.operator((1,))


def states_search(
    constancy: Constancy, region: Region, level: Level, dependent: Dependent = NOTHING
) -> tuple[Search, StatesJudge]:
    """The search for functions that are constant along runs, and the judge of single ones."""
    judge = StatesJudge.of(constancy, level, dependent)
    operator, gram = constancy.operator(), constancy.size_of((0, 1))
    spectrum = relative_spectrum(operator, gram, "drift relative to independent motion")
    reading = ConservationReading(operator, gram, spectrum)
    dictionary = constancy.unbiased.dictionary
    return Search(None, dictionary, reading, region, judge, level, judge.usable), judge
