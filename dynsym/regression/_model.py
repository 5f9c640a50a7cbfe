"""What `fit` returns: the field together with the data's evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .._checks import Array, require
from ..compress import Compressed, Factor, Prepared
from ..differentiation import RowMethod
from ..inner_product import Region
from ..optim import LinearConstraint, Solution
from ..trajectory import Trajectory
from ..vector_field import VectorField
from ._information import Information, free_directions
from ._sandwich import Sandwich, sandwich


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted vector field and the evidence behind it.

    Attributes
    ----------
    field
        f = C theta.
    solution
        What the solver returned, with its certificate.
    information
        Triangular factors of the rows: estimates and errors for any support.
    compressed
        The blocks behind them.
    region
        The region that verdicts about this model speak of.
    constraint
        Linear constraints that the coefficients meet, or None.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("van_der_pol").runs(n_runs=4, n_samples=100)
    >>> model = dy.fit(runs, dy.Monomials(2, 3), penalty=dy.optim.STLSQ(0.1))
    >>> model.coefficients.shape, int(model.support.sum())
    ((2, 10), 4)
    """

    field: VectorField
    solution: Solution
    information: Information
    compressed: Compressed
    region: Region
    constraint: LinearConstraint | None = None

    @property
    def source(self) -> Prepared:
        """The runs behind the rows, their noise, and how the rows were made."""
        return self.compressed.origin[0]

    @property
    def runs(self) -> tuple[Trajectory, ...]:
        """Complete gap-free stretches in memory: all of them, or excerpts where the data stay in files."""
        return self.source.runs

    @property
    def method(self) -> RowMethod:
        """How the rows were made."""
        return self.source.method

    @property
    def noise(self) -> Array:
        """(n,) standard deviation of the measurement noise, as given or estimated."""
        return self.source.noise

    @property
    def coefficients(self) -> Array:
        """C, (n, p)."""
        return self.field.coefficients

    @property
    def support(self) -> npt.NDArray[np.bool_]:
        """(n, p), True for terms that the equations contain."""
        return self.field.coefficients != 0

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
        """(n, p); 0 for terms that the equations do not contain."""
        out = np.zeros(self.coefficients.size)
        for index, block in self.covariance_blocks:
            out[index] = np.sqrt(np.maximum(np.diag(block), 0.0))
        return out.reshape(self.coefficients.shape)

    def robust_covariance(self, equation: int) -> Sandwich:
        """Covariance of one equation's coefficients over stretches of time: for errors that hang together or differ in size.

        Raises
        ------
        DataError
            If the model was fitted under a constraint, or the data make a single stretch.
        """
        require(
            self.constraint is None,
            "the cluster-robust covariance is that of least squares without constraints; "
            "use standard_errors for a constrained model",
        )
        return sandwich(self.compressed, equation, self.coefficients[equation], self.support[equation])

    @cached_property
    def robust_errors(self) -> Array:
        """(n, p) errors from `robust_covariance` of which 1.96 make a 95 % interval; 0 for terms not in the equations."""
        out = np.zeros(self.coefficients.shape)
        for i, chosen in enumerate(self.support):
            out[i, chosen] = self.robust_covariance(i).honest_errors
        return out

    @cached_property
    def residual_sd(self) -> Array:
        """(n,) standard deviation of the row residuals of each equation, in the units of its rows."""
        return np.sqrt([self.information.residual_variance(i, c) for i, c in enumerate(self.coefficients)])

    @cached_property
    def explained(self) -> Array:
        """(n,) share of the mean square of each equation's rows that the model explains."""
        total = np.sum(self.information.total.target**2, axis=0)
        left = np.sum(
            (self.information.total.target - self.information.total.theta @ self.coefficients.T) ** 2, axis=0
        )
        return np.where(total > 0, 1 - left / np.where(total > 0, total, 1.0), 1.0)

    def equations(self, digits: int = 6) -> list[str]:
        """The fitted equations, ``x' = ...``."""
        return self.field.equations(digits)

    def __str__(self) -> str:
        lines = [
            f"model of {self.field.n_states} states, {self.information.total.n_rows} rows "
            f"({self.method.description})"
        ]
        width = max(len(e) for e in self.equations(5))
        for equation, share in zip(self.equations(5), self.explained):
            lines.append(f"  {equation:<{width}}   unexplained {1 - share:.1e}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """Measured and simulated states of the longest run, as a matplotlib figure."""
        from ._draw import draw_model

        return draw_model(self)
