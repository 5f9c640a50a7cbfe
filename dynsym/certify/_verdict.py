"""Verdicts: what the data allow to be said about a defect.

The fitted coefficients are c ~ N(b, S). A finding (a generator, a function) makes L_xi f linear in them: L = K c on the
region. With G = K S K^T,

    est = |K c|^2 - tr G                     is unbiased for |K b|^2,
    u   = est + 2 z^2 l + sqrt(...)          solves u = est + z sqrt(2 tr G^2 + 4 u l), l = lambda_max(G),

so that |K b|^2 <= u at the level of z; rho <= sqrt(u / D) with D the denominator of rho. On top comes what the chosen terms
leave out: for every function that the data do not rule out of the model (an opening), the largest effect of its largest
admissible coefficient. A finding is

    certified   if the upper bound is at most delta and an exact symmetry (K b = 0) is not contradicted,
    refuted     if K b = 0 is contradicted at level alpha, or the lower bound exceeds delta,
    undecided   otherwise.

References
----------
Kendiukhov (2026), SymCert, for the scale-free defect, the coverage factor and the protocol; the test at the boundary of the
claim, instead of a confidence ball around c, is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from .._checks import Array, require

CERTIFIED, REFUTED, UNDECIDED = "certified", "refuted", "undecided"
_MATERIAL = 0.5  # share of delta from which on structure in the residuals forbids any verdict
_ROUNDING = 1e-8  # defects below this are rounding, whatever the statistics say


@dataclass(frozen=True)
class Level:
    """The tolerance and the error level of a claim, over `trials` candidates at once.

    alpha bounds the probability that a verb certifies anything that is false, and for itself the one that it refutes anything
    that is true. Where several ways lead to a certificate each has its `share` of alpha; within a way, each candidate that is
    tested alone has an equal part of that.

    Examples
    --------
    >>> from dynsym.certify import Level
    >>> round(Level(delta=0.05, alpha=0.05, trials=12).z, 2)
    2.64
    """

    delta: float = 0.05
    alpha: float = 0.05
    trials: int = 1
    share: float = 1.0

    def __post_init__(self) -> None:
        require(
            0 < self.delta < 1, f"delta must lie between 0 and 1, got {self.delta}; it is a relative defect"
        )
        require(0 < self.alpha < 0.5, f"alpha must lie between 0 and 0.5, got {self.alpha}")
        require(self.trials >= 1, f"trials must be at least 1, got {self.trials}")
        require(0 < self.share <= 1, f"share is a part of alpha above 0 and at most 1, got {self.share}")

    @property
    def z(self) -> float:
        """Normal quantile of the certifying level, shared among the trials."""
        return float(stats.norm.isf(self.certifying / self.trials))

    def way(self, share: float) -> Level:
        """The level of one of several ways to a certificate: its share of this one."""
        return replace(self, share=self.share * share)

    @property
    def certifying(self) -> float:
        """The error level of one way to a certificate."""
        return self.alpha * self.share


@dataclass(frozen=True)
class Openings:
    """Many openings side by side: directions (n p, k), estimates (k,), standard errors (k,; inf if invisible)."""

    directions: Array
    estimates: Array
    standard_errors: Array

    def reach(self, operator: Array, z: float) -> Array:
        """Largest |K d| (|estimate| + z se) each opening can contribute, (k,)."""
        effect = np.linalg.norm(operator @ self.directions, axis=0)
        scale = np.linalg.norm(operator) * np.linalg.norm(self.directions, axis=0)
        effect = np.where(effect <= 1e-10 * scale, 0.0, effect)
        with np.errstate(invalid="ignore"):
            size = np.abs(self.estimates) + z * self.standard_errors
            return np.where(effect > 0, effect * size, 0.0)


@dataclass(frozen=True)
class Verdict:
    """A finding's status with its bounds.

    Attributes
    ----------
    status
        certified, refuted or undecided.
    defect
        Point estimate of rho.
    lower, upper
        Bounds of rho at the stated level.
    reason
        Why, in words.
    """

    status: str
    defect: float
    lower: float
    upper: float
    reason: str

    def __str__(self) -> str:
        return f"{self.status} (defect {self.defect:.1e}, at most {self.upper:.1e})"


@dataclass(frozen=True)
class Evidence:
    """What a verdict needs to know of a fit, as plain arrays.

    Attributes
    ----------
    coefficients
        (n p,) flattened.
    covariance
        Independent blocks (indices, covariance).
    openings
        What the data leave open beside the fitted terms.
    misfit
        Relative size of the structured part of the residual: what the model class cannot express.
    uncovered
        Why the data cannot carry a claim about the region at all, in words; empty if they can.
    free
        (n p, k) changes of the coefficients that the constraints of the fit allowed, or None without constraints.
    chance
        Probability that residuals of a right model look as systematic as these: the p-value of the misfit.
    """

    coefficients: Array
    covariance: list[tuple[npt.NDArray[np.intp], Array]]
    openings: Openings
    misfit: float
    uncovered: str = ""
    free: Array | None = None
    chance: float = 0.0

    def lacks_fit(self, level: Level) -> bool:
        """Whether the model class is too small: structure in the residuals that is neither chance nor immaterial."""
        return self.misfit > level.delta * _MATERIAL and self.chance < level.alpha


def judge(
    operator: Array,
    size: float,
    evidence: Evidence,
    level: Level,
    offset: Array | None = None,
    simultaneous: float = np.inf,
) -> Verdict:
    """The verdict on one finding.

    Parameters
    ----------
    operator
        K, (rows, n p): coefficients of f -> L_xi f on the region.
    size
        D, the squared denominator of rho.
    evidence, level
        The fit's evidence; tolerance and error level.
    offset
        (rows,) what K c should equal instead of 0 (the ramp of a boost).
    simultaneous
        A bound of |K b|^2 that holds for a whole subspace this finding belongs to; the smaller bound counts.
    """
    target = np.zeros(len(operator)) if offset is None else offset
    plain = float(np.sum((operator @ evidence.coefficients - target) ** 2))
    imposed = _imposed(operator, evidence.free)
    if len(operator) > operator.shape[1]:
        operator = np.asarray(np.linalg.qr(operator, mode="r"))
    moments = _noise_moments(operator, evidence)
    size = max(size, 1e-300)
    z = level.z
    upper2, lower2 = _bounds(plain - moments.trace, moments, z)
    upper2 = max(min(upper2, simultaneous), lower2)
    reach = evidence.openings.reach(operator, z) if evidence.openings.estimates.size else np.zeros(1)
    open_part = float(np.max(reach)) / np.sqrt(size)
    defect = float(np.sqrt(plain / size))
    upper = float(np.sqrt(upper2 / size)) + open_part
    lower = float(np.sqrt(lower2 / size))
    broken = _contradicts_zero(plain, moments, level) and defect > _ROUNDING
    status, reason = _status(level, upper, lower, broken, open_part, evidence)
    if status == CERTIFIED and imposed:
        status, reason = UNDECIDED, "the constraints of the fit impose it: the data were not asked"
    elif status == CERTIFIED and evidence.uncovered:
        status, reason = UNDECIDED, evidence.uncovered
    return Verdict(status, defect, lower, min(upper, float(np.sqrt(2))), reason)


def _imposed(operator: Array, free: Array | None) -> bool:
    """Whether every field that the constraints allow has K c = 0."""
    if free is None:
        return False
    return bool(np.linalg.norm(operator @ free) <= 1e-7 * np.linalg.norm(operator))


@dataclass(frozen=True)
class _Moments:
    trace: float
    square: float
    largest: float


def _noise_moments(operator: Array, evidence: Evidence) -> _Moments:
    """tr G, tr G^2 and the largest eigenvalue of G = K S K^T, from the Gram matrix of K S^(1/2)."""
    halves = []
    for index, block in evidence.covariance:
        values, vectors = np.linalg.eigh(block)
        halves.append(operator[:, index] @ (vectors * np.sqrt(np.maximum(values, 0.0))))
    if not halves:
        return _Moments(0.0, 0.0, 0.0)
    half = np.hstack(halves)
    gram = half.T @ half if half.shape[1] <= half.shape[0] else half @ half.T
    return _Moments(float(np.trace(gram)), float(np.sum(gram**2)), float(np.linalg.eigvalsh(gram)[-1]))


def _bounds(estimate: float, moments: _Moments, z: float) -> tuple[float, float]:
    """Solutions of u = est + z sqrt(2 tr G^2 + 4 u l) and l = est - z sqrt(2 tr G^2 + 4 l l_max), not below 0."""
    shift = estimate + 2 * z**2 * moments.largest
    inner = shift**2 - estimate**2 + 2 * z**2 * moments.square
    root = float(np.sqrt(max(inner, 0.0)))
    return max(shift + root, 0.0), max(shift - root, 0.0)


def _contradicts_zero(plain: float, moments: _Moments, level: Level) -> bool:
    """Whether |K c|^2 is too large for K b = 0: Satterthwaite's scaled chi-square, at alpha over the trials."""
    if moments.trace <= 0:
        return plain > 0
    freedom = moments.trace**2 / moments.square
    threshold = stats.chi2.isf(level.alpha / level.trials, freedom) * moments.trace / freedom
    return plain > threshold


def _status(
    level: Level, upper: float, lower: float, broken: bool, open_part: float, evidence: Evidence
) -> tuple[str, str]:
    if evidence.lacks_fit(level):
        left = f"the model class leaves {evidence.misfit:.0%} of the dynamics unexplained in a systematic way"
        return UNDECIDED, f"lack of fit, p = {evidence.chance:.1g}: {left}"
    if lower > level.delta:
        return REFUTED, f"the defect is at least {lower:.2g}"
    if broken:
        return REFUTED, f"broken slightly: the defect is at least {lower:.1g}, and zero is ruled out"
    if upper <= level.delta:
        return CERTIFIED, f"the data rule out a defect above {upper:.1g}"
    if open_part > level.delta:
        return UNDECIDED, "the data do not cover the region: terms they cannot rule out would break it"
    return UNDECIDED, f"the defect may be as large as {upper:.2g}"
