"""How a field is integrated: method and tolerances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._checks import choose, require

LEAST_RTOL = 100 * float(np.finfo(float).eps)
METHODS = ("DOP853", "RK45", "RK23", "Radau", "BDF", "LSODA")


@dataclass(frozen=True)
class Integrator:
    """How a field is integrated: the name of a method with its relative and absolute tolerance.

    Parameters
    ----------
    method
        DOP853 (explicit, order 8), RK45 or RK23 (explicit, low order), Radau or BDF (implicit, for stiff fields), or
        LSODA (switches between the two kinds by itself). The implicit ones get the exact Jacobian.
    rtol, atol
        The error of a step in each state is kept below ``atol + rtol * |x_i|``, in root mean square over the states.
        An `rtol` below 2.2e-14 counts as that much, since steps cannot be more exact than their rounding.

    Raises
    ------
    DataError
        For a method that is not listed, and tolerances that are negative or both zero.

    References
    ----------
    Hairer, Norsett, Wanner (1993), Solving Ordinary Differential Equations I, II.5 and II.6 (DOP853).

    Examples
    --------
    >>> import dynsym as dy
    >>> stiff = dy.Integrator("Radau", rtol=1e-8)
    >>> fall = dy.VectorField(dy.Terms(["x"], ("x",)), [[-1000.0]])
    >>> bool(abs(fall.simulate([1.0], [0.0, 1.0], stiff).x[-1, 0]) < 1e-6)
    True
    """

    method: str = "DOP853"
    rtol: float = 1e-9
    atol: float = 1e-12

    def __post_init__(self) -> None:
        choose("method", self.method, METHODS)
        require(
            self.rtol >= 0 and self.atol >= 0 and self.rtol + self.atol > 0,
            f"tolerances must not be negative, nor both zero; got rtol = {self.rtol}, atol = {self.atol}",
        )

    @property
    def tolerances(self) -> tuple[float, float]:
        """rtol and atol as the solvers take them."""
        return max(self.rtol, LEAST_RTOL), self.atol
