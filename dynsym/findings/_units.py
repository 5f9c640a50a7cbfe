"""Units of laws and of generators and of their coefficients, from the units of the states."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from .._checks import require
from ..dictionary._base import symbols_for
from ..generators import Generators
from ..sections import ScalarFunction

_UNIT = re.compile(r"([A-Za-z\u00b5\u00b0%]+)(?:\^|\*\*)?(-?\d+)?")


@dataclass(frozen=True)
class LawUnits:
    """The unit of a law whose leading coefficient is a pure number, and those of its coefficients; made by `law_units`.

    Attributes
    ----------
    unit
        Of the law, such as ``m**2/s**2``; empty for a pure number, None if a term has no unit (the sine of a length).
    coefficients
        Of each coefficient that is not zero, by term; None where the term has none.
    """

    unit: str | None
    coefficients: Mapping[str, str | None]

    def __str__(self) -> str:
        shown = {term: unit for term, unit in self.coefficients.items() if unit}
        parts = ", ".join(f"the coefficient of {term} in {unit}" for term, unit in shown.items())
        head = "no consistent unit" if self.unit is None else f"in {self.unit or 'pure numbers'}"
        return head + (f"; {parts}" if parts else "")


def law_units(function: ScalarFunction, units: Sequence[str] | Mapping[str, str]) -> LawUnits:
    """Units of h = sum_j c_j theta_j, if the largest coefficient is a pure number.

    Unit names are letters to the computation: products and powers cancel, but km is not 1000 m.

    Parameters
    ----------
    function
        The law.
    units
        Of the states, in their order or by name, such as ``m/s`` or ``kg m^2 s^-1``; empty for pure numbers.

    Raises
    ------
    DataError
        If there is not one unit for each state, or a unit cannot be read.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.findings import law_units
    >>> energy = dy.ScalarFunction(dy.Monomials(2, 2, names=("x", "v")), [0, 0, 0, 0.25, 0, 1])
    >>> print(law_units(energy, ("m", "m/s")))
    in m**2/s**2; the coefficient of x**2 in s**(-2)
    """
    names = function.dictionary.names
    given = [units.get(name, "") for name in names] if isinstance(units, Mapping) else list(units)
    require(len(given) == len(names), f"{len(names)} states need as many units, got {len(given)}")
    own = {symbol: read_unit(text) for symbol, text in zip(symbols_for(names), given)}
    used = [int(j) for j in np.flatnonzero(function.coefficients)]
    if not used:
        return LawUnits(None, {})
    formulas = function.dictionary.symbolic()
    of_terms = {j: unit_of(formulas[j], own) for j in used}
    whole = of_terms[max(used, key=lambda j: abs(function.coefficients[j]))]
    coefficients = {
        function.dictionary.terms[j]: None if whole is None or unit is None else _written(whole / unit)
        for j, unit in of_terms.items()
    }
    known = whole is not None and all(unit is not None for unit in of_terms.values())
    return LawUnits(_written(whole) if known and whole is not None else None, coefficients)


@dataclass(frozen=True)
class GeneratorUnits:
    """Units of the entries of an affine generator (A x + b) d/dx, its parameter being a pure number; by `generator_units`.

    Attributes
    ----------
    names
        Of the states.
    matrix
        Of A_ij, shape (n, n): unit of x_i over unit of x_j, empty for pure numbers.
    offset
        Of b_i, (n,): that of x_i.
    written
        Of the entries that are not zero and no pure numbers, by the term they stand before, such as ``vx d/dx``.
    """

    names: tuple[str, ...]
    matrix: tuple[tuple[str, ...], ...]
    offset: tuple[str, ...]
    written: Mapping[str, str]

    def __str__(self) -> str:
        shown = ", ".join(f"{term} in {unit}" for term, unit in self.written.items())
        return shown or "pure numbers"


def generator_units(generator: Generators, units: Sequence[str] | Mapping[str, str]) -> GeneratorUnits | None:
    """Units of one affine generator (A x + b) d/dx, its parameter a pure number: [A_ij] = [x_i] / [x_j], [b_i] = [x_i].

    The factor of t d/dt is a pure number always.

    Parameters
    ----------
    generator
        One generator; of several, the first.
    units
        Of the states, in their order or by name.

    Returns
    -------
    GeneratorUnits or None
        None for a generator that is not affine in the states, or that has boosts.

    Raises
    ------
    DataError
        If there is not one unit for each state, or a unit cannot be read.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.findings import generator_units
    >>> turn = dy.generators.rotations(2, names=("x", "v"))
    >>> print(generator_units(turn, ("m", "m/s")))
    v d/dx in s, x d/dv in 1/s
    """
    parts = generator.affine_parts()
    names = generator.names
    given = [units.get(name, "") for name in names] if isinstance(units, Mapping) else list(units)
    require(len(given) == len(names), f"{len(names)} states need as many units, got {len(given)}")
    if parts is None or generator.ramps() is not None:
        return None
    own = [read_unit(text) for text in given]
    matrix = tuple(tuple(_written(a / b) for b in own) for a in own)
    offset = tuple(_written(a) for a in own)
    written = {f"{names[j]} d/d{names[i]}": matrix[i][j] for i, j in np.argwhere(parts[0][0]) if matrix[i][j]}
    written |= {f"d/d{names[i]}": offset[i] for i in np.flatnonzero(parts[1][0]) if offset[i]}
    return GeneratorUnits(names, matrix, offset, written)


def unit_of(expression: sp.Expr, units: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr | None:
    """The unit of a formula, numbers in it being pure; None if it adds different units or has a function of one."""
    if expression.is_Symbol:
        return units.get(expression, sp.Integer(1))
    if expression.is_number:
        return sp.Integer(1)
    parts = [unit_of(part, units) for part in expression.args]
    if any(part is None for part in parts):
        return None
    known = [part for part in parts if part is not None]
    if expression.is_Mul:
        return sp.Mul(*known)
    if expression.is_Pow and expression.exp.is_number:
        return sp.powdenest(known[0] ** expression.exp, force=True)
    if expression.is_Add:
        return known[0] if all(sp.simplify(part / known[0]) == 1 for part in known) else None
    return sp.Integer(1) if all(part == 1 for part in known) else None


def read_unit(text: str) -> sp.Expr:
    """A unit such as ``m/s^2`` or ``kg m^2 s^-1`` as a product of powers of symbols.

    Examples
    --------
    >>> read_unit("kg m^2 s^-1") / read_unit("kg*m/s")
    m
    """
    out = sp.Integer(1)
    for index, part in enumerate(text.replace("**", "^").split("/")):
        rest = _UNIT.sub("", part).strip(" *\u00b7.()1")
        require(not rest, f"the unit {text!r} cannot be read at {rest!r}; write it like 'kg m^2/s'")
        for name, power in _UNIT.findall(part):
            factor = sp.Symbol(name, positive=True) ** int(power or 1)
            out = out * factor if index == 0 else out / factor
    return out


def _written(unit: sp.Expr) -> str:
    return "" if unit == 1 else str(unit)
