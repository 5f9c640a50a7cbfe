"""Concave functions of sizes, by which a norm becomes a closer stand-in for a count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynsym._checks import Array, require

# Newton steps on a convex decreasing branch, from the right: 12 reach rounding for all that is not at the jump.
_NEWTON = 25


@dataclass(frozen=True)
class Curve:
    """psi(s) = ((s + e)^h - e^h) e^(1 - h) / h of sizes s >= 0; for h = 0 it is e log(1 + s / e).

    Its slope is 1 at 0 and (e / (s + e))^(1 - h) at s, so small sizes weigh as in the norm and large ones hardly at all.

    Parameters
    ----------
    bend
        e > 0, the size from which on the slope falls.
    power
        h in [0, 1): 0 the log-determinant, else the Schatten-h quasi-norm.

    References
    ----------
    Fazel, Hindi and Boyd (2003), Log-det heuristic for matrix rank minimization, American Control Conference.

    Examples
    --------
    >>> import numpy as np
    >>> curve = Curve(bend=0.1)
    >>> curve.slope(np.array([0.0, 0.9])).round(12)
    array([1. , 0.1])
    """

    bend: float
    power: float = 0.0

    def __post_init__(self) -> None:
        require(bool(np.isfinite(self.bend) and self.bend > 0), f"bend must be positive, got {self.bend}")
        require(0 <= self.power < 1, f"power must lie in [0, 1), got {self.power}")

    def value(self, s: Array) -> float:
        """Return sum_k psi(s_k)."""
        e, h = self.bend, self.power
        logs = np.log1p(np.asarray(s) / e)
        return float(e * np.sum(logs if h == 0 else np.expm1(h * logs) / h))

    def slope(self, s: Array) -> Array:
        """Return psi'(s)."""
        return np.asarray((self.bend / (np.asarray(s) + self.bend)) ** (1 - self.power))

    def level(self, threshold: float) -> float:
        """Return a size up to which `prox` is zero: the least value of x + threshold psi'(x) over x >= 0."""
        ratio = threshold * (1 - self.power) / self.bend
        lowest = self.bend * (max(ratio, 1.0) ** (1 / (2 - self.power)) - 1)
        return float(lowest + threshold * (self.bend / (lowest + self.bend)) ** (1 - self.power))

    def prox(self, s: Array, threshold: float | Array) -> Array:
        """Return argmin_x (x - s)^2 / 2 + threshold psi(x) over x >= 0, for each s >= 0.

        Stationary points solve x + threshold psi'(x) = s; the left side is convex, and the minimum is its largest root
        or zero.
        """
        s = np.asarray(s, dtype=float)
        t = np.broadcast_to(threshold, s.shape)
        x = self._logarithmic_root(s, t) if self.power == 0 else self._root(s, t)
        kept = 0.5 * (x - s) ** 2 + t * self._each(x) < 0.5 * s**2
        return np.where(kept, x, 0.0)

    def _logarithmic_root(self, s: Array, t: Array) -> Array:
        """Larger root of (x - s)(x + e) + t e = 0, or 0."""
        e = self.bend
        inside = (s + e) ** 2 - 4 * t * e
        return np.where(inside > 0, np.maximum(s - e + np.sqrt(np.maximum(inside, 0.0)), 0.0) / 2, 0.0)

    def _root(self, s: Array, t: Array) -> Array:
        """The same by Newton's method from the right, where the left side is convex and increasing."""
        x = s.copy()
        for _ in range(_NEWTON):
            slope = self.slope(x)
            rise = 1 - t * (1 - self.power) * slope / (x + self.bend)
            step = np.where(rise > 0, (x + t * slope - s) / np.where(rise > 0, rise, 1.0), np.inf)
            # Left of zero, or of the point where the left side turns, there is no root.
            x = np.where(np.isfinite(step), np.maximum(x - step, 0.0), 0.0)
        return x

    def _each(self, s: Array) -> Array:
        logs = np.log1p(s / self.bend)
        return np.asarray(self.bend * (logs if self.power == 0 else np.expm1(self.power * logs) / self.power))
