"""One bound for all directions of a subspace that was chosen with the data that test it.

Let A be the matrix of B(., f) for the true field, A + E the one of the fit, E linear in the errors of the coefficients. The
subspace V holds the least broken directions of the fit, W the others, U is an orthonormal basis of the range of (A + E) W. To
first order in E the chosen V is the least broken subspace of the truth tilted so that

    true residual      A V       = (1 - U U^T) R - U U^T E V,
    residual of the fit (A + E) V = (1 - U U^T) (R + E V),

R the smallest residual that the truth allows. What the choice of V took out of the residual of the fit (U U^T E V) is
exactly what it put into the true one, and the two parts are nearly independent. So with G_c the covariance of
(1 - U U^T) E V c,

    est  = largest eigenvalue of  V^T (A+E)^T (A+E) V - mean of ((1-UU^T) E V)^T ((1-UU^T) E V)

falls short of the largest true |A V c|^2 = u by at most

    |U^T E V|^2 + tr G_c - |g|^2 - 2 w . g,      g ~ N(0, G_c),   |w|^2 = u - |U^T E V|^2,

whose quantile is found by simulation, with w in the direction of the largest eigenvalue of G_c and c the direction of the
largest variance. Only one direction c enters the second part: if the truth is u at c, the largest eigenvalue is at least the
value at c.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._checks import Array, frozen

_DRAWS = 2000
_TRIED = 4  # directions of a subspace that are tried as the noisiest, of each of two kinds


@dataclass(frozen=True, eq=False)
class SubspaceBound:
    """The distribution of what the fit hides of the defect of a subspace.

    Attributes
    ----------
    estimate
        Unbiased estimate of the largest |A V c|^2 over unit vectors c.
    tilt
        Draws of the squared residual that the choice of the subspace put into the truth.
    left
        Draws of tr G - |g|^2 in the noisiest direction.
    cross
        Draws of w . g for a unit vector w in the noisiest direction.
    """

    estimate: float
    tilt: Array
    left: Array
    cross: Array

    def upper(self, alpha: float, moved: float = 0.0) -> float:
        """Upper bound of |A v|^2, at level alpha, for all v within `moved` (a norm of U^T (A + E) v) of the subspace.

        The largest u that is not rejected: u < est + quantile of the shortfall at u.
        """
        tilt = (np.sqrt(self.tilt) + moved) ** 2

        def beyond(u: float) -> float:
            short = tilt + self.left - 2 * np.sqrt(np.maximum(u - tilt, 0.0)) * self.cross
            return self.estimate + float(np.quantile(short, 1 - alpha)) - u

        high = max(abs(self.estimate), float(tilt.max()), 1e-300)
        while beyond(high) > 0:
            high *= 2
        low = 0.0
        for _ in range(40):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if beyond(middle) > 0 else (low, middle)
        return high


def bound_subspace(residual: Array, outside: Array, noise: Array, delta2: float) -> SubspaceBound:
    """The bound for the span of d directions.

    Parameters
    ----------
    residual
        (A + E) V, (rows, d).
    outside
        U, (rows, k) orthonormal: the range of (A + E) W.
    noise
        (d, rows, s): the image of V's i-th direction under coefficient errors of unit covariance; E V_i = noise[i] @ N(0, 1).
    delta2
        The tolerance of |A V c|^2, at which the noisiest direction is picked.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.certify import bound_subspace
    >>> nothing = np.zeros((3, 0))
    >>> bound = bound_subspace(np.zeros((3, 1)), nothing, 0.01 * np.eye(3)[None], 0.05**2)
    >>> bool(np.sqrt(bound.upper(0.05)) < 0.03)
    True
    """
    d = len(noise)
    inside = np.einsum("rk,drs->dks", outside, noise, optimize=True)
    flat = noise.reshape(d, -1), inside.reshape(d, -1)
    mean = flat[0] @ flat[0].T - flat[1] @ flat[1].T
    kept = residual - outside @ (outside.T @ residual)
    estimate = float(np.linalg.eigvalsh(kept.T @ kept - mean)[-1])
    draws = np.random.default_rng(0)
    spread = _noisiest(noise, inside, mean, delta2)
    tilt = _tilts(inside, draws)
    normal = draws.standard_normal((len(spread), _DRAWS))
    left = float(spread.sum()) - spread @ normal**2
    cross = np.sqrt(spread[-1]) * normal[-1] if len(spread) else np.zeros(_DRAWS)
    return SubspaceBound(estimate, frozen(tilt), frozen(left), frozen(cross))


def _noisiest(noise: Array, inside: Array, mean: Array, delta2: float) -> Array:
    """Eigenvalues of G_c, ascending, for the direction c of largest variance 2 tr G^2 + 4 delta^2 largest(G)."""
    d = len(noise)
    order = np.argsort(np.diag(mean))[::-1][:_TRIED]
    _, vectors = np.linalg.eigh(mean)
    tried = [np.eye(d)[i] for i in order]
    if d > 1:
        tried += list(vectors.T[::-1][:_TRIED])
    best, most = np.zeros(0), -1.0
    for c in tried:
        full, part = np.tensordot(c, noise, 1), np.tensordot(c, inside, 1)
        values = np.maximum(np.linalg.eigvalsh(full.T @ full - part.T @ part), 0.0)
        variance = 2 * float(np.sum(values**2)) + 4 * delta2 * float(values[-1]) if len(values) else 0.0
        if variance > most:
            best, most = values, variance
    return best


def _tilts(inside: Array, draws: np.random.Generator) -> Array:
    """Draws of the largest eigenvalue of (U^T E V)^T (U^T E V)."""
    d, k, s = inside.shape
    if d * k == 0 or s == 0:
        return np.zeros(_DRAWS)
    rows = inside.reshape(d * k, s)
    if d * k < s:
        # Fewer numbers are drawn from a square root of their covariance.
        values, vectors = np.linalg.eigh(rows @ rows.T)
        rows = vectors * np.sqrt(np.maximum(values, 0.0))
    sample = (rows @ draws.standard_normal((rows.shape[1], _DRAWS))).reshape(d, k, _DRAWS)
    if d == 1:
        return np.asarray(np.sum(sample[0] ** 2, axis=0))
    return np.linalg.eigvalsh(np.einsum("dkn,ekn->nde", sample, sample, optimize=True))[:, -1]
