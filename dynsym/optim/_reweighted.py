"""Refinement of a convex solution by concave penalties, which keeps the better of the two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from dynsym._checks import Array, ConvergenceError, require
from dynsym._threads import one_blas_thread
from dynsym.optim._admm import ADMM, Run
from dynsym.optim._curves import Curve
from dynsym.optim._penalties import Proximable, SumPenalty
from dynsym.optim._problem import Problem
from dynsym.optim._solution import Solution

# The refinement has to win by this share; a tie keeps the convex solution, of which more is known.
_BETTER = 1e-6
# A convex solution that is only a place to begin from need not be exact.
_ROUGH = 1e-5


@dataclass(frozen=True)
class Reweighted:
    """argmin_C f(C) + sum_k weight psi(s_k): the convex solution, refined by a concave function of the sizes.

    s_k are the singular values under a nuclear norm, the lengths of groups, or the moduli under L1, and psi is
    `Curve`: slope 1 at zero, falling beyond the bend e. A convex norm shrinks what it keeps; psi leaves large sizes alone
    and still sets small ones to zero.

    1. The convex problem (psi(s) = s) is solved by `convex`, with its duality gap.
    2. The same splitting goes on with the proximal map of psi; e falls from the largest size to `floor` times it by the
       factor `decay` every `steps` steps. The slow fall is what finds the few large sizes. Beside data with noise it stops
       at the size that the convex norm takes off, weight over curvature: a smaller bend would let go what was zero.
    3. The convex problem whose penalty has the slopes of psi at the point reached (for the nuclear norm |B V psi'(S) V^T|_*)
       is solved; its duality gap is the certificate of the refined point: a minimiser of the problem reweighted at itself.
    4. Of the two, the one with the smaller f(C) + sum_k weight psi(s_k) at the last bend is returned. `Solution.chosen` says
       which, `Solution.convex` holds the first; `duality_gap` belongs to the problem of the one returned.

    Parameters
    ----------
    convex
        Solver of the convex problems.
    power
        h of the Schatten-h quasi-norm, in [0, 1); 0 stands for the log-determinant.
    floor
        Last bend relative to the largest size.
    decay, steps
        How fast the bend falls.

    Raises
    ------
    DataError
        On settings out of range or penalties without a proximal map.
    ConvergenceError
        When solving, if the convex problem was not solved.

    References
    ----------
    Fazel, Hindi and Boyd (2003), Log-det heuristic for matrix rank minimization. Candes, Wakin and Boyd (2008), Enhancing
    sparsity by reweighted l1 minimization, eq. (6). Mohan and Fazel (2012), Iterative reweighted algorithms for matrix
    rank minimization, JMLR 13.

    Examples
    --------
    >>> from dynsym.optim import L1, Quadratic, solve
    >>> fit = Quadratic([[1.0, 0.0], [0.0, 1.0]], [[3.0], [0.5]])
    >>> found = solve(fit, L1(1.0), solver=Reweighted())
    >>> found.convex.coefficients.round(3), found.coefficients.round(2), found.chosen
    (array([[2., 0.]]), array([[2.73, 0.  ]]), 'reweighted')
    """

    convex: ADMM = field(default_factory=ADMM)
    power: float = 0.0
    floor: float = 1e-3
    decay: float = 0.9
    steps: int = 5

    def __post_init__(self) -> None:
        require(
            0 <= self.power < 1, f"power must lie in [0, 1), got {self.power}; 1 is the convex norm itself"
        )
        require(0 < self.floor < 1, f"floor must lie between 0 and 1, got {self.floor}")
        require(0 < self.decay < 1, f"decay must lie between 0 and 1, got {self.decay}")
        require(self.steps >= 1, f"steps must be at least 1, got {self.steps}")

    def minimise(self, problem: Problem) -> Solution:
        """Return the better of the convex and the refined solution."""
        convex = self.convex.minimise(problem)
        smooth, rest = problem.smooth_and_rest()
        parts = tuple(part for part in rest if isinstance(part, Proximable))
        with one_blas_thread():
            run = Run(smooth.compressed(), parts, problem.constraint, convex)
            rounds = list(self.descend(run))
            if not rounds:
                return replace(convex, solver="Reweighted", chosen="convex", convex=convex)
            curves = rounds[-1]
            tilted = SumPenalty(run.splitting.tilted(run.z, curves))
        try:
            refined = self.convex.minimise(Problem(smooth, tilted, problem.constraint))
        except ConvergenceError as error:
            refined = error.last
        return self._better(problem, run, curves, convex, refined)

    def descend(self, run: Run) -> Iterator[list[Curve]]:
        """Step with the bend falling, and yield the curves after each round; nothing where every size is zero."""
        scale = [float(s.max(initial=0.0)) for s in run.splitting.sizes(run.z)]
        if not any(scale):
            return
        scale = [size or max(scale) for size in scale]
        least = run.thresholds() if run.step.H.any() else [0.0] * len(scale)
        rounds = int(np.ceil(np.log(self.floor) / np.log(self.decay)))
        solver = run.step.factor(run.rho)
        for k in range(rounds + 1):
            relative = max(self.decay**k, self.floor)
            curves = [
                Curve(max(relative * size, low), self.power) for size, low in zip(scale, least, strict=True)
            ]
            for _ in range(self.steps):
                run.advance(solver, partial(run.splitting.bent_prox, curves=curves))
            yield curves

    def _better(
        self, problem: Problem, run: Run, curves: Sequence[Curve], convex: Solution, refined: Solution
    ) -> Solution:
        before, after = (_bent_objective(run, curves, one.coefficients) for one in (convex, refined))
        chosen = "reweighted" if refined.converged and after < before * (1 - _BETTER) else "convex"
        kept = refined if chosen == "reweighted" else convex
        verb = "lowers" if chosen == "reweighted" else "does not lower"
        return replace(
            kept,
            objective=problem.objective(kept.coefficients),
            iterations=convex.iterations + refined.iterations + run.steps,
            solver="Reweighted",
            chosen=chosen,
            convex=convex,
            message=f"the refinement {verb} the concave objective: {before:.6g} before, {after:.6g} after",
        )


def _bent_objective(run: Run, curves: Sequence[Curve], C: Array) -> float:
    """Return f(C) + sum_k weight psi(s_k)."""
    splitting = run.splitting
    sizes = splitting.sizes(splitting.K @ C.ravel())
    bent = sum(w * curve.value(s) for w, curve, s in zip(splitting.weights, curves, sizes, strict=True))
    return run.datafit.value(C) + bent
