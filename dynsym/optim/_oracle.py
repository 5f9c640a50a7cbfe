"""cvxpy behind the same door: oracle for the own solvers, and fallback for penalties without a prox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dynsym._checks import ConvergenceError, choose, require
from dynsym.optim._matrices import dense
from dynsym.optim._norms import Nuclear
from dynsym.optim._penalties import Composed, Penalty
from dynsym.optim._problem import Problem
from dynsym.optim._solution import Solution

# Interior-point methods reach 1e-8 by themselves; the first-order method has to be asked for it.
_SETTINGS: dict[str, dict[str, float]] = {"SCS": {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 200_000}}


@dataclass(frozen=True)
class CVXPY:
    """min f(C) + penalty(C) on the constraints, stated in cvxpy and solved by one of its solvers.

    Parameters
    ----------
    solver
        Name of an installed cvxpy solver. By default SCS where a nuclear norm occurs (Clarabel needs
        gigabytes from about 100 x 10 on) and CLARABEL otherwise; never what cvxpy would pick by what is
        installed.

    Raises
    ------
    DataError
        If the solver is not installed.
    ConvergenceError
        When solving, if the status is not optimal; it carries the last iterate if there is one.

    References
    ----------
    Diamond and Boyd (2016), CVXPY: a Python-embedded modeling language for convex optimization, JMLR 17(83).

    Examples
    --------
    >>> from dynsym.optim import L1, Quadratic, solve
    >>> found = solve(Quadratic([[1.0, 0.0], [0.0, 1.0]], [[3.0], [0.5]]), L1(1.0), solver=CVXPY())
    >>> bool(abs(found.coefficients[0, 0] - 2.0) < 1e-5)
    True
    """

    solver: str | None = None

    def minimise(self, problem: Problem) -> Solution:
        """Return the minimiser of the problem."""
        import cvxpy as cp

        parts = () if problem.penalty is None else problem.penalty.parts
        name = self.solver or ("SCS" if any(_has_nuclear(part) for part in parts) else "CLARABEL")
        choose("cvxpy solver", name, cp.installed_solvers())
        C = _unknown(cp, problem)
        A, y = problem.datafit.compressed().rows()
        cost = 0.5 * cp.sum_squares(A @ cp.vec(C, order="C") - y)
        if problem.penalty is not None:
            cost = cost + problem.penalty.cvxpy_expression(C)
        stated = cp.Problem(cp.Minimize(cost))
        label = f"cvxpy with {name}"
        try:
            stated.solve(solver=name, **_SETTINGS.get(name, {}))
        except cp.error.SolverError as error:
            raise ConvergenceError(f"{label}: {error} Or use ADMM()") from error
        if C.value is None:
            raise ConvergenceError(
                f"{label}: status {stated.status}, no point; check the penalty for convexity"
            )
        found = np.asarray(C.value)
        if problem.constraint is not None:
            found = problem.constraint.project(found)
        good = stated.status == cp.OPTIMAL
        return problem.solution(
            found,
            solver=label,
            message=f"status {stated.status}" + ("" if good else "; use ADMM() or another cvxpy solver"),
            iterations=int(stated.solver_stats.num_iters or 0),
            converged=good,
            gap=None,
        )


def _unknown(cp: Any, problem: Problem) -> Any:
    """Return C as a cvxpy variable, or as w0 + Z a with free a, so that repeated rows do no harm."""
    if problem.constraint is None:
        return cp.Variable(problem.shape)
    Z = dense(problem.constraint.null_space)
    require(
        Z.shape[1] > 0,
        "the constraints leave no freedom for cvxpy; leave the solver out, and the one point is returned",
    )
    return cp.reshape(problem.constraint.particular + Z @ cp.Variable(Z.shape[1]), problem.shape, order="C")


def _has_nuclear(part: Penalty) -> bool:
    if isinstance(part, Composed):
        return _has_nuclear(part.penalty)
    return isinstance(part, Nuclear)
