"""The chain from a noisy fit to a symmetric one: read the null space, snap it to an algebra, enforce, refit, polish.

Generators read off a noisy fit are slightly wrong, and enforced as if exact they leave only f = 0. So the subspace is first
moved to the nearest closed subalgebra of the candidates; then f and the generators are improved together: moving the
algebra by a small group element exp(a) moves f by the Lie derivative L_a f, so

    min over (C in the equivariant space, a)   | T (C + L_a C0)^T - Y |^2

is one small least-squares problem per step (variable projection along the adjoint orbit). Which algebra is kept, if any, is
decided on held-out data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg as sla

from ._checks import Array, ConvergenceError, DataError
from ._threads import one_blas_thread
from .algebra import nearest_subalgebra, structure_constants
from .compress import Factor, merge
from .dictionary import Dictionary
from .discover import fair, read_symmetries
from .enforce import equivariant_to
from .findings import Symmetries, candidates_over, symmetries
from .generators import Generators
from .inner_product import generic_region
from .optim import ADMM, STLSQ, LinearConstraint, Penalty, Quadratic, solve
from .promote import SymmetryBreaking
from .regression import Model, Stepwise, constrained_least_squares, fit, free_directions
from .spectral import row_space
from .vector_field import VectorField

_LARGEST_ANGLE = 0.6  # radians by which snapping may move a subspace before it counts as another one
_BROKEN = 0.6  # defects above this are not candidates for an unbroken direction
_POLISH_STEPS = 12
_PROMOTION = 0.01  # weight of the nuclear norm, relative to the size of the data, where data are scarce
_GAPS = 3
_ROLLOUT_RUNS, _ROLLOUT_SAMPLES = 5, 200


@dataclass(frozen=True)
class Refit:
    """A symmetric refit beside the plain fit.

    Attributes
    ----------
    model
        The kept model: symmetric if that predicts held-out data at least as well, else the plain one.
    generators
        The algebra it obeys (none if the plain fit was kept).
    heldout_plain, heldout_refit
        Root mean square prediction error on left-out folds, relative to the targets.
    rollout_plain, rollout_refit
        Root mean square relative error of simulations from the first samples of runs, or None without time series.
    message
        What was done, in words.
    """

    model: Model
    plain: Model
    generators: Generators
    heldout_plain: float
    heldout_refit: float
    rollout_plain: float | None
    rollout_refit: float | None
    message: str

    @property
    def field(self) -> VectorField:
        """The kept vector field."""
        return self.model.field

    def __str__(self) -> str:
        lines = [
            self.message,
            f"  held-out error  plain {self.heldout_plain:.3e}   refit {self.heldout_refit:.3e}",
        ]
        if self.rollout_plain is not None and self.rollout_refit is not None:
            lines.append(f"  rollout error   plain {self.rollout_plain:.3e}   refit {self.rollout_refit:.3e}")
        return "\n".join([*lines, str(self.model)])

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """The kept model beside the data."""
        return self.model.plot()


@dataclass(frozen=True)
class _Choice:
    """One algebra that was tried."""

    generators: Generators
    constraint: LinearConstraint
    polished: bool
    score: float


def refit(
    data: Any,
    dictionary: Dictionary,
    candidates: Generators,
    penalty: Penalty | STLSQ | Stepwise | None = None,
    known: Symmetries | None = None,
) -> Refit:
    """The vector field that fits the data and obeys the symmetries that the data support.

    Parameters
    ----------
    data, dictionary, penalty
        As for `fit`.
    candidates
        A closed family of candidate generators, such as `affine` or `rotations`.
    known
        Findings to enforce; default found from the plain fit.

    Returns
    -------
    Refit
        With `.model`, `.generators` and the errors of both fits.

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
    plain = fit(data, dictionary, penalty)
    family = candidates_over(candidates, plain.field.names)
    found = symmetries(plain, family) if known is None else known
    with one_blas_thread():
        folds = plain.compressed.folds(8)
        base = None if penalty is None else _zero_rows(plain)
        free = _score(folds, _basis(base, plain))
        tried = [found.generators] if len(found.generators) else []
        tried += _algebras(plain.field, plain, family)
        if _scarce(plain):
            tried += _algebras(_promoted(plain, family), plain, family)
        choices = [c for g in tried if (c := _try(plain, g, family, base, folds)) is not None]
        best = _best(choices, len(found.generators) > 0)
        if best is None or best.score > free * 1.05 + 1e-18:
            return _keep_plain(plain, family, float(np.sqrt(free)), choices)
        model = _constrained(plain, best.constraint)
    return Refit(
        model,
        plain,
        best.generators,
        float(np.sqrt(free)),
        float(np.sqrt(best.score)),
        rollout(plain),
        rollout(model),
        f"{len(best.generators)} symmetries enforced"
        + (", generators and coefficients polished together" if best.polished else ""),
    )


