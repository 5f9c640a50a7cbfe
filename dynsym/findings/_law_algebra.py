"""The Lie algebra of the certified laws under the certified bracket: so(4) for the Kepler problem."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import Array, DataError
from ..algebra import LevelSet, PoissonAlgebra, poisson_algebra
from ..certify import CERTIFIED
from ..inner_product import defined_at
from ..sections import ScalarFunction
from ._laws import ConservedQuantities
from ._structure import HamiltonianStructure

_FEWEST, _MOST = 2, 15
_ERRORS = 3.0  # closure tolerance in relative errors of the laws
_WIDEST = 0.15
_SAME = 1e-6


def law_algebra(structure: HamiltonianStructure, laws: ConservedQuantities) -> PoissonAlgebra | None:
    """The Poisson algebra of the certified laws, constants first, else on the level set of H that the data lie around.

    Brackets are compared on the region of the structure. With errors they count as closed up to three times the largest bound
    of the laws, and the name is the one at all tolerances that suit these errors. Where brackets are no constant
    combinations of laws, they are polynomials of H, put to its median over the region: so the same laws form so(4) where
    H < 0 and so(3, 1) where H > 0.

    Parameters
    ----------
    structure
        From `hamiltonian_structure`.
    laws
        From `conserved_quantities`, over the same states.

    Returns
    -------
    PoissonAlgebra or None
        None without a certified structure, with fewer than two laws besides H, or with more than fifteen. Where brackets leave
        the span of the laws, the result says so and has no name.

    Examples
    --------
    >>> import dynsym as dy
    >>> spring = dy.systems.get("isotropic_oscillator_2d").field()
    >>> laws = dy.conserved_quantities(spring, dy.Monomials(4, 2))
    >>> found = law_algebra(dy.hamiltonian_structure(spring, dy.Monomials(4, 2), laws), laws)
    >>> found.name
    'so(3) + R'
    """
    if not structure.certified or structure.bracket is None or structure.hamiltonian is None:
        return None
    certified = [f for f in laws.findings if f.verdict.status == CERTIFIED]
    if not _FEWEST <= len(certified) <= _MOST:
        return None
    bounds = [structure.verdict.upper, *(f.verdict.upper for f in certified)]
    tol = min(_WIDEST, max(_SAME, _ERRORS * max(bounds)))
    functions = [f.function for f in certified]
    bracket, points = structure.bracket, _points(structure, functions)
    try:
        plain = poisson_algebra(functions, bracket.evaluate, (), points, _labels(functions, functions), tol)
    except DataError:
        return None  # dependent laws, or too few points, have no table
    if plain.algebra is not None:
        return plain
    level = _level(structure.hamiltonian, points)
    others = _without(functions, structure.hamiltonian, points, tol)
    if len(others) < _FEWEST:
        return None
    try:
        return poisson_algebra(others, bracket.evaluate, level, points, _labels(functions, others), tol)
    except DataError:
        return plain


def _labels(functions: Sequence[ScalarFunction], kept: Sequence[ScalarFunction]) -> tuple[str, ...]:
    """h1, h2, ... in the order in which the laws are listed."""
    return tuple(f"h{i + 1}" for i, f in enumerate(functions) if any(f is one for one in kept))


def _points(structure: HamiltonianStructure, functions: Sequence[ScalarFunction]) -> Array:
    x = structure.region.points
    for function in functions:
        x = x[defined_at(function.dictionary, x)]
    return np.asarray(x)


def _level(hamiltonian: ScalarFunction, points: Array) -> LevelSet:
    return LevelSet(hamiltonian, float(np.median(hamiltonian.evaluate(points))))


def _without(
    functions: Sequence[ScalarFunction], hamiltonian: ScalarFunction, points: Array, tol: float
) -> list[ScalarFunction]:
    """The laws without the one that holds most of H, so that they are independent of it."""
    values = np.stack([f.evaluate(points) for f in functions], axis=1)
    values = values - values.mean(axis=0)
    size = np.maximum(np.linalg.norm(values, axis=0), 1e-300)
    target = hamiltonian.evaluate(points)
    target = target - target.mean()
    share, *_ = np.linalg.lstsq(values / size, target, rcond=1e-9)
    rest = float(np.linalg.norm(values / size @ share - target))
    if rest > max(tol, 1e-3) * float(np.linalg.norm(target)):
        return list(functions)
    drop = int(np.argmax(np.abs(share)))
    return [f for i, f in enumerate(functions) if i != drop]
