"""Weights on uneven grids: derivatives of local polynomials."""

from __future__ import annotations

import numpy as np

from .._checks import Array, require

_EVEN = 1e-9  # relative spread of the steps below which a grid counts as even


def is_even(t: Array) -> bool:
    """Whether all steps agree to rounding."""
    step = np.diff(t)
    return len(step) == 0 or bool(
        np.ptp(step) <= _EVEN * max(abs(t[0]), abs(t[-1]), step.max()) + _EVEN * step.max()
    )


def derivative_stencils(t: Array, half_width: int, degree: int) -> Array:
    """Weights w_ij: sum_j w_ij g(t_(i+j)) is the slope at t_i of the least-squares polynomial of that degree.

    Parameters
    ----------
    t
        Increasing times (m,), any spacing.
    half_width
        h; the window is the 2h + 1 samples i-h..i+h.
    degree
        Of the local polynomial, at most 2h.

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
    if is_even(t):
        step = (t[-1] - t[0]) / (len(t) - 1)
        one = _slope_weights(np.arange(-half_width, half_width + 1, dtype=float), degree) / step
        return np.broadcast_to(one, (len(t) - 2 * half_width, window))
    near = np.lib.stride_tricks.sliding_window_view(t, window) - t[half_width : len(t) - half_width, None]
    scale = np.abs(near).max(axis=1, keepdims=True)
    powers = (near / scale)[:, :, None] ** np.arange(degree + 1)
    return np.linalg.pinv(powers)[:, 1, :] / scale


def _slope_weights(offsets: Array, degree: int) -> Array:
    scale = np.abs(offsets).max()
    powers = (offsets / scale)[:, None] ** np.arange(degree + 1)
    return np.linalg.pinv(powers)[1] / scale


def apply_stencils(weights: Array, g: Array) -> Array:
    """sum_j w_ij g_(i+j), for g (m, n) -> (m - 2h, n)."""
    window = weights.shape[1]
    views = np.lib.stride_tricks.sliding_window_view(g, window, axis=0)  # (m - 2h, n, window)
    return np.einsum("iw,inw->in", weights, views)
