"""A basis in which the brackets read as in a book: [e1, e2] = e3."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from dynsym._checks import Array, frozen
from dynsym._constants import recognise
from dynsym._threads import one_blas_thread
from dynsym.algebra._linear import balance, change_basis, unit_size
from dynsym.algebra._models import model
from dynsym.algebra.invariants import killing_form
from dynsym.algebra.lie_algebra import LieAlgebra
from dynsym.sections import text_of

Move = Callable[[Array], Array]
Equations = Callable[[Array, Array, Array], tuple[Array, Array, Move]]

_STARTS = 40
_STEPS = 60
_LARGEST = 15  # dimension up to which an isomorphism with the model is looked for
_CONDITION = 1e5
_NEARLY = 1e3  # largest condition of a basis in which an algebra is nearly that of the model
_GOOD = 20.0  # condition of a basis at which the search stops


@dataclass(frozen=True, eq=False, repr=False)
class CleanBasis:
    """A basis of a Lie algebra with simple structure constants; made by `clean_basis`.

    Attributes
    ----------
    name
        Name of the algebra.
    basis
        New basis vectors, shape (r, r), one coordinate vector in the given basis a row.
    structure_constants
        The constants in it, shape (r, r, r): simple fractions, exactly, if `is_clean`.
    residual
        How far the brackets in the new basis are from these constants, relative (of an abelian algebra: their size).
    is_clean
        Whether such a basis was found; otherwise the given one is handed back.

    Examples
    --------
    >>> import numpy as np
    >>> turned = np.cross(np.eye(3)[:, None], np.eye(3)[None])
    >>> from dynsym.algebra import clean_basis, identify
    >>> print(clean_basis(identify(4 * turned)))
    so(3): [e1, e2] = e3; [e1, e3] = -e2; [e2, e3] = e1
    """

    name: str
    basis: Array
    structure_constants: Array
    residual: float
    is_clean: bool

    @property
    def table(self) -> tuple[str, ...]:
        """One line a bracket that does not vanish."""
        c = self.structure_constants
        labels = [f"e{i + 1}" for i in range(len(c))]
        return tuple(
            f"[e{i + 1}, e{j + 1}] = {text_of(labels, c[i, j])}"
            for i, j in combinations(range(len(c)), 2)
            if c[i, j].any()
        )

    def __str__(self) -> str:
        return f"{self.name}: {'; '.join(self.table) or 'all brackets vanish'}"

    def __repr__(self) -> str:
        return f"CleanBasis({self.name!r}, is_clean={self.is_clean})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def plot(self) -> Any:
        """The table of brackets, as a matplotlib figure."""
        from dynsym import plot

        return plot.brackets(
            self.structure_constants, [f"e{i + 1}" for i in range(len(self.basis))], self.name
        )


def clean_basis(algebra: LieAlgebra) -> CleanBasis:
    """A basis with the structure constants of the books: first by scaling the given vectors, then by an isomorphism.

    Vectors whose brackets have one term each are only scaled. Otherwise an isomorphism g with the algebra of the same
    name in its usual basis, g[x, y] = [g x, g y], is looked for by least squares from several starts; finding it proves
    the name.

    Parameters
    ----------
    algebra
        From `identify`.

    Returns
    -------
    CleanBasis
        Prints as the table of brackets; `is_clean` is False where neither way succeeds (undecided names, names without a model,
        such as unnamed and exceptional algebras; dimensions beyond 15).

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.algebra import clean_basis, identify
    >>> c = np.zeros((3, 3, 3))
    >>> c[0, 1], c[1, 0] = [1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]           # aff(1) + R in an odd basis
    >>> print(clean_basis(identify(c)))
    aff(1) + R: [e1, e2] = e2
    """
    c = np.asarray(algebra.structure_constants)
    tol = min(10 * algebra.tol, 0.1) if algebra.tol > 1e-5 else 1e-8
    found = None
    if algebra.is_abelian and algebra.is_decided:
        size = float(np.linalg.norm(c))
        return CleanBasis(algebra.name, frozen(np.eye(len(c))), frozen(np.zeros_like(c)), size, True)
    if algebra.is_decided:
        with one_blas_thread():
            found = _scaled(c, tol) or _isomorphism(c, algebra.name, tol)
    if found is not None:
        basis, constants, residual = found
        return CleanBasis(algebra.name, frozen(basis), frozen(constants), residual, True)
    return CleanBasis(algebra.name, frozen(np.eye(len(c))), frozen(c), 0.0, False)


def _scaled(c: Array, tol: float) -> tuple[Array, Array, float] | None:
    """Scales d with d_i d_j c_ijk / d_k of size 1 where possible and simple fractions elsewhere."""
    size = float(np.max(np.abs(c), initial=0.0))
    r = len(c)
    if size == 0.0:
        return np.eye(r), c, 0.0
    full = np.abs(c) > tol * size
    if np.any(full.sum(axis=2) > 1):
        return None
    entries = [(i, j, k) for i, j, k in zip(*np.nonzero(full)) if i < j]
    rows = np.zeros((len(entries), r))
    for row, (i, j, k) in zip(rows, entries):
        row[i] += 1
        row[j] += 1
        row[k] -= 1
    target = -np.log([abs(c[e]) for e in entries])
    scale = np.exp(np.linalg.lstsq(rows, target, rcond=None)[0])
    found = change_basis(c, np.diag(scale))
    clean = np.zeros_like(c)
    for i, j, k in entries:
        known = recognise(float(found[i, j, k]), max(tol, 1e-9) * abs(float(found[i, j, k])))
        if known is None or not known.is_rational:
            return None
        clean[i, j, k] = np.sign(found[i, j, k]) * known.value
        clean[j, i, k] = -clean[i, j, k]
    residual = float(np.linalg.norm(found - clean)) / float(np.linalg.norm(clean))
    return (np.diag(scale), clean, residual) if residual <= tol else None


def _isomorphism(c: Array, name: str, tol: float) -> tuple[Array, Array, float] | None:
    goal = model(name)
    if goal is None or len(goal) != len(c) or len(c) > _LARGEST:
        return None
    even, mix = balance(unit_size(c)[0], 1e-6)
    size = float(np.linalg.norm(change_basis(c, mix))) / float(np.linalg.norm(even))
    rng = np.random.default_rng(0)
    best, lowest = None, _CONDITION
    for start in range(_STARTS):
        try:
            g = _descend(even, goal, _start(even, goal, rng), _as_basis if start % 2 else _as_map)
        except np.linalg.LinAlgError:  # a start, or a step, that has no inverse
            continue
        condition = float(np.linalg.cond(g))
        if condition < lowest:
            residual = float(np.linalg.norm(change_basis(even, g) - goal)) / float(np.linalg.norm(goal))
            if residual <= tol:
                best, lowest = (g @ mix / size, goal, residual), condition
        if best is not None and (lowest < _GOOD or start > _STARTS // 4):
            break
    return best


def nearest_isomorphism(c: Array, goal: Array) -> Array:
    """The g, of moderate condition, whose constants come nearest to the goal; for algebras that are only nearly isomorphic."""
    unit, size = unit_size(c)
    even, mix = balance(unit, 1e-2)
    size = float(np.linalg.norm(change_basis(unit, mix))) / max(float(np.linalg.norm(even)), 1e-300) * size
    rng = np.random.default_rng(0)
    best, lowest = np.eye(len(c)), np.inf
    for start in range(_STARTS // 2):
        g = _descend(even, goal, _start(even, goal, rng), _as_basis)
        condition = float(np.linalg.cond(g))
        if condition < _NEARLY:
            residual = float(np.linalg.norm(change_basis(even, g) - goal)) * (1 + condition / _NEARLY)
            if residual < lowest:
                best, lowest = g @ mix / size, residual
        if lowest < 1e-9 and start > 2:
            break
    return best


def _start(c: Array, goal: Array, rng: np.random.Generator) -> Array:
    """A random map that takes the Killing form into that of the model where both have it, and is of their size elsewhere."""
    own, vectors = np.linalg.eigh(killing_form(c))
    wanted, turned = np.linalg.eigh(killing_form(goal))
    middle = np.zeros(c.shape[:2])
    length = float(np.linalg.norm(goal)) / float(np.linalg.norm(c))
    length *= float(np.exp(rng.standard_normal()))
    sizes = (float(np.sum(goal * goal)), float(np.sum(c * c)))
    signs = [np.where(np.abs(v) <= 1e-6 * size, 0.0, np.sign(v)) for v, size in zip((wanted, own), sizes)]
    for sign in (-1.0, 0.0, 1.0):
        rows, columns = np.flatnonzero(signs[0] == sign), np.flatnonzero(signs[1] == sign)
        if len(rows) != len(
            columns
        ):  # the Killing forms differ, as in algebras that are only nearly isomorphic
            return np.asarray(
                length * np.linalg.qr(rng.standard_normal(c.shape[:2]))[0] * _flips(rng, len(c))
            )
        turn = np.linalg.qr(rng.standard_normal((len(rows), len(rows))))[0]
        turn = turn * rng.choice(
            [-1.0, 1.0], len(rows)
        )  # the determinant of a Householder Q is always the same
        left = np.sqrt(np.abs(wanted[rows])) if sign else np.full(len(rows), length)
        right = np.sqrt(np.abs(own[columns])) if sign else np.ones(len(rows))
        middle[np.ix_(rows, columns)] = left[:, None] * turn / right
    return np.asarray(turned @ middle @ vectors.T)


def _flips(rng: np.random.Generator, k: int) -> Array:
    """Random signs: without them the determinant of a Householder Q is always the same."""
    return rng.choice([-1.0, 1.0], k)


def _descend(c: Array, goal: Array, g: Array, equations: Equations) -> Array:
    """Levenberg-Marquardt steps g -> g + A or (1 + A) g, as the equations say."""
    value, slope, move = equations(c, goal, g)
    square, weight = float(value @ value), 1e-2
    for _ in range(_STEPS):
        if square < 1e-26:
            break
        normal = slope.T @ slope
        # Isomorphisms come in families, so the matrix is singular at the solution: never without damping.
        damping = weight * np.sqrt(square) + 1e-14 * float(np.trace(normal))
        a = np.linalg.solve(normal + damping * np.eye(len(normal)), -slope.T @ value).reshape(g.shape)
        trial = move(a)
        new = equations(c, goal, trial)
        size = float(new[0] @ new[0])
        if size < square:
            g, (value, slope, move), square, weight = trial, new, size, max(weight / 5, 1e-9)
        elif weight > 1e9:
            break
        else:
            weight = weight * 8
    return g


def _as_map(c: Array, goal: Array, g: Array) -> tuple[Array, Array, Move]:
    """g[x, y] = [g x, g y] and g K g^T = K of the model: converges from far, but to maps with a kernel as well."""
    r = len(g)
    i, j = np.triu_indices(r, 1)
    upper = np.triu_indices(r)
    value = np.einsum("ai,bj,ijk->abk", g, g, c, optimize=True) - goal @ g
    form = g @ killing_form(c) @ g.T - killing_form(goal)
    acts = np.einsum("ijk,bj->bik", c, g)  # [e_i, g_b]
    slope = np.zeros((r, r, r, r, r))  # [a, b, k, row, column]
    killing = g @ killing_form(c)
    tilt = np.zeros((r, r, r, r))
    for a in range(r):
        slope[a, :, :, a, :] += acts.transpose(0, 2, 1)
        slope[:, a, :, a, :] -= acts.transpose(0, 2, 1)
        slope[:, :, a, :, a] -= goal
        tilt[a, :, a, :] += killing
        tilt[:, a, a, :] += killing
    return (
        np.concatenate([value[i, j].ravel(), form[upper]]),
        np.concatenate([slope[i, j].reshape(-1, r * r), tilt[upper].reshape(-1, r * r)]),
        lambda a: np.asarray(g + a),
    )


def _as_basis(c: Array, goal: Array, g: Array) -> tuple[Array, Array, Move]:
    """Constants in the basis g minus those of the model: no map with a kernel solves them."""
    r = len(g)
    i, j = np.triu_indices(r, 1)
    now = change_basis(c, g)

    def move(a: Array) -> Array:
        return np.asarray(g + a @ g / max(1.0, 2 * float(np.linalg.norm(a, 2))))

    return (now - goal)[i, j].ravel(), _slopes(now)[i, j].reshape(-1, r * r), move


def _slopes(c: Array) -> Array:
    """Derivative (r, r, r, r, r) of the constants c[a, b, k] by the entries of A in the change of basis 1 + A, at A = 0."""
    r = len(c)
    out = np.zeros((r, r, r, r, r))
    for a in range(r):
        out[a, :, :, a, :] += c.transpose(1, 2, 0)
        out[:, a, :, a, :] += c.transpose(0, 2, 1)
        out[:, :, a, :, a] -= c
    return out
