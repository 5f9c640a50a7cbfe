"""The verb `conserved_quantities`: functions constant along the flow, each with a verdict and its drift on the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import Array
from .._threads import one_blas_thread
from ..certify import CERTIFIED, REFUTED, Level, Verdict
from ..dictionary import Dictionary
from ..dictionary._base import with_names
from ..inner_product import Region, defined_at, generic_region, restricted
from ..regression import Model
from ..sections import ScalarFunction
from ..spectral import Spectrum
from ..trajectory import Trajectory
from ..vector_field import VectorField
from ._canonical import shortened
from ._evidence import evidence_of
from ._search import Search


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
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdict of each finding, in their order."""
        return tuple(f.verdict for f in self.findings)

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
    said = "the dictionary is over ({own}) but the field has the states ({names})"
    own = with_names(dictionary, field.names, said, "build it with names=model.field.names")
    where = (
        region
        if region is not None
        else (model.region if isinstance(model, Model) else generic_region(own + field.dictionary))
    )
    where = restricted(where, own)
    level = Level(delta, alpha, own.n_terms)
    runs = model.runs if isinstance(model, Model) else ()
    noise = model.noise if isinstance(model, Model) else np.zeros(field.n_states)
    with one_blas_thread():
        search = Search.of(field, own, where, evidence_of(model), level)
        chosen, undecided = search.run()
        laws = [_law(own, v, verdict, runs, noise, level) for v, verdict in chosen + undecided]
        laws.sort(key=lambda law: law.verdict.status != CERTIFIED)
        certified = [law for law in laws if law.verdict.status == CERTIFIED]
        independent = _independent(certified, where)
    return ConservedQuantities(tuple(laws), independent, search.reading.spectrum, where, level)


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
