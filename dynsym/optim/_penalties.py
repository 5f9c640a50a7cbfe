"""Penalties: convex functions of the coefficients C (n, p), each a linear map and then a norm with a prox.

`value(C)` is all a penalty must have. Those derived from `Proximable` also give the pieces an operator
splitting needs: w -> K w (`linear_map`), the natural shape of K w (`split_shape`), and for the norm g on that
shape its value (`norm`), its proximal map (`prox`) and the gauge of its dual ball (`gauge`), from which
certificates are made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array, DataError, require
from dynsym.optim._curves import Curve
from dynsym.optim._matrices import Matrix, as_matrix


class Penalty(ABC):
    """A convex function of the coefficients; penalties add up with `+`."""

    @abstractmethod
    def value(self, C: npt.ArrayLike) -> float:
        """Return the penalty of the coefficients C (n, p)."""

    @abstractmethod
    def cvxpy_expression(self, C: Any) -> Any:
        """Return the penalty of the cvxpy expression C (n, p)."""

    @property
    def parts(self) -> tuple[Penalty, ...]:
        """The summands; a single penalty is its own only part."""
        return (self,)

    def __add__(self, other: Penalty) -> SumPenalty:
        if not isinstance(other, Penalty):
            return NotImplemented
        return SumPenalty((*self.parts, *other.parts))


class Proximable(Penalty):
    """A penalty g(K w): a linear map K, then a norm g whose proximal map is known."""

    @abstractmethod
    def linear_map(self, shape: tuple[int, ...]) -> Matrix | None:
        """Return K (rows, n p) for coefficients of the given shape; None stands for the identity."""

    @abstractmethod
    def split_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the natural shape of K w, the argument of `norm`, `prox` and `gauge`."""

    @abstractmethod
    def norm(self, v: Array) -> float:
        """Return g(v)."""

    @abstractmethod
    def prox(self, v: Array, step: float | Array) -> Array:
        """Return argmin_z g(z) + sum (z - v)^2 / (2 step); `step` is a number, or an array from `balance`."""

    @abstractmethod
    def summands(self, v: Array) -> Array:
        """Return the numbers s_k >= 0 of which `norm` is the weighted sum: g(v) = weight sum_k s_k."""

    @abstractmethod
    def bent_prox(self, v: Array, step: float | Array, curve: Curve) -> Array:
        """Return the proximal map of weight sum_k curve(s_k): sizes as `curve` leaves them."""

    @abstractmethod
    def tilted(self, v: Array, curve: Curve) -> Proximable:
        """Return the convex penalty of the same kind that has the subdifferential of the bent one at v."""

    @abstractmethod
    def gauge(self, u: Array) -> float:
        """Return the smallest t for which <u, z> <= t g(z) for all z."""

    @abstractmethod
    def balance(self, weights: Array) -> Array:
        """Return the diagonal metric nearest to `weights` in which the prox keeps its closed form."""

    def value(self, C: npt.ArrayLike) -> float:
        C = np.asarray(C, dtype=float)
        K = self.linear_map(C.shape)
        v = C if K is None else np.asarray(K @ C.ravel())
        return self.norm(v.reshape(self.split_shape(C.shape)))


def check_weight(weight: float) -> None:
    """Refuse weights that are not one finite number from 0 on."""
    require(
        bool(np.ndim(weight) == 0 and np.isfinite(weight) and weight >= 0),
        f"a penalty needs one finite weight that is not negative, got {weight!r}; weigh single "
        "coefficients with Composed(penalty, operator)",
    )


@dataclass(frozen=True)
class Ridge(Penalty):
    """weight/2 * |C|_F^2; `weight` is what PySINDy and scikit-learn call alpha.

    It is quadratic, so solvers add it to the datafit instead of splitting it off.

    Examples
    --------
    >>> Ridge(0.5).value([[2.0, 0.0]])
    1.0
    """

    weight: float

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def value(self, C: npt.ArrayLike) -> float:
        return 0.5 * self.weight * float(np.sum(np.square(C)))

    def cvxpy_expression(self, C: Any) -> Any:
        import cvxpy as cp

        return 0.5 * self.weight * cp.sum_squares(C)


