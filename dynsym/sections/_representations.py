"""Representations: how the values of a map turn when the states are moved, phi(A) and rho(A) for each n x n matrix A.

All are built from the defining one, A itself, by duals, sums and products, so that one object serves an algebra (phi of the
linear part of a generator), a group (rho of the matrix of a map), and, with A = D xi(x) at each point, tensor fields under
generators that are not linear. phi is the derivative of rho at the identity:

    vector  phi = A          rho = A              dual    phi = -A^T             rho = A^-T
    a * b   phi_a x 1 + 1 x phi_b   rho_a x rho_b  a + b   block diagonal         block diagonal
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .._checks import Array, as_floats, require, require_finite


class Representation(ABC):
    """A space V of d values with phi: gl(n) -> gl(V), and rho: GL(n) -> GL(V).

    `a + b` is the direct sum, `a * b` the tensor product.
    """

    @abstractmethod
    def derivative(self, a: Array, names: Sequence[str]) -> Array:
        """phi(A), (..., n, n) -> (..., d, d)."""

    @abstractmethod
    def group(self, a: Array, names: Sequence[str]) -> Array:
        """rho(A), (n, n) -> (d, d), for an invertible matrix."""

    @abstractmethod
    def labels(self, names: Sequence[str]) -> tuple[str, ...]:
        """Names of the d values, made of those of the states."""

    @property
    def is_trivial(self) -> bool:
        """Whether phi = 0 and rho = 1 for every matrix."""
        return False

    def dimension(self, names: Sequence[str]) -> int:
        """d."""
        return len(self.labels(names))

    def __add__(self, other: Representation) -> Representation:
        from ._products import DirectSum

        return DirectSum((self, other))

    def __mul__(self, other: Representation) -> Representation:
        from ._products import TensorProduct

        return TensorProduct(self, other)


@dataclass(frozen=True)
class Trivial(Representation):
    """d invariants: phi = 0, rho = 1."""

    count: int = 1

    def __post_init__(self) -> None:
        require(self.count >= 1, f"a representation needs at least one dimension, got {self.count}")

    def derivative(self, a: Array, names: Sequence[str]) -> Array:
        return np.zeros((*a.shape[:-2], self.count, self.count))

    def group(self, a: Array, names: Sequence[str]) -> Array:
        return np.eye(self.count)

    def labels(self, names: Sequence[str]) -> tuple[str, ...]:
        return ("1",) if self.count == 1 else tuple(f"{k + 1}" for k in range(self.count))

    @property
    def is_trivial(self) -> bool:
        return True

    def __str__(self) -> str:
        return "trivial" if self.count == 1 else f"trivial({self.count})"


@dataclass(frozen=True)
class Vector(Representation):
    """The values turn as the states do, or as some of them do, if the group keeps these to themselves."""

    states: tuple[str, ...] = ()

    def _block(self, a: Array, names: Sequence[str]) -> Array:
        if not self.states:
            return a
        missing = [s for s in self.states if s not in names]
        require(not missing, f"unknown states {', '.join(missing)}; the states are: {', '.join(names)}")
        inside = [list(names).index(s) for s in self.states]
        outside = [k for k in range(len(names)) if k not in inside]
        mixed = np.abs(a[..., inside, :][..., outside])
        require(
            not bool((mixed > 1e-12 * max(float(np.abs(a).max(initial=0.0)), 1e-300)).any()),
            f"the group mixes other states into {', '.join(self.states)}; these cannot stand for a vector of their own",
        )
        return a[..., inside, :][..., inside]

    def derivative(self, a: Array, names: Sequence[str]) -> Array:
        return self._block(a, names)

    def group(self, a: Array, names: Sequence[str]) -> Array:
        return self._block(a, names)

    def labels(self, names: Sequence[str]) -> tuple[str, ...]:
        return self.states or tuple(names)

    def __str__(self) -> str:
        return f"vector({', '.join(self.states)})" if self.states else "vector"


@dataclass(frozen=True)
class Dual(Representation):
    """One-forms on another representation: phi* = -phi^T, rho* = rho^-T."""

    of: Representation

    def derivative(self, a: Array, names: Sequence[str]) -> Array:
        return -np.swapaxes(self.of.derivative(a, names), -1, -2)

    def group(self, a: Array, names: Sequence[str]) -> Array:
        return np.asarray(np.linalg.inv(self.of.group(a, names)).T)

    def labels(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(f"d{s}" for s in self.of.labels(names))

    @property
    def is_trivial(self) -> bool:
        return self.of.is_trivial

    def __str__(self) -> str:
        return "dual" if self.of == Vector() else f"dual({self.of})"


@dataclass(frozen=True, eq=False)
class Given(Representation):
    """Matrices phi(xi_i) for the candidates of one family, in their order, (q, d, d).

    Raises
    ------
    DataError
        If the matrices are not square.
    """

    matrices: Array
    values: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        m = as_floats("matrices", self.matrices, 3)
        require(m.shape[1] == m.shape[2] > 0, f"the matrices must have shape (q, d, d), got {m.shape}")
        require_finite("matrices", m)
        object.__setattr__(self, "matrices", m)
        require(
            not self.values or len(self.values) == m.shape[1],
            f"{m.shape[1]} values but {len(self.values)} names",
        )

    def derivative(self, a: Array, names: Sequence[str]) -> Array:
        require(
            len(a) == len(self.matrices),
            f"{len(self.matrices)} matrices were given for {len(a)} candidates; give one for each, in their order",
        )
        lead = (len(self.matrices), *[1] * (a.ndim - 3))
        return np.broadcast_to(
            self.matrices.reshape(*lead, *self.matrices.shape[1:]), (*a.shape[:-2], *self.matrices.shape[1:])
        )

    def group(self, a: Array, names: Sequence[str]) -> Array:
        require(
            False,
            "matrices given for generators say nothing about maps; build the representation from vector()",
        )
        raise AssertionError

    def labels(self, names: Sequence[str]) -> tuple[str, ...]:
        return self.values or tuple(f"y{k + 1}" for k in range(self.matrices.shape[1]))

    @property
    def is_trivial(self) -> bool:
        return not self.matrices.any()

    def __str__(self) -> str:
        return f"{len(self.matrices)} given matrices of size {self.matrices.shape[1]}"


def trivial(dimension: int = 1) -> Trivial:
    """Invariants: numbers that no element of the group changes.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.sections.trivial(2))
    trivial(2)
    """
    return Trivial(dimension)


def vector(*states: str) -> Vector:
    """The defining representation: values turn as the states do, or as the states named.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.sections.vector("x", "y"))
    vector(x, y)
    """
    return Vector(tuple(states))


def dual(of: Representation | None = None) -> Dual:
    """One-forms: gradients turn in this way.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> dy.sections.dual().derivative(np.array([[0.0, 1.0], [0.0, 0.0]]), ("x", "y")).tolist()
    [[-0.0, -0.0], [-1.0, -0.0]]
    """
    return Dual(Vector() if of is None else of)


def given(matrices: npt.ArrayLike, values: Sequence[str] = ()) -> Given:
    """One matrix phi(xi_i) for each candidate, in their order.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.sections.given([[[0, -2], [2, 0]]]))
    1 given matrices of size 2
    """
    return Given(np.asarray(matrices, dtype=float), tuple(values))
