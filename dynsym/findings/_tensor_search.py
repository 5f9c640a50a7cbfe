"""The null space of T -> L_f T for one kind of tensor, searched from simple terms to rich ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._checks import Array, require
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Evidence, Level, Verdict, judge
from ..dictionary import Dictionary
from ..discover import fair, sparse_vectors
from ..inner_product import Region
from ..sections import TensorSection, TwoForm
from ..spectral import Spectrum, relative_spectrum
from ..tensor_derivative import CompressedField, exterior_matrix, tensor_gram, tensor_matrix
from ..vector_field import VectorField
from ._canonical import Judge, as_undecided, fitted_numbers, simplify
from ._search import grades_of, isolated, stands_apart

Index = npt.NDArray[np.intp]
Found = tuple[Array, Verdict]

_MOST_UNKNOWNS = 700
_MOST_ROWS = 6000  # samples times components that verdicts are computed on
_MOST_UNDECIDED = 3
MANY_FITTED = 4  # as for laws: coefficients from which on a finding may be a chance approximation
CHANCE_DRAWS = 40
BELOW_CHANCE = 0.5
ROUNDING = 1e-8
_NEW = 1e-6


@dataclass(frozen=True)
class TensorSearch:
    """T -> L_f T over a dictionary, with the verdict on any T in its span.

    Attributes
    ----------
    kind, dictionary, field, region, level
        What is looked for, in which terms, of which flow, where, and at which level.
    operator, gram
        (rows, c p) and (c p, c p): the ratio of their quadratic forms is the defect.
    judged
        The verdict on coefficients (c p,).
    """

    kind: type[TensorSection]
    dictionary: Dictionary
    field: VectorField
    region: Region
    level: Level
    operator: Array
    gram: Array
    judged: Callable[[Array], Verdict]

    @classmethod
    def of(
        cls,
        kind: type[TensorSection],
        dictionary: Dictionary,
        field: VectorField,
        region: Region,
        evidence: Evidence,
        level: Level,
    ) -> TensorSearch:
        c = len(kind.components(field.n_states))
        require(
            c * dictionary.n_terms <= _MOST_UNKNOWNS,
            f"{c} components of a {kind.kind} times {dictionary.n_terms} terms are more than {_MOST_UNKNOWNS} unknowns; "
            "take a smaller dictionary",
        )
        around = fair(field, thinned(region, max(_MOST_ROWS // c, 4 * dictionary.n_terms)))
        operator = tensor_matrix(kind, dictionary, field, around)
        gram = tensor_gram(kind, dictionary, field, around)

        fields = CompressedField.of(kind, dictionary, field.dictionary, around)

        def judged(coefficients: Array) -> Verdict:
            rows = fields.matrix(coefficients)
            return judge(rows, float(coefficients @ gram @ coefficients), evidence, level)

        return cls(kind, dictionary, field, around, level, operator, gram, judged)

    @property
    def weights(self) -> Array:
        """Size of each unknown's tensor, (c p,)."""
        return np.sqrt(np.maximum(np.diag(self.gram), 0.0))

    def grades(self) -> Array:
        """How complicated the term of each unknown is, (c p,)."""
        return np.tile(grades_of(self.dictionary), len(self.kind.components(self.field.n_states)))

    def spectrum(self, index: Index) -> Spectrum:
        """Defects of all directions among some of the unknowns."""
        metric = "relative to |f| |DT|, |Df| |T|"
        if not len(index) or not self.gram.any():
            return Spectrum(
                np.zeros(0), np.zeros((len(index), 0)), metric
            )  # nothing moves, so nothing can be said
        return relative_spectrum(self.operator[:, index], self.gram[np.ix_(index, index)], metric)

    def run(self) -> tuple[list[Found], list[Found], int]:
        """Certified and undecided sections, and how many certified ones are multiples of listed ones by functions."""
        grades = self.grades()
        usable = self.weights > 0
        chosen: list[Found] = []
        undecided: list[Found] = []
        multiples = 0
        for grade in sorted(set(grades[usable].tolist())):
            index = np.flatnonzero(usable & (grades <= grade))
            certified, open_ones = self.directions(index)
            if certified:
                span = np.stack([v for v, _ in certified], axis=1)
                more, multiples = self._new(span, [v for v, _ in chosen], index)
                chosen += more
            undecided = open_ones if not chosen else undecided
        return chosen, self._readable(undecided), multiples

    def directions(self, index: Index) -> tuple[list[Found], list[Found]]:
        """Certified and undecided directions among some of the unknowns, those that stand apart from the rest."""
        spectrum = self.spectrum(index)
        certified, undecided, others, refuted = [], [], [], 0
        for value, short in zip(spectrum.values, spectrum.vectors.T):
            if value > max(0.3, 4 * self.level.delta) or refuted >= 4:
                break
            vector = self.widened(short, index)
            verdict = self.judged(vector)
            if verdict.status == CERTIFIED:
                certified.append((vector, verdict))
            elif verdict.status == UNDECIDED:
                undecided.append((vector, verdict))
            else:
                others.append(float(value))
            refuted = refuted + 1 if verdict.status == REFUTED else 0
        seen = len(certified) + len(undecided) + len(others)
        rest = others + [float(v) for v in spectrum.values[seen:]]
        return isolated(certified, undecided, rest, stands_apart, True)

    def widened(self, short: Array, index: Index) -> Array:
        """A vector on some of the unknowns as one on all."""
        out = np.zeros(len(self.gram))
        out[index] = short
        return out

    def simple(self, vector: Array, index: Index) -> Found:
        """The simplest form that the data accept, with its verdict, withdrawn where chance could have made it."""
        form, verdict = simplify(
            vector, Judge(self.operator, self.gram, self.weights, self.judged, self.level)
        )
        fitted = fitted_numbers(form)
        if verdict.status != CERTIFIED or fitted < MANY_FITTED or verdict.upper <= ROUNDING:
            return form, verdict
        chance = self._chance(index)
        if verdict.upper <= BELOW_CHANCE * chance:
            return form, verdict
        reason = (
            f"random flows reach a defect of {chance:.1g} here by chance with {fitted} fitted coefficients"
        )
        return form, as_undecided(verdict, reason)

    def _chance(self, index: Index) -> float:
        """The least defect of any section on these unknowns under a number of random fields on the same region."""
        least = np.inf
        for other in self.random_fields(CHANCE_DRAWS):
            operator = tensor_matrix(self.kind, self.dictionary, other, self.region)[:, index]
            gram = tensor_gram(self.kind, self.dictionary, other, self.region)[np.ix_(index, index)]
            least = min(least, float(relative_spectrum(operator, gram, "").values[0]))
        return least

    def random_fields(self, count: int) -> Iterator[VectorField]:
        """Fields with random coefficients over the terms of f, each term of the same size on the region."""
        terms, draws = self.field.dictionary, np.random.default_rng(0)
        size = np.sqrt(np.mean(terms.evaluate(self.region.points) ** 2, axis=0))
        size = np.where(size > 0, size, 1.0)
        for _ in range(count):
            c = draws.standard_normal(self.field.coefficients.shape) / size * self.region.scale[:, None]
            yield VectorField(terms, c)

    def _new(self, span: Array, known: list[Array], index: Index) -> tuple[list[Found], int]:
        """The sparsest new sections of a certified space, closed two-forms first, without multiples of listed ones."""
        out: list[Found] = []
        listed = list(known)
        for part in self._parts(span):
            for vector in sparse_vectors(part, self.weights):
                if not self._pointwise_new(vector, listed):
                    continue
                form, verdict = self.simple(vector, index)
                if not self._pointwise_new(form, listed):
                    form, verdict = vector, self.judged(vector)
                out.append((form, verdict))
                listed.append(form)
        return out, span.shape[1] - len(listed)

    def _parts(self, span: Array) -> list[Array]:
        if self.kind is not TwoForm:
            return [span]
        error = max(self.judged(v).defect for v in span.T)
        closed = closed_part(span, self.dictionary, self.region, min(max(_NEW, 10 * error), 0.3))
        return ([closed] if closed.shape[1] else []) + ([span] if closed.shape[1] < span.shape[1] else [])

    def _pointwise_new(self, vector: Array, listed: list[Array]) -> bool:
        """Whether T(x) lies outside the span of the listed tensors at most points: no sum of multiples of them by functions."""
        theta = self.dictionary.evaluate(self.region.points)
        weights = self.kind.weights(self.region.scale)

        def values(v: Array) -> Array:
            out = (theta @ v.reshape(-1, theta.shape[1]).T) * weights
            return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-300)

        own = values(vector)
        if not listed:
            return True
        stack = np.stack([values(v) for v in listed], axis=2)
        solved = np.einsum("mrc,mc->mr", np.linalg.pinv(stack, rcond=1e-4), own)
        left = own - np.einsum("mcr,mr->mc", stack, solved)
        error = max(_NEW, 10 * max(self.judged(vector).defect, *(self.judged(v).defect for v in listed)))
        return float(np.median(np.linalg.norm(left, axis=1))) > min(error, 0.3)

    def _readable(self, undecided: list[Found]) -> list[Found]:
        """Undecided directions in sparse form."""
        if not undecided:
            return []
        span = np.stack([v for v, _ in undecided], axis=1)
        out: list[Found] = []
        for vector in sparse_vectors(span, self.weights):
            if len(out) == min(_MOST_UNDECIDED, span.shape[1]):
                break
            size = np.abs(vector) * self.weights
            clean = np.where(size < 1e-6 * size.max(), 0.0, vector)
            clean = clean / np.abs(clean).max()
            basis = np.stack([clean, *(v for v, _ in out)], axis=1) * self.weights[:, None]
            if np.linalg.svd(basis / np.linalg.norm(basis, axis=0), compute_uv=False)[-1] > 1e-3:
                reason = (
                    "it does not stand apart from tensors that any flow nearly keeps in so small a region"
                )
                out.append((clean, as_undecided(self.judged(clean), reason)))
        return out


def closed_part(span: Array, dictionary: Dictionary, region: Region, tolerance: float = 1e-6) -> Array:
    """The two-forms of a space (c p, r) with dW = 0 up to a tolerance relative to |W| + |DW|, (c p, j)."""
    outer = exterior_matrix(dictionary, region) @ span
    theta = dictionary.evaluate(region.points) * region.roots[:, None]
    slope = dictionary.jacobian(region.points) * region.scale * region.roots[:, None, None]
    one = theta.T @ theta + np.einsum("mik,mjk->ij", slope, slope)
    gram = span.T @ np.kron(np.diag(TwoForm.weights(region.scale) ** 2), one) @ span
    if not outer.size:
        return span
    spectrum = relative_spectrum(outer, gram, "relative to |W|, |DW|")
    return span @ spectrum.vectors[:, spectrum.values <= tolerance]


def thinned(region: Region, most: int) -> Region:
    """At most so many points of a region, evenly taken."""
    m = len(region.points)
    if m <= most:
        return region
    keep = np.linspace(0, m - 1, most).astype(int)
    w = region.weights[keep]
    return Region(region.points[keep], w / w.sum(), region.scale, region.description)
