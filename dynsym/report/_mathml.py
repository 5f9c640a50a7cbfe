"""Equations, functions and generators as MathML, one piece per term so that long ones wrap."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from html import escape

import sympy as sp

from .._checks import Array
from ..dictionary import Dictionary
from ..generators import Generators
from ..sections import ScalarFunction
from ..vector_field import VectorField
from ._numbers import rounded

_LARGEST_DENOMINATOR = 12
# Names of several letters would run into one another without a space.
_TIMES, _SPACE = "<mo>&InvisibleTimes;</mo>", "<mspace width='0.2em'/>"
_PREFIX = "<mo form='prefix'>"
_PARTIAL = "\N{PARTIAL DIFFERENTIAL}"


def math(inner: str) -> str:
    """One inline formula."""
    return f"<math>{inner}</math>"


def term_formulas(dictionary: Dictionary) -> list[str]:
    """The p functions as presentation MathML; as plain text where the dictionary has no formulas."""
    if not dictionary.has_formulas:
        return [f"<mtext>{escape(term)}</mtext>" for term in dictionary.terms]
    return [sp.mathml(e, printer="presentation").replace(_TIMES, _SPACE) for e in dictionary.symbolic()]


def combination(
    coefficients: Sequence[float] | Array, formulas: Sequence[str], ones: Sequence[bool]
) -> list[str]:
    """sum_j c_j theta_j as pieces, one per non-zero term; `ones` marks the constant function."""
    out: list[str] = []
    for c, formula, one in zip(coefficients, formulas, ones):
        if c == 0:
            continue
        sign = "\N{MINUS SIGN}" if c < 0 else ("+" if out else "")
        number = _number(abs(float(c)))
        number = "" if number == "<mn>1</mn>" and not one else number
        body = number if one else number + (_SPACE if number else "") + formula
        mark = _infix(sign) if out else (f"{_PREFIX}{sign}</mo>" if sign else "")
        out.append(mark + body)
    return out or ["<mn>0</mn>"]


def _number(value: float) -> str:
    simple = Fraction(value).limit_denominator(_LARGEST_DENOMINATOR)
    periodic = float(f"{value:.5g}") != value
    if periodic and simple.numerator < 100 and abs(value - simple) < 1e-14 * value:
        return f"<mfrac><mn>{simple.numerator}</mn><mn>{simple.denominator}</mn></mfrac>"
    number = rounded(value)
    if not number.exponent:
        return f"<mn>{number.value}</mn>"
    power = f"<msup><mn>10</mn><mn>{str(number.exponent).replace('-', chr(0x2212))}</mn></msup>"
    return f"<mn>{number.value}</mn><mo>\N{MULTIPLICATION SIGN}</mo>{power}"


def _constants(dictionary: Dictionary) -> list[bool]:
    return [term == "1" for term in dictionary.terms]


def _name(name: str) -> str:
    return str(sp.mathml(sp.Symbol(name, real=True), printer="presentation"))


def equation_pieces(field: VectorField) -> list[list[str]]:
    """For each state the pieces of dx/dt = ..., each a formula of its own."""
    formulas, ones = term_formulas(field.dictionary), _constants(field.dictionary)
    out = []
    for name, row in zip(field.names, field.coefficients):
        left = (
            f"<mfrac><mrow><mi>d</mi>{_name(name)}</mrow><mrow><mi>d</mi><mi>t</mi></mrow></mfrac><mo>=</mo>"
        )
        first, *rest = combination(row, formulas, ones)
        out.append([math(left + first), *(math(piece) for piece in rest)])
    return out


def function_pieces(function: ScalarFunction) -> list[str]:
    """The pieces of h."""
    dictionary = function.dictionary
    return [
        math(p) for p in combination(function.coefficients, term_formulas(dictionary), _constants(dictionary))
    ]


def generator_pieces(generator: Generators) -> list[str]:
    """The pieces of the first generator, sum_i (xi_i + t eta_i) d/dx_i + b t d/dt."""
    dictionary = generator.dictionary
    formulas, ones = term_formulas(dictionary), _constants(dictionary)
    assert generator.time_scaling is not None
    assert generator.ramp is not None
    out: list[str] = []
    for i, name in enumerate(generator.names):
        for ramp, row in (("", generator.coefficients[0, i]), ("<mi>t</mi>", generator.ramp[0, i])):
            if row.any():
                out.append(_component(combination(row, formulas, ones), ramp, _name(name), bool(out)))
    b = float(generator.time_scaling[0])
    if b:
        out.append(_component(combination([b], ["<mi>t</mi>"], [False]), "", "<mi>t</mi>", bool(out)))
    return [math(piece) for piece in out] or [math("<mn>0</mn>")]


def _component(pieces: list[str], ramp: str, name: str, follows: bool) -> str:
    derivation = f"<mfrac><mo>{_PARTIAL}</mo><mrow><mo>{_PARTIAL}</mo>{name}</mrow></mfrac>"
    if len(pieces) == 1 and not ramp:
        body = pieces[0]
        minus = body.startswith(_PREFIX)
        body = body.partition("</mo>")[2] if minus else body
        body = "" if body == "<mn>1</mn>" else body
        plus = "\N{MINUS SIGN}" if minus else "+"
        if minus and not follows:
            body = f"{_PREFIX}{plus}</mo>{body}"
    else:
        body, plus = f"{ramp}<mo>(</mo>{''.join(pieces)}<mo>)</mo>", "+"
    return (_infix(plus) if follows else "") + body + derivation


def _infix(sign: str) -> str:
    """A sign between two pieces; as the first in its formula it would be set tight otherwise."""
    return f"<mo form='infix' lspace='0.2em' rspace='0.25em'>{sign}</mo>"
