"""Whether data on a region say anything about its image under a map: the coverage factor of a map."""

from __future__ import annotations

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


def coverage_factor(x: Array, images: Array) -> float:
    """Largest root-mean-square on the images of any polynomial of root-mean-square 1 on the samples.

    Parameters
    ----------
    x, images
        (m, n) samples, and points (k, n) that something is claimed about.

    References
    ----------
    Kendiukhov (2026), SymCert, for the coverage factor kappa' of two measures.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.findings._coverage import coverage_factor
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> round(coverage_factor(x, -x), 6), coverage_factor(x + 3, -x - 3) > 1e4
    (1.0, True)
    """
    n = x.shape[1]
    spread = x.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    centre = x.mean(axis=0)
    dictionary = Monomials(n, _DEGREES.get(n, 2))
    theta = dictionary.evaluate((x - centre) / scale)
    size = np.linalg.norm(theta, axis=0)
    _, values, right = np.linalg.svd(np.linalg.qr(theta / size, mode="r"))
    seen = values > _HIDDEN * values[0]
    whiten = (right[seen].T / values[seen]) / size[:, None] * np.sqrt(len(x))
    there = dictionary.evaluate((images - centre) / scale) @ whiten
    return float(np.linalg.norm(there, 2) / np.sqrt(len(images)))


def uncovered_by(model: Model, g: AffineMap, region: Region) -> str:
    """Why the data cannot carry a claim about the image of the region under a map, or an empty text."""
    x = np.concatenate([run.x for run in model.runs])
    x = x[np.isfinite(x).all(axis=1)]
    x = x[:: max(1, len(x) // _MOST_ROWS)]
    both = np.concatenate([g(region.points), g.inverse()(region.points)])
    factor = coverage_factor(x, both)
    if factor <= _LARGEST_FACTOR * max(1.0, coverage_factor(x, region.points)):
        return ""
    return (
        f"the data do not cover the image of the region under {g}: functions that are of size 1 on the data reach "
        f"{factor:.2g} there"
    )
