"""A whole regularisation path with the evidence for choosing a point on it; data are read once, then only factors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import Array, choose, frozen, require
from .._threads import one_blas_thread
from ..dictionary import Dictionary
from ..differentiation import RowMethod
from ..regression import Model
from ._criteria import (
    FLOOR,
    effective_rows,
    heldout_errors,
    information_criteria,
    mean_squares,
    squared_residuals,
)
from ._models import as_model, solved, with_solution
from ._over import Over, Walk
from ._thresholds import Thresholds

if TYPE_CHECKING:
    from ._breaks import Breaks

RULES = ("cv", "1se", "aicc", "bic")
_FOLDS = 8
_SHOWN = 24


@dataclass(frozen=True, eq=False)
class Path:
    """Solutions along a path, weakest regularisation first, each with its errors and its certificate.

    Attributes
    ----------
    model
        Least squares on all terms; every point of the path lives on its rows.
    walk
        The regularisation, as it was solved.
    values
        (k,) weights, ascending.
    coefficients
        (k, n, p).
    gaps, converged
        (k,) relative duality gap (NaN where there is none), and whether the stopping rule was met.
    freedom
        (k, n) degrees of freedom: the number of terms, or the dimension of the fields as symmetric as the solution.
    squares
        (k, n) squared residuals in all data.
    errors
        (k, K) mean squared relative errors on K folds, fitted to the others; K = 0 where data make a single stretch.
    effective_rows
        (n,) independent rows that the rows amount to.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("van_der_pol").runs(4, 200, noise=0.01)
    >>> found = dy.path(runs, dy.Monomials(2, 3))
    >>> len(found), int(found.best("bic").support.sum())
    (12, 4)
    """

    model: Model
    walk: Walk
    values: Array
    coefficients: Array
    gaps: Array
    converged: npt.NDArray[np.bool_]
    freedom: Array
    squares: Array
    errors: Array
    effective_rows: Array

    def __len__(self) -> int:
        """Number of points k."""
        return len(self.values)

    @property
    def n_terms(self) -> npt.NDArray[np.intp]:
        """(k,) number of coefficients that are not zero."""
        return np.count_nonzero(self.coefficients, axis=(1, 2))

    @cached_property
    def scale(self) -> Array:
        """(n,) mean square of each target, to which errors are relative."""
        return mean_squares(self.model.compressed.total)

    @property
    def residual(self) -> Array:
        """(k,) root of the mean over equations of their squared residual relative to the target, in all data."""
        rows = self.model.compressed.n_rows
        return np.asarray(np.sqrt(np.mean(self.squares / rows / self.scale, axis=1)))

    @property
    def cv(self) -> Array:
        """(k,) mean over folds of the squared relative error on the fold left out."""
        if not self.errors.shape[1]:
            return np.full(len(self), np.inf)
        return np.asarray(self.errors.mean(axis=1))

    @property
    def cv_error(self) -> Array:
        """(k,) standard error of `cv` minus its minimum, paired over folds."""
        folds = self.errors.shape[1]
        finite = np.isfinite(self.cv)
        out = np.full(len(self), np.inf)
        if finite.any():
            best = int(np.argmin(np.where(self.converged & finite, self.cv, np.inf)))
            extra = self.errors[finite] - self.errors[best]
            out[finite] = extra.std(axis=1, ddof=1) / np.sqrt(folds)
        return out

    @property
    def _one_error(self) -> Array:
        """(k,) the paired standard error, at most that of the least error itself.

        Where one fold is much larger than the others the paired error of any poor model is as large as its difference.
        """
        if not np.isfinite(self.cv).any():
            return self.cv_error
        best = int(np.argmin(np.where(self.converged & np.isfinite(self.cv), self.cv, np.inf)))
        own = float(self.errors[best].std(ddof=1)) / np.sqrt(self.errors.shape[1])
        return np.asarray(np.minimum(self.cv_error, own))

    @cached_property
    def criteria(self) -> tuple[Array, Array]:
        """AICc and BIC, (k,) each."""
        rows = self.model.compressed.n_rows
        return information_criteria(self.squares, self.freedom, rows, self.effective_rows, self.scale)

    @property
    def aicc(self) -> Array:
        """(k,) Akaike's criterion with its small-sample correction, for the effective number of rows."""
        return self.criteria[0]

    @property
    def bic(self) -> Array:
        """(k,) Schwarz's criterion, for the effective number of rows."""
        return self.criteria[1]

    def index(self, rule: str = "1se") -> int:
        """The place of the point that a rule chooses; points that did not converge are passed over.

        Parameters
        ----------
        rule
            ``cv``: least held-out error. ``1se``: fewest degrees of freedom within one standard error of that. ``aicc``,
            ``bic``: least criterion. Ties go to fewer degrees of freedom, then to the stronger regularisation.

        Raises
        ------
        DataError
            On another rule, or if no point has a finite score.
        """
        choose("rule", rule, RULES)
        scores = {"cv": self.cv, "1se": self.cv, "aicc": self.aicc, "bic": self.bic}[rule]
        usable = self.converged & np.isfinite(scores)
        require(bool(usable.any()), self._no_score(rule))
        least = float(scores[usable].min())
        slack = self._one_error + FLOOR if rule == "1se" else FLOOR if rule == "cv" else 1e-9 * abs(least)
        fine = np.flatnonzero(usable & (scores <= least + slack))
        return int(min(fine, key=lambda k: (self.freedom[k].sum(), -k)))

    def _no_score(self, rule: str) -> str:
        if not self.converged.any():
            return "no point of the path converged; see the duality gaps, and drop terms that nearly repeat others"
        if rule in ("cv", "1se"):
            return f"{self.errors.shape[1]} folds make no held-out error; give longer runs, or choose by bic"
        rows = ", ".join(f"{m:.0f}" for m in self.effective_rows)
        return f"{rows} independent rows are too few for every point of the path; choose by cv, or give more data"

    def best(self, rule: str = "1se") -> Model:
        """The model at the point that a rule chooses, with its errors and certificate, on the same rows.

        See `index` for the rules and what they raise.
        """
        return self.at(self.index(rule), f", chosen by {rule}")

    def at(self, k: int, why: str = "") -> Model:
        """The model at point k."""
        gap = float(self.gaps[k])
        message = f"{self.walk.label} {self.values[k]:.6g}, point {k + 1} of {len(self)}{why}"
        solution = solved(
            self.model, self.coefficients[k], self.walk.solver, message, None if np.isnan(gap) else gap
        )
        return with_solution(self.model, solution)

    @cached_property
    def breaks(self) -> Breaks:
        """Which candidate symmetry or law is broken where along the path.

        Raises
        ------
        DataError
            If the path runs over something else.
        """
        from ._breaks import breaks_of

        return breaks_of(self)

    def __str__(self) -> str:
        chosen = self._chosen()
        head = f"{self.walk.label:>15}  {self.walk.counted:>5}   residual   held out  +-paired      AICc       BIC       gap"
        lines = [f"path of {len(self)} points, {self.errors.shape[1]} folds", head]
        for k in self._shown(set(chosen)):
            marks = " ".join(chosen.get(k, []))
            lines.append(
                f"{self.values[k]:15.5g} {self.freedom[k].sum():6.0f} {self._numbers(k)}  {marks}".rstrip()
            )
        return "\n".join(lines)

    def _numbers(self, k: int) -> str:
        criteria = f"{self.aicc[k]:9.5g} {self.bic[k]:9.5g}"
        gap = "-" if np.isnan(self.gaps[k]) else f"{self.gaps[k]:.1e}"
        failed = "" if self.converged[k] else " not converged"
        heldout = f"{np.sqrt(self.cv[k]):10.3e} {_root_error(self.cv[k], self.cv_error[k]):9.1e}"
        return f"{self.residual[k]:10.3e} {heldout} {criteria} {gap:>9}{failed}"

    def _chosen(self) -> dict[int, list[str]]:
        out: dict[int, list[str]] = {}
        for rule in RULES:
            scores = {"aicc": self.aicc, "bic": self.bic}.get(rule, self.cv)
            if (self.converged & np.isfinite(scores)).any():
                out.setdefault(self.index(rule), []).append(rule)
        return out

    def _shown(self, needed: set[int]) -> list[int]:
        spread = np.linspace(0, len(self) - 1, min(_SHOWN, len(self))).round().astype(int)
        return sorted({int(k) for k in spread} | needed)

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """Held-out error, residual and number of terms, and the coefficients, against the weight: a matplotlib figure."""
        from ._draw import draw_path

        return draw_path(self)


