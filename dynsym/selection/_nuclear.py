"""The path of a nuclear norm over its weight: broken symmetries, or rates of candidate invariants."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..certify import Evidence, Level, Verdict
from ..compress import Factor
from ..regression import Model
from ..vector_field import VectorField
from ._nuclear_part import How, Part
from ._over import Steps, Walk, log_grid

_COUNT, _SPAN = 20, 1e-4
_GIST = 0.03


class Candidates(ABC):
    """What a path counts as kept or broken: generators, or functions."""

    labels: tuple[str, ...]  # (k,)
    noun: str  # of one kept direction
    sizes: Array  # (k,) size of each candidate, by which the entries of a combination are compared

    @abstractmethod
    def defects(self, field: VectorField, vectors: Array) -> Array:
        """(r,) scale-free defects rho of combinations (k, r) on a field."""

    @abstractmethod
    def simple(self, span: Array) -> Array:
        """A basis of combinations (k, r) with few entries."""

    @abstractmethod
    def text(self, vector: Array) -> str:
        """A combination (k,) in words."""

    def gist(self, vector: Array) -> str:
        """The same with entries that hardly count left out, for a picture."""
        size = np.abs(vector) * self.sizes
        large = np.where(size > _GIST * size.max(initial=0.0), vector, 0.0)
        lead = large[np.argmax(np.abs(large))] if large.any() else 1.0
        return ("" if np.array_equal(large, vector) else "\N{ALMOST EQUAL TO} ") + self.text(
            np.round(large / lead, 2)
        )

    @abstractmethod
    def judge(self, model: Model, vector: Array, evidence: Evidence, level: Level) -> Verdict:
        """What a model without penalty says about a combination (k,)."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Units in which a path is solved: C_ij = equation_i / term_j times the unknown; all ones for the units of the data."""

    equation: Array  # (n,)
    term: Array  # (p,)

    @property
    def whole(self) -> Array:
        """(n p,) what the flattened unknowns are multiplied with."""
        return np.outer(self.equation, 1.0 / self.term).ravel()

    def down(self, factor: Factor) -> tuple[Array, Array]:
        """The rows in these units."""
        return factor.theta / self.term, factor.target / self.equation

    def up(self, unknown: Array) -> Array:
        """Coefficients from the unknown (..., n, p)."""
        return unknown * self.whole.reshape(len(self.equation), len(self.term))


def units_of(total: Factor, equilibrated: bool) -> Scaling:
    """The root mean square of every target and term where units are not to matter, else ones."""
    if not equilibrated:
        return Scaling(np.ones(total.target.shape[1]), np.ones(total.n_terms))
    size = [np.sqrt(np.mean(part**2, axis=0)) for part in (total.target, total.theta)]
    root = np.sqrt(len(total.theta) / max(total.n_rows, 1))
    equation, term = (np.where(s > 0, s * root, 1.0) for s in size)
    return Scaling(equation, term)


@dataclass(frozen=True, eq=False)
class Within:
    """The terms that one point of another path selects, anew on every part of the data."""

    walk: Walk
    value: float

    def support(self, factor: Factor) -> npt.NDArray[np.bool_]:
        """(n, p), True for the terms selected on a factor."""
        return np.asarray(self.walk.solve(factor, np.array([self.value])).coefficients[0] != 0)


@dataclass(frozen=True, eq=False)
class NuclearWalk(Walk):
    """Promotion on the factors of one model; the operator is built once.

    `operator` (a q, n p) acts on C in the units of the data; column j of the image is unit candidate j, `mix` (k, q) says which
    combination of the k candidates that is.
    """

    total: Factor
    operator: Array
    shape: tuple[int, int]
    mix: Array
    candidates: Candidates
    units: Scaling
    how: How
    label: str
    within: Within | None = None
    solver: str = "ADMM"
    counted: str = "free"

    def part(self, factor: Factor) -> Part:
        """The problem on the rows of a factor."""
        theta, target = self.units.down(factor)
        share = factor.n_rows / self.total.n_rows
        terms = np.ones((target.shape[1], theta.shape[1]), dtype=bool)
        if self.within is not None:
            terms = self.within.support(factor)
        return Part(theta, target, self._scaled, self.shape, self.how, share, terms)

    @cached_property
    def whole(self) -> Part:
        """The problem on all rows."""
        return self.part(self.total)

    @cached_property
    def _scaled(self) -> Array:
        return np.asarray(self.operator * self.units.whole)

    def grid(self) -> Array:
        """Up to the weight that the multiplier of the fit that breaks nothing certifies to be enough."""
        return log_grid(self.whole.enough(), _SPAN, _COUNT)

    def solve(self, factor: Factor, values: Array) -> Steps:
        part = self.part(factor)
        done = [part.solved(float(value)) for value in values]
        unknown = np.stack([s.coefficients for s in done])
        return Steps(
            self.units.up(part.refitted(unknown) if self.how.relaxed else unknown),
            np.array([np.nan if s.duality_gap is None else s.duality_gap for s in done]),
            np.array([s.converged for s in done]),
        )

    def broken(self, coefficients: Array) -> Array:
        """(k,) number of independent broken directions among the candidates for solutions (k, n, p)."""
        return np.array([self.whole.spectrum(self._down(c))[0] for c in coefficients], dtype=float)

    def spared(self, coefficients: Array) -> Array:
        """(k, r) combinations of the candidates that C (n, p) keeps."""
        return np.asarray(self.mix @ self.whole.spared(self._down(coefficients)))

    def freedom(self, coefficients: Array) -> Array:
        """Dimension of the fields that break no more than the solution does, spread over the equations.

        With L = [L_xi1 f ... L_xiq f] of rank r these are, to first order, the coefficients with U2^T (K dC) V2 = 0, U2 and V2
        the complements of the singular vectors of L; coefficients that are zero stay zero.

        References
        ----------
        Vaiter, Deledalle, Fadili, Peyre, Dossal (2017), The degrees of freedom of partly smooth regularizers, Annals of the
        Institute of Statistical Mathematics 69.
        """
        n = coefficients.shape[1]
        return np.repeat([[self.whole.dimension(self._down(c)) / n] for c in coefficients], n, axis=1)

    def _down(self, coefficients: Array) -> Array:
        return np.asarray(coefficients / self.units.whole.reshape(coefficients.shape))
