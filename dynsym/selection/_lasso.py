"""The lasso path on a triangular factor, exactly: it is piecewise linear in the weight.

Between two breakpoints the active terms A and their signs s are fixed and c_A = b - w d, with b their least-squares
coefficients and d = (R_A^T R_A)^-1 s; a term joins where its correlation with the residual reaches w, and leaves where its
coefficient reaches zero. Each piece is made afresh from an orthogonal factorisation of R_A, so errors do not add up.

References
----------
Osborne, Presnell, Turlach (2000), A new approach to variable selection in least squares problems, IMA J. Numerical Analysis
20. Efron, Hastie, Johnstone, Tibshirani (2004), Least angle regression, Annals of Statistics 32, section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.linalg as sla

from .._checks import Array

_DEPENDENT = 1e-10  # a term with less than this share of its length outside the active ones cannot join
_SAME = 1e-9  # events closer than this, relative to the weight, are one
_FLAT = 1e-12  # slopes below this do not meet a boundary
_START = (
    1e-8  # an objective below this share of its value at zero counts as zero when the gap is made relative
)


def lasso_path(columns: Array, target: Array, weights: Array) -> Array:
    """argmin_c 1/2 |R c - y|^2 + w |c|_1 for each weight w, (k, p); R (j, p), y (j,).

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.selection._lasso import lasso_path
    >>> lasso_path(np.eye(2), np.array([3.0, -1.0]), np.array([0.5, 2.0]))
    array([[ 2.5, -0.5],
           [ 1. ,  0. ]])
    """
    out = np.zeros((len(weights), columns.shape[1]))
    run = _Homotopy(columns, target)
    left = [int(k) for k in np.argsort(-weights) if weights[k] < run.weight]
    for _ in range(50 + 20 * columns.shape[1]):
        if not left:
            break
        piece = run.piece()
        while left and weights[left[0]] >= piece.end:
            k = left.pop(0)
            out[k, run.active] = piece.at(float(weights[k]))
        run.cross(piece)
    return out


def duality_gap(columns: Array, target: Array, weight: float, coefficients: Array) -> tuple[float, float]:
    """(objective - lower bound, objective) of the lasso at given coefficients; the bound from the shrunk residual."""
    residual = target - columns @ coefficients
    steepest = float(np.max(np.abs(columns.T @ residual), initial=0.0))
    t = 1.0 if steepest <= weight else weight / steepest
    fit, size = 0.5 * float(residual @ residual), weight * float(np.sum(np.abs(coefficients)))
    # 1/2 |r|^2 + w |c|_1 - (t r.y - t^2/2 |r|^2) with y = r + R c: no difference of large numbers.
    gap = (1 - t) ** 2 * fit + size - t * float(residual @ (columns @ coefficients))
    return max(gap, 0.0), fit + size


def relative_gap(columns: Array, targets: Array, weight: float, coefficients: Array) -> float:
    """Duality gap of all equations, targets (j, n) and coefficients (n, p), relative to the objective."""
    pairs = [duality_gap(columns, y, weight, c) for y, c in zip(targets.T, coefficients)]
    gap, objective = np.sum(pairs, axis=0)
    start = 0.5 * float(np.sum(targets**2))
    return float(gap / max(objective, _START * start, np.finfo(float).tiny))


@dataclass(frozen=True, eq=False)
class _Piece:
    """c_A = b - w d down to the weight `end`, where `event` happens: (term, its new sign; 0 when it leaves)."""

    b: Array
    d: Array
    end: float
    event: tuple[int, int]

    def at(self, weight: float) -> Array:
        return self.b - weight * self.d


@dataclass(eq=False)
class _Homotopy:
    columns: Array
    target: Array
    active: list[int] = field(default_factory=list)
    signs: list[int] = field(default_factory=list)
    barred: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        slope = self.columns.T @ self.target
        self.length = np.linalg.norm(self.columns, axis=0)
        first = int(np.argmax(np.abs(slope)))
        self.weight = float(np.abs(slope[first]))
        self.left: int | None = None
        self.joined = True
        if self.weight > 0:
            self.active, self.signs = [first], [int(np.sign(slope[first]))]

    def piece(self) -> _Piece:
        """The straight piece from the present weight on."""
        q, r = np.linalg.qr(self.columns[:, self.active])
        s = np.array(self.signs, dtype=float)
        b = sla.solve_triangular(r, q.T @ self.target)
        half = sla.solve_triangular(r, s, trans="T")
        d = sla.solve_triangular(r, half)
        rest = self.columns.T @ (self.target - self.columns[:, self.active] @ b)
        slope = self.columns.T @ (q @ half)
        end, event = max(self._join(rest, slope), self._leave(b, d))
        return _Piece(b, d, end, event)

    def _join(self, rest: Array, slope: Array) -> tuple[float, tuple[int, int]]:
        """The largest weight below at which rest + w slope reaches w or -w outside the active terms."""
        best: tuple[float, tuple[int, int]] = (0.0, (-1, 0))
        outside = self.length > 0
        outside[[*self.active, *self.barred]] = False
        for sign in (1, -1):
            fall = 1 - sign * slope
            usable = outside & (fall > _FLAT)
            at = np.where(usable, sign * rest / np.where(usable, fall, 1.0), -1.0)
            # The term that has just left stands at the boundary; what lies beyond it by rounding joins now.
            if self.left is not None and at[self.left] >= self.weight * (1 - _SAME):
                at[self.left] = -1.0
            at = np.minimum(at, self.weight)
            j = int(np.argmax(at))
            best = max(best, (float(at[j]), (j, sign)))
        return best

    def _leave(self, b: Array, d: Array) -> tuple[float, tuple[int, int]]:
        """The largest weight below at which an active coefficient reaches zero."""
        s = np.array(self.signs)
        towards = s * d < 0
        at = np.where(towards, b / np.where(towards, d, 1.0), -1.0)
        # The term that has just joined has a coefficient of zero; any other that is past zero leaves now.
        if self.joined and at[-1] >= self.weight * (1 - _SAME):
            at[-1] = -1.0
        at = np.minimum(at, self.weight)
        k = int(np.argmax(at))
        return float(at[k]), (self.active[k], 0)

    def cross(self, piece: _Piece) -> None:
        """Take the event at the end of a piece."""
        term, sign = piece.event
        self.weight = min(self.weight, piece.end)
        self.left, self.joined = None, False
        if term < 0:
            return
        if sign == 0:
            place = self.active.index(term)
            del self.active[place], self.signs[place]
            self.left = term
            self.barred.clear()
            if not self.active:
                self._restart()
        elif self._independent(term):
            self.active.append(term)
            self.signs.append(sign)
            self.joined = True
        else:
            self.barred.add(term)

    def _independent(self, term: int) -> bool:
        own = self.columns[:, term]
        base, _ = np.linalg.qr(self.columns[:, self.active])
        fresh = own - base @ (base.T @ own)
        return float(np.linalg.norm(fresh)) > _DEPENDENT * float(self.length[term])

    def _restart(self) -> None:
        slope = self.columns.T @ self.target
        j = int(np.argmax(np.abs(slope)))
        self.active, self.signs = [j], [int(np.sign(slope[j]))]
