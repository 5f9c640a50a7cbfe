"""The one estimator: rows from runs, a factor from rows, coefficients from the factor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from .._checks import Array, frozen, require
from ..compress import Block, Compressed, factor_of
from ..dictionary import Dictionary
from ..dictionary._base import with_names
from ..differentiation import RowMethod, WeakForm, choose_rows
from ..inner_product import region_around
from ..optim import STLSQ, LinearConstraint, Penalty, Quadratic, Solution, Solver, solve
from ..trajectory import Trajectory, as_runs, noise_level
from ..vector_field import VectorField
from ._constrained import constrained_least_squares, joint
from ._information import Information
from ._model import Model
from ._selection import Stepwise

_GAP = 10.0  # a step this many times the median one is a gap: nothing is interpolated across it
_BLOCKS = 48  # stretches of time that count as independent when errors are estimated


@dataclass(frozen=True, eq=False)
class Prepared:
    """Runs split at their gaps, with the noise level and the row method that fits them."""

    runs: tuple[Trajectory, ...]
    origin: tuple[int, ...]
    noise: Array
    method: RowMethod


def prepare(data: Any, rows: RowMethod | None = None) -> Prepared:
    """Split runs at gaps, estimate the noise, choose the row method."""
    runs = as_runs(data)
    pieces = [(k, piece) for k, run in enumerate(runs) for piece in run.segments(max_step=_GAP)]
    require(bool(pieces), "every sample has a missing value; there is nothing to fit")
    segments, origin = tuple(piece for _, piece in pieces), tuple(k for k, _ in pieces)
    noise = _noise(segments)
    method = choose_rows(segments, noise) if rows is None else rows
    return Prepared(segments, origin, noise, method)


def _noise(runs: Sequence[Trajectory]) -> Array:
    given = [run.sd for run in runs if run.sd is not None]
    if len(given) == len(runs):
        return frozen(
            np.sqrt(np.mean([np.broadcast_to(sd, (runs[0].n_states,)) ** 2 for sd in given], axis=0))
        )
    if all(run.dxdt is not None for run in runs):
        return frozen(np.zeros(runs[0].n_states))
    # Too few samples to tell noise from motion give NaN: then the residuals alone have to speak.
    return frozen(np.nan_to_num(noise_level(runs)))


def fit(
    data: Any,
    dictionary: Dictionary,
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
    dictionary
        The p functions theta_j; one with default names takes the names of the data.
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
    ready = prepare(data, rows)
    own = matching(dictionary, ready.runs[0].names)
    given = [constraints] if isinstance(constraints, LinearConstraint) else list(constraints)
    with threadpool_limits(1):
        compressed, information, solution = _pass(ready, own, penalty, given, solver)
        if isinstance(ready.method, WeakForm) and ready.method.field is None and ready.noise.any():
            # A first fit says how noise enters through theta; the second weighs the rows accordingly.
            first = VectorField(own, solution.coefficients)
            ready = replace(ready, method=replace(ready.method, field=first))
            compressed, information, solution = _pass(ready, own, penalty, given, solver)
    return Model(
        field=VectorField(own, solution.coefficients),
        solution=solution,
        information=information,
        compressed=compressed,
        runs=ready.runs,
        method=ready.method,
        noise=ready.noise,
        region=region_around(ready.runs),
        constraint=joint(given) if given else None,
    )


def _pass(
    ready: Prepared,
    dictionary: Dictionary,
    penalty: Penalty | STLSQ | Stepwise | None,
    constraints: list[LinearConstraint],
    solver: Solver | None,
) -> tuple[Compressed, Information, Solution]:
    compressed, leak = compress_runs(ready, dictionary)
    information = Information.of(compressed, leak)
    return compressed, information, _solve(information, compressed, penalty, constraints, solver)


def matching(dictionary: Dictionary, names: tuple[str, ...]) -> Dictionary:
    """The dictionary over the states of the data."""
    said = "the dictionary is over ({own}) but the data have the states ({names})"
    return with_names(dictionary, names, said, "give the dictionary the same names in the same order")


def compress_runs(ready: Prepared, dictionary: Dictionary) -> tuple[Compressed, Array]:
    """One pass over the runs: factors of stretches of rows, and the noise that leaks into theta, (p, p)."""
    method = ready.method
    usable = [(k, run) for k, run in zip(ready.origin, ready.runs) if len(run) >= method.shortest]
    require(
        bool(usable),
        f"no gap-free stretch has the {method.shortest} samples that '{method.description}' needs, the "
        "longest has "
        f"{max(len(run) for run in ready.runs)}; give longer runs or derivatives dxdt",
    )
    per_run = max(1, -(-_BLOCKS // len(usable)))
    leak = np.zeros((dictionary.n_terms, dictionary.n_terms))
    blocks = []
    with threadpool_limits(1):
        for origin, run in usable:
            rows = method.rows(run, dictionary, ready.noise)
            leak += rows.leak
            pieces = min(per_run, max(1, len(rows.theta) // 8))
            for part in np.array_split(np.arange(len(rows.theta)), pieces):
                blocks.append(Block(factor_of(rows.theta[part], rows.target[part]), origin))
    return Compressed(tuple(blocks)), frozen(leak)


def _solve(
    information: Information,
    compressed: Compressed,
    penalty: Penalty | STLSQ | Stepwise | None,
    constraints: list[LinearConstraint],
    solver: Solver | None,
) -> Solution:
    datafit = Quadratic(information.total.theta, information.total.target)
    if penalty is None and constraints and solver is None:
        return constrained_least_squares(information, joint(constraints))
    if not isinstance(penalty, Stepwise):
        return solve(datafit, penalty, constraints, solver)
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
