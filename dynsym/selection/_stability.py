"""Stability selection: which terms are selected again and again on halves of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._checks import Array, frozen, require
from .._threads import one_blas_thread
from ..compress import Factor, merge
from ..dictionary import Dictionary
from ..regression import Model
from ._criteria import FLOOR, effective_rows, mean_squares, squared_residuals
from ._models import as_model, restricted
from ._over import Over, Walk
from ._resample import exchangeable
from ._symmetry import SymmetryWeights
from ._thresholds import Thresholds

_SHOWN = 0.1  # terms that are selected less often than this are not listed


@dataclass(frozen=True, eq=False)
class Stability:
    """How often each coefficient is selected on random halves of the data.

    Attributes
    ----------
    model
        Least squares on all terms.
    walk
        The regularisation that selects.
    values
        (k,) weights, ascending.
    probabilities
        (n, p) share of the halves on which the term is selected.
    along
        (k, n, p) the same at each weight of the path alone.
    n_halves
        Number of halves, two for each random split.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("van_der_pol").runs(4, 200, noise=0.01)
    >>> found = dy.stability(runs, dy.Monomials(2, 3), pairs=20)
    >>> found.support(0.9).sum(axis=1).tolist()
    [1, 3]
    """

    model: Model
    walk: Walk
    values: Array
    probabilities: Array
    along: Array
    n_halves: int

    @property
    def n_selected(self) -> Array:
        """(n,) mean number of terms selected on a half."""
        return np.asarray(self.probabilities.sum(axis=1))

    def support(self, cut: float = 0.9) -> npt.NDArray[np.bool_]:
        """(n, p), True for terms selected on at least this share of the halves.

        Raises
        ------
        DataError
            If the cut does not lie in (1/2, 1].
        """
        _check_cut(cut)
        return self.probabilities >= cut

    def false_terms(self, cut: float = 0.9) -> Array:
        """(n,) bound on the expected number of terms in `support(cut)` that are selected no more often than by chance.

        q^2 / ((2 cut - 1) p) for an equation with q terms selected on average out of p: it bounds the expected number of those
        whose own probability of being selected on a half is at most q / p, whatever the selection and the errors.

        References
        ----------
        Shah, Samworth (2013), Variable selection with error control: another look at stability selection, J. Royal Statistical
        Society B 75, theorem 1. Meinshausen, Buehlmann (2010), Stability selection, J. Royal Statistical Society B 72.
        """
        _check_cut(cut)
        return self.n_selected**2 / ((2 * cut - 1) * self.probabilities.shape[1])

    def best(self, cut: float = 0.9) -> Model:
        """Least squares on the stable terms, on the same rows."""
        return restricted(self.model, self.support(cut))

    def __str__(self) -> str:
        names, terms = self.model.field.names, self.model.field.dictionary.terms
        lines = [
            f"stability over {self.n_halves} halves of the data; bound on false terms at 0.9: "
            + ", ".join(f"{bound:.2g}" for bound in self.false_terms(0.9))
        ]
        for name, row in zip(names, self.probabilities):
            for j in np.argsort(-row, kind="stable"):
                if row[j] >= _SHOWN:
                    lines.append(f"  {name + chr(39):<6} {terms[j]:<16} {row[j]:.2f}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """Selection probabilities along the path, one panel per equation: a matplotlib figure."""
        from ._draw import draw_stability

        return draw_stability(self)


def _check_cut(cut: float) -> None:
    require(
        0.5 < cut <= 1,
        f"the cut must lie in (1/2, 1], got {cut}: below, a term and its absence can both be stable",
    )


def stability(
    data: Any,
    dictionary: Dictionary | None = None,
    over: Over | None = None,
    most: int | None = None,
    pairs: int = 50,
    seed: int = 0,
) -> Stability:
    """Selection probability of every coefficient on complementary random halves of the data, from their factors alone.

    Halves are made of whole runs where there are at least eight, else of stretches of time.

    Parameters
    ----------
    data, dictionary
        As for `path`.
    over
        `Thresholds` (default) or `L1Weights`.
    most
        Terms selected in each equation: the first `most` that enter the path. Default: those at the point of least BIC on
        that half, equation by equation.
    pairs
        Number of random splits into two halves.
    seed
        Of the splits.

    Returns
    -------
    Stability
        With `.probabilities` (n, p), `.support(cut)` and the error bound `.false_terms(cut)`.

    Raises
    ------
    DataError
        As `path` does; if the data make fewer than six stretches, or the path does not select terms.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("lorenz").runs(n_runs=3, n_samples=300)
    >>> dy.stability(runs, dy.Monomials(3, 2), pairs=10).support().sum(axis=1).tolist()
    [2, 3, 2]
    """
    require(pairs >= 1, f"stability needs at least 1 pair of halves, got {pairs}")
    require(most is None or most >= 1, f"most must be at least 1 term, got {most}")
    require(
        not isinstance(over, SymmetryWeights),
        "the nuclear norm selects no terms; use Thresholds or L1Weights",
    )
    model = as_model(data, dictionary)
    family = Thresholds() if over is None else over
    rng = np.random.default_rng(seed)
    with one_blas_thread():
        walk = family.on(model)
        values = family.grid(walk)
        parts = exchangeable(model.compressed)
        share = effective_rows(model, walk.solve(model.compressed.total, values[:1]).coefficients[0])
        share = share / model.compressed.n_rows
        chosen = np.zeros(model.coefficients.shape)
        along = np.zeros((len(values), *chosen.shape))
        for _ in range(pairs):
            for half in _halves(parts, rng):
                coefficients = walk.solve(half, values).coefficients
                along += coefficients != 0
                picked = _by_bic(half, coefficients, share) if most is None else _first(coefficients, most)
                chosen += picked
    count = 2 * pairs
    return Stability(model, walk, frozen(values), frozen(chosen / count), frozen(along / count), count)


def _halves(parts: list[Factor], rng: np.random.Generator) -> tuple[Factor, Factor]:
    """Two complementary halves; of an odd number one part is left out."""
    order = rng.permutation(len(parts))
    half = len(parts) // 2
    return merge(parts[k] for k in order[:half]), merge(parts[k] for k in order[half : 2 * half])


def _first(coefficients: Array, most: int) -> npt.NDArray[np.bool_]:
    """The terms that enter the path first, at most `most` in each equation, (n, p)."""
    entered = np.cumsum(coefficients[::-1] != 0, axis=0) > 0
    sizes = entered.sum(axis=2)
    out = np.zeros(coefficients.shape[1:], dtype=bool)
    for i in range(len(out)):
        fine = np.flatnonzero(sizes[:, i] <= most)
        if len(fine):
            out[i] = entered[fine[-1], i]
    return out


def _by_bic(half: Factor, coefficients: Array, share: Array) -> npt.NDArray[np.bool_]:
    """The support of each equation at its point of least BIC, (n, p)."""
    rows = share * half.n_rows
    squares = squared_residuals(half, coefficients) / half.n_rows / mean_squares(half)
    terms = np.count_nonzero(coefficients, axis=2)
    scores = rows * np.log(squares + FLOOR) + terms * np.log(np.maximum(rows, 1.0))
    return np.stack([coefficients[k, i] != 0 for i, k in enumerate(np.argmin(scores, axis=0))])
