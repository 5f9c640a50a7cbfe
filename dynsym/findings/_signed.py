"""Which changes of place and sign of the states are worth a verdict: cheap tests on the fitted field itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations, product
from math import factorial

import numpy as np

from .._checks import Array, DataError
from ..inner_product import Region
from ..maps import AffineMap
from ..maps._families import label_of
from ..regression import Model
from ..vector_field import VectorField

_MOST_STATES = 6
_MOST_FLIPS = 10  # states up to which all sign flips are tested when permutations are too many
_POINTS = 24
_NEAR = 0.35  # defects on a few points above this are not judged
_SCALES = 4.0  # states whose sizes differ by more than this factor are not exchanged
_OFF_CENTRE = 4.0  # means farther from 0 than this many deviations: the data do not cover the flipped state
_BATCH = 400


def signed_candidates(
    field: VectorField, region: Region, model: Model | VectorField
) -> tuple[list[AffineMap], int, tuple[str, ...]]:
    """Signed permutations that nearly hold on a few points, simplest first; how many there were; notes.

    A map that exchanges states of very different size, or flips one that the data show on one side of zero only, leads out
    of what the data cover and is left out. The count is of all of them, since these tests used the data.
    """
    n = field.n_states
    notes: tuple[str, ...] = ()
    only_flips = n > _MOST_STATES
    if only_flips:
        notes = (f"of {n} states only sign flips and time reversals were searched, not permutations",)
    if n > _MOST_FLIPS:
        notes = (f"of {n} states only parity and its time reversal were searched",)
    total = 2 ** (n + 1) * (1 if only_flips else factorial(n)) - 1
    centre, spread = _moments(model)
    flips = _flips(centre, spread, n)
    x = _some_points(field, region)
    if x is None:
        return [], max(total, 1), notes
    here = field.evaluate(x) / region.scale
    found: list[tuple[tuple[int, ...], AffineMap]] = []
    for order in [tuple(range(n))] if only_flips else _orders(spread, n):
        for signs in _batches(flips):
            found += _near(field, x, here, region.scale, np.array(order), signs)
    found.sort(key=lambda pair: pair[0])
    return [g for _, g in found], max(total if n <= _MOST_FLIPS else 3, 1), notes


def _moments(model: Model | VectorField) -> tuple[Array | None, Array | None]:
    if not isinstance(model, Model):
        return None, None
    x = np.concatenate([run.x for run in model.runs])
    x = x[np.isfinite(x).all(axis=1)]
    return x.mean(axis=0), x.std(axis=0)


def _flips(centre: Array | None, spread: Array | None, n: int) -> Array:
    """(k, n) sign vectors that the data cover."""
    if n > _MOST_FLIPS:
        return np.array([np.ones(n), -np.ones(n)])
    choices: list[tuple[float, ...]] = [(1.0, -1.0)] * n
    if centre is not None and spread is not None:
        choices = [
            (1.0, -1.0) if abs(c) <= _OFF_CENTRE * s else (1.0,) for c, s in zip(centre, spread, strict=True)
        ]
    return np.array(list(product(*choices)))


def _orders(spread: Array | None, n: int) -> Iterator[tuple[int, ...]]:
    for order in permutations(range(n)):
        if spread is None or np.all(spread[list(order)] <= _SCALES * spread):
            yield order


def _batches(flips: Array) -> Iterator[Array]:
    for first in range(0, len(flips), _BATCH):
        yield flips[first : first + _BATCH]


def _some_points(field: VectorField, region: Region) -> Array | None:
    pick = np.random.default_rng(0).choice(
        len(region.points), min(_POINTS, len(region.points)), p=region.weights / region.weights.sum()
    )
    x = region.points[pick]
    try:
        field.evaluate(x)
    except DataError:
        return None
    return x


def _near(
    field: VectorField, x: Array, here: Array, scale: Array, order: Array, signs: Array
) -> list[tuple[tuple[int, ...], AffineMap]]:
    """The maps g(x)_i = sign_i x_order(i) of small defect on the points, with what they are sorted by."""
    n = len(order)
    images = (x[None, :, order] * signs[:, None, :]).reshape(-1, n)
    try:
        there = field.evaluate(images).reshape(len(signs), len(x), n)
    except DataError:
        return []
    moved = (here * scale)[None, :, order] * signs[:, None, :]
    # Point by point relative, so that fast places do not decide alone.
    norm = np.maximum(np.sum((moved / scale) ** 2 + (there / scale) ** 2, axis=2), 1e-300)
    out: list[tuple[tuple[int, ...], AffineMap]] = []
    for reverses, s in ((False, 1.0), (True, -1.0)):
        gap = np.sum(((moved - s * there) / scale) ** 2, axis=2) / norm
        for k in np.flatnonzero(np.sqrt(np.mean(gap, axis=1)) <= _NEAR):
            g = _map(field.names, order, signs[k], reverses)
            if not g.is_identity:
                cycles = int(np.sum(order != np.arange(n)))
                out.append(((cycles, int(reverses), int(np.sum(signs[k] < 0))), g))
    return out


def _map(names: Sequence[str], order: Array, signs: Array, reverses: bool) -> AffineMap:
    a = signs[:, None] * np.eye(len(order))[order]
    return AffineMap(a, None, tuple(names), reverses, label_of(order.tolist(), signs.tolist(), reverses))