def _best(choices: Sequence[_Choice], certified_first: bool) -> _Choice | None:
    """The algebra with the smallest held-out error; the certified one unless another is clearly better."""
    if not choices:
        return None
    best = min(choices, key=lambda c: c.score)
    return choices[0] if certified_first and choices[0].score <= 1.1 * best.score + 1e-18 else best


def _keep_plain(plain: Model, family: Generators, error: float, tried: Sequence[_Choice]) -> Refit:
    none = family.combine(np.zeros((len(family), 0)))
    text = "no symmetry to enforce: the plain fit is kept"
    if tried:
        worst = float(np.sqrt(min(c.score for c in tried)))
        text = (
            f"enforcing the nearest algebra raises the held-out error to {worst:.2e}: the plain fit is kept"
        )
    score = rollout(plain)
    return Refit(plain, plain, none, error, error, score, score, text)


def _scarce(plain: Model) -> bool:
    """Whether the data barely determine the coefficients, so that a plain fit is a poor place to read symmetries."""
    return plain.compressed.n_rows < 2 * plain.field.dictionary.n_terms


def _promoted(plain: Model, family: Generators) -> VectorField:
    """The fit with the nuclear norm of the Lie derivatives as penalty: shrunk, but with the symmetry to be seen."""
    total = plain.information.total
    weight = _PROMOTION * float(np.linalg.norm(total.target))
    penalty = SymmetryBreaking(family, plain.field.dictionary, weight, plain.region)
    return VectorField(
        plain.field.dictionary,
        solve(Quadratic(total.theta, total.target), penalty, (), ADMM(tol=1e-5)).coefficients,
    )


def _algebras(field: VectorField, plain: Model, family: Generators) -> list[Generators]:
    """Algebras that gaps in the spectrum of a field suggest, snapped to closure."""
    spectrum = read_symmetries(family, field, fair(field, plain.region)).spectrum
    values = spectrum.values
    most = int(np.count_nonzero(values < _BROKEN))
    sizes = sorted(range(1, min(most, len(values) - 1) + 1), key=lambda r: -spectrum.gap(r))[:_GAPS]
    table = _bracket_table(family)
    if table is None:
        return []
    snapped = (_snap(family, spectrum.vectors[:, :r], table) for r in sizes)
    return [g for g in snapped if g is not None]


def _bracket_table(family: Generators) -> Array | None:
    """Structure constants of the candidates, or None if they do not close."""
    if family.ramps() is not None:
        return None
    region = generic_region(family.dictionary)
    xi, dxi = family.evaluate(region.points), family.jacobian(region.points)
    assert family.time_scaling is not None
    forward = np.einsum("jmab,imb->ijma", dxi, xi)
    q = len(family)
    flat = np.hstack([xi.reshape(q, -1), family.time_scaling[:, None]])
    table = (forward - forward.transpose(1, 0, 2, 3)).reshape(q, q, -1)
    table = np.concatenate([table, np.zeros((q, q, 1))], axis=2)
    try:
        c, defect = structure_constants(flat, table)
    except DataError:
        return None
    return c if defect < 1e-8 else None


