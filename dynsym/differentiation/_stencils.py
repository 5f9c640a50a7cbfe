"""Weights on uneven grids: derivatives of local polynomials."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .._checks import Array, require
from ..trajectory._times import is_even


def derivative_stencils(t: Array, half_width: int, degree: int, even: bool | None = None) -> Array:
    """Weights w_ij: sum_j w_ij g(t_(i+j)) is the slope at t_i of the least-squares polynomial of that degree.

    Parameters
    ----------
    t
        Increasing times (m,), any spacing.
    half_width
        h; the window is the 2h + 1 samples i-h..i+h.
    degree
        Of the local polynomial, at most 2h.
    even
        Whether the steps agree; found out if None.

    Returns
    -------
    (m - 2h, 2h + 1) weights for the interior samples i = h..m-h-1.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.differentiation import derivative_stencils
    >>> derivative_stencils(np.arange(3.0), 1, 2).round(12).tolist()
    [[-0.5, 0.0, 0.5]]
    """
    window = 2 * half_width + 1
    require(degree < window, f"a polynomial of degree {degree} needs more than {window} samples")
    require(len(t) >= window, f"{len(t)} samples are fewer than the window of {window}")
    if even is None:
        even = is_even(t)
    if even:
        step = (t[-1] - t[0]) / (len(t) - 1)
        one = even_slope_weights(half_width, degree) / step
        return np.broadcast_to(one, (len(t) - 2 * half_width, window))
    return stencils_at(t, np.arange(half_width, len(t) - half_width), half_width, degree)


def stencils_at(t: Array, centres: npt.NDArray[np.intp], half_width: int, degree: int) -> Array:
    """The weights (k, 2h + 1) of `derivative_stencils` at chosen samples (k,) of an uneven grid."""
    near = t[centres[:, None] + np.arange(-half_width, half_width + 1)] - t[centres, None]
    scale = np.abs(near).max(axis=1, keepdims=True)
    powers = (near / scale)[:, :, None] ** np.arange(degree + 1)
    return np.linalg.pinv(powers)[:, 1, :] / scale


def end_stencils(t: Array, step: float | None, half_width: int, degree: int) -> tuple[Array, Array]:
    """Weights (h, 2h + 1) of the slopes at the first h samples and at the last h, from the outermost windows."""
    width = 2 * half_width + 1
    places = np.arange(width, dtype=float)
    first = places if step is not None else t[:width]
    last = places if step is not None else t[-width:]
    scale = 1.0 if step is None else step
    head = np.stack([slope_weights(first - first[i], degree) for i in range(half_width)])
    tail = np.stack([slope_weights(last - last[i], degree) for i in range(half_width + 1, width)])
    return head / scale, tail / scale


@lru_cache(maxsize=64)
def even_slope_weights(half_width: int, degree: int) -> Array:
    """Weights (2h + 1,) of the slope at the middle of a window of unit steps."""
    out = slope_weights(np.arange(-half_width, half_width + 1.0), degree)
    out.flags.writeable = False
    return out


def slope_weights(offsets: Array, degree: int) -> Array:
    """Weights (k,) of the slope at 0 of the least-squares polynomial through values at offsets (k,)."""
    scale = np.abs(offsets).max()
    powers = (offsets / scale)[:, None] ** np.arange(degree + 1)
    return np.linalg.pinv(powers)[1] / scale


def apply_stencils(weights: Array, g: Array) -> Array:
    """sum_j w_ij g_(i+j), for g (m, n) -> (m - 2h, n)."""
    window = weights.shape[1]
    views = np.lib.stride_tricks.sliding_window_view(g, window, axis=0)  # (m - 2h, n, window)
    return np.einsum("iw,inw->in", weights, views)
