"""From a fit to the plain arrays that verdicts are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from .._checks import Array
from ..certify import Evidence, Openings
from ..dictionary import Monomials
from ..inner_product import Region
from ..regression import Estimate, Information, Model, free_directions
from ..trajectory import Trajectory
from ..vector_field import VectorField

_VISIBLE = 4.0  # a column must stand out of the noise inside theta by this factor to count as seen
_THIN = {1: 6, 2: 4, 3: 4, 4: 3}  # by number of states: degree of the surfaces that one run is tested for
_THIN_FLOOR = 1e-6
_IMMATERIAL = 1e-3  # relative size of systematic residuals that are not blown up into openings
_SLACK = 2.0  # residuals up to this multiple of the expected noise are not called structure
_MOST_ROWS = 4000
_UNMOVED = 0.1  # in standard errors: coefficients within this of least squares are not called moved
_ROUNDED = 1e-8


def evidence_of(model: Model | VectorField) -> Evidence:
    """Coefficients, covariance, openings and misfit of a fit; a given field is exact and has none of the last three."""
    if isinstance(model, VectorField):
        n_all = model.coefficients.size
        nothing = Openings(np.zeros((n_all, 0)), np.zeros(0), np.zeros(0))
        return Evidence(model.coefficients.ravel(), [], nothing, 0.0)
    structure = misfit(model)
    openings = joined(openings_of(model), structural_openings(model, structure))
    return Evidence(
        model.coefficients.ravel(),
        model.covariance_blocks,
        openings,
        float(np.max(structure)),
        uncovered(model),
        None if model.constraint is None else free_directions(model.constraint),
    )


def debiased(model: Model) -> Model:
    """The least-squares fit on the same terms, where a penalty moved the coefficients by more than their errors allow.

    A penalty on broken symmetry leaves a field with less of it than the data show: a verdict on its coefficients would certify
    the penalty. An equation that a penalty left empty gets all terms. Under constraints the model stays as it is.
    """
    if model.constraint is not None:
        return model
    information, c = model.information, model.coefficients
    chosen = model.support | ~model.support.any(axis=1, keepdims=True)
    plain = np.stack([information.least_squares(i, s) for i, s in enumerate(chosen)])
    moved = np.sum((information.total.theta @ (plain - c).T) ** 2, axis=0)
    noise2 = np.array([information.residual_variance(i, row) for i, row in enumerate(plain)])
    floor = _ROUNDED**2 * np.sum(information.total.target**2, axis=0)
    if bool((moved <= _UNMOVED**2 * noise2 + floor).all()):
        return model
    return replace(model, field=VectorField(model.field.dictionary, plain))


def unpruned(model: Model) -> Model | None:
    """The least-squares fit of all terms, if a selection left some out; None under constraints or where all terms are in."""
    every = np.ones(model.information.n_terms, dtype=bool)
    if model.constraint is not None or model.support.all():
        return None
    c = np.stack([model.information.least_squares(i, every) for i in range(model.field.n_states)])
    return replace(model, field=VectorField(model.field.dictionary, c))


def coverage_of(model: Model, region: Region) -> float:
    """max over functions g of the dictionary of |g| in the region over |g| on the data; inf where g is not above the noise."""
    terms = model.field.dictionary
    x = np.concatenate([run.x for run in model.runs])
    x = x[:: max(1, len(x) // _MOST_ROWS)]
    theta = terms.evaluate(x) / np.sqrt(len(x))
    size = np.linalg.norm(theta, axis=0)
    size = np.where(size > 0, size, 1.0)
    if len(x) < terms.n_terms:
        return float(np.inf)
    _, values, right = np.linalg.svd(np.linalg.qr(theta / size, mode="r"))
    slope = terms.jacobian(x) * model.noise / size[:, None] / np.sqrt(len(x))
    noise = np.sqrt(np.sum(np.einsum("mpk,jp->mjk", slope, right, optimize=True) ** 2, axis=(0, 2)))
    if bool((values <= np.maximum(_VISIBLE * noise, 1e-10)).any()):
        return float(np.inf)
    target = terms.evaluate(region.points) * region.roots[:, None] / size
    return float(np.linalg.norm(target @ right.T / values, 2))


def joined(a: Openings, b: Openings) -> Openings:
    """Both sets of openings."""
    return Openings(
        np.hstack([a.directions, b.directions]),
        np.concatenate([a.estimates, b.estimates]),
        np.concatenate([a.standard_errors, b.standard_errors]),
    )


def structural_openings(model: Estimate, structure: Array) -> Openings:
    """What a systematic residual may stand for: along each singular direction v of theta the change of C, up to
    |residual| / |theta v|, that would leave a residual of that size on the data and be larger beside them."""
    n, p = model.coefficients.shape
    blocks, sizes = [], []
    _, values, directions = model.information.singular_directions()
    target = np.linalg.norm(model.information.total.target, axis=0)
    for i in np.flatnonzero(structure > _IMMATERIAL):
        seen = values > 1e-12 * values.max()
        flat = np.zeros((n, p, int(seen.sum())))
        flat[i] = directions[:, seen]
        blocks.append(flat.reshape(n * p, -1))
        sizes.append(structure[i] * target[i] / values[seen])
    if not blocks or model.constraint is not None:
        return Openings(np.zeros((n * p, 0)), np.zeros(0), np.zeros(0))
    size = np.concatenate(sizes)
    return Openings(np.hstack(blocks), size, np.zeros(len(size)))


def uncovered(model: Model) -> str:
    """Why the data lie on too thin a set to carry claims about a region, or an empty text.

    Samples on which a polynomial vanishes say nothing about dynamics that differ by a multiple of that polynomial, whatever
    dictionary was fitted. One run is tested with polynomials up to the degree that invariants of its motion usually have;
    several runs, which would have to share such a set, with quadratic ones.
    """
    n = model.field.n_states
    single = len({block.run for block in model.compressed.blocks}) == 1
    degree = _THIN.get(n, 2) if single else (2 if n <= 4 else 1)
    x = np.concatenate([run.x for run in model.runs])
    spread = x.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    z = (x - x.mean(axis=0)) / scale
    step = max(1, len(z) // _MOST_ROWS)
    dictionary = Monomials(n, degree)
    theta, slope = dictionary.evaluate(z[::step]), dictionary.jacobian(z[::step]) * (model.noise / scale)
    if len(theta) < 2 * dictionary.n_terms:
        return f"{len(x)} samples are too few to tell a region from a curve"
    size = np.linalg.norm(theta, axis=0)
    _, values, right = np.linalg.svd(np.linalg.qr(theta / size, mode="r"))
    direction = right[-1] / size
    noise = float(np.sqrt(np.sum((slope.transpose(0, 2, 1) @ direction) ** 2)))
    if float(values[-1]) > max(_VISIBLE * noise, _THIN_FLOOR):
        return ""
    what = "one run" if single else "all runs"
    return f"{what} lie on one surface of degree {degree} or less: what happens beside it is not in the data"


def openings_of(model: Estimate) -> Openings:
    """For every term left out, and every direction the data do not see, the change of C that would go unnoticed.

    Adding a function v with coefficient g moves the fitted ones too: the unnoticed change is g (v - S A^+ A v), S the chosen
    terms and A their columns; its size is known to s / |A v - A A^+ A v|.
    """
    n, p = model.coefficients.shape
    if model.constraint is not None:
        return Openings(np.zeros((n * p, 0)), np.zeros(0), np.zeros(0))
    signal, _, directions = model.information.singular_directions()
    hidden = directions[:, signal < _VISIBLE]
    blocks: list[Array] = []
    estimates: list[Array] = []
    errors: list[Array] = []
    for i in range(n):
        support = model.support[i]
        added = np.hstack([np.eye(p)[:, ~support], hidden])
        moved, estimate, error = _unnoticed(model, i, support, added)
        flat = np.zeros((n, p, moved.shape[1]))
        flat[i] = moved
        blocks.append(flat.reshape(n * p, -1))
        estimates.append(estimate)
        errors.append(error)
    return Openings(np.hstack(blocks), np.concatenate(estimates), np.concatenate(errors))


def _unnoticed(
    model: Estimate, equation: int, support: npt.NDArray[np.bool_], added: Array
) -> tuple[Array, Array, Array]:
    information = model.information
    theta, target = information.total.theta, information.total.target[:, equation]
    size = np.linalg.norm(added, axis=0)
    added = added / np.where(size > 0, size, 1.0)
    columns = theta @ added
    fresh, moved = columns, added.copy()
    if support.any():
        base = theta[:, support]
        scale = np.maximum(np.linalg.norm(base, axis=0), 1e-300)
        solved = np.linalg.lstsq(base / scale, columns, rcond=1e-11)[0] / scale[:, None]
        fresh = columns - base @ solved
        moved[support] -= solved
    length = np.linalg.norm(fresh, axis=0)
    noise = np.sqrt(np.maximum(np.einsum("pk,pq,qk->k", moved, information.leak, moved), 0.0))
    floor = 1e-11 * np.maximum(np.linalg.norm(columns, axis=0), np.linalg.norm(theta, axis=0).max() * 1e-3)
    seen = length > np.maximum(_VISIBLE * noise, floor)
    c = model.coefficients[equation]
    variance = information.residual_variance(equation, c)
    effect = _effect(information, equation, c, support)
    safe = np.where(seen, length, 1.0)
    estimate = np.where(seen, (fresh.T @ (target - theta @ c)) / safe**2, 0.0)
    error = np.where(seen, np.sqrt(variance * effect) / safe, np.inf)
    return moved, estimate, error


def _effect(
    information: Information, equation: int, coefficients: Array, support: npt.NDArray[np.bool_]
) -> float:
    """The design effect behind the covariance of the chosen terms; 1 if there are none."""
    if not support.any():
        return 1.0
    block = information.covariance(equation, coefficients, support)
    columns = information.total.theta[:, support]
    plain = np.linalg.pinv(columns.T @ columns, hermitian=True) * information.residual_variance(
        equation, coefficients
    )
    return float(max(1.0, np.trace(block) / max(float(np.trace(plain)), 1e-300)))


def misfit(model: Model) -> Array:
    """Relative size of what the residuals show beyond noise, (n,): sqrt(max(0, s^2 - (2 e)^2)) / rms(target).

    e is the error expected from the noise in the states, direct and through theta. Where derivatives were given their
    noise is not known, and e comes from the residuals of nearest neighbours in state space instead: noise differs between
    neighbours, structure does not.
    """
    out = np.zeros(model.field.n_states)
    theta, target, runs = _some_rows(model)
    residual = target - theta @ model.coefficients.T
    expected = [
        model.method.row_noise(run, model.noise) for run in model.runs if len(run) >= model.method.shortest
    ]
    known = [e for e in expected if e is not None]
    if len(known) < len(expected):
        noise2 = _neighbour_noise(np.concatenate([run.x for run in runs]), residual)
    else:
        leak = np.einsum("np,pq,nq->n", model.coefficients, model.information.leak, model.coefficients)
        noise2 = np.mean([np.square(e) for e in known], axis=0) + leak / max(
            model.information.total.n_rows, 1
        )
    size2 = np.mean(target**2, axis=0)
    structure = np.maximum(np.mean(residual**2, axis=0) - _SLACK**2 * noise2, 0.0)
    np.divide(structure, size2, out=out, where=size2 > 0)
    return np.sqrt(out)


def _some_rows(model: Model) -> tuple[Array, Array, list[Trajectory]]:
    """Rows of as many runs as give a few thousand."""
    thetas, targets, runs, count = [], [], [], 0
    for run in model.runs:
        if len(run) < model.method.shortest:
            continue
        rows = model.method.rows(run, model.field.dictionary, model.noise)
        thetas.append(rows.theta)
        targets.append(rows.target)
        runs.append(run)
        count += len(rows.theta)
        if count >= _MOST_ROWS:
            break
    return np.concatenate(thetas), np.concatenate(targets), runs


def _neighbour_noise(x: Array, residual: Array) -> Array:
    """Half the mean squared difference of the residuals of nearest neighbours in state space, (n,)."""
    if len(x) < 20:
        return np.mean(residual**2, axis=0)
    spread = x.std(axis=0)
    tree = cKDTree(x / np.where(spread > 0, spread, 1.0))
    _, nearest = tree.query(tree.data, k=2)
    return 0.5 * np.mean((residual - residual[nearest[:, 1]]) ** 2, axis=0)
