"""Enforcement: B(xi, .) with xi held, A f - s f o g with a map g held and grad h . f with h held are linear in f.

Of polynomials the constraint of a map is exact in the coefficients. All others are imposed on random points of a box; once
the points determine every function in the (finite-dimensional) image, the sampled null space is exact. Rows far outnumber
unknowns and repeat each other: they are reduced by an orthogonal factorisation before they become a `LinearConstraint`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import require
from .._threads import one_blas_thread
from ..dictionary import Dictionary, Monomials
from ..generators import Generators
from ..inner_product import Region, generic_region
from ..lie_derivative import equivariance_matrix
from ..maps import AffineMap, exact_map_matrix, map_matrix
from ..optim import LinearConstraint
from ..spectral import row_space
from ._rows import independent_rows


def equivariant_to(
    generators: Generators | AffineMap | Sequence[AffineMap],
    dictionary: Dictionary,
    region: Region | None = None,
) -> LinearConstraint:
    """The constraint L_xi f = 0 for generators, or A f = s f o g for maps, on the coefficients C of f = C theta.

    Parameters
    ----------
    generators
        Exact generators; noisy ones, taken at their word, usually leave only f = 0 (see `refit`). Or maps from
        `dynsym.maps`; of a group the generators are enough.
    dictionary
        The p functions theta_j.
    region
        Points on which the constraint is imposed; default generic points.

    Returns
    -------
    LinearConstraint
        On the n p coefficients, flattened by rows, with independent rows.

    Raises
    ------
    DataError
        If there is no generator, one depends on time, or the states do not match.

    Examples
    --------
    >>> import dynsym as dy
    >>> c = dy.equivariant_to(dy.generators.rotations(2), dy.Monomials(2, 1))
    >>> c.size - c.rank
    2
    >>> odd = dy.equivariant_to(dy.maps.parity(2), dy.Monomials(2, 3))
    >>> odd.size - odd.rank  # 2 x (2 linear + 4 cubic)
    12
    """
    if not isinstance(generators, Generators):
        return _under_maps(generators, dictionary, region)
    require(
        generators.n_states == dictionary.n_states,
        f"the generators act on {generators.n_states} states, the dictionary has {dictionary.n_states}",
    )
    require(len(generators) > 0, "no generator was given; there is nothing to enforce")
    require(
        generators.ramps() is None, "generators that depend on time (boosts) cannot be enforced on x' = f(x)"
    )
    where = generic_region(dictionary) if region is None else region
    with one_blas_thread():
        rows = [
            np.linalg.qr(
                equivariance_matrix(generators.combine(np.eye(len(generators))[:, [i]]), dictionary, where),
                "r",
            )
            for i in range(len(generators))
        ]
        return LinearConstraint(row_space(np.vstack(rows)))


def _under_maps(
    maps: AffineMap | Sequence[AffineMap], dictionary: Dictionary, region: Region | None
) -> LinearConstraint:
    every = [maps] if isinstance(maps, AffineMap) else list(maps)
    require(bool(every), "no map was given; there is nothing to enforce")
    for g in every:
        require(
            g.n_states == dictionary.n_states,
            f"the map {g} acts on {g.n_states} states, the dictionary has {dictionary.n_states}",
        )
    if isinstance(dictionary, Monomials):
        return LinearConstraint(np.vstack([exact_map_matrix(g, dictionary) for g in every]))
    where = generic_region(dictionary) if region is None else region
    return independent_rows(np.vstack([map_matrix(g, dictionary, where) for g in every]), dictionary, where)