def _snap(family: Generators, span: Array, table: Array) -> Generators | None:
    """The nearest closed subalgebra, unless it lies so far away that it is another one."""
    if span.shape[1] == 1:
        return family.combine(span)
    norms = np.linalg.norm(family.vectors, axis=1)
    try:
        snapped = nearest_subalgebra(span, table, gram=np.diag(norms**2))
    except DataError:
        return None
    if not snapped.closed or snapped.angle > _LARGEST_ANGLE:
        return None
    basis = np.asarray(snapped.basis)
    return family.combine(basis if basis.shape == span.shape else basis.T)


def _zero_rows(model: Model) -> LinearConstraint | None:
    """c_ij = 0 for the terms that a selection dropped."""
    dropped = np.flatnonzero(~model.support.ravel())
    if not len(dropped):
        return None
    rows = np.zeros((len(dropped), model.support.size))
    rows[np.arange(len(dropped)), dropped] = 1.0
    return LinearConstraint(rows)


def _basis(constraint: LinearConstraint | None, model: Model) -> Array:
    """Free directions (n p, k) of the coefficients."""
    if constraint is None:
        return np.eye(model.coefficients.size)
    return free_directions(constraint)


def _least_squares(factor: Factor, basis: Array, scale: Array) -> Array:
    """argmin over C in the span of the basis of |(T C^T - Y) / scale|^2, as (n, p)."""
    n, p = len(scale), factor.n_terms
    if basis.shape[1] == basis.shape[0]:
        size = np.maximum(np.linalg.norm(factor.theta, axis=0), 1e-300)
        return (np.linalg.lstsq(factor.theta / size, factor.target, rcond=1e-12)[0] / size[:, None]).T
    rows = np.concatenate([factor.theta @ basis[i * p : (i + 1) * p] / scale[i] for i in range(n)])
    target = np.concatenate([factor.target[:, i] / scale[i] for i in range(n)])
    size = np.maximum(np.linalg.norm(rows, axis=0), 1e-300)
    free = np.linalg.lstsq(rows / size, target, rcond=1e-12)[0] / size
    return (basis @ free).reshape(n, p)


def _score(folds: Sequence[Factor], basis: Array) -> float:
    """Mean over folds of the squared error on the fold left out, relative to its targets."""
    whole = merge(folds)
    scale = np.sqrt(np.maximum(np.sum(whole.target**2, axis=0), 1e-300))
    if len(folds) < 2:
        return float("inf")
    out = []
    for k, fold in enumerate(folds):
        c = _least_squares(merge(f for j, f in enumerate(folds) if j != k), basis, scale)
        miss = (fold.target - fold.theta @ c.T) / scale
        own = fold.target / scale
        out.append(float(np.sum(miss**2)) / max(float(np.sum(own**2)), 1e-300))
    return float(np.mean(out))


def _try(
    plain: Model,
    generators: Generators,
    family: Generators,
    base: LinearConstraint | None,
    folds: Sequence[Factor],
) -> _Choice | None:
    """Enforce one algebra, polish it where the candidates act on the dictionary, and score it."""
    dictionary = plain.field.dictionary
    constraint = equivariant_to(generators, dictionary)
    joint = constraint if base is None else constraint & base
    best: _Choice | None = None
    if joint.rank < joint.size:
        best = _Choice(generators, joint, False, _score(folds, _basis(joint, plain)))
    actions = _actions(family, dictionary) if base is None else None
    if actions is None or constraint.rank == constraint.size:
        return best
    moved, basis = polish(plain, generators, family, _basis(constraint, plain), actions)
    score = _score(folds, basis)
    if best is None or score < best.score:
        best = _Choice(moved, LinearConstraint(row_space(np.eye(len(basis)) - basis @ basis.T)), True, score)
    return best


