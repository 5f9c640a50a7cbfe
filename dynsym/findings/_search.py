"""The null space of h -> L_f h, searched from simple terms to rich ones, with what any flow nearly conserves left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from itertools import combinations_with_replacement, permutations

import numpy as np
import numpy.typing as npt
import sympy as sp

from .._checks import Array
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Evidence, Level, Verdict, judge
from ..dictionary import Dictionary, Monomials
from ..discover import ConservationReading, fair, read_conservation, sparse_vectors
from ..inner_product import Region
from ..lie_derivative import conservation_matrix, gradient_gram, law_matrix
from ..spectral import relative_spectrum
from ..vector_field import VectorField
from ._canonical import Judge, as_undecided, fitted_numbers, simplify
from ._dependent import Dependent
from ._laws_together import LawsTogether, conserved_together
from ._simultaneous import TOGETHER

_NEW = 0.2  # sine of the angle to what is already listed, above which a function is a new one
_MOST_UNDECIDED = 4
# Coefficients that are no simple fractions, from which on a law may be a chance approximation.
_MANY_FITTED = 4
_CHANCE_DRAWS = 60
_BELOW_CHANCE = 0.5  # share of the best chance result below which a law has to stay
_NOT_APART = "it does not stand apart from functions that any flow nearly conserves in so small a region"
_FAR_APART = 50.0  # or by which it exceeds the point estimate, where that is far more exact than the bound
_APART = 2.0  # factor by which the rest of the spectrum must exceed the upper bound of a law
_STEPS, _STEPS_LEAST = (
    3.0,
    5.0,
)  # the same along runs, as a multiple of the next step of the spectrum, and at least
_MOST_PRODUCTS = 300
NOTHING = Dependent()
_VANISHING = 1e-13  # share of its terms' gradients below which the gradient of a function is rounding


@dataclass(frozen=True)
class Search:
    """Functions that a reading says are conserved, grade by grade.

    The reading is h -> L_f h of a field, or the variation of h along runs, with the norm that its values are relative to.
    Only a field has flows like it, by chance of which a function may be nearly conserved; without one, held-out runs tell.
    """

    field: VectorField | None
    dictionary: Dictionary
    reading: ConservationReading
    region: Region
    judged: Callable[[Array], Verdict]
    level: Level
    usable: npt.NDArray[np.bool_]  # (p,) terms that are not constant on the region
    together: LawsTogether = dataclass_field(default_factory=lambda: LawsTogether())

    @classmethod
    def of(
        cls,
        field: VectorField,
        dictionary: Dictionary,
        region: Region,
        evidence: Evidence,
        level: Level,
        dependent: Dependent = NOTHING,
    ) -> Search:
        around = fair(field, region)
        reading = read_conservation(field, dictionary, around)
        # Each term against its own size, since terms have different units.
        theta2 = np.mean(dictionary.evaluate(around.points) ** 2, axis=0)
        speed2 = float(np.mean(np.sum((field.evaluate(around.points) / around.scale) ** 2, axis=1)))
        usable = np.diag(reading.gram) > 1e-24 * theta2 * speed2
        usable &= dependent.free(dictionary, around.points)
        grades = [index for _, index in _usable_grades(dictionary, usable)]
        joint, alone = level.way(TOGETHER), level.way(1 - TOGETHER)
        together = conserved_together(field.dictionary, dictionary, reading, around, evidence, joint, grades)

        def judged(coefficients: Array) -> Verdict:
            operator = law_matrix(dictionary, coefficients, field.dictionary, around)
            at_once = together.bound_of(coefficients)
            return judge(operator, reading.size(coefficients), evidence, alone, simultaneous=at_once)

        return cls(field, dictionary, reading, around, judged, level, usable, together)

    def run(self) -> tuple[list[tuple[Array, Verdict]], list[tuple[Array, Verdict]]]:
        """Certified laws from the lowest grade on, and undecided functions beyond them."""
        chosen: list[tuple[Array, Verdict]] = []
        undecided: list[tuple[Array, Verdict]] = []
        for _, index in _usable_grades(self.dictionary, self.usable):
            certified, undecided = self._directions(index)
            if not certified:
                continue
            known = self._known([v for v, _ in chosen])
            span = np.stack([v for v, _ in certified], axis=1)
            fresh = self._fresh(span, known)
            if fresh.shape[1]:
                chosen += [
                    self._beyond_chance(v, verdict, index) for v, verdict in self._new(span, known, fresh)
                ]
        return chosen, self._open([v for v, _ in undecided], self._known([v for v, _ in chosen]))

    def leaves_some(self, laws: list[Array], most: float) -> bool:
        """Whether some function with a defect up to `most` is no combination of the laws and their products."""
        index = np.flatnonzero(self.usable)
        if not len(index):
            return False
        spectrum = relative_spectrum(
            self.reading.operator[:, index], self.reading.gram[np.ix_(index, index)], ""
        )
        low = np.zeros((self.dictionary.n_terms, spectrum.dimension(most)))
        low[index] = spectrum.vectors[:, : low.shape[1]]
        return bool(low.shape[1]) and bool(self._fresh(low, self._known(laws)).shape[1])

    def adds(self, vector: Array, laws: list[Array]) -> bool:
        """Whether a function is no combination of the laws and their products."""
        return bool(self._fresh(vector[:, None], self._known(laws)).shape[1])

    def _open(self, undecided: list[Array], known: Array) -> list[tuple[Array, Verdict]]:
        """Undecided functions beyond the listed laws, in a form that can be read."""
        if not undecided:
            return []
        span = np.stack(undecided, axis=1)
        fresh = self._fresh(span, known)
        if not fresh.shape[1]:
            return []
        weights = np.sqrt(np.maximum(np.diag(self.reading.gram), 0.0)) * self.usable
        out: list[Array] = []
        for vector in sparse_vectors(span, weights, fresh.T @ self._root()):
            if len(out) == min(_MOST_UNDECIDED, fresh.shape[1]):
                break
            size = np.abs(vector) * weights
            clean = np.where(size < 1e-6 * size.max(), 0.0, vector)
            if self._fresh(clean[:, None], np.hstack([known, *(v[:, None] for v in out)])).shape[1]:
                out.append(clean)
        # They are combinations of directions that were left undecided, some because they do not stand apart.
        return [(v, as_undecided(self.judged(v), _NOT_APART)) for v in out]

    def _directions(
        self, index: npt.NDArray[np.intp]
    ) -> tuple[list[tuple[Array, Verdict]], list[tuple[Array, Verdict]]]:
        """Certified and undecided directions within some of the terms."""
        gram = self.reading.gram[np.ix_(index, index)]
        spectrum = relative_spectrum(self.reading.operator[:, index], gram, "")
        certified, undecided, others, refuted = [], [], [], 0
        for value, short in zip(spectrum.values, spectrum.vectors.T):
            if value > max(0.3, 4 * self.level.delta) or refuted >= 4:
                break
            vector = np.zeros(self.dictionary.n_terms)
            vector[index] = short
            verdict = self.judged(vector)
            if verdict.status == CERTIFIED:
                certified.append((vector, verdict))
            elif verdict.status == UNDECIDED:
                undecided.append((vector, verdict))
            refuted = refuted + 1 if verdict.status == REFUTED else 0
            if verdict.status == REFUTED:
                others.append(float(value))
        rest = [float(v) for v in spectrum.values[len(certified) + len(undecided) + len(others) :]]
        # Without a field a function that may well be constant, only too noisy to say, speaks against no other one.
        weak = [] if self.field is not None else [pair for pair in undecided if pair[1].lower == 0]
        near = [pair for pair in undecided if not weak or pair[1].lower > 0]
        kept, open_ = isolated(certified, near, others + rest, self._apart, self.field is not None)
        return kept, open_ + weak

    def _apart(self, verdict: Verdict, rest: list[float]) -> bool:
        """Whether a law stands apart from the defects of the rest of the spectrum.

        In a small region the directions of a rich dictionary vary by ever less, in steps of a nearly constant factor: along
        runs a law below the tolerance has to break that sequence.
        """
        if self.field is not None:
            return stands_apart(verdict, rest)
        first, second = sorted([*rest, np.inf])[:2]
        step = 0.0 if first >= 2 * self.level.delta else _STEPS * min(second, 1.0) / max(first, 1e-300)
        return verdict.upper * max(_STEPS_LEAST, step) <= first

    def _beyond_chance(
        self, vector: Array, verdict: Verdict, index: npt.NDArray[np.intp]
    ) -> tuple[Array, Verdict]:
        """A law with many fitted numbers must lie below what random flows over the same terms reach by chance.

        Near every point a flow has n - 1 local first integrals, and many coefficients approximate them well in a small
        region. The least defect among random fields over the same dictionary says how well.
        """
        fitted = fitted_numbers(vector)
        if self.field is None or verdict.status != CERTIFIED or fitted < _MANY_FITTED:
            return vector, verdict
        chance = self._chance(self.field, index)
        if verdict.upper <= _BELOW_CHANCE * chance:
            return vector, verdict
        reason = (
            f"random flows reach a defect of {chance:.1g} here by chance with {fitted} fitted coefficients"
        )
        return vector, as_undecided(verdict, reason)

    def _chance(self, field: VectorField, index: npt.NDArray[np.intp]) -> float:
        """The least defect of any function of these terms under a number of random fields on the same region."""
        terms = field.dictionary
        size = np.sqrt(np.mean(terms.evaluate(self.region.points) ** 2, axis=0))
        size = np.where(size > 0, size, 1.0)
        draws = np.random.default_rng(0)
        least = np.inf
        for _ in range(_CHANCE_DRAWS):
            c = draws.standard_normal(field.coefficients.shape) / size * self.region.scale[:, None]
            other = VectorField(terms, c)
            operator = conservation_matrix(other, self.dictionary, self.region)[:, index]
            gram = gradient_gram(other, self.dictionary, self.region)[np.ix_(index, index)]
            least = min(least, float(relative_spectrum(operator, gram, "").values[0]))
        return least

    def _root(self) -> Array:
        """A square root of the Gram matrix of gradients, taken in units in which all terms have the same size."""
        size = np.sqrt(np.maximum(np.diag(self.reading.gram), 0.0))
        safe = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(self.reading.gram / np.outer(safe, safe))
        return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T * size

    def _known(self, laws: list[Array]) -> Array:
        """Coefficients (p, k) of the listed laws and of those products of them that the dictionary can express."""
        if not laws:
            return np.zeros((self.dictionary.n_terms, 0))
        theta = self.dictionary.evaluate(self.region.points)
        single = theta @ np.stack(laws, axis=1)
        columns = list(laws)
        size = np.linalg.norm(theta, axis=0)
        size = np.where(size > 0, size, 1.0)
        solver = np.linalg.pinv(theta / size, rcond=1e-12) / size[:, None]
        highest = int(max(grades_of(self.dictionary).max() / min(self._grade(v) for v in laws), 1))
        picks = [
            c
            for k in range(2, min(highest, 6) + 1)
            for c in combinations_with_replacement(range(len(laws)), k)
        ]
        for pick in picks[:_MOST_PRODUCTS]:
            values = np.prod(single[:, list(pick)], axis=1)
            fitted = solver @ values
            if np.linalg.norm(theta @ fitted - values) <= 1e-7 * np.linalg.norm(values):
                columns.append(fitted)
        return np.stack(columns, axis=1)

    def _grade(self, law: Array) -> int:
        return max(1, int(grades_of(self.dictionary)[np.abs(law) > 0].max()))

    def _fresh(self, span: Array, known: Array) -> Array:
        """Orthonormal functions (rows, j) that span has and `known` has not, in the inner product of gradients."""
        root = self._root()
        own, _ = np.linalg.qr(root @ span)
        slopes = root @ known
        length = np.linalg.norm(slopes, axis=0)
        # A product of laws may vanish wherever there are data, as x y does on the axes; it then lists nothing.
        seen = length > _VANISHING * np.linalg.norm(root, axis=0) @ np.abs(known)
        if seen.any():
            left, values, _ = np.linalg.svd(slopes[:, seen] / length[seen], full_matrices=False)
            listed = left[:, values > 1e-9 * values[0]]
            own = own - listed @ (listed.T @ own)
        left, values, _ = np.linalg.svd(own, full_matrices=False)
        return left[:, values > _NEW]

    def _new(self, span: Array, known: Array, fresh: Array) -> list[tuple[Array, Verdict]]:
        """The sparsest new laws of a certified space, simplified."""
        weights = np.sqrt(np.maximum(np.diag(self.reading.gram), 0.0)) * self.usable
        functionals = fresh.T @ self._root()
        judge_form = Judge(self.reading.operator, self.reading.gram, weights, self.judged, self.level)
        out: list[tuple[Array, Verdict]] = []
        for vector in sparse_vectors(span, weights, functionals):
            listed = np.hstack([known, *(v[:, None] for v, _ in out)])
            if self._fresh(vector[:, None], listed).shape[1]:
                simple, verdict = simplify(vector, judge_form)
                # Cutting small terms must not turn a new law into one that is listed already.
                new = self._fresh(simple[:, None], listed).shape[1] > 0
                out.append((simple, verdict) if new else (vector, self.judged(vector)))
            if len(out) == fresh.shape[1]:
                break
        return self._reduced(out)

    def _reduced(self, laws: list[tuple[Array, Verdict]]) -> list[tuple[Array, Verdict]]:
        """Laws of one grade with multiples of one another taken off where that leaves fewer terms."""
        out = list(laws)
        for i, j in permutations(range(len(out)), 2):
            own, other = out[i][0], out[j][0]
            shared = np.flatnonzero((own != 0) & (other != 0))
            if not len(shared) or CERTIFIED not in (out[i][1].status, out[j][1].status):
                continue
            trials = [_without(own, other, int(k)) for k in shared]
            best = min(trials, key=np.count_nonzero)
            if np.count_nonzero(best) < np.count_nonzero(own):
                verdict = self.judged(best)
                if verdict.status == CERTIFIED:
                    out[i] = (best, verdict)
        return out


def stands_apart(verdict: Verdict, rest: list[float]) -> bool:
    """Whether a finding of a field lies well below all other defects: by its bound, or by its estimate where that is exact."""
    return min(verdict.upper * _APART, verdict.defect * _FAR_APART) <= min(rest)


def isolated(
    certified: list[tuple[Array, Verdict]],
    undecided: list[tuple[Array, Verdict]],
    others: list[float],
    apart: Callable[[Verdict, list[float]], bool],
    demoted_count: bool,
) -> tuple[list[tuple[Array, Verdict]], list[tuple[Array, Verdict]]]:
    """Certified directions that stand apart from the rest of the spectrum; the others become undecided.

    On a bounded region every rich dictionary holds functions that are nearly conserved: it approximates the local first
    integrals that any flow has. Their defects form a continuum. A law lies well below it.
    """
    kept, demoted = sorted(certified, key=lambda pair: pair[1].upper), list(undecided)
    while kept:
        rest = others + [v.defect for _, v in (demoted if demoted_count else undecided)]
        worst = kept[-1]
        if not rest or apart(worst[1], rest):
            break
        kept.pop()
        demoted.append((worst[0], as_undecided(worst[1], _NOT_APART)))
    return kept, demoted


def _without(own: Array, other: Array, k: int) -> Array:
    """own less the multiple of the other that removes term k, and what cancels with it, leading entry 1."""
    out = own - own[k] / other[k] * other
    out[k] = 0.0
    out[np.abs(out) <= 1e-9 * np.abs(own)] = 0.0
    top = out[int(np.argmax(np.abs(out)))]
    return np.asarray(out / top) if top else own


def _usable_grades(
    dictionary: Dictionary, usable: npt.NDArray[np.bool_]
) -> list[tuple[int, npt.NDArray[np.intp]]]:
    """Each grade that occurs with the usable terms up to it, lowest first."""
    grades = grades_of(dictionary)
    return [(g, np.flatnonzero(usable & (grades <= g))) for g in sorted(set(grades[usable].tolist()))]


def grades_of(dictionary: Dictionary) -> Array:
    """How complicated each term is: its total degree, where any factor that is not a monomial counts as one more."""
    if isinstance(dictionary, Monomials):
        return dictionary.exponents.sum(axis=1)
    if not dictionary.has_formulas:
        return np.ones(dictionary.n_terms, dtype=int)
    return np.array([_grade(e) for e in dictionary.symbolic()])


def _grade(expression: sp.Expr) -> int:
    total = 0
    for factor in sp.Mul.make_args(expression):
        base, power = factor.as_base_exp()
        if not factor.free_symbols:
            continue
        if base.is_Symbol and power.is_Integer:
            total += abs(int(power))
        else:
            total += 1
    return total
