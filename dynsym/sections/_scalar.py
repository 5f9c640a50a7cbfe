"""Scalar sections: functions h(x) = sum_j c_j theta_j(x) over a dictionary, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import sympy as sp

from .._checks import Array, frozen, require
from .._constants import written
from ..dictionary import Dictionary


def expression_of(dictionary: Dictionary, coefficients: Array) -> sp.Expr:
    """sum_j c_j theta_j as a SymPy expression, without zero coefficients, integers as integers."""
    parts = [_number(c) * e for c, e in zip(coefficients, dictionary.symbolic()) if c != 0]
    return sp.Add(*parts)


def _number(value: float) -> sp.Expr:
    return (
        sp.Integer(int(value)) if float(value).is_integer() and abs(value) < 1e9 else sp.Float(float(value))
    )


def text_of(terms: Sequence[str], coefficients: npt.ArrayLike, digits: int = 6) -> str:
    """sum_j c_j theta_j as SymPy-readable text with rounded coefficients, in the order of the terms.

    Examples
    --------
    >>> from dynsym.sections import text_of
    >>> text_of(("1", "x", "v**2"), (0.0, -1.0, 0.5))
    '-x + 0.5*v**2'
    """
    text = ""
    for c, term in zip(np.asarray(coefficients, dtype=float), terms):
        if c == 0:
            continue
        size = _digits(abs(c), digits)
        body = f"({term})" if " + " in term or " - " in term else term
        piece = size if term == "1" else (body if size == "1" else f"{size}*{body}")
        text += (" - " if c < 0 else " + ") + piece
    if not text:
        return "0"
    return ("-" if text[1] == "-" else "") + text[3:]


def _digits(size: float, digits: int) -> str:
    """A positive number in few digits; thirds, sixths, roots and the like as such, where they are exact."""
    known = written(size)
    if known is not None:
        return known
    near = Fraction(size).limit_denominator(12)
    if near.denominator in (3, 6, 7, 9, 11, 12) and near != 0 and abs(float(near) - size) <= 1e-14 * size:
        return f"{near.numerator}/{near.denominator}"
    return f"{size:.{digits}g}"


@dataclass(frozen=True, eq=False)
class ScalarFunction:
    """A function h: R^n -> R in the span of a dictionary.

    Parameters
    ----------
    dictionary
        The p functions theta_j.
    coefficients
        (p,) numbers c_j.

    Examples
    --------
    >>> import dynsym as dy
    >>> energy = dy.ScalarFunction(dy.Monomials(2, 2, names=("x", "v")), [0, 0, 0, 0.5, 0, 0.5])
    >>> energy.evaluate([3.0, 4.0])
    array([12.5])
    >>> str(energy)
    '0.5*x**2 + 0.5*v**2'
    """

    dictionary: Dictionary
    coefficients: Array

    def __post_init__(self) -> None:
        c = frozen(self.coefficients)
        require(
            c.shape == (self.dictionary.n_terms,),
            f"coefficients must have shape ({self.dictionary.n_terms},), got {c.shape}",
        )
        object.__setattr__(self, "coefficients", c)

    def evaluate(self, x: npt.ArrayLike) -> Array:
        """h(x), (m, n) -> (m,)."""
        return self.dictionary.evaluate(x) @ self.coefficients

    __call__ = evaluate

    def gradient(self, x: npt.ArrayLike) -> Array:
        """grad h(x), (m, n) -> (m, n)."""
        return np.einsum("mpn,p->mn", self.dictionary.jacobian(x), self.coefficients)

    def to_sympy(self) -> sp.Expr:
        """h as a SymPy expression in the state names."""
        return expression_of(self.dictionary, self.coefficients)

    def __str__(self) -> str:
        return text_of(self.dictionary.terms, self.coefficients)

    def _repr_latex_(self) -> str:
        return f"$${sp.latex(sp.N(self.to_sympy(), 5))}$$"
