"""Test functions of the weak form as weights on samples, exact for polynomials on any grid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..trajectory._times import even_step

_POWER = 6  # (1 - s^2)^6 and its first five derivatives vanish at both ends
_OVERLAP = 5  # test functions per half-width
_EXACT_DEGREE = 8
_LOWEST_DEGREE = 3  # a test function that is not exact for cubics is left out
_AMPLIFICATION = 1.5  # largest growth of the weights, and so of the noise, that exactness may cost


def test_function_weights(t: Array, half_width: float) -> tuple[Array, Array]:
    """Weights (left, right), (k, m) each, with left @ x = right @ dx/dt for x a polynomial of degree up to 8.

    right integrates phi(t) = (1 - s^2)^6, s = (t - centre) / half_width, against a sampled function; left
    starts from the integral of - phi'(t) and is moved, as little as possible and inside the support, until
    integration by parts holds exactly for polynomials: sums over a few samples are not integrals. Centres are
    spread evenly, five per half-width.

    Parameters
    ----------
    t
        Increasing times (m,), any spacing, at least 8.
    half_width
        Half the support of phi, in units of t; cut to half of the record.
    """
    step = even_step(t)
    if step is not None:
        return even_weights(len(t), step, float(half_width))
    return _weights(t - t[0], half_width)


@lru_cache(maxsize=16)
def even_weights(m: int, step: float, half_width: float) -> tuple[Array, Array]:
    """The weights of `test_function_weights` on m samples with one step."""
    left, right = _weights(np.arange(m, dtype=float) * step, half_width)
    left.flags.writeable = right.flags.writeable = False
    return left, right


def _weights(t: Array, half_width: float) -> tuple[Array, Array]:
    """Weights of the test functions that the samples support; wider ones where most are not supported."""
    length = float(t[-1])
    half = min(half_width, length / 2)
    while True:
        left, right, degree = _attempt(t, half)
        good = degree >= _LOWEST_DEGREE
        if good.mean() >= 0.5 or half >= length / 2:
            break
        half = min(1.5 * half, length / 2)
    if not good.any():
        good = degree == degree.max()
    return left[good], right[good]


def expected_count(length: float, half: float, m: int) -> int:
    """Number of test functions on m samples over a time `length`, before any is left out."""
    half = min(half, length / 2)
    return max(2, min(int(_OVERLAP * (length - 2 * half) / half) + 1, m // 2))


def _attempt(t: Array, half: float) -> tuple[Array, Array, npt.NDArray[np.intp]]:
    """All test functions of one width, (k, m) each, and the degree up to which each is exact, (k,)."""
    length = float(t[-1])
    count = expected_count(length, half, len(t))
    centres = np.linspace(half, length - half, count) if length > 2.02 * half else np.array([length / 2])
    s = (t[None, :] - centres[:, None]) / half
    inside = np.maximum(1 - s**2, 0.0)
    phi = inside**_POWER
    # Trapezoids: positive weights, whatever the spacing; exactness comes from the adjustment below.
    step = np.diff(t)
    weight = np.zeros(len(t))
    weight[:-1] += step / 2
    weight[1:] += step / 2
    right = phi * weight
    left = 2 * _POWER * s * inside ** (_POWER - 1) / half * weight
    degree = np.array([_make_exact(left[i], right[i], s[i], phi[i], half) for i in range(len(centres))])
    return left, right, degree


def _make_exact(left: Array, right: Array, s: Array, phi: Array, half: float) -> int:
    """Least change of `left`, weighted by phi, such that sum left s^d = sum right d s^(d-1) / half for all low d.

    The degree is the highest up to 8 whose weights do not amplify noise: on scattered samples a high one would. It is
    returned, 0 if there are too few samples.
    """
    used = phi > 1e-12
    root, start = np.sqrt(phi[used]), left[used].copy()
    for degree in range(min(_EXACT_DEGREE, int(used.sum()) - 1), 0, -1):
        powers = s[used] ** np.arange(degree + 1)[:, None]
        wanted = np.zeros(degree + 1)
        wanted[1:] = np.arange(1, degree + 1) * (powers[:-1] @ right[used]) / half
        change, *_ = np.linalg.lstsq(powers * root, wanted - powers @ start, rcond=1e-10)
        trial = start + root * change
        if np.linalg.norm(trial) <= _AMPLIFICATION * np.linalg.norm(start):
            left[used] = trial
            return degree
    return 0
