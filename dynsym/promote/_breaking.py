"""Promotion: convex penalties on the coefficients of f that vanish where symmetries hold.

For generators the nuclear norm of B(., f); for maps g the sum over g of |K_g f - f|, K_g f = s A^-1 f o g, whose terms become
zero one by one.

The rank of xi -> L_xi f is the number of candidate generators that f breaks; the nuclear norm is its convex
envelope, so the penalty breaks as few symmetries as the data demand. It is the detector of a symmetry, not
the last estimator: it also shrinks what it should keep (see `refit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import overload

import numpy as np
from scipy import sparse

from .._checks import Array, require
from .._threads import one_blas_thread
from ..dictionary import Dictionary, Monomials
from ..generators import Generators
from ..inner_product import Region, generic_region
from ..lie_derivative import equivariance_matrix
from ..maps import AffineMap, exact_map_matrix, map_matrix
from ..optim import Composed, Group, Nuclear

_RANK = 1e-9
_ZERO = 1e-13  # entries of the reduced operator below this, relative to the largest, are rounding


@overload
def SymmetryBreaking(
    generators: Generators, dictionary: Dictionary, weight: float, region: Region | None = None
) -> Nuclear: ...


@overload
def SymmetryBreaking(
    generators: AffineMap | Sequence[AffineMap],
    dictionary: Dictionary,
    weight: float,
    region: Region | None = None,
) -> Composed: ...


def SymmetryBreaking(
    generators: Generators | AffineMap | Sequence[AffineMap],
    dictionary: Dictionary,
    weight: float,
    region: Region | None = None,
) -> Nuclear | Composed:
    """weight * | [L_xi1 f ... L_xiq f] |_* over generators, or weight * sum_g |K_g f - f| over maps.

    Of generators, rows are (sample, component) on the region and are reduced to the span of all Lie derivatives by an
    orthogonal factorisation, so the penalty costs the same for any number of points; columns are the
    candidates, each of unit norm.

    Of maps, each norm is one group: it vanishes as a whole once the weight exceeds what the data say against that map, or
    shrinks without vanishing. Of polynomials the norm is taken of the coefficients of K_g f - f, each times the size of its
    monomial on the region, so that sign flips and time reversals leave exact zeros; of other functions it is the L2 norm on
    the region.

    Parameters
    ----------
    generators
        Candidates xi_1..xi_q, or maps from `dynsym.maps`.
    dictionary
        The p functions of f.
    weight
        Not negative.
    region
        Where the Lie derivatives are measured; default generic points of unit size. Pass `plain.region` of a
        first fit when states differ in scale.

    Raises
    ------
    DataError
        If there is no candidate, one is zero or depends on time, or the states do not match.

    References
    ----------
    Otto, Zolman, Kutz, Brunton (2025), JMLR 26(248), section on promoting symmetry.

    Examples
    --------
    >>> import dynsym as dy
    >>> d = dy.Monomials(2, 1)
    >>> penalty = dy.SymmetryBreaking(dy.generators.rotations(2), d, weight=1.0)
    >>> turn = [[0, 0, -1], [0, 1, 0]]
    >>> round(penalty.value(turn), 12)
    0.0
    >>> odd = dy.SymmetryBreaking(dy.maps.parity(2), d, weight=1.0)
    >>> odd.value(turn), odd.value([[1, 0, 0], [0, 0, 0]])
    (0.0, 2.0)
    """
    if not isinstance(generators, Generators):
        return _over_maps(generators, dictionary, weight, region)
    require(len(generators) > 0, "no candidate generator was given")
    require(
        generators.n_states == dictionary.n_states,
        f"the generators act on {generators.n_states} states, the dictionary has {dictionary.n_states}",
    )
    zero = [label for label, row in zip(generators.labels, generators.vectors) if not row.any()]
    require(not zero, f"the candidates {', '.join(zero)} are zero; leave them out")
    require(generators.ramps() is None, "generators that depend on time cannot be promoted on x' = f(x)")
    where = generic_region(dictionary) if region is None else region
    with one_blas_thread():
        blocks = broken_blocks(generators, dictionary, where)
    reduced = np.stack(blocks, axis=1).reshape(-1, blocks[0].shape[1])  # row i q + j is entry (i, j)
    reduced[np.abs(reduced) <= _ZERO * np.abs(reduced).max(initial=0.0)] = 0.0
    share = np.count_nonzero(reduced) / max(reduced.size, 1)
    matrix = sparse.csr_matrix(reduced) if share < 0.2 else reduced
    return Nuclear(weight, matrix, (len(blocks[0]), len(generators)))


def _over_maps(
    maps: AffineMap | Sequence[AffineMap], dictionary: Dictionary, weight: float, region: Region | None
) -> Composed:
    every = [maps] if isinstance(maps, AffineMap) else list(maps)
    require(len(every) > 0, "no map was given")
    for g in every:
        require(
            g.n_states == dictionary.n_states,
            f"the map {g} acts on {g.n_states} states, the dictionary has {dictionary.n_states}",
        )
        require(not g.is_identity, f"the map {g} is the identity; leave it out")
    where = generic_region(dictionary) if region is None else region
    blocks = [_moved(g, dictionary, where) for g in every]
    ends = np.cumsum([0, *(len(block) for block in blocks)])
    groups = tuple(tuple(range(a, b)) for a, b in pairwise(ends))
    return Composed(Group(weight, groups), sparse.csr_matrix(np.vstack(blocks)))


def _moved(g: AffineMap, dictionary: Dictionary, region: Region) -> Array:
    """C -> f - K_g f, rows such that the Euclidean norm of the image is the norm of the penalty."""
    n = dictionary.n_states
    back = np.linalg.inv(g.matrix)
    if not isinstance(dictionary, Monomials):
        rows = map_matrix(g, dictionary, region).reshape(len(region.points), n, -1)
        undone = np.einsum("ij,mjk->mik", back * (region.scale[None, :] / region.scale[:, None]), rows)
        return np.asarray(np.linalg.qr(undone.reshape(-1, rows.shape[2]), mode="r"))
    exact = exact_map_matrix(g, dictionary)
    whole = Monomials(n, dictionary.degree, dictionary.names)
    size = np.sqrt(region.weights @ whole.evaluate(region.points) ** 2)
    rows = np.kron(back / region.scale[:, None], np.diag(size)) @ exact
    # An orthonormal change of rows keeps the norm; rows that the map leaves empty say nothing.
    kept = rows[np.abs(rows).max(axis=1) > _ZERO * max(float(np.abs(rows).max()), 1e-300)]
    require(len(kept) > 0, f"every function of the dictionary is unchanged by {g}; leave it out")
    return np.where(np.abs(kept) > _ZERO * np.abs(kept).max(), kept, 0.0)


def broken_blocks(generators: Generators, dictionary: Dictionary, region: Region) -> list[Array]:
    """The maps C -> L_xi f of the q candidates, (a, n p) each, in one orthonormal basis of all of them."""
    q = len(generators)
    norms = np.linalg.norm(generators.vectors, axis=1)
    maps = [
        equivariance_matrix(generators.combine(np.eye(q)[:, [i]] / norms[i]), dictionary, region)
        for i in range(q)
    ]
    basis = np.zeros((len(maps[0]), 0))
    for part in maps:
        fresh = part - basis @ (basis.T @ part)
        left, values, _ = np.linalg.svd(fresh, full_matrices=False)
        scale = max(float(np.linalg.norm(part, 2)), 1e-300)
        basis = np.hstack([basis, left[:, values > _RANK * scale]])
    return [basis.T @ part for part in maps]
