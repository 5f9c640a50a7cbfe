"""Vector fields f(x) = C theta(x): evaluated, differentiated, bracketed, simulated, written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import sympy as sp

from .._checks import Array, ConvergenceError, as_floats, frozen, require, require_finite
from ..dictionary import Dictionary, Monomials, Terms
from ..dictionary._base import symbols_for
from ..sections import expression_of, text_of
from ..trajectory import Trajectory
from ..trajectory._fields import check_times
from ._integrator import Integrator
from ._levels import Laws
from ._program import UNDEFINED, Program, derivative_program, program_of
from ._scipy import guarded
from ._simulate import follow, follow_many

_MANY = 4096  # states from which on compiling a polynomial field costs less than it saves


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

    @cached_property
    def program(self) -> Program:
        """f as straight-line code over the terms that occur, compiled on first use.

        Fields whose dictionary has no formulas (`PySINDyDictionary`), or that have more than 20 000 coefficients, go
        through `Dictionary.evaluate` instead; `program.compiled` says so.
        """
        return program_of([(self.dictionary, self.coefficients)])

    @cached_property
    def jacobian_program(self) -> Program:
        """Df as straight-line code, n n values per state, those of one component side by side."""
        return derivative_program([(self.dictionary, self.coefficients)])

    def evaluate(self, x: npt.ArrayLike) -> Array:
        """f(x), (m, n) -> (m, n)."""
        if isinstance(self.dictionary, Monomials) and len(np.shape(x)) == 2 and np.shape(x)[0] >= _MANY:
            return self.program.many(x)
        return self.dictionary.evaluate(x) @ self.coefficients.T

    def __call__(self, x: npt.ArrayLike) -> Array:
        """f at one state (n,) -> (n,), or at many (m, n) -> (m, n)."""
        state = np.asarray(x, dtype=float)
        if state.ndim != 1:
            return self.evaluate(state)
        try:
            return np.array(self.program.one(*state.tolist()))
        except (*UNDEFINED, TypeError):
            # The dictionary says what is wrong with the state.
            return self.evaluate(state)[0]

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

    @property
    def right_hand_side(self) -> Callable[[Array], Array]:
        """f as a function of one state (n,), compiled, for solvers: NaN where f is not defined."""
        return guarded(self.program)

    def __getstate__(self) -> dict[str, object]:
        # Compiled functions cannot be pickled; they are made again when they are needed.
        return {"dictionary": self.dictionary, "coefficients": self.coefficients}

    def simulate(
        self,
        x0: npt.ArrayLike,
        t: npt.ArrayLike,
        integrator: Integrator | None = None,
        conserve: Laws = (),
    ) -> Trajectory:
        """The solution of x' = f(x), x(t_0) = x0, at the times t.

        Parameters
        ----------
        x0
            Initial state (n,).
        t
            Increasing times (m,), the first being that of x0.
        integrator
            Method and tolerances; default DOP853 with rtol 1e-9.
        conserve
            Functions that keep their initial values to rounding: `ScalarFunction` objects, or the result of
            `conserved_quantities`, whose certified laws are meant. After every step the state is projected onto their
            level sets, so that long runs do not drift. The functions have to be conserved by f. DOP853 only.

        Raises
        ------
        DataError
            If x0 has not n finite entries, the times do not increase, or the method cannot be projected.
        ConvergenceError
            If the solution leaves every bound, the step size vanishes or the functions to keep are not conserved;
            carries the part that was reached.

        References
        ----------
        Hairer, Lubich, Wanner (2006), Geometric Numerical Integration, IV.4 (projection).

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
        done = follow(self, start, times, integrator or Integrator(), conserve)
        if done.message:
            raise ConvergenceError(done.text(), last=done.x)
        return Trajectory(t=times, x=done.x, names=self.names)

    def simulate_many(
        self,
        x0: npt.ArrayLike,
        t: npt.ArrayLike,
        integrator: Integrator | None = None,
        conserve: Laws = (),
    ) -> list[Trajectory]:
        """The solutions from k initial states at the same times, integrated together.

        With DOP853 all states advance in shared arrays, each with its own step and error control, so every solution is
        what `simulate` gives up to the tolerances, and one that blows up does not disturb the others. With the other
        methods the states are followed one after the other.

        Parameters
        ----------
        x0
            Initial states (k, n).
        t, integrator, conserve
            As in `simulate`.

        Returns
        -------
        list of Trajectory
            One run per initial state, in their order.

        Raises
        ------
        DataError
            As `simulate`.
        ConvergenceError
            If some solutions ended early; `last` is the list of all runs, those as far as they were reached.

        Examples
        --------
        >>> import dynsym as dy, numpy as np
        >>> f = dy.VectorField(dy.Monomials(1, 1, names=("x",)), [[0, -1]])
        >>> runs = f.simulate_many([[1.0], [2.0]], [0.0, 1.0])
        >>> [round(float(run.x[-1, 0]), 4) for run in runs]
        [0.3679, 0.7358]
        """
        starts, times = as_floats("x0", x0, 2), as_floats("t", t, 1)
        n = self.n_states
        require(starts.shape[1] == n, f"x0 must have shape (k, {n}), got {starts.shape}")
        require_finite("x0", starts)
        check_times(times)
        done = follow_many(self, starts, times, integrator or Integrator(), conserve)
        runs = [Trajectory(t=times[: len(one.x)], x=one.x, names=self.names) for one in done]
        lost = [(k, one) for k, one in enumerate(done) if one.message]
        if lost:
            k, first = lost[0]
            raise ConvergenceError(
                f"{len(lost)} of {len(done)} solutions ended early, the first of them number {k}: {first.text()} "
                "The runs as far as they were reached are in the attribute `last` of this error.",
                last=runs,
            )
        return runs

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
