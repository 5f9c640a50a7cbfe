"""The path of sequentially thresholded least squares: finitely many supports, each regressed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .._checks import Array, require
from ..compress import Factor
from ..regression import Model
from ._over import Over, Steps, Walk, check_values, least_squares_on

_MOST = 64  # intervals of constant support that are all listed; beyond, a logarithmic grid

_SAME = 1e-6  # relative distance of breakpoints that count as one


@dataclass(frozen=True)
class Thresholds(Over):
    """STLSQ for every threshold: the iteration of `optim.STLSQ`, in the units of the coefficients.

    The support is a step function of the threshold; the default grid holds one threshold for each step, or 64 evenly
    spaced in the logarithm where there are more steps.

    Parameters
    ----------
    values
        Thresholds; default all that make a difference.
    ridge
        As in `optim.STLSQ`: absolute, and not in the last regression.

    Raises
    ------
    DataError
        On values or a ridge that are negative or not finite.

    Examples
    --------
    >>> from dynsym.selection import Thresholds
    >>> Thresholds([0.1, 0.2]).ridge
    0.0
    """

    values: Sequence[float] | None = None
    ridge: float = 0.0

    def __post_init__(self) -> None:
        check_values(self.values, "thresholds")
        require(
            bool(np.isfinite(self.ridge) and self.ridge >= 0),
            f"ridge must be finite and not negative, got {self.ridge}",
        )

    def on(self, model: Model) -> ThresholdWalk:
        return ThresholdWalk(model.compressed.total, self.ridge)


@dataclass(frozen=True, eq=False)
class ThresholdWalk(Walk):
    """STLSQ on the factors of one model."""

    total: Factor
    ridge: float
    label: str = "threshold"
    solver: str = "STLSQ"

    def grid(self) -> Array:
        ends = np.unique(np.concatenate([e for e in self._breaks(self.total)]))
        if not len(ends):
            return np.zeros(1)
        # Coefficients that are equal but for rounding fall together: no threshold lies between them.
        ends = ends[np.append(ends[1:] > ends[:-1] * (1 + _SAME), True)]
        if len(ends) > _MOST:
            return np.geomspace(ends[0] / 2, ends[-1] * 1.1, _MOST)
        below = np.concatenate([ends[:1] / 2, np.sqrt(ends[:-1] * ends[1:])])
        return np.append(below, 1.1 * ends[-1])

    def solve(self, factor: Factor, values: Array) -> Steps:
        n = factor.target.shape[1]
        out = np.empty((len(values), n, factor.n_terms))
        for i in range(n):
            search = _Equation(factor, i, self.ridge)
            for k, value in enumerate(values):
                out[k, i] = search.plain(search.run(value)[0])
        return Steps(out, np.full(len(values), np.nan), np.ones(len(values), dtype=bool))

    def _breaks(self, factor: Factor) -> list[Array]:
        """The thresholds of each equation above which its support changes, ascending."""
        out = []
        for i in range(factor.target.shape[1]):
            search, value, ends = _Equation(factor, i, self.ridge), 0.0, []
            # From one interval of constant runs to the next: finitely many, since each end is a coefficient on some support.
            while True:
                support, end = search.run(value)
                if not support.any():
                    break
                ends.append((end, support.tobytes()))
                value = np.nextafter(end, np.inf)
            last = [end for k, (end, s) in enumerate(ends) if k + 1 == len(ends) or s != ends[k + 1][1]]
            out.append(np.array(last, dtype=float))
        return out


@dataclass(eq=False)
class _Equation:
    """One equation: its regressions by support, so that no threshold repeats those of another."""

    factor: Factor
    equation: int
    ridge: float
    known: dict[bytes, Array] = field(default_factory=dict)
    refits: dict[bytes, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        p, n = self.factor.n_terms, self.factor.target.shape[1]
        self.shrunk = self.factor
        if self.ridge > 0:
            extra = np.hstack([np.sqrt(self.ridge) * np.eye(p), np.zeros((p, n))])
            rows = np.vstack([self.factor.triangle, extra])
            self.shrunk = Factor(rows, p, self.factor.n_rows)

    def run(self, threshold: float) -> tuple[npt.NDArray[np.bool_], float]:
        """The support at rest, and the largest threshold up to which every step would be the same."""
        support = np.ones(self.factor.n_terms, dtype=bool)
        end = np.inf
        while support.any():
            c = np.abs(self._regressed(support))
            kept = support & (c >= threshold) & (c > 0)
            end = min(end, float(c[kept].min(initial=np.inf)))
            if np.array_equal(kept, support):
                break
            support = kept
        return support, end

    def plain(self, support: npt.NDArray[np.bool_]) -> Array:
        """Least squares on the support, without the ridge."""
        key = support.tobytes()
        if key not in self.refits:
            self.refits[key] = least_squares_on(self.factor, self.equation, support)
        return self.refits[key]

    def _regressed(self, support: npt.NDArray[np.bool_]) -> Array:
        key = support.tobytes()
        if key not in self.known:
            self.known[key] = least_squares_on(self.shrunk, self.equation, support)
        return self.known[key]
