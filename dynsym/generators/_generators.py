"""The noun: a family of vector fields xi_1..xi_q, each with an optional time part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._checks import Array, frozen, require, require_finite
from ..dictionary import Dictionary
from ..dictionary._base import symbols_for
from ..sections import text_of
from ..vector_field import VectorField


@dataclass(frozen=True, eq=False)
class Generators:
    """q vector fields xi_i = sum_k A_ijk zeta_k(x) with time scalings b_i and ramps.

    Parameters
    ----------
    dictionary
        The functions zeta_k.
    coefficients
        A, (q, n, p).
    labels
        (q,) names.
    time_scaling
        b, (q,), time units per time unit; default 0.
    ramp
        Coefficients (q, n, p) of the part that grows with t; default 0.

    Examples
    --------
    >>> import dynsym as dy
    >>> turn = dy.generators.rotations(2, names=("x", "y"))
    >>> print(turn)
    1 generator(s) over x, y
      rotation x-y: -y d/dx + x d/dy
    """

    dictionary: Dictionary
    coefficients: Array
    labels: tuple[str, ...]
    time_scaling: Array | None = None
    ramp: Array | None = None

    def __post_init__(self) -> None:
        a = frozen(self.coefficients)
        n, p = self.dictionary.n_states, self.dictionary.n_terms
        require(
            a.ndim == 3 and a.shape[1:] == (n, p),
            f"coefficients must have shape (q, {n}, {p}), got {a.shape}",
        )
        q = len(a)
        require(len(self.labels) == q, f"{q} generators but {len(self.labels)} labels")
        b = frozen(np.zeros(q) if self.time_scaling is None else self.time_scaling)
        ramp = frozen(np.zeros_like(a) if self.ramp is None else self.ramp)
        require(b.shape == (q,), f"time_scaling must have shape ({q},), got {b.shape}")
        require(ramp.shape == a.shape, f"ramp must have shape {a.shape}, got {ramp.shape}")
        for name, value in (("coefficients", a), ("time_scaling", b), ("ramp", ramp)):
            require_finite(name, value)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "labels", tuple(self.labels))

    @property
    def names(self) -> tuple[str, ...]:
        """State names."""
        return self.dictionary.names

    @property
    def n_states(self) -> int:
        """Number of states n."""
        return self.dictionary.n_states

    @property
    def vectors(self) -> Array:
        """All coefficients of each generator in one row: [A | b | ramp], (q, 2 n p + 1)."""
        q = len(self)
        assert self.time_scaling is not None
        assert self.ramp is not None
        return np.hstack(
            [self.coefficients.reshape(q, -1), self.time_scaling[:, None], self.ramp.reshape(q, -1)]
        )

    def __len__(self) -> int:
        return len(self.coefficients)

    def evaluate(self, x: npt.ArrayLike) -> Array:
        """xi_i(x), (m, n) -> (q, m, n)."""
        return np.einsum("qnp,mp->qmn", self.coefficients, self.dictionary.evaluate(x))

    def jacobian(self, x: npt.ArrayLike) -> Array:
        """D xi_i(x), (m, n) -> (q, m, n, n)."""
        return np.einsum("qnp,mpk->qmnk", self.coefficients, self.dictionary.jacobian(x))

    def ramps(self) -> Generators | None:
        """The parts that grow with t as generators of their own, or None if there are none."""
        assert self.ramp is not None
        return Generators(self.dictionary, self.ramp, self.labels) if self.ramp.any() else None

    def combine(self, weights: npt.ArrayLike, labels: Sequence[str] | None = None) -> Generators:
        """Linear combinations: weights (q, r) -> r generators."""
        w = np.asarray(weights, dtype=float)
        require(
            w.ndim == 2 and len(w) == len(self), f"weights must have shape ({len(self)}, r), got {w.shape}"
        )
        assert self.time_scaling is not None
        assert self.ramp is not None
        a = np.einsum("qnp,qr->rnp", self.coefficients, w)
        ramp = np.einsum("qnp,qr->rnp", self.ramp, w)
        b = w.T @ self.time_scaling
        own = labels or tuple(f"xi{i + 1}" for i in range(w.shape[1]))
        return Generators(self.dictionary, a, tuple(own), b, ramp)

    def field(self, index: int) -> VectorField:
        """The vector field xi_i, without its time part."""
        return VectorField(self.dictionary, self.coefficients[index])

    def affine_parts(self) -> tuple[Array, Array] | None:
        """Matrices (q, n, n) and offsets (q, n) if every xi_i is affine, else None."""
        states = {symbol: j for j, symbol in enumerate(symbols_for(self.names))}
        matrix, offset = (
            np.zeros((len(self), self.n_states, self.n_states)),
            np.zeros((len(self), self.n_states)),
        )
        for k, term in enumerate(self.dictionary.symbolic()):
            column = self.coefficients[:, :, k]
            if term == 1:
                offset += column
            elif term in states:
                matrix[:, :, states[term]] += column
            elif column.any():
                return None
        return matrix, offset

    def expressions(self, digits: int = 6) -> list[str]:
        """Each generator as text, ``-y d/dx + x d/dy + 1.5*t d/dt``."""
        assert self.time_scaling is not None
        assert self.ramp is not None
        return [
            _derivation(self.names, self.dictionary.terms, a, ramp, float(b), digits)
            for a, ramp, b in zip(self.coefficients, self.ramp, self.time_scaling)
        ]

    def __add__(self, other: Generators) -> Generators:
        """Both families, written over the union of their dictionaries."""
        require(
            self.names == other.names, f"generators over different states: {self.names} and {other.names}"
        )
        union = (
            self.dictionary
            if self.dictionary.terms == other.dictionary.terms
            else self.dictionary + other.dictionary
        )
        first, second = self._over(union), other._over(union)
        return Generators(
            union,
            np.concatenate([first.coefficients, second.coefficients]),
            self.labels + other.labels,
            np.concatenate([first.time_scaling, second.time_scaling]),
            np.concatenate([first.ramp, second.ramp]),
        )

    def _over(self, union: Dictionary) -> Generators:
        place = {term: k for k, term in enumerate(union.terms)}
        where = [place[term] for term in self.dictionary.terms]
        shape = (len(self), self.n_states, union.n_terms)
        a, ramp = np.zeros(shape), np.zeros(shape)
        a[:, :, where], ramp[:, :, where] = self.coefficients, self.ramp
        return Generators(union, a, self.labels, self.time_scaling, ramp)

    def renamed(self, names: Sequence[str]) -> Generators:
        """The same generators over other state names (labels are kept)."""
        return Generators(
            self.dictionary.renamed(names), self.coefficients, self.labels, self.time_scaling, self.ramp
        )

    def __str__(self) -> str:
        rows = [f"  {label}: {text}" for label, text in zip(self.labels, self.expressions(4))]
        return "\n".join([f"{len(self)} generator(s) over {', '.join(self.names)}", *rows])


def _derivation(
    names: Sequence[str], terms: Sequence[str], a: Array, ramp: Array, b: float, digits: int
) -> str:
    pieces = []
    for i, name in enumerate(names):
        for time, row in (("", a[i]), ("t", ramp[i])):
            if row.any():
                pieces.append(f"{_factor(text_of(terms, row, digits), time)}d/d{name}")
    if b:
        pieces.append(f"{text_of(('t',), [b], digits)} d/dt")
    return " + ".join(pieces).replace("+ -", "- ") or "0"


def _factor(text: str, time: str) -> str:
    """What stands before d/dx: a sum in brackets, a sign or nothing for one, with a t in front for a ramp."""
    sign, size = ("-", text[1:]) if text.startswith("-") and " " not in text else ("", text)
    if " + " in size or " - " in size:
        size = f"({size})"
    if time:
        size = time if size == "1" else f"{time}*{size}"
    return sign if size == "1" else f"{sign}{size} "
