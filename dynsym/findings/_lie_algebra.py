"""The Lie algebra that certified generators form: their brackets, moved to the nearest that close, with a name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._checks import Array, DataError, frozen
from ..algebra import LieAlgebra, certain_facts, identify, nearest_subalgebra, structure_constants
from ..generators import Generators
from ..inner_product import Region

_EXACT = 3e-8  # error below which constants count as exact
_CLOSED = 1e-8  # part of a bracket outside the span below which nothing is moved
_WIDEST = 0.15
_FARTHEST = 10.0  # errors by which brackets may leave the span, and the span may be moved
_LARGEST = 4_000_000  # matrix entries of a step towards a closed algebra (a fraction of a second)
_RIDGE = 1e-9  # keeps the inner product definite where points lie in a plane
_NODES = np.array([-np.sqrt(3.0), 0.0, np.sqrt(3.0)])  # Gauss-Hermite: exact for the squares of brackets
_WEIGHTS = np.array([1 / 6, 2 / 3, 1 / 6])


def algebra_of(
    generators: Generators, region: Region, error: float
) -> tuple[LieAlgebra | None, tuple[str, ...]]:
    """The algebra of the certified generators in their own basis, and notes; None if their brackets leave their span.

    Generators act on states and time, (xi + t eta) d/dx + b t d/dt, so that boosts and rescalings of time take part. Affine
    ones whose brackets nearly stay in their span are moved to the nearest subalgebra of the affine algebra. The name is the
    one at all tolerances that suit `error`, the largest bound of their defects; without one that is certain, the algebra is
    `unnamed(...)` with the invariants that are.
    """
    r = len(generators)
    if r == 0:
        return identify(np.zeros((0, 0, 0))), ()
    reach = min(_WIDEST, max(1e-6, _FARTHEST * error))
    try:
        vectors, table = _values(generators, region)
        mix = np.linalg.inv(np.linalg.cholesky(vectors @ vectors.T))
        table = np.einsum("ai,bj,ijk->abk", mix, mix, table)
        c, closure = structure_constants(mix @ vectors, table)
        outside = float(np.linalg.norm(table - c @ (mix @ vectors), axis=2).max())
        if outside > reach:
            return None, (_open(outside, reach),)
        old, angle = np.linalg.inv(mix), 0.0
        notes: tuple[str, ...] = ()
        if outside > _CLOSED:
            c, old, angle, notes = _moved(generators, region, c, old, reach)
        named = _named(c, closure * min(1.0, float(np.linalg.norm(table))), error)
    except (DataError, np.linalg.LinAlgError) as trouble:
        return None, (f"the certified generators were not recognised as a Lie algebra: {trouble}",)
    return _in_basis(replace(named, moved=angle), old), notes


def _open(outside: float, reach: float) -> str:
    return (
        f"the certified generators do not form a Lie algebra: their brackets leave their span by {outside:.2g}, more than "
        f"the {reach:.2g} that their errors explain; a bracket of symmetries is a symmetry, so some were not certified"
    )


def _time_scale(generators: Generators, region: Region) -> float:
    """The time T after which the ramps of the boosts are as large as the rest of them; 0 without ramps."""
    ramps = generators.ramps()
    if ramps is None:
        return 0.0
    unit = region.roots[:, None] / region.scale
    rise = np.linalg.norm(ramps.evaluate(region.points) * unit, axis=(1, 2))
    own = np.linalg.norm(generators.evaluate(region.points) * unit, axis=(1, 2))
    ratio = own[rise > 0] / rise[rise > 0]
    return float(np.median(ratio)) if np.median(ratio) > 0 else 1.0


def _values(generators: Generators, region: Region, t_scale: float | None = None) -> tuple[Array, Array]:
    """Generators as value vectors (r, rows) on states and times, and all their brackets (r, r, rows)."""
    ramp = generators.ramps()
    t_scale = _time_scale(generators, region) if t_scale is None else t_scale
    x, unit = region.points, region.roots[:, None] / region.scale
    b = generators.time_scaling
    assert b is not None
    xi, dxi = generators.evaluate(x), generators.jacobian(x)
    rows, tables = [], []
    for node, weight in zip(_NODES, _WEIGHTS) if t_scale else ((0.0, 1.0),):
        t = node * t_scale
        v, dv, rise = xi, dxi, np.zeros_like(xi)
        if ramp is not None:
            rise = ramp.evaluate(x)
            v, dv = xi + t * rise, dxi + t * ramp.jacobian(x)
        # [X_i, X_j] = D X_j X_i - D X_i X_j on states and time; the time parts b t commute.
        forward = np.einsum("jmab,imb->ijma", dv, v) + t * b[:, None, None, None] * rise[None]
        scale = np.sqrt(weight) * unit
        rows.append((v * scale).reshape(len(v), -1))
        tables.append(((forward - forward.transpose(1, 0, 2, 3)) * scale).reshape(len(v), len(v), -1))
    r = len(b)
    return np.hstack([*rows, b[:, None]]), np.concatenate([*tables, np.zeros((r, r, 1))], axis=2)


def _moved(
    generators: Generators, region: Region, c: Array, old: Array, reach: float
) -> tuple[Array, Array, float, tuple[str, ...]]:
    """Constants of the nearest closed algebra, the generators in its basis, the angle moved, and notes."""
    matrices = _affine_matrices(generators)
    if matrices is None:
        return c, old, 0.0, ()
    # Centred states in units of the region, and time in units of the boosts: far from the origin, turns about it and
    # translations would be nearly the same.
    to = _normal_coordinates(generators, region)
    inside = to @ matrices @ np.linalg.inv(to)
    used = _places(generators)
    q, r = len(used), len(generators)
    if ((q - r) * r) ** 2 * (r - 1) // 2 > _LARGEST:
        return c, old, 0.0, (f"{r} of {q} generators are too many to be moved to the nearest that close",)
    rows, columns = np.transpose(used)
    tensor = _brackets_of_units(used, len(to))
    gram = _gram(generators, region, to, used)
    places = inside[:, rows, columns].T
    found = nearest_subalgebra(places, tensor, gram)
    if not found.closed or found.angle > reach:
        said = f"they would have to be moved by {np.degrees(found.angle):.2g} degrees"
        return c, old, 0.0, (f"the certified generators close only up to their errors; to close, {said}",)
    return found.structure_constants, places.T @ gram @ found.basis, found.angle, ()


def _affine_matrices(generators: Generators) -> Array | None:
    """Matrices (r, n + 2, n + 2) that act on (x, t, 1) as the generators do; None if one is not affine in these."""
    parts, ramps = generators.affine_parts(), generators.ramps()
    steep = None if ramps is None else ramps.affine_parts()
    if parts is None or (ramps is not None and (steep is None or steep[0].any())):
        return None
    n = generators.n_states
    out = np.zeros((len(generators), n + 2, n + 2))
    out[:, :n, :n], out[:, :n, n + 1] = parts
    if steep is not None:
        out[:, :n, n] = steep[1]
    assert generators.time_scaling is not None
    out[:, n, n] = generators.time_scaling
    return out


def _normal_coordinates(generators: Generators, region: Region) -> Array:
    """The matrix (n + 2, n + 2) of (x, t, 1) -> ((x - mean) / scale, t / T, 1)."""
    weights = region.roots**2
    mean = weights @ region.points / weights.sum()
    n = generators.n_states
    out = np.diag([*(1 / region.scale), 1 / (_time_scale(generators, region) or 1.0), 1.0])
    out[:n, n + 1] = -mean / region.scale
    return out


def _places(generators: Generators) -> list[tuple[int, int]]:
    """Row and column of each entry of the matrices of the affine algebra that the generators lie in."""
    n = generators.n_states
    columns = [*range(n), *([n] if generators.ramps() is not None else []), n + 1]
    assert generators.time_scaling is not None
    scaling = [(n, n)] if generators.time_scaling.any() else []
    return [*((i, j) for i in range(n) for j in columns), *scaling]


def _brackets_of_units(used: list[tuple[int, int]], size: int) -> Array:
    """Constants (q, q, q) of the units E_ij as vector fields: [E_ij, E_kl] = E_kl E_ij - E_ij E_kl."""
    q = len(used)
    units = np.zeros((q, size, size))
    for a, (i, j) in enumerate(used):
        units[a, i, j] = 1.0
    rows, columns = np.transpose(used)
    forward = np.einsum("jab,ibc->ijac", units, units)
    return np.asarray((forward - forward.transpose(1, 0, 2, 3))[:, :, rows, columns])


def _gram(generators: Generators, region: Region, to: Array, used: list[tuple[int, int]]) -> Array:
    """Inner products (q, q) of the units, as value vectors on the region and on times of mean 0 and variance 1."""
    n = generators.n_states
    weights = region.roots**2
    u = region.points * np.diag(to)[:n] + to[:n, n + 1]
    z = np.column_stack([u, np.zeros(len(u)), np.ones(len(u))])
    moments = (z * weights[:, None]).T @ z
    moments[n, n] = weights.sum()
    moments += _RIDGE * np.trace(moments) / len(moments) * np.eye(len(moments))
    rows, columns = np.transpose(used)
    out = np.where(rows[:, None] == rows[None, :], moments[np.ix_(columns, columns)], 0.0)
    if (n, n) in used:
        out[-1, -1] = 1.0
    return np.asarray(out)


def _named(c: Array, closure: float, error: float) -> LieAlgebra:
    if error <= _EXACT:
        return identify(c, closure_defect=closure)
    found = identify(c, closure_defect=closure, error=error)
    if found.is_decided:
        return found
    facts = certain_facts(c, error)
    said = "; " + ", ".join(facts) if facts else ""
    return replace(found, name=f"unnamed(dim {len(c)}{said})", aliases=())


def _in_basis(algebra: LieAlgebra, g: Array) -> LieAlgebra:
    """The same algebra in the basis e'_a = sum_i g[a, i] e_i."""
    back = np.linalg.inv(g)
    c = np.einsum("ai,bj,ijk,kd->abd", g, g, algebra.structure_constants, back, optimize=True)
    c = np.where(np.abs(c) <= 1e-13 * np.abs(c).max(initial=0.0), 0.0, c)
    centre = algebra.centre @ back
    if len(centre):
        centre = np.linalg.qr(centre.T)[0].T
    return replace(
        algebra,
        structure_constants=frozen(c),
        centre=frozen(centre),
        killing=frozen(g @ algebra.killing @ g.T),
    )
