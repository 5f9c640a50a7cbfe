"""Which functions of a grade are conserved together: the largest space whose every function is certified at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..certify import Evidence, Level, SubspaceBound, bound_subspace
from ..dictionary import Dictionary
from ..discover import ConservationReading
from ..inner_product import Region
from ..lie_derivative import law_matrix
from ..spectral import Spectrum, relative_spectrum
from ._simultaneous import Simultaneous, none_together

Indices = npt.NDArray[np.intp]

# The first function outside must stand out of its noise (squared) by this factor; else the choice is not first order.
_APART = 2.0
# A function whose rate (squared) stands out of its noise by this factor is refuted as a law: those beyond it are too.
_REFUTED = 100.0
_CLEAR = 4.0  # times delta: functions that vary more than this, beyond their noise, end the search
_MOST_NUMBERS = 30_000_000  # largest array of operators that is held at once


@dataclass(frozen=True, eq=False)
class Grade:
    """The functions of some terms, and which of them are conserved together.

    Attributes
    ----------
    index
        (k,) the terms.
    together
        The certified space with its bound, over all p terms.
    """

    index: Indices
    together: Simultaneous

    def holds(self, coefficients: Array) -> bool:
        """Whether there is a bound that speaks of this function."""
        if self.together.bound is None:
            return False
        outside = np.ones(len(coefficients), dtype=bool)
        outside[self.index] = False
        return not coefficients[outside].any()


@dataclass(frozen=True, eq=False)
class LawsTogether:
    """The grades of a dictionary, from the simplest terms to all of them; their chains of tests share the error level."""

    grades: tuple[Grade, ...] = ()

    def bound_of(self, coefficients: Array) -> float:
        """Bound of |L_f h|^2 for one function (p,); inf if there is none."""
        for grade in self.grades:
            if grade.holds(coefficients):
                return grade.together.bound_of(coefficients)
        return float(np.inf)

    def bound_of_all(self, functions: Sequence[Array]) -> float:
        """Bound of the defect of all combinations of functions (p,) at once; inf if there is none."""
        if not functions:
            return float(np.inf)
        forms = np.stack(list(functions), axis=1)
        able = [g for g in self.grades if all(g.holds(c) for c in functions)]
        return min((g.together.bound_of_all(forms) for g in able), default=float(np.inf))

    @property
    def whitened(self) -> Array:
        """The least broken functions of all terms, in units of their own noise."""
        return self.grades[-1].together.whitened if self.grades else np.zeros(0)


def conserved_together(
    fields: Dictionary,
    dictionary: Dictionary,
    reading: ConservationReading,
    region: Region,
    evidence: Evidence,
    level: Level,
    grades: Sequence[Indices],
) -> LawsTogether:
    """In each grade the largest d such that all combinations of the d least broken functions are certified at once.

    Within a grade the dimensions are tested in order, each at level alpha over the number of grades, up to the first that
    fails; so a false claim is made at most once with probability alpha. See `dynsym.certify.bound_subspace`.

    Parameters
    ----------
    fields
        Dictionary of the dynamics, over whose coefficients the covariance of the evidence is.
    dictionary, reading
        Of the functions h, and h -> L_f h on the region.
    region, evidence, level
        Where, how well the coefficients are known, and at which tolerance and error level.
    grades
        Terms (k,) of each grade, the simplest first.
    """
    if not evidence.covariance:
        return LawsTogether()
    alpha = level.certifying / len(grades)
    roots = [(index, _root(block)) for index, block in evidence.covariance]
    chain = _Chain(fields, dictionary, reading, region, roots)
    return LawsTogether(tuple(Grade(index, chain.longest(index, level.delta, alpha)) for index in grades))


def _root(block: Array) -> Array:
    values, vectors = np.linalg.eigh(block)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


@dataclass(frozen=True, eq=False)
class _Chain:
    """The least broken functions one after another, with the noise in each."""

    fields: Dictionary
    dictionary: Dictionary
    reading: ConservationReading
    region: Region
    roots: list[tuple[Indices, Array]]

    def noise(self, coefficients: Array) -> Array:
        """(m, s) image of unit errors of the coefficients of f under f -> L_f h."""
        operator = law_matrix(self.dictionary, coefficients, self.fields, self.region)
        return np.hstack([operator[:, index] @ root for index, root in self.roots])

    def longest(self, index: Indices, delta: float, alpha: float) -> Simultaneous:
        """The certified space of one grade."""
        spectrum = self._spectrum(index)
        values = self.reading.operator @ spectrum.vectors
        values2 = spectrum.values**2
        best: tuple[int, SubspaceBound, Array] | None = None
        noise: list[Array] = []
        whitened: list[float] = []
        failed = False
        for k in range(len(values2)):
            fresh = self.noise(spectrum.vectors[:, k])
            size2 = float(np.sum(fresh**2))
            whitened.append(float(np.sqrt(values2[k] / max(size2, 1e-300))))
            if k and not failed and values2[k] >= _APART * size2:
                outside = _range(values[:, k:])
                bound = bound_subspace(values[:, :k], outside, np.stack(noise), delta**2)
                failed = bound.upper(alpha) > delta**2
                best = best if failed else (k, bound, outside)
            clear = values2[k] - size2 > (_CLEAR * delta) ** 2
            if failed or clear or values2[k] > _REFUTED * size2 or fresh.size * (k + 2) > _MOST_NUMBERS:
                break
            noise.append(fresh)
        return self._record(best, spectrum, values, alpha, np.array(whitened))

    def _spectrum(self, index: Indices) -> Spectrum:
        gram = self.reading.gram[np.ix_(index, index)]
        short = relative_spectrum(self.reading.operator[:, index], gram, "")
        vectors = np.zeros((self.dictionary.n_terms, len(short.values)))
        vectors[index] = short.vectors
        return Spectrum(short.values, vectors, short.metric)

    def _record(
        self,
        best: tuple[int, SubspaceBound, Array] | None,
        spectrum: Spectrum,
        values: Array,
        alpha: float,
        whitened: Array,
    ) -> Simultaneous:
        p = len(spectrum.vectors)
        if best is None:
            return none_together(p, whitened)
        d, bound, outside = best
        span = spectrum.vectors[:, :d]
        # The vectors are orthonormal in the norm of the defect, so that its Gram matrix leads to their coordinates.
        coordinates = span.T @ self.reading.gram
        upper = float(np.sqrt(bound.upper(alpha)))
        leaves = outside.T @ self.reading.operator
        return Simultaneous(span, bound, upper, whitened, 1.0, alpha, p, coordinates, leaves)


def _range(columns: Array) -> Array:
    left, scale, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, scale > 1e-9 * scale.max(initial=0.0)])
