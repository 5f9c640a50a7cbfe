"""From text such as ``poly(1) * radial(x, y, z; -5..-1)`` to a dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import mul

import sympy as sp
from lark import Token, v_args

from .._checks import require
from ._base import Dictionary, Sum
from ._expressions import ExpressionBuilder, build, tree_of
from ._families import Fourier, Radial
from ._monomials import Monomials
from ._terms import Terms

_MAX_EXPONENTS = 64
_LARGEST_EXPONENT = 64


@v_args(inline=True)
class _DictionaryBuilder(ExpressionBuilder):
    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self._names = tuple(names)

    def sum(self, *parts: Dictionary) -> Dictionary:
        return Sum.of(parts)

    def product(self, *parts: Dictionary) -> Dictionary:
        return reduce(mul, parts)

    def names(self, *tokens: Token) -> tuple[str, ...]:
        return tuple(str(token) for token in tokens)

    def power_item(self, low: Token, high: Token | None) -> tuple[int, ...]:
        first, last = _integer(low), _integer(low if high is None else high)
        require(first <= last, f"a range of exponents must ascend, got {first}..{last}")
        require(
            max(-first, last) <= _LARGEST_EXPONENT,
            f"a radial exponent must be at most {_LARGEST_EXPONENT} in size, got "
            f"{low if high is None else f'{low}..{high}'}",
        )
        require(
            last - first < _MAX_EXPONENTS,
            f"the range {first}..{last} has more than {_MAX_EXPONENTS} exponents",
        )
        return tuple(k for k in range(first, last + 1) if k != 0 or high is None)

    def powers(self, *items: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(k for item in items for k in item)

    def poly(self, degree: Token, within: tuple[str, ...] | None) -> Dictionary:
        return Monomials(len(self._names), _integer(degree), names=self._names, within=within)

    def fourier(self, order: Token, within: tuple[str, ...] | None) -> Dictionary:
        return Fourier(self._names, _integer(order), within or ())

    def radial(self, within: tuple[str, ...], exponents: tuple[int, ...]) -> Dictionary:
        return Radial(self._names, within, exponents)

    def terms(self, *expressions: sp.Expr) -> Dictionary:
        return Terms(expressions, self._names)


def _integer(token: Token) -> int:
    require(
        len(token) <= 9,
        f"the number {token[:20]}... is out of range; degrees, orders and exponents are small",
    )
    return int(token)


def parse_dictionary(text: str, names: Sequence[str]) -> Dictionary:
    """The dictionary that `text` spells over the states `names`; nothing is evaluated as Python.

    Parameters
    ----------
    text
        Sums and products of ``poly(d)``, ``poly(d; x, v)``, ``fourier(k; th)``, ``radial(x, y; -3, -1)``,
        ``radial(x, y; -5..-1)`` and ``terms(x*v, sin(th))``.
    names
        State names.

    Raises
    ------
    DataError
        With the place where reading stopped, or the unknown name.

    Examples
    --------
    >>> from dynsym.dictionary import parse_dictionary
    >>> parse_dictionary("poly(1) * radial(x, y; -3)", ("x", "y")).terms
    ('(x**2 + y**2)**(-3/2)', 'x/(x**2 + y**2)**(3/2)', 'y/(x**2 + y**2)**(3/2)')
    """
    return build(_DictionaryBuilder(names), tree_of(text, "start_dictionary"))
