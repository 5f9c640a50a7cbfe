"""Enforcement: B(xi, .) with xi held, and A f - s f o g or rho(g) F - F o g with a map g held, are linear in the section.

Of polynomials the constraint of a map is exact in the coefficients. All others are imposed on random points of a box; once
the points determine every function in the (finite-dimensional) image, the sampled null space is exact. Rows far outnumber
unknowns and repeat each other: they are reduced by an orthogonal factorisation before they become a `LinearConstraint`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import Array, require
from .._threads import one_blas_thread
from ..dictionary import Dictionary, Monomials
from ..generators import Generators
from ..inner_product import Region, generic_region
from ..lie_derivative import equivariance_matrix
from ..map_derivative import actions, exact_moved_matrix, map_equivariance_matrix, moved_map_matrix
from ..maps import AffineMap, exact_map_matrix, map_matrix
from ..optim import LinearConstraint
from ..sections import Representation
from ..spectral import row_space
from ._rows import independent_rows


def equivariant_to(
    generators: Generators | AffineMap | Sequence[AffineMap],
    dictionary: Dictionary,
    region: Region | None = None,
    representation: Representation | None = None,
) -> LinearConstraint:
    """The constraint L_xi f = 0 for generators, or K_g f = f for maps, on the coefficients C of f = C theta.

    A vector field f meets A f = s f o g under a map g; a map F into a representation L_xi F = DF xi - phi(xi) F = 0 under
    generators, and rho(g) F = F o g under maps.

    Parameters
    ----------
    generators
        Exact generators; noisy ones, taken at their word, usually leave only f = 0 (see `refit`). Or maps from
        `dynsym.maps`; of a group the generators are enough.
    dictionary
        The p functions theta_j.
    region
        Points on which the constraint is imposed; default generic points.
    representation
        Of a map y = F(x), how its d values turn; default f is a vector field.

    Returns
    -------
    LinearConstraint
        On the n p (or d p) coefficients, flattened by rows, with independent rows.

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
    >>> round_ = dy.equivariant_to(
    ...     dy.generators.rotations(3), dy.Monomials(3, 4), None, dy.sections.trivial()
    ... )
    >>> round_.size - round_.rank  # 1, r^2, r^4
    3
    """
    if not isinstance(generators, Generators):
        return _under_maps(generators, dictionary, region, representation)
    require(
        generators.n_states == dictionary.n_states,
        f"the generators act on {generators.n_states} states, the dictionary has {dictionary.n_states}",
    )
    require(len(generators) > 0, "no generator was given; there is nothing to enforce")
    require(
        generators.ramps() is None, "generators that depend on time (boosts) cannot be enforced on x' = f(x)"
    )
    where = generic_region(dictionary) if region is None else region
    phi = None if representation is None else actions(generators, representation, where.points)
    with one_blas_thread():
        rows = []
        for i in range(len(generators)):
            one = generators.combine(np.eye(len(generators))[:, [i]])
            if phi is None:
                sampled = equivariance_matrix(one, dictionary, where)
            else:
                sampled = map_equivariance_matrix(one, phi[i], dictionary, where)
            rows.append(np.linalg.qr(sampled, "r"))
        return LinearConstraint(row_space(np.vstack(rows)))


def _under_maps(
    maps: AffineMap | Sequence[AffineMap],
    dictionary: Dictionary,
    region: Region | None,
    representation: Representation | None,
) -> LinearConstraint:
    every = [maps] if isinstance(maps, AffineMap) else list(maps)
    require(bool(every), "no map was given; there is nothing to enforce")
    for g in every:
        require(
            g.n_states == dictionary.n_states,
            f"the map {g} acts on {g.n_states} states, the dictionary has {dictionary.n_states}",
        )
    if isinstance(dictionary, Monomials):
        return LinearConstraint(np.vstack([_exact(g, dictionary, representation) for g in every]))
    where = generic_region(dictionary) if region is None else region
    sampled = [
        map_matrix(g, dictionary, where)
        if representation is None
        else moved_map_matrix(g, representation, dictionary, where)
        for g in every
    ]
    return independent_rows(np.vstack(sampled), dictionary, where)


def _exact(g: AffineMap, dictionary: Monomials, representation: Representation | None) -> Array:
    if representation is None:
        return exact_map_matrix(g, dictionary)
    return exact_moved_matrix(g, representation, dictionary)