def _actions(family: Generators, dictionary: Dictionary) -> list[Array] | None:
    """Matrices (n p, n p) of C -> L_xi C for affine candidates that map the dictionary into itself, else None."""
    parts = family.affine_parts()
    if parts is None:
        return None
    region = generic_region(dictionary)
    theta, slope = dictionary.evaluate(region.points), dictionary.jacobian(region.points)
    assert family.time_scaling is not None
    solver = np.linalg.pinv(theta)
    out = []
    for i, xi in enumerate(family.evaluate(region.points)):
        along = np.einsum("mpk,mk->mp", slope, xi)
        moved = solver @ along  # theta moved = along
        if np.linalg.norm(theta @ moved - along) > 1e-8 * max(float(np.linalg.norm(along)), 1e-300):
            return None
        n = family.n_states
        # (C moved^T - A C + b C) flattened by rows
        action = np.kron(np.eye(n), moved) - np.kron(parts[0][i], np.eye(len(moved)))
        out.append(action + float(family.time_scaling[i]) * np.eye(len(action)))
    return out


def polish(
    plain: Model, generators: Generators, family: Generators, basis: Array, actions: list[Array]
) -> tuple[Generators, Array]:
    """Move the algebra along its adjoint orbit, together with the coefficients, to lower the residual.

    Returns the moved generators and an orthonormal basis (n p, k) of the fields that obey them.
    """
    factor = plain.information.total
    n, p = plain.coefficients.shape
    scale = np.sqrt(np.maximum(np.sum(factor.target**2, axis=0), 1e-300))
    weights, *_ = np.linalg.lstsq(family.vectors.T, generators.vectors.T, rcond=None)
    adjoint = _adjoint(family)
    best = _residual(factor, basis, scale)
    for _ in range(_POLISH_STEPS):
        c0 = _least_squares(factor, basis, scale).ravel()
        moves = np.stack([action @ c0 for action in actions], axis=1)
        joint = np.hstack([basis, moves])
        rows = np.concatenate([factor.theta @ joint[i * p : (i + 1) * p] / scale[i] for i in range(n)])
        target = np.concatenate([factor.target[:, i] / scale[i] for i in range(n)])
        a = np.linalg.lstsq(rows, target, rcond=1e-9)[0][basis.shape[1] :]
        improved = False
        for step in (1.0, 0.5, 0.25):
            group = sla.expm(step * sum(x * m for x, m in zip(a, actions)))
            trial, _ = np.linalg.qr(group @ basis)
            value = _residual(factor, trial, scale)
            if value < best * (1 - 1e-9):
                basis, best, improved = trial, value, True
                weights = sla.expm(step * sum(x * m for x, m in zip(a, adjoint))) @ weights
                break
        if not improved:
            break
    return family.combine(weights), basis


def _adjoint(family: Generators) -> list[Array]:
    """Matrices (q, q) of ad: column j of ad_i holds the weights of [xi_i, xi_j]."""
    table = _bracket_table(family)
    if table is None:
        return [np.zeros((len(family), len(family)))] * len(family)
    return [table[i].T for i in range(len(family))]


def _residual(factor: Factor, basis: Array, scale: Array) -> float:
    c = _least_squares(factor, basis, scale)
    return float(np.sum(((factor.target - factor.theta @ c.T) / scale) ** 2))


def _constrained(plain: Model, constraint: LinearConstraint) -> Model:
    """The fit of the same rows under a constraint."""
    solution = constrained_least_squares(plain.information, constraint)
    field = VectorField(plain.field.dictionary, solution.coefficients)
    return replace(plain, field=field, solution=solution, constraint=constraint)


def rollout(model: Model) -> float | None:
    """Root mean square over a few runs of |simulated - measured| / sd of the states, 1 where the simulation breaks down."""
    runs = [run for run in model.runs if len(run) >= 10][:_ROLLOUT_RUNS]
    if not runs:
        return None
    errors = []
    for run in runs:
        part = slice(0, min(len(run), _ROLLOUT_SAMPLES))
        spread = np.maximum(run.x.std(axis=0), 1e-300)
        try:
            path = model.field.simulate(run.x[0], run.t[part]).x
            errors.append(min(1.0, float(np.mean(((path - run.x[part]) / spread) ** 2))))
        except ConvergenceError:
            errors.append(1.0)
    return float(np.sqrt(np.mean(errors)))
