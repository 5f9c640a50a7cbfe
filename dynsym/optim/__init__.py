"""Convex and thresholded regression: datafit, penalty, constraints and solver, independent of each other.

The unknown is the coefficient matrix C (n, p), one row per equation; linear maps and constraints act on it
flattened row by row, w = C.ravel(). `solve(datafit, penalty, constraints, solver)` returns a `Solution`
with its certificate.
"""

from dynsym.optim._admm import ADMM
from dynsym.optim._constraints import LinearConstraint
from dynsym.optim._datafits import CoupledQuadratic, Datafit, Exact, Quadratic
from dynsym.optim._norms import L1, Group, Nuclear
from dynsym.optim._oracle import CVXPY
from dynsym.optim._penalties import Composed, Penalty, Proximable, Ridge, SumPenalty
from dynsym.optim._problem import Problem, Solver
from dynsym.optim._reweighted import Reweighted
from dynsym.optim._solution import Solution
from dynsym.optim._solve import solve
from dynsym.optim._stlsq import STLSQ

__all__ = [
    "ADMM",
    "CVXPY",
    "L1",
    "STLSQ",
    "Composed",
    "CoupledQuadratic",
    "Datafit",
    "Exact",
    "Group",
    "LinearConstraint",
    "Nuclear",
    "Penalty",
    "Problem",
    "Proximable",
    "Quadratic",
    "Reweighted",
    "Ridge",
    "Solution",
    "Solver",
    "SumPenalty",
    "solve",
]
