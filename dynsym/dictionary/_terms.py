"""Any listed functions: written as text, differentiated exactly by SymPy, compiled once to NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp

from .._checks import Array, DataError, require, unique_names
from ._base import Dictionary, symbols_for, translation
from ._expressions import parse_expression


@dataclass(frozen=True, repr=False, init=False, eq=False)
class Terms(Dictionary):
    """The listed functions theta_j(x), given as text or SymPy expressions in the state names.

    Parameters
    ----------
    expressions
        Functions such as ``"x*v"`` or ``"sin(th)"`` (text is parsed, never evaluated), or SymPy expressions.
    names
        State names.

    Raises
    ------
    DataError
        If a text cannot be read or names something that is not a state; on evaluation where a function is
        not finite.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.Terms(["x*v", "sin(x)"], ("x", "v")).jacobian([[0.0, 2.0]])
    array([[[2., 0.],
            [1., 0.]]])
    """

    names: tuple[str, ...]
    expressions: tuple[sp.Expr, ...]

    def __init__(self, expressions: Sequence[str | sp.Expr], names: Sequence[str]) -> None:
        own = unique_names("state", names)
        require(len(expressions) > 0, "terms needs at least one expression, got none")
        parsed = [
            parse_expression(e, own) if isinstance(e, str) else _with_our_symbols(e, own) for e in expressions
        ]
        object.__setattr__(self, "names", own)
        object.__setattr__(self, "expressions", tuple(dict.fromkeys(parsed)))

    def symbolic(self) -> tuple[sp.Expr, ...]:
        return self.expressions

    def __getstate__(self) -> dict[str, object]:
        # Compiled functions cannot be pickled; they are made again when they are needed.
        return {k: v for k, v in self.__dict__.items() if k != "_compiled"}

    def renamed(self, names: Sequence[str]) -> Terms:
        new = translation(self.names, names)
        swap = dict(zip(symbols_for(self.names), symbols_for(tuple(new.values()))))
        return Terms([e.xreplace(swap) for e in self.expressions], tuple(new.values()))

    @cached_property
    def _compiled(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        x = symbols_for(self.names)
        slopes = [sp.diff(e, s) for e in self.expressions for s in x]
        return (
            sp.lambdify(x, [_in_floats(e) for e in self.expressions], modules="numpy", cse=True),
            sp.lambdify(x, [_in_floats(e) for e in slopes], modules="numpy", cse=True),
        )

    def _run(self, which: int, x: Array) -> Array:
        with np.errstate(all="ignore"):
            columns = self._compiled[which](*np.ascontiguousarray(x.T))
        out = np.empty((len(x), len(columns)))
        for k, column in enumerate(columns):
            # A root or a logarithm of a negative number comes out complex; it has no real value.
            out[:, k] = np.where(np.imag(column) == 0, np.real(column), np.nan)
        return out

    def _values(self, x: Array) -> Array:
        out = self._run(0, x)
        if not np.isfinite(out).all():
            m, j = (int(i) for i in np.argwhere(~np.isfinite(out))[0])
            raise DataError(
                f"the term {self.terms[j]} is {out[m, j]} at sample {m}, where the state is {x[m].tolist()}; "
                "drop that sample or the term"
            )
        return out

    def _jacobian(self, x: Array) -> Array:
        return self._run(1, x).reshape(len(x), self.n_terms, self.n_states)


def _in_floats(expression: sp.Expr) -> sp.Expr:
    """Integers that no NumPy integer can hold, as floats."""
    large = {number: sp.Float(number, 17) for number in expression.atoms(sp.Integer) if abs(number) > 2**53}
    return expression.xreplace(large)


def _with_our_symbols(expression: sp.Expr, names: tuple[str, ...]) -> sp.Expr:
    ours = dict(zip(names, symbols_for(names)))
    expression = sp.sympify(expression, evaluate=True) if not isinstance(expression, sp.Basic) else expression
    unknown = sorted(s.name for s in expression.free_symbols if s.name not in ours)
    require(not unknown, f"{expression} contains {', '.join(unknown)}; the states are: {', '.join(names)}")
    return expression.xreplace({s: ours[s.name] for s in expression.free_symbols})
