"""What all affine families are made of: matrices, offsets, labels, and the names of the states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import Array, require, unique_names
from ..dictionary import Monomials
from ._generators import Generators


def affine_family(
    names: tuple[str, ...], matrices: Sequence[Array], offsets: Sequence[Array], labels: Sequence[str]
) -> Generators:
    n = len(names)
    dictionary = Monomials(n, 1, names=names)
    a = np.zeros((len(labels), n, n + 1))
    for k, (matrix, offset) in enumerate(zip(matrices, offsets)):
        a[k, :, 0], a[k, :, 1:] = offset, matrix
    return Generators(dictionary, a, tuple(labels))


def state_names(n_states: int, names: Sequence[str] | None) -> tuple[str, ...]:
    own = tuple(f"x{i + 1}" for i in range(n_states)) if names is None else unique_names("state", names)
    require(len(own) == n_states, f"n_states = {n_states} but {len(own)} names were given")
    return own


def known_states(names: tuple[str, ...], chosen: Sequence[str]) -> None:
    unknown = [s for s in chosen if s not in names]
    require(not unknown, f"unknown states {', '.join(unknown)}; the states are: {', '.join(names)}")


def unit_matrix(n: int, i: int, j: int) -> Array:
    out = np.zeros((n, n))
    out[i, j] = 1.0
    return out
