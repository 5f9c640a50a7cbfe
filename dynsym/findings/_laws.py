"""The verb `conserved_quantities`: functions constant along the flow, each with a verdict and its drift on the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._checks import Array, DataError
from .._threads import one_blas_thread
from ..certify import CERTIFIED, REFUTED, Level, Verdict
from ..constancy import Constancy, ensemble_of
from ..dictionary import Dictionary
from ..dictionary._base import with_names
from ..inner_product import Region, defined_at, generic_region, region_around, restricted
from ..regression import Model
from ..sections import ScalarFunction
from ..spectral import Spectrum
from ..trajectory import AnyRun, Trajectory, as_runs
from ..vector_field import VectorField
from ._canonical import as_undecided, shortened
from ._evidence import debiased, evidence_of
from ._listed import Listed
from ._search import Search
from ._states import StatesJudge, states_search

FIELD = "field"
_SEARCHED_TWICE = 150  # terms up to which the states are searched beside a fitted field


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
    evidence
        What decided: the fitted field, the states alone (and which of their rows), or both.
    """

    function: ScalarFunction
    verdict: Verdict
    relative_drift: float
    drift_expected: float
    evidence: str = FIELD

    @property
    def expression(self) -> str:
        """h as text."""
        return str(self.function)


@dataclass(frozen=True)
class ConservedQuantities(Listed):
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
            f"{shortened(f.expression)}{'' if f.evidence == FIELD else f'  [{f.evidence}]'}"
            for f in self.findings
        ]
        tail = f"  in {self.region.description}; delta = {self.level.delta:g}, alpha = {self.level.alpha:g}"
        return "\n".join([head, *rows, tail, *(f"  note: {w}" for w in self.warnings)])

    def plot(self, runs: Sequence[Trajectory] = ()) -> Any:
        """The spectrum of defects and, given runs, the drift along them, as a matplotlib figure."""
        from .. import plot

        return plot.conserved_quantities(self, runs)


def conserved_quantities(
    data: Any,
    dictionary: Dictionary,
    delta: float = 0.05,
    alpha: float = 0.05,
    region: Region | None = None,
) -> ConservedQuantities:
    """The functions h in the span of a dictionary that stay constant along the motion, each with a verdict.

    From a field: L_f h = grad h . f = 0. From runs: the variation of h along them, found on half of the runs and judged on
    the other half, with the bias and the variance of the measurement noise taken off; no derivative is taken. A fitted model
    has both: where one contradicts the other nothing is certified, and where the field is too uncertain the states may do.

    The dictionary is searched from the simplest terms on, so each law is found in its lowest degree; products and functions
    of laws that are already listed are one law with them, not more. Constants are never listed.

    Parameters
    ----------
    data
        A fitted `Model`, an exact `VectorField`, or runs in any form that `fit` takes.
    dictionary
        The functions that h is made of.
    delta, alpha
        Tolerance of the defect, and error level shared among the functions.
    region
        What the verdicts of a field speak of; default a tube around the data, or generic points for an exact field.

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

    >>> runs = dy.systems.get("isotropic_oscillator_2d").runs(12, 100, noise=0.01)
    >>> found = dy.conserved_quantities(runs, dy.Monomials(4, 2))
    >>> len(found.functions), found.independent
    (4, 3)
    """
    if not isinstance(data, Model | VectorField):
        return _from_runs(as_runs(data), dictionary, Level(delta, alpha, dictionary.n_terms), region)
    data = debiased(data) if isinstance(data, Model) else data
    field = data.field if isinstance(data, Model) else data
    own = _over(dictionary, field.names, "field", "model.field.names")
    if region is None:
        region = data.region if isinstance(data, Model) else generic_region(own + field.dictionary)
    where = restricted(region, own)
    level = Level(delta, alpha, own.n_terms)
    runs = data.runs if isinstance(data, Model) else ()
    noise = data.noise if isinstance(data, Model) else np.zeros(field.n_states)
    with one_blas_thread():
        search = Search.of(field, own, where, evidence_of(data), level)
        chosen, undecided = search.run()
        laws = [_law(own, v, verdict, runs, noise, level) for v, verdict in chosen + undecided]
        if isinstance(data, Model):
            laws = _with_states(data, own, laws, search)
        return _found(laws, search, where, level)


