"""The one grammar for text: dictionaries and the expressions inside them are parsed, never evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import sympy as sp
from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args
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
?expression: term (SIGN term)+ -> add | term
?term: unary (TIMES unary)+ -> multiply | unary
?unary: "-" unary -> negative | "+" unary | power
?power: atom | atom ("^" | "**") unary -> raise_to
?atom: NUMBER -> number | NAME "(" expression ")" -> call | NAME -> state | "(" expression ")"

SIGN: "+" | "-"
TIMES: "*" | "/"
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
_LARGEST_NUMBER = 10**308  # numerators and denominators: what floating point can hold
_LONGEST_NUMBER = 400  # digits; Python itself refuses to read integers of some thousand digits


@cache
def _parser(start: str) -> Lark:
    return Lark(_GRAMMAR, start=start, parser="lalr", maybe_placeholders=True)


def tree_of(text: str, start: str) -> Any:
    """Parse `text`, or say where it stops making sense."""
    require(
        isinstance(text, str) and bool(text.strip()), f"an expression must be non-empty text, got {text!r}"
    )
    require(
        len(text) <= _LONGEST_TEXT,
        f"the expression has {len(text)} characters, more than {_LONGEST_TEXT}; split it into several "
        "dictionaries",
    )
    try:
        return _parser(start).parse(text)
    except UnexpectedInput as error:
        where = -1 if isinstance(error, UnexpectedToken) and error.token.type == "$END" else error.column
        place = f"at character {where}" if where > 0 else "at its end"
        context = error.get_context(text, 20).rstrip() if where > 0 else text
        raise DataError(f"cannot read {text!r} {place}:\n{context}\n{_HELP[start]}") from None


_HELP = {
    "start_dictionary": "write sums and products of poly(3), fourier(2; th), radial(x, y; -3, -1), "
    "terms(x*v, sin(th))",
    "start_expression": f"write states, numbers, + - * / ^ and the functions {', '.join(FUNCTIONS)}",
}


@v_args(inline=True)
class ExpressionBuilder(Transformer):
    """Turn a parse tree into a SymPy expression in the given states, with every number kept exact."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._states = dict(zip(names, symbols_for(names)))

    def number(self, token: Token) -> sp.Expr:
        text = str(token)
        exponent = text.lower().partition("e")[2]
        short = len(text) <= _LONGEST_NUMBER
        require(
            short and (not exponent or abs(int(exponent)) <= 308),
            f"the number {text if short else text[:20] + '...'} is out of range; sizes up to 1e308 can "
            "be used",
        )
        return _bounded(sp.Rational(text))

    def state(self, token: Token) -> sp.Expr:
        name = str(token)
        if name == "pi" and name not in self._states:
            return sp.pi
        require(name in self._states, f"unknown name {name!r}; the states are: {', '.join(self._states)}")
        return self._states[name]

    def call(self, token: Token, argument: sp.Expr) -> sp.Expr:
        name = str(token)
        require(name in FUNCTIONS, f"unknown function {name!r}; known are: {', '.join(FUNCTIONS)}")
        return _bounded(FUNCTIONS[name](argument))

    def add(self, *parts: Any) -> sp.Expr:
        first, rest = parts[0], zip(parts[1::2], parts[2::2])
        return _bounded(sp.Add(first, *(term if sign == "+" else -term for sign, term in rest)))

    def multiply(self, *parts: Any) -> sp.Expr:
        first, rest = parts[0], list(zip(parts[1::2], parts[2::2]))
        require(
            all(factor != 0 for sign, factor in rest if sign == "/"),
            "division by zero in the expression: a divisor is exactly 0",
        )
        return _bounded(sp.Mul(first, *(factor if sign == "*" else 1 / factor for sign, factor in rest)))

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
    """Refuse what is not a finite real function, and numbers that floating point cannot hold."""
    require(
        not value.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I),
        f"a part of the expression is {value}, which is not a finite real function; check its "
        "logarithms and roots",
    )
    require(
        all(
            abs(number.p) <= _LARGEST_NUMBER and number.q <= _LARGEST_NUMBER
            for number in value.atoms(sp.Rational)
        ),
        "a number in the expression becomes larger or smaller than floating point can hold (1e308); "
        "rescale the states",
    )
    return value


def build(builder: Transformer, tree: Any) -> Any:
    """Run a transformer and let its own errors through unwrapped; refuse bottomless nesting."""
    try:
        return builder.transform(tree)
    except VisitError as error:
        raise error.orig_exc from None
    except RecursionError:
        raise DataError(
            "the expression is nested too deeply to be read; write it with fewer brackets"
        ) from None


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
