"""From trajectories to rows [theta(x) | y]: exact derivatives, local polynomials, or the weak form."""

from ._choice import choose_rows, time_scale
from ._rows import RowMethod, Rows, Window
from ._stencils import derivative_stencils
from ._strong import Derivatives, LocalPolynomial
from ._weak import WeakForm

__all__ = [
    "Derivatives",
    "LocalPolynomial",
    "RowMethod",
    "Rows",
    "WeakForm",
    "Window",
    "choose_rows",
    "derivative_stencils",
    "time_scale",
]
