"""Least squares on a support and under constraints: the direct solver and the inner step of thresholding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from dynsym._checks import Array, require
from dynsym.optim._constraints import LinearConstraint
from dynsym.optim._datafits import Datafit, Quadratic
from dynsym.optim._matrices import dense, least_norm_solution
from dynsym.optim._problem import Problem
from dynsym.optim._solution import Solution

Support = npt.NDArray[np.bool_]


def least_squares(
    datafit: Datafit, constraint: LinearConstraint | None = None, support: Support | None = None
) -> tuple[Array, int]:
    """Return the minimiser C (n, p) that is zero off the support, and the number of directions left free.

    Where the data leave directions free, C is the minimiser of least norm.
    """
    active = np.ones(datafit.shape, dtype=bool) if support is None else support
    if constraint is None and isinstance(datafit, Quadratic):
        return _by_equation(datafit, active)
    C = np.zeros(datafit.shape)
    columns = active.ravel()
    A, y = datafit.rows()
    A = A[:, np.flatnonzero(columns)]
    if constraint is None:
        solved, rank = least_norm_solution(dense(A), y[:, None])
        C[active] = solved[:, 0]
        return C, A.shape[1] - rank
    reduced = constraint.restricted(columns)
    w0, Z = reduced.particular, reduced.null_space
    a, rank = least_norm_solution(dense(A @ Z), (y - A @ w0)[:, None])
    C[active] = reduced.project(w0 + Z @ a[:, 0])
    return C, int(Z.shape[1]) - rank


def _by_equation(datafit: Quadratic, active: Support) -> tuple[Array, int]:
    """Solve equations that share a support together, since they share the factorisation."""
    C = np.zeros(datafit.shape)
    free = 0
    patterns, members = np.unique(active, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        equations = np.flatnonzero(members.ravel() == number)
        columns = np.flatnonzero(pattern)
        solved, rank = least_norm_solution(datafit.R[:, columns], datafit.Y[:, equations])
        C[np.ix_(equations, columns)] = solved.T
        free += len(equations) * (len(columns) - rank)
    return C, free


@dataclass(frozen=True)
class LeastSquares:
    """Null-space method: constraints are eliminated, then one orthogonal factorisation gives the minimiser.

    It takes no penalty but `Ridge`, which it adds to the datafit.
    """

    def minimise(self, problem: Problem) -> Solution:
        """Return the least-squares coefficients, of least norm where they are not unique."""
        smooth, rest = problem.smooth_and_rest()
        names = ", ".join(type(part).__name__ for part in rest)
        require(
            not rest, f"least squares cannot take the penalty {names}; use ADMM() or leave the solver out"
        )
        with threadpool_limits(1):
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
