"""The verb `refit`: read, settle, compare, keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._checks import Array, require
from .._threads import one_blas_thread
from ..dictionary import Dictionary
from ..enforce import conserving, equivariant_to
from ..findings import ConservedQuantities, DiscreteSymmetries, Symmetries, candidates_over, symmetries
from ..generators import Generators
from ..optim import STLSQ, LinearConstraint, Penalty
from ..regression import Model, Stepwise, fit, free_directions
from ._assemble import assembled
from ._choose import Tried, admissible, compared
from ._result import Refit
from ._search import Problem, certified, framed, problem_of, suggested, told, tried
from ._settle import Settled

Known = Symmetries | ConservedQuantities | DiscreteSymmetries
_INSIDE = 1e-8  # relative distance up to which given generators count as members of the candidates


def refit(
    data: Any,
    dictionary: Dictionary,
    candidates: Generators,
    penalty: Penalty | STLSQ | Stepwise | None = None,
    known: Known | Sequence[Known] | None = None,
) -> Refit:
    """The vector field that fits the data and obeys the symmetries that the data support.

    Parameters
    ----------
    data, dictionary, penalty
        As for `fit`. Or a fitted model with the dictionary and penalty that it was fitted with, which is not fitted again.
    candidates
        A closed family of candidate generators, such as `affine` or `rotations`.
    known
        Findings to enforce: symmetries, conserved quantities, discrete symmetries, or several of these. Each is enforced
        unless held-out data speak against it. Symmetries that are not given are looked for.

    Returns
    -------
    Refit
        With `.model`, `.generators`, their standard errors, and the errors of all that was compared.

    Raises
    ------
    DataError
        As `fit` does.

    Examples
    --------
    >>> import dynsym as dy
    >>> hopf = dy.systems.get("hopf")
    >>> best = dy.refit(hopf.runs(4, 200, noise=0.01), dy.Monomials(2, 3), dy.generators.affine(2))
    >>> len(best.generators)
    1
    """
    plain = data if isinstance(data, Model) else fit(data, dictionary, penalty)
    family = candidates_over(candidates, plain.field.names)
    given = _given(known)
    support = np.ones(plain.coefficients.shape, dtype=bool) if penalty is None else plain.support
    with one_blas_thread():
        problem = problem_of(
            plain, family, None if support.all() else np.eye(support.size)[:, support.ravel()]
        )
        free = problem.rows.left_out_plain(support)
        problem, base, notes = _with_constraints(problem, given, free)
        every, missing = _searched(problem, given, free)
        return assembled(problem, [*base, *every], free, int(support.sum()), [*notes, *missing])


def _given(known: Known | Sequence[Known] | None) -> list[Known]:
    if known is None:
        return []
    every = (
        [known] if isinstance(known, Symmetries | ConservedQuantities | DiscreteSymmetries) else list(known)
    )
    for one in every:
        require(
            isinstance(one, Symmetries | ConservedQuantities | DiscreteSymmetries),
            f"known takes Symmetries, ConservedQuantities or DiscreteSymmetries, got {type(one).__name__}",
        )
    return every


@dataclass(frozen=True)
class _Extra:
    """A linear constraint that findings other than generators impose."""

    text: str
    constraint: LinearConstraint


def _extras(given: Sequence[Known], dictionary: Dictionary) -> list[_Extra]:
    out = []
    for one in given:
        if isinstance(one, ConservedQuantities) and one.functions:
            text = f"{len(one.functions)} conserved quantities"
            out.append(_Extra(text, conserving(one.functions, dictionary)))
        elif isinstance(one, DiscreteSymmetries) and one.maps:
            out.append(_Extra(f"{len(one.maps)} discrete symmetries", equivariant_to(one.maps, dictionary)))
    return out


def _with_constraints(
    problem: Problem, given: Sequence[Known], free: Array
) -> tuple[Problem, list[Tried], list[str]]:
    """The problem under conserved quantities and discrete symmetries, each unless held-out data speak against it."""
    notes: list[str] = []
    base: list[Tried] = []
    kept: list[str] = []
    targets = problem.rows.judged(problem.rows.targets)
    for extra in _extras(given, problem.plain.field.dictionary):
        held = free_directions(extra.constraint)
        inside = _intersection(problem.rows.free, framed(problem.rows.frame, held) if held.size else held)
        if inside.shape[1] == 0:
            notes.append(f"not enforced: {extra.text} leave no dynamics over this dictionary")
            continue
        within = problem.within(inside)
        c, residual = within.rows.fitted(np.eye(inside.shape[1]))
        none = np.zeros((len(problem.family), 0))
        whole = Settled(c, none, np.eye(inside.shape[1]), residual, False)
        one = tried(within, whole, True, " and ".join([*kept, extra.text]))
        beside = compared(one.errors, problem.rows.judged(free), targets)
        if beside.significant:
            notes.append(
                f"not enforced: {extra.text} raise the squared held-out error by {100 * beside.difference:.3g} % "
                f"(p = {beside.p_value:.1g})"
            )
            continue
        problem, base = within, [one]
        kept.append(extra.text)
    return problem, base, notes


def _intersection(first: Array, second: Array) -> Array:
    """Orthonormal basis of the intersection of the spans of two orthonormal bases."""
    if not second.size:
        return np.zeros((len(first), 0))
    left, cosines, _ = np.linalg.svd(first.T @ second, full_matrices=False)
    return np.asarray(first @ left[:, cosines > 1 - 1e-9])


def _searched(problem: Problem, given: Sequence[Known], free: Array) -> tuple[list[Tried], list[str]]:
    """Given symmetries if they hold their own, else what is certified and what spectra suggest."""
    targets, plain = problem.rows.judged(problem.rows.targets), problem.rows.judged(free)
    named = [one for one in given if isinstance(one, Symmetries)]
    notes: list[str] = []
    out: list[Tried] = []

    def holds(one: Tried) -> bool:
        return admissible(one, plain, targets)

    for one in named or [symmetries(problem.plain, problem.family)]:
        if not len(one.generators):
            continue
        weights, where = _weights(one.generators, problem.family), problem
        if weights is None:
            where = replace(problem_of(problem.plain, one.generators, None), rows=problem.rows)
            weights = np.eye(len(one.generators))
        mine = told(where, weights) if named else certified(where, weights)
        if not mine:
            notes.append(f"not enforced: {len(one.generators)} symmetries leave no dynamics but 0")
        elif not any(holds(item) for item in mine):
            notes.append(
                f"not enforced: {len(one.generators)} symmetries raise the held-out error beyond chance"
            )
        out += mine
    if not named or not any(holds(one) for one in out):
        out += suggested(problem, holds, out)
    return out, notes


def _weights(generators: Generators, family: Generators) -> Array | None:
    """Generators as combinations (q, r) of the candidates, or None if they are others."""
    if generators.dictionary.terms != family.dictionary.terms:
        return None
    weights = np.asarray(np.linalg.lstsq(family.vectors.T, generators.vectors.T, rcond=None)[0], dtype=float)
    missed = np.linalg.norm(family.vectors.T @ weights - generators.vectors.T)
    return weights if missed <= _INSIDE * np.linalg.norm(generators.vectors) else None
