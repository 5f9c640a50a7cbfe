"""The one estimator: rows from runs, a factor from rows, coefficients from the factor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .._checks import Array, frozen, require
from .._threads import one_blas_thread
from ..compress import Compressed, Prepared, compress_prepared, prepare
from ..compress._verb import matching
from ..dictionary import Dictionary
from ..differentiation import RowMethod, WeakForm
from ..inner_product import region_around
from ..optim import STLSQ, LinearConstraint, Penalty, Quadratic, Solution, Solver, solve
from ..vector_field import VectorField
from ._constrained import constrained_least_squares, joint
from ._information import Information
from ._model import Model
from ._selection import Stepwise

_NOTHING = 1e-9  # share of the target below which a penalised fit is zero: solvers stop near 1e-10


def fit(
    data: Any,
    dictionary: Dictionary | None = None,
    penalty: Penalty | STLSQ | Stepwise | None = None,
    constraints: LinearConstraint | Iterable[LinearConstraint] = (),
    rows: RowMethod | None = None,
    solver: Solver | None = None,
) -> Model:
    """The vector field f = C theta of least 1/2 |T C^T - Y|^2 + penalty, subject to E C = d.

    Parameters
    ----------
    data
        One run or many: `Trajectory`, (t, x) pairs, xarray, DataFrame, or paths of files.
        Or `Compressed` data, which are not looked at again.
    dictionary
        The p functions theta_j; one with default names takes the names of the data. Compressed data bring their own.
    penalty
        `STLSQ`, `L1`, `Group`, `Nuclear`, `SymmetryBreaking`, sums of penalties, `Stepwise`, or None for
        least squares.
    constraints
        From `equivariant_to`, `conserving`, or any `LinearConstraint`.
    rows
        How runs become rows: `Derivatives`, `LocalPolynomial`, `WeakForm`; default chosen from the noise.
    solver
        Default chosen by the penalty.

    Returns
    -------
    Model
        With `.field`, `.solution`, `.standard_errors`.

    Raises
    ------
    DataError
        If the data cannot be used, the states do not match the dictionary, or constraints contradict each
        other.
    ConvergenceError
        If the solver does not meet its stopping rule.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> t = np.linspace(0, 6, 200)
    >>> run = dy.Trajectory(t=t, x=np.stack([np.cos(t), -np.sin(t)], axis=1), names=("x", "v"))
    >>> dy.fit(run, dy.Monomials(2, 2), penalty=dy.optim.STLSQ(0.1)).equations(3)
    ["x' = v", "v' = -x"]
    """
    given = [constraints] if isinstance(constraints, LinearConstraint) else list(constraints)
    with one_blas_thread():
        if isinstance(data, Compressed):
            compressed = _as_compressed(data, dictionary, rows)
        else:
            require(dictionary is not None, "fit needs a dictionary; for example dynsym.Monomials(n, degree)")
            assert dictionary is not None
            ready = prepare(data, rows)
            named = matching(dictionary, ready.runs[0].names)
            compressed = _weighted(ready, named, penalty, given, solver)
        information = Information(compressed)
        solution = solved(information, compressed, penalty, given, solver)
    source, own = compressed.origin
    return Model(
        field=VectorField(own, solution.coefficients),
        solution=solution,
        information=information,
        compressed=compressed,
        region=region_around(source.clouds),
        constraint=joint(given) if given else None,
        penalty=penalty if isinstance(penalty, Penalty) else None,
    )


def _as_compressed(data: Compressed, dictionary: Dictionary | None, rows: RowMethod | None) -> Compressed:
    """Compressed data that say what they are of, and are not asked for something else."""
    _, own = data.origin
    require(
        dictionary is None or matching(dictionary, own.names) == own,
        f"the data were compressed over {own!r}, which is not the dictionary given; compress them again",
    )
    require(rows is None, "the rows of compressed data are made already; give rows= to dynsym.compress")
    return data


def _weighted(
    ready: Prepared,
    dictionary: Dictionary,
    penalty: Penalty | STLSQ | Stepwise | None,
    constraints: list[LinearConstraint],
    solver: Solver | None,
) -> Compressed:
    """The factors of the rows; of the weak form with noise those of a second pass."""
    compressed = compress_prepared(ready, dictionary)
    if not (isinstance(ready.method, WeakForm) and ready.method.field is None and ready.noise.any()):
        return compressed
    # A first fit says how noise enters through theta; the second pass weighs the rows accordingly.
    first = solved(Information(compressed), compressed, penalty, constraints, solver)
    method = replace(ready.method, field=VectorField(dictionary, first.coefficients))
    return compress_prepared(replace(ready, method=method), dictionary)


def solved(
    information: Information,
    compressed: Compressed,
    penalty: Penalty | STLSQ | Stepwise | None,
    constraints: list[LinearConstraint],
    solver: Solver | None,
) -> Solution:
    """The solution on the factors: by the solver of the penalty, the least correction, or selection."""
    datafit = Quadratic(information.total.theta, information.total.target)
    if penalty is None and constraints and solver is None:
        return constrained_least_squares(information, joint(constraints))
    if not isinstance(penalty, Stepwise):
        return _snapped(solve(datafit, penalty, constraints, solver), penalty, constraints, datafit)
    support = penalty.support(compressed, information)
    if constraints:
        dropped = np.flatnonzero(~support.ravel())
        zero = np.zeros((len(dropped), support.size))
        zero[np.arange(len(dropped)), dropped] = 1.0
        return constrained_least_squares(information, joint([*constraints, LinearConstraint(zero)]))
    c = np.stack([information.least_squares(i, s) for i, s in enumerate(support)])
    return Solution(
        coefficients=c,
        support=support,
        objective=datafit.value(c),
        duality_gap=0.0,
        iterations=1,
        converged=True,
        constraint_residual=0.0,
        message=f"least squares on the {int(support.sum())} selected of {support.size} coefficients",
        solver="stepwise selection",
    )


@runtime_checkable
class _Snapping(Protocol):
    """A penalty that moves coefficients onto what it made zero, from the tolerance of a solver to rounding."""

    def snapped(self, coefficients: Array) -> Array: ...


def _snapped(
    solution: Solution,
    penalty: Penalty | STLSQ | None,
    constraints: list[LinearConstraint],
    datafit: Quadratic,
) -> Solution:
    """The solution with what the penalty made zero to the tolerance of the solver zero to rounding."""
    parts = penalty.parts if isinstance(penalty, Penalty) else ()
    c = solution.coefficients
    if parts and not constraints and c.any():
        whole = float(np.linalg.norm(datafit.predict(c)))
        c = np.zeros_like(c) if whole <= _NOTHING * float(np.linalg.norm(datafit.target)) else c
    for part in parts:
        if isinstance(part, _Snapping):
            moved = part.snapped(c)
            held = joint(constraints).residual(moved) if constraints else 0.0
            c = moved if held <= max(solution.constraint_residual, 1e-12) else c
    if c is solution.coefficients:
        return solution
    return replace(solution, coefficients=frozen(c), support=c != 0)
