"""The one grammar for text: dictionaries and the expressions inside them are parsed, never evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import sympy as sp
from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError

from .._checks import DataError, require
from ._base import symbols_for

_GRAMMAR = r"""
?start_dictionary: sum
?sum: product ("+" product)*
?product: factor ("*" factor)*
?factor: "(" sum ")"
    | "poly" "(" INT [";" names] ")"            -> poly
    | "fourier" "(" INT [";" names] ")"         -> fourier
    | "radial" "(" names ";" powers ")"         -> radial
    | "terms" "(" expression ("," expression)* ")" -> terms
names: NAME ("," NAME)*
powers: power_item ("," power_item)*
power_item: SIGNED_INT [".." SIGNED_INT]

?start_expression: expression
?expression: term | expression "+" term -> add | expression "-" term -> subtract
?term: unary | term "*" unary -> multiply | term "/" unary -> divide
?unary: "-" unary -> negative | "+" unary | power
?power: atom | atom ("^" | "**") unary -> raise_to
?atom: NUMBER -> number | NAME "(" expression ")" -> call | NAME -> state | "(" expression ")"

NAME: /[^\W\d]\w*/
SIGNED_INT: /[+-]?\d+/
%import common.INT
%import common.NUMBER
%import common.WS
%ignore WS
"""

FUNCTIONS: dict[str, Callable[[sp.Expr], sp.Expr]] = {
    "sqrt": sp.sqrt,
    "exp": sp.exp,
    "log": sp.log,
    "ln": sp.log,
    "sin": sp.sin,
    "cos": sp.cos,
    "tan": sp.tan,
    "sinh": sp.sinh,
    "cosh": sp.cosh,
    "tanh": sp.tanh,
    "atan": sp.atan,
    "asin": sp.asin,
    "acos": sp.acos,
    "abs": sp.Abs,
}
_LONGEST_TEXT = 20_000
_LARGEST_POWER = 64
_LARGEST_NUMBER = 10**60


@cache
def _parser(start: str) -> Lark:
    return Lark(_GRAMMAR, start=start, parser="earley", maybe_placeholders=True)


def tree_of(text: str, start: str) -> Any:
    """Parse `text`, or say where it stops making sense."""
    require(isinstance(text, str) and bool(text.strip()), f"an expression must be non-empty text, got {text!r}")
    require(
        len(text) <= _LONGEST_TEXT,
        f"the expression has {len(text)} characters, more than {_LONGEST_TEXT}; split it into several dictionaries",
    )
    try:
        return _parser(start).parse(text)
    except UnexpectedInput as error:
        where = getattr(error, "column", -1)
        place = f"at character {where}" if where and where > 0 else "at its end"
        context = error.get_context(text, 20).rstrip() if where and where > 0 else text
        raise DataError(f"cannot read {text!r} {place}:\n{context}\n{_HELP[start]}") from None


_HELP = {
    "start_dictionary": "write sums and products of poly(3), fourier(2; th), radial(x, y; -3, -1), terms(x*v, sin(th))",
    "start_expression": f"write states, numbers, + - * / ^ and the functions {', '.join(FUNCTIONS)}",
}


@v_args(inline=True)
class ExpressionBuilder(Transformer):  # type: ignore[type-arg]
    """Turn a parse tree into a SymPy expression in the given states, with every number kept exact."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._states = dict(zip(names, symbols_for(names)))

    def number(self, token: Token) -> sp.Expr:
        exponent = str(token).lower().partition("e")[2]
        require(not exponent or abs(int(exponent)) <= 308, f"the number {token} is out of range")
        return sp.Rational(str(token))

    def state(self, token: Token) -> sp.Expr:
        name = str(token)
        if name == "pi" and name not in self._states:
            return sp.pi
        require(name in self._states, f"unknown name {name!r}; the states are: {', '.join(self._states)}")
        return self._states[name]

    def call(self, token: Token, argument: sp.Expr) -> sp.Expr:
        name = str(token)
        require(name in FUNCTIONS, f"unknown function {name!r}; known are: {', '.join(FUNCTIONS)}")
        return FUNCTIONS[name](argument)

    def add(self, a: sp.Expr, b: sp.Expr) -> sp.Expr:
        return _bounded(a + b)

    def subtract(self, a: sp.Expr, b: sp.Expr) -> sp.Expr:
        return _bounded(a - b)

    def multiply(self, a: sp.Expr, b: sp.Expr) -> sp.Expr:
        return _bounded(a * b)

    def divide(self, a: sp.Expr, b: sp.Expr) -> sp.Expr:
        require(b != 0, f"division by zero in the expression: {a}/0")
        return _bounded(a / b)

    def negative(self, a: sp.Expr) -> sp.Expr:
        return -a

    def raise_to(self, base: sp.Expr, power: sp.Expr) -> sp.Expr:
        require(
            bool(power.is_Rational) and abs(power) <= _LARGEST_POWER,
            f"a power must be a number of size at most {_LARGEST_POWER}, got {power}",
        )
        require(not (base == 0 and power < 0), f"division by zero in the expression: 0^{power}")
        return _bounded(base**power)


def _bounded(value: sp.Expr) -> sp.Expr:
    if value.is_Rational:
        require(
            abs(value.p) <= _LARGEST_NUMBER and value.q <= _LARGEST_NUMBER,
            "a number in the expression is too large; write it in floating point",
        )
    return value


def build(builder: Transformer, tree: Any) -> Any:  # type: ignore[type-arg]
    """Run a transformer and let its own errors through unwrapped."""
    try:
        return builder.transform(tree)
    except VisitError as error:
        raise error.orig_exc from None


def parse_expression(text: str, names: Sequence[str]) -> sp.Expr:
    """The SymPy expression that `text` spells in the states `names`; nothing is evaluated as Python.

    Raises
    ------
    DataError
        With the place where reading stopped, an unknown name, or a power that is not a number.

    Examples
    --------
    >>> from dynsym.dictionary import parse_expression
    >>> parse_expression("x/(x^2 + y^2)^(3/2)", ("x", "y"))
    x/(x**2 + y**2)**(3/2)
    """
    tree = tree_of(text, "start_expression")
    if isinstance(tree, Token):
        raise DataError(f"cannot read {text!r}; {_HELP['start_expression']}")
    return build(ExpressionBuilder(names), tree)
