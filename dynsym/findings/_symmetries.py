"""The verb `symmetries`: which candidate generators a field has, each with a verdict, and what algebra they form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._checks import Array, DataError
from .._threads import one_blas_thread
from ..algebra import LieAlgebra
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Evidence, Level, Verdict, judge
from ..dictionary._base import with_names
from ..discover import SymmetryReading, fair, read_symmetries, sparse_vectors
from ..generators import Generators
from ..inner_product import Region, generic_region
from ..lie_derivative import equivariance_matrix
from ..regression import Model
from ..sections import ScalarFunction
from ..spectral import Spectrum
from ..vector_field import VectorField
from ._canonical import Judge, as_undecided, shortened, simplify
from ._evidence import coverage_of, debiased, evidence_of, unpruned
from ._generator_basis import generator_basis
from ._lie_algebra import algebra_of
from ._listed import Listed
from ._simultaneous import TOGETHER, Simultaneous, hold_together
from ._trivial import flow_multiple

_MOST_UNDECIDED = 6
ITSELF = "the dynamics itself"  # label of xi = f
_APART = 0.1  # norm of a combination of generators of norm 1 below which it is noise rather than another one


@dataclass(frozen=True)
class SymmetryFinding:
    """One generator with its verdict; `trivial` marks the dynamics itself, and the dynamics times conserved quantities."""

    label: str
    generator: Generators
    verdict: Verdict
    trivial: bool

    @property
    def expression(self) -> str:
        """The generator as text."""
        return self.generator.expressions()[0]


@dataclass(frozen=True)
class Symmetries(Listed):
    """What `symmetries` found, with the evidence.

    Attributes
    ----------
    findings
        Certified generators first, then undecided ones.
    generators
        The certified ones.
    algebra
        The Lie algebra of the certified ones, or None if they do not close.
    spectrum
        Defects of all directions of the candidate space, least broken first.
    region
        What the verdicts speak of.
    level
        Tolerance and error level.
    whitened
        The least broken directions again, each in units of its own noise: |L_xi f| over the root mean square it would have
        under an exact symmetry. About 1 for symmetries, large for broken directions; empty for an exact field.
    upper
        Bound of the defect of all combinations of the certified generators at once; inf where they are only certified
        one by one.
    at_most
        How many directions of the candidates can have a defect of delta or less: all others are refuted at once, at level
        alpha. The number of candidates where nothing is excluded.
    coverage
        Largest ratio of the root mean square of a function of the dictionary in the region to that on the data: 1 if the data
        fill the region as the claim weighs it, inf if some function that may be in the dynamics vanishes on them.
    warnings
        In words.
    """

    findings: tuple[SymmetryFinding, ...]
    generators: Generators
    algebra: LieAlgebra | None
    spectrum: Spectrum
    region: Region
    level: Level
    whitened: Array
    upper: float
    coverage: float
    at_most: int
    warnings: tuple[str, ...] = ()

    @property
    def dimension(self) -> int:
        """Number of certified generators."""
        return len(self.generators)

    def __str__(self) -> str:
        name = "trivial" if self.dimension == 0 else (self.algebra.name if self.algebra else "not closed")
        head = f"{self.dimension} certified symmetries of {len(self.spectrum.values)} candidates; algebra: {name}"
        rows = [
            f"  {f.verdict.status:<10} {f.verdict.defect:8.1e} <= {f.verdict.upper:7.1e}  {shortened(f.expression)}"
            for f in self.findings
        ]
        tail = f"  in {self.region.description}; delta = {self.level.delta:g}, alpha = {self.level.alpha:g}"
        basis = generator_basis(self.generators, self.algebra)
        shown = [] if basis is None else [f"  {shortened(line)}" for line in basis.lines()]
        notes = (f"  note: {w}" for w in self.warnings)
        return "\n".join([head, *rows, *shown, *self._measures(), tail, *notes])

    def _measures(self) -> list[str]:
        lines = []
        if self.at_most < len(self.spectrum.values):
            rest = len(self.spectrum.values) - self.at_most
            lines.append(
                f"  at most {self.at_most} can be symmetries: the other {rest} directions are refuted together"
            )
        if np.isfinite(self.upper):
            lines.append(f"  all combinations of the certified ones: at most {self.upper:.1e}")
        if len(self.whitened):
            shown = "  ".join(f"{v:.3g}" for v in self.whitened[:8])
            lines.append(f"  defects in units of their noise: {shown}; coverage factor {self.coverage:.3g}")
        return lines

    def plot(self) -> Any:
        """The spectrum of defects with the tolerance, as a matplotlib figure."""
        from .. import plot

        return plot.symmetries(self)


def symmetries(
    model: Model | VectorField,
    candidates: Generators,
    delta: float = 0.05,
    alpha: float = 0.05,
    region: Region | None = None,
    laws: Sequence[ScalarFunction] = (),
) -> Symmetries:
    """The generators xi among the candidates with L_xi f = Df xi - Dxi f + b f = 0, each with a verdict.

    Parameters
    ----------
    model
        A fitted `Model`, or an exact `VectorField`. Where a penalty moved the coefficients, the least-squares fit on the same
        terms is judged instead: the verdict is on the data, not on the penalty.
    candidates
        A family from `dynsym.generators`.
    delta
        Tolerance: the largest scale-free defect a certified symmetry may have.
    alpha
        Probability that anything false is certified: most of it for subspaces, the rest for single directions, shared among
        the candidates; half of each where a selection left terms out and all of them may be looked at again.
    region
        What the verdicts speak of; default a tube around the data, or generic points for an exact field.
    laws
        Conserved quantities h that are known: xi = h f is then a symmetry that says nothing more, and marked so.

    Returns
    -------
    Symmetries
        Prints as a table.

    Raises
    ------
    DataError
        If candidates and field are over different states.

    Examples
    --------
    >>> import dynsym as dy
    >>> hopf = dy.systems.get("hopf").field()
    >>> dy.symmetries(hopf, dy.generators.affine(2)).generators.expressions()
    ['y d/dx - x d/dy']
    """
    model = debiased(model) if isinstance(model, Model) else model
    field = model.field if isinstance(model, Model) else model
    own = candidates_over(candidates, field.names)
    where = _region(model, region)
    level = Level(delta, alpha, len(own), 1 / _looks(model))
    with one_blas_thread():
        found = _search(model, own, where, region is not None, level)
        # Selection drops small terms that a symmetry needs. A direction that is broken only slightly is looked at
        # again with all terms.
        whole = unpruned(model) if isinstance(model, Model) and _slightly_broken(found) else None
        if whole is not None:
            again = _search(whole, own, where, region is not None, level)
            if again.dimension > found.dimension:
                note = "terms that the selection left out would break these symmetries: verdicts on the fit of all terms"
                found = replace(again, warnings=(*again.warnings, note))
    return _marked(found, field, laws)


def _looks(model: Model | VectorField) -> int:
    """How often a field may be looked at: as it was selected, and with all terms."""
    pruned = isinstance(model, Model) and model.constraint is None and not model.support.all()
    return 2 if pruned else 1


def _marked(found: Symmetries, field: VectorField, laws: Sequence[ScalarFunction]) -> Symmetries:
    """The same with the multiples h f of the dynamics by conserved quantities marked as trivial."""
    if not laws:
        return found
    findings = []
    for finding in found.findings:
        factor = None if finding.trivial else flow_multiple(finding.generator, field, laws)
        if factor is not None:
            finding = replace(finding, label=f"the dynamics times {factor}", trivial=True)
        findings.append(finding)
    return replace(found, findings=tuple(findings))


def _search(
    model: Model | VectorField, own: Generators, where: Region, given: bool, level: Level
) -> Symmetries:
    field = model.field if isinstance(model, Model) else model
    # A region that was asked for is taken as it is.
    around = where if given else fair(field, where)
    reading = read_symmetries(own, field, around)
    evidence = evidence_of(model)
    joint, alone = level.way(TOGETHER), level.way(1 - TOGETHER)
    together = hold_together(own, field, reading, around, evidence, joint)
    judged = _judge_with(own, field, reading, around, evidence, alone, together)
    certified, undecided = _sort(reading.spectrum, judged, level)
    findings = _canonical(own, field, reading, certified, judged, level, together)
    findings += [
        _finding(own, field, v, as_undecided(judged(v), "it is a combination of undecided directions"))
        for v in _sparse(undecided, reading)
    ]
    kept = [f for f in findings if f.verdict.status == CERTIFIED]
    generators = own.combine(np.zeros((len(own), 0)))
    for finding in kept:
        generators = generators + finding.generator
    algebra, notes = algebra_of(generators, around, max((f.verdict.upper for f in kept), default=0.0))
    coverage = coverage_of(model, around) if isinstance(model, Model) else 1.0
    upper = together.upper if len(kept) and len(kept) == together.span.shape[1] else float(np.inf)
    return Symmetries(
        tuple(findings),
        generators,
        algebra,
        reading.spectrum,
        where,
        level,
        together.whitened,
        upper,
        coverage,
        together.at_most,
        notes,
    )


def _slightly_broken(found: Symmetries) -> bool:
    """Whether some direction that is broken by less than twice the tolerance was not certified."""
    return found.spectrum.dimension(2 * found.level.delta) > found.dimension


def candidates_over(candidates: Generators, names: tuple[str, ...]) -> Generators:
    """The candidates over the states of a field."""
    said = "the candidates act on ({own}) but the field has the states ({names})"
    return with_names(candidates, names, said, "build them with names=model.field.names")


def _region(model: Model | VectorField, region: Region | None) -> Region:
    if region is not None:
        return region
    return model.region if isinstance(model, Model) else generic_region(model.dictionary)


def _judge_with(
    candidates: Generators,
    field: VectorField,
    reading: SymmetryReading,
    region: Region,
    evidence: Evidence,
    level: Level,
    together: Simultaneous,
) -> Callable[[Array], Verdict]:
    """The verdict on the combination of candidates with given weights (q,)."""

    def judged(weights: Array) -> Verdict:
        one = candidates.combine(weights[:, None])
        operator = equivariance_matrix(one, field.dictionary, region)
        ramp, offset = one.ramps(), None
        if ramp is not None:
            eta = (ramp.evaluate(region.points)[0] / region.scale * region.roots[:, None]).ravel()
            operator = np.vstack([operator, equivariance_matrix(ramp, field.dictionary, region)])
            offset = np.concatenate([eta, np.zeros(len(eta))])
        at_once = together.bound_of(weights)
        return judge(operator, reading.size(weights), evidence, level, offset, at_once)

    return judged


def _sort(
    spectrum: Spectrum, judged: Callable[[Array], Verdict], level: Level
) -> tuple[list[Array], list[Array]]:
    """Certified directions, and undecided ones, from the least broken on; stops where directions are clearly broken."""
    certified: list[Array] = []
    undecided: list[Array] = []
    refuted = 0
    for value, vector in zip(spectrum.values, spectrum.vectors.T):
        if value > max(0.5, 4 * level.delta) or refuted >= 4:
            break
        verdict = judged(vector)
        if verdict.status == CERTIFIED:
            certified.append(vector)
        elif verdict.status == UNDECIDED and len(undecided) < _MOST_UNDECIDED:
            undecided.append(vector)
        refuted = refuted + 1 if verdict.status == REFUTED else 0
    return certified, undecided


def _canonical(
    candidates: Generators,
    field: VectorField,
    reading: SymmetryReading,
    certified: list[Array],
    judged: Callable[[Array], Verdict],
    level: Level,
    together: Simultaneous,
) -> list[SymmetryFinding]:
    if not certified:
        return []
    weights = np.sqrt(np.maximum(np.diag(reading.matrix.bound), 1e-300))
    basis = _sparse_basis(np.stack(certified, axis=1), weights)
    gram = reading.matrix.parts.T @ reading.matrix.parts + reading.matrix.bound
    judge_form = Judge(reading.matrix.operator, gram, weights, judged, level)
    plain = [(vector, judged(vector)) for vector in basis.T]
    out: list[tuple[Array, Verdict]] = []
    for vector, own in plain:
        simple, verdict = simplify(vector, judge_form)
        # Two vectors may simplify to the same form; the second then keeps its own.
        if _alike([v for v, _ in out] + [simple], weights):
            simple, verdict = vector, own
        out.append((simple, verdict))
    if _alike([v for v, _ in out], weights) or _broken_together([v for v, _ in out], plain, together, level):
        out = plain
    out.sort(key=lambda pair: (int(np.count_nonzero(pair[0])), pair[1].defect))
    out.sort(key=lambda pair: pair[1].status != CERTIFIED)
    return [_finding(candidates, field, v, verdict) for v, verdict in out]


def _sparse_basis(span: Array, weights: Array) -> Array:
    """Sparse vectors that span the same space, well apart: (q, r) -> (q, r).

    In a noisy space the sparsest vectors through different coordinates are often one generator with different errors; their
    difference is noise, and no symmetry.
    """
    chosen: list[Array] = []
    for v in sparse_vectors(span, weights):
        if not _alike([*chosen, v], weights):
            chosen.append(v)
        if len(chosen) == span.shape[1]:
            return np.stack(chosen, axis=1)
    return span


def _broken_together(
    forms: list[Array], plain: list[tuple[Array, Verdict]], together: Simultaneous, level: Level
) -> bool:
    """Whether some combination of the simpler forms may be broken although none of the fitted ones is."""
    before = together.bound_of_all(np.stack([v for v, _ in plain], axis=1))
    after = together.bound_of_all(np.stack(forms, axis=1))
    return before <= level.delta < after


def _sparse(vectors: list[Array], reading: SymmetryReading) -> list[Array]:
    """Undecided directions in a form that can be read."""
    if not vectors:
        return []
    weights = np.sqrt(np.maximum(np.diag(reading.matrix.bound), 1e-300))
    basis = _sparse_basis(np.stack(vectors, axis=1), weights)
    small = np.abs(basis) * weights[:, None] < 1e-6 * (np.abs(basis) * weights[:, None]).max(axis=0)
    return list(np.where(small, 0.0, basis).T)


def _alike(vectors: list[Array], weights: Array) -> bool:
    """Whether some combination of the vectors, each of norm 1, is shorter than `_APART`."""
    scaled = np.stack(vectors, axis=1) * weights[:, None]
    return bool(np.linalg.svd(scaled / np.linalg.norm(scaled, axis=0), compute_uv=False)[-1] < _APART)


def _finding(candidates: Generators, field: VectorField, weights: Array, verdict: Verdict) -> SymmetryFinding:
    pivot = weights[int(np.argmax(np.abs(weights)))]
    generator = candidates.combine((weights / pivot)[:, None])
    own = _is_flow(generator, field)
    label = ITSELF if own else _describe(generator)
    return SymmetryFinding(
        label,
        Generators(
            generator.dictionary, generator.coefficients, (label,), generator.time_scaling, generator.ramp
        ),
        verdict,
        own,
    )


def _is_flow(generator: Generators, field: VectorField) -> bool:
    """Whether xi is a multiple of f, to a tenth of a percent."""
    points = generic_region(field.dictionary).points[:50]
    try:
        f = field.evaluate(points).ravel()
    except DataError:
        return False
    xi = generator.evaluate(points).ravel()
    assert generator.time_scaling is not None
    length = float(np.linalg.norm(f) * np.linalg.norm(xi))
    return bool(length > 0 and not generator.time_scaling.any() and abs(f @ xi) > (1 - 1e-6) * length)


def _describe(generator: Generators) -> str:
    """A plain word for a generator: translation, rotation, scaling, boost, or its formula's kind."""
    parts = generator.affine_parts()
    assert generator.time_scaling is not None
    scaled = bool(generator.time_scaling.any())
    if generator.ramps() is not None:
        return "boost"
    if parts is None:
        return "nonlinear"
    matrix, offset = parts[0][0], parts[1][0]
    if not matrix.any():
        return "time scaling" if scaled and not offset.any() else "translation"
    if np.array_equal(matrix, np.diag(np.diag(matrix))) and not offset.any():
        return "scaling with time" if scaled else "scaling"
    if np.abs(matrix + matrix.T).max() <= 1e-9 * np.abs(matrix).max() and not scaled:
        return "rotation" if not offset.any() else "rotation about a point"
    return "affine with time" if scaled else ("linear" if not offset.any() else "affine")
