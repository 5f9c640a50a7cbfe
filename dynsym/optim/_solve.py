"""One verb: minimise datafit plus penalty on linear constraints."""

from __future__ import annotations

from collections.abc import Iterable

from dynsym._checks import require
from dynsym.optim._admm import ADMM
from dynsym.optim._constraints import LinearConstraint, joined
from dynsym.optim._datafits import Datafit
from dynsym.optim._least_squares import LeastSquares
from dynsym.optim._oracle import CVXPY
from dynsym.optim._penalties import Penalty, Proximable
from dynsym.optim._problem import Problem, Solver
from dynsym.optim._solution import Solution
from dynsym.optim._stlsq import STLSQ


def solve(
    datafit: Datafit,
    penalty: Penalty | STLSQ | None = None,
    constraints: LinearConstraint | Iterable[LinearConstraint] = (),
    solver: Solver | None = None,
    start: Solution | None = None,
) -> Solution:
    """argmin_C f(C) + penalty(C) subject to E w = d, w = C.ravel().

    Without a solver the penalty decides: none or `Ridge`, a direct factorisation; `STLSQ`, its own loop;
    penalties with a proximal map, `ADMM()`; any other convex penalty, `CVXPY()`. `Solution.solver` says
    which one it was.

    Parameters
    ----------
    datafit
        `Quadratic`, `CoupledQuadratic`, or `Exact` for data that have to be met.
    penalty
        A penalty, a sum of penalties, or the strategy `STLSQ`.
    constraints
        One `LinearConstraint` or several; rows may repeat.
    solver
        `ADMM(...)`, `Reweighted(...)`, `CVXPY(...)`, or any object with `minimise(problem)`.
    start
        Solution of a problem of the same shape and penalties, at other weights or of other data, from which iterations
        begin; direct methods need none and pay no attention to it. The answer does not depend on it, only the
        number of steps.

    Returns
    -------
    Solution
        Coefficients (n, p) that meet the constraints to 1e-10, with their certificate.

    Raises
    ------
    DataError
        On shapes that do not agree, constraints that contradict each other, or a solver that cannot take
        the penalty.
    ConvergenceError
        If the stopping rule was not met; `last` is the Solution reached.

    Examples
    --------
    >>> from dynsym.optim import L1, LinearConstraint, Quadratic
    >>> fit = Quadratic(R=[[1.0, 0.0], [0.0, 1.0]], Y=[[3.0], [1.0]])
    >>> solve(fit, constraints=LinearConstraint([[1.0, -1.0]])).coefficients
    array([[2., 2.]])
    >>> solve(fit, L1(0.5)).coefficients.round(6)
    array([[2.5, 0.5]])
    """
    if not isinstance(datafit, Datafit):
        raise TypeError(f"datafit must be Quadratic, CoupledQuadratic or Exact, got {type(datafit).__name__}")
    given = [constraints] if isinstance(constraints, LinearConstraint) else list(constraints)
    constraint = joined([*given, *datafit.conditions], datafit.size)
    if isinstance(penalty, STLSQ):
        require(
            solver is None,
            f"STLSQ has its own loop and cannot be run by {type(solver).__name__}; leave the solver out",
        )
        return penalty.minimise(Problem(datafit, None, constraint))
    if penalty is not None and not isinstance(penalty, Penalty):
        raise TypeError(
            f"penalty must be a Penalty such as L1(0.1), or STLSQ(0.1), got {type(penalty).__name__} "
            f"{penalty!r}"
        )
    require(
        start is None or start.coefficients.shape == datafit.shape,
        f"start has coefficients of shape {() if start is None else start.coefficients.shape}, the problem "
        f"{datafit.shape}; start from a solution of the same dictionary",
    )
    problem = Problem(datafit, penalty, constraint, start)
    return (solver or _default(problem)).minimise(problem)


def _default(problem: Problem) -> Solver:
    _, rest = problem.smooth_and_rest()
    if not rest:
        return LeastSquares()
    return ADMM() if all(isinstance(part, Proximable) for part in rest) else CVXPY()
