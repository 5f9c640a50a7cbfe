"""Least squares on a support and under constraints: the direct solver and the inner step of thresholding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from dynsym._checks import Array, require
from dynsym._threads import one_blas_thread
from dynsym.optim._constraints import LinearConstraint
from dynsym.optim._corrections import least_correction
from dynsym.optim._datafits import Datafit, Quadratic
from dynsym.optim._matrices import dense
from dynsym.optim._problem import Problem
from dynsym.optim._solution import Solution
from dynsym.optim._supports import Support, Supports, orthogonal_solution

# Minimiser C (n, p) on a support, and the number of directions left free.
Regression: TypeAlias = Callable[[Support], tuple[Array, int]]


def least_squares(
    datafit: Datafit, constraint: LinearConstraint | None = None, support: Support | None = None
) -> tuple[Array, int]:
    """Return the minimiser C (n, p) that is zero off the support, and the number of directions left free.

    Where the data leave directions free, C is the minimiser of least norm.
    """
    active = np.ones(datafit.shape, dtype=bool) if support is None else support
    return regression(datafit, constraint)(active)


def regression(datafit: Datafit, constraint: LinearConstraint | None = None) -> Regression:
    """Return support -> (C, free), with what does not depend on the support computed once."""
    if constraint is None and isinstance(datafit, Quadratic):
        return _EquationWise(Supports(datafit.R, datafit.Y))
    return partial(_coupled, datafit, constraint)


def _coupled(datafit: Datafit, constraint: LinearConstraint | None, active: Support) -> tuple[Array, int]:
    if constraint is not None and isinstance(datafit, Quadratic):
        met = least_correction(datafit, constraint, active)
        if met is not None:
            return met, 0
    C = np.zeros(datafit.shape)
    columns = active.ravel()
    A, y = datafit.rows()
    A = A[:, np.flatnonzero(columns)]
    if constraint is None:
        solved, rank = orthogonal_solution(dense(A), y[:, None])
        C[active] = solved[:, 0]
        return C, A.shape[1] - rank
    reduced = constraint.restricted(columns)
    w0, Z = reduced.particular, reduced.null_space
    a, rank = orthogonal_solution(dense(A @ Z), (y - A @ w0)[:, None])
    C[active] = reduced.project(w0 + Z @ a[:, 0])
    return C, int(Z.shape[1]) - rank


class _EquationWise:
    """Least squares on supports, where only equations whose support changed are solved again."""

    def __init__(self, supports: Supports) -> None:
        self._supports = supports
        shape = supports.Y.shape[1], supports.R.shape[1]
        # On the empty support nothing is to be solved.
        self._active = np.zeros(shape, dtype=bool)
        self._C = np.zeros(shape)
        self._free = np.zeros(shape[0], dtype=np.intp)

    def __call__(self, active: Support) -> tuple[Array, int]:
        changed = np.flatnonzero(np.any(active != self._active, axis=1))
        if len(changed):
            self._C[changed], self._free[changed] = self._supports.solve(active, changed)
            self._active = active.copy()
        return self._C.copy(), int(self._free.sum())


@dataclass(frozen=True)
class LeastSquares:
    """The minimiser by direct factorisation, under constraints by the least correction that meets them.

    Where that may lose digits it is the null-space method: constraints are eliminated, then one orthogonal
    factorisation gives the minimiser.

    It takes no penalty but `Ridge`, which it adds to the datafit.
    """

    def minimise(self, problem: Problem) -> Solution:
        """Return the least-squares coefficients, of least norm where they are not unique."""
        smooth, rest = problem.smooth_and_rest()
        names = ", ".join(type(part).__name__ for part in rest)
        require(
            not rest, f"least squares cannot take the penalty {names}; use ADMM() or leave the solver out"
        )
        with one_blas_thread():
            C, free = least_squares(smooth.compressed(), problem.constraint)
        message = "the minimiser is unique"
        if free:
            message = (
                f"{free} directions are not determined by the data, and the minimiser of least norm was "
                "taken; add data, constraints or a Ridge"
            )
        return problem.solution(
            C, solver="least squares", message=message, iterations=1, converged=True, gap=0.0
        )
