"""The problem handed to a solver: datafit + penalty subject to linear constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dynsym._checks import Array, ConvergenceError
from dynsym.optim._constraints import LinearConstraint
from dynsym.optim._datafits import Datafit
from dynsym.optim._penalties import Composed, Penalty, Ridge
from dynsym.optim._solution import Solution, SplitState

# Returned coefficients meet their constraints to this accuracy, or the solver fails.
CONSTRAINT_TOLERANCE = 1e-10


@dataclass(frozen=True, eq=False)
class Problem:
    """min f(C) + penalty(C) subject to the constraint; either of the last two may be absent.

    `start` is a solution nearby, for methods that iterate.
    """

    datafit: Datafit
    penalty: Penalty | None
    constraint: LinearConstraint | None
    start: Solution | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(n, p)."""
        return self.datafit.shape

    def objective(self, C: Array) -> float:
        """Return datafit plus penalty at C (n, p)."""
        return self.datafit.value(C) + (0.0 if self.penalty is None else self.penalty.value(C))

    def smooth_and_rest(self) -> tuple[Datafit, tuple[Penalty, ...]]:
        """Return the datafit with every ridge added to it, and the other penalties that weigh something."""
        parts = () if self.penalty is None else self.penalty.parts
        ridge = sum(part.weight for part in parts if isinstance(part, Ridge))
        rest = tuple(part for part in parts if not isinstance(part, Ridge) and not _weightless(part))
        return (self.datafit.with_ridge(ridge) if ridge > 0 else self.datafit), rest

    def solution(
        self,
        C: Array,
        *,
        solver: str,
        message: str,
        iterations: int,
        converged: bool,
        gap: float | None,
        state: SplitState | None = None,
    ) -> Solution:
        """Return the Solution at C, or raise it inside a ConvergenceError where it does not hold good."""
        residual = 0.0 if self.constraint is None else self.constraint.residual(C)
        out = Solution(
            coefficients=C,
            support=np.asarray(C) != 0,
            objective=self.objective(C),
            duality_gap=gap,
            iterations=iterations,
            converged=converged and residual <= CONSTRAINT_TOLERANCE,
            constraint_residual=residual,
            message=message,
            solver=solver,
            state=state,
        )
        if not converged:
            raise ConvergenceError(f"{solver}: {message}", last=out)
        if residual > CONSTRAINT_TOLERANCE:
            raise ConvergenceError(
                f"{solver}: a constraint is missed by {residual:.3g}, more than {CONSTRAINT_TOLERANCE:g}; "
                "rows that nearly repeat were merged: remove the noise from them, or pass a basis of "
                "their row space",
                last=out,
            )
        return out


def _weightless(part: Penalty) -> bool:
    """Whether the penalty has weight 0; its dual ball is a point, which spoils certificates."""
    inner = part.penalty if isinstance(part, Composed) else part
    return _weightless(inner) if isinstance(inner, Composed) else getattr(inner, "weight", 1.0) == 0


class Solver(Protocol):
    """What `solve` accepts as a solver."""

    def minimise(self, problem: Problem) -> Solution:
        """Return the minimiser of the problem, or raise ConvergenceError with the last iterate."""
        ...
