"""Level functions: polynomials that vanish on the points without their noise, with the covariance of their coefficients.

The matrix M(s) of moments, corrected for noise of variance s, has M(s) c = 0 for each polynomial c that vanishes on the
submanifold, and only at the true s. So s is the least root of the smallest eigenvalue of M, and nothing about the noise has to
be known but that it is isotropic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.spatial import cKDTree

from .._checks import Array
from ..dictionary import Monomials
from ._moments import corrected_gram, corrected_scores, corrected_values

_EXACT = 1e-9  # relative singular values below this are zero: points without noise
_LARGEST_NOISE = 0.2  # standard deviation of the noise in units of the size of the cloud
_GRID = 50
_RANK = 0.05  # singular values of unit gradients above this count
_Z_NULL = 3.0  # eigenvalues within this many standard errors of zero belong to the null space
_Z_FIT = 3.5  # structure in the residuals beyond this many standard errors: the degree is too low
_NEIGHBOURS = 8
_NEWTON = 6
_MOST_OPEN = 260  # monomials that openings are made of
_RICHER, _OPEN_DEGREE = (
    1,
    4,
)  # openings reach so many degrees above the fitted one, and at least the second number
_TESTED = 2  # degrees above the fitted one that residuals are tested with
_REJECT = 1e-3  # level of that test, shared among its functions


@dataclass(frozen=True, eq=False)
class LevelSet:
    """r polynomials that vanish on the cloud, in states z = (x - centre) / size.

    Attributes
    ----------
    dictionary
        p monomials in z.
    coefficients
        (r, p).
    covariance
        (r p, r p) of the flattened coefficients.
    noise
        Standard deviation of the noise in z.
    feet
        (m, n) nearest points on the common zero set, in z.
    openings
        Changes of the flattened coefficients over `richer` that the data leave open: directions (r P, k), estimates (k,),
        standard errors (k,).
    richer
        P monomials of higher degree.
    centre, size
        Of the cloud.
    """

    dictionary: Monomials
    coefficients: Array
    covariance: Array
    noise: float
    feet: Array
    richer: Monomials
    openings: tuple[Array, Array, Array]
    centre: Array
    size: float

    @property
    def degree(self) -> int:
        """Of the polynomials."""
        return self.dictionary.degree


def fit_levels(x: Array, dimension: int, degree: int) -> LevelSet | str:
    """Polynomials of the lowest degree whose common zeros have the given dimension and describe the points.

    Returns
    -------
    LevelSet, or in words why there is none up to the degree.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.clouds import fit_levels
    >>> t = np.linspace(0, 6, 400)
    >>> circle = fit_levels(np.c_[np.cos(t), np.sin(t)], 1, 4)
    >>> circle.degree, len(circle.coefficients)
    (2, 1)
    """
    centre = x.mean(axis=0)
    size = float(np.sqrt(np.mean(np.sum((x - centre) ** 2, axis=1))))
    z = (x - centre) / size
    why = f"no polynomials of degree up to {degree} vanish on the points"
    for d in range(1, degree + 1):
        dictionary = Monomials(x.shape[1], d)
        if 3 * dictionary.n_terms > len(x):
            return f"{len(x)} points are too few for polynomials of degree {d}"
        found = _null_polynomials(z, dictionary)
        if found is None:
            continue
        coefficients, variance = found
        if variance > 0 and len(coefficients) != x.shape[1] - dimension:
            why = f"{len(coefficients)} polynomials of degree {d} nearly vanish, {x.shape[1] - dimension} would be needed"
            continue
        feet = _feet(z, dictionary, coefficients)
        rank = _gradient_rank(feet, dictionary, coefficients)
        if rank != x.shape[1] - dimension:
            why = (
                f"polynomials of degree {d} leave {x.shape[1] - rank} dimensions, the points have {dimension}"
            )
            continue
        level = _level(z, dictionary, coefficients, variance, feet, (centre, size))
        misfit = _structure(z, level)
        if misfit <= _Z_FIT:
            return level
        why = f"residuals of polynomials of degree {d} show structure ({misfit:.1f} standard errors)"
    return why


def _null_polynomials(z: Array, dictionary: Monomials) -> tuple[Array, float] | None:
    """Coefficients (r, p) of unit norm, and the variance of the noise; None if no variance gives any."""
    theta = dictionary.evaluate(z)
    _, values, right = np.linalg.svd(np.linalg.qr(theta / np.sqrt(len(z)), mode="r"))
    exact = values <= _EXACT * values[0]
    if exact.any():
        return right[exact], 0.0
    variance = _least_root(z, dictionary)
    if variance is None:
        return None
    values, vectors = np.linalg.eigh(corrected_gram(z, dictionary, variance))
    scores = corrected_scores(z, dictionary, variance, vectors.T[: min(4, len(values))])
    kept = [0]
    for a in range(1, scores.shape[1]):
        own = scores[:, a] @ vectors[:, a]
        if values[a] > _Z_NULL * own.std() / np.sqrt(len(z)):
            break
        kept.append(a)
    return vectors.T[kept], variance


def _least_root(z: Array, dictionary: Monomials) -> float | None:
    def least(variance: float) -> float:
        return float(np.linalg.eigvalsh(corrected_gram(z, dictionary, variance))[0])

    below = 0.0
    for above in np.geomspace(1e-10, _LARGEST_NOISE**2, _GRID):
        if least(float(above)) < 0:
            return float(brentq(least, below, above)) if least(below) > 0 else below
        below = float(above)
    return None


def gradients(z: Array, dictionary: Monomials, coefficients: Array) -> Array:
    """Dg, (m, r, n)."""
    return np.einsum("mpk,rp->mrk", dictionary.jacobian(z), coefficients)


def _feet(z: Array, dictionary: Monomials, coefficients: Array) -> Array:
    """Gauss-Newton steps onto the common zero set, along the normal space."""
    foot = z.copy()
    for _ in range(_NEWTON):
        value = dictionary.evaluate(foot) @ coefficients.T
        slope = gradients(foot, dictionary, coefficients)
        step = np.einsum("mkr,mr->mk", np.linalg.pinv(slope, rcond=_RANK), value)
        length = np.linalg.norm(step, axis=1, keepdims=True)
        foot = foot - step * np.minimum(1.0, 0.3 / np.maximum(length, 1e-300))
    return foot


def _gradient_rank(feet: Array, dictionary: Monomials, coefficients: Array) -> int:
    slope = gradients(feet, dictionary, coefficients)
    scale = np.sqrt(np.mean(np.sum(slope**2, axis=2), axis=0))
    values = np.linalg.svd(slope / np.maximum(scale, 1e-300)[:, None], compute_uv=False)
    return int(np.median(np.sum(values > _RANK * values[:, :1], axis=1)))


def _level(
    z: Array,
    dictionary: Monomials,
    coefficients: Array,
    variance: float,
    feet: Array,
    frame: tuple[Array, float],
) -> LevelSet:
    covariance = np.zeros((coefficients.size, coefficients.size))
    if variance > 0:
        covariance = _covariance(z, dictionary, coefficients, variance)
    richer = _above(dictionary, max(_RICHER, _OPEN_DEGREE - dictionary.degree), len(z))
    noise = float(np.sqrt(variance))
    bare = LevelSet(dictionary, coefficients, covariance, noise, feet, richer, _NOTHING, *frame)
    return replace(bare, openings=_openings(z, bare, richer))


_NOTHING = (np.zeros((0, 0)), np.zeros(0), np.zeros(0))


def _above(dictionary: Monomials, degrees: int, m: int) -> Monomials:
    """Monomials of so many degrees more, or of as many as the points can tell apart."""
    out = dictionary
    for d in range(dictionary.degree + 1, dictionary.degree + degrees + 1):
        trial = Monomials(dictionary.n_states, d)
        if trial.n_terms <= min(_MOST_OPEN, m // 4):
            out = trial
    return out


def _covariance(z: Array, dictionary: Monomials, coefficients: Array, variance: float) -> Array:
    """Sandwich of the estimating equations M(s) c = 0 in the coefficients and s together.

    Each point moves c by -M^+ (M_i c + M'(s) c ds_i), with ds_i the change of s that keeps the null space.
    """
    step = 1e-3 * variance
    gram = corrected_gram(z, dictionary, variance)
    higher, lower = (corrected_gram(z, dictionary, variance + h) for h in (step, -step))
    slope = (higher - lower) / (2 * step)
    scores = corrected_scores(z, dictionary, variance, coefficients)
    toward = np.einsum("rp,pq,rq->", coefficients, slope, coefficients)
    shift = -np.einsum("mrp,rp->m", scores, coefficients) / toward
    whole = scores + shift[:, None, None] * (coefficients @ slope)[None]
    values, vectors = np.linalg.eigh(gram)
    r = len(coefficients)
    rest = vectors[:, r:]
    moved = -np.einsum("mrp,pk->mrk", whole, rest / values[r:]) @ rest.T
    flat = moved.reshape(len(z), -1)
    return flat.T @ flat / len(z) ** 2


def residuals(z: Array, level: LevelSet) -> Array:
    """Noise-corrected values of g at the points in units of distance, (m, r)."""
    values = corrected_values(z, level.dictionary, level.noise**2) @ level.coefficients.T
    size = np.linalg.norm(gradients(level.feet, level.dictionary, level.coefficients), axis=2)
    return values / np.maximum(size, 0.05 * np.median(size, axis=0))


def _structure(z: Array, level: LevelSet) -> float:
    """Structure in the residuals in standard errors: of neighbours that resemble each other more than noise does, or of
    functions of higher degree, whose largest is brought to the scale of a single one."""
    e = residuals(z, level)
    if float(np.sqrt(np.mean(e**2))) < 1e-7:
        return 0.0
    _, estimates, errors = _openings(
        z, level, _above(level.dictionary, max(_TESTED, _OPEN_DEGREE - level.degree), len(z))
    )
    if len(estimates) and np.max(np.abs(estimates) / errors) > stats.norm.isf(_REJECT / 2 / len(estimates)):
        return float(np.max(np.abs(estimates) / errors))
    _, near = cKDTree(level.feet).query(level.feet, k=_NEIGHBOURS + 1)
    around = e[near[:, 1:]].mean(axis=1)
    products = (e - e.mean(axis=0)) * (around - around.mean(axis=0))
    # Neighbourhoods overlap both ways, so pairs count twice.
    error = np.sqrt(2.0 / len(e)) * e.std(axis=0) * around.std(axis=0)
    return float(np.max(products.mean(axis=0) / error))


def _openings(z: Array, level: LevelSet, richer: Monomials) -> tuple[Array, Array, Array]:
    """Polynomials of higher degree that the residuals cannot rule out, function by function.

    Adding e v to g moves the surface by -e v / |Dg|; the fitted terms take up what they can of it, and the rest is known to
    sd / |v / |Dg| off the fitted terms|.
    """
    r, p = level.coefficients.shape
    n_rich = richer.n_terms
    e = residuals(z, level)
    theta = richer.evaluate(level.feet)
    blocks, estimates, errors = [], [], []
    for a in range(r):
        slope = np.linalg.norm(gradients(level.feet, level.dictionary, level.coefficients)[:, a], axis=1)
        columns = theta / np.maximum(slope, 0.05 * np.median(slope))[:, None]
        q, _, solve = _orthonormal(columns[:, :p])
        inside = q.T @ columns[:, p:]
        fresh = columns[:, p:] - q @ inside
        left, values, right = np.linalg.svd(fresh, full_matrices=False)
        seen = values > 1e-6 * max(float(np.linalg.norm(columns, 2)), 1e-300)
        length, mix = values[seen], right[seen].T
        flat = np.zeros((r, n_rich, int(seen.sum())))
        flat[a, p:] = mix
        flat[a, :p] = -(solve @ inside) @ mix
        blocks.append(flat.reshape(r * n_rich, -1))
        estimates.append(left[:, seen].T @ e[:, a] / length)
        errors.append(e[:, a].std() / length)
    return np.hstack(blocks), np.concatenate(estimates), np.concatenate(errors)


def _orthonormal(columns: Array) -> tuple[Array, Array, Array]:
    """An orthonormal basis q of the columns, their singular values, and B with columns @ B = q."""
    left, values, right = np.linalg.svd(columns, full_matrices=False)
    kept = values > 1e-9 * values[0]
    return left[:, kept], values[kept], right[kept].T / values[kept]
