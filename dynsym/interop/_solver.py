"""PySINDy's optimizers as solvers for `fit`."""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import require
from ..optim import Problem, Quadratic, Solution


@dataclass(frozen=True, eq=False)
class PySINDySolver:
    """The coefficients that a PySINDy optimizer finds on the compressed rows, for `fit(..., solver=...)`.

    The rows arrive as a triangular factor R with R^T R = [Theta | Y]^T [Theta | Y], so every optimizer that minimises
    a function of |Theta C^T - Y|^2 and C (STLSQ, SR3, SSR, FROLS, ...) gives what it would give on all samples, at a
    cost that does not depend on their number.

    Parameters
    ----------
    optimizer
        Such as `ps.SR3(...)`; it is copied and not changed.

    Raises
    ------
    DataError
        If it resamples rows (`EnsembleOptimizer`), or the fit has a penalty or constraints besides.
    ConvergenceError
        If PySINDy warns that the optimizer did not converge; carries what it reached.

    Examples
    --------
    >>> import dynsym as dy, pysindy as ps
    >>> runs = dy.systems.get("hopf").runs(4, 100)
    >>> solver = dy.interop.PySINDySolver(ps.STLSQ(threshold=0.1, alpha=0.0))
    >>> model = dy.fit(runs, dy.Monomials(2, 3), solver=solver)
    >>> int(model.solution.support.sum())
    8
    """

    optimizer: Any

    def minimise(self, problem: Problem) -> Solution:
        """Fit a copy of the optimizer to the factor; what `solve` calls."""
        import pysindy as ps
        from sklearn.exceptions import ConvergenceWarning

        name = type(self.optimizer).__name__
        require(
            not isinstance(self.optimizer, ps.EnsembleOptimizer),
            "EnsembleOptimizer draws samples, and a fit hands on one factor of all of them; use its inner optimizer",
        )
        require(
            problem.penalty is None and problem.constraint is None,
            f"{name} brings its own penalty and constraints; leave penalty= and constraints= out, or use a solver "
            "of dynsym.optim",
        )
        require(isinstance(problem.datafit, Quadratic), f"{name} needs one dictionary for all equations")
        assert isinstance(problem.datafit, Quadratic)
        fitted = deepcopy(self.optimizer)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted.fit(np.array(problem.datafit.R), np.array(problem.datafit.Y))
        failed = [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]
        for w in caught:
            if not issubclass(w.category, ConvergenceWarning):
                warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
        return problem.solution(
            np.asarray(fitted.coef_, dtype=float),
            solver=f"PySINDy {name}",
            message=" ".join(failed) or "the optimizer reported no trouble",
            iterations=len(getattr(fitted, "history_", ())),
            converged=not failed,
            gap=None,
        )
