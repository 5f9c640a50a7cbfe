"""Straight-line programs: functions of n states compiled for one state and for many."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp

from .._checks import Array, require, states_matrix
from ..dictionary import Dictionary
from ..dictionary._base import symbols_for
from ._rows import Rows
from ._source import chain_of, scalar_source, vector_source

UNDEFINED = (ZeroDivisionError, OverflowError, ValueError)  # what Python's floats raise where f has no value

_MOST_PRODUCTS = 20_000  # beyond it, compiling takes seconds and a matrix product is as fast
_BLOCK_BYTES = 2**18  # what the rows of one block may take: a share of the second-level cache


@dataclass(frozen=True, eq=False)
class Program:
    """q functions of n states, compiled for one state and for many.

    Attributes
    ----------
    n_states, n_values
        n and q.
    one
        n floats -> tuple of q floats. Raises ZeroDivisionError, OverflowError or ValueError where a function has no
        value.
    columns
        ``columns(x, out, work)`` for states (n, m), one row per state, writes (q, m) into `out`; `work` has shape
        (`n_work`, m). Nothing is allocated if every function is a polynomial. Not finite where there is no value.
    n_work
        Rows of `work`.
    compiled
        Whether there is such code; False where the functions are evaluated through their dictionary.

    Examples
    --------
    >>> import dynsym as dy
    >>> spring = dy.VectorField(dy.Monomials(2, 3, names=("x", "v")), [[0, 0, 1] + [0] * 7, [0, -4] + [0] * 8])
    >>> spring.program.one(1.0, 2.0)
    (2.0, -4.0)
    >>> spring.program.many([[1.0, 2.0], [0.5, 0.0]])
    array([[ 2., -4.],
           [ 0., -2.]])
    """

    n_states: int
    n_values: int
    one: Callable[..., tuple[float, ...]]
    columns: Callable[[Array, Array, Array], None]
    n_work: int
    compiled: bool = True

    def many(self, x: npt.ArrayLike, out: Array | None = None) -> Array:
        """The values at the states x, (m, n) -> (m, q), block by block in buffers that stay in the cache.

        Parameters
        ----------
        x
            States (m, n).
        out
            Array (m, q) of floats that is written to and returned; default a new one.

        Raises
        ------
        DataError
            If x has not n columns, or `out` has another shape or type.
        """
        states = states_matrix(x, self.n_states)
        m = len(states)
        wanted = (m, self.n_values)
        if out is None:
            out = np.empty(wanted)
        require(
            out.shape == wanted and out.dtype == np.float64,
            f"out must be a float64 array of shape {wanted}, got {out.dtype} of shape {out.shape}",
        )
        rows = self.n_states + self.n_values + self.n_work
        block = min(max(_BLOCK_BYTES // (8 * rows), 256), max(m, 1))
        buffer = np.empty((rows, block))
        first, last = self.n_states, self.n_states + self.n_values
        with np.errstate(all="ignore"):
            for start in range(0, m, block):
                part = buffer[:, : min(block, m - start)]
                stop = start + part.shape[1]
                part[:first] = states[start:stop].T
                self.columns(part[:first], part[first:last], part[last:])
                out[start:stop] = part[first:last].T
        return out


Part = tuple[Dictionary, Array]  # a dictionary of p functions with coefficients (q, p)


def program_of(parts: Sequence[Part]) -> Program:
    """The functions C theta of all parts as code; through `Dictionary.evaluate` where there are no formulas."""
    if _can_be_written(parts, 1):
        return compile_rows(Rows.of(parts))

    def function(x: Array) -> Array:
        return np.concatenate([d.evaluate(x) @ c.T for d, c in parts], axis=1)

    return _evaluated(parts[0][0].n_states, sum(len(c) for _, c in parts), function)


def derivative_program(parts: Sequence[Part]) -> Program:
    """All first derivatives of the functions C theta of all parts, the n of one function side by side."""
    n = parts[0][0].n_states
    if _can_be_written(parts, n):
        return compile_rows(Rows.of(parts).derivatives())

    def function(x: Array) -> Array:
        slopes = [np.einsum("qp,mpk->mqk", c, d.jacobian(x)) for d, c in parts]
        return np.concatenate(slopes, axis=1).reshape(len(x), -1)

    return _evaluated(n, n * sum(len(c) for _, c in parts), function)


def _can_be_written(parts: Sequence[Part], times: int) -> bool:
    products = times * sum(int(np.count_nonzero(c)) for _, c in parts)
    return products <= _MOST_PRODUCTS and all(d.has_formulas for d, _ in parts)


def _evaluated(n: int, q: int, function: Callable[[Array], Array]) -> Program:
    def one(*state: float) -> tuple[float, ...]:
        return tuple(function(np.array([state]))[0].tolist())

    def columns(x: Array, out: Array, work: Array) -> None:
        try:
            out[:] = function(np.ascontiguousarray(x.T)).T
        except UNDEFINED:
            # A dictionary refuses all states if it refuses one; here the others count.
            for k, state in enumerate(x.T.tolist()):
                try:
                    out[:, k] = one(*state)
                except UNDEFINED:
                    out[:, k] = np.nan

    return Program(n, q, one, columns, 0, compiled=False)


def compile_rows(rows: Rows) -> Program:
    """Code for sums of monomials in states and atoms."""
    chain = chain_of(rows)
    scalar_atoms, vector_atoms = _atoms(rows)
    one = _function(scalar_source(rows, chain), "one", {"atoms": scalar_atoms})
    source, n_work, matrix = vector_source(rows, chain)
    tools = {"multiply": np.multiply, "add": np.add, "subtract": np.subtract, "negative": np.negative}
    more = {"copy": np.copyto, "matmul": np.matmul, "coefficients": matrix, "atoms": vector_atoms}
    columns = _function(source, "columns", {**tools, **more})
    return Program(len(rows.names), len(rows.rows), one, columns, n_work)


def _function(source: Sequence[str], name: str, tools: dict[str, Any]) -> Callable[..., Any]:
    space: dict[str, Any] = {"__builtins__": {}, **tools}
    exec(compile("\n".join(source), "<straight-line program>", "exec"), space)
    made: Callable[..., Any] = space[name]
    return made


def _atoms(rows: Rows) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The atoms as functions of n floats and of n arrays."""
    if not rows.atoms:
        return (lambda *_: ()), (lambda *_: ())
    x = sp.symbols(f"x:{len(rows.names)}", real=True)
    swap = dict(zip(symbols_for(rows.names), x))
    expressions = [_in_floats(atom.xreplace(swap)) for atom in rows.atoms]
    # Python's ** makes negative bases complex where math.pow says that there is no value.
    real_power = sp.Function("real_power")
    real = [e.replace(_has_no_whole_power, lambda e: real_power(*e.as_base_exp())) for e in expressions]
    scalar = sp.lambdify(x, real, modules=[{"real_power": math.pow}, "math"], cse=True)
    return scalar, sp.lambdify(x, expressions, modules="numpy", cse=True)


def _has_no_whole_power(e: sp.Expr) -> bool:
    # Half powers of 1 are printed as math.sqrt, which is real already.
    return bool(e.is_Pow and not e.exp.is_Integer and abs(e.exp) != sp.Rational(1, 2))


def _in_floats(expression: sp.Expr) -> sp.Expr:
    """Integers that no NumPy integer can hold, as floats."""
    large = {number: sp.Float(number, 17) for number in expression.atoms(sp.Integer) if abs(number) > 2**53}
    return expression.xreplace(large)
