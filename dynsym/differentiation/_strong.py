"""The strong form: slopes at the samples, given or of local polynomials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._checks import Array, require
from ..dictionary import Dictionary
from ..trajectory import Trajectory
from ..trajectory._times import even_step
from ._rows import Evaluate, RowMethod, Window, noise_gram
from ._stencils import derivative_stencils, end_stencils, even_slope_weights, stencils_at

_WINDOWS = 2000  # windows that stand for all of a long run where weights are averaged


@dataclass(frozen=True)
class Derivatives(RowMethod):
    """Derivatives that came with the data: rows theta(x_i) against dx/dt_i."""

    @property
    def description(self) -> str:
        return "derivatives given with the data"

    @property
    def pointwise(self) -> bool:
        return True

    @property
    def shortest(self) -> int:
        return 1

    def row_noise(self, run: Trajectory, noise: Array) -> Array | None:
        return None

    def fill(self, window: Window, theta: Evaluate, noise: Array | None, out: Array) -> int:
        require(
            window.slopes is not None, "these runs carry no derivatives; choose LocalPolynomial or WeakForm"
        )
        assert window.slopes is not None
        k, n = window.x.shape
        out[-n:, :k] = window.slopes.T
        theta(np.ascontiguousarray(window.x.T), out[:-n, :k])
        return k

    def leak(self, window: Window, dictionary: Dictionary, noise: Array) -> Array:
        return noise_gram(dictionary, window.x, noise, np.ones(len(window.x)))


@dataclass(frozen=True)
class LocalPolynomial(RowMethod):
    """Strong form: the slope at t_i of the polynomial fitted to the 2h + 1 samples around it.

    Parameters
    ----------
    half_width
        h.
    degree
        Of the polynomial.
    ends
        Whether the h samples at either end of a stretch have rows too, their slopes being those of the polynomial of
        the nearest window, one-sided and less accurate.

    References
    ----------
    Savitzky and Golay (1964), Smoothing and differentiation of data by simplified least squares procedures;
    here with exact weights on uneven grids.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.LocalPolynomial.finite_differences(order=2)
    LocalPolynomial(half_width=1, degree=2, ends=True)
    """

    half_width: int = 4
    degree: int = 8
    ends: bool = False

    def __post_init__(self) -> None:
        require(self.half_width >= 1, f"half_width must be at least 1 sample, got {self.half_width}")
        require(
            1 <= self.degree <= 2 * self.half_width,
            f"degree must lie between 1 and 2 half_width = {2 * self.half_width}, got {self.degree}",
        )

    @classmethod
    def finite_differences(cls, order: int = 2) -> LocalPolynomial:
        """Central differences of an even order, one-sided ones of that order at the ends, as PySINDy's FiniteDifference.

        Raises
        ------
        DataError
            If the order is odd or below 2.
        """
        require(order >= 2 and order % 2 == 0, f"the order must be even and at least 2, got {order}")
        return cls(order // 2, order, ends=True)

    @property
    def description(self) -> str:
        ends = ", one-sided at the ends" if self.ends else ""
        return f"local polynomials of degree {self.degree} over {2 * self.half_width + 1} samples{ends}"

    @property
    def pointwise(self) -> bool:
        return True

    @property
    def shortest(self) -> int:
        return 2 * self.half_width + 1

    @property
    def halo(self) -> int:
        return self.half_width

    @property
    def margin(self) -> int:
        return 0 if self.ends else self.half_width

    def row_noise(self, run: Trajectory, noise: Array) -> Array | None:
        h = self.half_width
        if even_step(run.t) is not None:
            weights = derivative_stencils(run.t[: 2 * h + 1], h, self.degree)
        else:
            centres = np.unique(np.linspace(h, len(run.t) - h - 1, _WINDOWS).astype(int))
            weights = stencils_at(run.t, centres, h, self.degree)
        return noise * np.sqrt(np.mean(np.sum(weights**2, axis=1)))

    def fill(self, window: Window, theta: Evaluate, noise: Array | None, out: Array) -> int:
        h, n = self.half_width, window.x.shape[1]
        m = len(window)
        if m < self.shortest:
            return 0
        before = h if self.ends and window.first else 0
        after = h if self.ends and window.last else 0
        columns = np.ascontiguousarray(window.x.T)  # (n, m)
        count = m - 2 * h + before + after
        self._slopes(window, columns, out[-n:, before : count - after])
        if before or after:
            head, tail = end_stencils(window.t, window.step, h, self.degree)
            width = 2 * h + 1
            if before:
                out[-n:, :before] = columns[:, :width] @ head.T
            if after:
                out[-n:, count - after : count] = columns[:, m - width :] @ tail.T
        theta(columns[:, h - before : m - h + after], out[:-n, :count])
        return count

    def _slopes(self, window: Window, columns: Array, out: Array) -> None:
        """Slopes at the samples h..m-h-1 of states (n, m), written into out (n, m - 2h)."""
        h, width = self.half_width, 2 * self.half_width + 1
        k = out.shape[1]
        if window.step is None:
            weights = derivative_stencils(window.t, h, self.degree, even=False)
            views = np.lib.stride_tricks.sliding_window_view(columns, width, axis=1)
            np.einsum("iw,niw->ni", weights, views, out=out)
            return
        # The weights of an even grid are odd about its middle: differences of opposite samples, h products.
        weights = even_slope_weights(h, self.degree) / window.step
        np.subtract(columns[:, 2 * h : 2 * h + k], columns[:, :k], out=out)
        out *= weights[-1]
        if h > 1:
            scratch = np.empty_like(out)
            for j in range(1, h):
                np.subtract(columns[:, h + j : h + j + k], columns[:, h - j : h - j + k], out=scratch)
                scratch *= weights[h + j]
                out += scratch

    def leak(self, window: Window, dictionary: Dictionary, noise: Array) -> Array:
        h = self.margin
        inner = window.x[h : len(window.x) - h]
        return noise_gram(dictionary, inner, noise, np.ones(len(inner)))
