"""Monomials up to a total degree, each obtained from a lower one by one multiplication."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb

import numpy as np
import numpy.typing as npt
import sympy as sp

from .._checks import Array, require
from ._base import MAX_TERMS, Dictionary, checked_names, symbols_for, translation


@dataclass(frozen=True, repr=False, init=False, eq=False)
class Monomials(Dictionary):
    """All monomials x^a with |a| <= degree, in graded order (the order of PySINDy's PolynomialLibrary).

    Parameters
    ----------
    n_states
        Number of states n.
    degree
        Highest total degree.
    names
        State names; default x1..xn.
    constant
        Whether the function 1 is included.
    within
        States that may occur; default all.

    Raises
    ------
    DataError
        For a negative degree, unknown states, or more than 50 000 monomials.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.Monomials(2, 2, names=("x", "v")).terms
    ('1', 'x', 'v', 'x**2', 'v*x', 'v**2')
    """

    names: tuple[str, ...]
    degree: int
    exponents: npt.NDArray[np.intp]  # (p, n)

    def __init__(
        self,
        n_states: int,
        degree: int,
        names: Sequence[str] | None = None,
        constant: bool = True,
        within: Sequence[str] | None = None,
    ) -> None:
        own = checked_names(n_states, names)
        object.__setattr__(self, "_arguments", (degree, constant, within))
        require(degree >= 0, f"the degree of a monomial dictionary must be >= 0, got {degree}")
        active = [_index(own, name) for name in (own if within is None else within)]
        count = comb(len(active) + degree, degree)
        require(
            count <= MAX_TERMS,
            f"degree {degree} in {len(active)} states gives {count} monomials, more than {MAX_TERMS}; "
            "lower the degree or name fewer states",
        )
        rows = [
            np.bincount(pick, minlength=n_states) if pick else np.zeros(n_states, dtype=np.intp)
            for d in range(0 if constant else 1, degree + 1)
            for pick in combinations_with_replacement(active, d)
        ]
        exponents = np.array(rows, dtype=np.intp).reshape(-1, n_states)
        exponents.flags.writeable = False
        object.__setattr__(self, "names", own)
        object.__setattr__(self, "degree", degree)
        object.__setattr__(self, "exponents", exponents)
        object.__setattr__(self, "_plan", _build_plan(exponents))

    @property
    def n_terms(self) -> int:
        return len(self.exponents)

    def symbolic(self) -> tuple[sp.Expr, ...]:
        x = symbols_for(self.names)
        return tuple(sp.Mul(*(s ** int(e) for s, e in zip(x, row) if e)) for row in self.exponents)

    def renamed(self, names: Sequence[str]) -> Monomials:
        new = translation(self.names, names)
        degree, constant, within = self._arguments  # type: ignore[attr-defined]
        chosen = None if within is None else [new[name] for name in within]
        return Monomials(self.n_states, degree, tuple(new.values()), constant, chosen)

    def _values(self, x: Array) -> Array:
        plan: _Plan = self._plan  # type: ignore[attr-defined]
        return plan.all_values(x)[:, plan.own]

    def _jacobian(self, x: Array) -> Array:
        plan: _Plan = self._plan  # type: ignore[attr-defined]
        values = plan.all_values(x)
        return values[:, plan.lower] * self.exponents[None, :, :]


def _index(names: tuple[str, ...], name: str) -> int:
    require(name in names, f"unknown state {name!r}; the states are: {', '.join(names)}")
    return names.index(name)


@dataclass(frozen=True)
class _Plan:
    """How to fill the downward-closed table of monomials, and where the wanted ones and their slopes lie."""

    parent: npt.NDArray[np.intp]  # (P,) index of the monomial with one factor less
    factor: npt.NDArray[np.intp]  # (P,) the state it is multiplied with
    own: npt.NDArray[np.intp]  # (p,)
    lower: npt.NDArray[np.intp]  # (p, n) index of x^(a - e_k); 0 where a_k = 0 (its weight is zero)

    def all_values(self, x: Array) -> Array:
        table = np.empty((len(self.parent), len(x)))
        table[0] = 1.0
        columns = np.ascontiguousarray(x.T)
        for k in range(1, len(self.parent)):
            np.multiply(table[self.parent[k]], columns[self.factor[k]], out=table[k])
        return table.T


def _build_plan(exponents: npt.NDArray[np.intp]) -> _Plan:
    place: dict[tuple[int, ...], int] = {(0,) * exponents.shape[1]: 0}
    parent, factor = [0], [0]

    def add(a: tuple[int, ...]) -> int:
        if a in place:
            return place[a]
        k = max(i for i, e in enumerate(a) if e)
        up = add((*a[:k], a[k] - 1, *a[k + 1 :]))
        parent.append(up)
        factor.append(k)
        place[a] = len(parent) - 1
        return place[a]

    rows = [tuple(int(e) for e in row) for row in exponents]
    own = [add(row) for row in rows]
    lower = [
        [add((*row[:k], row[k] - 1, *row[k + 1 :])) if row[k] else 0 for k in range(len(row))] for row in rows
    ]
    as_index = [np.array(part, dtype=np.intp) for part in (parent, factor, own, lower)]
    return _Plan(*as_index)
