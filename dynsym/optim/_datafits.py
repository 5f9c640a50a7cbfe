"""Datafits: convex quadratics of the coefficients C (n, p), flattened row by row to w = C.ravel()."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dynsym._checks import Array, as_floats, frozen, require, require_finite
from dynsym.optim._constraints import LinearConstraint
from dynsym.optim._matrices import Matrix, triangular_rows


class Datafit(ABC):
    """f(C) = 1/2 |A w - y|^2, w = C.ravel().

    A datafit states its `shape` (n, p), equations and dictionary terms, the linear map `predict`, its
    transpose `adjoint`, and `target`; value, gradient and Hessian follow from these.
    """

    shape: tuple[int, int]

    @property
    def conditions(self) -> tuple[LinearConstraint, ...]:
        """Constraints that belong to the fit itself; none, unless it is an `Exact` one."""
        return ()

    @property
    @abstractmethod
    def target(self) -> Array:
        """The y that `predict` should match, in the shape that `predict` returns."""

    @abstractmethod
    def predict(self, C: npt.ArrayLike) -> Array:
        """Return A w."""

    @abstractmethod
    def adjoint(self, residual: Array) -> Array:
        """Return A^T residual as an (n, p) array."""

    @abstractmethod
    def normal_matrix(self) -> Array:
        """Return A^T A, shape (n p, n p)."""

    @abstractmethod
    def rows(self) -> tuple[Matrix, Array]:
        """Return (A, y) with A (k, n p), dense or sparse, and y (k,)."""

    @abstractmethod
    def with_ridge(self, weight: float) -> Datafit:
        """Return f + weight/2 |C|^2 as a datafit."""

    @abstractmethod
    def compressed(self) -> Datafit:
        """Return the same function with as few rows as an orthogonal factorisation leaves."""

    @property
    def size(self) -> int:
        """Number of unknowns, N = n p."""
        return self.shape[0] * self.shape[1]

    def residual(self, C: npt.ArrayLike) -> Array:
        """Return A w - y."""
        return self.predict(C) - self.target

    def value(self, C: npt.ArrayLike) -> float:
        """Return f(C)."""
        return 0.5 * float(np.sum(self.residual(C) ** 2))

    def gradient(self, C: npt.ArrayLike) -> Array:
        """Return the gradient of f at C, shape (n, p)."""
        return self.adjoint(self.residual(C))

    def hessian(self, C: npt.ArrayLike) -> Array:
        """Return the Hessian of f applied to C, shape (n, p)."""
        return self.adjoint(self.predict(C))

    def coefficients(self, C: npt.ArrayLike) -> Array:
        """Return C as a float array after checking its shape."""
        out = np.asarray(C, dtype=float)
        require(
            out.shape == self.shape,
            f"coefficients must have shape {self.shape} (equations, terms), got {out.shape}; "
            "a flat vector is reshaped row by row",
        )
        return out


@dataclass(frozen=True, eq=False)
class Quadratic(Datafit):
    """f(C) = 1/2 |R C^T - Y|_F^2: each equation is fitted to the same dictionary.

    Parameters
    ----------
    R
        Term values (k, p), one row per sample; usually the triangular factor of them, k = p.
    Y
        What the terms should add up to, (k, n): derivatives, or Q^T times them.

    Raises
    ------
    DataError
        If the row counts differ or a number is not finite.

    Examples
    --------
    >>> f = Quadratic(R=[[2.0, 0.0], [0.0, 1.0]], Y=[[2.0], [3.0]])
    >>> f.shape, f.value([[1.0, 3.0]]), f.gradient([[0.0, 0.0]])
    ((1, 2), 0.0, array([[-4., -3.]]))
    """

    R: Array = field(repr=False)
    Y: Array = field(repr=False)
    shape: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("R", "Y"):
            array = as_floats(name, getattr(self, name), 2)
            require_finite(name, array)
            object.__setattr__(self, name, array)
        require(
            self.R.shape[0] == self.Y.shape[0],
            f"R has {self.R.shape[0]} rows and Y has {self.Y.shape[0]}; both need one row per sample",
        )
        object.__setattr__(self, "shape", (self.Y.shape[1], self.R.shape[1]))
        require(
            self.size > 0, f"a fit needs a term and an equation, got R {self.R.shape} and Y {self.Y.shape}"
        )

    @property
    def target(self) -> Array:
        return self.Y

    def predict(self, C: npt.ArrayLike) -> Array:
        return self.R @ self.coefficients(C).T

    def adjoint(self, residual: Array) -> Array:
        return np.asarray(residual.T @ self.R)

    def normal_matrix(self) -> Array:
        return np.asarray(np.kron(np.eye(self.shape[0]), self.R.T @ self.R), dtype=float)

    def rows(self) -> tuple[Matrix, Array]:
        blocks = [sparse.csr_array(self.R)] * self.shape[0]
        return sparse.csr_array(sparse.block_diag(blocks)), self.Y.T.ravel()

    def with_ridge(self, weight: float) -> Quadratic:
        n, p = self.shape
        return Quadratic(
            np.vstack([self.R, np.sqrt(weight) * np.eye(p)]), np.vstack([self.Y, np.zeros((p, n))])
        )

    def compressed(self) -> Quadratic:
        R, Y = triangular_rows(self.R, self.Y)
        return self if R is self.R else Quadratic(R, Y)


@dataclass(frozen=True, eq=False)
class CoupledQuadratic(Datafit):
    """f(C) = 1/2 |A w - y|^2 with w = C.ravel(): rows that mix the equations (weak forms, weighted errors).

    Parameters
    ----------
    A
        Rows (k, n p).
    y
        Targets (k,).
    shape
        (n, p) of the coefficients.

    Raises
    ------
    DataError
        If the shapes do not agree or a number is not finite.

    Examples
    --------
    >>> f = CoupledQuadratic(A=[[1.0, 1.0]], y=[3.0], shape=(2, 1))
    >>> f.value([[1.0], [2.0]]), f.normal_matrix()
    (0.0, array([[1., 1.],
           [1., 1.]]))
    """

    A: Array = field(repr=False)
    y: Array = field(repr=False)
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        for name, ndim in (("A", 2), ("y", 1)):
            array = as_floats(name, getattr(self, name), ndim)
            require_finite(name, array)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "shape", tuple(int(length) for length in self.shape))
        require(
            len(self.shape) == 2 and min(self.shape) > 0,
            f"shape must be (equations, terms), both at least 1, got {self.shape}",
        )
        require(
            self.A.shape == (len(self.y), self.size),
            f"A must have shape ({len(self.y)}, {self.size}) for {len(self.y)} targets and coefficients of "
            f"shape {self.shape}, got {self.A.shape}",
        )

    @property
    def target(self) -> Array:
        return self.y

    def predict(self, C: npt.ArrayLike) -> Array:
        return self.A @ self.coefficients(C).ravel()

    def adjoint(self, residual: Array) -> Array:
        return np.asarray(residual @ self.A).reshape(self.shape)

    def normal_matrix(self) -> Array:
        return self.A.T @ self.A

    def rows(self) -> tuple[Matrix, Array]:
        return self.A, self.y

    def with_ridge(self, weight: float) -> CoupledQuadratic:
        eye = np.sqrt(weight) * np.eye(self.size)
        return CoupledQuadratic(np.vstack([self.A, eye]), np.append(self.y, np.zeros(self.size)), self.shape)

    def compressed(self) -> CoupledQuadratic:
        A, y = triangular_rows(self.A, self.y[:, None])
        return CoupledQuadratic(A, frozen(y[:, 0]), self.shape)


@dataclass(frozen=True, eq=False)
class Exact(Datafit):
    """f(C) = 0 where R C^T = Y, infinite elsewhere: data without noise, met to the last digit.

    `solve` turns it into a linear constraint and a fit without rows, so that the penalty alone is minimised among
    all coefficients that agree with the data; with a nuclear norm that is min |L_w|_* subject to Psi w = y.

    Parameters
    ----------
    R
        Term values (m, p), one row per sample.
    Y
        What the terms have to add up to, (m, n).

    Raises
    ------
    DataError
        If the row counts differ, a number is not finite, or, when solving, no coefficients meet the data.

    References
    ----------
    Otto, Zolman, Kutz, Brunton (2025), JMLR 26(248), the noise-free form of promotion.

    Examples
    --------
    >>> from dynsym.optim import L1, solve
    >>> found = solve(Exact([[1.0, 2.0]], [[2.0]]), L1(1.0))
    >>> found.coefficients.round(6), found.duality_gap < 1e-8
    (array([[0., 1.]]), True)
    """

    R: Array = field(repr=False)
    Y: Array = field(repr=False)
    shape: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        whole = Quadratic(self.R, self.Y)
        for name in ("R", "Y", "shape"):
            object.__setattr__(self, name, getattr(whole, name))

    @cached_property
    def conditions(self) -> tuple[LinearConstraint, ...]:
        rows = sparse.kron(sparse.eye_array(self.shape[0]), self.R) if self.shape[0] > 1 else self.R
        return (LinearConstraint(rows, self.Y.T.ravel()),)

    @property
    def target(self) -> Array:
        return np.zeros(0)

    def predict(self, C: npt.ArrayLike) -> Array:
        self.coefficients(C)
        return np.zeros(0)

    def adjoint(self, residual: Array) -> Array:
        return np.zeros(self.shape)

    def normal_matrix(self) -> Array:
        return np.zeros((self.size, self.size))

    def rows(self) -> tuple[Matrix, Array]:
        return np.zeros((0, self.size)), np.zeros(0)

    def with_ridge(self, weight: float) -> CoupledQuadratic:
        return CoupledQuadratic(np.sqrt(weight) * np.eye(self.size), np.zeros(self.size), self.shape)

    def compressed(self) -> Exact:
        return self
