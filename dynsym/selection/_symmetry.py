"""The path of the nuclear norm of broken symmetries over its weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from .._checks import Array, ConvergenceError, require
from ..compress import Factor
from ..generators import Generators
from ..optim import ADMM, L1, Nuclear, Penalty, Quadratic, Solution, solve
from ..promote import SymmetryBreaking
from ..regression import Model
from ._over import Over, Steps, Walk, check_values, log_grid

_COUNT, _SPAN = 20, 1e-4
_BROKEN = 1e-5  # singular values of the Lie derivatives below this share of |operator| |C| count as unbroken


@dataclass(frozen=True)
class SymmetryWeights(Over):
    """`SymmetryBreaking` for every weight: the nuclear norm of the Lie derivatives of f over the candidates.

    On part of the data the weight is reduced with the number of rows. Each weight is a convex problem of its own, solved by
    `optim.ADMM` to `tol`.

    Parameters
    ----------
    candidates
        Candidate generators.
    values
        Weights; default 20 from one at which no candidate is broken down to 1e-4 of it.
    sparsity
        Weight of an L1 penalty that is added, the same all along the path.
    tol
        Relative tolerance of each solution, its duality gap included.

    Raises
    ------
    DataError
        On weights or a tolerance that make no sense.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.SymmetryWeights(dy.generators.rotations(2)).sparsity
    0.0
    """

    candidates: Generators
    values: Sequence[float] | None = None
    sparsity: float = 0.0
    tol: float = 1e-6

    def __post_init__(self) -> None:
        check_values(self.values, "symmetry weights")
        require(
            bool(np.isfinite(self.sparsity) and self.sparsity >= 0),
            f"sparsity must be finite and not negative, got {self.sparsity}",
        )
        require(0 < self.tol < 1, f"tol must lie between 0 and 1, got {self.tol}")

    def on(self, model: Model) -> SymmetryWalk:
        unit = SymmetryBreaking(self.candidates, model.field.dictionary, 1.0, model.region)
        return SymmetryWalk(model.compressed.total, unit, self.sparsity, self.tol)


@dataclass(frozen=True, eq=False)
class SymmetryWalk(Walk):
    """Promotion on the factors of one model; the operator of the Lie derivatives is built once."""

    total: Factor
    unit: Nuclear
    sparsity: float
    tol: float
    label: str = "symmetry weight"
    solver: str = "ADMM"
    counted: str = "free"

    def grid(self) -> Array:
        """Up to the weight that the multiplier of the fully symmetric fit certifies to be enough."""
        K, (a, q) = self._operator(), self.unit.shape
        n, p = self.total.target.shape[1], self.total.n_terms
        _, values, right = np.linalg.svd(K, full_matrices=K.shape[0] < n * p)
        values = np.concatenate([values, np.zeros(n * p - len(values))])
        free = right[values <= 1e-10 * values.max(initial=1e-300)].T
        rows = np.concatenate([self.total.theta @ free[i * p : (i + 1) * p] for i in range(n)])
        c = free @ np.linalg.lstsq(rows, self.total.target.T.ravel(), rcond=1e-12)[0]
        slope = ((self.total.target - self.total.theta @ c.reshape(n, p).T).T @ self.total.theta).ravel()
        multiplier = np.linalg.lstsq(K.T, slope, rcond=1e-10)[0].reshape(a, q)
        largest = float(np.linalg.norm(multiplier, 2))
        size = float(np.linalg.norm(self.total.target) * np.linalg.norm(self.total.theta))
        return log_grid(largest if largest > 1e-12 * size else 0.0, _SPAN, _COUNT)

    def solve(self, factor: Factor, values: Array) -> Steps:
        share = factor.n_rows / self.total.n_rows
        datafit = Quadratic(factor.theta, factor.target)
        done = [self._one(datafit, float(value) * share, self.sparsity * share) for value in values]
        return Steps(
            np.stack([s.coefficients for s in done]),
            np.array([np.nan if s.duality_gap is None else s.duality_gap for s in done]),
            np.array([s.converged for s in done]),
        )

    def _one(self, datafit: Quadratic, weight: float, sparsity: float) -> Solution:
        penalty: Penalty = Nuclear(weight, self.unit.operator, self.unit.shape)
        penalty = penalty + L1(sparsity) if sparsity else penalty
        solver = ADMM(tol=self.tol) if weight or sparsity else None
        try:
            return solve(datafit, penalty if solver else None, solver=solver)
        except ConvergenceError as error:
            last: Solution = error.last
            return last

    def broken(self, coefficients: Array) -> Array:
        """(k,) number of independent broken directions among the candidates for solutions (k, n, p)."""
        return np.array([len(self._spectrum(c)[1]) for c in coefficients], dtype=float)

    def freedom(self, coefficients: Array) -> Array:
        """Dimension of the fields that break no more than the solution does, spread over the equations.

        With L = [L_xi1 f ... L_xiq f] of rank r these are, to first order, the coefficients with U2^T (K dC) V2 = 0, U2 and V2
        the complements of the singular vectors of L; coefficients that are zero stay zero.

        References
        ----------
        Vaiter, Deledalle, Fadili, Peyre, Dossal (2017), The degrees of freedom of partly smooth regularizers, Annals of the
        Institute of Statistical Mathematics 69.
        """
        n = coefficients.shape[1]
        return np.repeat([[self._dimension(c) / n] for c in coefficients], n, axis=1)

    def _dimension(self, c: Array) -> int:
        kept = np.flatnonzero(c.ravel())
        left, values, right = self._spectrum(c)
        r = len(values)
        a, q = self.unit.shape
        if not len(kept) or r >= min(a, q):
            return len(kept)
        K = self._operator()[:, kept].reshape(a, q, len(kept))
        held = np.einsum("ax,aqk,qy->xyk", left[:, r:], K, right[r:].T, optimize=True).reshape(-1, len(kept))
        if not held.size:
            return len(kept)
        sizes = np.linalg.svd(np.linalg.qr(held, mode="r"), compute_uv=False)
        return len(kept) - int(np.sum(sizes > 1e-8 * max(float(np.linalg.norm(K)), 1e-300)))

    def _spectrum(self, c: Array) -> tuple[Array, Array, Array]:
        lie = np.asarray(self.unit.operator @ c.ravel()).reshape(self.unit.shape)
        left, values, right = np.linalg.svd(lie, full_matrices=True)
        return left, values[values > _BROKEN * self._size * max(float(np.linalg.norm(c)), 1e-300)], right

    @cached_property
    def _size(self) -> float:
        return float(np.linalg.norm(self._operator(), 2))

    def _operator(self) -> Array:
        K = self.unit.operator
        return np.asarray(K.toarray() if sparse.issparse(K) else K, dtype=float)
