"""Names: the largest abelian summand is split off, the rest is split into ideals, and each ideal is named."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg as sla

from dynsym._checks import Array
from dynsym.algebra import invariants as inv
from dynsym.algebra._linear import action, brackets, complement, quotient, restrict, span, unit_size
from dynsym.algebra._linear_names import Names, affine_names, heisenberg_names
from dynsym.algebra._solvable4 import solvable4_names
from dynsym.algebra.ideals import abelian_summand, decompose
from dynsym.algebra.simple import cartan_type, killing_units, simple_names


class _Part(NamedTuple):
    names: Names
    dimension: int
    is_simple: bool


_BIANCHI = {
    "so(3)": "bianchi IX",
    "sl(2,R)": "bianchi VIII",
    "aff(1) + R": "bianchi III",
    "R^3": "bianchi I",
}
_SUMS = {
    "so(4)": ("so(3) + so(3)", "su(2) + su(2)"),
    "so(2,2)": ("sl(2,R) + sl(2,R)",),
}


def algebra_names(c: Array, tol: float) -> Names:
    """The name of a Lie algebra (structure constants of unit size), followed by other names of it."""
    if c.shape[0] == 0:
        return ("trivial",)
    free = abelian_summand(c, tol)
    rest = quotient(c, free)
    parts = []
    if len(rest):
        rest = unit_size(rest)[0]
        if not len(inv.radical(rest, tol)):
            rest = killing_units(rest)
        parts = [_part(unit_size(restrict(rest, i.rows))[0], tol, i.is_complex) for i in decompose(rest, tol)]
    return _sum_names(parts, len(free))


def cartan_types(c: Array, tol: float) -> tuple[str, ...]:
    """Cartan types of the simple ideals of a semisimple algebra, largest rank first; "?" where none fits."""
    if not len(c):
        return ()
    units = killing_units(c)
    types: list[str] = []
    for ideal in decompose(units, tol):
        types += cartan_type(killing_units(restrict(units, ideal.rows)), tol, ideal.is_complex) or ("?",)
    return tuple(sorted(types, key=lambda name: (-int(name[1:] or 0), name)))


def _part(c: Array, tol: float, is_complex: bool) -> _Part:
    """Name an indecomposable algebra without abelian summand."""
    rad = inv.radical(c, tol)
    if not len(rad):
        names = simple_names(killing_units(c), tol, is_complex)
    else:
        names = nilpotent_names(c, tol) or semidirect_names(c, rad, tol)
        if not names and len(rad) == 4:
            names = solvable4_names(c, inv.nilradical(c, rad, tol), tol)
    return _Part(names or (describe(c, tol),), c.shape[0], len(rad) == 0)


def describe(c: Array, tol: float) -> str:
    """`unnamed(...)` with the invariants that are printed instead of a name."""
    derived = inv.derived_series(c, tol)[1]
    plus, minus, zero = inv.signature(inv.killing_form(c), tol)
    centre = len(inv.centre(c, tol))
    return f"unnamed(dim {c.shape[0]}; derived {derived}, centre {centre}, Killing ({plus},{minus},{zero}))"


def nilpotent_names(c: Array, tol: float) -> Names:
    """The Heisenberg algebras and the four-dimensional filiform algebra; () for others."""
    r = c.shape[0]
    series = inv.lower_central_series(c, tol)
    if series == (r, 1, 0) and r % 2 == 1 and len(inv.centre(c, tol)) == 1:
        if r > 3:
            return (f"heisenberg({r})",)
        return ("heisenberg", "heisenberg(3)", "bianchi II", "galilei(1)")
    if series == (4, 2, 1, 0):
        return ("engel", "bargmann(1)")
    return ()


def semidirect_names(c: Array, radical: Array, tol: float) -> Names:
    """Names of g with V = [g, radical] abelian or a Heisenberg algebra on which g / V acts faithfully.

    g / V is reductive. The sum splits wherever a name is given: one-dimensional and semisimple quotients
    always do, and otherwise a central element of g / V acts on V without kernel, or the Levi factor fixes a
    complement (for bargmann(2), without Levi factor, the Cartan subalgebra is looked at).
    """
    translations = span(brackets(c, np.eye(c.shape[0]), radical), tol)
    actors = complement(translations)
    squared = span(brackets(c, translations, translations), tol)
    if len(squared) == 0:
        matrices = action(c, actors, translations)
        return affine_names(matrices, tol) if _is_faithful(matrices, tol) else ()
    if len(squared) != 1 or np.linalg.norm(np.einsum("ijk,i->jk", c, squared[0])) > tol:
        return ()
    phase = translations - np.outer(translations @ squared[0], squared[0])
    phase = span(phase, 0.5)
    symplectic = action_form(c, phase, squared[0])
    matrices = action(c, actors, phase)
    if np.linalg.matrix_rank(symplectic, tol=tol) < len(phase) or not _is_faithful(matrices, tol):
        return ()
    names = heisenberg_names(matrices, restrict(c, actors), symplectic, tol)
    return () if names == ("bargmann(2)",) and not _has_abelian_cartan(c, tol) else names


def _has_abelian_cartan(c: Array, tol: float) -> bool:
    """Whether the generalised null space of a generic ad_x is abelian (it is a Cartan subalgebra)."""
    x = np.random.default_rng(2).standard_normal(c.shape[0])
    adjoint = np.einsum("i,ijk->jk", x, c)
    size = float(np.max(np.abs(np.linalg.eigvals(adjoint))))
    _, vectors, count = sla.schur(adjoint.T, output="complex", sort=lambda z: bool(abs(z) < 0.3 * size))
    cartan = span(np.concatenate([vectors[:, :count].real.T, vectors[:, :count].imag.T]), 1e-3)
    return float(np.linalg.norm(restrict(c, cartan))) <= 10 * tol


def action_form(c: Array, phase: Array, central: Array) -> Array:
    """The form w(x, y) with [x, y] = w(x, y) z on the rows of `phase`."""
    return np.asarray(np.einsum("ai,bj,ijk,k->ab", phase, phase, c, central))


def _is_faithful(matrices: Array, tol: float) -> bool:
    return len(span(matrices.reshape(len(matrices), -1), tol)) == len(matrices)


def _sum_names(parts: list[_Part], n_free: int) -> Names:
    flat = " + ".join([*(p.names[0] for p in _ordered(parts)), *_power(n_free)])
    merged, left = _merge([p.names[0] for p in _ordered(parts)], n_free)
    name = " + ".join([*merged, *_power(left)])
    others = list(parts[0].names[1:]) if len(parts) == 1 and n_free == 0 else []
    others += [flat] if flat != name else []
    others += _SUMS.get(name, ())
    others += _unitary(name)
    if name in _BIANCHI:
        others.append(_BIANCHI[name])
    return tuple(dict.fromkeys([name, *others]))


def _ordered(parts: list[_Part]) -> list[_Part]:
    """Simple ideals first, larger first, so(...) before sl(...)."""
    return sorted(parts, key=lambda p: (not p.is_simple, -p.dimension, "so(" not in p.names[0], p.names[0]))


def _power(n_free: int) -> list[str]:
    return [] if n_free == 0 else ["R" if n_free == 1 else f"R^{n_free}"]


def _merge(names: list[str], n_free: int) -> tuple[list[str], int]:
    """Write two equal three-dimensional ideals as so(4) or so(2,2), and sl(n) with its scalars as gl(n)."""
    for single, double in (("so(3)", "so(4)"), ("sl(2,R)", "so(2,2)")):
        if names.count(single) == 2:
            where = names.index(single)
            names = [n for n in names if n != single]
            names.insert(where, double)
    scalars = {"R": 1, "C": 2}.get(names[0][-2], 0) if len(names) == 1 and names[0].startswith("sl(") else 0
    if scalars and scalars == n_free:
        return ["g" + names[0][1:]], 0
    return names, n_free


def _unitary(name: str) -> list[str]:
    """u(n) is su(n) + R; the name follows the semisimple part, so u(n) is kept as another name."""
    known = {"R": "u(1)", "so(3) + R": "u(2)", "so(6) + R": "u(4)"}
    if name in known:
        return [known[name]]
    return [name[1:-4]] if name.startswith("su(") and name.endswith(") + R") and name.count("+") == 1 else []
