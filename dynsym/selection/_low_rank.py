"""Least squares over the fields whose matrix of rates has a given rank: those that keep as many candidates as asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..spectral import null_space

_STEPS = 60
_EXACT = 1e-10  # what is to vanish does, relative to the largest singular value
_TANGENT = 1e-7
_HELD = 1e-4  # combinations that are kept are known to the tolerance of the solver, and so are the fields that keep them


@dataclass(frozen=True, eq=False)
class LowRank:
    """The unknowns w (k,) for which the matrix M(w) = reshape(K w, (a, q)) has rank at most r.

    They form a curved set: which candidates are kept is not fixed, only how many. Its tangent at w is the set of all
    dw with U2^T M(dw) V2 = 0, where U2 and V2 hold the singular vectors of M(w) beyond the first r.
    """

    operator: Array  # K (a q, k)
    shape: tuple[int, int]
    rank: int

    def least_squares(self, rows: Array, wanted: Array, start: Array) -> tuple[Array, bool]:
        """A stationary point of |rows w - wanted| over the set, from a start on it or near; and whether it was reached.

        Each step is a least-squares problem over the tangent space at the last point, singular values beyond the first r
        taken as zero there. A fixed point lies on the set and has its gradient across it.

        Where the set is singular, so that the tangent holds too much, the steps need not come to rest; then the
        combinations that the start keeps are held instead, as a linear constraint.

        References
        ----------
        Schost and Spaenlehauer (2016), A quadratically convergent algorithm for structured low-rank approximation,
        Foundations of Computational Mathematics 16, for the step.
        """
        w, before = start, np.full(len(start), np.inf)
        for _ in range(_STEPS):
            w = _over(rows, wanted, self._free(self._across(w), _TANGENT))
            if not w.any():
                break
            moved = np.linalg.norm(w - before) <= 1e-9 * np.linalg.norm(w)
            if moved and self._excess(w) <= _EXACT:
                return w, True
            before = w
        return _over(rows, wanted, self._free(self._along(start), _HELD)), False

    def dimension(self, w: Array) -> int:
        """Dimension of the tangent at w."""
        if self.rank >= min(self.shape):
            return len(w)
        return int(self._free(self._across(w), _TANGENT).shape[1])

    def _free(self, rows: Array, tolerance: float) -> Array:
        """What rows annihilate, up to a share of the operator: they may be nothing but rounding."""
        floor = tolerance * self._size
        largest = float(np.linalg.norm(rows, 2)) if rows.size else 0.0
        return null_space(rows, floor / largest) if largest > floor else np.eye(rows.shape[1])

    @cached_property
    def _size(self) -> float:
        return max(float(np.linalg.norm(self.operator, 2)), 1e-300)

    def _singular(self, w: Array) -> tuple[Array, Array, Array]:
        left, values, right = np.linalg.svd((self.operator @ w).reshape(self.shape), full_matrices=True)
        return left, values, right.T

    def _excess(self, w: Array) -> float:
        values = self._singular(w)[1]
        return float(values[self.rank] / max(values[0], 1e-300)) if self.rank < len(values) else 0.0

    def _across(self, w: Array) -> Array:
        """Rows that vanish on the tangent."""
        left, _, right = self._singular(w)
        cube = self.operator.reshape(*self.shape, -1)
        out = np.einsum("ax,aqk,qy->xyk", left[:, self.rank :], cube, right[:, self.rank :], optimize=True)
        return _folded(out.reshape(-1, cube.shape[2]))

    def _along(self, w: Array) -> Array:
        """Rows that vanish on the fields that keep what w keeps."""
        cube = self.operator.reshape(*self.shape, -1)
        out = np.einsum("aqk,qy->ayk", cube, self._singular(w)[2][:, self.rank :], optimize=True)
        return _folded(out.reshape(-1, cube.shape[2]))


def _folded(rows: Array) -> Array:
    return np.asarray(np.linalg.qr(rows, mode="r")) if len(rows) > rows.shape[1] else rows


def _over(rows: Array, wanted: Array, free: npt.NDArray[np.float64]) -> Array:
    """argmin |rows w - wanted| over w = free a."""
    return np.asarray(free @ np.linalg.lstsq(rows @ free, wanted, rcond=1e-12)[0])
