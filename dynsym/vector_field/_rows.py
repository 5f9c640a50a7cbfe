"""Functions as sums of coefficients times monomials, in the states and in what else occurs in them (atoms)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import sympy as sp

from .._checks import Array
from ..dictionary import Dictionary, Monomials
from ..dictionary._base import symbols_for

Monomial = tuple[tuple[int, int], ...]  # (variable, power >= 1), variables ascending; () is 1
Row = dict[Monomial, float]

_LARGEST_POWER = 16  # beyond it, one call of pow is faster than a chain of products


@dataclass
class Rows:
    """Functions f_i = sum over monomials of c z^a, z the n states followed by the atoms.

    An atom is a factor of a term that is no power of a state: sin(x), exp(-y), 1/sqrt(x^2 + y^2). All powers of a
    thing share one atom, so r^-5, r^-3 and r^-1 cost one root and a few products.

    Attributes
    ----------
    names
        The states.
    rows
        One sum per function.
    atoms
        SymPy expressions in the states, in the order of their variables n, n + 1, ...
    """

    names: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    atoms: dict[sp.Expr, int] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Sequence[tuple[Dictionary, Array]]) -> Rows:
        """The functions C theta of dictionaries over the same states, C (q, p), with the zeros of C left out."""
        out = cls(parts[0][0].names)
        for dictionary, coefficients in parts:
            used = np.flatnonzero(coefficients.any(axis=0))
            terms = out._terms(dictionary, used)
            for line in coefficients[:, used].tolist():
                row: Row = {}
                for c, term in zip(line, terms):
                    for monomial, inner in term.items():
                        _add(row, monomial, c * inner)
                out.rows.append(row)
        return out

    def _terms(self, dictionary: Dictionary, used: npt.NDArray[np.intp]) -> list[Row]:
        if isinstance(dictionary, Monomials):
            return [{_monomial(dictionary.exponents[j]): 1.0} for j in used]
        formulas = dictionary.symbolic()
        return [self.row_of(formulas[j]) for j in used]

    def derivatives(self) -> Rows:
        """All d f_i / d x_k, row by row, by the chain rule through the atoms."""
        out = Rows(self.names, atoms=dict(self.atoms))
        slopes = self._slopes_of_variables(out)
        for row in self.rows:
            for k in range(len(self.names)):
                total: Row = {}
                for monomial, c in row.items():
                    for variable, power in monomial:
                        rest = _times(monomial, ((variable, -1),))
                        for inner, slope in slopes[variable][k].items():
                            _add(total, _times(rest, inner), c * power * slope)
                out.rows.append(total)
        return out

    def _slopes_of_variables(self, out: Rows) -> list[list[Row]]:
        n = len(self.names)
        slopes: list[list[Row]] = [[{(): 1.0} if i == k else {} for k in range(n)] for i in range(n)]
        x = symbols_for(self.names)
        return slopes + [[out.row_of(sp.diff(atom, s)) for s in x] for atom in self.atoms]

    def row_of(self, expression: sp.Expr) -> Row:
        """An expression as such a sum, atoms entered where they are new."""
        row: Row = {}
        for part in sp.Add.make_args(expression):
            c, rest = part.as_coeff_Mul()
            coefficient = float(c)
            monomial: Monomial = ()
            for factor in sp.Mul.make_args(rest):
                if factor.is_number:
                    coefficient *= float(factor)
                else:
                    monomial = _times(monomial, self._power_of(factor))
            _add(row, monomial, coefficient)
        return row

    def _power_of(self, factor: sp.Expr) -> Monomial:
        """A factor as a whole power of a variable: x**3 of x, r2**(-3/2) of 1/sqrt(r2)."""
        base, exponent = factor.as_base_exp()
        if base.is_Pow or not exponent.is_Rational or abs(exponent.p) > _LARGEST_POWER:
            base, exponent = factor, sp.Integer(1)
        if base.is_Symbol and exponent.is_Integer and exponent > 0:
            return ((self.names.index(base.name), int(exponent)),)
        sign = 1 if exponent > 0 else -1
        atom = base ** sp.Rational(sign, exponent.q)
        place = self.atoms.setdefault(atom, len(self.names) + len(self.atoms))
        return ((place, abs(int(exponent.p))),)


def _monomial(exponents: npt.NDArray[np.intp]) -> Monomial:
    return tuple((k, int(e)) for k, e in enumerate(exponents) if e)


def _times(a: Monomial, b: Sequence[tuple[int, int]]) -> Monomial:
    powers = dict(a)
    for variable, power in b:
        powers[variable] = powers.get(variable, 0) + power
    return tuple(sorted((v, p) for v, p in powers.items() if p))


def _add(row: Row, monomial: Monomial, coefficient: float) -> None:
    total = row.get(monomial, 0.0) + coefficient
    if total:
        row[monomial] = total
    else:
        row.pop(monomial, None)
