"""Tangent spaces from local polynomial fits, each made twice from different neighbours so that noise does not look like defect.

In the frame of the local principal components a point is (u, v), v across; the fit v = h(u) of second order gives the foot
h(0) and the tangent space Dh(0). Products of two fits of disjoint halves of the neighbours have no bias from noise; a fit of
third order beside it shows the bias from curvature.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from .._checks import Array

_MOST_BASES = 600
_TRIAL_BASES = 120  # that the number of neighbours is chosen on
_ORDER = 2
_BLOCKS = 5  # 2^5 blocks of neighbouring base points, for standard errors
_SHARES = (0.01, 0.015, 0.02, 0.03, 0.04, 0.055, 0.07, 0.085, 0.12, 0.2)


@dataclass(frozen=True, eq=False)
class LocalFits:
    """Feet and normal projectors at b base points, from two disjoint halves of the neighbours of each.

    Attributes
    ----------
    feet
        (2, b, n).
    normals
        (2, b, n, n) projectors on the normal spaces.
    richer_feet, richer_normals
        The same from a fit of one order more.
    blocks
        (b,) the block that each base point belongs to.
    neighbours
        Points in each fit, both halves together.
    variance
        Mean squared error of a normal projector of one half.
    bias
        Mean squared difference that one order more makes.
    """

    feet: Array
    normals: Array
    richer_feet: Array
    richer_normals: Array
    blocks: npt.NDArray[np.intp]
    neighbours: int
    variance: float
    bias: float


def fit_tangents(x: Array, dimension: int, neighbours: int | None = None, seed: int = 0) -> LocalFits | str:
    """Local fits with the given number of neighbours, or the one that balances noise and curvature.

    Returns
    -------
    LocalFits, or in words why there are too few points.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.clouds import fit_tangents
    >>> t = np.linspace(0, 6, 500)
    >>> fits = fit_tangents(np.c_[np.cos(t), np.sin(t)], 1, neighbours=40)
    >>> bool(abs(np.einsum("bij,bj->bi", fits.normals[0], fits.feet[0] @ [[0, 1], [-1, 0]])).max() < 0.01)
    True
    """
    m = len(x)
    need = 2 * _count(dimension, _ORDER + 1) + 4
    rng = np.random.default_rng(seed)
    bases = np.sort(rng.choice(m, min(_MOST_BASES, m), replace=False))
    few = np.sort(rng.choice(m, min(_TRIAL_BASES, m), replace=False))
    # One split for all base points: the errors of both halves then look alike across neighbouring base points too.
    order = rng.permutation(m)
    halves = (np.sort(order[: m // 2]), np.sort(order[m // 2 :]))
    trees = (cKDTree(x[halves[0]]), cKDTree(x[halves[1]]))
    cloud = _Halves(x, halves, trees)
    sizes = [neighbours] if neighbours is not None else sorted({int(s * m) for s in _SHARES})
    sizes = [k for k in sizes if 2 * need <= k <= m // 3]
    if not sizes:
        return f"{m} points are too few for local fits of dimension {dimension}: they need {6 * need} or more"
    chosen = sizes[0]
    if len(sizes) > 1:
        trials = [_fits(cloud, few, dimension, k) for k in sizes]
        chosen = min(trials, key=lambda f: _cost(f, m)).neighbours
    return _fits(cloud, bases, dimension, chosen)


def _cost(fits: LocalFits, m: int) -> float:
    """What a bound on a squared defect would be: the spread of the mean of squared errors, and the bias."""
    return 3 * fits.variance * float(np.sqrt(2 * fits.neighbours / m)) + max(fits.bias, 0.0)


@dataclass(frozen=True, eq=False)
class _Halves:
    x: Array
    index: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
    trees: tuple[cKDTree, cKDTree]

    def near(self, bases: npt.NDArray[np.intp], half: int, k: int) -> npt.NDArray[np.intp]:
        """The k nearest points of one half to each base point, itself left out, (b, k)."""
        _, found = self.trees[half].query(self.x[bases], k=k + 1)
        own = self.index[half][found]
        own_first = own[:, :1] == bases[:, None]
        return np.where(own_first, own[:, 1:], own[:, :-1])


def _fits(cloud: _Halves, bases: npt.NDArray[np.intp], dimension: int, k: int) -> LocalFits:
    x = cloud.x
    feet: list[list[Array]] = [[], [], [], []]
    normals: list[list[Array]] = [[], [], [], []]
    half = k // 2
    near = np.concatenate([cloud.near(bases, 0, half), cloud.near(bases, 1, half)], axis=1)
    for base, around in zip(bases, near, strict=True):
        local = x[around] - x[base]
        frame = np.linalg.svd(local - local.mean(axis=0), full_matrices=True)[2]
        along, across = local @ frame[:dimension].T, local @ frame[dimension:].T
        for slot, (order, part) in enumerate(
            (order, part) for order in (_ORDER, _ORDER + 1) for part in (slice(None, half), slice(half, None))
        ):
            height, slope = _one_fit(along[part], across[part], order)
            feet[slot].append(x[base] + height @ frame[dimension:])
            normals[slot].append(_normal_projector(slope, frame, dimension))
    f, q = np.array(feet), np.array(normals)
    variance = 0.5 * float(np.mean(np.sum((q[0] - q[1]) ** 2, axis=(1, 2))))
    bias = float(np.mean(np.sum((q[0] - q[2]) * (q[1] - q[3]), axis=(1, 2))))
    return LocalFits(f[:2], q[:2], f[2:], q[2:], _split(x[bases]), k, variance, bias)


def _count(dimension: int, order: int) -> int:
    return sum(len(pick) for pick in _picks(dimension, order))


def _picks(dimension: int, order: int) -> list[list[tuple[int, ...]]]:
    return [list(combinations_with_replacement(range(dimension), k)) for k in range(order + 1)]


def _one_fit(along: Array, across: Array, order: int) -> tuple[Array, Array]:
    """h(0), (c,), and Dh(0), (c, d), of the polynomial fit v = h(u)."""
    scale = np.sqrt(np.mean(along**2))
    u = along / scale
    columns = [
        np.prod(u[:, list(pick)], axis=1) if pick else np.ones(len(u))
        for picks in _picks(u.shape[1], order)
        for pick in picks
    ]
    solved = np.linalg.lstsq(np.stack(columns, axis=1), across, rcond=1e-10)[0]
    return solved[0], solved[1 : 1 + u.shape[1]].T / scale


def _normal_projector(slope: Array, frame: Array, dimension: int) -> Array:
    """I - P with P the projector on the span of (I, Dh) in the frame."""
    tangent = np.linalg.qr(np.vstack([np.eye(dimension), slope]))[0]
    spanned = frame.T @ tangent
    return np.eye(len(frame)) - spanned @ spanned.T


def _split(points: Array) -> npt.NDArray[np.intp]:
    """Blocks of equal size by repeated cuts at the median of the widest coordinate."""
    label = np.zeros(len(points), dtype=np.intp)
    for _ in range(_BLOCKS):
        fresh = label * 2
        for block in np.unique(label):
            inside = np.flatnonzero(label == block)
            widest = int(np.argmax(np.ptp(points[inside], axis=0)))
            order = inside[np.argsort(points[inside, widest], kind="stable")]
            fresh[order[len(order) // 2 :]] += 1
        label = fresh
    return label
