"""What a solver returns: the coefficients together with the evidence that they solve the problem."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array


@dataclass(frozen=True, eq=False)
class SplitState:
    """Where a splitting method stopped: multiplier (k,) of K w = z, and the step size in its own metric."""

    multiplier: Array
    rho: float


@dataclass(frozen=True, eq=False)
class Solution:
    """A minimiser with its certificate.

    Attributes
    ----------
    coefficients
        C (n, p), one row per equation.
    support
        (n, p), True where a coefficient is not exactly zero.
    objective
        Datafit plus penalty at `coefficients`.
    duality_gap
        How far the objective can at most lie above the minimum, relative to it; None where no dual point
        was made.
    iterations
        Steps taken.
    converged
        Whether the solver's stopping rule was met.
    constraint_residual
        Largest relative distance to a constraint, see `LinearConstraint.residual`; 0 without constraints.
    message
        What happened, and the remedy where one is needed.
    solver
        Name of the solver.
    chosen
        After `Reweighted`, which of the two it is: "reweighted" or "convex"; empty otherwise.
    convex
        After `Reweighted`, the solution of the convex problem from which it started, with the gap of that problem.
    state
        Of a splitting method, so that the next one can start here.

    Examples
    --------
    >>> from dynsym.optim import Quadratic, solve
    >>> print(solve(Quadratic([[2.0, 0.0], [0.0, 1.0]], [[4.0], [3.0]])))
    Solution (least squares, converged, 1 iteration)
      coefficients         1 x 2, 2 nonzero
      objective            0
      duality gap          0
      constraint residual  0
      the minimiser is unique
    """

    coefficients: Array
    support: npt.NDArray[np.bool_] = field(repr=False)
    objective: float
    duality_gap: float | None
    iterations: int
    converged: bool
    constraint_residual: float
    message: str
    solver: str
    chosen: str = ""
    convex: Solution | None = field(default=None, repr=False)
    state: SplitState | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, kind in (("coefficients", float), ("support", bool)):
            array = np.array(getattr(self, name), dtype=kind)
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __str__(self) -> str:
        state = "converged" if self.converged else "not converged"
        steps = f"{self.iterations} iteration" + ("" if self.iterations == 1 else "s")
        gap = "not computed" if self.duality_gap is None else f"{self.duality_gap:.3g}"
        n, p = self.coefficients.shape
        return "\n".join(
            [
                f"Solution ({self.solver}, {state}, {steps})",
                f"  coefficients         {n} x {p}, {int(self.support.sum())} nonzero",
                f"  objective            {self.objective:.10g}",
                f"  duality gap          {gap}",
                f"  constraint residual  {self.constraint_residual:.3g}",
                *([f"  kept                 {self.chosen}"] if self.chosen else []),
                f"  {self.message}",
            ]
        )

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"
