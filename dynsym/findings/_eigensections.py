"""Sections that a flow multiplies: L_f T = lambda T with a number lambda, real or one of a complex pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..certify import CERTIFIED, REFUTED, Evidence, Verdict, judge
from ..discover import sparse_vectors
from ..spectral import relative_spectrum
from ..tensor_derivative import field_matrix, tensor_gram, tensor_matrix, value_matrix
from ..vector_field import VectorField
from ._canonical import Judge, as_undecided, simplify
from ._tensor_search import BELOW_CHANCE, CHANCE_DRAWS, ROUNDING, Index, TensorSearch

_SAME = 1e-3  # relative distance below which eigenvalues count as one
_MOST_FACTORS = 4
_MOST_UNDECIDED = 3


@dataclass(frozen=True)
class Eigensection:
    """Coefficients (c p,) of T, those of its partner in a complex pair or None, lambda and the verdict.

    In a pair u + i v has the eigenvalue a + i w: L_f u = a u - w v, L_f v = a v + w u.
    """

    vector: Array
    partner: Array | None
    eigenvalue: complex
    verdict: Verdict

    def values(self, theta: Array) -> npt.NDArray[np.complex128]:
        """The complex function at samples, for scalars."""
        other = np.zeros(len(theta)) if self.partner is None else theta @ self.partner
        return np.asarray(theta @ self.vector + 1j * other)


@dataclass(frozen=True)
class EigenSearch:
    """L_f T = lambda T over the unknowns of a search."""

    search: TensorSearch
    evidence: Evidence
    chances: dict[int, float] = field(
        default_factory=dict
    )  # least defect of random flows, by number of unknowns

    def run(self) -> list[Eigensection]:
        """Certified eigensections in their lowest grade, products of listed functions left out, then a few undecided ones.

        lambda = 0 is left out: such sections are invariant.
        """
        grades = self.search.grades()
        values = value_matrix(self.search.kind, self.search.dictionary, self.search.region)
        usable = np.linalg.norm(values, axis=0) > 0
        found: list[Eigensection] = []
        open_ones: list[Eigensection] = []
        for grade in sorted(set(grades[usable].tolist())):
            index = np.flatnonzero(usable & (grades <= grade))
            for value, multiplicity in self._eigenvalues(values, index):
                for section in self._at(value, multiplicity, values, index, found + open_ones):
                    (found if section.verdict.status == CERTIFIED else open_ones).append(section)
            if found and self.search.kind.kind != "function":
                break
        return found + [s for s in open_ones if self._new(s, found)][:_MOST_UNDECIDED]

    def _eigenvalues(self, values: Array, index: Index) -> list[tuple[complex, int]]:
        """Eigenvalues of T -> L_f T projected on the dictionary, each once, one of each pair, with multiplicity."""
        size = np.linalg.norm(values[:, index], axis=0)
        rates = self.search.operator[:, index] / size
        projected = np.linalg.lstsq(values[:, index] / size, rates, rcond=1e-12)[0]
        every = np.linalg.eigvals(projected)
        reach = max(float(np.abs(every).max()), 1e-300)
        out: list[tuple[complex, int]] = []
        for value in sorted(every, key=lambda v: (abs(v), -v.imag)):
            if value.imag < -_SAME * reach or abs(value) <= 1e-6 * reach:
                continue
            value = complex(value) if value.imag > 1e-6 * reach else complex(value.real)
            near = [i for i, (v, _) in enumerate(out) if abs(v - value) <= _SAME * reach]
            if near:
                out[near[0]] = (out[near[0]][0], out[near[0]][1] + 1)
            else:
                out.append((value, 1))
        return out

    def _at(
        self,
        value: complex,
        multiplicity: int,
        values: Array,
        index: Index,
        found: list[Eigensection],
    ) -> list[Eigensection]:
        pair = value.imag != 0
        operator, gram = self._shifted(value, values)
        both = np.concatenate([index, index + len(self.search.gram)]) if pair else index
        spectrum = relative_spectrum(operator[:, both], gram[np.ix_(both, both)], "")
        if spectrum.values[0] > self.search.level.delta:
            return []
        count = min(multiplicity * (2 if pair else 1), len(spectrum.values))
        span = np.zeros((len(gram), count))
        span[both] = spectrum.vectors[:, :count]
        weights = np.sqrt(np.maximum(np.diag(gram), 0.0))
        judged = self._judge(value, values)
        form = Judge(operator, gram, weights, judged, self.search.level)
        out: list[Eigensection] = []
        for vector in sparse_vectors(span, weights):
            if len(out) == multiplicity:
                break
            simple, verdict = self._beyond_chance(*simplify(vector, form), values, index)
            section = self._section(simple, value, verdict)
            if verdict.status != REFUTED and self._counts(section) and self._new(section, [*found, *out]):
                out.append(section)
        return out

    def _beyond_chance(
        self, vector: Array, verdict: Verdict, values: Array, index: Index
    ) -> tuple[Array, Verdict]:
        """Every projected operator has eigenvectors, and near a fixed point they nearly are eigensections of any flow.

        So each finding, whatever the number of its coefficients, has to lie below what random flows reach.
        """
        if verdict.status != CERTIFIED or verdict.upper <= ROUNDING:
            return vector, verdict
        if len(index) not in self.chances:
            self.chances[len(index)] = min(
                self._least(other, values, index) for other in self.search.random_fields(CHANCE_DRAWS)
            )
        chance = self.chances[len(index)]
        if verdict.upper <= BELOW_CHANCE * chance:
            return vector, verdict
        reason = f"random flows reach a defect of {chance:.1g} here by chance"
        return vector, as_undecided(verdict, reason)

    def _least(self, flow: VectorField, values: Array, index: Index) -> float:
        """The least defect of any of the eigensections of another field."""
        search = replace(
            self.search,
            field=flow,
            operator=tensor_matrix(self.search.kind, self.search.dictionary, flow, self.search.region),
            gram=tensor_gram(self.search.kind, self.search.dictionary, flow, self.search.region),
        )
        other, least = EigenSearch(search, self.evidence), np.inf
        for value, _ in other._eigenvalues(values, index):
            operator, gram = other._shifted(value, values)
            both = index if value.imag == 0 else np.concatenate([index, index + len(search.gram)])
            spectrum = relative_spectrum(operator[:, both], gram[np.ix_(both, both)], "")
            # Where every flow over these terms has an exact eigensection, as linear ones do, it is no matter of chance.
            if spectrum.values[0] > ROUNDING:
                least = min(least, float(spectrum.values[0]))
        return least

    def _counts(self, section: Eigensection) -> bool:
        """Whether lambda T is a visible part of L_f T: else T is conserved, up to noise."""
        value = value_matrix(self.search.kind, self.search.dictionary, self.search.region) @ section.vector
        size = float(section.vector @ self.search.gram @ section.vector)
        share = abs(section.eigenvalue) * float(np.linalg.norm(value)) / max(np.sqrt(size), 1e-300)
        return share > self.search.level.delta

    def _shifted(self, value: complex, values: Array) -> tuple[Array, Array]:
        """T -> L_f T - lambda T, on pairs (u, v) for a complex lambda, and what it is relative to."""
        real = self.search.operator - value.real * values
        one = self.search.gram + abs(value) ** 2 * (values.T @ values)
        if value.imag == 0:
            return real, one
        turn = value.imag * values
        return np.block([[real, turn], [-turn, real]]), np.kron(np.eye(2), one).astype(float)

    def _judge(self, value: complex, values: Array) -> Callable[[Array], Verdict]:
        search = self.search
        _, gram = self._shifted(value, values)

        def judged(vector: Array) -> Verdict:
            halves = [vector] if value.imag == 0 else np.split(vector, 2)
            rows = [
                field_matrix(search.kind(search.dictionary, v), search.field.dictionary, search.region)
                for v in halves
            ]
            at = [values @ v for v in halves]
            target = [value.real * at[0]]
            if value.imag:
                target = [value.real * at[0] - value.imag * at[1], value.real * at[1] + value.imag * at[0]]
            size = float(vector @ gram @ vector)
            return judge(np.vstack(rows), size, self.evidence, search.level, np.concatenate(target))

        return judged

    def _section(self, vector: Array, value: complex, verdict: Verdict) -> Eigensection:
        if value.imag == 0:
            return Eigensection(vector, None, value, verdict)
        u, v = np.split(vector, 2)
        return Eigensection(u, v, value, verdict)

    def _new(self, section: Eigensection, found: list[Eigensection]) -> bool:
        """For functions: not in the span of products of listed ones with the same eigenvalue. Others are kept as they are."""
        if self.search.kind.kind != "function":
            return True
        theta = self.search.dictionary.evaluate(self.search.region.points)
        factors = [(f.eigenvalue, f.values(theta)) for f in found]
        factors += [
            (np.conj(v), np.conj(h)) for (v, h), f in zip(list(factors), found) if f.partner is not None
        ]
        own, columns = section.values(theta), []
        tolerance = 5e-3 * abs(section.eigenvalue) + 1e-9
        for k in range(1, _MOST_FACTORS + 1):
            for pick in combinations_with_replacement(range(len(factors)), k):
                if abs(sum(factors[i][0] for i in pick) - section.eigenvalue) <= tolerance:
                    columns.append(np.prod([factors[i][1] for i in pick], axis=0))
        if not columns:
            return True
        stack = np.stack(columns, axis=1)
        left = own - stack @ np.linalg.lstsq(stack, own, rcond=1e-9)[0]
        limit = max(1e-6, 10 * section.verdict.defect)
        return float(np.linalg.norm(left)) > limit * float(np.linalg.norm(own))
