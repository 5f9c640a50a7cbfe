"""Vector fields f(x) = C theta(x): evaluated, differentiated, bracketed, simulated, written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import sympy as sp
from scipy.integrate import solve_ivp

from ._checks import Array, ConvergenceError, as_floats, frozen, require, require_finite
from .dictionary import Dictionary, Terms
from .dictionary._base import symbols_for
from .sections import expression_of, text_of
from .trajectory import Trajectory
from .trajectory._fields import check_times


@dataclass(frozen=True)
class Integrator:
    """How a field is integrated: a SciPy method with its relative and absolute tolerance.

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


@dataclass(frozen=True, eq=False)
class VectorField:
    """The vector field f: R^n -> R^n with components f_i = sum_j C_ij theta_j.

    Parameters
    ----------
    dictionary
        The p functions theta_j.
    coefficients
        C, (n, p), one row per equation.

    Raises
    ------
    DataError
        If C has not the shape (n, p).

    Examples
    --------
    >>> import dynsym as dy
    >>> f = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -4, 0]])
    >>> f.equations()
    ["x' = v", "v' = -4*x"]
    >>> f([1.0, 2.0])
    array([ 2., -4.])
    """

    dictionary: Dictionary
    coefficients: Array

    def __post_init__(self) -> None:
        c = frozen(self.coefficients)
        wanted = (self.dictionary.n_states, self.dictionary.n_terms)
        require(c.shape == wanted, f"coefficients must have shape (n, p) = {wanted}, got {c.shape}")
        require_finite("coefficients", c)
        object.__setattr__(self, "coefficients", c)

    @property
    def names(self) -> tuple[str, ...]:
        """State names."""
        return self.dictionary.names

    @property
    def n_states(self) -> int:
        """Number of states n."""
        return self.dictionary.n_states

    def evaluate(self, x: npt.ArrayLike) -> Array:
        """f(x), (m, n) -> (m, n)."""
        return self.dictionary.evaluate(x) @ self.coefficients.T

    def __call__(self, x: npt.ArrayLike) -> Array:
        """f at one state (n,) -> (n,), or at many (m, n) -> (m, n)."""
        values = self.evaluate(x)
        return values[0] if np.ndim(x) == 1 else values

    def jacobian(self, x: npt.ArrayLike) -> Array:
        """Df(x), (m, n) -> (m, n, n) [sample, component, derivative]."""
        return np.einsum("ip,mpk->mik", self.coefficients, self.dictionary.jacobian(x))

    def bracket(self, other: VectorField) -> VectorField:
        """The Lie bracket [f, g] = Dg f - Df g, exactly, over the terms that occur in it.

        Examples
        --------
        >>> import dynsym as dy
        >>> d = dy.Monomials(2, 1, names=("x", "y"))
        >>> turn = dy.VectorField(d, [[0, 0, -1], [0, 1, 0]])
        >>> shift = dy.VectorField(d, [[1, 0, 0], [0, 0, 0]])
        >>> shift.bracket(turn).equations()
        ["x' = 0", "y' = 1"]
        """
        require(self.names == other.names, f"fields over different states: {self.names} and {other.names}")
        for field in (self, other):
            require(
                field.dictionary.has_formulas,
                f"a bracket needs formulas, which {type(field.dictionary).__name__} does not have; "
                "write the terms with dynsym.Terms",
            )
        x = sp.Matrix(symbols_for(self.names))
        f, g = sp.Matrix(self.to_sympy()), sp.Matrix(other.to_sympy())
        rows = [sp.expand(e) for e in g.jacobian(x) * f - f.jacobian(x) * g]
        return field_from_sympy(rows, self.names)

    def to_sympy(self) -> tuple[sp.Expr, ...]:
        """The components as SymPy expressions in the state names."""
        return tuple(expression_of(self.dictionary, row) for row in self.coefficients)

    def to_latex(self, digits: int = 5) -> str:
        """The equations as a LaTeX `aligned` block."""
        rows = [
            rf"\dot{{{sp.latex(s)}}} &= {sp.latex(sp.N(e, digits))}"
            for s, e in zip(symbols_for(self.names), self.to_sympy())
        ]
        return r"\begin{aligned}" + r"\\ ".join(rows) + r"\end{aligned}"

    def equations(self, digits: int = 6) -> list[str]:
        """One line per state, ``x' = ...``, the right-hand side readable by SymPy."""
        return [
            f"{name}' = {text_of(self.dictionary.terms, row, digits)}"
            for name, row in zip(self.names, self.coefficients)
        ]

    @cached_property
    def right_hand_side(self) -> Callable[[Array], Array]:
        """f as a function of one state (n,), compiled where the dictionary has formulas."""
        if not self.dictionary.has_formulas:
            return self.__call__
        compiled = sp.lambdify([symbols_for(self.names)], list(self.to_sympy()), modules="math", cse=True)

        def run(state: Array) -> Array:
            try:
                return np.array(compiled(state.tolist()), dtype=float)
            except (ZeroDivisionError, OverflowError, ValueError):
                # The solver shortens its step when it meets a state at which f is not defined.
                return np.full(self.n_states, np.nan)

        return run

    def __getstate__(self) -> dict[str, object]:
        # Compiled functions cannot be pickled; they are made again when they are needed.
        return {k: v for k, v in self.__dict__.items() if k != "right_hand_side"}

    def simulate(
        self, x0: npt.ArrayLike, t: npt.ArrayLike, integrator: Integrator | None = None
    ) -> Trajectory:
        """The solution of x' = f(x), x(t_0) = x0, at the times t.

        Parameters
        ----------
        x0
            Initial state (n,).
        t
            Increasing times (m,), the first being that of x0.
        integrator
            SciPy method and tolerances; default DOP853 with rtol 1e-9.

        Raises
        ------
        DataError
            If x0 has not n finite entries or the times do not increase.
        ConvergenceError
            If the solution leaves every bound or the step size vanishes; carries the part that was reached.

        Examples
        --------
        >>> import dynsym as dy, numpy as np
        >>> f = dy.VectorField(dy.Monomials(1, 1, names=("x",)), [[0, -1]])
        >>> f.simulate([1.0], np.linspace(0, 1, 3)).x.round(4).ravel().tolist()
        [1.0, 0.6065, 0.3679]
        """
        start, times = as_floats("x0", x0, 1), as_floats("t", t, 1)
        require(len(start) == self.n_states, f"x0 must have {self.n_states} entries, got {len(start)}")
        require_finite("x0", start)
        check_times(times)
        if len(times) == 1:
            return Trajectory(t=times, x=start[None, :], names=self.names)
        how = Integrator() if integrator is None else integrator
        rhs = self.right_hand_side
        with np.errstate(all="ignore"):
            out = solve_ivp(
                lambda _, state: rhs(state),
                (times[0], times[-1]),
                start,
                method=how.method,
                t_eval=times,
                rtol=how.rtol,
                atol=how.atol,
            )
        # A solver that fails in its first step returns empty lists.
        reached = out.y.T if len(out.t) else start[None, :]
        if not out.success or len(out.t) < len(times) or not np.isfinite(reached).all():
            end = out.t[-1] if len(out.t) else times[0]
            raise ConvergenceError(
                f"the solution stopped at t = {end:g}, before {times[-1]:g}: "
                f"{out.message} Shorten the time span or start elsewhere.",
                last=reached,
            )
        return Trajectory(t=times, x=reached, names=self.names)

    def __str__(self) -> str:
        return "\n".join(self.equations())

    def _repr_latex_(self) -> str:
        return f"$${self.to_latex()}$$"


def field_from_sympy(rows: Sequence[sp.Expr], names: Sequence[str]) -> VectorField:
    """A vector field over exactly the terms that occur in the given components.

    Examples
    --------
    >>> import sympy as sp
    >>> from dynsym.vector_field import field_from_sympy
    >>> x, v = sp.symbols("x v", real=True)
    >>> field_from_sympy([v, -x - v**2 / 2], ("x", "v")).equations()
    ["x' = v", "v' = -x - 0.5*v**2"]
    """
    parts = [sp.Add.make_args(sp.expand(row)) for row in rows]
    split = [[term.as_coeff_Mul() for term in row] for row in parts]
    bases = list(dict.fromkeys(base for row in split for c, base in row if c != 0)) or [sp.Integer(1)]
    place = {base: j for j, base in enumerate(bases)}
    coefficients = np.zeros((len(rows), len(bases)))
    for i, row in enumerate(split):
        for c, base in row:
            if c != 0:
                coefficients[i, place[base]] += float(c)
    return VectorField(Terms(bases, names), coefficients)
