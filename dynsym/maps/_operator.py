"""The operators f -> A f - s f o g of a map, sampled on a region or exact in the coefficients of polynomials."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import Array, frozen
from ..dictionary import Dictionary, Monomials
from ..inner_product import Region
from ._affine import AffineMap

_MOST_POINTS = 800


def map_matrix(g: AffineMap, dictionary: Dictionary, region: Region) -> Array:
    """C -> A f - s f o g on a region: (m n, n p) acting on the coefficients C (n, p), flattened by rows.

    Row (sample, i), column (j, k):  A_ij theta_k(x) - s delta_ij theta_k(g x), in units of the scales.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import generic_region
    >>> d = dy.Monomials(1, 3)
    >>> odd = dy.maps.parity(1)
    >>> operator = dy.maps.map_matrix(odd, d, generic_region(d))
    >>> bool(abs(operator @ [0, 1, 0, -1]).max() < 1e-12)
    True
    """
    x, n, p = region.points, dictionary.n_states, dictionary.n_terms
    here, there = dictionary.evaluate(x), dictionary.evaluate(g(x))
    out = np.einsum("ij,mk->mijk", g.matrix, here)
    for i in range(n):
        out[:, i, i, :] -= g.sign * there
    out *= (region.roots[:, None] / region.scale)[:, :, None, None]
    return out.reshape(len(x) * n, n * p)


def map_sizes(g: AffineMap, here: Array, there: Array, region: Region) -> float:
    """|A f|^2 + |f o g|^2 on the region, from f at its points and at their images, (m, n) each."""
    both = (here @ g.matrix.T) ** 2 + there**2
    return float(region.weights @ np.sum(both / region.scale**2, axis=1))


def exact_map_matrix(g: AffineMap, dictionary: Monomials) -> Array:
    """C -> A C theta - s C theta o g in the coefficients of all monomials up to the degree: (n P, n p), exact.

    With theta(g x) = T^T theta(x) for the complete monomials, the image of C is A C E - s C E T^T, E the embedding of the
    dictionary's own monomials; rows of monomials outside of the dictionary say that the image may not leave it.
    """
    n, p = dictionary.n_states, dictionary.n_terms
    whole = dictionary if dictionary.is_complete else Monomials(n, dictionary.degree, dictionary.names)
    place = {tuple(row): k for k, row in enumerate(whole.exponents.tolist())}
    embed = np.zeros((p, whole.n_terms))
    embed[np.arange(p), [place[tuple(row)] for row in dictionary.exponents.tolist()]] = 1.0
    moved = embed @ whole.substitution(g.shift, g.matrix).T
    return np.kron(g.matrix, embed.T) - g.sign * np.kron(np.eye(n), moved.T)


def closed_region(region: Region, group: Sequence[AffineMap], seed: int = 0) -> Region:
    """The average of a region over a group of maps: its points and all their images, each with the weight of its origin.

    Squared scales are averaged in the same way, so that norms do not change under maps that are orthogonal in the units of
    the states. Where the group is large, fewer points of the region are carried along.
    """
    count = max(1, min(len(region.points), _MOST_POINTS // max(1, len(group))))
    pick = np.arange(len(region.points))
    if count < len(pick):
        pick = np.random.default_rng(seed).choice(len(pick), count, replace=False)
    points = np.concatenate([g(region.points[pick]) for g in group])
    weights = np.tile(region.weights[pick], len(group))
    scale = np.sqrt(np.mean([(g.matrix**2) @ region.scale**2 for g in group], axis=0))
    text = region.description if len(group) == 1 else f"{region.description} and its images under the maps"
    return Region(frozen(points), frozen(weights / weights.sum()), frozen(scale), text)
