"""Groups of space and time: Galilei on positions and velocities, Lorentz and Poincare on events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from .._checks import require
from ._affine import affine_family, known_states, state_names
from ._generators import Generators
from ._linear import orthogonal, rotations, translations

Vectors = Sequence[str] | Sequence[Sequence[str]]


def galilean(
    n_states: int, positions: Vectors, velocities: Vectors, names: Sequence[str] | None = None
) -> Generators:
    """Translations and rotations of space, and boosts q -> q + u t, v -> v + u, of all particles together.

    Parameters
    ----------
    n_states
        Number of states n.
    positions, velocities
        Names of the d coordinates and of the d velocities of a particle, in the same order; or one such group for each
        particle.
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
    >>> pair = dy.generators.galilean(4, [("q",), ("r",)], [("v",), ("w",)], names=("q", "r", "v", "w"))
    >>> pair.expressions()
    ['d/dq + d/dr', 't d/dq + t d/dr + d/dv + d/dw']
    """
    own = state_names(n_states, names)
    q, v = _groups(positions), _groups(velocities)
    sizes = {len(group) for group in q + v}
    count = [sum(len(group) for group in groups) for groups in (q, v)]
    require(
        len(q) == len(v) and count[0] == count[1],
        f"{count[0]} positions but {count[1]} velocities",
    )
    require(len(sizes) == 1, f"all particles need as many coordinates, got groups of {sorted(sizes)}")
    known_states(own, [s for group in q + v for s in group])
    axes = q[0]
    shifts, pushes = np.zeros((len(axes), n_states)), np.zeros((len(axes), n_states))
    for places, groups in ((shifts, q), (pushes, v)):
        for group in groups:
            for k, s in enumerate(group):
                places[k, own.index(s)] = 1.0
    flat = [np.zeros((n_states, n_states))] * len(axes)
    moves = affine_family(own, flat, list(shifts), [f"translation {s}" for s in axes])
    a, ramp = np.zeros((2, len(axes), n_states, n_states + 1))
    a[:, :, 0], ramp[:, :, 0] = pushes, shifts
    boosts = Generators(moves.dictionary, a, tuple(f"boost {s}" for s in axes), None, ramp)
    return moves + rotations(n_states, own, [*q, *v]) + boosts if len(axes) > 1 else moves + boosts


def _groups(vectors: Vectors) -> list[tuple[str, ...]]:
    every = list(vectors)
    if all(isinstance(s, str) for s in every):
        return [tuple(cast(Sequence[str], every))]
    return [tuple(group) for group in every]


def lorentz(
    n_states: int, names: Sequence[str] | None = None, signature: Sequence[float] | None = None
) -> Generators:
    """so(1, n - 1) on events: rotations of space and boosts; the first state is time unless the signature says otherwise.

    Parameters
    ----------
    n_states, names
        The coordinates of an event.
    signature
        (n,) diagonal of the metric; default (-1, 1, ..., 1).

    Raises
    ------
    DataError
        If there are not n numbers, or one is 0.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.generators.lorentz(3, ("t", "x", "y")))
    3 generator(s) over t, x, y
      boost t-x: x d/dt + t d/dx
      boost t-y: y d/dt + t d/dy
      rotation x-y: -y d/dx + x d/dy
    """
    minkowski = [-1.0, *[1.0] * (n_states - 1)]
    return orthogonal(n_states, names, minkowski if signature is None else signature)


def poincare(
    n_states: int, names: Sequence[str] | None = None, signature: Sequence[float] | None = None
) -> Generators:
    """iso(1, n - 1): translations of space and time, rotations and boosts.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.poincare(4))
    10
    """
    return translations(n_states, names) + lorentz(n_states, names, signature)
