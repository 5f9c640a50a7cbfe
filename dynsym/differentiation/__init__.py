"""From trajectories to rows [theta(x) | y]: exact derivatives, local polynomials, or the weak form."""

from ._methods import Derivatives, LocalPolynomial, RowMethod, WeakForm, choose_rows
from ._stencils import derivative_stencils

__all__ = [
    "Derivatives",
    "LocalPolynomial",
    "RowMethod",
    "WeakForm",
    "choose_rows",
    "derivative_stencils",
]
