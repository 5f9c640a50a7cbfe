"""The nearest field with an r-dimensional algebra, generators and coefficients moved together.

The fields over a dictionary with at least r independent symmetries among the candidates are those where the matrix B(., c)
loses rank r. At such a field, with A the null space and U the range of B(., c), the directions in which the rank stays are

    { dc :  (1 - U U^T) B(A_j, dc) = 0  for j = 1..r } ,

since a first-order change of the generators makes up for what lies in U. They hold the equivariant fields and the orbit of c
under the candidate group (B(A, B(xi, c)) = B([A, xi], c) lies in U), and where generators have free parameters, such as the
exponents of a scaling law, the fields with nearby exponents. The condition is linear and homogeneous in c + dc, so each step
is a least-squares fit over a subspace; it is Newton's method for the bilinear equations B(A_j, c) = 0 with the generators
eliminated, and Gauss-Newton for the residual. The null space of B(., c) is a subalgebra at every such field: nothing has to be
imposed for that.

While c is noisy the condition has no exact solutions; the subspace is then cut at the largest gap of its spectrum, and the
gap opens to rounding as the steps converge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from .._checks import Array
from ._brackets import Brackets
from ._rows import Rows

_STEPS = 25
_PATIENCE, _LOST = (
    4,
    0.3,
)  # steps that have not shrunk to this share after so many lead to no exact algebra nearby
_DONE = 1e-9  # relative step at which the iteration has converged
_FIRST_FLOOR, _FLOOR = 0.02, 1e-3  # singular values below these shares of the largest count as equally small
_MOST = 0.3  # share of the largest singular value from which on a direction is broken
_EXACT = 1e-6  # relative singular value up to which a direction keeps the algebra after convergence


@dataclass(frozen=True, eq=False)
class Settled:
    """A field with exact symmetries.

    Attributes
    ----------
    c
        Its free coordinates (f,).
    weights
        (q, r) weights of the generators.
    tangent
        (f, t) orthonormal directions in which the field can move and keep an r-dimensional algebra.
    residual
        Weighted residual sum of squares.
    moved
        Whether generators were moved with the coefficients; else `tangent` holds the equivariant fields alone.
    """

    c: Array
    weights: Array
    tangent: Array
    residual: float
    moved: bool

    @property
    def freedom(self) -> int:
        """Number of free parameters t."""
        return self.tangent.shape[1]


def settle(rows: Rows, brackets: Brackets, metric: Array, start: Array) -> Settled | None:
    """The least-squares field with r symmetries near the generators with weights `start` (q, r); None if there is none.

    The metric (q, k) whitens the candidates: weights = metric a, |a| = 1 for a generator of unit size.
    """
    r = start.shape[1]
    basis, _ = small_directions(_gram(rows, brackets, start, None), _FIRST_FLOOR)
    c, _ = rows.fitted(basis)
    steps: list[float] = []
    for _ in range(_STEPS):
        weights, image = stabiliser(rows, brackets, metric, c, r)
        if weights is None:
            return None
        gram = _gram(rows, brackets, weights, image)
        tangent, exact = small_directions(gram, _FLOOR)
        new, residual = rows.fitted(tangent)
        size = float(np.linalg.norm(new))
        if size == 0:
            return None
        step = float(np.linalg.norm(new - c)) / size
        c = new
        if step < _DONE and exact:
            return Settled(c, weights, tangent, residual, True)
        steps.append(step)
        if len(steps) > _PATIENCE and step > _LOST * steps[-1 - _PATIENCE]:
            return None
    return None


def enforced(rows: Rows, brackets: Brackets, weights: Array) -> Settled | None:
    """The least-squares field with exactly these generators; None if none but 0 has them."""
    values, vectors = sla.eigh(_gram(rows, brackets, weights, None))
    inside = values <= (_EXACT**2) * max(float(values[-1]), 1e-300)
    if values[-1] <= 0 or not inside.any():
        return None
    basis = vectors[:, inside]
    c, residual = rows.fitted(basis)
    return Settled(c, weights, basis, residual, False)


def stabiliser(rows: Rows, brackets: Brackets, metric: Array, c: Array, r: int) -> tuple[Array | None, Array]:
    """The r least broken generators of a field (q, r), and an orthonormal basis of the range of the others."""
    matrix = brackets.of_field(rows.free @ c) @ metric
    short = metric.shape[1] - len(matrix)
    if short > 0:  # fewer equations than candidates: the null space needs its rows all the same
        matrix = np.vstack([matrix, np.zeros((short, matrix.shape[1]))])
    left, s, right = np.linalg.svd(matrix, full_matrices=False)
    left = left[: len(matrix) - max(short, 0)]
    kept = len(s) - r
    if kept < 0 or (kept > 0 and s[kept - 1] <= 1e-10 * s[0]):
        return None, left  # more than r symmetries: another candidate says so
    return np.asarray(metric @ right[kept:].T), left[:, :kept]


def _gram(rows: Rows, brackets: Brackets, weights: Array, image: Array | None) -> Array:
    """sum_j B_j^T (1 - U U^T) B_j in free coordinates, B_j of unit norm."""
    f = rows.free.shape[1]
    out = np.zeros((f, f))
    for w in weights.T:
        operator = rows.restricted(brackets.along(w))
        if image is not None:
            operator = operator - image @ (image.T @ operator)
        out += operator.T @ operator
    return out


def small_directions(gram: Array, floor: float) -> tuple[Array, bool]:
    """Directions below the largest gap of the spectrum of B, and whether they are small exactly.

    From the eigenvalues of B^T B: singular values below 1e-8 of the largest are rounding, but the space below a gap is exact
    to the square of that.
    """
    values, vectors = sla.eigh(gram)
    s = np.sqrt(np.maximum(values, 0.0))
    top = max(float(s[-1]), 1e-300)
    low = np.maximum(s[:-1], floor * top)
    ratio = np.where(s[:-1] <= _MOST * top, s[1:] / low, 0.0)
    k = int(np.argmax(ratio)) + 1 if len(ratio) else 1
    return vectors[:, :k], bool(s[k - 1] <= _EXACT * top)
