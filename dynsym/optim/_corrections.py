"""Equality constraints on equations that the data determine: the least correction that meets them.

Each equation has |R c_i - y_i|^2 = |z_i - z0_i|^2 + const with z_i = T_i S_i c_i, T_i the triangle of its
columns at unit norm and S_i their norms. Under E w = d the minimiser is z0 plus the shortest step onto the
constraints F z = d, F = E S^-1 T^-1: one product with a triangle per equation and one Gram matrix of the rows
of F, however many free directions are left. The rows of a basis are picked by pivoted Cholesky and met by
iterative refinement, its residual taken from E itself. A minimiser under some of the rows that meets all of
them is the minimiser under all: that the rows left out are met is measured, and where they are not, the
caller eliminates the constraints instead.

References
----------
Bjorck (1996), Numerical Methods for Least Squares Problems, SIAM, sections 5.1 and 2.5 (refined normal
equations). Higham (1990), Analysis of the Cholesky decomposition of a semi-definite matrix, in Reliable
Numerical Computation, Oxford.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from dynsym._checks import Array
from dynsym.optim._constraints import LinearConstraint
from dynsym.optim._datafits import Quadratic
from dynsym.optim._matrices import DENSE_SHARE, column_sizes, dense, row_norms
from dynsym.optim._supports import Places, Support, groups_of

# Smallest estimated reciprocal condition of a triangle: beyond it F loses digits that small coefficients, such as the mass of a
# small planet beside that of the Sun, cannot spare.
_WELL_POSED = 1e-5

# Squared share of a row of F that has to be new for the row to enter the basis; refinement then converges.
_NEW = 1e-10

# Constraints have to be met to this share of the size of their equations. The noise that the reduction of
# the constraints may drop as rounding (their rtol) is larger.
_MET = 1e-12

# One correction, and refinements that square its error each.
_STEPS = 3

# Coefficients whose share of the target is below this are candidates for an exact zero.
_ROUNDING = 1e-11

# Share of the gradient of a coefficient outside the row space below which the rows fix the coefficient.
_FIXED = 1e-9

# Entries of a sparse E that are written out at most, 250 MB of them.
_WRITTEN_OUT = 2**25


@dataclass(frozen=True, eq=False)
class _Equation:
    """One equation: the places of its unknowns in w, their column norms, triangle T and z0."""

    places: Places
    size: Array
    T: Array
    z0: Array

    def rows(self, E: Array) -> Array:
        """E S^-1 T^-1 for the columns of this equation."""
        solved, _ = lapack.dtrtrs(self.T, (E[:, self.places] / self.size).T, trans=1, overwrite_b=1)
        return np.asarray(solved.T)

    def coefficients(self, z: Array) -> Array:
        """S^-1 T^-1 z for one or more columns z."""
        solved, _ = lapack.dtrtrs(self.T, z)
        return np.asarray((solved.T / self.size).T)

    def directions(self, chosen: Places) -> Array:
        """Gradients T^-T e of the chosen coefficients with respect to z, as columns, up to their length."""
        unit = np.zeros((len(self.T), len(chosen)))
        unit[chosen, np.arange(len(chosen))] = 1.0
        return np.asarray(lapack.dtrtrs(self.T, unit, trans=1)[0])


def least_correction(datafit: Quadratic, constraint: LinearConstraint, active: Support) -> Array | None:
    """Return the minimiser C (n, p), zero off `active`, under the constraint; None where it is not for here.

    That is where the data leave directions open or nearly so, where eliminating the constraints costs less,
    and where the rows cannot be met to rounding, since they contradict each other or nearly repeat.
    """
    if not _worthwhile(constraint):
        return None
    equations = _equations(datafit, active)
    if equations is None:
        return None
    E = dense(constraint.matrix)
    F = _whitened(E, equations)
    gram = F @ F.T
    length = np.sqrt(np.diag(gram))
    length[length == 0] = 1.0
    gram /= length
    gram /= length[:, None]
    factor, order, rank, _ = lapack.dpstrf(gram.T, tol=_NEW, overwrite_a=1)
    basis = order[:rank] - 1
    corrector = _Corrector(equations, F[basis] / length[basis, None], factor[:rank, :rank])
    w, z = corrector.start(datafit.size)
    for _ in range(_STEPS):
        gap = (constraint.rhs - E @ w)[basis] / length[basis]
        step = corrector.step(gap)
        z += step
        corrector.add(w, step)
    _set_zeros(w, corrector, datafit)
    reach = length * corrector.sizes(F, z)
    return w.reshape(datafit.shape) if _met(E, constraint.rhs, w, reach) else None


def _whitened(E: Array, equations: Sequence[_Equation]) -> Array:
    """F (c, q), one block of columns after another."""
    F = np.empty((len(E), sum(len(equation.z0) for equation in equations)))
    start = 0
    for equation in equations:
        stop = start + len(equation.z0)
        F[:, start:stop] = equation.rows(E)
        start = stop
    return F


def _met(E: Array, rhs: Array, w: Array, reach: Array) -> bool:
    """Whether every row is met to rounding: relative to its reach, and to the size of all coefficients."""
    gap = np.abs(E @ w - rhs)
    rounding = 4 * np.finfo(float).eps * (np.abs(E) @ np.abs(w))
    whole = row_norms(E) * max(1.0, float(np.linalg.norm(w)))
    return bool(np.all(gap <= _MET * np.minimum(reach, whole) + rounding))


def _worthwhile(constraint: LinearConstraint) -> bool:
    """Whether writing the rows out costs less than the elimination with its free directions."""
    count, size = constraint.matrix.shape
    filled = sparse.csr_array(constraint.matrix).nnz > DENSE_SHARE * count * size
    if filled:
        return bool(0 < count <= 2 * size)
    return bool(0 < count <= size // 2 and count * size <= _WRITTEN_OUT)


def _equations(datafit: Quadratic, active: Support) -> list[_Equation] | None:
    """Factor the columns of each equation, once for all that share a support; None if one is badly posed."""
    out = []
    p = active.shape[1]
    for columns, members in groups_of(active):
        if len(columns) == 0:
            continue
        if len(columns) > len(datafit.R):
            return None
        A = datafit.R[:, columns]
        size = column_sizes(A)
        T = np.asarray(np.linalg.qr(np.hstack([A / size, datafit.Y[:, members]]), mode="r"))
        triangle = np.asfortranarray(T[: len(columns), : len(columns)])
        if lapack.dtrcon(triangle)[0] <= _WELL_POSED:
            return None
        for k, member in enumerate(members):
            z0 = T[: len(columns), len(columns) + k]
            out.append(_Equation(member * p + columns, size, triangle, z0))
    return out or None


@dataclass(frozen=True, eq=False)
class _Corrector:
    """Steps onto a basis F (r, q) of the whitened rows, with the Cholesky factor of F F^T."""

    equations: Sequence[_Equation]
    F: Array
    factor: Array

    def _cuts(self) -> Array:
        return np.cumsum([len(equation.z0) for equation in self.equations])[:-1]

    def start(self, size: int) -> tuple[Array, Array]:
        """w (size,) and z without constraints."""
        z0 = np.concatenate([equation.z0 for equation in self.equations])
        w = np.zeros(size)
        self.add(w, z0)
        return w, z0

    def step(self, gap: Array) -> Array:
        """The shortest z with F z = gap, for one or more columns."""
        if len(self.F) == 0:
            return np.zeros((self.F.shape[1], *gap.shape[1:]))
        solved, _ = lapack.dpotrs(self.factor, gap)
        return np.asarray(self.F.T @ solved)

    def add(self, w: Array, z: Array) -> None:
        """Move w by the coefficients of z."""
        for equation, part in zip(self.equations, np.split(z, self._cuts()), strict=True):
            w[equation.places] += equation.coefficients(part)

    def sizes(self, F: Array, z: Array) -> Array:
        """For each row of F (c, q) the size of the equations it is about, before and after correction."""
        squares = np.zeros(len(F))
        parts = zip(self.equations, np.split(z, self._cuts()), np.split(F, self._cuts(), axis=1), strict=True)
        for equation, part, block in parts:
            squares += np.any(block, axis=1) * (part @ part + equation.z0 @ equation.z0)
        return np.sqrt(squares)

    def fixed(self, number: int, chosen: Places) -> Support:
        """Whether the rows fix the chosen coefficients of an equation: their gradients are in the row space."""
        first = int(sum(len(equation.z0) for equation in self.equations[:number]))
        own = self.equations[number].directions(chosen)
        left = np.zeros((self.F.shape[1], len(chosen)))
        left[first : first + len(own)] = own
        length = np.linalg.norm(own, axis=0)
        # What one step leaves undecided by rounding is decided by a second.
        share = np.ones(len(chosen))
        for _ in range(2):
            undecided = np.flatnonzero(share > _FIXED)
            part = left[:, undecided]
            left[:, undecided] = part = part - self.step(self.F @ part)
            share[undecided] = np.linalg.norm(part, axis=0) / length[undecided]
        return share <= _FIXED


def _set_zeros(w: Array, corrector: _Corrector, datafit: Quadratic) -> None:
    """Write exact zeros for the coefficients that the constraints fix at zero."""
    p = datafit.shape[1]
    for number, equation in enumerate(corrector.equations):
        target = np.linalg.norm(datafit.Y[:, equation.places[0] // p])
        tiny = np.flatnonzero(np.abs(w[equation.places]) * equation.size <= _ROUNDING * target)
        if len(tiny):
            w[equation.places[tiny[corrector.fixed(number, tiny)]]] = 0.0
