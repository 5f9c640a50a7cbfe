"""The verb `conserved_quantities`: functions constant along the flow, each with a verdict and its drift on the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp
from threadpoolctl import threadpool_limits

from .._checks import Array, require
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Evidence, Level, Verdict, judge
from ..dictionary import Dictionary, Monomials
from ..dictionary._base import default_names
from ..discover import ConservationReading, fair, read_conservation, sparse_vectors
from ..inner_product import Region, defined_at, generic_region, restricted
from ..lie_derivative import conservation_matrix, gradient_gram, law_matrix
from ..regression import Model
from ..sections import ScalarFunction
from ..spectral import Spectrum, relative_spectrum
from ..trajectory import Trajectory
from ..vector_field import VectorField
from ._canonical import Judge, as_undecided, fitted_numbers, shortened, simplify
from ._evidence import evidence_of

_NEW = 0.2  # sine of the angle to what is already listed, above which a function is a new one
_MOST_UNDECIDED = 4
_MANY_FITTED = (
    4  # coefficients that are no simple fractions, from which on a law may be a chance approximation
)
_CHANCE_DRAWS = 60
_BELOW_CHANCE = 0.5  # share of the best chance result below which a law has to stay
_NOT_APART = "it does not stand apart from functions that any flow nearly conserves in so small a region"
_FAR_APART = 50.0  # or by which it exceeds the point estimate, where that is far more exact than the bound
_APART = 2.0  # factor by which the rest of the spectrum must exceed the upper bound of a law
_MOST_PRODUCTS = 300


@dataclass(frozen=True)
class Law:
    """A conserved quantity with its verdict.

    Attributes
    ----------
    function
        h, normalised so that its leading coefficient is 1.
    verdict
        On the defect |grad h . f| / ||grad h| |f||.
    relative_drift
        Root mean square over runs of sd(h along the run) / rms |grad h| sd(x): the change of h as a share of what it would
        be if the states moved independently.
    drift_expected
        The same ratio from the measurement noise alone.
    """

    function: ScalarFunction
    verdict: Verdict
    relative_drift: float
    drift_expected: float

    @property
    def expression(self) -> str:
        """h as text."""
        return str(self.function)


@dataclass(frozen=True)
class ConservedQuantities:
    """What `conserved_quantities` found, with the evidence.

    Attributes
    ----------
    findings
        Certified laws of lowest degree first, products and powers of listed ones left out; then undecided ones.
    independent
        Number of functionally independent certified laws.
    spectrum
        Defects of all directions of the dictionary.
    region, level, warnings
        What the verdicts speak of, at which tolerance and error level, and remarks.
    """

    findings: tuple[Law, ...]
    independent: int
    spectrum: Spectrum
    region: Region
    level: Level
    warnings: tuple[str, ...] = ()

    @property
    def functions(self) -> tuple[ScalarFunction, ...]:
        """The certified laws."""
        return tuple(f.function for f in self.findings if f.verdict.status == CERTIFIED)

    def __str__(self) -> str:
        count = len(self.functions)
        head = f"{count} certified conserved quantities, {self.independent} independent"
        rows = [
            f"  {f.verdict.status:<10} {f.verdict.defect:8.1e} <= {f.verdict.upper:7.1e}  drift {f.relative_drift:.1e}  "
            f"{shortened(f.expression)}"
            for f in self.findings
        ]
        tail = f"  in {self.region.description}; delta = {self.level.delta:g}, alpha = {self.level.alpha:g}"
        return "\n".join([head, *rows, tail, *(f"  note: {w}" for w in self.warnings)])

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self, runs: Sequence[Trajectory] = ()) -> Any:
        """The spectrum of defects and, given runs, the drift along them, as a matplotlib figure."""
        from .. import plot

        return plot.conserved_quantities(self, runs)


def conserved_quantities(
    model: Model | VectorField,
    dictionary: Dictionary,
    delta: float = 0.05,
    alpha: float = 0.05,
    region: Region | None = None,
) -> ConservedQuantities:
    """The functions h in the span of a dictionary with L_f h = grad h . f = 0, each with a verdict.

    The dictionary is searched from the simplest terms on, so each law is found in its lowest degree; products and functions
    of laws that are already listed are one law with them, not more. Constants are never listed.

    Parameters
    ----------
    model
        A fitted `Model`, or an exact `VectorField`.
    dictionary
        The functions that h is made of.
    delta, alpha
        Tolerance of the defect, and error level shared among the functions.
    region
        What the verdicts speak of; default a tube around the data, or generic points for an exact field.

    Returns
    -------
    ConservedQuantities
        Prints as a table.

    Examples
    --------
    >>> import dynsym as dy
    >>> spring = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -4, 0]])
    >>> [law.expression for law in dy.conserved_quantities(spring, dy.Monomials(2, 2)).findings]
    ['x**2 + 0.25*v**2']
    """
    field = model.field if isinstance(model, Model) else model
    own = _matching(dictionary, field)
    where = (
        region
        if region is not None
        else (model.region if isinstance(model, Model) else generic_region(own + field.dictionary))
    )
    where = restricted(where, own)
    level = Level(delta, alpha, own.n_terms)
    runs = model.runs if isinstance(model, Model) else ()
    noise = model.noise if isinstance(model, Model) else np.zeros(field.n_states)
    with threadpool_limits(1):
        search = _Search.of(field, own, where, evidence_of(model), level)
        chosen, undecided = search.run()
        laws = [_law(own, v, verdict, runs, noise, level) for v, verdict in chosen + undecided]
        laws.sort(key=lambda law: law.verdict.status != CERTIFIED)
        certified = [law for law in laws if law.verdict.status == CERTIFIED]
        independent = _independent(certified, where)
    return ConservedQuantities(tuple(laws), independent, search.reading.spectrum, where, level)


def _matching(dictionary: Dictionary, field: VectorField) -> Dictionary:
    if dictionary.names == field.names:
        return dictionary
    require(
        dictionary.n_states == field.n_states and dictionary.names == default_names(field.n_states),
        f"the dictionary is over ({', '.join(dictionary.names)}) but the field has the states ({', '.join(field.names)})",
    )
    return dictionary.renamed(field.names)


@dataclass(frozen=True)
class _Search:
    """The null space of h -> L_f h, grade by grade."""

    field: VectorField
    dictionary: Dictionary
    reading: ConservationReading
    region: Region
    judged: Callable[[Array], Verdict]
    level: Level
    usable: npt.NDArray[np.bool_]  # (p,) terms that are not constant on the region

    @classmethod
    def of(
        cls, field: VectorField, dictionary: Dictionary, region: Region, evidence: Evidence, level: Level
    ) -> _Search:
        around = fair(field, region)
        reading = read_conservation(field, dictionary, around)

        def judged(coefficients: Array) -> Verdict:
            operator = law_matrix(dictionary, coefficients, field.dictionary, around)
            return judge(operator, reading.size(coefficients), evidence, level)

        # Each term against its own size, since terms have different units.
        theta2 = np.mean(dictionary.evaluate(around.points) ** 2, axis=0)
        speed2 = float(np.mean(np.sum((field.evaluate(around.points) / around.scale) ** 2, axis=1)))
        usable = np.diag(reading.gram) > 1e-24 * theta2 * speed2
        return cls(field, dictionary, reading, around, judged, level, usable)

    def run(self) -> tuple[list[tuple[Array, Verdict]], list[tuple[Array, Verdict]]]:
        grades = grades_of(self.dictionary)
        chosen: list[tuple[Array, Verdict]] = []
        undecided: list[tuple[Array, Verdict]] = []
        for grade in sorted(set(grades[self.usable].tolist())):
            index = np.flatnonzero(self.usable & (grades <= grade))
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
        return _isolated(certified, undecided, others + rest)

    def _beyond_chance(
        self, vector: Array, verdict: Verdict, index: npt.NDArray[np.intp]
    ) -> tuple[Array, Verdict]:
        """A law with many fitted numbers must lie below what random flows over the same terms reach by chance.

        Near every point a flow has n - 1 local first integrals, and many coefficients approximate them well in a small
        region. The least defect among random fields over the same dictionary says how well.
        """
        fitted = fitted_numbers(vector)
        if verdict.status != CERTIFIED or fitted < _MANY_FITTED:
            return vector, verdict
        chance = self._chance(index)
        if verdict.upper <= _BELOW_CHANCE * chance:
            return vector, verdict
        reason = (
            f"random flows reach a defect of {chance:.1g} here by chance with {fitted} fitted coefficients"
        )
        return vector, as_undecided(verdict, reason)

    def _chance(self, index: npt.NDArray[np.intp]) -> float:
        """The least defect of any function of these terms under a number of random fields on the same region."""
        terms = self.field.dictionary
        size = np.sqrt(np.mean(terms.evaluate(self.region.points) ** 2, axis=0))
        size = np.where(size > 0, size, 1.0)
        draws = np.random.default_rng(0)
        least = np.inf
        for _ in range(_CHANCE_DRAWS):
            c = draws.standard_normal(self.field.coefficients.shape) / size * self.region.scale[:, None]
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
        if known.shape[1]:
            left, values, _ = np.linalg.svd(
                root @ known / np.linalg.norm(root @ known, axis=0), full_matrices=False
            )
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
                out.append(simplify(vector, judge_form))
            if len(out) == fresh.shape[1]:
                break
        return out


def _isolated(
    certified: list[tuple[Array, Verdict]], undecided: list[tuple[Array, Verdict]], others: list[float]
) -> tuple[list[tuple[Array, Verdict]], list[tuple[Array, Verdict]]]:
    """Certified directions that stand apart from the rest of the spectrum; the others become undecided.

    On a bounded region every rich dictionary holds functions that are nearly conserved: it approximates the local first
    integrals that any flow has. Their defects form a continuum. A law lies well below it.
    """
    kept, demoted = sorted(certified, key=lambda pair: pair[1].upper), list(undecided)
    while kept:
        rest = others + [v.defect for _, v in demoted]
        worst = kept[-1]
        verdict = worst[1]
        if not rest or min(verdict.upper * _APART, verdict.defect * _FAR_APART) <= min(rest):
            break
        kept.pop()
        demoted.append((worst[0], as_undecided(worst[1], _NOT_APART)))
    return kept, demoted


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


def _law(
    dictionary: Dictionary,
    vector: Array,
    verdict: Verdict,
    runs: Sequence[Trajectory],
    noise: Array,
    level: Level,
) -> Law:
    pivot = np.abs(vector).max()
    # The first term is written with a plus sign.
    function = ScalarFunction(dictionary, vector / (pivot * np.sign(vector[np.flatnonzero(vector)[0]])))
    drift, expected = drift_along(function, runs, noise)
    if verdict.status == CERTIFIED and drift > max(3 * level.delta, 4 * expected):
        reason = (
            f"it drifts by {drift:.2g} along the runs, more than the fitted dynamics and the noise explain"
        )
        verdict = Verdict(REFUTED, verdict.defect, verdict.lower, verdict.upper, reason)
    return Law(function, verdict, drift, expected)


def drift_along(function: ScalarFunction, runs: Sequence[Trajectory], noise: Array) -> tuple[float, float]:
    """Relative drift of h along runs and the share that the noise explains, each rms over the runs."""
    drift, expected = [], []
    for run in runs:
        x = run.x[defined_at(function.dictionary, run.x)]
        if len(x) < 3:
            continue
        slope = function.gradient(x)
        size = float(np.sqrt(np.mean(np.sum((slope * x.std(axis=0)) ** 2, axis=1))))
        if size > 0:
            drift.append(float(np.std(function.evaluate(x))) / size)
            expected.append(float(np.sqrt(np.mean(np.sum((slope * noise) ** 2, axis=1)))) / size)
    if not drift:
        return 0.0, 0.0
    return float(np.sqrt(np.mean(np.square(drift)))), float(np.sqrt(np.mean(np.square(expected))))


def _independent(laws: Sequence[Law], region: Region) -> int:
    """Generic rank of the gradients, with a tolerance set by how exactly the laws are known."""
    if not laws:
        return 0
    slopes = np.stack([law.function.gradient(region.points) * region.scale for law in laws], axis=1)
    slopes = slopes / np.maximum(np.linalg.norm(slopes, axis=2, keepdims=True), 1e-300)
    values = np.linalg.svd(slopes, compute_uv=False)
    tolerance = min(0.1, max(1e-6, 5 * max(law.verdict.upper for law in laws)))
    ranks = np.count_nonzero(values > tolerance, axis=1)
    return int(np.quantile(ranks, 0.9, method="nearest"))
