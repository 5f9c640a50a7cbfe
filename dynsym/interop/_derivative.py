"""PySINDy's differentiation methods as rows for `fit`."""

from __future__ import annotations

import sys
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import Array, DataError, require
from ..dictionary import Dictionary
from ..differentiation import RowMethod, Window
from ..differentiation._rows import Evaluate, noise_gram
from ..trajectory import Trajectory

_EVEN = 1e-6  # spread of the steps over their median up to which times count as evenly spaced
# Error of the slope of x = t from which a method is refused at uneven steps: those that know the spacing stay below
# 1e-10 (finite differences, splines, Savitzky-Golay in t, Kalman), those that do not are off by the jitter.
_BENT = 1e-4


@dataclass(frozen=True, eq=False)
class PySINDyDerivative(RowMethod):
    """Rows theta(x_i) against the slopes of a PySINDy differentiation method, the states smoothed as it says.

    Parameters
    ----------
    method
        `ps.FiniteDifference(...)`, `ps.SmoothedFiniteDifference(...)`, `ps.SINDyDerivative(kind=...)`, or any
        other `BaseDifferentiation`; it is copied for each run and not changed.

    Raises
    ------
    DataError
        On fitting, if steps are uneven and the method cannot deal with that: its slope of x = t, at the times of
        the run, is not 1. Samples at which the method gives no slope are left out.

    Examples
    --------
    >>> import dynsym as dy, numpy as np, pysindy as ps
    >>> t = np.linspace(0, 6, 300)
    >>> run = dy.Trajectory(t=t, x=np.stack([np.cos(t), -np.sin(t)], axis=1), names=("x", "v"))
    >>> rows = dy.interop.PySINDyDerivative(ps.FiniteDifference(order=4))
    >>> dy.fit(run, dy.Monomials(2, 1), penalty=dy.optim.STLSQ(0.1), rows=rows).equations(3)
    ["x' = v", "v' = -x"]
    """

    method: Any

    def __post_init__(self) -> None:
        if not callable(self.method) or isinstance(self.method, type):
            raise TypeError(
                f"method must be an object such as pysindy.FiniteDifference(order=4), got {self.method!r}"
            )

    @property
    def description(self) -> str:
        return f"slopes by PySINDy's {type(self.method).__name__}"

    @property
    def shortest(self) -> int:
        smoother = getattr(self.method, "smoother_kws", {})
        stencils = [getattr(self.method, name, 0) for name in ("n_stencil", "n_stencil_forward")]
        return max(5, int(smoother.get("window_length", 0)), *(int(width) for width in stencils))

    def row_noise(self, run: Trajectory, noise: Array) -> Array | None:
        return None  # most of these methods are not linear in the data

    @property
    def longest(self) -> int:
        return sys.maxsize  # smoothers and splines look at a whole stretch

    def fill(self, window: Window, theta: Evaluate, noise: Array | None, out: Array) -> int:
        smooth, slopes = self._known(window)
        k, n = smooth.shape
        out[-n:, :k] = slopes.T
        theta(np.ascontiguousarray(smooth.T), out[:-n, :k])
        return k

    def leak(self, window: Window, dictionary: Dictionary, noise: Array) -> Array:
        smooth, _ = self._known(window)
        return noise_gram(dictionary, smooth, noise, np.ones(len(smooth)))

    def _known(self, window: Window) -> tuple[Array, Array]:
        """States and slopes where the method gives both."""
        self._require_spacing(window.t)
        smooth, slopes = self._differentiate(window.x, window.t)
        known = np.isfinite(slopes).all(axis=1) & np.isfinite(smooth).all(axis=1)
        require(
            bool(known.any()),
            f"{self._name} gives no finite slope for {len(window)} samples from t = {window.t[0]:g} to "
            f"{window.t[-1]:g}",
        )
        return smooth[known], slopes[known]

    @property
    def _name(self) -> str:
        kind = getattr(self.method, "kwargs", {}).get("kind")
        return type(self.method).__name__ + (f"(kind={kind!r})" if kind else "")

    def _differentiate(self, x: Array, t: Array) -> tuple[Array, Array]:
        """Smoothed states and slopes, both (m, n)."""
        # Methods keep notes of what they last saw, and finite differences move their axis on first use.
        method = deepcopy(self.method)
        slopes = np.asarray(method(np.array(x), np.array(t)), dtype=float)
        smooth = np.asarray(getattr(method, "smoothed_x_", x), dtype=float)
        if slopes.shape != x.shape or smooth.shape != x.shape:
            raise DataError(
                f"{self._name} turned states {x.shape} into slopes {slopes.shape} at states {smooth.shape}; "
                "it must keep the samples, with NaN where there is no slope"
            )
        return smooth, slopes

    def _require_spacing(self, t: Array) -> None:
        steps = np.diff(t)
        if np.ptp(steps) <= _EVEN * np.median(steps):
            return
        line = (t - t[0])[:, None]
        slope = self._differentiate(line, t)[1]
        worst = slope[np.nanargmax(np.abs(slope - 1)), 0] if np.isfinite(slope).any() else np.nan
        require(
            bool(abs(worst - 1) <= _BENT),
            f"{self._name} cannot deal with uneven steps: at these times (steps {steps.min():.4g} to "
            f"{steps.max():.4g}) it finds the slope {worst:.6g} for x = t; resample the run to even steps, or "
            "choose pysindy.FiniteDifference or dynsym.LocalPolynomial",
        )
