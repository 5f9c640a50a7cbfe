"""Which terms the equations need: stepwise selection, judged on data that were left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._checks import Array, require
from ..compress import Compressed, Factor, merge
from ._information import Information

Support = npt.NDArray[np.bool_]

_FLOOR = 1e-20  # squared relative errors below this are rounding
_WORST = 2.0  # factor by which the squared error on any one fold may exceed that of the best model
_COARSE = 1e4  # factor by which a model's squared residual may exceed that of the whole dictionary
_LONGEST_FORWARD = 30


@dataclass(frozen=True)
class Stepwise:
    """Stepwise selection with cross-validation: the smallest model that predicts as well as the best one.

    From the full dictionary the least significant term is dropped again and again. Each model on that path is
    refitted without one fold and scored on it, relative to the size of the derivatives there; the smallest
    model whose scores are within one standard error of the best one's (paired over folds) is kept, and terms
    below `z` standard errors go.

    Parameters
    ----------
    folds
        Number of folds; whole runs where there are at least four.
    z
        Least ratio of a kept coefficient to its standard error.

    References
    ----------
    Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees, section 3.4.3, for the rule
    of one standard error.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("van_der_pol").runs(n_runs=4, n_samples=100)
    >>> dy.fit(runs, dy.Monomials(2, 3), penalty=dy.Stepwise()).equations(3)
    ["x' = v", "v' = -x + v - v*x**2"]
    """

    folds: int = 8
    z: float = 4.0

    def __post_init__(self) -> None:
        require(self.folds >= 2, f"cross-validation needs at least 2 folds, got {self.folds}")
        require(self.z >= 0, f"z must be >= 0, got {self.z}")

    def support(self, data: Compressed, information: Information) -> Support:
        """The kept terms of each equation, (n, p) booleans."""
        folds = data.folds(self.folds)
        rest = (
            [merge(f for j, f in enumerate(folds) if j != k) for k in range(len(folds))]
            if len(folds) > 1
            else []
        )
        n = information.total.target.shape[1]
        return np.stack([self._one(i, information, folds, rest) for i in range(n)])

    def _one(
        self, equation: int, information: Information, folds: list[Factor], rest: list[Factor]
    ) -> Support:
        everything = np.linalg.norm(information.total.theta, axis=0) > 0
        if not rest:
            return self._significant(equation, information, everything)
        # Where runs are few, a fold may not determine what all data determine; then cross-validation favours
        # models that plainly miss terms, which the residuals of all data show.
        tried = _backward(equation, information) + _forward(equation, information)
        left = np.array([_squared_residual(equation, information, s) for s in tried])
        floor = information.total.n_rows * float(information.rounding[equation]) ** 2
        close = left <= _COARSE * (left[0] + floor)
        tried = [s for s, good in zip(tried, close) if good]
        scores = np.stack([_scores(equation, s, folds, rest) for s in tried])
        sizes = np.array([int(s.sum()) for s in tried])
        best = int(np.argmin(scores.mean(axis=1)))
        extra = scores - scores[best]
        error = extra.std(axis=1, ddof=1) / np.sqrt(len(folds))
        fine = extra.mean(axis=1) <= error + _FLOOR
        # One standard error forgives a model that fails in a single fold; nothing may fail anywhere.
        fine &= (scores <= _WORST * scores[best] + _FLOOR).all(axis=1)
        fine[best] = True
        least = sizes[fine].min()
        keep = min(
            (k for k in range(len(tried)) if fine[k] and sizes[k] == least), key=lambda k: scores[k].mean()
        )
        return self._significant(equation, information, tried[keep])

    def _significant(self, equation: int, information: Information, support: Support) -> Support:
        support = support.copy()
        while support.any():
            c = information.least_squares(equation, support)
            sd = np.sqrt(np.diag(information.covariance(equation, c, support)))
            ratio = np.abs(c[support]) / np.maximum(sd, 1e-300)
            worst = int(np.argmin(ratio))
            if ratio[worst] >= self.z:
                break
            support[np.flatnonzero(support)[worst]] = False
        return support


def _backward(equation: int, information: Information) -> list[Support]:
    """Supports from all terms to none; large ones shrink by a tenth at a time, small ones by one."""
    theta, target = information.total.theta, information.total.target[:, equation]
    support = np.linalg.norm(theta, axis=0) > 0
    path = [support.copy()]
    while support.any():
        columns = theta[:, support]
        size = np.linalg.norm(columns, axis=0)
        u, s, v = np.linalg.svd(columns / size, full_matrices=False)
        s = np.maximum(s, 1e-11 * s[0])
        c = v.T @ ((u.T @ target) / s)
        se = np.sqrt(np.sum((v.T / s) ** 2, axis=1))
        k = len(c)
        drop = np.argsort(np.abs(c) / se)[: max(1, k // 10 if k > 20 else 1)]
        support = support.copy()
        support[np.flatnonzero(support)[drop]] = False
        path.append(support.copy())
    return path


def _forward(equation: int, information: Information) -> list[Support]:
    """Supports from none on, each with the term that lowers the residual most.

    Where columns are nearly dependent, going backward can lose the right one first.

    References
    ----------
    Chen, Billings, Luo (1989), Orthogonal least squares methods and their application to non-linear system
    identification.
    """
    columns = information.total.theta.copy()
    residual = information.total.target[:, equation].copy()
    length = np.linalg.norm(columns, axis=0)
    support = np.zeros(len(length), dtype=bool)
    path = []
    for _ in range(min(_LONGEST_FORWARD, len(length), len(residual))):
        left = np.linalg.norm(columns, axis=0)
        usable = ~support & (left > 1e-9 * np.maximum(length, 1e-300))
        if not usable.any():
            break
        gain = np.where(usable, np.abs(columns.T @ residual) / np.where(usable, left, 1.0), -1.0)
        j = int(np.argmax(gain))
        direction = columns[:, j] / left[j]
        residual -= direction * (direction @ residual)
        columns -= np.outer(direction, direction @ columns)
        support = support.copy()
        support[j] = True
        path.append(support)
    return path


def _squared_residual(equation: int, information: Information, support: Support) -> float:
    c = information.least_squares(equation, support)
    return float(np.sum((information.total.target[:, equation] - information.total.theta @ c) ** 2))


def _scores(equation: int, support: Support, folds: list[Factor], rest: list[Factor]) -> Array:
    """Squared error on each fold of the model fitted to the others, over the squared size of its target."""
    out = np.empty(len(folds))
    whole = sum(float(np.sum(f.target[:, equation] ** 2)) for f in folds) / len(folds)
    for k, (fold, other) in enumerate(zip(folds, rest)):
        columns = other.theta[:, support]
        size = np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
        c = np.linalg.lstsq(columns / size, other.target[:, equation], rcond=1e-11)[0] / size
        miss = fold.target[:, equation] - fold.theta[:, support] @ c
        own = float(np.sum(fold.target[:, equation] ** 2))
        out[k] = float(miss @ miss) / max(own, 1e-12 * whole, 1e-300)
    return out
