"""Exact dimensions of symmetry algebras and of spaces of conserved quantities.

Each is the dimension of a null space, found modulo a prime (see `_finite_field`), with no tolerance. The
numbers are upper bounds that verified lists meet from below; together they prove that a list is complete.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy
from sympy.polys.matrices import DomainMatrix

from .._checks import DataError, require
from ._finite_field import PRIME, RandomPoints, Residues, rank

_DRAWS_PER_POINT = 24  # each square root keeps half of the points; three roots keep one in eight
_SPARE = 20  # equations beyond the number of unknowns


def conserved_dimension(
    rhs: Sequence[sympy.Expr], functions: Sequence[sympy.Expr], states: Sequence[sympy.Symbol]
) -> int:
    """Dimension of {h in span(functions): grad h . F = 0}, modulo constants.

    Parameters
    ----------
    rhs
        F, one expression per state.
    functions
        Spanning set; linear dependence among the functions and constants in their span are allowed for.
    states
        The n states.

    Returns
    -------
    int
        The dimension, without constants.

    Raises
    ------
    DataError
        If an expression is outside the grammar of the exact arithmetic.

    Examples
    --------
    >>> import sympy
    >>> x, v = sympy.symbols("x v", real=True)
    >>> conserved_dimension((v, -x), (x, v, x**2, x * v, v**2), (x, v))
    1
    """
    gradients = sympy.Matrix(list(functions)).jacobian(list(states))
    field = sympy.Matrix(list(rhs))
    p = len(functions)
    needed = p + _SPARE
    values = _at_points(field.T.col_join(gradients), states, needed)[:needed]
    flow, slopes = values[:, 0, :], values[:, 1:, :]
    derivative = (slopes * flow[:, None, :] % PRIME).sum(axis=2) % PRIME
    all_slopes = slopes.transpose(0, 2, 1).reshape(-1, p)
    return rank(all_slopes) - rank(derivative)


def symmetry_dimension(
    rhs: Sequence[sympy.Expr], states: Sequence[sympy.Symbol], spacetime: bool = False
) -> int:
    """Dimension of {xi = A x + b: DF xi - Dxi F + b_t F = 0}, with b_t = 0 unless `spacetime`.

    The condition says that x -> x + e xi(x), t -> t + e b_t t maps solutions of x' = F(x) to solutions; time
    translation, always present, is not counted.

    Parameters
    ----------
    rhs
        F, one expression per state.
    states
        The n states.
    spacetime
        Whether time may be rescaled too.

    Returns
    -------
    int
        The dimension of the Lie algebra.

    Raises
    ------
    DataError
        If an expression is outside the grammar of the exact arithmetic.

    Examples
    --------
    >>> import sympy
    >>> x, v = sympy.symbols("x v", real=True)
    >>> symmetry_dimension((v, -x), (x, v)), symmetry_dimension((v, -(x**3)), (x, v), spacetime=True)
    (2, 1)
    """
    n = len(states)
    field = sympy.Matrix(list(rhs))
    place = sympy.Matrix(list(states))
    unknowns = n * n + n + int(spacetime)
    needed = (
        unknowns + _SPARE
    )  # more points than equations ask for: n equations a point, not all of full rank
    columns = sympy.Matrix.hstack(place, field, field.jacobian(list(states)))
    values = _at_points(columns, states, needed)[:needed]
    x, f, df = values[:, :, 0], values[:, :, 1], values[:, :, 2:]
    operator = np.zeros((needed, n, unknowns), dtype=np.int64)
    for i in range(n):
        for j in range(n):
            operator[:, :, n * i + j] = df[:, :, i] * x[:, j, None] % PRIME
            operator[:, i, n * i + j] -= f[:, j]
        operator[:, :, n * n + i] = df[:, :, i]
    if spacetime:
        operator[:, :, -1] = f
    return unknowns - rank(operator.reshape(needed * n, unknowns))


def generic_rank(functions: Sequence[sympy.Expr], states: Sequence[sympy.Symbol]) -> int:
    """Rank of the gradients of the functions at a generic point: how many are functionally independent.

    Parameters
    ----------
    functions
        Expressions in the states.
    states
        The n states.

    Returns
    -------
    int
        The rank; 0 for no functions.

    Raises
    ------
    DataError
        If an expression is outside the grammar of the exact arithmetic.

    Examples
    --------
    >>> import sympy
    >>> x, v = sympy.symbols("x v", real=True)
    >>> generic_rank((x**2 + v**2, (x**2 + v**2) ** 2), (x, v))
    1
    """
    if not functions:
        return 0
    slopes = _at_points(sympy.Matrix(list(functions)).jacobian(list(states)), states, 3)
    return max(rank(point) for point in slopes[:3])


def coefficients_in(
    rhs: Sequence[sympy.Expr], terms: Sequence[sympy.Expr]
) -> tuple[tuple[sympy.Rational, ...], ...]:
    """Exact rational coefficients c with rhs_i = sum_j c_ij terms_j, by comparing expanded summands.

    Parameters
    ----------
    rhs
        Expressions to represent.
    terms
        Expressions to represent them in; where they are dependent, later ones get coefficient 0.

    Returns
    -------
    tuple of tuples
        One row per expression, one entry per term.

    Raises
    ------
    DataError
        If an expression is not in the span of the terms.

    Examples
    --------
    >>> import sympy
    >>> x, y = sympy.symbols("x y", real=True)
    >>> coefficients_in([x * (y - 3)], [x, x * y])
    ((-3, 1),)
    """
    columns = [_summands(expression) for expression in (*terms, *rhs)]
    cores = {
        core: row for row, core in enumerate(dict.fromkeys(core for column in columns for core in column))
    }
    augmented = sympy.zeros(len(cores), len(columns))
    for j, column in enumerate(columns):
        for core, value in column.items():
            augmented[cores[core], j] = value
    reduced, pivots = DomainMatrix.from_Matrix(augmented).to_field().rref()
    solved = reduced.to_Matrix()
    p = len(terms)
    rows = []
    for i, expression in enumerate(rhs):
        if any(pivot >= p and solved[k, p + i] != 0 for k, pivot in enumerate(pivots)):
            raise DataError(
                f"{expression} is not in the span of the {p} terms; add what it needs to the dictionary"
            )
        found = {pivot: solved[k, p + i] for k, pivot in enumerate(pivots)}
        rows.append(tuple(found.get(j, sympy.Integer(0)) for j in range(p)))
    return tuple(rows)


def _summands(expression: sympy.Expr) -> dict[sympy.Expr, sympy.Rational]:
    """Rational coefficient of each summand of the expanded expression."""
    out: dict[sympy.Expr, sympy.Rational] = {}
    for summand in sympy.Add.make_args(sympy.expand(expression)):
        content, primitive = (
            summand.as_content_primitive()
        )  # collects factors from denominators, not the sign
        sign, core = primitive.as_coeff_Mul(rational=True)
        if content * sign != 0:
            out[core] = out.get(core, sympy.Integer(0)) + content * sign
    return out


def _at_points(expressions: sympy.Matrix, states: Sequence[sympy.Symbol], needed: int) -> Residues:
    require(len(states) > 0, "got 0 states; give at least one symbol")
    points = RandomPoints(states, _DRAWS_PER_POINT * needed)
    return points.values(expressions, needed)
