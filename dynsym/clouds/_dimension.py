"""The dimension of the submanifold under a cloud: the fewest directions that the others are smooth functions of, locally."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy.spatial import cKDTree

from .._checks import Array

_BASES = 150
_SHARES = (0.0, 0.02, 0.035, 0.06, 0.1, 0.16)  # of all points, in each neighbourhood
_FEWEST = 8  # neighbours per coordinate: with fewer, chance alone spreads the principal variances
_CLEAR = 8.0  # variance along the last tangent direction over what is left across


@dataclass(frozen=True)
class Dimension:
    """An estimate d with its evidence.

    Attributes
    ----------
    value
        d; n if at no scale some directions are functions of others.
    gap
        Variance along the d-th local principal direction, over the variance across that a quadratic function of the first d
        leaves.
    clear
        Whether the gap can be trusted.
    """

    value: int
    gap: float
    clear: bool


def intrinsic_dimension(x: Array, seed: int = 0) -> Dimension:
    """The least d such that, at the smallest scale above the noise, all other directions are quadratic functions of d.

    Local principal variances alone mislead: along a noise-free helix they fall as r^2, r^4 and r^6, with the larger gap after
    the second. At scales below the noise all directions look alike and nothing is decided.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.clouds import intrinsic_dimension
    >>> t = np.linspace(0, 6, 500)
    >>> intrinsic_dimension(np.c_[np.cos(t), np.sin(t), t]).value
    1
    """
    m, n = x.shape
    tree = cKDTree(x)
    bases = np.random.default_rng(seed).choice(m, min(_BASES, m), replace=False)
    best = Dimension(n, 1.0, False)
    for k in sorted({min(m, max(_FEWEST * n, int(share * m))) for share in _SHARES}):
        _, near = tree.query(x[bases], k=k)
        gaps = np.exp(np.mean([_gaps(x[own]) for own in near], axis=0))
        for d, gap in enumerate(gaps, start=1):
            if gap > _CLEAR:
                return Dimension(d, float(gap), True)
            if gap > best.gap:
                best = Dimension(d, float(gap), False)
    return best


def _gaps(local: Array) -> Array:
    """For d = 1..n-1 the logarithm of the d-th variance over the largest one left across, (n - 1,)."""
    k, n = local.shape
    centred = local - local.mean(axis=0)
    _, values, frame = np.linalg.svd(centred, full_matrices=False)
    along = centred @ frame.T
    floor = 1e-28 * values[0] ** 2 / k
    out = []
    for d in range(1, n):
        u = along[:, :d] / values[:d] * np.sqrt(k)
        squares = [u[:, i] * u[:, j] for i, j in combinations_with_replacement(range(d), 2)]
        design = np.column_stack([np.ones(k), u, *squares])
        if 2 * design.shape[1] > k:
            out.append(0.0)
            continue
        basis = np.linalg.qr(design)[0]
        rest = along[:, d:] - basis @ (basis.T @ along[:, d:])
        left = np.linalg.norm(rest, 2) ** 2 / (k - design.shape[1])
        out.append(float(np.log(values[d - 1] ** 2 / k + floor) - np.log(left + floor)))
    return np.array(out)
