"""Test functions of the weak form as weights on samples, exact for polynomials on any grid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .._checks import Array
from ._stencils import is_even, quadrature_weights

_POWER = 6  # (1 - s^2)^6 and its first five derivatives vanish at both ends
_OVERLAP = 5  # test functions per half-width
_EXACT_DEGREE = 8


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
    if is_even(t):
        return _even_weights(len(t), float((t[-1] - t[0]) / (len(t) - 1)), float(half_width))
    return _weights(t - t[0], half_width)


@lru_cache(maxsize=16)
def _even_weights(m: int, step: float, half_width: float) -> tuple[Array, Array]:
    left, right = _weights(np.arange(m, dtype=float) * step, half_width)
    left.flags.writeable = right.flags.writeable = False
    return left, right


def _weights(t: Array, half_width: float) -> tuple[Array, Array]:
    length = float(t[-1])
    half = min(half_width, length / 2)
    count = max(2, min(int(_OVERLAP * (length - 2 * half) / half) + 1, len(t) // 2))
    centres = np.linspace(half, length - half, count) if length > 2.02 * half else np.array([length / 2])
    s = (t[None, :] - centres[:, None]) / half
    inside = np.maximum(1 - s**2, 0.0)
    phi = inside**_POWER
    weight = quadrature_weights(t)
    right = phi * weight
    left = 2 * _POWER * s * inside ** (_POWER - 1) / half * weight
    for i in range(len(centres)):
        _make_exact(left[i], right[i], s[i], phi[i], half)
    return left, right


def _make_exact(left: Array, right: Array, s: Array, phi: Array, half: float) -> None:
    """Least change of `left`, weighted by phi, to sum left s^d = sum right d s^(d-1) / half for all low d."""
    used = phi > 1e-12
    degree = min(_EXACT_DEGREE, int(used.sum()) - 1)
    if degree < 1:
        return
    powers = s[used] ** np.arange(degree + 1)[:, None]
    wanted = np.zeros(degree + 1)
    wanted[1:] = np.arange(1, degree + 1) * (powers[:-1] @ right[used]) / half
    root = np.sqrt(phi[used])
    change, *_ = np.linalg.lstsq(powers * root, wanted - powers @ left[used], rcond=1e-10)
    left[used] += root * change
