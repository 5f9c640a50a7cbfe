"""The noun: a system of ordinary differential equations and what is exactly true of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy
from scipy.integrate import solve_ivp

from .._checks import Array, ConvergenceError, require, states_matrix
from ..dictionary import parse_dictionary
from ..trajectory import Trajectory
from ..vector_field import VectorField
from ._start import Sampler
from .exact import coefficients_in

RELATIVE_TOLERANCE = 1e-11
ABSOLUTE_TOLERANCE = 1e-13


@dataclass(frozen=True)
class SymmetryAlgebra:
    """A finite-dimensional real Lie algebra of vector fields, with a basis.

    Attributes
    ----------
    dimension
        Number of basis elements.
    name
        Isomorphism type as `dynsym.algebra.identify` spells it: ``trivial``, ``R``, ``R^k``, ``aff(1)``,
        ``so(3)``, ``gl(2,C)``, ...; direct sums joined by `` + ``; ``unnamed(...)`` with invariants where no
        name is in use.
    basis
        One tuple of SymPy expressions per element: the n components of xi, followed by b_t (tau = b_t t) for
        space-time algebras.

    Raises
    ------
    DataError
        If `dimension` is not the length of `basis`.

    Examples
    --------
    >>> from dynsym import systems
    >>> systems.get("hopf").symmetries_affine
    SymmetryAlgebra(dimension=1, name='R', basis=((-y, x),))
    """

    dimension: int
    name: str
    basis: tuple[tuple[sympy.Expr, ...], ...]

    def __post_init__(self) -> None:
        require(
            self.dimension == len(self.basis),
            f"the algebra {self.name} of dimension {self.dimension} got {len(self.basis)} basis elements",
        )


@dataclass(frozen=True, repr=False)
class System:
    """x' = F(x) with exact F, and all its symmetries and conserved quantities in stated classes.

    Attributes
    ----------
    name, title
        Key in the registry, and words.
    states
        Names of the n states.
    rhs
        F, n SymPy expressions with rational parameters already put in.
    dictionary
        Text (see `dynsym.dictionary.parse_dictionary`) of a dictionary that contains F.
    invariants_dictionary
        Text of a dictionary in which conserved quantities are looked for.
    invariants
        Basis of ALL conserved quantities in the span of that dictionary, modulo constants.
    n_independent
        How many of them are functionally independent.
    symmetries_affine
        All affine xi = A x + b with [xi, F] = 0, the linear field F itself included where F is affine.
    symmetries_spacetime
        All (xi, tau = b_t t) with DF xi - Dxi F + b_t F = 0; time translation, always there, is not counted.
    start
        Draws one initial state from a seeded generator.
    duration
        Length of a run, in units of t.
    note
        Conventions, and what the listed truth does not cover.

    Examples
    --------
    >>> from dynsym import systems
    >>> kepler = systems.get("kepler_2d")
    >>> kepler.symmetries_spacetime.basis[-1]
    (2*x/3, 2*y/3, -vx/3, -vy/3, 1)
    """

    name: str
    title: str
    states: tuple[str, ...]
    rhs: tuple[sympy.Expr, ...]
    dictionary: str
    invariants_dictionary: str
    invariants: tuple[sympy.Expr, ...]
    n_independent: int
    symmetries_affine: SymmetryAlgebra
    symmetries_spacetime: SymmetryAlgebra
    start: Sampler
    duration: float
    note: str = ""

    def __post_init__(self) -> None:
        n = len(self.states)
        require(len(self.rhs) == n, f"{self.name} has {n} states but {len(self.rhs)} equations")
        for algebra, width in ((self.symmetries_affine, n), (self.symmetries_spacetime, n + 1)):
            wrong = [len(row) for row in algebra.basis if len(row) != width]
            require(
                not wrong, f"{self.name}: a generator in {algebra.name} needs {width} components, got {wrong}"
            )

    def __repr__(self) -> str:
        return f"System({self.name}: {', '.join(self.states)}; {self.dictionary})"

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The states as real SymPy symbols, those of `Dictionary.symbolic`."""
        return tuple(sympy.Symbol(name, real=True) for name in self.states)

    @property
    def positive(self) -> bool:
        """Whether the system has any symmetry or conserved quantity in the stated classes."""
        return bool(self.invariants or self.symmetries_affine.basis or self.symmetries_spacetime.basis)

    def evaluate(self, x: npt.ArrayLike) -> Array:
        """F at the states x, (m, n) or (n,) -> (m, n)."""
        points = states_matrix(x, len(self.states))
        columns = _compiled(self.symbols, self.rhs, "numpy")(*points.T)
        return np.stack([np.broadcast_to(column, len(points)) for column in columns], axis=1).astype(float)

    def runs(
        self,
        n_runs: int = 8,
        n_samples: int = 500,
        seed: int = 0,
        noise: float = 0.0,
        exact_derivatives: bool = True,
    ) -> list[Trajectory]:
        """Solutions of x' = F(x) from random initial states, at evenly spaced times (DOP853, rtol 1e-11).

        Parameters
        ----------
        n_runs, n_samples
            Number of runs, and of samples m in each.
        seed
            Of initial states and noise; run k does not depend on `n_runs`, nor its clean states on `noise`.
        noise
            Standard deviation of independent Gaussian noise, relative to each state's standard deviation over
            all runs; noisy runs carry neither derivatives nor `sd`, so both have to be estimated.
        exact_derivatives
            Whether clean runs carry F(x) as `dxdt`.

        Raises
        ------
        DataError
            If a count or the noise is out of range.
        ConvergenceError
            If the integrator stops early; carries the last state.

        Examples
        --------
        >>> from dynsym import systems
        >>> run = systems.get("lorenz").runs(n_runs=1, n_samples=50)[0]
        >>> run.x.shape, run.names
        ((50, 3), ('x', 'y', 'z'))
        """
        require(n_runs >= 1, f"n_runs must be at least 1, got {n_runs}")
        require(n_samples >= 2, f"n_samples must be at least 2, got {n_samples}")
        require(seed >= 0, f"seed must not be negative, got {seed}")
        require(0.0 <= noise < np.inf, f"noise must be finite and not negative, got {noise}")
        t = np.linspace(0.0, self.duration, n_samples)
        clean = [self._solve(self.start(np.random.default_rng([seed, 0, k])), t) for k in range(n_runs)]
        labels = [f"{self.name} run {k}" for k in range(n_runs)]
        if noise == 0.0:
            slopes = [self.evaluate(x) if exact_derivatives else None for x in clean]
            return [
                Trajectory(t, x, names=self.states, dxdt=dxdt, label=label)
                for x, dxdt, label in zip(clean, slopes, labels)
            ]
        scale = noise * np.concatenate(clean).std(axis=0)
        errors = [
            scale * np.random.default_rng([seed, 1, k]).standard_normal(x.shape) for k, x in enumerate(clean)
        ]
        return [
            Trajectory(t, x + error, names=self.states, label=label)
            for x, error, label in zip(clean, errors, labels)
        ]

    def _solve(self, x0: Array, t: Array) -> Array:
        rhs = _compiled(self.symbols, self.rhs, "math")

        def slope(_t: float, x: Array) -> list[float]:
            return rhs(*x.tolist())

        done = solve_ivp(
            slope,
            (t[0], t[-1]),
            x0,
            method="DOP853",
            t_eval=t,
            rtol=RELATIVE_TOLERANCE,
            atol=ABSOLUTE_TOLERANCE,
        )
        if not done.success:
            message = f"{self.name}: the integrator stopped: {done.message}; started at {x0.tolist()}"
            raise ConvergenceError(message, last=done.y[:, -1] if done.y.size else x0)
        return np.ascontiguousarray(done.y.T)

    def field(self) -> VectorField:
        """F as a vector field over `dictionary`, its coefficients the nearest floats to the exact ones.

        Raises
        ------
        DataError
            If F is not in the span of the dictionary.

        Examples
        --------
        >>> from dynsym import systems
        >>> systems.get("van_der_pol").field().evaluate([1.0, 2.0])
        array([[ 2., -1.]])
        """
        terms = parse_dictionary(self.dictionary, self.states)
        exact = coefficients_in(self.rhs, terms.symbolic())
        return VectorField(terms, np.array([[float(c) for c in row] for row in exact]))


@lru_cache(maxsize=256)
def _compiled(
    symbols: tuple[sympy.Symbol, ...], rhs: tuple[sympy.Expr, ...], module: str
) -> Callable[..., Any]:
    compiled: Callable[..., Any] = sympy.lambdify(symbols, list(rhs), modules=module, cse=True)
    return compiled
