"""Which of the least broken directions hold together: the largest subspace whose every direction is certified at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..certify import Evidence, Level, SubspaceBound, bound_subspace, least_outside
from ..discover import SymmetryReading
from ..generators import Generators
from ..inner_product import Region
from ..lie_derivative import equivariance_matrix
from ..vector_field import VectorField

# The first direction outside must stand out of its noise (squared) by this factor; else the choice is not first order.
TOGETHER = 0.8  # share of alpha of the tests of whole subspaces; the rest is that of single directions
_APART = 2.0
_CLEAR = 4.0  # times delta: directions that are broken more than this, beyond their noise, end the search
_MOST_NUMBERS = 30_000_000  # largest array of operators that is held at once
_MOST_PRODUCTS = (
    2_000_000_000  # multiplications that the quantile of the noise of all broken directions may cost
)
_ALIKE = (
    0.5  # eigenvalue of the parts' norm, relative to the floored one, down to which the parts' norm is used
)


@dataclass(frozen=True, eq=False)
class Simultaneous:
    """A certified subspace with its bound, or the record that there is none.

    Attributes
    ----------
    span
        (q, d), columns of norm 1 in the denominator of rho; d = 0 if none was certified.
    bound
        The bound of |A v|^2 over unit vectors of the span, or None.
    upper
        Upper bound of rho for all generators of the span at once.
    whitened
        (k,) for the least broken directions: |(A + E) v| over its root mean square under the hypothesis of a symmetry; about 1
        for true ones.
    """

    span: Array
    bound: SubspaceBound | None
    upper: float
    whitened: Array
    slack: float  # largest ratio of the norm that span is orthonormal in to the denominator of rho, squared
    alpha: float  # error level of the bound
    at_most: int  # symmetries at the tolerance: all other directions are refuted at once
    _coordinates: Array  # (d, q): theta -> coordinates in the span
    _leaves: Array  # (k, q): theta -> U^T A theta

    def bound_of(self, weights: Array) -> float:
        """Bound of |A theta|^2 for one direction (q,) at or near the subspace; inf if there is none."""
        if self.bound is None:
            return float(np.inf)
        share = float(np.linalg.norm(self._coordinates @ weights))
        if share == 0:
            return float(np.inf)
        moved = float(np.linalg.norm(self._leaves @ weights)) / share
        return self.bound.upper(self.alpha, moved) * share**2

    def bound_of_all(self, forms: Array) -> float:
        """Bound of rho for all combinations of generators (q, r) near the subspace at once; inf if there is none."""
        if self.bound is None or forms.shape[1] > self.span.shape[1]:
            return float(np.inf)
        inside, leaves = self._coordinates @ forms, self._leaves @ forms
        triangle = np.asarray(np.linalg.qr(inside, mode="r"))
        if np.abs(np.diag(triangle)).min() <= 1e-9 * np.abs(triangle).max():
            return float(np.inf)
        moved = float(np.linalg.norm(np.linalg.solve(triangle.T, leaves.T), 2))
        return float(np.sqrt(self.bound.upper(self.alpha, moved) * self.slack))


@dataclass(frozen=True)
class _Chain:
    """The least broken directions one after another, with the noise in each."""

    candidates: Generators
    field: VectorField
    reading: SymmetryReading
    region: Region
    halves: list[
        tuple[npt.NDArray[np.intp], Array]
    ]  # (indices, square root) of the covariance of the coefficients

    def operator(self, k: int) -> Array:
        """(rows, n p) of the coefficients -> B(xi_k, .) on the region."""
        one = self.candidates.combine(self.reading.spectrum.vectors[:, [k]])
        return equivariance_matrix(one, self.field.dictionary, self.region)

    def noise(self, k: int) -> Array:
        """(rows, s) image of unit errors of the coefficients under B(xi_k, .)."""
        return self.image(self.operator(k))

    def image(self, operator: Array) -> Array:
        """(rows, n p) -> (rows, s), of unit errors of the coefficients."""
        return np.hstack([operator[:, index] @ half for index, half in self.halves])

    def bound(self, noise: list[Array], delta: float) -> tuple[SubspaceBound, Array, float]:
        """The bound for the first d directions, the basis U of the others' range, and the largest D' / D on the span."""
        d = len(noise)
        values = self.reading.matrix.operator @ self.reading.spectrum.vectors
        outside, scale, _ = np.linalg.svd(values[:, d:], full_matrices=False)
        outside = outside[:, scale > 1e-9 * scale.max(initial=0.0)]
        parts = self.reading.matrix.parts @ self.reading.spectrum.vectors[:, :d]
        least = float(np.linalg.eigvalsh(parts.T @ parts)[0])
        # D' = parts + floor is at most twice the larger of the two, which D is.
        slack = 1 / least if least > _ALIKE else 2.0
        found = bound_subspace(values[:, :d], outside, np.stack(noise), delta**2 / slack)
        return found, outside, slack


def hold_together(
    candidates: Generators,
    field: VectorField,
    reading: SymmetryReading,
    region: Region,
    evidence: Evidence,
    level: Level,
) -> Simultaneous:
    """The largest d such that all combinations of the d least broken directions are certified at once.

    The dimensions are tested in order, each at the certifying level, up to the first that fails; the first false claim can
    only be made by one test.
    """
    q = len(candidates)
    if not evidence.covariance or candidates.ramps() is not None:
        known = not (evidence.covariance or evidence.openings.estimates.size) and candidates.ramps() is None
        return none_together(q, np.zeros(0), reading.spectrum.dimension(level.delta) if known else q)
    chain = _Chain(candidates, field, reading, region, _halves(evidence))
    values2 = reading.spectrum.values**2
    best: tuple[int, SubspaceBound, Array, float, float] | None = None
    noise: list[Array] = []
    whitened: list[float] = []
    failed = False
    for k in range(len(values2)):
        fresh = chain.noise(k)
        size2 = float(np.sum(fresh**2))
        whitened.append(float(np.sqrt(values2[k] / max(size2, 1e-300))))
        if k and not failed and values2[k] >= _APART * size2:
            bound, outside, slack = chain.bound(noise, level.delta)
            upper2 = bound.upper(level.certifying) * slack
            failed = upper2 > level.delta**2
            best = best if failed else (k, bound, outside, upper2, slack)
        clear = values2[k] - size2 > (_CLEAR * level.delta) ** 2
        if failed or clear or fresh.size * (k + 2) > _MOST_NUMBERS:
            break
        noise.append(fresh)
    return _record(best, chain, np.array(whitened), level.certifying, _at_most(chain, evidence, level))


@dataclass(eq=False)
class _Broken:
    """The directions that are refuted together so far: noise and openings, each relative to the defects."""

    chain: _Chain
    evidence: Evidence
    trace: float
    relative: Array | None  # None where it would cost too much: the trace alone then bounds the quantile
    reached: Array

    @classmethod
    def of(cls, chain: _Chain, evidence: Evidence) -> _Broken:
        size = sum(half.shape[1] for _, half in chain.halves)
        dear = chain.reading.matrix.operator.size * size**2 > _MOST_PRODUCTS
        gram = None if dear else np.zeros((size, size))
        return cls(chain, evidence, 0.0, gram, np.zeros(evidence.openings.estimates.size))

    def add(self, k: int, level: Level) -> float:
        """Lower bound of the defect of all directions, with the k-th."""
        value = float(self.chain.reading.spectrum.values[k])
        operator = self.chain.operator(k) / value
        noise = self.chain.image(operator)
        self.trace += float(np.sum(noise**2))
        if self.relative is not None:
            self.relative += noise.T @ noise
        if self.reached.size:
            self.reached += self.evidence.openings.reach(operator, level.z) ** 2
        hidden = float(np.sqrt(self.reached.max(initial=0.0)))
        # No quadratic form of this trace has a larger quantile than a single square (Szekely, Bakirov 2003).
        rough = least_outside(value, np.array([[self.trace]]), hidden, level.alpha)
        if self.relative is None or rough > level.delta:
            return rough
        return least_outside(value, self.relative, hidden, level.alpha)


def _at_most(chain: _Chain, evidence: Evidence, level: Level) -> int:
    """How many directions can have a defect of delta or less, at level alpha; all where nothing can be said.

    The directions are added from the most broken on, to those that are refuted together, as long as these stay refuted.
    """
    values = chain.reading.spectrum.values
    if evidence.uncovered or evidence.free is not None or evidence.lacks_fit(level):
        return len(values)
    broken = _Broken.of(chain, evidence)
    for k in range(len(values) - 1, -1, -1):
        if values[k] <= level.delta or broken.add(k, level) <= level.delta:
            return k + 1
    return 0


def none_together(q: int, whitened: Array, at_most: int | None = None) -> Simultaneous:
    """The record that nothing among q candidates is certified at once."""
    most = q if at_most is None else at_most
    return Simultaneous(
        np.zeros((q, 0)), None, np.inf, whitened, 1.0, 0.5, most, np.zeros((0, q)), np.zeros((0, q))
    )


def _halves(evidence: Evidence) -> list[tuple[npt.NDArray[np.intp], Array]]:
    out: list[tuple[npt.NDArray[np.intp], Array]] = []
    for index, block in evidence.covariance:
        values, vectors = np.linalg.eigh(block)
        out.append((index, vectors * np.sqrt(np.maximum(values, 0.0))))
    return out


def _record(
    best: tuple[int, SubspaceBound, Array, float, float] | None,
    chain: _Chain,
    whitened: Array,
    alpha: float,
    most: int,
) -> Simultaneous:
    if best is None:
        return none_together(len(chain.candidates), whitened, most)
    d, bound, outside, upper2, slack = best
    span = chain.reading.spectrum.vectors[:, :d]
    matrix = chain.reading.matrix
    inverse: Array = np.asarray(np.linalg.pinv(chain.reading.spectrum.vectors), dtype=np.float64)
    return Simultaneous(
        span,
        bound,
        float(np.sqrt(upper2)),
        whitened,
        slack,
        alpha,
        most,
        inverse[:d],
        outside.T @ matrix.operator,
    )
