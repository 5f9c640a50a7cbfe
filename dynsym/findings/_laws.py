"""The verb `conserved_quantities`: functions constant along the flow, each with a verdict and its drift on the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np

from .._checks import Array, DataError
from .._threads import one_blas_thread
from ..certify import CERTIFIED, REFUTED, Level, Verdict
from ..constancy import Constancy, ensemble_of
from ..dictionary import Dictionary
from ..dictionary._base import with_names
from ..inner_product import Region, generic_region, region_around, restricted
from ..regression import Model
from ..sections import ScalarFunction
from ..spectral import Spectrum
from ..trajectory import AnyRun, Trajectory, as_runs
from ..vector_field import VectorField
from ._canonical import as_undecided, shortened
from ._dependent import Dependent, dependent_states
from ._drift import Drift, HeldOut, drift_along, with_drift
from ._evidence import coverage_of, debiased, evidence_of, unpruned
from ._listed import Listed
from ._search import NOTHING, Search
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
    held_out
        Whether the drift is that of the law as it is found without the runs that it is followed along.
    """

    function: ScalarFunction
    verdict: Verdict
    relative_drift: float
    drift_expected: float
    evidence: str = FIELD
    held_out: bool = False

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
    whitened
        The least broken directions again, each in units of its own noise: |L_f h| over the root mean square it would have
        if h were conserved. About 1 for laws, large for broken directions; empty for an exact field. From states alone the
        variation along the runs takes the place of |L_f h|.
    upper
        Bound of the defect of all combinations of the certified laws at once; inf where they are only certified one by one.
    coverage
        Largest ratio of the root mean square of a function of the field's dictionary in the region to that on the data: 1 if
        the data fill the region, inf if some function that may be in the dynamics vanishes on them; 1 without a fit.
    """

    findings: tuple[Law, ...]
    independent: int
    spectrum: Spectrum
    region: Region
    level: Level
    warnings: tuple[str, ...] = ()
    whitened: Array = dataclass_field(default_factory=lambda: np.zeros(0))
    upper: float = float(np.inf)
    coverage: float = 1.0

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
        return "\n".join([head, *rows, *self._measures(), tail, *(f"  note: {w}" for w in self.warnings)])

    def _measures(self) -> list[str]:
        lines = []
        if np.isfinite(self.upper):
            lines.append(f"  all combinations of the certified ones: at most {self.upper:.1e}")
        if len(self.whitened):
            shown = "  ".join(f"{v:.3g}" for v in self.whitened[:8])
            lines.append(f"  defects in units of their noise: {shown}; coverage factor {self.coverage:.3g}")
        return lines

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
        Tolerance of the defect, and error level: the probability that anything false is certified, shared among the
        functions and, for a fitted model, among the ways to a certificate (the field as it was selected, the field with all
        terms, the states alone).
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
    own = _over(dictionary, field.names, "field has", "model.field.names")
    if region is None:
        region = data.region if isinstance(data, Model) else generic_region(own + field.dictionary)
    where = restricted(region, own)
    level = Level(delta, alpha, own.n_terms, 1 / _ways(data))
    with one_blas_thread():
        found, search = _from_field(data, own, where, level)
        # Selection drops small terms that a law needs. A function that varies only slightly is looked at again with all
        # terms.
        whole = unpruned(data) if isinstance(data, Model) and _slightly_broken(found, search) else None
        if whole is not None:
            again, _ = _from_field(whole, own, where, level)
            if again.independent > found.independent:
                note = "terms that the selection left out would break these laws: verdicts on the fit of all terms"
                found = replace(again, warnings=(*again.warnings, note))
        return found


def _ways(data: Model | VectorField) -> int:
    """How many ways lead to a certificate: the field, with its chosen terms or with all of them, and the states."""
    if not isinstance(data, Model):
        return 1
    return 2 if data.support.all() or data.constraint is not None else 3


def _from_field(
    data: Model | VectorField, own: Dictionary, where: Region, level: Level
) -> tuple[ConservedQuantities, Search]:
    """From a field, fitted or exact, with the second opinion of the states where there are any."""
    field = data.field if isinstance(data, Model) else data
    dependent = dependent_states(data.runs, data.noise) if isinstance(data, Model) else NOTHING
    search = Search.of(field, own, where, evidence_of(data), level, dependent)
    chosen, undecided = search.run()
    if not isinstance(data, Model):
        laws = [_law(own, v, verdict, lambda c: Drift(0.0, 0.0), level) for v, verdict in chosen + undecided]
        return _found(laws, search, where, level), search
    held = HeldOut.of(data, own, search.region)
    laws = [_law(own, v, verdict, held.drift, level) for v, verdict in chosen + undecided]
    laws = _with_states(data, laws, search, dependent)
    found = replace(_found(laws, search, where, level), coverage=coverage_of(data, search.region))
    return replace(found, warnings=dependent.warnings), search


def _slightly_broken(found: ConservedQuantities, search: Search) -> bool:
    """Whether some function with a defect below twice the tolerance is no combination of certified laws.

    Where the data do not see all functions of the dynamics, no fit of them all decides anything.
    """
    if not np.isfinite(found.coverage):
        return False
    known = [h.coefficients for h in found.functions]
    return search.leaves_some(known, 2 * found.level.delta)


def _found(laws: list[Law], search: Search, where: Region, level: Level) -> ConservedQuantities:
    laws = sorted(laws, key=lambda law: law.verdict.status != CERTIFIED)
    certified = [law for law in laws if law.verdict.status == CERTIFIED]
    upper = search.together.bound_of_all([law.function.coefficients for law in certified])
    return ConservedQuantities(
        tuple(laws),
        _independent(certified, where),
        search.reading.spectrum,
        where,
        level,
        whitened=search.together.whitened,
        upper=upper if upper <= level.delta else float(np.inf),
    )


def _over(dictionary: Dictionary, names: tuple[str, ...], owner: str, remedy: str) -> Dictionary:
    said = f"the dictionary is over ({{own}}) but the {owner} the states ({{names}})"
    return with_names(dictionary, names, said, f"build it with names={remedy}")


def _from_runs(
    runs: Sequence[AnyRun], dictionary: Dictionary, level: Level, region: Region | None
) -> ConservedQuantities:
    """From the states alone."""
    own = _over(dictionary, tuple(runs[0].names), "data have", "runs[0].names")
    with one_blas_thread():
        ensemble = ensemble_of(runs, own)
        parts = [Trajectory(ensemble.t[part], ensemble.x[part], runs[0].names) for part in ensemble.slices]
        text = f"the {len(ensemble.t)} samples of {ensemble.n_runs} run(s)"
        where = restricted(replace(region_around(parts), description=text) if region is None else region, own)
        dependent = dependent_states(parts, ensemble.sd)
        search, judge = states_search(Constancy.of(ensemble, own, level.delta), where, level, dependent)
        chosen, undecided = search.run()

        def along(c: Array) -> Drift:
            return Drift(*drift_along(ScalarFunction(own, c), parts, ensemble.sd))

        laws = [
            replace(_law(own, v, verdict, along, level), evidence=f"states: {judge.method(v)}")
            for v, verdict in chosen + undecided
        ]
        # A sparse form of what was open may turn out broken: then it is no finding.
        laws = [law for law in laws if law.verdict.status != REFUTED]
        found = _found(laws, search, where, level)
        return replace(found, whitened=judge.whitened(search.reading.spectrum), warnings=dependent.warnings)


def _with_states(model: Model, laws: list[Law], search: Search, dependent: Dependent) -> list[Law]:
    """The laws of a field with the second opinion of the states, and those that only the states can certify."""
    origins, dictionary = model.source.origins, search.dictionary
    try:
        ensemble = ensemble_of(model.runs, dictionary, model.noise, origins)
    except DataError:
        return laws  # no run is long enough to vary: the field's evidence stands alone
    constancy = Constancy.of(ensemble, dictionary, search.level.delta)
    other, judge = states_search(constancy, search.region, search.level, dependent)

    def along(c: Array) -> Drift:
        return Drift(*drift_along(ScalarFunction(dictionary, c), model.runs, model.noise))

    out = [_both(law, judge) for law in laws]
    settled = out and all(law.verdict.status == CERTIFIED for law in out)
    if not settled and dictionary.n_terms <= _SEARCHED_TWICE:
        chosen, _ = other.run()
        known = [law.function.coefficients for law in out if law.verdict.status == CERTIFIED]
        for vector, verdict in chosen:
            if verdict.status == CERTIFIED and search.adds(vector, known):
                law = _law(dictionary, vector, verdict, along, search.level)
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
    dictionary: Dictionary, vector: Array, verdict: Verdict, along: Callable[[Array], Drift], level: Level
) -> Law:
    pivot = np.abs(vector).max()
    # The first term is written with a plus sign.
    vector = vector / (pivot * np.sign(vector[np.flatnonzero(vector)[0]]))
    drift = along(vector)
    verdict = with_drift(verdict, drift, level)
    function = ScalarFunction(dictionary, vector)
    return Law(function, verdict, drift.relative, drift.expected, held_out=drift.held_out)


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
