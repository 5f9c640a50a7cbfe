"""Promotion of maps: sum_g |K_g f - f|, K_g f = s A^-1 f o g for fields and rho(g)^-1 F o g for maps into a representation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .._checks import Array, require
from ..dictionary import Dictionary, Monomials
from ..inner_product import Region
from ..map_derivative import complete, exact_moved_matrix, map_action, moved_map_matrix, value_scale
from ..maps import AffineMap, exact_map_matrix, map_matrix
from ..optim import Composed, Group
from ..sections import Representation
from ..spectral import null_space
from ._kept import Kept, kept_maps

_ZERO = 1e-13  # entries of the operator below this, relative to the largest, are rounding
_VANISHED = (
    1e-8  # share of the coefficients' own image up to which a norm counts as zero: solvers stop near 1e-10
)
_FORCED = 1e-10  # length of a row of an orthonormal basis below which it is zero


@dataclass(frozen=True)
class MapBreaking(Composed):
    """weight * sum_g |K_g f - f| over maps, which it remembers; one group of rows of the operator for each."""

    maps: tuple[AffineMap, ...] = ()

    def sizes(self, coefficients: npt.ArrayLike) -> Array:
        """|K_g f - f| of each map, (k,), without the weight."""
        moved = self.operator @ np.asarray(coefficients, dtype=float).ravel()
        return np.array([float(np.linalg.norm(moved[list(rows)])) for rows in self._groups])

    @property
    def _groups(self) -> tuple[tuple[int, ...], ...]:
        assert isinstance(self.penalty, Group)
        return tuple(tuple(rows) for rows in self.penalty.groups or ())

    def _vanishing(self, c: Array) -> list[int]:
        whole = np.asarray(abs(self.operator) @ np.abs(c))
        return [
            k
            for k, (rows, size) in enumerate(zip(self._groups, self.sizes(c)))
            if size <= _VANISHED * float(np.linalg.norm(whole[list(rows)]))
        ]

    def snapped(self, coefficients: Array) -> Array:
        """Coefficients (d, p) moved onto K_g f = f, to rounding, for the maps whose norm a solver made zero to its tolerance.

        Coefficients that are zero stay zero.
        """
        c = np.array(coefficients, dtype=float).ravel()
        free = c != 0
        zero = [row for k in self._vanishing(c) for row in self._groups[k]]
        if zero and free.any():
            allowed = null_space(sparse.csr_matrix(self.operator)[zero][:, np.flatnonzero(free)].toarray())
            # A coefficient that no allowed direction moves is zero, not merely small.
            forced = np.linalg.norm(allowed, axis=1) < _FORCED
            c[free] = np.where(forced, 0.0, allowed @ (allowed.T @ c[free]))
        return c.reshape(np.shape(coefficients))

    def kept(self, coefficients: npt.ArrayLike) -> Kept:
        """Which maps the section with these coefficients has as symmetries, and the group that they generate."""
        c = np.asarray(coefficients, dtype=float).ravel()
        return kept_maps(self.maps, self.sizes(c), self._vanishing(c))


def over_maps(
    maps: AffineMap | Sequence[AffineMap],
    dictionary: Dictionary,
    weight: float,
    region: Region,
    representation: Representation | None,
) -> MapBreaking:
    """The penalty of `SymmetryBreaking` for maps."""
    every = [maps] if isinstance(maps, AffineMap) else list(maps)
    require(len(every) > 0, "no map was given")
    for g in every:
        require(
            g.n_states == dictionary.n_states,
            f"the map {g} acts on {g.n_states} states, the dictionary has {dictionary.n_states}",
        )
        require(not g.is_identity, f"the map {g} is the identity; leave it out")
    blocks = [_moved(g, dictionary, region, representation) for g in every]
    ends = np.cumsum([0, *(len(block) for block in blocks)])
    groups = tuple(tuple(range(a, b)) for a, b in pairwise(ends))
    return MapBreaking(Group(weight, groups), sparse.csr_matrix(np.vstack(blocks)), tuple(every))


def _moved(
    g: AffineMap, dictionary: Dictionary, region: Region, representation: Representation | None
) -> Array:
    """C -> f - K_g f, rows such that the Euclidean norm of the image is the norm of the penalty."""
    action = g.matrix if representation is None else map_action(g, representation)
    back, d = np.linalg.inv(action), len(action)
    scale = region.scale if representation is None else value_scale(region, d)
    if not isinstance(dictionary, Monomials):
        sampled = (
            map_matrix(g, dictionary, region)
            if representation is None
            else moved_map_matrix(g, representation, dictionary, region)
        )
        rows = sampled.reshape(len(region.points), d, -1)
        undone = np.einsum("ij,mjk->mik", back * (scale[None, :] / scale[:, None]), rows)
        return np.asarray(np.linalg.qr(undone.reshape(-1, rows.shape[2]), mode="r"))
    exact = (
        exact_map_matrix(g, dictionary)
        if representation is None
        else exact_moved_matrix(g, representation, dictionary)
    )
    size = np.sqrt(region.weights @ complete(dictionary).evaluate(region.points) ** 2)
    rows = np.kron(back / scale[:, None], np.diag(size)) @ exact
    # An orthonormal change of rows keeps the norm; rows that the map leaves empty say nothing.
    kept = rows[np.abs(rows).max(axis=1) > _ZERO * max(float(np.abs(rows).max()), 1e-300)]
    require(len(kept) > 0, f"every function of the dictionary is unchanged by {g}; leave it out")
    return np.where(np.abs(kept) > _ZERO * np.abs(kept).max(), kept, 0.0)
