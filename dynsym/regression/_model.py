"""What `fit` returns: the field together with the data's evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .._checks import Array, require
from ..compress import Compressed, Prepared
from ..differentiation import RowMethod
from ..inner_product import Region
from ..optim import LinearConstraint, Penalty, Solution
from ..trajectory import Trajectory
from ..vector_field import VectorField
from ._estimate import Estimate
from ._information import Information
from ._sandwich import Sandwich, sandwich


@dataclass(frozen=True, eq=False)
class Model(Estimate):
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
    penalty
        What the fit was penalised by, or None.

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
    penalty: Penalty | None = None

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
        lines += [f"  {line}" for one in self.kept for line in str(one).splitlines()[:1]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """Measured and simulated states of the longest run, as a matplotlib figure."""
        from ._draw import draw_model

        return draw_model(self)
