"""What all fits share: coefficients, and how far the data determine them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..compress import Factor
from ..optim import LinearConstraint, Penalty, Solution
from ._information import Information, free_directions


class Kept(Protocol):
    """What a penalty left unbroken; prints as a table."""

    candidates: tuple[str, ...]
    unbroken: tuple[int, ...]

    def __len__(self) -> int: ...


@runtime_checkable
class Promoting(Protocol):
    """A penalty that remembers which candidates it stands for."""

    def kept(self, coefficients: npt.ArrayLike) -> Kept: ...


class Estimate(ABC):
    """Coefficients C (d, p) of d equations over p terms, with the evidence of the rows behind them.

    Attributes
    ----------
    solution
        What the solver returned, with its certificate.
    information
        Triangular factors of the rows: estimates and errors for any support.
    constraint
        Linear constraints that the coefficients meet, or None.
    penalty
        What the fit was penalised by, or None.
    """

    solution: Solution
    information: Information
    constraint: LinearConstraint | None
    penalty: Penalty | None

    @property
    @abstractmethod
    def coefficients(self) -> Array:
        """C, (d, p)."""

    @cached_property
    def kept(self) -> tuple[Kept, ...]:
        """Of every symmetry penalty, the candidates that it left unbroken."""
        parts = () if self.penalty is None else self.penalty.parts
        return tuple(part.kept(self.coefficients) for part in parts if isinstance(part, Promoting))

    @property
    def support(self) -> npt.NDArray[np.bool_]:
        """(d, p), True for terms that the equations contain."""
        return self.coefficients != 0

    @cached_property
    def covariance_blocks(self) -> list[tuple[npt.NDArray[np.intp], Array]]:
        """Covariance of the flattened coefficients in independent blocks: indices (k,), covariance (k, k)."""
        p = self.information.n_terms
        if self.constraint is not None:
            return [self._constrained_covariance()]
        out = []
        for i, c in enumerate(self.coefficients):
            chosen = np.flatnonzero(c)
            if len(chosen):
                out.append((i * p + chosen, self.information.covariance(i, c, c != 0)))
        return out

    def _constrained_covariance(self) -> tuple[npt.NDArray[np.intp], Array]:
        """Covariance of the flattened coefficients under the constraint, Z M M^T Z^T with Z the free directions.

        M M^T = (Z^T H Z)^-1, H the precision of independent residuals, is widened in every direction in which the scores
        of whole blocks of time, or the estimates without one run, vary more than that.
        """
        assert self.constraint is not None
        n, p = self.coefficients.shape
        scales = np.array(
            [np.sqrt(self.information.residual_variance(i, c)) for i, c in enumerate(self.coefficients)]
        )
        free = free_directions(self.constraint)
        rows = self._free_rows(self.information.total, free, scales)
        size = np.maximum(np.linalg.norm(rows, axis=0), 1e-300)
        free = free / size
        _, values, right = np.linalg.svd(rows / size, full_matrices=False)
        values = np.maximum(values, 1e-12 * max(float(values.max(initial=0.0)), 1e-300))
        half = right.T / values  # white coordinates: unit covariance for independent residuals
        spread = self._white_spread(free @ half, scales)
        root = np.linalg.cholesky(spread) if spread.size else spread
        wide = free @ half @ root
        return np.arange(n * p), wide @ wide.T

    def _free_rows(self, factor: Factor, free: Array, scales: Array) -> Array:
        p = factor.n_terms
        return np.concatenate([factor.theta @ free[i * p : (i + 1) * p] / s for i, s in enumerate(scales)])

    def _white_spread(self, white: Array, scales: Array) -> Array:
        """Covariance of the white free coordinates: the identity, or more where blocks or runs disagree."""
        k = white.shape[1]
        spread = np.eye(k)
        blocks, runs = self.information.blocks, self.information.runs
        if 3 * k <= len(blocks):
            scores = np.stack([self._white_score(b, white, scales) for b in blocks])
            values, vectors = np.linalg.eigh(scores.T @ scores * len(blocks) / (len(blocks) - 1))
            spread = (vectors * np.maximum(values, 1.0)) @ vectors.T
        if len(runs) >= 4 and 2 * k <= len(runs):
            # Without run r the estimate moves by -(1 - G_r)^-1 u_r, G_r its share of the unit information.
            moves = []
            for run in runs:
                rows = self._free_rows(run, white, scales)
                left = np.eye(k) - rows.T @ rows
                moves.append(np.linalg.pinv(left, rcond=1e-10) @ self._white_score(run, white, scales))
            away = np.stack(moves) - np.mean(moves, axis=0)
            spread = spread + away.T @ away * (len(runs) - 1) / len(runs)
        return spread

    def _white_score(self, factor: Factor, white: Array, scales: Array) -> Array:
        miss = (factor.target - factor.theta @ self.coefficients.T) / scales**2
        return white.T @ (factor.theta.T @ miss).T.ravel()

    @cached_property
    def standard_errors(self) -> Array:
        """(d, p); 0 for terms that the equations do not contain."""
        out = np.zeros(self.coefficients.size)
        for index, block in self.covariance_blocks:
            out[index] = np.sqrt(np.maximum(np.diag(block), 0.0))
        return out.reshape(self.coefficients.shape)

    @cached_property
    def residual_sd(self) -> Array:
        """(d,) standard deviation of the row residuals of each equation, in the units of its rows."""
        return np.sqrt([self.information.residual_variance(i, c) for i, c in enumerate(self.coefficients)])

    @cached_property
    def explained(self) -> Array:
        """(d,) share of the mean square of each equation's rows that the model explains."""
        total = np.sum(self.information.total.target**2, axis=0)
        left = np.sum(
            (self.information.total.target - self.information.total.theta @ self.coefficients.T) ** 2, axis=0
        )
        return np.where(total > 0, 1 - left / np.where(total > 0, total, 1.0), 1.0)
