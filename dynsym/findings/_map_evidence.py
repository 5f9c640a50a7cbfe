"""From samples of a map to the plain arrays that verdicts are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from .._checks import Array
from ..certify import Evidence, Openings
from ..dictionary import Dictionary, Monomials
from ..optim import Penalty
from ..regression import MapModel, free_directions
from ..sections import VectorFunction
from ._evidence import joined, openings_of, structural_openings

_SLACK = 2.0  # residuals up to this multiple of the expected noise are not called structure
_LEVEL = 0.05  # error level of each test for functions beyond the dictionary: what it finds wrongly costs a certificate only
_FEWEST = 20  # degrees of freedom from which on the size of the noise is known well enough
_THIN_DEGREE = {1: 2, 2: 2, 3: 2, 4: 2}
_THIN = 1e-6
_SEED = 0


def evidence_of_map(model: MapModel | VectorFunction) -> Evidence:
    """Coefficients, covariance, openings and misfit of a fitted map; a given one is exact and has none of the last three."""
    if isinstance(model, VectorFunction):
        size = model.coefficients.size
        nothing = Openings(np.zeros((size, 0)), np.zeros(0), np.zeros(0))
        return Evidence(model.coefficients.ravel(), [], nothing, 0.0)
    structure, chance = misfit_of_map(model)
    openings = joined(openings_of(model), structural_openings(model, structure))
    return Evidence(
        model.coefficients.ravel(),
        model.covariance_blocks,
        openings,
        float(np.max(structure)),
        _uncovered(model),
        None if model.constraint is None else free_directions(model.constraint),
        chance,
    )


def unshrunk(model: MapModel) -> MapModel | None:
    """The least-squares fit of all terms, where a penalty moved the coefficients; None where none did.

    A penalty on broken symmetry leaves a fit with less of it than the data show: verdicts have to be on what the data say.
    """
    if not isinstance(model.penalty, Penalty) or model.constraint is not None:
        return None
    every = np.ones(model.information.n_terms, dtype=bool)
    c = np.stack([model.information.least_squares(i, every) for i in range(len(model.coefficients))])
    function = VectorFunction(model.function.dictionary, c, model.function.values)
    return replace(model, function=function, penalty=None)


def misfit_of_map(model: MapModel) -> tuple[Array, float]:
    """Size (d,) of what the residuals show beyond noise, relative to the spread of the values, and how likely by chance.

    The largest of: the residual beyond what nearest neighbours in the inputs differ by (or beyond the known error); the part
    that monomials of one and of two degrees more explain (two, since even functions miss even ones); and of a fit under
    constraints the part that the free terms explain; the last two where an F test at 5 % finds any.
    """
    pairs = model.pairs
    residual = pairs.y - model.evaluate(pairs.x)
    noise2 = _neighbour_noise(pairs.x, residual) if pairs.sd is None else pairs.sd**2
    beyond = np.maximum(np.mean(residual**2, axis=0) - _SLACK**2 * noise2, 0.0)
    spread2 = np.maximum(pairs.y.var(axis=0), 1e-300)
    rounding = (1e-14 * np.abs(pairs.y).max(axis=0)) ** 2
    beyond = np.where(np.mean(residual**2, axis=0) <= rounding, 0.0, beyond)
    tests = [*_beyond_the_dictionary(model), _against_the_constraint(model, residual)]
    missed = np.max([size for size, _ in tests], axis=0)
    chance = 0.0 if beyond.any() else min(p for _, p in tests)
    return np.asarray(np.sqrt(np.maximum(beyond, missed) / spread2)), chance


def _neighbour_noise(x: Array, residual: Array) -> Array:
    """Half the mean squared difference of the residuals of nearest neighbours among the inputs, (d,)."""
    if len(x) < _FEWEST:
        return np.asarray(np.mean(residual**2, axis=0))
    spread = x.std(axis=0)
    tree = cKDTree(x / np.where(spread > 0, spread, 1.0))
    _, nearest = tree.query(tree.data, k=2)
    return np.asarray(0.5 * np.mean((residual - residual[nearest[:, 1]]) ** 2, axis=0))


def _beyond_the_dictionary(model: MapModel) -> list[tuple[Array, float]]:
    """What monomials of one and of two degrees more explain of the values, mean squares (d,), each with its p-value."""
    dictionary, y = model.function.dictionary, model.pairs.y
    degree = dictionary.degree if isinstance(dictionary, Monomials) else 2
    # Residuals of all terms: what the chosen ones leave out is the business of openings.
    theta = dictionary.evaluate(model.pairs.x)
    theta = theta / np.maximum(np.linalg.norm(theta, axis=0), 1e-300)
    out = []
    for more in (1, 2):
        rows = _beyond(dictionary, model.pairs.x, degree + more)
        basis, _ = np.linalg.qr(np.hstack([theta, rows]))
        explained = np.sum((basis[:, theta.shape[1] :].T @ y) ** 2, axis=0)
        left = np.sum((y - basis @ (basis.T @ y)) ** 2, axis=0)
        out.append(_tested(explained, left, rows.shape[1], len(y) - basis.shape[1], y))
    return out


def _against_the_constraint(model: MapModel, residual: Array) -> tuple[Array, float]:
    """What the terms explain of the residuals of a constrained fit, (d,): a constraint that is wrong leaves it there."""
    y = model.pairs.y
    if model.constraint is None:
        return np.zeros(y.shape[1]), 1.0
    theta = model.function.dictionary.evaluate(model.pairs.x)
    basis, _ = np.linalg.qr(theta / np.maximum(np.linalg.norm(theta, axis=0), 1e-300))
    explained = np.sum((basis.T @ residual) ** 2, axis=0)
    left = np.sum((residual - basis @ (basis.T @ residual)) ** 2, axis=0)
    held = max(round(model.constraint.rank / y.shape[1]), 1)
    return _tested(explained, left, held, len(y) - basis.shape[1], y)


def _tested(explained: Array, left: Array, k: int, freedom: int, y: Array) -> tuple[Array, float]:
    """Mean square (d,) that k functions explain beyond noise, 0 where an F test at 5 % finds nothing; the least p-value."""
    if k == 0 or freedom < 1:
        return np.zeros(y.shape[1]), 1.0
    noise2 = left / freedom
    p = stats.f.sf(explained / k / np.maximum(noise2, 1e-300), k, freedom)
    real = explained > len(y) * (1e-13 * np.abs(y).max(axis=0)) ** 2
    found = np.where(real & (p < _LEVEL), np.maximum(explained - k * noise2, 0.0) / len(y), 0.0)
    return found, float(np.min(np.where(real, p, 1.0)))


def _beyond(dictionary: Dictionary, x: Array, degree: int) -> Array:
    """Columns (m, k) of monomials of standardised inputs outside the span of the dictionary, few enough for an F test."""
    spread = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    columns = Monomials(x.shape[1], degree).evaluate(z)
    theta = dictionary.evaluate(x)
    basis, _ = np.linalg.qr(theta / np.maximum(np.linalg.norm(theta, axis=0), 1e-300))
    fresh = columns - basis @ (basis.T @ columns)
    fresh = fresh - basis @ (basis.T @ fresh)
    left, values, _ = np.linalg.svd(fresh, full_matrices=False)
    seen = left[:, values > 1e-8 * max(float(np.linalg.norm(columns, 2)), 1e-300)]
    most = max((len(x) - theta.shape[1]) // 3, 1)
    if seen.shape[1] <= most:
        return seen
    mix = np.random.default_rng(_SEED).standard_normal((seen.shape[1], most))
    return np.asarray(np.linalg.qr(seen @ mix)[0])


def _uncovered(model: MapModel) -> str:
    """Why the samples cannot carry claims about a region, or an empty text."""
    x, m = model.pairs.x, len(model.pairs)
    free = np.count_nonzero(model.support, axis=1).max()
    if model.constraint is not None:
        free = free_directions(model.constraint).shape[1] / len(model.coefficients)
    if m - free < _FEWEST:
        return f"{m} samples for {free:.0f} coefficients leave the size of the errors open; {_FEWEST} more are needed"
    n = x.shape[1]
    dictionary = Monomials(n, _THIN_DEGREE.get(n, 1))
    spread = x.std(axis=0)
    theta = dictionary.evaluate((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0))
    if m < 2 * dictionary.n_terms:
        return f"{m} samples are too few to tell a region from a surface"
    values = np.linalg.svd(theta / np.maximum(np.linalg.norm(theta, axis=0), 1e-300), compute_uv=False)
    if float(values[-1]) > _THIN:
        return ""
    return f"all samples lie on one surface of degree {dictionary.degree} or less: what happens beside it is not in the data"
