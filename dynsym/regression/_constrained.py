"""Least squares under linear equality constraints, from the factor of the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import Array
from .._threads import one_blas_thread
from ..compress import Factor
from ..optim import LinearConstraint, Quadratic, Solution
from ..optim._corrections import least_correction
from ..optim._supports import orthogonal_solution
from ._information import Information, free_directions


def joint(constraints: Sequence[LinearConstraint]) -> LinearConstraint:
    """All constraints as one."""
    out = constraints[0]
    for extra in constraints[1:]:
        out = out & extra
    return out


def constrained_least_squares(information: Information, constraint: LinearConstraint) -> Solution:
    """argmin |T C^T - Y|^2 subject to E C = d.

    Where the data determine all terms it is the least correction of the unconstrained fit, otherwise the fit
    over the free directions of the constraint. Terms that the constraint forbids come out as exact zeros.

    Raises
    ------
    DataError
        If rows of the constraint contradict each other.
    """
    total = information.total
    datafit = Quadratic(total.theta, total.target)
    with one_blas_thread():
        c = least_correction(datafit, constraint, np.ones(datafit.shape, dtype=bool))
        message = "least correction of the unconstrained fit; the minimiser is unique"
        if c is None:
            c, message = _over_free_directions(total, constraint)
    return Solution(
        coefficients=c,
        support=c != 0,
        objective=datafit.value(c),
        duality_gap=0.0,
        iterations=1,
        converged=True,
        constraint_residual=constraint.residual(c),
        message=message,
        solver="constrained least squares",
    )


def _over_free_directions(total: Factor, constraint: LinearConstraint) -> tuple[Array, str]:
    """Null-space method, with the columns of the reduced problem at equal size.

    Terms of very different size (a constant and r^-5, say) would otherwise lose digits.
    """
    theta, target = total.theta, total.target
    n, p = target.shape[1], total.n_terms
    free = free_directions(constraint)
    start = constraint.particular.reshape(n, p)
    rows = np.concatenate([theta @ free[i * p : (i + 1) * p] for i in range(n)])
    wanted = np.concatenate([target[:, i] - theta @ start[i] for i in range(n)])
    step, rank = orthogonal_solution(rows, wanted[:, None])
    c = start + (free @ step[:, 0]).reshape(n, p)
    # What is below the rounding of the right-hand sides is rounding too.
    share = np.abs(c) * np.linalg.norm(theta, axis=0)
    forbidden = (np.linalg.norm(free, axis=1).reshape(n, p) < 1e-12) & (start == 0)
    c = np.where(forbidden | (share <= 1e-14 * np.linalg.norm(target, axis=0)[:, None]), 0.0, c)
    unique = (
        "unique"
        if rank == free.shape[1]
        else "not unique: the data leave free directions open, the least one is taken"
    )
    return c, f"least squares over {free.shape[1]} free directions; the minimiser is {unique}"
