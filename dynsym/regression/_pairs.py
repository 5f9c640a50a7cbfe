"""Samples of a map: inputs x and values y, one row each, with no order in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._checks import Array, DataError, as_floats, frozen, require, require_finite, unique_names


@dataclass(frozen=True, eq=False)
class Pairs:
    """m samples (x_i, y_i) of a map y = F(x) with errors in y; x is taken as exact.

    Parameters
    ----------
    x
        Inputs, (m, n) or (m,).
    y
        Values, (m, d) or (m,).
    inputs, values
        Their names; default x1..xn and y1..yd, or the column names of a DataFrame.
    sd
        (d,) or one number: standard deviation of the errors in y, if it is known.

    Raises
    ------
    DataError
        If the numbers of rows differ, nothing is complete, or names do not fit. Rows with missing values are left out.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.Pairs([[0.0, 1.0], [2.0, 3.0]], [5.0, 7.0], inputs=("a", "b"), values=("c",)))
    2 samples of (a, b) -> (c)
    """

    x: Array
    y: Array
    inputs: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    sd: Array | None = None

    def __post_init__(self) -> None:
        given = (_names_of(self.x, self.inputs), _names_of(self.y, self.values))
        x, y = (as_floats(name, _columns(part), 2) for name, part in (("x", self.x), ("y", self.y)))
        require(len(x) == len(y), f"x has {len(x)} rows and y has {len(y)}; each sample needs both")
        good = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
        require(bool(good.any()), f"none of the {len(x)} samples is complete; there is nothing to fit")
        for name, part, own, letter in zip(("x", "y"), (x, y), given, ("x", "y")):
            names = own or tuple(f"{letter}{k + 1}" for k in range(part.shape[1]))
            names = unique_names("input" if name == "x" else "value", names)
            require(
                len(names) == part.shape[1],
                f"{name} has {part.shape[1]} columns but {len(names)} names were given",
            )
            object.__setattr__(self, "inputs" if name == "x" else "values", names)
        object.__setattr__(self, "x", frozen(x[good]))
        object.__setattr__(self, "y", frozen(y[good]))
        if self.sd is not None:
            sd = np.broadcast_to(np.asarray(self.sd, dtype=float), (y.shape[1],))
            require_finite("sd", frozen(sd))
            require(bool((sd >= 0).all()), f"sd must not be negative, got {sd.tolist()}")
            object.__setattr__(self, "sd", frozen(sd))

    def __len__(self) -> int:
        return len(self.x)

    @property
    def scale(self) -> tuple[Array, Array]:
        """Standard deviations of inputs (n,) and values (d,); the size of those that do not vary, or 1."""
        return _spread(self.x), _spread(self.y)

    def __str__(self) -> str:
        return f"{len(self)} samples of ({', '.join(self.inputs)}) -> ({', '.join(self.values)})"


def as_pairs(data: Any) -> Pairs:
    """`Pairs`, or a pair (x, y) of arrays or DataFrames."""
    if isinstance(data, Pairs):
        return data
    if isinstance(data, tuple | list) and len(data) == 2:
        return Pairs(data[0], data[1])
    raise DataError(
        f"a map is fitted to Pairs or to (x, y), got {type(data).__name__}; for trajectories use dynsym.fit"
    )


def _columns(part: Any) -> npt.NDArray[Any]:
    raw = np.asarray(part)
    return raw[:, None] if raw.ndim == 1 else raw


def _names_of(part: Any, names: Sequence[str]) -> tuple[str, ...]:
    if names:
        return tuple(names)
    columns = getattr(part, "columns", None)
    if columns is not None:
        return tuple(str(name) for name in columns)
    own = getattr(part, "name", None)
    return (str(own),) if isinstance(own, str) else ()


def _spread(part: Array) -> Array:
    sd = part.std(axis=0)
    return np.where(sd > 0, sd, np.maximum(np.abs(part).max(axis=0), 1.0))
