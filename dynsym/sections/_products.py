"""Representations made of others: direct sums, tensor products, symmetric and antisymmetric squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

import numpy as np
import numpy.typing as npt

from .._checks import Array, require
from ._representations import Representation, Vector


@dataclass(frozen=True)
class DirectSum(Representation):
    """Values of several kinds side by side."""

    parts: tuple[Representation, ...]

    def __post_init__(self) -> None:
        require(len(self.parts) > 0, "a direct sum needs at least one representation, got none")

    def derivative(self, a: Array, names: Sequence[str]) -> Array:
        return _diagonal([part.derivative(a, names) for part in self.parts])

    def group(self, a: Array, names: Sequence[str]) -> Array:
        return _diagonal([part.group(a, names) for part in self.parts])

    def labels(self, names: Sequence[str]) -> tuple[str, ...]:
        every = [label for part in self.parts for label in part.labels(names)]
        if len(set(every)) == len(every):
            return tuple(every)
        return tuple(f"{label}_{k + 1}" for k, part in enumerate(self.parts) for label in part.labels(names))

    @property
    def is_trivial(self) -> bool:
        return all(part.is_trivial for part in self.parts)

    def __str__(self) -> str:
        return " + ".join(str(part) for part in self.parts)


def _diagonal(blocks: Sequence[Array]) -> Array:
    d = sum(block.shape[-1] for block in blocks)
    out = np.zeros((*blocks[0].shape[:-2], d, d))
    start = 0
    for block in blocks:
        stop = start + block.shape[-1]
        out[..., start:stop, start:stop] = block
        start = stop
    return out


@dataclass(frozen=True)
class TensorProduct(Representation):
    """Values with two indices, the second running fastest."""

    left: Representation
    right: Representation

    def derivative(self, a: Array, names: Sequence[str]) -> Array:
        one, two = self.left.derivative(a, names), self.right.derivative(a, names)
        d, e = one.shape[-1], two.shape[-1]
        both = np.einsum("...ij,kl->...ikjl", one, np.eye(e)) + np.einsum("ij,...kl->...ikjl", np.eye(d), two)
        return both.reshape(*a.shape[:-2], d * e, d * e)

    def group(self, a: Array, names: Sequence[str]) -> Array:
        return np.asarray(np.kron(self.left.group(a, names), self.right.group(a, names)), dtype=float)

    def labels(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(f"{s}{t}" for s in self.left.labels(names) for t in self.right.labels(names))

    @property
    def is_trivial(self) -> bool:
        return self.left.is_trivial and self.right.is_trivial

    def __str__(self) -> str:
        return " * ".join(f"({p})" if isinstance(p, DirectSum) else str(p) for p in (self.left, self.right))


@dataclass(frozen=True)
class Square(Representation):
    """Symmetric (sign 1) or antisymmetric (sign -1) tensors T with two indices: phi T + T phi^T, rho T rho^T.

    Values are the independent components T_ij, i <= j or i < j, in the order (1, 1), (1, 2), ..., (2, 2), ...
    """

    of: Representation
    sign: int

    def __post_init__(self) -> None:
        require(self.sign in (1, -1), f"the sign of a square is 1 or -1, got {self.sign}")

    def _places(self, d: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        pick = combinations_with_replacement if self.sign > 0 else combinations
        pairs = np.array(list(pick(range(d), 2)), dtype=np.intp).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def _basis(self, d: int) -> Array:
        i, j = self._places(d)
        out = np.zeros((len(i), d, d))
        out[np.arange(len(i)), j, i] = self.sign
        out[np.arange(len(i)), i, j] = 1.0
        return out

    def derivative(self, a: Array, names: Sequence[str]) -> Array:
        phi = self.of.derivative(a, names)
        i, j = self._places(phi.shape[-1])
        moved = np.einsum("...ij,ajk->...aik", phi, self._basis(phi.shape[-1]))
        whole = moved + self.sign * np.swapaxes(moved, -1, -2)
        return np.swapaxes(whole[..., i, j], -1, -2)

    def group(self, a: Array, names: Sequence[str]) -> Array:
        rho = self.of.group(a, names)
        i, j = self._places(len(rho))
        return np.asarray((rho @ self._basis(len(rho)) @ rho.T)[:, i, j].T)

    def labels(self, names: Sequence[str]) -> tuple[str, ...]:
        own = self.of.labels(names)
        return tuple(f"{own[i]}{own[j]}" for i, j in zip(*self._places(len(own))))

    @property
    def is_trivial(self) -> bool:
        return self.of.is_trivial

    def __str__(self) -> str:
        word = "symmetric" if self.sign > 0 else "antisymmetric"
        return word if self.of == Vector() else f"{word}({self.of})"


def symmetric_square(of: Representation | None = None) -> Square:
    """Symmetric tensors with two indices, such as stress and strain.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.sections.symmetric_square().labels(("x", "y", "z"))
    ('xx', 'xy', 'xz', 'yy', 'yz', 'zz')
    """
    return Square(Vector() if of is None else of, 1)


def antisymmetric_square(of: Representation | None = None) -> Square:
    """Antisymmetric tensors with two indices, such as the electromagnetic field.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.sections.antisymmetric_square().labels(("x", "y", "z"))
    ('xy', 'xz', 'yz')
    """
    return Square(Vector() if of is None else of, -1)
