"""Direct sums: the ideals of which a Lie algebra is the sum, from a generic element of its centroid.

The centroid is the set of linear maps T with T[x, y] = [Tx, y], that is, the commutant of the adjoint
representation. The generalised eigenspaces of T are ideals that commute with each other, and the
projections on the summands of a direct sum are themselves in the centroid; so a generic T splits the
algebra as far as it goes.

References
----------
W. A. de Graaf (2000), Lie Algebras: Theory and Algorithms, section 1.15 (direct sums by idempotents).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg as sla

from dynsym._checks import Array
from dynsym.algebra._linear import brackets, complement, null_space, span
from dynsym.algebra.invariants import centre, derived_algebra

_FULL = 12  # up to this size all r^2 entries of a commuting map are unknowns; beyond, only its eigenblocks
_ALL = 8
_DRAWS = 8  # generic elements tried; the one with the widest gap between its eigenvalues is used


class Ideal(NamedTuple):
    """A summand: orthonormal rows (k, r), and whether its centroid contains the complex numbers."""

    rows: Array
    is_complex: bool


def abelian_summand(c: Array, tol: float) -> Array:
    """Orthonormal basis of a largest abelian direct summand: the centre modulo its part in [g, g]."""
    middle = centre(c, tol)
    derived = derived_algebra(c, tol)
    # The sines of the angles between centre and derived algebra tell which central directions lie in [g, g].
    # The threshold is wider than tol, since both subspaces carry errors of the order of tol.
    outside = middle @ complement(derived).T if len(derived) < c.shape[0] else np.zeros((len(middle), 0))
    if outside.shape[1] == 0 or len(middle) == 0:
        return np.zeros((0, c.shape[0]))
    left, sines, _ = np.linalg.svd(outside, full_matrices=False)
    return np.asarray(left[:, sines > min(10 * tol, 0.3)].T @ middle)


def decompose(c: Array, tol: float) -> list[Ideal]:
    """Split a Lie algebra without abelian summand into indecomposable ideals, largest first."""
    r = c.shape[0]
    if r == 0:
        return []
    rng = np.random.default_rng(0)
    # These generate the algebra; all of a small one set the maps that commute farther apart from those that nearly do.
    n_elements = r if r <= _ALL else r - len(derived_algebra(c, tol)) + 2
    elements = np.linalg.qr(rng.standard_normal((r, min(n_elements, r))))[0].T
    adjoint = np.einsum("ai,ijk->ajk", elements, c)
    basis = commutant(adjoint, tol)
    gap = float(np.sqrt(tol))
    best, widest = [Ideal(np.eye(r), False)], -1.0
    for _ in range(_DRAWS):
        weights = rng.standard_normal(len(basis)) + 1j * rng.standard_normal(len(basis))
        generic = np.real(np.tensordot(weights, basis, axes=1))
        # Multiples of 1 are always in the centroid; without them the other eigenvalues lie farthest apart.
        whole = float(np.linalg.norm(generic, 2))
        generic = generic - np.trace(generic) / r * np.eye(r)
        size = float(np.linalg.norm(generic, 2))
        if size <= 0.1 * whole:
            continue
        generic = generic / size
        values = np.linalg.eigvals(generic)
        groups = _groups(values.real + 1j * np.abs(values.imag), gap)
        width = _separation(groups)
        if (len(groups), width) <= (len(best), widest):
            continue
        ideals = _eigenspaces(generic, groups, gap)
        if _commute(c, ideals, gap):
            best, widest = ideals, width
    return sorted(best, key=lambda ideal: -len(ideal.rows))


def _commute(c: Array, ideals: list[Ideal], gap: float) -> bool:
    """Whether the ideals span the algebra and brackets between them vanish.

    A centroid that holds nilpotent maps (se(3) has rotation -> translation) gives, under noise, eigenvalues
    that split by the square root of the noise; the eigenspaces are then not ideals.
    """
    pairs = [(a.rows, b.rows) for i, a in enumerate(ideals) for b in ideals[:i]]
    complete = sum(len(ideal.rows) for ideal in ideals) == c.shape[0]
    return complete and all(float(np.linalg.norm(brackets(c, a, b))) <= gap for a, b in pairs)


def commutant(matrices: Array, tol: float) -> Array:
    """Basis (d, r, r), real or complex, of the maps T with T A = A T for each of the matrices (h, r, r)."""
    r = matrices.shape[1]
    sizes = np.linalg.norm(matrices, axis=(1, 2))
    unit = matrices / np.where(sizes > 0, sizes, 1.0)[:, None, None]
    if r <= _FULL:
        eye = np.eye(r)
        rows = np.concatenate([np.kron(eye, a.T) - np.kron(a, eye) for a in unit])
        return null_space(rows, tol).reshape(-1, r, r)
    return _commutant_by_blocks(unit, tol)


def _commutant_by_blocks(matrices: Array, tol: float) -> Array:
    """The commutant through the eigenblocks of the first matrix: few unknowns for distinct eigenvalues."""
    basis, blocks = _eigenblocks(matrices[0], tol)
    inverse = np.linalg.inv(basis)
    places = [(i, j) for block in blocks for i in block for j in block]
    r = len(basis)
    rows = np.zeros((len(matrices), r, r, len(places)), dtype=complex)
    for a, matrix in enumerate(matrices):
        inside = inverse @ matrix @ basis
        for u, (i, j) in enumerate(places):
            rows[a, i, :, u] += inside[j, :]
            rows[a, :, j, u] -= inside[:, i]
    kernel = null_space(rows.reshape(-1, len(places)), tol)
    out = np.zeros((len(kernel), r, r), dtype=complex)
    for u, (i, j) in enumerate(places):
        out[:, i, j] = kernel[:, u]
    return np.asarray(basis @ out @ inverse)


def _eigenblocks(matrix: Array, tol: float) -> tuple[Array, list[list[int]]]:
    """Columns that block-diagonalise the matrix, with the column numbers of each group of close eigenvalues.

    Merging eigenvalues that differ only adds unknowns, so the groups are wide; a defective group needs the
    Schur vectors, because its eigenvectors are not independent.
    """
    values, vectors = np.linalg.eig(matrix)
    reach = float(np.max(np.abs(values))) * min(0.1, max(1e-3, 10 * tol))
    columns: list[Array] = []
    blocks: list[list[int]] = []
    for group in _groups(values, max(reach, 1e-300)):
        start = sum(part.shape[1] for part in columns)
        blocks.append(list(range(start, start + len(group))))
        if len(group) == 1:
            columns.append(vectors[:, [int(np.argmin(np.abs(values - group[0])))]])
            continue
        members = np.asarray(group)
        _, schur, _ = sla.schur(
            matrix.astype(complex),
            output="complex",
            sort=lambda z, g=members: bool(np.min(np.abs(z - g)) < reach / 4),
        )
        columns.append(schur[:, : len(group)])
    return np.concatenate(columns, axis=1), blocks


def _groups(values: Array, gap: float) -> list[list[complex]]:
    """Single-linkage groups of points in the plane, joined below `gap`."""
    groups: list[list[complex]] = []
    for value in values:
        near = [g for g in groups if min(abs(value - w) for w in g) < gap]
        groups = [g for g in groups if not any(g is h for h in near)]
        groups.append([complex(value), *(w for g in near for w in g)])
    return groups


def _separation(groups: list[list[complex]]) -> float:
    centres = [complex(np.mean(g)) for g in groups]
    return min((abs(a - b) for i, a in enumerate(centres) for b in centres[:i]), default=0.0)


def _eigenspaces(generic: Array, groups: list[list[complex]], gap: float) -> list[Ideal]:
    """The real invariant subspaces of y -> y @ generic that belong to the groups of eigenvalues."""
    out = []
    for group in groups:
        members = np.asarray(group)
        _, vectors, count = sla.schur(
            generic.T,
            output="real",
            sort=lambda x, y, g=members: bool(np.min(np.abs(x + 1j * abs(y) - g)) < gap / 2),
        )
        out.append(Ideal(span(vectors[:, :count].T, 0.5), bool(abs(np.mean(members).imag) > gap)))
    return out
