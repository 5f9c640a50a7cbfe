"""The data in the coordinates of a frame: restricted least squares and its error on parts that were left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import stats

from .._checks import Array
from ..compress import Factor
from ..compress._factor import triangle_of_rows
from ..regression import Model
from ._brackets import Frame

_RANK = 1e-11
_FEWEST = 10  # degrees of freedom of the noise below which nothing is tested
_NOISE_FLOOR = 1e-3  # smallest share of an equation's size that counts as its noise: exact equations do not rule the others


@dataclass(frozen=True, eq=False)
class Rows:
    """Weighted rows |D c - y|^2 of all data and of the folds.

    Attributes
    ----------
    frame
        What coordinates mean.
    free
        (n p, f) orthonormal basis of the coordinates that are allowed at all.
    weights
        (n,) 1 / the noise of each equation.
    total, folds
        Factors of the rows.
    triangle, target
        D (k, f) and y (k,) of all rows after an orthogonal reduction; `rest` is |y|^2 outside the range of D.
    """

    frame: Frame
    free: Array
    weights: Array
    total: Factor
    folds: tuple[Factor, ...]
    triangle: Array
    target: Array
    rest: float

    @classmethod
    def of(cls, plain: Model, frame: Frame, free: Array, weights: Array) -> Rows:
        """The rows behind a fit."""
        total = plain.information.total
        rows, y = _weighted(total, frame, free, weights)
        reduced = triangle_of_rows(np.hstack([rows, y[:, None]]))
        f = free.shape[1]
        rest = float(np.sum(reduced[f:, f] ** 2))
        folds = tuple(plain.compressed.folds(8))
        return cls(frame, free, weights, total, folds, reduced[:f, :f], reduced[:f, f], rest)

    def restricted(self, operator: Array) -> Array:
        """Rows (k, n p) on coordinates as rows (k, f) on free coordinates."""
        return operator if self.whole else np.asarray(operator @ self.free)

    @cached_property
    def whole(self) -> bool:
        """Whether all coordinates are free, and written in their own order."""
        return self.free.shape[0] == self.free.shape[1] and np.array_equal(self.free, np.eye(len(self.free)))

    def fitted(self, basis: Array) -> tuple[Array, float]:
        """argmin over c = free basis a, with its residual sum of squares; basis (f, t)."""
        rows = self.triangle @ basis
        size = np.maximum(np.linalg.norm(rows, axis=0), 1e-300)
        a = np.linalg.lstsq(rows / size, self.target, rcond=_RANK)[0] / size
        miss = rows @ a - self.target
        return np.asarray(basis @ a), float(miss @ miss) + self.rest

    @cached_property
    def least(self) -> float:
        """Residual sum of squares of the fit over all free coordinates."""
        return self.fitted(np.eye(self.free.shape[1]))[1]

    def lack_of_fit(self, residual: float, freedom: int) -> float:
        """p value of the F test that a model with this residual and so many parameters is true; 1 if too few rows are left.

        Residuals that hang together in time make it too small, so that a symmetry is refused rather than invented.
        """
        f = self.free.shape[1]
        left = self.total.n_rows * len(self.weights) - f
        if left < _FEWEST or f <= freedom:
            return 1.0
        ratio = (residual - self.least) / (f - freedom) / max(self.least / left, 1e-300)
        return float(stats.f.sf(max(ratio, 0.0), f - freedom, left))

    def coefficients(self, c: Array) -> Array:
        """Free coordinates (f,) as C (n, p)."""
        return self.frame.coefficients(self.free @ c)

    def left_out(self, basis: Array) -> Array:
        """(K, n) squared error on each fold of the fit to the others, over c in the span of a basis (f, t)."""
        span = self.free @ basis
        raw = [_weighted(fold, self.frame, span, self.weights) for fold in self.folds]
        parts = [triangle_of_rows(np.hstack([rows, y[:, None]])) for rows, y in raw]
        out = []
        for k, (rows, y) in enumerate(raw):
            a = _without(parts, k)
            out.append(np.sum((rows @ a - y).reshape(len(self.weights), -1) ** 2, axis=1))
        return np.stack(out) / self.weights**2

    def left_out_plain(self, support: npt.NDArray[np.bool_]) -> Array:
        """The same without constraints, equation by equation on a support (n, p)."""
        out = np.zeros((len(self.folds), len(self.weights)))
        for i, chosen in enumerate(support):
            columns = np.append(np.flatnonzero(chosen), self.total.n_terms + i)
            parts = [triangle_of_rows(fold.triangle[:, columns]) for fold in self.folds]
            for k, part in enumerate(parts):
                out[k, i] = np.sum((part[:, :-1] @ _without(parts, k) - part[:, -1]) ** 2)
        return out

    @property
    def targets(self) -> Array:
        """(K, n) squares of the targets of each fold."""
        return np.stack([np.sum(fold.target**2, axis=0) for fold in self.folds])

    def judged(self, errors: Array) -> Array:
        """(K,) errors (K, n) with each equation in units of its noise."""
        return np.asarray(errors @ self.weights**2)

    def relative(self, errors: Array) -> float:
        """Root mean square of errors (K, n) over folds, each equation in units of its targets."""
        whole = np.maximum(self.targets.sum(axis=0), 1e-300)
        shares = self.targets / whole
        return float(np.sqrt(np.mean((errors / whole).sum(axis=1) / np.maximum(shares.sum(axis=1), 1e-300))))


def scarce(plain: Model) -> bool:
    """Whether a plain fit leaves too few rows over to tell the noise of an equation, or to read symmetries off."""
    return plain.information.total.n_rows < 2 * int(plain.support.sum(axis=1).max(initial=1))


def noise_weights(plain: Model) -> Array:
    """(n,) 1 / residual standard deviation of each equation, or 1 / its size where a fit leaves no residual to speak of."""
    size = _sizes(plain.information.total)
    if scarce(plain):
        return np.asarray(1 / size)
    return np.asarray(1 / np.maximum(plain.residual_sd, _NOISE_FLOOR * size))


def settled_weights(rows: Rows, c: Array, freedom: int) -> Array:
    """(n,) the same from the residuals of a field with free coordinates c that has that many parameters in all."""
    total, n = rows.total, len(rows.weights)
    miss = total.target - total.theta @ rows.coefficients(c).T
    left = max(total.n_rows - freedom / n, 1.0)
    return np.asarray(1 / np.maximum(np.sqrt(np.sum(miss**2, axis=0) / left), _NOISE_FLOOR * _sizes(total)))


def _sizes(total: Factor) -> Array:
    rms = np.sqrt(np.sum(total.target**2, axis=0) / max(total.n_rows, 1))
    return np.asarray(np.where(rms > 0, rms, 1.0))


def _weighted(factor: Factor, frame: Frame, span: Array, weights: Array) -> tuple[Array, Array]:
    """Rows (n k, t) and targets (n k,) of a factor, acting on the coefficients of a span (n p, t) of coordinates."""
    theta = frame.unframed(factor.theta)
    n, p = len(weights), factor.n_terms
    gain = weights * frame.scale
    rows = np.concatenate([gain[i] * (theta @ span[i * p : (i + 1) * p]) for i in range(n)])
    return rows, (factor.target * weights).T.ravel()


def _without(parts: Sequence[Array], left: int) -> Array:
    """The least-squares fit to all parts [D | y] but one."""
    rest = np.vstack([part for j, part in enumerate(parts) if j != left])
    t = rest.shape[1] - 1
    size = np.maximum(np.linalg.norm(rest[:, :t], axis=0), 1e-300)
    return np.asarray(np.linalg.lstsq(rest[:, :t] / size, rest[:, t], rcond=_RANK)[0] / size)
