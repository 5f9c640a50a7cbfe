"""The block bootstrap of coefficients, on factors of stretches of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._checks import Array, frozen, require
from .._threads import one_blas_thread
from ..compress import Factor
from ..regression import Model, whitening
from ._resample import exchangeable

_UNSEEN = 1e-10  # directions that a draw sees this much less than the whole data get no change


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Coefficients refitted to stretches drawn with replacement, on the support of a model.

    Attributes
    ----------
    model
        The model.
    draws
        (B, n, p); zero where the model is.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("van_der_pol").runs(4, 200, noise=0.01)
    >>> found = dy.bootstrap(dy.fit(runs, dy.Monomials(2, 3), penalty=dy.Stepwise()), 200)
    >>> low, high = found.interval(0.9)
    >>> bool((low <= high).all()), found.draws.shape
    (True, (200, 2, 10))
    """

    model: Model
    draws: Array

    @property
    def standard_errors(self) -> Array:
        """(n, p) standard deviation of the draws."""
        return np.asarray(self.draws.std(axis=0, ddof=1))

    def interval(self, level: float = 0.95) -> Array:
        """(2, n, p) percentile intervals of the given level.

        Raises
        ------
        DataError
            If the level does not lie in (0, 1).
        """
        require(0 < level < 1, f"a confidence level lies between 0 and 1, got {level}")
        return np.asarray(np.quantile(self.draws, [0.5 - level / 2, 0.5 + level / 2], axis=0))

    def __str__(self) -> str:
        low, high = self.interval()
        names, terms = self.model.field.names, self.model.field.dictionary.terms
        lines = [f"{len(self.draws)} draws of stretches of time; 95 % percentile intervals"]
        for i, j in np.argwhere(self.model.support):
            numbers = f"{self.model.coefficients[i, j]:12.5g}  [{low[i, j]:.5g}, {high[i, j]:.5g}]"
            lines.append(f"  {names[i] + chr(39):<6} {terms[j]:<16} {numbers}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """The draws of each coefficient about its estimate, in units of its standard error: a matplotlib figure."""
        from ._draw import draw_bootstrap

        return draw_bootstrap(self)


def bootstrap(model: Model, n_draws: int = 500, seed: int = 0) -> Bootstrap:
    """Least-squares coefficients on the model's support for stretches drawn with replacement, from their factors alone.

    Stretches are whole runs where there are at least eight, else those of the factors; all equations see the same draws, so
    their joint spread is kept. What the choice of the support adds to the errors is not in the draws; see `stability`.

    Parameters
    ----------
    model
        From `fit`, or `Path.best`.
    n_draws
        B.
    seed
        Of the draws.

    Raises
    ------
    DataError
        If the data make fewer than six stretches, there are fewer than two draws, or the model obeys a linear constraint.

    References
    ----------
    Kuensch (1989), The jackknife and the bootstrap for general stationary observations, Annals of Statistics 17.

    Examples
    --------
    >>> import dynsym as dy
    >>> model = dy.fit(dy.systems.get("hopf").runs(10, 100, noise=0.01), dy.Monomials(2, 3), penalty=dy.Stepwise())
    >>> dy.bootstrap(model, 50).draws.shape
    (50, 2, 10)
    """
    require(n_draws >= 2, f"a spread needs at least 2 draws, got {n_draws}")
    require(
        model.constraint is None,
        "draws refit without constraints, but the model was fitted under one; give the unconstrained model",
    )
    with one_blas_thread():
        parts = exchangeable(model.compressed)
        rng = np.random.default_rng(seed)
        counts = rng.multinomial(len(parts), np.full(len(parts), 1 / len(parts)), size=n_draws).astype(float)
        out = np.zeros((n_draws, *model.coefficients.shape))
        for i, support in enumerate(model.support):
            if support.any():
                out[:, i, support] = _refits(parts, counts, i, support)
    return Bootstrap(model, frozen(out))


def _refits(parts: list[Factor], counts: Array, equation: int, support: npt.NDArray[np.bool_]) -> Array:
    """Coefficients (B, k) of one equation for each row of counts.

    In coordinates in which all data have the unit Gram matrix, the Gram matrices of draws are well conditioned, and can be
    summed and solved as they are.
    """
    half = whitening(np.vstack([part.theta[:, support] for part in parts]))
    white = [part.theta[:, support] @ half for part in parts]
    grams = np.stack([w.T @ w for w in white])
    sides = np.stack([w.T @ part.target[:, equation] for w, part in zip(white, parts)])
    whole = sides.sum(axis=0)
    drawn = np.einsum("bg,gij->bij", counts, grams, optimize=True)
    missed = counts @ sides - np.einsum("bij,j->bi", drawn, whole)
    moved = np.einsum("bij,bj->bi", np.linalg.pinv(drawn, rcond=_UNSEEN, hermitian=True), missed)
    return np.asarray((whole + moved) @ half.T)
