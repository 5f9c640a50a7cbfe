"""From a fit to the plain arrays that verdicts are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..certify import Evidence, Openings
from ..dictionary import Monomials
from ..inner_product import Region
from ..regression import Estimate, Information, Model, free_directions
from ..vector_field import VectorField
from ._misfit import misfit_of

_VISIBLE = 4.0  # a column must stand out of the noise inside theta by this factor to count as seen
_THIN = {1: 6, 2: 4, 3: 4, 4: 3}  # by number of states: degree of the surfaces that one run is tested for
_THIN_FLOOR = 1e-6
_IMMATERIAL = 1e-3  # relative size of systematic residuals that are not blown up into openings
_MEAN_OF = (
    12  # neighbouring samples whose mean is taken: four times its noise stays above the noise of one sample
)
_MOST_ROWS = 4000
_UNMOVED = 0.1  # in standard errors: coefficients within this of least squares are not called moved
_ROUNDED = 1e-8


def evidence_of(model: Model | VectorField) -> Evidence:
    """Coefficients, covariance, openings and misfit of a fit; a given field is exact and has none of the last three."""
    if isinstance(model, VectorField):
        n_all = model.coefficients.size
        nothing = Openings(np.zeros((n_all, 0)), np.zeros(0), np.zeros(0))
        return Evidence(model.coefficients.ravel(), [], nothing, 0.0)
    left = misfit_of(model)
    openings = joined(openings_of(model), structural_openings(model, left.size))
    return Evidence(
        model.coefficients.ravel(),
        model.covariance_blocks,
        openings,
        float(np.max(left.size)),
        uncovered(model),
        None if model.constraint is None else free_directions(model.constraint),
        left.p_value,
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
    several runs, which would have to share such a set, with quadratic ones. Where noise hides whether several runs are thin,
    the means of neighbouring samples decide: on a surface the polynomial vanishes in the mean too, and the noise is less.
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
    if not single and _thick_in_the_mean(model, dictionary, x.mean(axis=0), scale):
        return ""
    what = "one run" if single else "all runs"
    return f"{what} lie on one surface of degree {degree} or less: what happens beside it is not in the data"


def _thick_in_the_mean(model: Model, dictionary: Monomials, centre: Array, scale: Array) -> bool:
    """Whether no quadratic polynomial vanishes on the means of neighbouring samples, up to noise and its bias."""
    noise = model.noise / scale
    n, means, slopes = len(noise), [], []
    for run in model.runs:
        count = len(run) // _MEAN_OF
        if not count:
            continue
        z = (run.x[: count * _MEAN_OF] - centre) / scale
        means.append(dictionary.evaluate(z).reshape(count, _MEAN_OF, -1).mean(axis=1))
        slope = (dictionary.jacobian(z) * noise).reshape(count, _MEAN_OF, -1, n)
        slopes.append(slope)
    if not means:
        return False
    theta = np.concatenate(means)
    if len(theta) < 2 * dictionary.n_terms:
        return False
    slope = np.concatenate(slopes)
    # E p(z + noise) - p(z), exact for quadratic polynomials.
    unit = np.eye(n)
    zero = dictionary.evaluate(np.zeros((1, n)))[0]
    curved = sum(
        0.5 * s**2 * (dictionary.evaluate(e[None])[0] + dictionary.evaluate(-e[None])[0] - 2 * zero)
        for s, e in zip(noise, unit)
    )
    size = np.linalg.norm(theta, axis=0)
    _, values, right = np.linalg.svd(np.linalg.qr(theta / size, mode="r"))
    directions = right.T / size
    heard = np.einsum("gmpk,pj->gmkj", slope, directions, optimize=True)
    spread = np.sqrt(np.sum(heard**2, axis=(0, 1, 2))) / _MEAN_OF
    shift = np.sqrt(len(theta)) * np.abs(curved @ directions)
    return bool((values > np.maximum(_VISIBLE * spread + shift, _THIN_FLOOR)).all())


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
