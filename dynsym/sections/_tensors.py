"""Tensor sections T(x) = sum_a E_a sum_j C_aj theta_j(x): forms, bivectors, metrics and densities over a dictionary.

E_a are the constant tensors that span the kind (antisymmetric matrices for a two-form, symmetric ones for a metric), one for
each independent component; so a section is a (c, p) array of coefficients, c components by p terms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, combinations_with_replacement
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import sympy as sp

from .._checks import Array, choose, frozen, require, require_finite
from ..dictionary import Dictionary
from ._scalar import ScalarFunction, expression_of, text_of

Index = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TensorSection(ABC):
    """A tensor field in the span of a dictionary; use one of the kinds below.

    Parameters
    ----------
    dictionary
        The p functions theta_j.
    coefficients
        (c, p), one row for each independent component, in the order of `components`.

    Raises
    ------
    DataError
        If the coefficients have another shape or are not finite.
    """

    dictionary: Dictionary
    coefficients: Array

    kind: ClassVar[str] = ""
    order: ClassVar[int] = 0  # number of indices
    variance: ClassVar[int] = 1  # how a component scales with the states' units: s^variance per index
    symmetry: ClassVar[int] = (
        0  # of a matrix under transposition: -1, +1, or 0 where it has one index or none
    )

    def __post_init__(self) -> None:
        c = frozen(self.coefficients)
        wanted = (len(self.components(self.dictionary.n_states)), self.dictionary.n_terms)
        if c.shape == (wanted[0] * wanted[1],):
            c = frozen(c.reshape(wanted))
        require(c.shape == wanted, f"coefficients of a {self.kind} must have shape {wanted}, got {c.shape}")
        require_finite("coefficients", c)
        object.__setattr__(self, "coefficients", c)

    @classmethod
    def components(cls, n: int) -> list[Index]:
        """Indices of the independent components, c of them."""
        if cls.order < 2:
            return [(i,) for i in range(n)] if cls.order else [()]
        pick = combinations if cls.symmetry < 0 else combinations_with_replacement
        return list(pick(range(n), 2))

    @classmethod
    @abstractmethod
    def act(cls, jacobian: Array, tensor: Array) -> Array:
        """What Df does to the value of a section, M(Df) T; L_f T = D_f T + M(Df) T."""

    @classmethod
    def basis(cls, n: int) -> Array:
        """The tensors E_a, (c, n, ..., n)."""
        places = cls.components(n)
        out = np.zeros((len(places), *(n,) * cls.order))
        for a, place in enumerate(places):
            if cls.order == 2:
                out[(a, *place[::-1])] = cls.symmetry
            out[(a, *place)] = 1.0
        return out

    @classmethod
    def weights(cls, scale: Array) -> Array:
        """Size of each E_a in units in which every state has size 1, (c,)."""
        places = cls.components(len(scale))
        size = [np.sqrt(2.0) if len(set(place)) == 2 else 1.0 for place in places]
        units = [np.prod(scale[list(place)]) ** float(cls.variance) if place else 1.0 for place in places]
        return np.array(size) * np.array(units)

    @classmethod
    def action(cls, n: int) -> Array:
        """(c, c, n, n) with (M(A) T)_b = sum_a,k,l action_bakl A_kl T_a."""
        return _action(cls.kind, n)

    @property
    def names(self) -> tuple[str, ...]:
        """State names."""
        return self.dictionary.names

    def parts(self, x: npt.ArrayLike) -> Array:
        """The independent components at x, (m, n) -> (m, c)."""
        return self.dictionary.evaluate(x) @ self.coefficients.T

    def evaluate(self, x: npt.ArrayLike) -> Array:
        """T(x), (m, n) -> (m,), (m, n) or (m, n, n) by the number of indices."""
        return np.tensordot(self.parts(x), self.basis(self.dictionary.n_states), axes=1)

    __call__ = evaluate

    def slopes(self, x: npt.ArrayLike) -> Array:
        """Derivatives of the independent components, (m, n) -> (m, c, n)."""
        return np.einsum("mpk,cp->mck", self.dictionary.jacobian(x), self.coefficients)

    def to_sympy(self) -> sp.Expr | sp.Matrix:
        """T as an expression, a column or a matrix of expressions in the state names."""
        n = self.dictionary.n_states
        parts = [expression_of(self.dictionary, row) for row in self.coefficients]
        if not self.order:
            return parts[0]
        out = sp.zeros(n, n if self.order == 2 else 1)
        for place, part in zip(self.components(n), parts):
            if self.order == 1:
                out[place[0], 0] = part
                continue
            out[place[1], place[0]] = self.symmetry * part
            out[place[0], place[1]] = part
        return out

    def expressions(self, digits: int = 6) -> dict[str, str]:
        """Text of each component that does not vanish, by its label."""
        places = self.components(self.dictionary.n_states)
        return {
            self._label([self.names[i] for i in place]): text_of(self.dictionary.terms, row, digits)
            for place, row in zip(places, self.coefficients)
            if row.any()
        }

    @classmethod
    def _label(cls, names: list[str]) -> str:
        return "*".join(f"d{name}" for name in names)

    def __str__(self) -> str:
        pieces = []
        for label, text in self.expressions().items():
            compound = " + " in text or " - " in text
            body = f"({text})" if compound else text
            pieces.append(label if text == "1" else (f"-{label}" if text == "-1" else f"{body} {label}"))
        return " + ".join(pieces).replace("+ -", "- ") or "0"

    def _repr_latex_(self) -> str:
        value = self.to_sympy()
        shown = value.applyfunc(lambda e: sp.N(e, 5)) if self.order else sp.N(value, 5)
        return f"$${sp.latex(shown)}$$"


@lru_cache(maxsize=64)
def _action(kind: str, n: int) -> Array:
    cls = _KINDS[kind]
    basis, places = cls.basis(n), cls.components(n)
    out = np.zeros((len(places), len(places), n, n))
    for a, tensor in enumerate(basis):
        for k in range(n):
            for j in range(n):
                unit = np.zeros((n, n))
                unit[k, j] = 1.0
                image = np.asarray(cls.act(unit, tensor))
                out[:, a, k, j] = [image[place] for place in places]
    return frozen(out)


@dataclass(frozen=True, eq=False)
class Scalar(TensorSection):
    """A function as a section: L_f h = grad h . f.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.sections.Scalar(dy.Monomials(1, 2, names=("x",)), [[0, 0, 1]]).function)
    x**2
    """

    kind: ClassVar[str] = "function"

    @classmethod
    def act(cls, jacobian: Array, tensor: Array) -> Array:
        return np.zeros_like(tensor)

    @property
    def function(self) -> ScalarFunction:
        """The same as a `ScalarFunction`."""
        return ScalarFunction(self.dictionary, self.coefficients[0])

    def __str__(self) -> str:
        return text_of(self.dictionary.terms, self.coefficients[0])


@dataclass(frozen=True, eq=False)
class OneForm(TensorSection):
    """A one-form a: L_f a = D_f a + Df^T a.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.OneForm(dy.Monomials(2, 1, names=("x", "v")), [[0, 2, 0], [0, 0, 1]]))
    2*x dx + v dv
    """

    kind: ClassVar[str] = "one-form"
    order: ClassVar[int] = 1

    @classmethod
    def act(cls, jacobian: Array, tensor: Array) -> Array:
        return jacobian.T @ tensor


@dataclass(frozen=True, eq=False)
class TwoForm(TensorSection):
    """A two-form, W antisymmetric: L_f W = D_f W + Df^T W + W Df.

    Examples
    --------
    >>> import dynsym as dy
    >>> area = dy.TwoForm(dy.Monomials(2, 0, names=("q", "p")), [[1.0]])
    >>> print(area)
    dq^dp
    >>> area.evaluate([0.0, 0.0]).tolist()
    [[[0.0, 1.0], [-1.0, 0.0]]]
    """

    kind: ClassVar[str] = "two-form"
    order: ClassVar[int] = 2
    symmetry: ClassVar[int] = -1

    @classmethod
    def act(cls, jacobian: Array, tensor: Array) -> Array:
        return jacobian.T @ tensor + tensor @ jacobian

    @classmethod
    def _label(cls, names: list[str]) -> str:
        return "^".join(f"d{name}" for name in names)


@dataclass(frozen=True, eq=False)
class Bivector(TensorSection):
    """A bivector, J antisymmetric with J_ij = {x_i, x_j}: L_f J = D_f J - Df J - J Df^T.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.Bivector(dy.Monomials(3, 1, constant=False), [[0, 0, 1], [0, -1, 0], [1, 0, 0]]))
    {x1, x2} = x3, {x1, x3} = -x2, {x2, x3} = x1
    """

    kind: ClassVar[str] = "bivector"
    order: ClassVar[int] = 2
    variance: ClassVar[int] = -1
    symmetry: ClassVar[int] = -1

    @classmethod
    def act(cls, jacobian: Array, tensor: Array) -> Array:
        return -(jacobian @ tensor + tensor @ jacobian.T)

    @classmethod
    def _label(cls, names: list[str]) -> str:
        return "{" + ", ".join(names) + "}"

    def __str__(self) -> str:
        return ", ".join(f"{label} = {text}" for label, text in self.expressions().items()) or "0"


@dataclass(frozen=True, eq=False)
class Metric(TensorSection):
    """A symmetric form G (not necessarily definite): L_f G = D_f G + Df^T G + G Df; f is a Killing field where it vanishes.

    In text dx*dx is dx (x) dx, and dx*dv is dx (x) dv + dv (x) dx.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.Metric(dy.Monomials(2, 0, names=("x", "y")), [[1], [0], [1]]))
    dx*dx + dy*dy
    """

    kind: ClassVar[str] = "metric"
    order: ClassVar[int] = 2
    symmetry: ClassVar[int] = 1

    @classmethod
    def act(cls, jacobian: Array, tensor: Array) -> Array:
        return jacobian.T @ tensor + tensor @ jacobian


@dataclass(frozen=True, eq=False)
class Density(TensorSection):
    """A density rho: L_f rho = div(rho f); where it vanishes rho is a Jacobi last multiplier, and an invariant measure if > 0.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.Density(dy.Terms(["1/(x*y)"], ("x", "y")), [[1.0]]))
    1/(x*y)
    """

    kind: ClassVar[str] = "density"

    @classmethod
    def act(cls, jacobian: Array, tensor: Array) -> Array:
        return np.trace(jacobian) * tensor

    def __str__(self) -> str:
        return text_of(self.dictionary.terms, self.coefficients[0])


_KINDS: dict[str, type[TensorSection]] = {
    cls.kind: cls for cls in (Scalar, OneForm, TwoForm, Bivector, Metric, Density)
}


def section_class(kind: str) -> type[TensorSection]:
    """The class of a kind by its name.

    Examples
    --------
    >>> from dynsym.sections import section_class
    >>> section_class("two-form").__name__
    'TwoForm'
    """
    return _KINDS[choose("kind of tensor", kind, tuple(_KINDS))]
