"""One promotion problem: least squares with the nuclear norm of a linear map, on the rows of one factor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .._checks import Array, ConvergenceError
from ..optim import ADMM, L1, LinearConstraint, Nuclear, Penalty, Quadratic, Solution, solve
from ..spectral import null_space
from ._low_rank import LowRank

_BROKEN = 1e-5  # singular values of the image of C below this share of |operator| |C| count as unbroken
_BROKEN_TURNED = (
    1e-4  # the same relative to the largest one of the plain fit, where all of them have about one size
)
_LEAST_RATE = 1e-6  # rates of the plain fit below this share of the largest are rounding
_MOST_STEPS = 5000  # a point that needs more is marked as open; without sparsity some hundreds are enough
_NOTHING = 1e-12  # share of the largest coefficient below which one is rounding
_ROUNDING = 1e-13  # the same for entries of the operator, term by term
_FRACTION = 0.3
_SAME = 0.3  # sine of the angle up to which two solutions keep the same, and one refit serves both


@dataclass(frozen=True)
class How:
    """How a path over a nuclear norm is solved.

    Attributes
    ----------
    sparsity
        Weight of the L1 penalty.
    tol
        Relative tolerance of each convex problem.
    relaxed
        Whether solutions are refitted over the fields that break no more than they do.
    adaptive
        Whether directions of the candidates count in inverse proportion to how much the fit without penalty breaks them.
    """

    sparsity: float
    tol: float
    relaxed: bool
    adaptive: bool


@dataclass(frozen=True, eq=False)
class Part:
    """min 1/2 |theta C^T - target|^2 + share (w |M(C) T|_* + s |C|_1), M(C) = reshape(operator C.ravel(), (a, q)).

    T is the identity, or V diag(1 / (s_j + e)) from the singular value decomposition of M at the fit without penalty: then all
    singular values of that fit have about one size, and the small ones are not drowned by the shrinkage of the large ones.

    References
    ----------
    Bach (2008), Consistency of trace norm minimization, JMLR 9, section 5, for the adaptive norm.
    """

    theta: Array
    target: Array
    operator: Array
    shape: tuple[int, int]
    how: How
    share: float
    terms: npt.NDArray[np.bool_]  # (n, p) those that may occur

    @cached_property
    def _free(self) -> Array:
        """Unit vectors of the terms that may occur, as columns."""
        return np.eye(self.terms.size)[:, self.terms.ravel()]

    @cached_property
    def plain(self) -> Array:
        """(n, p) the fit without penalty."""
        return _least_squares(self.theta, self.target, self._free)

    @cached_property
    def turn(self) -> Array:
        """T, (q, q)."""
        a, q = self.shape
        if not self.how.adaptive:
            return np.eye(q)
        image = (self.operator @ self.plain.ravel()).reshape(a, q)
        _, values, right = np.linalg.svd(image, full_matrices=True)
        values = np.concatenate([values, np.zeros(q - len(values))])
        least = max(_LEAST_RATE * float(values[0]), 1e-300)
        return np.asarray(right.T * (values[0] + least) / (values + least))

    @cached_property
    def turned(self) -> Array:
        """The operator of C -> M(C) T."""
        K = self.operator
        if self.how.adaptive:
            cube = K.reshape(*self.shape, -1)
            K = np.einsum("aqk,qr->ark", cube, self.turn, optimize=True).reshape(K.shape)
        # Rows of rounding alone would be scaled up to the size of the others by the solver.
        return np.where(np.abs(K) > _ROUNDING * np.abs(K).max(axis=0, initial=0.0), K, 0.0)

    @cached_property
    def stored(self) -> Array | sparse.csr_matrix:
        """The same, sparse where most of it is zero."""
        return sparse.csr_matrix(self.turned) if np.mean(self.turned != 0) < 0.2 else self.turned

    @cached_property
    def floor(self) -> float:
        """Singular values below this are the solver's tolerance: it is relative to the fit without penalty."""
        if self.how.adaptive:
            size = float(np.linalg.norm((self.turned @ self.plain.ravel()).reshape(self.shape), 2))
            return max(_BROKEN_TURNED * size, 1e-300)
        return max(_BROKEN * float(np.linalg.norm(self.turned, 2) * np.linalg.norm(self.plain)), 1e-300)

    def enough(self) -> float:
        """A weight at which nothing is broken: the size of the multiplier of the fit that breaks nothing."""
        free = self._free @ null_space(self.turned[:, self.terms.ravel()])
        c = _least_squares(self.theta, self.target, free)
        slope = ((self.target - self.theta @ c.T).T @ self.theta).ravel()
        seen = self.terms.ravel()
        multiplier = np.linalg.lstsq(self.turned[:, seen].T, slope[seen], rcond=1e-10)[0].reshape(self.shape)
        largest = float(np.linalg.norm(multiplier, 2))
        size = float(np.linalg.norm(self.target) * np.linalg.norm(self.theta))
        return largest if largest > 1e-12 * size else 0.0

    def solved(self, weight: float) -> Solution:
        """The solution at a weight, converged or not."""
        sparsity = self.how.sparsity * self.share
        penalty: Penalty = Nuclear(weight * self.share, self.stored, self.shape)
        penalty = penalty + L1(sparsity) if sparsity else penalty
        solver = ADMM(tol=self.how.tol, max_iter=_MOST_STEPS) if weight or sparsity else None
        dropped = np.eye(self.terms.size)[~self.terms.ravel()]
        held = [LinearConstraint(dropped)] if len(dropped) else []
        datafit = Quadratic(self.theta, self.target)
        try:
            return solve(datafit, penalty if solver else None, held, solver)
        except ConvergenceError as error:
            last: Solution = error.last
            return last

    def spectrum(self, unknown: Array) -> tuple[int, Array, Array]:
        """Number of broken combinations, singular values of M(C) T, and right singular vectors as columns."""
        image = (self.turned @ unknown.ravel()).reshape(self.shape)
        _, values, right = np.linalg.svd(image, full_matrices=True)
        return int(np.count_nonzero(values > self.floor)), values, right.T

    def spared(self, unknown: Array) -> Array:
        """Orthonormal combinations (q, r) of the unit candidates that are kept."""
        rank, _, right = self.spectrum(unknown)
        return np.linalg.qr(self.turn @ right[:, rank:])[0]

    def refitted(self, unknown: Array) -> Array:
        """Least squares over the fields that keep as many candidates as each solution (k, n, p), on its terms."""
        out = np.zeros_like(unknown)
        known: dict[tuple[int, bytes], list[tuple[Array, Array]]] = {}
        for k, c in enumerate(unknown):
            kept, (rank, right) = np.flatnonzero(c.ravel()), self._suggested(c)
            same = known.setdefault((rank, kept.tobytes()), [])
            spared = np.linalg.qr(self.turn @ right[:, rank:])[0]
            near = [fit for start, fit in same if _apart(spared, start) < _SAME]
            if not near:
                near = [self._refitted(c, kept, rank)]
                same.append((spared, near[0]))
            out[k] = near[0]
        return out

    def _suggested(self, unknown: Array) -> tuple[int, Array]:
        """How many combinations a refit may break, and the right singular vectors.

        The convex solution need not reach zero in a direction before all others shrink as well. Where all were of one size at
        the fit without penalty, one that has become a fraction of the largest is as good as zero: the refit makes it exact, and
        held-out data say whether it was.
        """
        rank, values, right = self.spectrum(unknown)
        if self.how.adaptive and rank:
            rank = int(np.count_nonzero(values[:rank] > _FRACTION * values[0]))
        return rank, right

    def _refitted(self, c: Array, kept: npt.NDArray[np.intp], rank: int) -> Array:
        fit = np.zeros(c.size)
        if len(kept):
            rows, wanted = _stacked(self.theta, self.target, kept)
            fit[kept] = self._set(kept, rank).least_squares(rows, wanted, c.ravel()[kept])[0]
            fit[np.abs(fit) < _NOTHING * np.abs(fit).max()] = 0.0
        return fit.reshape(c.shape)

    def dimension(self, unknown: Array) -> int:
        """Dimension of the fields that break no more than C does, to first order, on its terms."""
        kept = np.flatnonzero(unknown.ravel())
        return self._set(kept, self.spectrum(unknown)[0]).dimension(unknown.ravel()[kept]) if len(kept) else 0

    def _set(self, kept: npt.NDArray[np.intp], rank: int) -> LowRank:
        return LowRank(self.turned[:, kept], self.shape, rank)


def _apart(a: Array, b: Array) -> float:
    """Sine of the largest angle of the span of a to that of b, both orthonormal."""
    return float(np.linalg.norm(a - b @ (b.T @ a), 2)) if a.shape[1] else 0.0


def _stacked(theta: Array, target: Array, kept: npt.NDArray[np.intp]) -> tuple[Array, Array]:
    """The rows of all equations over the flattened unknowns `kept`, and what they are to equal."""
    n, p, m = target.shape[1], theta.shape[1], len(theta)
    out = np.zeros((n, m, len(kept)))
    equation, term = np.divmod(kept, p)
    out[equation, :, np.arange(len(kept))] = theta[:, term].T
    return out.reshape(n * m, -1), target.T.ravel()


def _least_squares(theta: Array, target: Array, free: Array) -> Array:
    """argmin |theta C^T - target| over C = free a, (n, p)."""
    n, p = target.shape[1], theta.shape[1]
    rows = np.concatenate([theta @ free[i * p : (i + 1) * p] for i in range(n)])
    return np.asarray(free @ np.linalg.lstsq(rows, target.T.ravel(), rcond=1e-12)[0]).reshape(n, p)
