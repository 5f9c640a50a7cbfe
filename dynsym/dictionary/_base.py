"""The dictionary noun: p functions theta_1..theta_p of n states, composed with `+` and `*`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt
import sympy as sp

from .._checks import Array, require, states_matrix, unique_names

MAX_TERMS = 50_000


def default_names(n_states: int) -> tuple[str, ...]:
    """Names x1..xn for states that were given none."""
    return tuple(f"x{i + 1}" for i in range(n_states))


def symbols_for(names: Sequence[str]) -> tuple[sp.Symbol, ...]:
    """One real SymPy symbol per state name; the only symbols any expression of ours contains."""
    return tuple(sp.Symbol(name, real=True) for name in names)


class Dictionary(ABC):
    """Functions theta: R^n -> R^p with the exact Jacobian D theta.

    A subclass gives four rooms, `names`, `_values`, `_jacobian` and `symbolic`; everything else follows.
    Sums keep each function once, products take all pairs.

    Examples
    --------
    >>> import dynsym as dy
    >>> d = dy.Monomials(2, 1, names=("x", "v")) * dy.Radial(("x", "v"), ("x",), (-2,))
    >>> d.terms
    ('x**(-2)', '1/x', 'v/x**2')
    """

    names: tuple[str, ...]

    @property
    def n_states(self) -> int:
        """Number of states n."""
        return len(self.names)

    @property
    def n_terms(self) -> int:
        """Number of functions p."""
        return len(self.symbolic())

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """The functions as SymPy-readable text in the state names."""
        return tuple(sp.sstr(expression) for expression in self.symbolic())

    @abstractmethod
    def symbolic(self) -> tuple[sp.Expr, ...]:
        """The functions as SymPy expressions in `symbols_for(names)`."""

    @abstractmethod
    def renamed(self, names: Sequence[str]) -> Dictionary:
        """The same functions with other state names, in the same order of states."""

    @abstractmethod
    def _values(self, x: Array) -> Array:
        """theta(x), (m, n) -> (m, p)."""

    @abstractmethod
    def _jacobian(self, x: Array) -> Array:
        """D theta(x), (m, n) -> (m, p, n)."""

    def _fill(self, columns: Array, out: Array) -> None:
        """theta written into a buffer, states (n, m) -> out (p, m): the layout that streaming works in."""
        out[...] = self._values(columns.T).T

    def evaluate(self, x: npt.ArrayLike) -> Array:
        """Values theta(x).

        Parameters
        ----------
        x
            States, (m, n) or one state (n,).

        Returns
        -------
        (m, p) array.

        Raises
        ------
        DataError
            If the number of columns is not n.
        """
        return self._values(states_matrix(x, self.n_states))

    def jacobian(self, x: npt.ArrayLike) -> Array:
        """Exact first derivatives d theta_j / d x_k, as (m, p, n) [sample, term, derivative]."""
        return self._jacobian(states_matrix(x, self.n_states))

    @property
    def has_formulas(self) -> bool:
        """Whether `symbolic` gives closed forms that can be compiled and differentiated."""
        return True

    def __len__(self) -> int:
        return self.n_terms

    def __eq__(self, other: object) -> bool:
        """Whether both have the same formulas in the same order over the same states."""
        if self is other or not isinstance(other, Dictionary):
            return self is other
        formulas = self.has_formulas and other.has_formulas
        return formulas and self.names == other.names and self.symbolic() == other.symbolic()

    def __hash__(self) -> int:
        return hash(self.names)

    def __add__(self, other: Dictionary) -> Dictionary:
        """Both lists of functions, each function once."""
        return Sum.of((self, other))

    def __mul__(self, other: Dictionary) -> Dictionary:
        """All products of one function from each, each product once."""
        return Product.of(self, other)

    def __repr__(self) -> str:
        shown = ", ".join(self.terms[:6]) + (", ..." if self.n_terms > 6 else "")
        return f"{type(self).__name__}({self.n_terms} terms in {', '.join(self.names)}: {shown})"


def _first_places(expressions: Sequence[sp.Expr]) -> npt.NDArray[np.intp]:
    """Indices of the first occurrence of each distinct expression."""
    seen: dict[sp.Expr, int] = {}
    for index, expression in enumerate(expressions):
        seen.setdefault(expression, index)
    return np.array(sorted(seen.values()), dtype=np.intp)


def _same_states(parts: Sequence[Dictionary]) -> tuple[str, ...]:
    first = parts[0].names
    for part in parts[1:]:
        require(
            part.names == first,
            f"dictionaries must be over the same states, got ({', '.join(first)}) and "
            f"({', '.join(part.names)})",
        )
    return first


@dataclass(frozen=True, repr=False, eq=False)
class Sum(Dictionary):
    """The functions of several dictionaries side by side, without repetitions.

    Examples
    --------
    >>> import dynsym as dy
    >>> (dy.Monomials(1, 1, names=("x",)) + dy.Terms(["x", "sin(x)"], ("x",))).terms
    ('1', 'x', 'sin(x)')
    """

    parts: tuple[Dictionary, ...]
    kept: npt.NDArray[np.intp]
    names: tuple[str, ...]

    @classmethod
    def of(cls, parts: Sequence[Dictionary]) -> Sum:
        """Concatenate, flattening nested sums."""
        names = _same_states(parts)
        flat = [inner for part in parts for inner in (part.parts if isinstance(part, Sum) else (part,))]
        every = [expression for part in flat for expression in part.symbolic()]
        return cls(tuple(flat), _first_places(every), names)

    @cached_property
    def terms(self) -> tuple[str, ...]:
        every = [term for part in self.parts for term in part.terms]
        return tuple(every[i] for i in self.kept)

    @cached_property
    def _formulas(self) -> tuple[sp.Expr, ...]:
        every = [expression for part in self.parts for expression in part.symbolic()]
        return tuple(every[i] for i in self.kept)

    def symbolic(self) -> tuple[sp.Expr, ...]:
        return self._formulas

    @property
    def has_formulas(self) -> bool:
        return all(part.has_formulas for part in self.parts)

    def renamed(self, names: Sequence[str]) -> Sum:
        return Sum(tuple(part.renamed(names) for part in self.parts), self.kept, tuple(names))

    def _values(self, x: Array) -> Array:
        return np.concatenate([part._values(x) for part in self.parts], axis=1)[:, self.kept]

    def _fill(self, columns: Array, out: Array) -> None:
        place, first = 0, 0
        for part in self.parts:
            kept = self.kept[(self.kept >= first) & (self.kept < first + part.n_terms)] - first
            first += part.n_terms
            if len(kept) == part.n_terms:
                part._fill(columns, out[place : place + len(kept)])
            else:
                values = np.empty((part.n_terms, columns.shape[1]))
                part._fill(columns, values)
                out[place : place + len(kept)] = values[kept]
            place += len(kept)

    def _jacobian(self, x: Array) -> Array:
        return np.concatenate([part._jacobian(x) for part in self.parts], axis=1)[:, self.kept]


@dataclass(frozen=True, repr=False, eq=False)
class Product(Dictionary):
    """All products theta_i eta_j, without repetitions; D(theta eta) = eta D theta + theta D eta.

    Raises
    ------
    DataError
        If the states differ or there are more than 50 000 products.

    Examples
    --------
    >>> import dynsym as dy
    >>> (dy.Monomials(1, 1, names=("x",)) * dy.Terms(["x", "sin(x)"], ("x",))).terms
    ('x', 'sin(x)', 'x**2', 'x*sin(x)')
    """

    left: Dictionary
    right: Dictionary
    kept: npt.NDArray[np.intp]
    names: tuple[str, ...]

    @classmethod
    def of(cls, left: Dictionary, right: Dictionary) -> Product:
        """Multiply two dictionaries over the same states."""
        names = _same_states((left, right))
        count = left.n_terms * right.n_terms
        require(
            count <= MAX_TERMS,
            f"the product of {left.n_terms} and {right.n_terms} functions has {count} terms, more than "
            f"{MAX_TERMS}; "
            "lower a degree or name fewer states",
        )
        return cls(left, right, _first_places(_pairs(left, right)), names)

    @cached_property
    def _formulas(self) -> tuple[sp.Expr, ...]:
        every = _pairs(self.left, self.right)
        return tuple(every[i] for i in self.kept)

    def symbolic(self) -> tuple[sp.Expr, ...]:
        return self._formulas

    @property
    def has_formulas(self) -> bool:
        return self.left.has_formulas and self.right.has_formulas

    def renamed(self, names: Sequence[str]) -> Product:
        return Product(self.left.renamed(names), self.right.renamed(names), self.kept, tuple(names))

    def _values(self, x: Array) -> Array:
        a, b = self.left._values(x), self.right._values(x)
        return (a[:, :, None] * b[:, None, :]).reshape(len(x), -1)[:, self.kept]

    def _jacobian(self, x: Array) -> Array:
        a, b = self.left._values(x), self.right._values(x)
        da, db = self.left._jacobian(x), self.right._jacobian(x)
        both = da[:, :, None, :] * b[:, None, :, None] + a[:, :, None, None] * db[:, None, :, :]
        return both.reshape(len(x), -1, self.n_states)[:, self.kept]


def _pairs(left: Dictionary, right: Dictionary) -> list[sp.Expr]:
    others = right.symbolic()
    return [a * b for a in left.symbolic() for b in others]


def translation(old: Sequence[str], new: Sequence[str]) -> dict[str, str]:
    """Old name -> new name, position by position."""
    own = unique_names("state", new)
    require(len(own) == len(old), f"the dictionary has {len(old)} states but {len(own)} names were given")
    return dict(zip(old, own))


class _Named(Protocol):
    @property
    def names(self) -> tuple[str, ...]: ...

    def renamed(self, names: Sequence[str]) -> Any: ...


NamedT = TypeVar("NamedT", bound=_Named)


def with_names(thing: NamedT, names: tuple[str, ...], said: str, remedy: str) -> NamedT:
    """A dictionary or family of generators over the given states; one with default names takes them.

    `said` says what the two are over, with {own} and {names} for the lists of names; `remedy` ends the message.
    """
    if thing.names == names:
        return thing
    require(
        len(thing.names) == len(names) and thing.names == default_names(len(names)),
        f"{said.format(own=', '.join(thing.names), names=', '.join(names))}; {remedy}",
    )
    return cast(NamedT, thing.renamed(names))


def checked_names(n_states: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """State names as given, or x1..xn; exactly n of them."""
    require(n_states >= 1, f"a dictionary needs at least one state, got n_states = {n_states}")
    out = default_names(n_states) if names is None else unique_names("state", names)
    require(len(out) == n_states, f"n_states = {n_states} but {len(out)} names were given: {', '.join(out)}")
    return out
