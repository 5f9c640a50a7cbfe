"""Candidate generators: families of vector fields xi_1..xi_q, each with an optional time part.

A generator acts by x -> x + e (xi(x) + t eta(x)), t -> t + e (a + b t). The part b rescales time (Kepler's
third law), the ramp eta moves states in proportion to time (Galilean boosts). Translations of time, a, are
symmetries of every autonomous system and are not candidates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ._checks import Array, DataError, frozen, require, require_finite, unique_names
from .dictionary import Dictionary, Monomials
from .dictionary._base import symbols_for
from .sections import text_of
from .vector_field import VectorField


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


def _affine_family(
    names: tuple[str, ...], matrices: Sequence[Array], offsets: Sequence[Array], labels: Sequence[str]
) -> Generators:
    n = len(names)
    dictionary = Monomials(n, 1, names=names)
    a = np.zeros((len(labels), n, n + 1))
    for k, (matrix, offset) in enumerate(zip(matrices, offsets)):
        a[k, :, 0], a[k, :, 1:] = offset, matrix
    return Generators(dictionary, a, tuple(labels))


def _names(n_states: int, names: Sequence[str] | None) -> tuple[str, ...]:
    own = tuple(f"x{i + 1}" for i in range(n_states)) if names is None else unique_names("state", names)
    require(len(own) == n_states, f"n_states = {n_states} but {len(own)} names were given")
    return own


def _known(names: tuple[str, ...], chosen: Sequence[str]) -> None:
    unknown = [s for s in chosen if s not in names]
    require(not unknown, f"unknown states {', '.join(unknown)}; the states are: {', '.join(names)}")


def _unit(n: int, i: int, j: int) -> Array:
    out = np.zeros((n, n))
    out[i, j] = 1.0
    return out


def translations(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """The n fields d/dx_i.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.translations(2).expressions()
    ['d/dx1', 'd/dx2']
    """
    own, n = _names(n_states, names), n_states
    return _affine_family(own, [np.zeros((n, n))] * n, list(np.eye(n)), [f"translation {s}" for s in own])


def linear(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """gl(n): the n^2 fields x_j d/dx_i.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.linear(3))
    9
    """
    own, n = _names(n_states, names), n_states
    pairs = [(i, j) for i in range(n) for j in range(n)]
    return _affine_family(
        own,
        [_unit(n, i, j) for i, j in pairs],
        [np.zeros(n)] * len(pairs),
        [f"{own[j]} d/d{own[i]}" for i, j in pairs],
    )


def affine(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """gl(n) and translations: the n^2 + n fields x_j d/dx_i and d/dx_i.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.affine(3))
    12
    """
    return translations(n_states, names) + linear(n_states, names)


def scalings(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """The n fields x_i d/dx_i.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.scalings(2).expressions()
    ['x1 d/dx1', 'x2 d/dx2']
    """
    own, n = _names(n_states, names), n_states
    return _affine_family(
        own, [_unit(n, i, i) for i in range(n)], [np.zeros(n)] * n, [f"scaling {s}" for s in own]
    )


def rotations(
    n_states: int, names: Sequence[str] | None = None, vectors: Sequence[Sequence[str]] | None = None
) -> Generators:
    """so(d): x_i d/dx_j - x_j d/dx_i, acting on several d-vectors at once.

    Parameters
    ----------
    n_states, names
        The states.
    vectors
        Groups of d states each that turn together, such as ``[("x", "y", "z"), ("vx", "vy", "vz")]``; default
        one group of all states.

    Raises
    ------
    DataError
        If the groups differ in length or name unknown states.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.rotations(4, ("x", "y", "u", "v"), vectors=[("x", "y"), ("u", "v")]).expressions()
    ['-y d/dx + x d/dy - v d/du + u d/dv']
    """
    own = _names(n_states, names)
    groups = [own] if vectors is None else [tuple(v) for v in vectors]
    sizes = sorted({len(g) for g in groups})
    require(
        len(sizes) == 1 and sizes[0] >= 2, f"vectors must have one common length >= 2, got lengths {sizes}"
    )
    _known(own, [s for g in groups for s in g])
    matrices, labels = [], []
    for i, j in combinations(range(sizes[0]), 2):
        matrix = np.zeros((n_states, n_states))
        for group in groups:
            a, b = own.index(group[i]), own.index(group[j])
            matrix[b, a], matrix[a, b] = 1.0, -1.0
        matrices.append(matrix)
        labels.append(f"rotation {groups[0][i]}-{groups[0][j]}")
    return _affine_family(own, matrices, [np.zeros(n_states)] * len(labels), labels)


def euclidean(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """se(n): translations and rotations of all states.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.euclidean(3))
    6
    """
    return translations(n_states, names) + rotations(n_states, names)


def galilean(
    n_states: int, positions: Sequence[str], velocities: Sequence[str], names: Sequence[str] | None = None
) -> Generators:
    """Translations and rotations of space, and boosts q -> q + u t, v -> v + u, of one particle.

    Parameters
    ----------
    n_states
        Number of states n.
    positions, velocities
        Names of the d coordinates of the particle and of their d velocities, in the same order.
    names
        All state names.

    Raises
    ------
    DataError
        If positions and velocities differ in number or name unknown states.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.galilean(2, ("q",), ("v",), names=("q", "v")).expressions()
    ['d/dq', 't d/dq + d/dv']
    """
    own = _names(n_states, names)
    q, v = tuple(positions), tuple(velocities)
    require(len(q) == len(v), f"{len(q)} positions but {len(v)} velocities")
    _known(own, (*q, *v))
    space = translations(n_states, own)
    keep = [own.index(s) for s in q]
    moves = space.combine(np.eye(n_states)[:, keep], [f"translation {s}" for s in q])
    turns = rotations(n_states, own, (q, v)) if len(q) > 1 else None
    dictionary = moves.dictionary
    a, ramp = np.zeros((len(q), n_states, n_states + 1)), np.zeros((len(q), n_states, n_states + 1))
    for k, (s, w) in enumerate(zip(q, v)):
        a[k, own.index(w), 0], ramp[k, own.index(s), 0] = 1.0, 1.0
    boosts = Generators(dictionary, a, tuple(f"boost {s}" for s in q), None, ramp)
    return moves + boosts if turns is None else moves + turns + boosts


def symplectic(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """sp(n, R): linear Hamiltonian fields J S x, S symmetric; states (q_1..q_d, p_1..p_d), n = 2 d.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.symplectic(2, ("q", "p")).expressions()
    ['-q d/dp', 'q d/dq - p d/dp', 'p d/dq']
    """
    own = _names(n_states, names)
    require(n_states % 2 == 0, f"symplectic fields need an even number of states, got {n_states}")
    d = n_states // 2
    form = np.block([[np.zeros((d, d)), np.eye(d)], [-np.eye(d), np.zeros((d, d))]])
    pairs = [(i, j) for i in range(n_states) for j in range(i, n_states)]
    matrices = [form @ ((_unit(n_states, i, j) + _unit(n_states, j, i)) / (1 + (i == j))) for i, j in pairs]
    labels = [f"Hamiltonian {own[i]}*{own[j]}" for i, j in pairs]
    return _affine_family(own, matrices, [np.zeros(n_states)] * len(pairs), labels)


def polynomial(n_states: int, degree: int, names: Sequence[str] | None = None) -> Generators:
    """All fields x^a d/dx_i with |a| <= degree.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.polynomial(2, 2))
    12
    """
    dictionary = Monomials(n_states, degree, names=_names(n_states, names))
    return over(dictionary)


def over(dictionary: Dictionary) -> Generators:
    """All fields theta_j d/dx_i over a dictionary, (n p) of them.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.over(dy.Terms(["sin(x)"], ("x", "y"))).expressions()
    ['sin(x) d/dx', 'sin(x) d/dy']
    """
    n, p = dictionary.n_states, dictionary.n_terms
    a = np.eye(n * p).reshape(n * p, n, p)
    labels = tuple(f"{term} d/d{name}" for name in dictionary.names for term in dictionary.terms)
    return Generators(dictionary, a, labels)


def custom(fields: Sequence[VectorField], labels: Sequence[str] | None = None) -> Generators:
    """Given vector fields, over one dictionary or several.

    Examples
    --------
    >>> import dynsym as dy
    >>> field = dy.VectorField(dy.Terms(["x^2"], ("x",)), [[1]])
    >>> dy.generators.custom([field], ["projective"]).expressions()
    ['x**2 d/dx']
    """
    require(len(fields) > 0, "custom needs at least one vector field, got none")
    own = tuple(labels) if labels is not None else tuple(f"field {i + 1}" for i in range(len(fields)))
    require(len(own) == len(fields), f"{len(fields)} fields but {len(own)} labels")
    parts = [Generators(f.dictionary, f.coefficients[None], (label,)) for f, label in zip(fields, own)]
    out = parts[0]
    for part in parts[1:]:
        out = out + part
    return out


def with_time_scaling(family: Generators) -> Generators:
    """The family and the generator t d/dt, so that scaling laws such as Kepler's third can be found.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.with_time_scaling(dy.generators.affine(2)))
    7
    """
    n, p = family.n_states, family.dictionary.n_terms
    return family + Generators(family.dictionary, np.zeros((1, n, p)), ("scaling t",), np.ones(1))


FAMILIES = {
    "translations": translations,
    "rotations": rotations,
    "scalings": scalings,
    "euclidean": euclidean,
    "linear": linear,
    "affine": affine,
    "symplectic": symplectic,
}


def by_name(text: str, names: Sequence[str]) -> Generators:
    """Families by name, joined by commas: ``affine``, ``rotations,scalings``, ``poly(2)``, ``affine,time``.

    Families that act on chosen states name them: ``rotations(x, y, z; vx, vy, vz)`` turns both vectors together,
    ``galilean(x, y; vx, vy)`` pairs positions with velocities.

    Raises
    ------
    DataError
        For an unknown name, listing the known ones.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.by_name("rotations, scalings, time", ("x", "y")))
    4
    >>> len(dy.generators.by_name("rotations(x, y; vx, vy)", ("x", "y", "vx", "vy")))
    1
    """
    parts = [piece.strip() for piece in re.split(r",(?![^(]*\))", text)]
    families = [_family(part, tuple(names)) for part in parts if part != "time"]
    require(bool(families), f"candidates {text!r} name no family; add one such as affine")
    out = families[0]
    for family in families[1:]:
        out = out + family
    return with_time_scaling(out) if "time" in parts else out


def _family(text: str, names: tuple[str, ...]) -> Generators:
    """One family of `by_name`."""
    name, _, inside = text.partition("(")
    groups = (
        [[s.strip() for s in group.split(",")] for group in inside.rstrip(") ").split(";")] if inside else []
    )
    n = len(names)
    if not groups and name in FAMILIES:
        return FAMILIES[name](n, names)
    if name == "poly" and len(groups) == 1 and groups[0][0].isdigit():
        return polynomial(n, int(groups[0][0]), names)
    if name == "rotations" and groups:
        return rotations(n, names, groups)
    if name == "galilean" and len(groups) == 2:
        return galilean(n, groups[0], groups[1], names)
    known = ", ".join([*FAMILIES, "poly(d)", "rotations(x, y; vx, vy)", "galilean(x, y; vx, vy)", "time"])
    raise DataError(f"unknown candidates {text!r}; choose from: {known}")
