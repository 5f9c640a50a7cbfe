"""Promotion: convex penalties on the coefficients of a section that vanish where symmetries hold.

For generators the nuclear norm of B(., f); for maps g the sum over g of |K_g f - f|, whose terms become zero one by one.

The rank of xi -> L_xi f is the number of candidate generators that f breaks; the nuclear norm is its convex
envelope, so the penalty breaks as few symmetries as the data demand. It is the detector of a symmetry, not
the last estimator: it also shrinks what it should keep (see `refit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .._checks import Array, require
from .._threads import one_blas_thread
from ..dictionary import Dictionary
from ..generators import Generators, InnerProduct, orthonormal_weights
from ..inner_product import Region, generic_region
from ..lie_derivative import equivariance_matrix
from ..map_derivative import MapRegion, actions, map_equivariance_matrix, value_scale
from ..maps import AffineMap
from ..optim import Nuclear
from ..sections import Representation
from ..spectral import joint_range
from ._kept import Kept, kept_generators
from ._moved import MapBreaking, over_maps

_RANK = 1e-9
_ROUNDING = 1e-13  # a column below this share of what it would be without cancellation is zero
_ZERO = (
    1e-13  # entries of the reduced operator below this, relative to the largest of their column, are rounding
)


@dataclass(frozen=True)
class GeneratorBreaking(Nuclear):
    """The nuclear norm of [L_xi1 f ... L_xir f] over an orthonormal basis of candidates, which it remembers."""

    basis: Generators | None = None

    def kept(self, coefficients: npt.ArrayLike) -> Kept:
        """Which combinations of candidates the section with these coefficients does not break."""
        assert self.basis is not None
        c = np.asarray(coefficients, dtype=float).ravel()
        size = float(np.linalg.norm(np.asarray(abs(self.operator) @ np.abs(c))))
        return kept_generators(self.basis, np.asarray(self.operator @ c).reshape(self.shape), size)


@overload
def SymmetryBreaking(
    generators: Generators,
    dictionary: Dictionary,
    weight: float,
    region: Region | None = None,
    representation: Representation | None = None,
    product: InnerProduct | None = None,
) -> GeneratorBreaking: ...


@overload
def SymmetryBreaking(
    generators: AffineMap | Sequence[AffineMap],
    dictionary: Dictionary,
    weight: float,
    region: Region | None = None,
    representation: Representation | None = None,
    product: InnerProduct | None = None,
) -> MapBreaking: ...


def SymmetryBreaking(
    generators: Generators | AffineMap | Sequence[AffineMap],
    dictionary: Dictionary,
    weight: float,
    region: Region | None = None,
    representation: Representation | None = None,
    product: InnerProduct | None = None,
) -> GeneratorBreaking | MapBreaking:
    """weight * | [L_xi1 f ... L_xiq f] |_* over generators, or weight * sum_g |K_g f - f| over maps.

    Of generators, rows are (sample, component) on the region and are reduced to the span of all Lie derivatives by an
    orthogonal factorisation, so the penalty costs the same for any number of points; columns are an orthonormal basis of the
    candidates, so that of their basis nothing enters but the inner product.

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
    representation
        Of a map y = F(x), how its values turn; default f is a vector field.
    product
        What a unit candidate is: `Frobenius` (default) or `OnRegion`, which does not depend on units.

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
    >>> shift = dy.SymmetryBreaking(dy.generators.translations(2), d, 1.0, None, dy.sections.trivial())
    >>> round(shift.value([[7, 3, 4]]), 12)  # the length of the gradient of 7 + 3 x1 + 4 x2
    5.0
    """
    where = generic_region(dictionary) if region is None else region
    if not isinstance(generators, Generators):
        require(product is None, "maps have no inner product; leave product out")
        return over_maps(generators, dictionary, weight, where, representation)
    require(len(generators) > 0, "no candidate generator was given")
    require(
        generators.n_states == dictionary.n_states,
        f"the generators act on {generators.n_states} states, the dictionary has {dictionary.n_states}",
    )
    require(generators.ramps() is None, "generators that depend on time cannot be promoted on x' = f(x)")
    with one_blas_thread():
        weights = orthonormal_weights(generators, product)
        blocks = broken_blocks(generators, dictionary, where, representation, weights)
    reduced = np.stack(blocks, axis=1).reshape(-1, blocks[0].shape[1])  # row i q + j is entry (i, j)
    reduced[np.abs(reduced) <= _ZERO * np.abs(reduced).max(axis=0, initial=0.0)] = 0.0
    require(
        reduced.size > 0,
        "no function of the dictionary changes under the candidates: there is no symmetry to break",
    )
    share = np.count_nonzero(reduced) / reduced.size
    matrix = sparse.csr_matrix(reduced) if share < 0.2 else reduced
    shape = (len(blocks[0]), weights.shape[1])
    return GeneratorBreaking(weight, matrix, shape, generators.combine(weights))


def broken_blocks(
    generators: Generators,
    dictionary: Dictionary,
    region: Region,
    representation: Representation | None = None,
    weights: Array | None = None,
) -> list[Array]:
    """The maps C -> L_xi f of combinations (q, r) of the candidates, (a, n p) each, in one orthonormal basis of them all."""
    if weights is None:
        weights = orthonormal_weights(generators)
    phi = None if representation is None else actions(generators, representation, region.points)
    maps = []
    for w in weights.T:
        one = generators.combine(w[:, None])
        if phi is None:
            maps.append(equivariance_matrix(one, dictionary, region))
        else:
            maps.append(map_equivariance_matrix(one, np.tensordot(w, phi, 1), dictionary, region))
    natural = _natural(generators.combine(weights), dictionary, region, maps[0].shape[1])
    for part in maps:
        part[:, np.linalg.norm(part, axis=0) <= _ROUNDING * natural] = 0.0
    # Columns at equal size: in other units of the states a coefficient may be as large as its function is small.
    size = np.sqrt(sum(np.sum(part**2, axis=0) for part in maps))
    size = np.where(size > 0, size, 1.0)
    basis = joint_range([part / size for part in maps], _RANK)
    return [basis.T @ part for part in maps]


def _natural(generators: Generators, dictionary: Dictionary, region: Region, columns: int) -> Array:
    """Size that each column of a Lie derivative would have if nothing cancelled, to tell zeros from rounding."""
    x, s, w = region.points, region.scale, region.weights
    d = columns // dictionary.n_terms
    moved = float(np.sqrt((w @ np.sum((generators.evaluate(x) / s) ** 2, axis=2).T).max()))
    turned = float(np.sqrt((w @ np.sum(generators.jacobian(x) ** 2, axis=(2, 3)).T).max()))
    term = moved * np.sqrt(w @ np.sum((dictionary.jacobian(x) * s) ** 2, axis=2))
    term = term + turned * np.sqrt(w @ dictionary.evaluate(x) ** 2)
    own = s if d == len(s) and not isinstance(region, MapRegion) else value_scale(region, d)
    return np.asarray((term[None, :] / own[:, None]).ravel())
