"""Promotion: the nuclear norm of B(., f) as a convex penalty on the coefficients of f.

The rank of xi -> L_xi f is the number of candidate generators that f breaks; the nuclear norm is its convex
envelope, so the penalty breaks as few symmetries as the data demand. It is the detector of a symmetry, not
the last estimator: it also shrinks what it should keep (see `refit`).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ._checks import Array, require
from ._threads import one_blas_thread
from .dictionary import Dictionary
from .generators import Generators
from .inner_product import Region, generic_region
from .lie_derivative import equivariance_matrix
from .optim import Nuclear

_RANK = 1e-9
_ZERO = 1e-13  # entries of the reduced operator below this, relative to the largest, are rounding


def SymmetryBreaking(
    generators: Generators, dictionary: Dictionary, weight: float, region: Region | None = None
) -> Nuclear:
    """weight * | [L_xi1 f ... L_xiq f] |_*, the nuclear norm of the Lie derivatives over the candidates.

    Rows are (sample, component) on the region and are reduced to the span of all Lie derivatives by an
    orthogonal factorisation, so the penalty costs the same for any number of points; columns are the
    candidates, each of unit norm.

    Parameters
    ----------
    generators
        Candidates xi_1..xi_q.
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
    """
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
