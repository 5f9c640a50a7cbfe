"""Which maps g of the inputs a map F has as symmetries, F(g x) = rho(g) F(x), each with a verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import Array, DataError, frozen, require
from ..certify import UNDECIDED, Evidence, Level, Verdict, judge
from ..inner_product import Region, defined_at, generic_region
from ..map_derivative import MapRegion, map_action, moved_map_matrix, value_scale
from ..maps import AffineMap, closed_region
from ..regression import MapModel
from ..sections import Representation, VectorFunction
from ._coverage import Coverage, uncovered_by
from ._map_evidence import evidence_of_map

_MOST_ELEMENTS = 48  # of the group whose images make the region; a larger one counts as not finite


def judged_maps(
    model: MapModel | VectorFunction,
    maps: Sequence[AffineMap],
    representation: Representation,
    region: Region,
    level: Level,
) -> list[tuple[Verdict, Region]]:
    """The verdict on each map, and the region that it speaks of."""
    fitted = isinstance(model, MapModel)
    function = model.function if isinstance(model, MapModel) else model
    coverage = Coverage.of(model.pairs.x) if isinstance(model, MapModel) else None
    evidence = evidence_of_map(model)
    out = []
    for g in maps:
        blind = "" if coverage is None else uncovered_by(coverage, g, region)
        if fitted and blind:
            out.append((Verdict(UNDECIDED, float("nan"), 0.0, float(np.sqrt(2)), blind), region))
        else:
            out.append(_judged(g, function, representation, region, evidence, level))
    return out


def _judged(
    g: AffineMap,
    function: VectorFunction,
    representation: Representation,
    region: Region,
    evidence: Evidence,
    level: Level,
) -> tuple[Verdict, Region]:
    rho = map_action(g, representation)
    require(
        len(rho) == function.n_values,
        f"the representation {representation} has {len(rho)} values, the map has {function.n_values}",
    )
    try:
        around = _closed(g, rho, function, region)
    except DataError as trouble:
        return Verdict(UNDECIDED, float("nan"), 0.0, float(np.sqrt(2)), str(trouble)), region
    size = _size(g, rho, function, around)
    if size == 0:
        return Verdict(
            UNDECIDED, 0.0, 0.0, float(np.sqrt(2)), "the map does not change in the region"
        ), around
    operator = moved_map_matrix(g, representation, function.dictionary, around)
    return judge(operator, size, evidence, level), around


def _size(g: AffineMap, rho: Array, function: VectorFunction, region: Region) -> float:
    """|rho F|^2 + |F o g|^2 of F without the constant that rho leaves alone, which says nothing about a symmetry."""
    t = value_scale(region, len(rho))
    here, there = function.evaluate(region.points) / t, function.evaluate(g(region.points)) / t
    action = rho * (t[None, :] / t[:, None])
    values, right = np.linalg.svd(action - np.eye(len(rho)))[1:]
    fixed = right[values <= 1e-9 * max(float(np.linalg.norm(action, 2)), 1.0)]
    constant = fixed.T @ (fixed @ (region.weights @ (here + there) / 2))
    both = ((here - constant) @ action.T) ** 2 + (there - constant) ** 2
    size = float(region.weights @ np.sum(both, axis=1))
    whole = float(region.weights @ np.sum(here**2 + there**2, axis=1))
    return size if size > 1e-24 * whole else 0.0


def _closed(g: AffineMap, rho: Array, function: VectorFunction, region: Region) -> MapRegion:
    """The region with its images under the powers of g (under g and its inverse if no power is the identity)."""
    order = g.order(_MOST_ELEMENTS)
    powers, turned = [AffineMap(np.eye(g.n_states), None, g.names)], [np.eye(len(rho))]
    if order is None:
        powers += [g, g.inverse()]
        turned += [rho, np.asarray(np.linalg.inv(rho), dtype=float)]
    for _ in range(1, order or 1):
        powers.append(g @ powers[-1])
        turned.append(rho @ turned[-1])
    around = closed_region(region, powers)
    own = value_scale(region, len(rho))
    scale = np.sqrt(np.mean([(r**2) @ own**2 for r in turned], axis=0))
    good = defined_at(function.dictionary, around.points) & defined_at(function.dictionary, g(around.points))
    require(
        bool(good.mean() >= 0.5),
        f"the map is defined at only {int(good.sum())} of {len(good)} images of points around the samples",
    )
    weights = around.weights[good]
    return MapRegion(
        around.points[good], frozen(weights / weights.sum()), around.scale, around.description, frozen(scale)
    )


def region_of_map(model: MapModel | VectorFunction, region: Region | None) -> Region:
    """What verdicts about a map speak of: as asked for, with the scales of the values where they are known."""
    if isinstance(region, MapRegion):
        return region
    if not isinstance(model, MapModel):
        return generic_region(model.dictionary) if region is None else region
    own = model.region
    if region is None:
        return own
    return MapRegion(region.points, region.weights, region.scale, region.description, own.value_scale)
