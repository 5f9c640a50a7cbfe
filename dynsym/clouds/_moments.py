"""Moments of monomials of noisy points, with the bias of isotropic normal noise removed.

If x = y + e with e ~ N(0, s), then E He_a(x; s) = y^a for the Hermite polynomials of variance s, coordinate by coordinate:
He_0 = 1, He_1 = x, He_(k+1) = x He_k - k s He_(k-1).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..dictionary import Monomials


def hermite_table(x: Array, degree: int, variance: float) -> Array:
    """He_k(x_j; s) for k = 0..degree, (degree + 1, m, n)."""
    out = np.ones((degree + 1, *x.shape))
    if degree:
        out[1] = x
    for k in range(1, degree):
        out[k + 1] = x * out[k] - k * variance * out[k - 1]
    return out


def corrected_values(x: Array, dictionary: Monomials, variance: float) -> Array:
    """Values (m, p) whose expectation is that of the monomials at the points without noise.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> from dynsym.clouds import corrected_values
    >>> corrected_values(np.array([[2.0]]), dy.Monomials(1, 2), 0.5).tolist()
    [[1.0, 2.0, 3.5]]
    """
    return _products(hermite_table(x, dictionary.degree, variance), dictionary.exponents)


def _products(table: Array, exponents: npt.NDArray[np.intp]) -> Array:
    out = np.ones((table.shape[1], len(exponents)))
    for j in range(table.shape[2]):
        out *= table[exponents[:, j], :, j].T
    return out


def corrected_gram(x: Array, dictionary: Monomials, variance: float) -> Array:
    """Mean of y^(a+b) over the points without noise, (p, p), estimated from the noisy ones.

    References
    ----------
    Kukush, Markovsky, Van Huffel (2004), Consistent estimation in an implicit quadratic measurement error model,
    Computational Statistics and Data Analysis 47, for the adjusted least squares that this leads to.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> from dynsym.clouds import corrected_gram
    >>> corrected_gram(np.array([[1.0], [-1.0]]), dy.Monomials(1, 1), 0.25).tolist()
    [[1.0, 0.0], [0.0, 0.75]]
    """
    sums, place = _sums(dictionary)
    means = _products(hermite_table(x, 2 * dictionary.degree, variance), sums).mean(axis=0)
    return means[place]


def corrected_scores(x: Array, dictionary: Monomials, variance: float, coefficients: Array) -> Array:
    """M_i c of each point, (m, r, p): the terms whose mean `corrected_gram` times c is."""
    sums, place = _sums(dictionary)
    values = _products(hermite_table(x, 2 * dictionary.degree, variance), sums)
    return np.stack([np.stack([values[:, row] @ c for row in place], axis=1) for c in coefficients], axis=1)


def _sums(dictionary: Monomials) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """All a + b once, and where the sum of each pair stands, (p, p)."""
    a = dictionary.exponents
    every = (a[:, None] + a[None]).reshape(-1, a.shape[1])
    sums, place = np.unique(every, axis=0, return_inverse=True)
    return sums, place.reshape(len(a), len(a))
