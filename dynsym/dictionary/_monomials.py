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

    def _fill(self, columns: Array, out: Array) -> None:
        plan: _Plan = self._plan  # type: ignore[attr-defined]
        if plan.runs:
            out[0] = 1.0
            for run in plan.runs:
                np.multiply(out[run.source], columns[run.factor], out=out[run.place])
        else:
            super()._fill(columns, out)

    def _jacobian(self, x: Array) -> Array:
        plan: _Plan = self._plan  # type: ignore[attr-defined]
        values = plan.all_values(x)
        return values[:, plan.lower] * self.exponents[None, :, :]

    @property
    def is_complete(self) -> bool:
        """Whether these are all monomials in all states up to the degree, the constant included."""
        plan: _Plan = self._plan  # type: ignore[attr-defined]
        return bool(plan.runs)

    def substitution(self, offset: Array, matrix: Array) -> Array:
        """T with theta(offset + M z) = T^T theta(z), for all monomials up to the degree.

        Parameters
        ----------
        offset, matrix
            (n,) and M (n, n).

        Returns
        -------
        (p, p): column j holds the monomial j of x in monomials of z. It is upper triangular if M is lower
        triangular.

        Raises
        ------
        DataError
            If monomials are missing, so that shifting a state leads out of the dictionary.

        Examples
        --------
        >>> import dynsym as dy, numpy as np
        >>> dy.Monomials(1, 2).substitution(np.array([1.0]), np.array([[2.0]])).tolist()
        [[1.0, 1.0, 1.0], [0.0, 2.0, 4.0], [0.0, 0.0, 4.0]]
        """
        require(self.is_complete, f"{self!r} lacks monomials that a change of the states leads to")
        plan: _Plan = self._plan  # type: ignore[attr-defined]
        place = {tuple(row): j for j, row in enumerate(self.exponents.tolist())}
        n, p = self.n_states, self.n_terms
        out = np.zeros((p, p))
        out[0, 0] = 1.0
        # Multiplying a polynomial of degree < d by z_j moves the coefficient of z^a to that of z^(a + e_j).
        low = int(np.count_nonzero(self.exponents.sum(axis=1) < self.degree))
        up = np.array(
            [
                [
                    place[tuple(e + (i == j) for i, e in enumerate(row))]
                    for row in self.exponents[:low].tolist()
                ]
                for j in range(n)
            ]
        ).reshape(n, low)
        for run in plan.runs:
            before = out[:, run.source]
            out[:, run.place] = offset[run.factor] * before
            for j in np.flatnonzero(matrix[run.factor]):
                out[up[j], run.place] += matrix[run.factor, j] * before[:low]
        return out


def _index(names: tuple[str, ...], name: str) -> int:
    require(name in names, f"unknown state {name!r}; the states are: {', '.join(names)}")
    return names.index(name)


@dataclass(frozen=True)
class _Run:
    """Neighbouring monomials that are neighbouring monomials of one degree less times the same state."""

    factor: int
    source: slice
    place: slice


@dataclass(frozen=True)
class _Plan:
    """How to fill the downward-closed table of monomials, and where the wanted ones and their slopes lie."""

    runs: tuple[_Run, ...]  # empty unless the dictionary holds all monomials up to its degree
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
    return _Plan(_runs(rows), *as_index)


def _runs(rows: list[tuple[int, ...]]) -> tuple[_Run, ...]:
    """The runs of a graded list of all monomials: x_k times those of one degree less in x_k, x_k+1, ...

    Few long products cost less than many short ones, since each has a price of its own.
    """
    n, degree = len(rows[0]) if rows else 0, max((sum(row) for row in rows), default=0)
    if len(rows) != comb(n + degree, degree) or not rows or degree == 0:
        return ()
    first = [min((k for k, e in enumerate(row) if e), default=0) for row in rows]
    starts = [next(i for i, row in enumerate(rows) if sum(row) == d) for d in range(degree + 1)] + [len(rows)]
    out = []
    for d in range(1, degree + 1):
        lower = range(starts[d - 1], starts[d])
        for k in range(n):
            place = [i for i in range(starts[d], starts[d + 1]) if first[i] == k]
            source = next(i for i in lower if d == 1 or first[i] >= k)
            out.append(_Run(k, slice(source, starts[d]), slice(place[0], place[-1] + 1)))
    return tuple(out)