@dataclass(frozen=True, eq=False)
class Composed(Proximable):
    """penalty(D w): a penalty of a linear map of the coefficients, such as L1 of their differences.

    Parameters
    ----------
    penalty
        L1, Group with named groups, or Nuclear; it sees the vector D w.
    operator
        D (rows, n p), dense or scipy sparse.

    Raises
    ------
    DataError
        If the penalty is not one with a proximal map.

    Examples
    --------
    >>> from dynsym.optim import L1
    >>> Composed(L1(1.0), [[1.0, -1.0]]).value([[3.0, 5.0]])
    2.0
    """

    penalty: Proximable
    operator: Matrix = field(repr=False)

    def __post_init__(self) -> None:
        require(
            isinstance(self.penalty, Proximable),
            f"only L1, Group and Nuclear can be composed with a map, got {type(self.penalty).__name__}; "
            "compose each part of a sum; for a ridge add rows sqrt(weight) * operator to a CoupledQuadratic",
        )
        object.__setattr__(self, "operator", as_matrix("operator", self.operator))

    @property
    def _inner(self) -> tuple[int]:
        return (self.operator.shape[0],)

    def linear_map(self, shape: tuple[int, ...]) -> Matrix:
        outer = self.penalty.linear_map(self._inner)
        inner = fitting(self.operator, shape)
        return inner if outer is None else outer @ inner

    def split_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.penalty.split_shape(self._inner)

    def norm(self, v: Array) -> float:
        return self.penalty.norm(v)

    def prox(self, v: Array, step: float | Array) -> Array:
        return self.penalty.prox(v, step)

    def summands(self, v: Array) -> Array:
        return self.penalty.summands(v)

    def bent_prox(self, v: Array, step: float | Array, curve: Curve) -> Array:
        return self.penalty.bent_prox(v, step, curve)

    def tilted(self, v: Array, curve: Curve) -> Composed:
        return Composed(self.penalty.tilted(v, curve), self.operator)

    def gauge(self, u: Array) -> float:
        return self.penalty.gauge(u)

    def balance(self, weights: Array) -> Array:
        return self.penalty.balance(weights)

    def cvxpy_expression(self, C: Any) -> Any:
        import cvxpy as cp

        return self.penalty.cvxpy_expression(self.operator @ cp.vec(C, order="C"))


@dataclass(frozen=True, eq=False)
class SumPenalty(Penalty):
    """The sum of penalties; made with `+`.

    Examples
    --------
    >>> from dynsym.optim import L1
    >>> (L1(1.0) + Ridge(2.0)).value([[1.0, -2.0]])
    8.0
    """

    terms: tuple[Penalty, ...]

    def __post_init__(self) -> None:
        parts = tuple(part for term in self.terms for part in term.parts)
        require(len(parts) > 0, "a sum of penalties needs at least one, got none")
        object.__setattr__(self, "terms", parts)

    @property
    def parts(self) -> tuple[Penalty, ...]:
        return self.terms

    def value(self, C: npt.ArrayLike) -> float:
        return sum(part.value(C) for part in self.terms)

    def cvxpy_expression(self, C: Any) -> Any:
        return sum(part.cvxpy_expression(C) for part in self.terms)


def fitting(matrix: Matrix, shape: tuple[int, ...]) -> Matrix:
    """Return the matrix if it acts on coefficients of this shape."""
    size = int(np.prod(shape))
    if matrix.shape[1] != size:
        raise DataError(
            f"the penalty's operator has {matrix.shape[1]} columns, but coefficients of shape {shape} "
            f"have {size} entries; build it for the same dictionary and number of equations"
        )
    return matrix
