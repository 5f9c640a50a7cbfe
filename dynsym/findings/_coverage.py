"""Whether data on a region say anything about its image under a map: the coverage factor of a map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .._checks import Array
from ..dictionary import Monomials
from ..inner_product import Region
from ..maps import AffineMap
from ..regression import Model

_LARGEST_FACTOR = 25.0  # by which polynomials of unit size on the data may grow on the image
_DEGREES = {1: 6, 2: 5, 3: 4, 4: 3, 5: 3, 6: 3}
_HIDDEN = 1e-4  # singular values below this share of the largest count as unseen by the data
_MOST_ROWS = 3000


@dataclass(frozen=True, eq=False)
class Coverage:
    """What samples see of polynomials: those of root-mean-square 1 on the samples, to be evaluated elsewhere.

    Attributes
    ----------
    centre, scale
        (n,) of the samples.
    whiten
        (p, k): polynomials in the centred and scaled states that are orthonormal on the samples.
    """

    centre: Array
    scale: Array
    whiten: Array

    @classmethod
    def of(cls, x: Array) -> Coverage:
        """From samples (m, n)."""
        spread = x.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        centre = x.mean(axis=0)
        theta = _polynomials(x.shape[1]).evaluate((x - centre) / scale)
        size = np.linalg.norm(theta, axis=0)
        _, values, right = np.linalg.svd(np.linalg.qr(theta / size, mode="r"))
        seen = values > _HIDDEN * values[0]
        return cls(centre, scale, (right[seen].T / values[seen]) / size[:, None] * np.sqrt(len(x)))

    def factor(self, points: Array) -> float:
        """Largest root-mean-square at points (k, n) of any polynomial of root-mean-square 1 on the samples.

        References
        ----------
        Kendiukhov (2026), SymCert, for the coverage factor kappa' of two measures.

        Examples
        --------
        >>> import numpy as np
        >>> from dynsym.findings._coverage import Coverage
        >>> x = np.linspace(-1, 1, 200)[:, None]
        >>> round(Coverage.of(x).factor(-x), 6), Coverage.of(x + 3).factor(-x - 3) > 1e4
        (1.0, True)
        """
        there = _polynomials(len(self.scale)).evaluate((points - self.centre) / self.scale) @ self.whiten
        return float(np.linalg.norm(there, 2) / np.sqrt(len(points)))


@cache
def _polynomials(n: int) -> Monomials:
    return Monomials(n, _DEGREES.get(n, 2))


def coverage_of(model: Model) -> Coverage:
    """What the data of a fit see."""
    x = np.concatenate([run.x for run in model.runs])
    x = x[np.isfinite(x).all(axis=1)]
    return Coverage.of(x[:: max(1, len(x) // _MOST_ROWS)])


def uncovered_by(coverage: Coverage, g: AffineMap, region: Region) -> str:
    """Why the data cannot carry a claim about the image of the region under a map, or an empty text."""
    both = np.concatenate([g(region.points), g.inverse()(region.points)])
    factor = coverage.factor(both)
    if factor <= _LARGEST_FACTOR * max(1.0, coverage.factor(region.points)):
        return ""
    return (
        f"the data do not cover the image of the region under {g}: functions that are of size 1 on the data reach "
        f"{factor:.2g} there"
    )
