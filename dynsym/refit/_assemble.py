"""From the algebra that was chosen to the result: model, generators, errors, and the table of all attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._checks import Array, frozen
from ..discover import sparse_basis
from ..generators import Generators
from ..optim import LinearConstraint, Quadratic, Solution
from ..regression import Model
from ..vector_field import VectorField
from ._choose import Tried, chosen, compared
from ._errors import generator_covariances
from ._result import Attempt, Refit
from ._rollout import rollout
from ._search import Problem, refined

_ZERO = 1e-13  # share of an equation's size below which a term is a rounding error
_FORBIDDEN = 1e-12  # share of the largest contribution below which no allowed field has a term
_MOST_SPARSE = 200  # candidates up to which the generators are written with few terms


def assembled(
    problem: Problem, tried: Sequence[Tried], free: Array, plain_freedom: int, notes: Sequence[str]
) -> Refit:
    """The result: the best of what was tried, or the plain fit."""
    rows, plain = problem.rows, problem.plain
    best = chosen(tried, rows.judged(free), rows.judged(rows.targets))
    error, score = rows.relative(free), rollout(plain)
    if best is None:
        attempts = _attempts(problem, tried, free, plain_freedom, None)
        none = problem.family.combine(np.zeros((len(problem.family), 0)))
        empty = np.zeros((0, none.n_states, none.dictionary.n_terms + 1))
        text = _why_plain(attempts)
        return Refit(plain, plain, none, empty, error, error, score, score, attempts, text, tuple(notes))
    problem, kept = refined(problem, best)
    attempts = _attempts(problem, [kept if one is best else one for one in tried], free, plain_freedom, kept)
    model = _model(problem, kept)
    generators, errors = _generators(problem, kept, model)
    return Refit(
        model,
        plain,
        generators,
        errors,
        error,
        rows.relative(kept.left_out),
        score,
        rollout(model),
        attempts,
        _what(kept),
        tuple(notes),
    )


def _what(best: Tried) -> str:
    if best.size == 0:
        return f"{best.label} enforced"
    how = ", generators and coefficients polished together" if best.settled.moved else ""
    origin = (
        ""
        if best.told
        else "; read off the data and not certified: left-out data are predicted better with them"
    )
    return f"{best.size} symmetries enforced{how}{origin}"


def _why_plain(attempts: Sequence[Attempt]) -> str:
    if len(attempts) == 1:
        return "no symmetry to enforce: the plain fit is kept"
    least = min(attempts[1:], key=lambda one: one.heldout)
    return f"enforcing the nearest algebra takes the held-out error to {least.heldout:.2e}: the plain fit is kept"


def _attempts(
    problem: Problem, tried: Sequence[Tried], free: Array, plain_freedom: int, best: Tried | None
) -> tuple[Attempt, ...]:
    rows = problem.rows
    plain, targets = rows.judged(free), rows.judged(rows.targets)
    out = [Attempt("plain fit", 0, plain_freedom, rows.relative(free), 0.0, 0.0, best is None)]
    for one in tried:
        beside = compared(rows.judged(one.left_out), plain, targets)
        freedom, error = one.settled.freedom, rows.relative(one.left_out)
        out.append(
            Attempt(
                one.label, one.size, freedom, error, beside.difference, beside.standard_error, one is best
            )
        )
    return tuple(out)


def _model(problem: Problem, best: Tried) -> Model:
    """The fit of the same rows within the tangent space of the chosen fields, so that its errors count the generators."""
    plain, rows = problem.plain, problem.rows
    directions = np.stack([rows.coefficients(v).ravel() for v in best.settled.tangent.T], axis=1)
    size = np.linalg.norm(rows.total.theta, axis=0)
    share = np.abs(rows.coefficients(best.settled.c)) * size
    whole = np.maximum(share.max(axis=1, keepdims=True), 1e-300)
    # Compared by what a term contributes: coefficients of terms in other units differ by many orders.
    reach = np.linalg.norm(directions, axis=1) * np.tile(size, len(share))
    forbidden = reach <= _FORBIDDEN * max(float(reach.max()), 1e-300)
    c = rows.coefficients(best.settled.c)
    c = np.where(forbidden.reshape(c.shape) | (share <= _ZERO * whole), 0.0, c)
    directions[forbidden] = 0.0
    constraint = LinearConstraint(_complement(directions))
    datafit = Quadratic(rows.total.theta, rows.total.target)
    solution = Solution(
        coefficients=c,
        support=c != 0,
        objective=datafit.value(c),
        duality_gap=0.0,
        iterations=1,
        converged=True,
        constraint_residual=constraint.residual(c),
        message=f"weighted least squares over {directions.shape[1]} free directions",
        solver="refit",
    )
    field = VectorField(plain.field.dictionary, c)
    return replace(plain, field=field, solution=solution, constraint=constraint)


def _complement(directions: Array) -> Array:
    """Orthonormal rows orthogonal to the columns (k, t)."""
    full = np.linalg.qr(directions, mode="complete")[0]
    return np.asarray(full[:, directions.shape[1] :].T)


def _generators(problem: Problem, best: Tried, model: Model) -> tuple[Generators, Array]:
    """The generators written with few terms, and the standard errors of their coefficients."""
    family, settled = best.family, best.settled
    q, r = settled.weights.shape
    norms = np.linalg.norm(family.vectors, axis=1)
    if settled.moved:
        weights = settled.weights / np.linalg.norm(norms[:, None] * settled.weights, axis=0)
        if r > 1 and q <= _MOST_SPARSE:
            weights = sparse_basis(settled.weights, norms)
        settled = replace(settled, weights=weights)
    generators = family.combine(settled.weights)
    if r == 0 or not settled.moved:
        return generators, frozen(np.zeros((r, family.n_states, family.dictionary.n_terms + 1)))
    metric = problem.metric(problem.field(settled.c))
    spread = generator_covariances(settled, problem.rows, problem.brackets, metric, model)
    assert family.time_scaling is not None
    columns = np.concatenate(
        [family.coefficients.reshape(q, -1), np.asarray(family.time_scaling)[:, None]], axis=1
    )
    errors = np.sqrt(np.maximum(np.einsum("qa,jqs,sa->ja", columns, spread, columns, optimize=True), 0.0))
    table = np.zeros((r, family.n_states, family.dictionary.n_terms + 1))
    table[:, :, :-1] = errors[:, :-1].reshape(r, family.n_states, -1)
    table[:, 0, -1] = errors[:, -1]
    return generators, frozen(table)
