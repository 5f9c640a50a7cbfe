"""The verb `symmetries_of`: under which generators or maps y = F(x) is invariant or equivariant, each with a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import Array, require
from .._threads import one_blas_thread
from ..algebra import LieAlgebra
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Evidence, Level, Verdict, judge
from ..dictionary import Monomials
from ..generators import Generators
from ..inner_product import Region
from ..lie_derivative import SymmetryMatrix
from ..map_derivative import (
    actions,
    map_equivariance_matrix,
    map_symmetry_matrix,
    value_scale,
)
from ..regression import MapModel
from ..sections import Given, Representation, ScalarFunction, VectorFunction, trivial
from ..spectral import Spectrum, relative_spectrum
from ._canonical import Judge, as_undecided, shortened, simplify
from ._lie_algebra import algebra_of
from ._listed import Listed
from ._map_discrete import region_of_map
from ._map_evidence import evidence_of_map, unshrunk
from ._symmetries import _alike, _describe, _sparse_basis, candidates_over

# Where both DF xi and phi F nearly vanish the ratio of rho is noise over noise; the Cauchy-Schwarz bound, times this, then
# takes the place of the denominator. Of invariants phi F is zero always, and the bound itself is what L_xi F is relative to.
_FLOOR = 0.1
_MOST_UNDECIDED = 6
_CLOSED = 0.3  # share of a bracket outside the span above which generators are no algebra, however uncertain they are


@dataclass(frozen=True, eq=False)
class MapSymmetry:
    """One generator with the matrix phi by which it turns the values, and the verdict."""

    label: str
    generator: Generators
    phi: Array
    verdict: Verdict

    @property
    def expression(self) -> str:
        """The generator as text; how it turns the values is in `phi`."""
        return self.generator.expressions()[0]


@dataclass(frozen=True, eq=False)
class MapSymmetries(Listed):
    """What `symmetries_of` found, with the evidence.

    Attributes
    ----------
    findings
        Certified generators first, then undecided ones.
    generators
        The certified ones.
    representation
        How they turn the values: give both to `equivariant_to`, to enforce what was found.
    algebra
        The Lie algebra of the certified ones, acting on inputs and values together, or None if they do not close.
    spectrum
        Defects of all directions of the candidate space, least broken first.
    region
        What the verdicts speak of.
    level
        Tolerance and error level.
    warnings
        In words.
    """

    findings: tuple[MapSymmetry, ...]
    generators: Generators
    representation: Representation
    algebra: LieAlgebra | None
    spectrum: Spectrum
    region: Region
    level: Level
    warnings: tuple[str, ...] = ()

    @property
    def dimension(self) -> int:
        """Number of certified generators."""
        return len(self.generators)

    @property
    def name(self) -> str:
        """The name of the algebra."""
        return "trivial" if self.dimension == 0 else (self.algebra.name if self.algebra else "not closed")

    def __str__(self) -> str:
        count = len(self.spectrum.values)
        head = f"{self.dimension} certified symmetries of {count} candidates; algebra: {self.name}"
        rows = [
            f"  {f.verdict.status:<10} {f.verdict.defect:8.1e} <= {f.verdict.upper:7.1e}  {shortened(f.expression)}"
            for f in self.findings
        ]
        tail = f"  in {self.region.description}; delta = {self.level.delta:g}, alpha = {self.level.alpha:g}"
        return "\n".join([head, *rows, tail, *(f"  note: {w}" for w in self.warnings)])

    def plot(self) -> Any:
        """The defect of each finding with its bounds against the tolerance, as a matplotlib figure."""
        from .. import plot

        return plot.verdicts(self.findings, self.level, [f.expression for f in self.findings])


def symmetries_of(
    model: MapModel | VectorFunction | ScalarFunction,
    candidates: Generators,
    representation: Representation | None = None,
    delta: float = 0.05,
    alpha: float = 0.05,
    region: Region | None = None,
) -> MapSymmetries:
    """The generators xi among the candidates with L_xi F = DF xi - phi(xi) F = 0, each with a verdict.

    The defect is rho = |DF xi - phi F| / sqrt(|DF xi|^2 + |phi F|^2) in L2 of the region, and for invariants (phi = 0)
    rho = |DF xi| / | |DF| |xi| |; both do not depend on the units of inputs and values.

    Parameters
    ----------
    model
        A fitted `MapModel`, or an exact function. Of a fit with a penalty, which moves coefficients, the least-squares fit of
        all terms is judged instead.
    candidates
        A family from `dynsym.generators` on the inputs.
    representation
        phi, from `dynsym.sections`: how the values turn; default they are invariants.
    delta
        Tolerance: the largest scale-free defect a certified symmetry may have.
    alpha
        Error level, shared among the candidates.
    region
        What the verdicts speak of; default around the samples, or generic points for an exact function.

    Returns
    -------
    MapSymmetries
        Prints as a table.

    Raises
    ------
    DataError
        If candidates and map are over different inputs, or the representation has another number of values.

    References
    ----------
    Otto, Zolman, Kutz, Brunton (2025), JMLR 26(248), sections on discovering symmetry and on sections of vector bundles.

    Examples
    --------
    >>> import dynsym as dy
    >>> field = dy.VectorFunction(dy.Monomials(2, 1, names=("x", "y")), [[0, 2, -1], [0, 1, 2]])
    >>> turn = dy.generators.affine(2, ("x", "y"))
    >>> print(dy.symmetries_of(field, turn, dy.sections.vector()))
    2 certified symmetries of 6 candidates; algebra: R^2
      certified   0.0e+00 <= 0.0e+00  x d/dx + y d/dy
      certified   0.0e+00 <= 0.0e+00  y d/dx - x d/dy
      in generic points of either sign; delta = 0.05, alpha = 0.05
    """
    exact = model if not isinstance(model, ScalarFunction) else _as_map(model)
    fitted = unshrunk(exact) if isinstance(exact, MapModel) else None
    judged_on: MapModel | VectorFunction = exact if fitted is None else fitted
    function = judged_on.function if isinstance(judged_on, MapModel) else judged_on
    phi = trivial(function.n_values) if representation is None else representation
    own = candidates_over(candidates, function.names)
    where = region_of_map(judged_on, region)
    level = Level(delta, alpha, max(len(own), 1))
    notes = (
        ()
        if fitted is None
        else ("the penalty moved the coefficients: verdicts on least squares of all terms",)
    )
    with one_blas_thread():
        search = _Search(own, phi, function, where, evidence_of_map(judged_on), level)
        findings = search.findings()
        return _assembled(search, findings, notes)


def _as_map(function: ScalarFunction) -> VectorFunction:
    return VectorFunction(function.dictionary, function.coefficients[None], ("h",))


class _Search:
    """The operator B(., F) on a region, its spectrum, and verdicts on combinations of candidates."""

    def __init__(
        self,
        candidates: Generators,
        representation: Representation,
        function: VectorFunction,
        region: Region,
        evidence: Evidence,
        level: Level,
    ) -> None:
        require(len(candidates) > 0, "no candidate generator was given")
        self.candidates, self.function, self.region = candidates, function, region
        self.representation = representation
        self.evidence, self.level = evidence, level
        self.phi = actions(candidates, representation, region.points)
        self.matrix: SymmetryMatrix = map_symmetry_matrix(candidates, representation, function, region)
        invariant = not self.phi.any()
        parts = self.matrix.parts.T @ self.matrix.parts
        self.gram = self.matrix.bound if invariant else parts + _FLOOR**2 * self.matrix.bound
        self.parts, self.floor = (self.matrix.bound, 1.0) if invariant else (parts, _FLOOR)
        words = "relative to |DF| |xi|" if invariant else "relative to |DF xi|, |phi F|"
        self.spectrum = relative_spectrum(self.matrix.operator, self.gram, words)

    def size(self, weights: Array) -> float:
        """The denominator of rho, squared."""
        floor = self.floor**2 * float(weights @ self.matrix.bound @ weights)
        return max(float(weights @ self.parts @ weights), floor)

    def verdict(self, weights: Array) -> Verdict:
        """On the combination of candidates with weights (q,)."""
        one, phi = self.candidates.combine(weights[:, None]), np.tensordot(weights, self.phi, 1)
        operator = map_equivariance_matrix(one, phi, self.function.dictionary, self.region)
        return judge(operator, self.size(weights), self.evidence, self.level)

    def findings(self) -> list[MapSymmetry]:
        """Certified generators in their simplest form, then undecided ones; stops where directions are clearly broken."""
        certified, undecided = self._sorted()
        kept = self._canonical(certified)
        left = [
            self._finding(v, as_undecided(self.verdict(v), "a combination of undecided directions"))
            for v in undecided
        ]
        return kept + left

    def _sorted(self) -> tuple[list[Array], list[Array]]:
        certified: list[Array] = []
        undecided: list[Array] = []
        refuted = 0
        for value, vector in zip(self.spectrum.values, self.spectrum.vectors.T):
            if value > max(0.5, 4 * self.level.delta) or refuted >= 4:
                break
            status = self.verdict(vector).status
            if status == CERTIFIED:
                certified.append(vector)
            elif status == UNDECIDED and len(undecided) < _MOST_UNDECIDED:
                undecided.append(vector)
            refuted = refuted + 1 if status == REFUTED else 0
        return certified, undecided

    def _canonical(self, certified: Sequence[Array]) -> list[MapSymmetry]:
        if not certified:
            return []
        weights = np.sqrt(np.maximum(np.diag(self.matrix.bound), 1e-300))
        basis = _sparse_basis(np.stack(certified, axis=1), weights)
        form = Judge(self.matrix.operator, self.gram, weights, self.verdict, self.level)
        plain = [(v, self.verdict(v)) for v in basis.T]
        simple = [simplify(v, form) for v in basis.T]
        out = plain if _alike([v for v, _ in simple], weights) else simple
        out.sort(
            key=lambda pair: (pair[1].status != CERTIFIED, int(np.count_nonzero(pair[0])), pair[1].defect)
        )
        return [self._finding(v, verdict) for v, verdict in out]

    def _finding(self, weights: Array, verdict: Verdict) -> MapSymmetry:
        pivot = weights[int(np.argmax(np.abs(weights)))]
        scaled = weights / pivot
        generator = self.candidates.combine(scaled[:, None])
        label = _describe(generator)
        named = Generators(generator.dictionary, generator.coefficients, (label,))
        phi = np.tensordot(scaled, self.phi, 1)
        return MapSymmetry(label, named, phi[0] if len(phi) == 1 else phi, verdict)


def _assembled(search: _Search, findings: list[MapSymmetry], notes: tuple[str, ...]) -> MapSymmetries:
    kept = [f for f in findings if f.verdict.status == CERTIFIED]
    generators = search.candidates.combine(np.zeros((len(search.candidates), 0)))
    for finding in kept:
        generators = generators + finding.generator
    representation, values = search.representation, search.function.values
    if isinstance(representation, Given):
        d = len(values)
        representation = Given(np.array([f.phi for f in kept]).reshape(len(kept), d, d), values)
    algebra: LieAlgebra | None = None
    more: tuple[str, ...] = ()
    if kept:
        acting, around = _on_graphs(generators, kept, search)
        algebra, more = algebra_of(acting, around, max(f.verdict.upper for f in kept))
        if algebra is not None and algebra.closure_defect > _CLOSED:
            algebra = None
    if not search.spectrum.values.size:
        more = (*more, "the map does not change at all in the region: every candidate leaves it as it is")
    return MapSymmetries(
        tuple(findings),
        generators,
        representation,
        algebra,
        search.spectrum,
        search.region,
        search.level,
        (*notes, *more),
    )


def _on_graphs(
    generators: Generators, kept: Sequence[MapSymmetry], search: _Search
) -> tuple[Generators, Region]:
    """The generators acting on inputs and values together, (xi(x), phi y), where they do so by matrices.

    A group may act on the values alone, or in the same way on the inputs and by several matrices on the values: then the fields
    on the inputs do not tell its elements apart.
    """
    parts, region = generators.affine_parts(), search.region
    if parts is None or any(f.phi.ndim != 2 for f in kept):
        return generators, region
    n, d = generators.n_states, search.function.n_values
    a = np.zeros((len(kept), n + d, n + d + 1))
    a[:, :n, 0], a[:, :n, 1 : n + 1] = parts[1], parts[0]
    a[:, n:, n + 1 :] = [f.phi for f in kept]
    names = tuple(f"x{k + 1}" for k in range(n + d))
    scale = np.concatenate([region.scale, value_scale(region, d)])
    values = scale[n:] * np.random.default_rng(0).standard_normal((len(region.points), d))
    both = Region(np.hstack([region.points, values]), region.weights, scale, region.description)
    return Generators(Monomials(n + d, 1, names=names), a, generators.labels), both
