"""Two families beyond polynomials: harmonics of single states and powers of a radius."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from .._checks import Array, DataError, require, unique_names
from ._base import Dictionary, symbols_for, translation

_MAX_ORDER = 1000


def _positions(names: tuple[str, ...], chosen: Sequence[str]) -> tuple[int, ...]:
    unknown = [name for name in chosen if name not in names]
    require(not unknown, f"unknown states {', '.join(unknown)}; the states are: {', '.join(names)}")
    return tuple(names.index(name) for name in chosen)


@dataclass(frozen=True, repr=False, eq=False)
class Fourier(Dictionary):
    """sin(j x_k), cos(j x_k) for j = 1..order and each chosen state.

    Parameters
    ----------
    names
        All state names.
    order
        Highest harmonic, at least 1.
    within
        States (angles, in radians) whose harmonics are taken; default all.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.Fourier(("th", "w"), 1, within=("th",)).terms
    ('sin(th)', 'cos(th)')
    """

    names: tuple[str, ...]
    order: int
    within: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = unique_names("state", self.names)
        require(self.order >= 1, f"fourier needs at least one harmonic, got order = {self.order}")
        require(
            self.order <= _MAX_ORDER,
            f"fourier takes at most {_MAX_ORDER} harmonics, got order = {self.order}",
        )
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "within", tuple(self.within) or names)
        _positions(names, self.within)

    def symbolic(self) -> tuple[sp.Expr, ...]:
        symbols = symbols_for(self.names)
        chosen = [symbols[k] for k in _positions(self.names, self.within)]
        return tuple(g(j * s) for s in chosen for j in range(1, self.order + 1) for g in (sp.sin, sp.cos))

    def renamed(self, names: Sequence[str]) -> Fourier:
        new = translation(self.names, names)
        return Fourier(tuple(new.values()), self.order, tuple(new[name] for name in self.within))

    def _values(self, x: Array) -> Array:
        columns = []
        for k in _positions(self.names, self.within):
            for j in range(1, self.order + 1):
                columns += [np.sin(j * x[:, k]), np.cos(j * x[:, k])]
        return np.stack(columns, axis=1)

    def _jacobian(self, x: Array) -> Array:
        out = np.zeros((len(x), 2 * self.order * len(self.within), self.n_states))
        row = 0
        for k in _positions(self.names, self.within):
            for j in range(1, self.order + 1):
                out[:, row, k] = j * np.cos(j * x[:, k])
                out[:, row + 1, k] = -j * np.sin(j * x[:, k])
                row += 2
        return out


@dataclass(frozen=True, repr=False, eq=False)
class Radial(Dictionary):
    """r^k with r = sqrt(sum of the chosen states squared), for each exponent k.

    Parameters
    ----------
    names
        All state names.
    within
        The states that make up the radius.
    exponents
        Integer powers, none of them 0.

    Raises
    ------
    DataError
        For unknown states or a zero exponent, and on evaluation at r = 0 with a negative exponent.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.Radial(("x", "y"), ("x", "y"), (-1,)).evaluate([[3.0, 4.0]])
    array([[0.2]])
    """

    names: tuple[str, ...]
    within: tuple[str, ...]
    exponents: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", unique_names("state", self.names))
        object.__setattr__(self, "within", unique_names("radius state", self.within))
        object.__setattr__(self, "exponents", tuple(int(k) for k in self.exponents))
        _positions(self.names, self.within)
        require(bool(self.exponents), "radial needs at least one exponent, got none")
        require(0 not in self.exponents, "radial exponent 0 is the constant; write poly(0) for it")

    def symbolic(self) -> tuple[sp.Expr, ...]:
        symbols = symbols_for(self.names)
        square = sp.Add(*(symbols[k] ** 2 for k in _positions(self.names, self.within)))
        return tuple(square ** sp.Rational(k, 2) for k in self.exponents)

    def renamed(self, names: Sequence[str]) -> Radial:
        new = translation(self.names, names)
        return Radial(tuple(new.values()), tuple(new[name] for name in self.within), self.exponents)

    def _radius(self, x: Array) -> tuple[Array, Array]:
        part = x[:, _positions(self.names, self.within)]
        r = np.sqrt(np.einsum("mk,mk->m", part, part))
        if min(self.exponents) < 2 and not r.all():
            raise DataError(
                f"radial({', '.join(self.within)}) is singular at r = 0, which sample "
                f"{int(np.argmin(r))} reaches; "
                "drop that sample or the negative exponents"
            )
        return part, r

    def _values(self, x: Array) -> Array:
        _, r = self._radius(x)
        return r[:, None] ** np.array(self.exponents, dtype=float)

    def _jacobian(self, x: Array) -> Array:
        part, r = self._radius(x)
        k = np.array(self.exponents, dtype=float)
        slope = k * r[:, None] ** (k - 2)  # d r^k / d x_i = k r^(k-2) x_i
        out = np.zeros((len(x), len(k), self.n_states))
        out[:, :, _positions(self.names, self.within)] = slope[:, :, None] * part[:, None, :]
        return out
