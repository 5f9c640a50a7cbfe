"""Least squares on many supports of one matrix: the Gram matrix is formed once, its parts are factored.

With columns of unit norm and a condition number that is measured to be moderate, the Cholesky factor of a
part of the Gram matrix and one step of iterative refinement, the residual taken from R itself, give the
accuracy of an orthogonal factorisation (corrected seminormal equations). Where the measured condition is
worse, R restricted to the support is factored instead, and where columns may be dependent the minimiser of
least norm is taken.

References
----------
Bjorck (1987), Stability analysis of the method of seminormal equations for linear least squares problems,
Linear Algebra Appl. 88/89, 31-48. Higham (2002), Accuracy and Stability of Numerical Algorithms, 2nd ed.,
chapter 15, for the condition estimates.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from dynsym._checks import Array
from dynsym.optim._matrices import column_sizes, least_norm_solution

Support = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

# Smallest estimated reciprocal condition of a unit-diagonal Gram matrix for Cholesky: the first solution is
# then good to 1e-6 or better, and one refinement squares that.
_CHOLESKY = 1e-9

# Times p and the unit rounding: smallest estimated reciprocal condition (1-norm) of a triangle that leaves no
# doubt about the full rank, by whatever orthogonal factorisation it is decided.
_FULL_RANK = 10.0


@dataclass(frozen=True, eq=False)
class Supports:
    """Minimises |R c - y| for each column y of Y over the c that are zero off a support.

    Parameters
    ----------
    R, Y
        (k, p) and (k, n).

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.optim._supports import Supports
    >>> every = Supports(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([[2.0, 4.0], [3.0, 5.0]]))
    >>> C, free = every.solve(np.array([[True, False], [True, True]]), np.array([0, 1]))
    >>> C.tolist(), free.tolist()
    ([[1.0, 0.0], [2.0, 5.0]], [0, 0])
    """

    R: Array
    Y: Array
    size: Array = field(init=False)
    scaled: Array = field(init=False)
    gram: Array = field(init=False)

    def __post_init__(self) -> None:
        size = column_sizes(self.R)
        scaled = self.R / size
        for name, value in (("size", size), ("scaled", scaled), ("gram", scaled.T @ scaled)):
            object.__setattr__(self, name, value)

    def solve(self, active: Support, equations: Places) -> tuple[Array, Places]:
        """Return rows of C (n, p), zero off `active` (n, p), and the number of directions left free in each.

        Only the rows of `equations` are computed and returned, in that order. Where directions are left free,
        the row is the minimiser of least norm.
        """
        groups = groups_of(active[equations])
        factors = [self._cholesky(columns) for columns, _ in groups]
        Y = self.Y[:, equations]
        C = self._refined(Y, groups, factors) / self.size
        free = np.zeros(len(equations), dtype=np.intp)
        for (columns, members), factor in zip(groups, factors, strict=True):
            if factor is None:
                solved, rank = orthogonal_solution(self.R[:, columns], Y[:, members])
                C[np.ix_(members, columns)] = solved.T
                free[members] = len(columns) - rank
        return C, free

    def _refined(self, Y: Array, groups: list[tuple[Places, Places]], factors: list[Array | None]) -> Array:
        """Solve the normal equations, once for C and once for its correction, where there is a factor."""
        C = np.zeros((Y.shape[1], len(self.gram)))
        # All residuals at once: products with the whole matrix cost less than picking columns per equation.
        for _ in range(2):
            right = (Y - self.scaled @ C.T).T @ self.scaled
            for (columns, members), factor in zip(groups, factors, strict=True):
                if factor is not None:
                    place = np.ix_(members, columns)
                    C[place] += lapack.dpotrs(factor, right[place].T)[0].T
        return C

    def _cholesky(self, columns: Places) -> Array | None:
        """The factor U of the part U^T U of the Gram matrix, or None where its condition is bad."""
        if not 0 < len(columns) <= len(self.R):
            return None
        part = self.gram[np.ix_(columns, columns)]
        norm = float(np.abs(part).sum(axis=0).max())
        # The transpose of a symmetric C-ordered array is the same matrix in LAPACK's own order: no copy.
        factor, failed = lapack.dpotrf(part.T, lower=0, clean=0, overwrite_a=1)
        if failed:
            return None
        reciprocal, _ = lapack.dpocon(factor, norm)
        return np.asarray(factor) if reciprocal > _CHOLESKY else None


def groups_of(active: Support) -> list[tuple[Places, Places]]:
    """Return (columns, equations) for every distinct support: such equations share a factorisation."""
    members: dict[bytes, list[int]] = {}
    for equation, row in enumerate(active):
        members.setdefault(row.tobytes(), []).append(equation)
    return [(np.flatnonzero(active[own[0]]), np.array(own)) for own in members.values()]


def orthogonal_solution(A: Array, B: Array) -> tuple[Array, int]:
    """Return the X of least norm among the minimisers of |A X - B|_F, and the rank of A.

    Without pivoting where the triangle is measured to be far from singular, else `least_norm_solution`.
    """
    k, p = A.shape
    if 0 < p <= k:
        size = column_sizes(A)
        T = np.asarray(np.linalg.qr(np.hstack([A / size, B]), mode="r"))
        triangle = np.asfortranarray(T[:p, :p])
        reciprocal, _ = lapack.dtrcon(triangle)
        if reciprocal > _FULL_RANK * p * max(k, p) * np.finfo(float).eps:
            X, _ = lapack.dtrtrs(triangle, T[:p, p:])
            return np.asarray(X / size[:, None]), p
    return least_norm_solution(A, B)
