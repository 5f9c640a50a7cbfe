"""Candidate Poisson brackets of a flow: invariant bivectors in families from simple to rich, in simple forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from .._checks import Array, DataError
from ..algebra import LieAlgebra, identify
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Evidence, Level, Verdict
from ..dictionary import Monomials
from ..discover import sparse_vectors
from ..inner_product import Region
from ..sections import Bivector
from ..tensor_derivative import generic_tensor_rank, jacobi_defect
from ..vector_field import VectorField
from ._tensor_search import Index, TensorSearch

_FULL_QUADRATIC_UP_TO = (
    60  # unknowns; beyond, quadratic brackets are looked for among the log-canonical ones only
)
_MOST_BASE = 8  # sparse vectors that sums are made of
_MOST_SUMMANDS = 3
_MOST_TRIED = 400
_SAME_SIZE = 1e-6
_JACOBI = 1e-8  # [J, J] of a bracket in exact numbers; one with fitted numbers may miss it by twice its error


@dataclass(frozen=True)
class Family:
    """A space of bivectors that brackets are looked for in: a word, its search, and which unknowns belong to it."""

    name: str
    search: TensorSearch
    index: Index


@dataclass(frozen=True)
class Bracket:
    """A Poisson bracket that the flow keeps.

    Attributes
    ----------
    section, vector
        J, and its coefficients in the family's search (c p,).
    family
        constant, linear (Lie-Poisson), log-canonical or quadratic.
    verdict
        On L_f J = 0.
    rank, jacobi
        Rank of J(x) at most points, and the relative defect of [J, J] = 0.
    algebra
        The Lie algebra of a linear bracket.
    """

    section: Bivector
    vector: Array
    family: str
    verdict: Verdict
    rank: int
    jacobi: float
    algebra: LieAlgebra | None

    @property
    def complexity(self) -> tuple[int, int, int]:
        """What the simplest bracket has least of: lost rank, distance from a compact semisimple algebra, numbers."""
        sizes = np.abs(self.vector[self.vector != 0])
        distinct = 1 + int(np.sum(np.diff(np.sort(sizes)) > _SAME_SIZE * sizes.max()))
        kind = 0
        if self.algebra is not None:
            compact = self.algebra.is_semisimple and self.algebra.signature[0] == 0
            kind = 0 if compact else (1 if self.algebra.is_semisimple else 2)
        return -self.rank, kind, len(sizes) + distinct


def families(field: VectorField, region: Region, evidence: Evidence, level: Level) -> Iterator[Family]:
    """Constant brackets, then linear ones, then log-canonical ones {x_i, x_j} = c_ij x_i x_j, then all quadratic ones."""
    n, names = field.n_states, field.names

    def searched(dictionary: Monomials) -> TensorSearch:
        return TensorSearch.of(Bivector, dictionary, field, region, evidence, level)

    constant = searched(Monomials(n, 0, names))
    yield Family("constant", constant, np.arange(len(constant.gram)))
    try:
        linear = searched(Monomials(n, 1, names, constant=False))
        yield Family("linear", linear, np.arange(len(linear.gram)))
        quadratic = searched(Monomials(n, 2, names))
    except (
        DataError
    ):  # more unknowns than the search takes: larger families are left out, and the result says which were
        return
    exponents = quadratic.dictionary.exponents  # type: ignore[attr-defined]
    log = []
    for a, (i, j) in enumerate(Bivector.components(n)):
        place = np.flatnonzero((exponents.sum(axis=1) == 2) & (exponents[:, i] == 1) & (exponents[:, j] == 1))
        log.append(a * len(exponents) + int(place[0]))
    yield Family("log-canonical", quadratic, np.array(log))
    if len(quadratic.gram) <= _FULL_QUADRATIC_UP_TO:
        yield Family("quadratic", quadratic, np.arange(len(quadratic.gram)))


def invariant_space(family: Family) -> tuple[Array, str, float]:
    """Coefficients (c p, r) of the certified invariant bivectors, the status of the least broken one, and its defect."""
    certified, undecided = family.search.directions(family.index)
    least = float(np.min(family.search.spectrum(family.index).values, initial=np.inf))
    if certified:
        return np.stack([v for v, _ in certified], axis=1), CERTIFIED, least
    return np.zeros((len(family.search.gram), 0)), _status(undecided, least), least


def _status(undecided: list[tuple[Array, Verdict]], least: float) -> str:
    """Undecided where a bracket is, or where the flow stands still and every bracket is kept."""
    return UNDECIDED if undecided or not np.isfinite(least) else REFUTED


def brackets_in(family: Family, span: Array) -> list[Bracket]:
    """Certified Poisson brackets of a space of invariant bivectors, simplest first."""
    out: list[Bracket] = []
    for vector in _candidates(family, span):
        found = _bracket(family, vector)
        if found is not None:
            out.append(found)
    out.sort(key=lambda b: b.complexity)
    return out


def _bracket(family: Family, vector: Array) -> Bracket | None:
    verdict = family.search.judged(vector)
    if verdict.status != CERTIFIED:
        return None
    section = Bivector(family.search.dictionary, vector)
    defect = jacobi_defect(section, family.search.region)
    if defect > max(_JACOBI, 2 * verdict.upper):
        return None
    rank = generic_tensor_rank(section, family.search.region)
    return Bracket(section, vector, family.name, verdict, rank, defect, _algebra(family, section))


def _algebra(family: Family, section: Bivector) -> LieAlgebra | None:
    """The Lie algebra {x_i, x_j} = sum_k c_ijk x_k of a linear bracket."""
    if family.name != "linear":
        return None
    c = np.einsum("ak,aij->ijk", section.coefficients, Bivector.basis(len(section.names)))
    try:
        return identify(c, tol=1e-4)
    except DataError:
        return None


def _candidates(family: Family, span: Array) -> list[Array]:
    """Simple vectors of a space: sparse ones, ones with entries of equal size, and sums of few sparse ones."""
    weights = family.search.weights
    base: list[Array] = []
    for vector in sparse_vectors(span, weights):
        if len(base) < _MOST_BASE:
            form, verdict = family.search.simple(vector, family.index)
            _add(_leading_one(form), base, verdict.status == CERTIFIED)
    out = list(base)
    for vector in _balanced(span, weights) if span.shape[1] == 2 else ():
        _add(_leading_one(family.search.simple(vector, family.index)[0]), out)
    for total in _sums(base):
        if len(out) < _MOST_TRIED:
            _add(total, out)
    return out


def _add(vector: Array, listed: list[Array], wanted: bool = True) -> None:
    """Append the vector unless a multiple of it is listed."""
    if wanted and not _among(vector, listed):
        listed.append(vector)


def _sums(base: list[Array]) -> Iterator[Array]:
    """Sums of two and three of the vectors with either sign."""
    for count in range(2, min(_MOST_SUMMANDS, len(base)) + 1):
        for pick in combinations(base, count):
            for signs in product((1.0, -1.0), repeat=count - 1):
                yield pick[0] + sum(s * v for s, v in zip(signs, pick[1:]))


def _balanced(span: Array, weights: Array) -> list[Array]:
    """Vectors of a plane in which two of the coordinates that it reaches have the same size."""
    reach = np.linalg.norm(span * weights[:, None], axis=1)
    places = np.flatnonzero(reach > 1e-6 * reach.max())[:12]
    out = []
    for i, j in combinations(places, 2):
        for sign in (1.0, -1.0):
            row = span[i] - sign * span[j]
            if np.linalg.norm(row) > 1e-9 * np.linalg.norm(span[[i, j]]):
                vector = span @ np.array([row[1], -row[0]])
                clean = np.abs(vector) * weights
                out.append(np.where(clean > 1e-6 * clean.max(), vector, 0.0))
    return out


def _leading_one(vector: Array) -> Array:
    pivot = vector[np.flatnonzero(vector)[0]]
    sizes = np.abs(vector[vector != 0])
    return vector / (np.sign(pivot) * sizes.min())


def _among(vector: Array, others: list[Array]) -> bool:
    """Whether a multiple of the vector is listed."""
    unit = vector / max(float(np.linalg.norm(vector)), 1e-300)
    return not vector.any() or any(abs(unit @ v) >= (1 - 1e-9) * np.linalg.norm(v) for v in others)
