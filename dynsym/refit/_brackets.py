"""The Lie derivative of the fields over a dictionary along all candidates, in coordinates made for many small solves.

Fields are written in coordinates c whose Euclidean norm is the L2 norm of the field on the region (in units of the states),
so that spectra of B(xi, .) mean the same for every dictionary, and a subspace of fields is a matrix with orthonormal columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.linalg as sla

from .._checks import Array, frozen
from ..dictionary import Dictionary
from ..generators import Generators
from ..inner_product import Region
from ..promote import broken_blocks

_RANK = 1e-9
_WORST = 1e7  # condition number up to which functions are made orthonormal; beyond, they only get unit length


@dataclass(frozen=True, eq=False)
class Frame:
    """Coefficients C (n, p) and coordinates (n, p), C_i = s_i c_i R^-T, with |c| the L2 norm of C theta on a region.

    Attributes
    ----------
    root
        R, (p, p).
    scale
        s, (n,) units of the states.
    """

    root: Array
    scale: Array

    @classmethod
    def of(cls, dictionary: Dictionary, region: Region) -> Frame:
        """The frame of a dictionary on a region."""
        theta = dictionary.evaluate(region.points) * region.roots[:, None]
        size = np.linalg.norm(theta, axis=0)
        size = np.where(size > 0, size, 1.0)
        root = np.linalg.qr(theta / size, mode="r") * size if len(theta) >= len(size) else np.diag(size)
        good = len(root) == len(size) and np.linalg.cond(root / size) < _WORST
        return cls(frozen(root if good else np.diag(size)), frozen(region.scale))

    def coefficients(self, c: Array) -> Array:
        """(n p,) coordinates as C (n, p)."""
        flat = c.reshape(len(self.scale), -1)
        return np.asarray(np.linalg.solve(self.root, flat.T).T * self.scale[:, None])

    def coordinates(self, c: Array) -> Array:
        """C (n, p) as coordinates (n p,)."""
        return np.asarray((c / self.scale[:, None]) @ self.root.T).ravel()

    def unframed(self, theta: Array) -> Array:
        """Rows theta (k, p) as rows that act on the coordinates of one equation, s_i left to the caller."""
        return np.asarray(np.linalg.solve(self.root.T, theta.T).T)


class Brackets(Protocol):
    """B(xi, c) for candidates xi and coordinates c, by its two readings."""

    def of_field(self, c: Array) -> Array:
        """B(., c): (rows, q)."""

    def along(self, weights: Array) -> Array:
        """B(xi, .) of one generator with weights (q,): (rows, n p)."""


@dataclass(frozen=True, eq=False)
class AffineBrackets:
    """For xi = A x + a with time part b:  C -> C M^T - A C T^T + b C T^T, never as an (n p, n p) matrix for each candidate.

    Attributes
    ----------
    moved
        M, (q, P, p): the functions xi . grad theta_k in an orthonormal basis of the P functions that occur.
    fixed
        T, (P, p): the functions theta_k in the same basis.
    matrices
        A in units of the states, (q, n, n).
    times
        b, (q,).
    """

    moved: Array
    fixed: Array
    matrices: Array
    times: Array

    def of_field(self, c: Array) -> Array:
        n, p = self.matrices.shape[1], self.fixed.shape[1]
        flat = c.reshape(n, p)
        pushed = np.tensordot(flat, self.moved, axes=(1, 2))  # (n, q, P)
        here = flat @ self.fixed.T
        pulled = np.tensordot(self.matrices, here, axes=(2, 0))  # (q, n, P)
        out = pushed.transpose(0, 2, 1) - pulled.transpose(1, 2, 0) + here[:, :, None] * self.times
        return np.asarray(out.reshape(-1, len(self.times)))

    def along(self, weights: Array) -> Array:
        moved = np.tensordot(weights, self.moved, axes=1) + (weights @ self.times) * self.fixed
        matrix = np.tensordot(weights, self.matrices, axes=1)
        n = len(matrix)
        out = -matrix[:, None, :, None] * self.fixed[None, :, None, :]
        for i in range(n):
            out[i, :, i, :] += moved
        return np.asarray(out.reshape(n * len(self.fixed), -1))


@dataclass(frozen=True, eq=False)
class SampledBrackets:
    """For any generators: one matrix (rows, n p) for each candidate, (q, rows, n p)."""

    blocks: Array

    def of_field(self, c: Array) -> Array:
        return np.asarray((self.blocks @ c).T)

    def along(self, weights: Array) -> Array:
        return np.asarray(np.tensordot(weights, self.blocks, axes=1))


def brackets_on(family: Generators, dictionary: Dictionary, region: Region, frame: Frame) -> Brackets:
    """B over a family of candidates and a dictionary, in the coordinates of a frame."""
    affine = family.affine_parts()
    if affine is None:
        return _sampled(family, dictionary, region, frame)
    slope = dictionary.jacobian(region.points) * region.roots[:, None, None]
    theta = frame.unframed(dictionary.evaluate(region.points) * region.roots[:, None])
    basis, s, _ = np.linalg.svd(theta, full_matrices=False)
    basis = basis[:, s > _RANK * s[0]]
    moved = _along(family, slope, region, frame)
    basis = np.hstack([basis, _beyond(basis, moved)])
    assert family.time_scaling is not None
    return AffineBrackets(
        np.einsum("mP,qmp->qPp", basis, moved, optimize=True),
        basis.T @ theta,
        affine[0] * region.scale[None, None, :] / region.scale[None, :, None],
        np.asarray(family.time_scaling),
    )


def _along(family: Generators, slope: Array, region: Region, frame: Frame) -> Array:
    """xi . grad theta_k in the coordinates of the frame, (q, m, p)."""
    xi = family.evaluate(region.points)
    q, m = xi.shape[:2]
    values = np.einsum("mpk,qmk->qmp", slope, xi, optimize=True)
    return frame.unframed(values.reshape(q * m, -1)).reshape(q, m, -1)


def _beyond(basis: Array, moved: Array) -> Array:
    """Orthonormal functions (m, k) that the moved ones need beside a basis (m, P)."""
    rest = moved - basis @ (basis.T @ moved)
    m = moved.shape[1]
    rows = rest.transpose(1, 0, 2).reshape(m, -1)
    left, s, _ = np.linalg.svd(rows, full_matrices=False)
    return np.asarray(left[:, s > _RANK * max(float(np.linalg.norm(moved, axis=(1, 2)).max()), 1e-300)])


def _sampled(family: Generators, dictionary: Dictionary, region: Region, frame: Frame) -> SampledBrackets:
    norms = np.linalg.norm(family.vectors, axis=1)
    blocks = np.stack([b * size for b, size in zip(broken_blocks(family, dictionary, region), norms)])
    n, p = family.n_states, dictionary.n_terms
    inverse = sla.solve_triangular(frame.root, np.eye(p))
    framed = np.einsum("qaik,kj,i->qaij", blocks.reshape(*blocks.shape[:2], n, p), inverse, frame.scale)
    return SampledBrackets(framed.reshape(len(family), -1, n * p))
