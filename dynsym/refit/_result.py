"""The refit noun: the kept model beside the plain fit, its generators with errors, and what else was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import Array
from ..generators import Generators
from ..regression import Model
from ..vector_field import VectorField


@dataclass(frozen=True)
class Attempt:
    """One way to fit that was compared on held-out data.

    Attributes
    ----------
    label
        What it is, in words.
    n_generators
        Number of symmetries that it has exactly.
    freedom
        Number of free parameters, those of the generators counted.
    heldout
        Root mean square prediction error on left-out folds, relative to the targets.
    change, change_error
        Mean squared error minus that of the plain fit, relative to it, each equation in units of its noise, with the
        standard error over folds.
    kept
        Whether it is the one that was kept.
    """

    label: str
    n_generators: int
    freedom: int
    heldout: float
    change: float
    change_error: float
    kept: bool


@dataclass(frozen=True)
class Refit:
    """A symmetric refit beside the plain fit.

    Attributes
    ----------
    model
        The kept model: symmetric if that predicts held-out data at least as well, else the plain one. Its standard errors
        count that generators were estimated along with the coefficients.
    plain
        The fit without symmetry.
    generators
        The algebra that the kept model obeys (none if the plain fit was kept).
    generator_errors
        (r, n, p + 1) standard errors of the coefficients of the generators, the last column those of the time scaling; each
        generator may move only across the algebra, not within it. Zero where generators were enforced as given.
    heldout_plain, heldout_refit
        Root mean square prediction error on left-out folds, relative to the targets.
    rollout_plain, rollout_refit
        Root mean square relative error of simulations from the first samples of runs, or None without time series.
    attempts
        All that was compared, the plain fit first.
    message
        What was done, in words.
    warnings
        Why something was not enforced, in words.
    """

    model: Model
    plain: Model
    generators: Generators
    generator_errors: Array
    heldout_plain: float
    heldout_refit: float
    rollout_plain: float | None
    rollout_refit: float | None
    attempts: tuple[Attempt, ...]
    message: str
    warnings: tuple[str, ...] = ()

    @property
    def field(self) -> VectorField:
        """The kept vector field."""
        return self.model.field

    @property
    def angle_error(self) -> float:
        """Standard error of the generators' directions in radians: root mean square over generators of unit length."""
        if not len(self.generators):
            return 0.0
        size = np.linalg.norm(self.generators.vectors, axis=1)
        wide = np.sqrt(np.sum(self.generator_errors**2, axis=(1, 2)))
        return float(np.sqrt(np.mean((wide / np.maximum(size, 1e-300)) ** 2)))

    def __str__(self) -> str:
        head = f"  {'':<24}{'generators':>11}{'parameters':>12}{'held-out error':>16}{'change of its square':>24}"
        lines = [self.message, head]
        for one in self.attempts:
            change = f"{100 * one.change:+.1f} +- {100 * one.change_error:.1f} %" if one.n_generators else ""
            lines.append(
                f"{'* ' if one.kept else '  '}{one.label:<24}{one.n_generators:>11}{one.freedom:>12}"
                f"{one.heldout:>16.3e}{change:>24}"
            )
        if self.rollout_plain is not None and self.rollout_refit is not None:
            lines.append(f"  rollout error   plain {self.rollout_plain:.3e}   refit {self.rollout_refit:.3e}")
        for text in self.generators.expressions(4):
            lines.append(f"  {text}")
        if self.generator_errors.any():
            lines.append(f"  generators known to {np.degrees(self.angle_error):.2g} degrees (standard error)")
        return "\n".join([*lines, str(self.model), *(f"warning: {w}" for w in self.warnings)])

    def _repr_html_(self) -> str:
        from ._draw import as_html

        return as_html(self)

    def plot(self) -> Any:
        """Held-out errors of all attempts beside the generators with their errors, as a matplotlib figure."""
        from ._draw import draw_refit

        return draw_refit(self)
