"""Sequentially thresholded least squares: nonconvex, so a strategy with its own loop and not a penalty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynsym._checks import Array, DataError, require
from dynsym._threads import one_blas_thread
from dynsym.optim._least_squares import Regression, regression
from dynsym.optim._problem import Problem
from dynsym.optim._solution import Solution
from dynsym.optim._supports import Support


@dataclass(frozen=True)
class STLSQ:
    """Repeat: ridge regression on the support; drop |C_ij| < threshold; until the support rests. Then refit.

    The last step is plain least squares on the support, so that the ridge does not bias the result. The
    iteration is that of `pysindy.STLSQ` and gives its result, from the triangular factor alone. Under
    linear constraints every regression, the last included, meets them; a dropped coefficient is one more
    constraint, C_ij = 0.

    Parameters
    ----------
    threshold
        Smallest coefficient to keep, in the units of the coefficients.
    ridge
        Added to the diagonal of theta^T theta: PySINDy's `alpha`, absolute and not scaled with the number
        of samples. PySINDy's default is 0.05, ours 0.
    max_iter
        Most regressions per equation.

    Raises
    ------
    DataError
        On a negative threshold or ridge; when solving, if the constraints cannot be met on the support left.
    ConvergenceError
        When solving, if the support still changes after `max_iter` regressions.

    References
    ----------
    Brunton, Proctor and Kutz (2016), Discovering governing equations from data by sparse identification of
    nonlinear dynamical systems, PNAS 113, code 1 of the supporting information.

    Examples
    --------
    >>> from dynsym.optim import Quadratic, solve
    >>> found = solve(Quadratic([[1.0, 0.0], [0.0, 1.0]], [[2.0], [0.01]]), STLSQ(threshold=0.1))
    >>> found.coefficients, found.support
    (array([[2., 0.]]), array([[ True, False]]))
    """

    threshold: float
    ridge: float = 0.0
    max_iter: int = 20

    def __post_init__(self) -> None:
        for name in ("threshold", "ridge"):
            value = getattr(self, name)
            require(
                bool(np.isfinite(value) and value >= 0),
                f"{name} must be finite and not negative, got {value}",
            )
        require(self.max_iter >= 1, f"max_iter must be at least 1, got {self.max_iter}")

    def minimise(self, problem: Problem) -> Solution:
        """Return the thresholded coefficients; the problem carries no penalty of its own."""
        require(problem.penalty is None, "STLSQ takes the place of a penalty; pass it alone")
        with one_blas_thread():
            datafit = problem.datafit.compressed()
            plain = regression(datafit, problem.constraint)
            ridged = (
                regression(datafit.with_ridge(self.ridge), problem.constraint) if self.ridge > 0 else plain
            )
            support, steps, rests = self._select(ridged, datafit.shape)
            C, free = self._regress(plain, support)
        return problem.solution(
            C,
            solver="STLSQ",
            message=self._message(C, free, rests),
            iterations=steps,
            converged=rests,
            gap=None,
        )

    def _select(self, solve: Regression, shape: tuple[int, int]) -> tuple[Support, int, bool]:
        support = np.ones(shape, dtype=bool)
        for step in range(1, self.max_iter + 1):
            C, _ = self._regress(solve, support)
            kept = support & (np.abs(C) >= self.threshold) & (C != 0)
            if np.array_equal(kept, support):
                return support, step, True
            support = kept
        return support, self.max_iter, False

    def _regress(self, solve: Regression, support: Support) -> tuple[Array, int]:
        try:
            return solve(support)
        except DataError as error:
            raise DataError(
                f"with the {int(np.sum(~support))} coefficients below {self.threshold} set to zero, "
                f"{error}; or lower the threshold"
            ) from error

    def _message(self, C: Array, free: int, rests: bool) -> str:
        if not rests:
            return (
                f"the support still changed after {self.max_iter} regressions; raise max_iter (each drops "
                "at least one term, so as many as there are terms always suffice)"
            )
        notes = []
        empty = np.flatnonzero(~np.any(C, axis=1))
        if len(empty):
            rows = ", ".join(str(row) for row in empty)
            notes.append(
                f"no term reached {self.threshold} in equation {rows}; lower the threshold unless it rests"
            )
        if free:
            notes.append(
                f"{free} directions on the support are not determined by the data; raise the threshold"
            )
        return "; ".join(notes) or "the support is at rest"
