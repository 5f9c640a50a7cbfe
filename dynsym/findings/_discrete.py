"""The verb `discrete_symmetries`: which maps of the states a field has as symmetries or reversals, each with a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import DataError, require
from .._threads import one_blas_thread
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Evidence, Level, Verdict, judge
from ..dictionary._base import with_names
from ..inner_product import Region, defined_at, generic_region
from ..maps import AffineMap, FiniteGroup, closed_region, group_of, map_matrix, map_sizes
from ..regression import MapModel, Model
from ..sections import Representation, VectorFunction, trivial
from ..vector_field import VectorField
from ._coverage import Coverage, coverage_of, uncovered_by
from ._evidence import debiased, evidence_of
from ._listed import Listed
from ._map_discrete import judged_maps, region_of_map
from ._map_evidence import unshrunk
from ._signed import signed_candidates

_MOST_LISTED = (
    32  # beyond this many verdicts, products of certified maps follow from those and are not judged again
)
_MOST_JUDGED = 120
_MOST_UNDECIDED = 8  # shown of a search; a note says how many more there are
_SHOWN = 24  # rows of the printed table
_MOST_ELEMENTS = 48  # of the group whose images make the region; a larger one counts as not finite
_SLOW = 1e-3  # share of the median speed that keeps the weights of slow places finite


@dataclass(frozen=True, eq=False)
class DiscreteFinding:
    """One map with its verdict."""

    label: str
    map: AffineMap
    verdict: Verdict
    region: Region

    @property
    def expression(self) -> str:
        """The map as text."""
        return self.map.expression


@dataclass(frozen=True, eq=False)
class DiscreteSymmetries(Listed):
    """What `discrete_symmetries` found, with the evidence.

    Attributes
    ----------
    findings
        Certified maps first, then undecided ones, then refuted ones if they were asked for by name.
    group
        What the certified maps generate, or None if it is not finite or holds a map that the data refute.
    region
        What the verdicts speak of, before its images under the maps are added.
    level
        Tolerance and error level, shared among all candidates.
    warnings
        In words.
    """

    findings: tuple[DiscreteFinding, ...]
    group: FiniteGroup | None
    region: Region
    level: Level
    warnings: tuple[str, ...] = ()

    @property
    def maps(self) -> tuple[AffineMap, ...]:
        """The certified ones."""
        return tuple(f.map for f in self.findings if f.verdict.status == CERTIFIED)

    @property
    def name(self) -> str:
        """The name of the group."""
        return "not a finite group" if self.group is None else self.group.name

    def __str__(self) -> str:
        head = f"{len(self.maps)} certified maps of {self.level.trials} candidates; group: {self.name}"
        rows = [
            f"  {f.verdict.status:<10} {f.verdict.defect:8.1e} <= {f.verdict.upper:7.1e}  {f.expression}"
            for f in self.findings[:_SHOWN]
        ]
        if len(self.findings) > _SHOWN:
            rows.append(f"  and {len(self.findings) - _SHOWN} more, in .findings")
        tail = (
            f"  in {self.region.description} and its images; "
            f"delta = {self.level.delta:g}, alpha = {self.level.alpha:g}"
        )
        return "\n".join([head, *rows, tail, *(f"  note: {w}" for w in self.warnings)])

    def plot(self) -> Any:
        """The defect of each map with its bounds against the tolerance, as a matplotlib figure."""
        from .. import plot

        return plot.verdicts(self.findings, self.level, [f.expression for f in self.findings])


def discrete_symmetries(
    model: Model | VectorField | MapModel | VectorFunction,
    maps: AffineMap | Sequence[AffineMap] | None = None,
    delta: float = 0.05,
    alpha: float = 0.05,
    region: Region | None = None,
    representation: Representation | None = None,
) -> DiscreteSymmetries:
    """The maps g with f(g x) = s A f(x), s = -1 for those that reverse time, each with a verdict.

    The defect is |A f - s f o g| / sqrt(|A f|^2 + |f o g|^2) in L2 of the region together with its images under all powers
    of g; it is linear in the coefficients of f, and judged as that of a generator is. The data have to cover the images as
    well: polynomials that are small on the data must be small there.

    Parameters
    ----------
    model
        A fitted `Model`, or an exact `VectorField`; or a map y = F(x), a `MapModel` or a `VectorFunction`, which is judged by
        F(g x) = rho(g) F(x), relative to F without the constant that rho leaves alone.
    maps
        From `dynsym.maps`; default all changes of place and sign of up to six states, with and without reversal of time
        (of more states: each sign flip, parity and time reversals).
    delta
        Tolerance: the largest scale-free defect a certified map may have.
    alpha
        Error level, shared among the candidates.
    region
        What the verdicts speak of; default a tube around the data, or generic points for an exact field.
    representation
        Of a map, how its values turn; default they are invariants.

    Returns
    -------
    DiscreteSymmetries
        Prints as a table.

    Raises
    ------
    DataError
        If a map acts on other states than the field.

    Examples
    --------
    >>> import dynsym as dy
    >>> lorenz = dy.systems.get("lorenz").field()
    >>> found = dy.discrete_symmetries(lorenz)
    >>> [f.expression for f in found.findings], found.name
    (['(x, y, z) -> (-x, -y, z)'], 'Z2')
    """
    if isinstance(model, MapModel | VectorFunction):
        return _of_map(model, maps, representation, region, (delta, alpha))
    require(
        representation is None, "a vector field turns as the states do; representation is for maps y = F(x)"
    )
    model = debiased(model) if isinstance(model, Model) else model
    field = model.field if isinstance(model, Model) else model
    where = region if region is not None else _region(model)
    with one_blas_thread():
        notes: tuple[str, ...] = ()
        if maps is None:
            candidates, trials, notes = signed_candidates(field, where, model)
        else:
            candidates = [_over(g, field.names) for g in ([maps] if isinstance(maps, AffineMap) else maps)]
            require(len(candidates) > 0, "no map was given; leave maps out to search signed permutations")
            trials = len(candidates)
        level = Level(delta, alpha, max(1, trials))
        judged, more = _judge_all(candidates, model, where, level, searching=maps is None)
        findings, group, doubts = _grouped(judged, field.names, searching=maps is None)
    return DiscreteSymmetries(findings, group, where, level, (*notes, *more, *doubts))


def _of_map(
    model: MapModel | VectorFunction,
    maps: AffineMap | Sequence[AffineMap] | None,
    representation: Representation | None,
    region: Region | None,
    claim: tuple[float, float],
) -> DiscreteSymmetries:
    """The verdicts on a map y = F(x); of a fit with a penalty on the least-squares fit of all terms."""
    function = model.function if isinstance(model, MapModel) else model
    require(maps is not None, "for a map y = F(x) give the maps to test, such as dynsym.maps.parity(names)")
    every = [maps] if isinstance(maps, AffineMap) else list(maps or ())
    require(len(every) > 0, "no map was given")
    candidates = [_over(g, function.names) for g in every]
    plain = unshrunk(model) if isinstance(model, MapModel) else None
    where = region_of_map(model, region)
    level = Level(*claim, len(candidates))
    phi = trivial(function.n_values) if representation is None else representation
    with one_blas_thread():
        verdicts = judged_maps(plain or model, candidates, phi, where, level)
    judged = [
        DiscreteFinding(g.label or "map", g, verdict, around)
        for g, (verdict, around) in zip(candidates, verdicts)
    ]
    findings, group, doubts = _grouped(judged, function.names, searching=False)
    return DiscreteSymmetries(findings, group, where, level, doubts)


def _region(model: Model | VectorField) -> Region:
    return model.region if isinstance(model, Model) else generic_region(model.dictionary)


def _over(g: AffineMap, names: tuple[str, ...]) -> AffineMap:
    said = "the map acts on ({own}) but the field has the states ({names})"
    return with_names(g, names, said, "build it with the names of model.field.names")


def _judge_all(
    candidates: Sequence[AffineMap], model: Model | VectorField, region: Region, level: Level, searching: bool
) -> tuple[list[DiscreteFinding], tuple[str, ...]]:
    evidence = evidence_of(model)
    coverage = coverage_of(model) if isinstance(model, Model) else None
    out: list[DiscreteFinding] = []
    known: FiniteGroup | None = None
    for g in candidates:
        if searching and len(out) >= _MOST_LISTED and known is not None and g in known:
            continue
        if searching and len(out) >= _MOST_JUDGED:
            return out, (
                f"only the first {_MOST_JUDGED} of {len(candidates)} maps that nearly hold were judged",
            )
        out.append(_judged(g, model, region, (evidence, coverage), level))
        if len(out) == _MOST_LISTED:
            known = _generated([f.map for f in out if f.verdict.status == CERTIFIED])
    return out, ()


def _judged(
    g: AffineMap,
    model: Model | VectorField,
    region: Region,
    known: tuple[Evidence, Coverage | None],
    level: Level,
) -> DiscreteFinding:
    evidence, coverage = known
    field = model.field if isinstance(model, Model) else model
    label = g.label or ("reversal" if g.reverses_time else "map")
    try:
        around = _closed(g, field, region)
    except DataError as trouble:
        return DiscreteFinding(label, g, Verdict(UNDECIDED, np.nan, 0.0, np.sqrt(2), str(trouble)), region)
    here, there = field.evaluate(around.points), field.evaluate(g(around.points))
    size = map_sizes(g, here, there, around)
    if size == 0:
        return DiscreteFinding(label, g, Verdict(UNDECIDED, 0.0, 0.0, np.sqrt(2), "nothing moves"), around)
    blind = "" if coverage is None else uncovered_by(coverage, g, region)
    if blind:
        gap = around.roots[:, None] * (here @ g.matrix.T - g.sign * there) / around.scale
        defect = float(np.linalg.norm(gap) / np.sqrt(size))
        return DiscreteFinding(label, g, Verdict(UNDECIDED, defect, 0.0, np.sqrt(2), blind), around)
    operator = map_matrix(g, field.dictionary, around)
    return DiscreteFinding(label, g, judge(operator, size, evidence, level), around)


def _closed(g: AffineMap, field: VectorField, region: Region) -> Region:
    """The region with its images under the powers of g (under g and its inverse if no power is the identity), and
    weights such that slow and fast places count the same."""
    order = g.order(_MOST_ELEMENTS)
    powers = [AffineMap(np.eye(g.n_states), None, g.names)]
    if order is None:
        powers += [g, g.inverse()]
    for _ in range(1, order or 1):
        powers.append(g @ powers[-1])
    around = closed_region(region, powers)
    images = g(around.points)
    good = defined_at(field.dictionary, around.points) & defined_at(field.dictionary, images)
    require(
        bool(good.mean() >= 0.5),
        f"the dynamics are defined at only {int(good.sum())} of {len(good)} images of points around the data",
    )
    around = Region(around.points[good], around.weights[good], around.scale, around.description)
    both = field.evaluate(around.points) @ g.matrix.T, field.evaluate(images[good])
    speed = sum(np.sum((f / around.scale) ** 2, axis=1) for f in both)
    if not np.any(speed):
        return around
    return around.weighted(around.weights / (speed + _SLOW * np.median(speed) + 1e-9 * np.mean(speed)))


def _generated(maps: Sequence[AffineMap]) -> FiniteGroup | None:
    if not maps:
        return None
    try:
        return group_of(maps)
    except DataError:
        return None


def _grouped(
    judged: list[DiscreteFinding], names: tuple[str, ...], searching: bool
) -> tuple[tuple[DiscreteFinding, ...], FiniteGroup | None, tuple[str, ...]]:
    """Findings in their order, and the group of the certified ones, if no verdict speaks against it."""
    certified = [f for f in judged if f.verdict.status == CERTIFIED]
    undecided = [f for f in judged if f.verdict.status == UNDECIDED]
    refuted = [f for f in judged if f.verdict.status == REFUTED]
    notes: tuple[str, ...] = ()
    if searching and len(undecided) > _MOST_UNDECIDED:
        notes = (f"{len(undecided) - _MOST_UNDECIDED} more maps are undecided",)
        undecided = undecided[:_MOST_UNDECIDED]
    findings = (*certified, *undecided, *(() if searching else refuted))
    if not certified:
        return findings, group_of(AffineMap(np.eye(len(names)), None, names)), notes
    group = _generated([f.map for f in certified])
    if group is None:
        said = "the certified maps generate no finite group of a size that is listed"
        return findings, None, (*notes, said)
    open_ones = sum(f.map in group for f in judged if f.verdict.status == UNDECIDED)
    if open_ones:
        notes = (*notes, f"{open_ones} products of the certified maps are undecided taken by themselves")
    against = [f for f in refuted if f.map in group]
    if against:
        said = f"the certified maps generate {against[0].expression}, which the data refute: they hold only nearly"
        return findings, None, (*notes, said)
    return findings, group, notes