def _root_error(square: float, error: float) -> float:
    """Standard error of the root of an error."""
    return float(error / (2 * np.sqrt(square))) if 0 < square < np.inf else 0.0


def path(
    data: Any,
    dictionary: Dictionary | None = None,
    over: Over | None = None,
    rows: RowMethod | None = None,
) -> Path:
    """The fits for every weight of a regularisation, with held-out errors and information criteria, from one pass over data.

    Parameters
    ----------
    data
        What `fit` takes, or a `Model`, whose rows are then used.
    dictionary
        The p functions; needed unless a model is given.
    over
        `Thresholds` (default), `L1Weights`, `SymmetryWeights` or `ConservationWeights`.
    rows
        As for `fit`.

    Returns
    -------
    Path
        Points with weakest regularisation first; `.best(rule)` is a Model.

    Raises
    ------
    DataError
        As `fit` does; or for a model under a constraint.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("lorenz").runs(n_runs=3, n_samples=300)
    >>> found = dy.path(runs, dy.Monomials(3, 2), dy.Thresholds())
    >>> found.best("1se").equations(3)
    ["x' = -10*x + 10*y", "y' = 28*x - y - x*z", "z' = -8/3*z + x*y"]
    """
    model = as_model(data, dictionary, rows)
    family = Thresholds() if over is None else over
    with one_blas_thread():
        walk = family.on(model)
        values = family.grid(walk)
    return path_of(model, walk, values)


def path_of(model: Model, walk: Walk, values: Array) -> Path:
    """The path of a walk over given weights, ascending, with its errors."""
    with one_blas_thread():
        total = model.compressed.total
        steps = walk.solve(total, values)
        folds = model.compressed.folds(_FOLDS)
        errors = np.empty((len(values), 0))
        if len(folds) > 1:
            errors = heldout_errors(folds, lambda part: walk.solve(part, values), mean_squares(total))
        return Path(
            model=model,
            walk=walk,
            values=frozen(values),
            coefficients=frozen(steps.coefficients),
            gaps=frozen(steps.gaps),
            converged=steps.converged,
            freedom=frozen(walk.freedom(steps.coefficients)),
            squares=frozen(squared_residuals(total, steps.coefficients)),
            errors=frozen(errors),
            effective_rows=frozen(effective_rows(model, steps.coefficients[0])),
        )
