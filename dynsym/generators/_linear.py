"""The classical groups of space by their generators: translations, gl(n), so(n), se(n), sp(n) and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from .._checks import require
from ._affine import affine_family, known_states, state_names, unit_matrix
from ._generators import Generators


def translations(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """The n fields d/dx_i.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.translations(2).expressions()
    ['d/dx1', 'd/dx2']
    """
    own, n = state_names(n_states, names), n_states
    return affine_family(own, [np.zeros((n, n))] * n, list(np.eye(n)), [f"translation {s}" for s in own])


def linear(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """gl(n): the n^2 fields x_j d/dx_i.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.linear(3))
    9
    """
    own, n = state_names(n_states, names), n_states
    pairs = [(i, j) for i in range(n) for j in range(n)]
    return affine_family(
        own,
        [unit_matrix(n, i, j) for i, j in pairs],
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
    own, n = state_names(n_states, names), n_states
    return affine_family(
        own, [unit_matrix(n, i, i) for i in range(n)], [np.zeros(n)] * n, [f"scaling {s}" for s in own]
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
    own = state_names(n_states, names)
    groups = [own] if vectors is None else [tuple(v) for v in vectors]
    sizes = sorted({len(g) for g in groups})
    require(
        len(sizes) == 1 and sizes[0] >= 2, f"vectors must have one common length >= 2, got lengths {sizes}"
    )
    known_states(own, [s for g in groups for s in g])
    matrices, labels = [], []
    for i, j in combinations(range(sizes[0]), 2):
        matrix = np.zeros((n_states, n_states))
        for group in groups:
            a, b = own.index(group[i]), own.index(group[j])
            matrix[b, a], matrix[a, b] = 1.0, -1.0
        matrices.append(matrix)
        labels.append(f"rotation {groups[0][i]}-{groups[0][j]}")
    return affine_family(own, matrices, [np.zeros(n_states)] * len(labels), labels)


def special_linear(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """sl(n): linear fields without divergence, x_j d/dx_i and x_i d/dx_i - x_(i+1) d/dx_(i+1).

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.special_linear(2, ("x", "y")).expressions()
    ['y d/dx', 'x d/dy', 'x d/dx - y d/dy']
    """
    own, n = state_names(n_states, names), n_states
    require(n >= 2, f"sl(n) needs at least two states, got {n}")
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    squeezes = [unit_matrix(n, i, i) - unit_matrix(n, i + 1, i + 1) for i in range(n - 1)]
    matrices = [unit_matrix(n, i, j) for i, j in pairs] + squeezes
    labels = [f"{own[j]} d/d{own[i]}" for i, j in pairs]
    labels += [f"squeeze {own[i]}-{own[i + 1]}" for i in range(n - 1)]
    return affine_family(own, matrices, [np.zeros(n)] * len(matrices), labels)


def dilation(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """The field x . d/dx: all states scaled alike.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.dilation(2, ("x", "y")).expressions()
    ['x d/dx + y d/dy']
    """
    own = state_names(n_states, names)
    return affine_family(own, [np.eye(n_states)], [np.zeros(n_states)], ["scaling of all states"])


def orthogonal(
    n_states: int, names: Sequence[str] | None = None, signature: Sequence[float] | None = None
) -> Generators:
    """so(p, q): linear fields A x with A^T g + g A = 0, g = diag(signature).

    Parameters
    ----------
    n_states, names
        The states.
    signature
        (n,) diagonal of the metric, any numbers but 0; default all 1, that is so(n). With c the speed of light (-c^2, 1, 1, 1)
        for states (t, x, y, z).

    Raises
    ------
    DataError
        If there are not n numbers, or one is 0.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.orthogonal(2, ("t", "x"), signature=(-1, 1)).expressions()
    ['x d/dt + t d/dx']
    """
    own, n = state_names(n_states, names), n_states
    g = np.ones(n) if signature is None else np.asarray(signature, dtype=float)
    require(
        g.shape == (n,) and bool((g != 0).all()),
        f"the signature must be {n} numbers other than 0, got {g.tolist()}",
    )
    matrices, labels = [], []
    for i, j in combinations(range(n), 2):
        matrices.append(unit_matrix(n, j, i) / g[j] - unit_matrix(n, i, j) / g[i])
        labels.append(f"{'rotation' if g[i] * g[j] > 0 else 'boost'} {own[i]}-{own[j]}")
    return affine_family(own, matrices, [np.zeros(n)] * len(labels), labels)


def euclidean(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """se(n): translations and rotations of all states.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.euclidean(3))
    6
    """
    return translations(n_states, names) + rotations(n_states, names)


def similarity(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """sim(n): translations, rotations, and scaling of all states alike.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.similarity(3))
    7
    """
    return euclidean(n_states, names) + dilation(n_states, names)


def special_affine(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """sa(n): translations and sl(n), the affine fields without divergence.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.special_affine(2))
    5
    """
    return translations(n_states, names) + special_linear(n_states, names)


def symplectic(n_states: int, names: Sequence[str] | None = None) -> Generators:
    """sp(n, R): linear Hamiltonian fields J S x, S symmetric; states (q_1..q_d, p_1..p_d), n = 2 d.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.symplectic(2, ("q", "p")).expressions()
    ['-q d/dp', 'q d/dq - p d/dp', 'p d/dq']
    """
    own = state_names(n_states, names)
    require(n_states % 2 == 0, f"symplectic fields need an even number of states, got {n_states}")
    d = n_states // 2
    form = np.block([[np.zeros((d, d)), np.eye(d)], [-np.eye(d), np.zeros((d, d))]])
    pairs = [(i, j) for i in range(n_states) for j in range(i, n_states)]
    matrices = [
        form @ ((unit_matrix(n_states, i, j) + unit_matrix(n_states, j, i)) / (1 + (i == j)))
        for i, j in pairs
    ]
    labels = [f"Hamiltonian {own[i]}*{own[j]}" for i, j in pairs]
    return affine_family(own, matrices, [np.zeros(n_states)] * len(pairs), labels)