def _found(laws: list[Law], search: Search, where: Region, level: Level) -> ConservedQuantities:
    laws = sorted(laws, key=lambda law: law.verdict.status != CERTIFIED)
    independent = _independent([law for law in laws if law.verdict.status == CERTIFIED], where)
    return ConservedQuantities(tuple(laws), independent, search.reading.spectrum, where, level)


def _over(dictionary: Dictionary, names: tuple[str, ...], what: str, remedy: str) -> Dictionary:
    said = f"the dictionary is over ({{own}}) but the {what} has the states ({{names}})"
    return with_names(dictionary, names, said, f"build it with names={remedy}")


def _from_runs(
    runs: Sequence[AnyRun], dictionary: Dictionary, level: Level, region: Region | None
) -> ConservedQuantities:
    """From the states alone."""
    own = _over(dictionary, tuple(runs[0].names), "data", "runs[0].names")
    with one_blas_thread():
        ensemble = ensemble_of(runs, own)
        parts = [Trajectory(ensemble.t[part], ensemble.x[part], runs[0].names) for part in ensemble.slices]
        text = f"the {len(ensemble.t)} samples of {ensemble.n_runs} run(s)"
        where = restricted(replace(region_around(parts), description=text) if region is None else region, own)
        search, judge = states_search(Constancy.of(ensemble, own, level.delta), where, level)
        chosen, undecided = search.run()
        laws = [
            replace(_law(own, v, verdict, parts, ensemble.sd, level), evidence=f"states: {judge.method(v)}")
            for v, verdict in chosen + undecided
        ]
        # A sparse form of what was open may turn out broken: then it is no finding.
        laws = [law for law in laws if law.verdict.status != REFUTED]
        return _found(laws, search, where, level)


def _with_states(model: Model, dictionary: Dictionary, laws: list[Law], search: Search) -> list[Law]:
    """The laws of a field with the second opinion of the states, and those that only the states can certify."""
    origins = model.source.origins
    try:
        ensemble = ensemble_of(model.runs, dictionary, model.noise, origins)
    except DataError:
        return laws  # no run is long enough to vary: the field's evidence stands alone
    constancy = Constancy.of(ensemble, dictionary, search.level.delta)
    other, judge = states_search(constancy, search.region, search.level)
    out = [_both(law, judge) for law in laws]
    settled = out and all(law.verdict.status == CERTIFIED for law in out)
    if not settled and dictionary.n_terms <= _SEARCHED_TWICE:
        chosen, _ = other.run()
        known = [law.function.coefficients for law in out if law.verdict.status == CERTIFIED]
        for vector, verdict in chosen:
            if verdict.status == CERTIFIED and search.adds(vector, known):
                law = _law(dictionary, vector, verdict, model.runs, model.noise, search.level)
                law = _unless_refuted(replace(law, evidence=f"states: {judge.method(vector)}"), search)
                out.append(law)
                known.append(vector)
    return out


def _both(law: Law, judge: StatesJudge) -> Law:
    c = law.function.coefficients
    states = judge(c)
    # A bound of delta is not contradicted by a drift below it, however certain.
    if law.verdict.status == CERTIFIED and states.status == REFUTED and states.lower > judge.level.delta:
        return replace(law, verdict=as_undecided(law.verdict, f"the states contradict: {states.reason}"))
    if law.verdict.status == CERTIFIED and states.status == REFUTED:
        # Broken by less than the tolerance, by what the model leaves out: planets perturb one another.
        own = law.verdict
        reason = f"{own.reason}; {states.reason}, which is within the tolerance"
        return replace(law, verdict=replace(own, reason=reason))
    if law.verdict.status == CERTIFIED and states.status == CERTIFIED:
        return replace(law, evidence="field and states")
    return law


def _unless_refuted(law: Law, search: Search) -> Law:
    """A law of the states, withdrawn where the field rules it out."""
    field = search.judged(law.function.coefficients)
    if field.status != REFUTED:
        return law
    return replace(law, verdict=as_undecided(law.verdict, f"the fitted field contradicts: {field.reason}"))


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
        h = function.evaluate(x)
        if size > 1e-13 * float(np.abs(h).max()):
            drift.append(float(np.std(h)) / size)
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
