"""The noun: one invertible map of the states, t -> t or t -> -t."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .._checks import Array, as_floats, frozen, require, require_finite, states_matrix, unique_names
from ..sections import text_of

if TYPE_CHECKING:
    from ._group import FiniteGroup

_SAME = 1e-9  # relative difference up to which two maps are one
_MOST_ORDER = 60


@dataclass(frozen=True, eq=False)
class AffineMap:
    """g(x) = A x + b, with t -> -t if `reverses_time`; a symmetry of x' = f(x) iff f(g x) = s A f(x), s = +1 or -1.

    Parameters
    ----------
    matrix
        A, (n, n), invertible.
    offset
        b, (n,), in the units of the states; default 0.
    names
        State names; default x1..xn.
    reverses_time
        Whether solutions go to solutions run backwards, s = -1.
    label
        A word for it; default its formula.

    Raises
    ------
    DataError
        If A is not square or not invertible, or shapes do not agree.

    Examples
    --------
    >>> import dynsym as dy
    >>> turn = dy.maps.rotation(("x", "y"), order=4)
    >>> print(turn @ turn)
    (x, y) -> (-x, -y)
    >>> turn.order(), turn.inverse()([1.0, 0.0]).round(12).tolist()
    (4, [[0.0, -1.0]])
    """

    matrix: Array
    offset: Array | None = None
    names: tuple[str, ...] = ()
    reverses_time: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        a = as_floats("matrix", self.matrix, 2)
        require(a.shape[0] == a.shape[1] > 0, f"a map needs a square matrix, got shape {a.shape}")
        b = as_floats("offset", np.zeros(len(a)) if self.offset is None else self.offset, 1)
        require(b.shape == (len(a),), f"offset must have shape ({len(a)},), got {b.shape}")
        require_finite("matrix", a)
        require_finite("offset", b)
        values = np.linalg.svd(a, compute_uv=False)
        require(
            bool(values[-1] > 1e-12 * values[0]),
            f"a symmetry must be invertible; the singular values of the matrix are {values.round(12).tolist()}",
        )
        own = [f"x{i + 1}" for i in range(len(a))] if not self.names else self.names
        names = unique_names("state", own)
        require(len(names) == len(a), f"{len(a)} states but {len(names)} names: {', '.join(names)}")
        object.__setattr__(self, "matrix", a)
        object.__setattr__(self, "offset", b)
        object.__setattr__(self, "names", names)

    @property
    def n_states(self) -> int:
        """Number of states n."""
        return len(self.matrix)

    @property
    def shift(self) -> Array:
        """b, (n,)."""
        assert self.offset is not None
        return self.offset

    @property
    def sign(self) -> float:
        """s: -1 if time is reversed, else 1."""
        return -1.0 if self.reverses_time else 1.0

    def __call__(self, x: npt.ArrayLike) -> Array:
        """g(x), (m, n) -> (m, n)."""
        return states_matrix(x, self.n_states) @ self.matrix.T + self.shift

    def __matmul__(self, other: AffineMap) -> AffineMap:
        """The composition: first `other`, then this map."""
        if not isinstance(other, AffineMap):
            return NotImplemented
        require(
            self.names == other.names,
            f"maps over different states cannot be composed: {', '.join(self.names)} and "
            f"{', '.join(other.names)}",
        )
        return AffineMap(
            self.matrix @ other.matrix,
            self.matrix @ other.shift + self.shift,
            self.names,
            self.reverses_time != other.reverses_time,
        )

    def inverse(self) -> AffineMap:
        """The map that undoes this one."""
        back = frozen(np.linalg.inv(self.matrix))
        return AffineMap(_snapped(back), _snapped(frozen(-back @ self.shift)), self.names, self.reverses_time)

    def same_as(self, other: AffineMap, tolerance: float = _SAME) -> bool:
        """Whether both act alike, to a relative tolerance."""
        scale = max(1.0, float(np.abs(self.matrix).max()))
        return bool(
            self.reverses_time == other.reverses_time
            and np.abs(self.matrix - other.matrix).max() <= tolerance * scale
            and np.abs(self.shift - other.shift).max()
            <= tolerance * max(1.0, float(np.abs(self.shift).max()))
        )

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves and time runs forward."""
        return self.same_as(AffineMap(np.eye(self.n_states), None, self.names))

    def order(self, limit: int = _MOST_ORDER) -> int | None:
        """Least k >= 1 with g^k = 1, or None if there is none up to the limit."""
        power, k = self, 1
        while not power.is_identity:
            k, power = k + 1, self @ power
            if k > limit or np.abs(power.matrix).max() > 1e8:
                return None
        return k

    def group(self, limit: int = 400) -> FiniteGroup:
        """The powers of this map, as a group; DataError if there are more than the limit."""
        from ._group import group_of

        return group_of(self, limit)

    def renamed(self, names: Sequence[str]) -> AffineMap:
        """The same map over other state names."""
        return AffineMap(self.matrix, self.shift, tuple(names), self.reverses_time, self.label)

    @property
    def expression(self) -> str:
        """The map as text: what becomes of each state, and of time."""
        images = [
            text_of((*self.names, "1"), [*row, shift], 6) for row, shift in zip(self.matrix, self.shift)
        ]
        time = ", t -> -t" if self.reverses_time else ""
        if self.n_states == 1:
            return f"{self.names[0]} -> {images[0]}{time}"
        return f"({', '.join(self.names)}) -> ({', '.join(images)}){time}"

    def __str__(self) -> str:
        return self.expression

    def __repr__(self) -> str:
        return f"AffineMap({self.expression})"


def _snapped(values: Array) -> Array:
    """Entries within rounding of a whole number made so: inverses of permutations stay permutations."""
    near = np.round(values)
    return frozen(np.where(np.abs(values - near) < 1e-13, near, values) + 0.0)
