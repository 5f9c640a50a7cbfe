"""From the compact text of the table to a `System`; every number stays exact."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from .._checks import require
from ..dictionary import parse_expression
from ._start import Sampler
from ._system import SymmetryAlgebra, System

Components = str | Sequence[sympy.Expr]  # "v; -x", or the expressions themselves
TRIVIAL: tuple[str, tuple[Components, ...]] = ("trivial", ())


def expressions(components: Components, names: Sequence[str]) -> tuple[sympy.Expr, ...]:
    """Expressions in the named states, from text separated by semicolons or as they are."""
    if isinstance(components, str):
        return tuple(parse_expression(part, names) for part in components.split(";") if part.strip())
    return tuple(sympy.sympify(part) for part in components)


def linear_fields(
    matrices: Sequence[sympy.Matrix], names: Sequence[str]
) -> tuple[tuple[sympy.Expr, ...], ...]:
    """The vector fields A x of square matrices A."""
    x = sympy.Matrix(sympy.symbols(list(names), real=True))
    return tuple(tuple(A * x) for A in matrices)


def define(
    name: str,
    title: str,
    states: str,
    rhs: Components,
    *,
    dictionary: str,
    invariants_dictionary: str,
    start: Sampler,
    duration: float,
    invariants: Components = "",
    n_independent: int = 0,
    affine: tuple[str, Sequence[Components]] = TRIVIAL,
    scaling: tuple[str, Components] | None = None,
    note: str = "",
) -> System:
    """Assemble one row of the table.

    `affine` is (name, basis); `scaling` is (name of the space-time algebra, its further element, b_t last).
    There is at most one further element, because two would differ by an affine symmetry.
    """
    names = tuple(states.split())
    basis = tuple(expressions(row, names) for row in affine[1])
    extended = tuple((*row, sympy.Integer(0)) for row in basis)
    full_name = affine[0]
    if scaling is not None:
        full_name = scaling[0]
        extended = (*extended, expressions(scaling[1], names))
        require(extended[-1][-1] != 0, f"{name}: the scaling needs b_t != 0, got {extended[-1]}")
    return System(
        name=name,
        title=title,
        states=names,
        rhs=expressions(rhs, names),
        dictionary=dictionary,
        invariants_dictionary=invariants_dictionary,
        invariants=expressions(invariants, names),
        n_independent=n_independent,
        symmetries_affine=SymmetryAlgebra(len(basis), affine[0], basis),
        symmetries_spacetime=SymmetryAlgebra(len(extended), full_name, extended),
        start=start,
        duration=duration,
        note=note,
    )
