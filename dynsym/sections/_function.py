"""Maps F: R^n -> V over a dictionary, F(x) = C theta(x): d values side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sympy as sp

from .._checks import Array, frozen, require, require_finite, unique_names
from ..dictionary import Dictionary
from ._scalar import ScalarFunction, expression_of, text_of


@dataclass(frozen=True, eq=False)
class VectorFunction:
    """A map F: R^n -> R^d in the span of a dictionary.

    Parameters
    ----------
    dictionary
        The p functions theta_j of n inputs.
    coefficients
        C, (d, p), one row for each value.
    values
        (d,) names of the values; default y1..yd.

    Raises
    ------
    DataError
        If shapes do not agree or a number is not finite.

    Examples
    --------
    >>> import dynsym as dy
    >>> swirl = dy.VectorFunction(dy.Monomials(2, 1, names=("x", "y")), [[0, 0, -1], [0, 1, 0]], ("u", "v"))
    >>> swirl.equations()
    ['u = -y', 'v = x']
    >>> swirl([2.0, 3.0]).tolist()
    [[-3.0, 2.0]]
    """

    dictionary: Dictionary
    coefficients: Array
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        c = frozen(np.atleast_2d(np.asarray(self.coefficients, dtype=float)))
        require(
            c.ndim == 2 and c.shape[1] == self.dictionary.n_terms and len(c) > 0,
            f"coefficients must have shape (d, {self.dictionary.n_terms}), got {c.shape}",
        )
        require_finite("coefficients", c)
        own = tuple(f"y{k + 1}" for k in range(len(c))) if not self.values else self.values
        values = unique_names("value", own)
        require(len(values) == len(c), f"{len(c)} values but {len(values)} names: {', '.join(values)}")
        object.__setattr__(self, "coefficients", c)
        object.__setattr__(self, "values", values)

    @property
    def names(self) -> tuple[str, ...]:
        """Input names."""
        return self.dictionary.names

    @property
    def n_values(self) -> int:
        """Number of values d."""
        return len(self.coefficients)

    def evaluate(self, x: npt.ArrayLike) -> Array:
        """F(x), (m, n) -> (m, d)."""
        return self.dictionary.evaluate(x) @ self.coefficients.T

    __call__ = evaluate

    def jacobian(self, x: npt.ArrayLike) -> Array:
        """DF(x), (m, n) -> (m, d, n)."""
        return np.einsum("mpk,dp->mdk", self.dictionary.jacobian(x), self.coefficients)

    def component(self, index: int) -> ScalarFunction:
        """One value as a function."""
        return ScalarFunction(self.dictionary, self.coefficients[index])

    def to_sympy(self) -> sp.Matrix:
        """F as a column of SymPy expressions in the input names."""
        return sp.Matrix([expression_of(self.dictionary, row) for row in self.coefficients])

    def equations(self, digits: int = 6) -> list[str]:
        """Each value as text, ``u = ...``."""
        return [
            f"{name} = {text_of(self.dictionary.terms, row, digits)}"
            for name, row in zip(self.values, self.coefficients)
        ]

    def __str__(self) -> str:
        return "\n".join(self.equations())

    def _repr_latex_(self) -> str:
        return f"$${sp.latex(self.to_sympy().applyfunc(lambda e: sp.N(e, 5)))}$$"
