"""The dimension of the submanifold under a cloud, from the gap in local principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .._checks import Array

_BASES = 200
_SHARES = (0.005, 0.01, 0.02, 0.04, 0.08)  # of all points, in each neighbourhood
_FEWEST = 4  # neighbours per state
_CLEAR = 4.0  # variance along the last tangent direction over that along the first normal one


@dataclass(frozen=True)
class Dimension:
    """An estimate d with its evidence: the ratio of local variances along and across the submanifold.

    Attributes
    ----------
    value
        d; n if no direction stands back.
    gap
        Ratio of the d-th to the (d+1)-th local variance, at the scale where it is largest.
    clear
        Whether the gap can be trusted.
    """

    value: int
    gap: float
    clear: bool


def intrinsic_dimension(x: Array, seed: int = 0) -> Dimension:
    """d with the largest gap between the d-th and the (d+1)-th local principal variance, over several scales.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.clouds import intrinsic_dimension
    >>> t = np.linspace(0, 6, 500)
    >>> intrinsic_dimension(np.c_[np.cos(t), np.sin(t), t]).value
    1
    """
    m, n = x.shape
    if n == 1:
        return Dimension(1, 1.0, False)
    tree = cKDTree(x)
    bases = np.random.default_rng(seed).choice(m, min(_BASES, m), replace=False)
    best = Dimension(n, 1.0, False)
    for k in sorted({min(m, max(_FEWEST * n, int(share * m))) for share in _SHARES}):
        _, near = tree.query(x[bases], k=k)
        local = x[near] - x[near].mean(axis=1, keepdims=True)
        variances = np.linalg.svd(local, compute_uv=False) ** 2 / k
        mean = np.exp(np.mean(np.log(np.maximum(variances, 1e-32 * variances[:, :1])), axis=0))
        gaps = mean[:-1] / mean[1:]
        d = int(np.argmax(gaps)) + 1
        if gaps[d - 1] > best.gap:
            best = Dimension(d, float(gaps[d - 1]), bool(gaps[d - 1] > _CLEAR))
    return best
