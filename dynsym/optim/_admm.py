"""Alternating direction method of multipliers with a certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dynsym._checks import Array, require
from dynsym._threads import one_blas_thread
from dynsym.optim._constraints import LinearConstraint
from dynsym.optim._datafits import Datafit
from dynsym.optim._penalties import Proximable
from dynsym.optim._problem import CONSTRAINT_TOLERANCE, Problem
from dynsym.optim._solution import Solution, SplitState
from dynsym.optim._splitting import QuadraticStep, Splitting, quadratic_step, split

_RELAXATION = 1.7
_CHECK_EVERY = 10
# rho changes when primal and dual residual differ by more than this factor, and by no more than this
# factor; the intervals between changes grow, so that refactorisations become rare and rho comes to rest.
_BALANCE = 5.0
_INTERVAL_GROWTH = 1.3
# rho = 1 is the natural size in this metric; farther out than this the quadratic step loses one of its terms.
_RHO_RANGE = (1e-7, 1e7)
# |K w| below this share of the largest seen counts as vanishing.
_VANISHING = 1e-4
# An objective below this share of its value at the start counts as zero when the gap is made relative.
_NEGLIGIBLE = 1e-8
# Below this share of what there was at the start there is only rounding.
_ROUNDING = 1e-12
# Without data, the first threshold as a share of |K w|^2 / g(K w), the mean size in K w weighted by size.
_FIRST_THRESHOLD = 0.3


@dataclass(frozen=True)
class ADMM:
    """min 1/2 |A w - y|^2 + g(K w) on E w = d, by alternating quadratic and proximal steps.

    Constraints are eliminated through an orthonormal null-space basis, so each iterate meets them. Steps
    are scaled by the curvature of the data (column equilibration), over-relaxed, and their size rho is
    balanced.

    The stopping rule has three parts, all relative to `tol`: the primal residual |K w - z| and the dual
    residual |z - z_previous|, both in the scaled metric and relative to |K w| + |z| + |y / rho|, and the
    duality gap. For the gap, the multiplier u at which the last quadratic step is stationary is brought
    into the dual ball of g in two ways, and the better bound on objective minus minimum counts:

    - shrunk, t u with t <= 1, which together with t (A w - y) is feasible as it stands:
      gap = 1/2 (1 - t)^2 |A w - y|^2 + g(K w) - t <u, K w>;
    - projected to u', where the data determine all directions, and the residual moved to match:
      gap = 1/2 <e, H^-1 e> + g(K w) - <u', K w>, e = K^T (u' - u) and H = A^T A on the feasible set.

    The second is second order in the error and does not depend on the units of the terms.

    Parameters
    ----------
    tol
        Relative tolerance of the stopping rule.
    max_iter
        Most steps.

    Raises
    ------
    DataError
        On a penalty without a proximal map.
    ConvergenceError
        When solving, if `max_iter` steps were not enough; it carries the last iterate.

    References
    ----------
    Boyd, Parikh, Chu, Peleato and Eckstein (2011), Distributed optimization and statistical learning via
    ADMM, sections 3.1-3.4. Wohlberg (2017), ADMM penalty parameter selection by residual balancing,
    arXiv:1704.06209.

    Examples
    --------
    >>> from dynsym.optim import L1, Quadratic, solve
    >>> found = solve(Quadratic([[1.0, 0.0], [0.0, 1.0]], [[3.0], [0.5]]), L1(1.0), solver=ADMM(tol=1e-10))
    >>> found.coefficients.round(8), found.duality_gap < 1e-10
    (array([[2., 0.]]), True)
    """

    tol: float = 1e-8
    max_iter: int = 20_000

    def __post_init__(self) -> None:
        require(0 < self.tol < 1, f"tol must lie between 0 and 1, got {self.tol}")
        require(self.max_iter >= 1, f"max_iter must be at least 1, got {self.max_iter}")

    def minimise(self, problem: Problem) -> Solution:
        """Return the minimiser of the problem."""
        smooth, rest = problem.smooth_and_rest()
        parts = tuple(part for part in rest if isinstance(part, Proximable))
        require(
            len(parts) == len(rest) and len(parts) > 0,
            f"ADMM needs penalties with a proximal map, got {[type(part).__name__ for part in rest]}; use "
            "CVXPY() for others, and leave the solver out where there is no penalty",
        )
        with one_blas_thread():
            run = Run(smooth.compressed(), parts, problem.constraint, problem.start)
            converged = run.iterate(self.tol, self.max_iter)
        return self.answer(problem, run, converged)

    def answer(self, problem: Problem, run: Run, converged: bool) -> Solution:
        """Return where the run stands as a solution of the problem."""
        return problem.solution(
            run.best.reshape(problem.shape),
            solver="ADMM",
            message=self._message(run, converged),
            iterations=run.steps,
            converged=converged,
            gap=run.gap,
            state=run.state,
        )

    def _message(self, run: Run, converged: bool) -> str:
        if not converged:
            return (
                f"after {run.steps} steps the duality gap is {run.gap:.3g}, the primal residual "
                f"{run.primal:.3g} and the dual residual {run.dual:.3g}, where {self.tol:g} was asked; "
                "raise max_iter or tol, drop nearly dependent terms, or take CVXPY()"
            )
        unseen = run.step.feasible.unseen
        if unseen:
            return (
                f"{unseen} directions are seen by neither the data nor the penalty and were left at least "
                "norm; add data, constraints or a Ridge"
            )
        return "stopping rule met: residuals and duality gap"


class Run:
    """The state of one run: multiplier `y`, split variable `z`, and the measures of the stopping rule."""

    def __init__(
        self,
        datafit: Datafit,
        parts: tuple[Proximable, ...],
        constraint: LinearConstraint | None,
        start: Solution | None = None,
    ) -> None:
        self.datafit, self.constraint = datafit, constraint
        self.splitting = split(parts, datafit)
        self.step = quadratic_step(datafit, self.splitting, constraint)
        begin = None
        if not self.step.H.any():
            # Without data there is no curvature to measure steps by.
            begin = _least_image(self.splitting, self.step)
            self.splitting, self.step = _natural(self.splitting, self.step, begin)
        w0 = self.step.feasible.w0
        self.Kw0 = self.splitting.K @ w0
        self.slope = self.step.feasible.pull(datafit.gradient(w0.reshape(datafit.shape)).ravel())
        misfit = datafit.value(w0.reshape(datafit.shape))
        self.start = misfit + self.splitting.value(self.Kw0)
        self.z = self.Kw0 if begin is None else begin
        self.y = np.zeros(len(self.Kw0))
        self.rho, self.steps = 1.0, 0
        self._begin(start)
        # In the scaled metric K w has the units of the residual.
        self.largest = max(
            float(np.sqrt(2 * misfit)), float(np.linalg.norm(np.sqrt(self.splitting.metric) * self.Kw0))
        )
        self.primal = self.dual = self.gap = float("inf")
        self.best = self.w = w0

    def _begin(self, start: Solution | None) -> None:
        """Take over split variable, multiplier and step size from a solution nearby."""
        if start is None or start.state is None or len(start.state.multiplier) != len(self.z):
            return
        self.z = self.splitting.K @ start.coefficients.ravel()
        self.y = self.splitting.into_dual_ball(start.state.multiplier)
        self.rho = float(np.clip(start.state.rho, *_RHO_RANGE))

    def thresholds(self) -> list[float]:
        """Return by how much the norm shrinks a typical size at the curvature of the data, part by part."""
        pieces = np.split(self.splitting.metric, self.splitting.cuts)
        return [w / float(np.median(m)) for w, m in zip(self.splitting.weights, pieces, strict=True)]

    @property
    def state(self) -> SplitState:
        """What the next run may start from."""
        return SplitState(self.y, self.rho)

    def iterate(self, tol: float, max_iter: int) -> bool:
        """Step until the stopping rule holds; return whether it does."""
        next_certificate = 0
        for w, _, multiplier in self.rounds(max_iter):
            settled = max(self.primal, self.dual) <= tol
            if (settled and self.steps >= next_certificate) or self.steps >= max_iter:
                self._certify(w, multiplier)
                next_certificate = self.steps + self.steps // 10
                if settled and self.gap <= tol:
                    return True
        return False

    def rounds(self, max_iter: int) -> Iterator[tuple[Array, Array, Array]]:
        """Step, and yield w, K w and the multiplier each time that residuals were measured and before rho changes."""
        solver = self.step.factor(self.rho)
        interval, next_change = float(_CHECK_EVERY), _CHECK_EVERY
        while self.steps < max_iter:
            previous = self.z
            w, Kw, multiplier = self.advance(solver)
            if self.steps % _CHECK_EVERY and self.steps < max_iter:
                continue
            ratio = self._measure(Kw, previous)
            yield w, Kw, multiplier
            if self.steps >= next_change:
                interval *= _INTERVAL_GROWTH
                next_change = self.steps + int(interval)
                if not 1 / _BALANCE < ratio < _BALANCE:
                    factor = float(np.clip(np.sqrt(ratio), 1 / _BALANCE, _BALANCE))
                    self.rho = float(np.clip(factor * self.rho, *_RHO_RANGE))
                    solver = self.step.factor(self.rho)

    def advance(
        self, solver: Callable[[Array], Array], prox: Callable[[Array, Array], Array] | None = None
    ) -> tuple[Array, Array, Array]:
        """Take one step, with another proximal map if given; return w, K w and the multiplier that w is stationary at."""
        M = self.rho * self.splitting.metric
        w = self.step.feasible.point(solver(self.pull(M * (self.z - self.Kw0) - self.y) - self.slope))
        Kw = self.splitting.K @ w
        multiplier = self.y + M * (Kw - self.z)
        relaxed = _RELAXATION * Kw + (1 - _RELAXATION) * self.z
        self.z = (prox or self.splitting.prox)(relaxed + self.y / M, 1.0 / M)
        self.y = self.y + M * (relaxed - self.z)
        self.steps += 1
        self.w = w
        return w, Kw, multiplier

    def _measure(self, Kw: Array, previous: Array) -> float:
        """Record the scaled residuals; return the ratio by which rho is out of balance."""
        root = np.sqrt(self.rho * self.splitting.metric)
        norm = np.linalg.norm
        primal, dual = norm(root * (Kw - self.z)), norm(root * (self.z - previous))
        split_size = max(norm(root * Kw), norm(root * self.z))
        self.largest = max(self.largest, float(split_size / np.sqrt(self.rho)))
        multiplier_size = norm(self.y / root)
        # K w = 0 may be the answer, and no residual is small beside that.
        floor = _VANISHING * self.largest * np.sqrt(self.rho)
        whole = max(split_size + multiplier_size, floor)
        if whole == 0:
            self.primal = self.dual = 0.0
            return 1.0
        self.primal, self.dual = float(primal / whole), float(dual / whole)
        tiny = np.finfo(float).eps * whole
        split_size = max(split_size, floor)
        # Geometric mean of Wohlberg's rule (each residual relative to its own variable) and of plain balance:
        # measured, the first alone crawls to low-rank solutions (3000 steps for 700), the second to L1 ones.
        return float(
            (primal + tiny) / (dual + tiny) * np.sqrt((multiplier_size + tiny) / (split_size + tiny))
        )

    def _certify(self, w: Array, multiplier: Array) -> None:
        """Make the point that would be returned, and bound how far it is from the minimum."""
        self.best = self._sparse(w)
        shape = self.datafit.shape
        residual = self.datafit.residual(self.best.reshape(shape))
        at_w = self.datafit.residual(w.reshape(shape))
        Kw = self.splitting.K @ self.best
        penalty = self.splitting.value(Kw)
        t = 1.0 / max(1.0, self.splitting.gauge(multiplier))
        gap = 0.5 * np.sum((residual - t * at_w) ** 2) + penalty - t * float(multiplier @ Kw)
        if self.invert_hessian is not None:
            inside = self.splitting.into_dual_ball(multiplier)
            moved = self.invert_hessian(self.pull(inside - multiplier))
            dual = self.datafit.predict(self.step.feasible.along(moved).reshape(shape))
            gap = min(gap, 0.5 * np.sum((residual - at_w + dual) ** 2) + penalty - float(inside @ Kw))
        objective = 0.5 * float(np.sum(residual**2)) + penalty
        if objective <= _ROUNDING * self.start:
            # Zero but for rounding, and nothing lies below zero.
            self.gap = objective / self.start if self.start > 0 else 0.0
            return
        self.gap = float(max(gap, 0.0) / max(objective, _NEGLIGIBLE * self.start, np.finfo(float).tiny))

    def pull(self, v: Array) -> Array:
        """Return Z^T K^T v."""
        return self.step.feasible.pull(self.splitting.adjoint @ v)

    @cached_property
    def invert_hessian(self) -> Callable[[Array], Array] | None:
        """The inverse of the data's Hessian on the feasible set, where there is one."""
        return self.step.factor(0.0) if self.step.curved else None

    def _sparse(self, w: Array) -> Array:
        """Return w with the exact zeros of z, moved onto the constraints along the other coefficients."""
        keep = ~self.splitting.zeros(self.z)
        if keep.all():
            return w if self.constraint is None else self.constraint.project(w)
        out = np.where(keep, w, 0.0)
        if self.constraint is None:
            return out
        reduced = self.constraint.restricted(keep)
        out[keep] = reduced.nearest(out[keep])
        # z is only zero to the tolerance where a constraint holds the coefficient away from zero.
        return out if self.constraint.residual(out) <= CONSTRAINT_TOLERANCE else self.constraint.project(w)


def _least_image(splitting: Splitting, step: QuadraticStep) -> Array:
    """The K w of least norm, in the metric, on the feasible set; zero where it is zero up to rounding."""
    v = splitting.K @ step.feasible.w0
    if len(step.S) == 0:
        return np.asarray(v)
    pulled = step.feasible.pull(splitting.adjoint @ (splitting.metric * v))
    least = splitting.K @ step.feasible.point(-step.factor(1.0)(pulled))
    return np.asarray(least if np.linalg.norm(least) > _ROUNDING * np.linalg.norm(v) else 0 * v)


def _natural(splitting: Splitting, step: QuadraticStep, v: Array) -> tuple[Splitting, QuadraticStep]:
    """Scale the metric so that rho = 1 thresholds at a share of the sizes of v."""
    length = float(splitting.metric @ v**2)
    if length == 0:
        return splitting, step
    factor = splitting.value(v) / (_FIRST_THRESHOLD * length)
    return replace(splitting, metric=factor * splitting.metric), replace(step, S=factor * step.S)
