"""What the data say about the coefficients: estimates, covariances, and what they leave open."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.linalg as sla
from scipy import sparse

from .._checks import Array
from ..compress import Compressed, Factor
from ..optim import LinearConstraint
from ._sandwich import independent, whitening

_RANK = 1e-11  # relative size of a pivot below which equilibrated columns count as dependent


@dataclass(frozen=True, eq=False)
class Information:
    """The factor of the rows with their error level: everything inference needs.

    Attributes
    ----------
    data
        The compressed rows.
    """

    data: Compressed

    @property
    def total(self) -> Factor:
        """Factor of all rows."""
        return self.data.total

    @property
    def leak(self) -> Array:
        """(p, p) expected Gram matrix of the measurement noise inside theta."""
        return self.data.leak

    @cached_property
    def blocks(self) -> tuple[Factor, ...]:
        """Factors of stretches that count as independent."""
        return tuple(block.factor for block in self.data.blocks)

    @property
    def block_runs(self) -> tuple[int, ...]:
        """Run of each stretch: neighbours of one run are joined where residuals outlast the stretches."""
        return tuple(block.run for block in self.data.blocks)

    @cached_property
    def runs(self) -> tuple[Factor, ...]:
        """Factors of whole runs, or of groups of them where there are many; none of fewer than four."""
        return tuple(self.data.folds(16)) if self.data.n_runs >= 4 else ()

    @cached_property
    def rounding(self) -> Array:
        """(n,) floor of the residual standard deviation: what rounding alone leaves."""
        return 1e-15 * np.sqrt(np.sum(self.total.target**2, axis=0) / max(self.total.n_rows, 1))

    @property
    def n_terms(self) -> int:
        """Number of terms p."""
        return self.total.n_terms

    def least_squares(self, equation: int, support: npt.NDArray[np.bool_]) -> Array:
        """Coefficients (p,) of one equation, zero off the support (p,); of minimal norm if dependent."""
        out = np.zeros(self.n_terms)
        if support.any():
            columns = self.total.theta[:, support]
            size = np.linalg.norm(columns, axis=0)
            size = np.where(size > 0, size, 1.0)
            out[support] = (
                np.linalg.lstsq(columns / size, self.total.target[:, equation], rcond=_RANK)[0] / size
            )
        return out

    def residual_variance(self, equation: int, coefficients: Array) -> float:
        """Mean squared residual of one equation per degree of freedom, never below rounding."""
        residual = self.total.target[:, equation] - self.total.theta @ coefficients
        freedom = max(self.total.n_rows - int(np.count_nonzero(coefficients)), 1)
        return max(float(residual @ residual) / freedom, float(self.rounding[equation]) ** 2)

    def covariance(self, equation: int, coefficients: Array, support: npt.NDArray[np.bool_]) -> Array:
        """Covariance (k, k) of the coefficients of one equation on its support.

        Least-squares covariance s^2 (R^T R)^-1, times the design effect: the largest factor by which the
        scores of whole blocks of time vary more than independent residuals would, so that residuals that hang
        together in time, or a model that is slightly wrong, widen the errors.
        """
        columns = self.total.theta[:, support]
        inverse = _inverse_gram(columns)
        variance = self.residual_variance(equation, coefficients)
        return inverse * variance * self.design_effect(equation, coefficients, support, inverse, variance)

    def design_effect(
        self,
        equation: int,
        coefficients: Array,
        support: npt.NDArray[np.bool_],
        inverse: Array,
        variance: float,
    ) -> float:
        """Mean ratio of the variance between blocks or runs to that of independent errors, at least 1.

        The larger of two estimates: the sandwich over stretches of time, joined until they outlast the correlation of the
        residuals, and, for few coefficients, the jackknife over runs, which also sees that one run follows slightly other
        parameters than the rest.

        References
        ----------
        MacKinnon, Nielsen, Webb (2023), Cluster-robust inference: a guide to empirical practice, J.
        Econometrics 232, for the jackknife (CV3).
        """
        if not support.any():
            return 1.0
        plain = np.diag(inverse) * variance
        ratios = [np.ones(1)]
        if len(self.blocks) >= 8:
            half = whitening(self.total.theta[:, support])
            missed = [b.target[:, equation] - b.theta @ coefficients for b in self.blocks]
            scores = np.stack([half.T @ (b.theta[:, support].T @ e) for b, e in zip(self.blocks, missed)])
            scores, _ = independent(scores, np.zeros((len(scores), 0, 0)), self.block_runs)
            count = len(scores)
            ratios.append(np.sum((scores @ half.T) ** 2, axis=0) * count / (count - 1) / plain)
        if len(self.runs) >= 4 and int(support.sum()) <= len(self.runs) // 2:
            ratios.append(self._jackknife(equation, support) / plain)
        return float(max(np.mean(ratio) for ratio in ratios))

    def _jackknife(self, equation: int, support: npt.NDArray[np.bool_]) -> Array:
        """Delete-one-run variance of the coefficients on the support, (k,)."""
        estimates = []
        for k in range(len(self.runs)):
            rest = np.vstack([run.theta for j, run in enumerate(self.runs) if j != k])[:, support]
            target = np.concatenate([run.target[:, equation] for j, run in enumerate(self.runs) if j != k])
            size = np.maximum(np.linalg.norm(rest, axis=0), 1e-300)
            estimates.append(np.linalg.lstsq(rest / size, target, rcond=_RANK)[0] / size)
        spread = np.stack(estimates) - np.mean(estimates, axis=0)
        return np.sum(spread**2, axis=0) * (len(self.runs) - 1) / len(self.runs)

    def singular_directions(self) -> tuple[Array, Array, Array]:
        """How well the data see each direction of theta: (signal to leak ratios, |theta v|, directions v (p, p)).

        Singular directions of the equilibrated factor, as columns; the ratio is |theta v| over the noise that
        leaks into theta v (or over rounding). Where it is small the data cannot tell whether theta v is in the
        model.
        """
        size = np.linalg.norm(self.total.theta, axis=0)
        size = np.where(size > 0, size, 1.0)
        _, values, right = np.linalg.svd(self.total.theta / size, full_matrices=True)
        values = np.concatenate([values, np.zeros(self.n_terms - len(values))])
        directions = right.T / size[:, None]
        noise = np.sqrt(np.maximum(np.einsum("pk,pq,qk->k", directions, self.leak, directions), 0.0))
        floor = 1e-13 * np.sqrt(self.n_terms)
        return values / np.maximum(noise, floor), values, directions


def _inverse_gram(columns: Array) -> Array:
    """(A^T A)^-1 through the QR factor, with dependent directions given a huge variance instead of none."""
    k = columns.shape[1]
    if k == 0:
        return np.zeros((0, 0))
    size = np.linalg.norm(columns, axis=0)
    size = np.where(size > 0, size, 1.0)
    _, values, right = np.linalg.svd(columns / size, full_matrices=True)
    values = np.concatenate([values, np.zeros(k - len(values))])
    values = np.maximum(values, _RANK * max(float(values.max(initial=0.0)), 1e-300))
    scaled = right.T / values / size[:, None]
    return scaled @ scaled.T


def extension(
    information: Information, equation: int, support: npt.NDArray[np.bool_], direction: Array
) -> tuple[float, float]:
    """Estimate and scale of the coefficient of one more function theta @ direction beside the support.

    Returns the least-squares coefficient c of the added column and 1 / |its part orthogonal to the support|,
    which times the residual sd is its standard error (inf where the data do not see it).
    """
    base = information.total.theta[:, support]
    added = information.total.theta @ direction
    target = information.total.target[:, equation]
    if base.shape[1]:
        q, _ = sla.qr(base / np.maximum(np.linalg.norm(base, axis=0), 1e-300), mode="economic")
        fresh = added - q @ (q.T @ added)
    else:
        fresh = added
    length = float(np.linalg.norm(fresh))
    if length <= 1e-11 * max(float(np.linalg.norm(added)), 1e-300):
        return 0.0, float("inf")
    return float(fresh @ target) / length**2, 1.0 / length


def free_directions(constraint: LinearConstraint) -> Array:
    """Orthonormal basis (n p, k) of the changes of the coefficients that a constraint allows."""
    z = constraint.null_space
    return np.asarray(z.todense()) if sparse.issparse(z) else np.asarray(z)
