"""Functions of noisy states with the bias of the measurement noise removed, and the variance that the noise leaves in them.

With y = x + e, e ~ N(0, diag(s^2)), the monomial x^a is estimated without bias by a product of scaled Hermite polynomials,
g_a(y) = prod_k g_{a_k}(y_k), g_{j+1}(y) = y g_j(y) - j s^2 g_{j-1}(y), and its second moments follow from

    E g_a g_b = sum_k s^(2k) / k! (a)_k (b)_k x^(a + b - 2k),     k a multi-index, (a)_k the falling factorial,

so that the noise covariance is the sum over k != 0 with x^(a+b-2k) replaced by g_(a+b-2k)(y). Nothing cancels in it, however
small the noise. Other functions are corrected to second order in s: theta - 1/2 sum_k s_k^2 d_k^2 theta.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import factorial

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..dictionary import Dictionary, Monomials

_MOST_MOMENTS = 30_000
_MOST_PAIRS = 40_000_000  # entries (p, p) times terms of the Mehler sum
_BLOCK = 4_000_000  # numbers held at a time
_STEP = 1e-4  # of the spread of a state: second derivatives from differences of exact first ones

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Unbiased:
    """A dictionary seen through measurement noise of known size.

    Attributes
    ----------
    dictionary
        The p functions.
    sd
        (n,) standard deviation of the noise of each state.
    spread
        (n,) standard deviation of each state, the scale of numerical differences.
    """

    dictionary: Dictionary
    sd: Array
    spread: Array

    @cached_property
    def exact(self) -> bool:
        """Whether all moments are free of bias, not to second order only."""
        if not isinstance(self.dictionary, Monomials):
            return False
        a = self.dictionary.exponents
        base = 2 * int(a.max(initial=0)) + 1
        if base ** a.shape[1] >= 2**62:
            return False
        codes = a @ _digits(base, a.shape[1])
        n_moments = len(np.unique(codes[:, None] + codes[None, :]))
        return n_moments <= _MOST_MOMENTS and len(_orders(a)) * len(a) ** 2 <= _MOST_PAIRS

    def values(self, y: Array) -> Array:
        """Estimates of theta(x) at noisy states y (m, n) -> (m, p)."""
        if isinstance(self.dictionary, Monomials):
            return hermite(self.dictionary.exponents, y, self.sd)
        return self.dictionary.evaluate(y) - self.correction(y)

    def correction(self, y: Array) -> Array:
        """The second-order bias 1/2 sum_k s_k^2 d_k^2 theta, (m, p)."""
        out = np.zeros((len(y), self.dictionary.n_terms))
        for k in np.flatnonzero(self.sd > 0):
            step = np.zeros(len(self.sd))
            step[k] = min(_STEP * self.spread[k], 0.1 * self.sd[k]) or _STEP
            up = self.dictionary.jacobian(y + step)[:, :, k]
            out += 0.25 * self.sd[k] ** 2 * (up - self.dictionary.jacobian(y - step)[:, :, k]) / step[k]
        return out

    def noise_grams(self, y: Array, weights: Array) -> Array:
        """sum_i w_i V(x_i), V the noise covariance of `values`; weights (m, w) -> (w, p, p)."""
        if not self.sd.any():
            return np.zeros((weights.shape[1], self.dictionary.n_terms, self.dictionary.n_terms))
        if self.exact:
            assert isinstance(self.dictionary, Monomials)
            return _mehler(self.dictionary.exponents, y, weights, self.sd)
        return self._first_order(y, weights[:, None, :] * self.sd[None, :, None] ** 2)

    def slope_grams(self, y: Array, weights: Array) -> Array:
        """sum_ik w_ik d_k theta d_k theta^T at the noise-free states; weights (m, n, w) -> (w, p, p)."""
        if self.exact and self.sd.any():
            assert isinstance(self.dictionary, Monomials)
            return _slopes(self.dictionary.exponents, y, weights, self.sd)
        return self._first_order(y, weights)

    def _first_order(self, y: Array, weights: Array) -> Array:
        n, p = self.dictionary.n_states, self.dictionary.n_terms
        out = np.zeros((weights.shape[2], p, p))
        for part in _blocks(len(y), p * n):
            slopes = self.dictionary.jacobian(y[part])
            for w in range(weights.shape[2]):
                rows = slopes * np.sqrt(weights[part, None, :, w])
                flat = rows.transpose(0, 2, 1).reshape(-1, p)
                out[w] += flat.T @ flat
        return out


def hermite(exponents: Indices, y: Array, sd: Array) -> Array:
    """g_a(y) = prod_k g_(a_k)(y_k) for each row a of the exponents (p, n); y (m, n) -> (m, p).

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.constancy import hermite
    >>> hermite(np.array([[2, 0], [1, 1]]), np.array([[3.0, 2.0]]), np.array([0.5, 0.5])).tolist()
    [[8.75, 6.0]]
    """
    out = np.ones((len(y), len(exponents)))
    for k in range(y.shape[1]):
        out *= _table(int(exponents[:, k].max(initial=0)), y[:, k], sd[k])[:, exponents[:, k]]
    return out


def _table(degree: int, y: Array, sd: float) -> Array:
    """g_0 .. g_degree at y, (m, degree + 1)."""
    out = np.ones((len(y), degree + 1))
    if degree:
        out[:, 1] = y
    for j in range(1, degree):
        out[:, j + 1] = y * out[:, j] - j * sd**2 * out[:, j - 1]
    return out


def _orders(exponents: Indices) -> list[tuple[int, ...]]:
    """Multi-indices k != 0 that are at most some row of the exponents."""
    found: set[tuple[int, ...]] = set()
    for row in exponents.tolist():
        if tuple(row) not in found:
            found.update(product(*(range(e + 1) for e in row)))
    return sorted(k for k in found if any(k))


def _moments(y: Array, weights: Array, sd: Array, wanted: Indices) -> Array:
    """sum_i w_i g_c(y_i) for each row c of the wanted exponents; weights (m, w) -> (w, number of rows)."""
    out = np.zeros((weights.shape[1], len(wanted)))
    for part in _blocks(len(y), len(wanted)):
        out += weights[part].T @ hermite(wanted, y[part], sd)
    return out


def _mehler(exponents: Indices, y: Array, weights: Array, sd: Array) -> Array:
    """The sum over k != 0, every moment computed once."""
    orders = [k for k in _orders(exponents) if all(s > 0 for s, j in zip(sd, k) if j)]
    table = _MomentTable.of(exponents, orders, y, weights, sd)
    out = np.zeros((weights.shape[1], len(exponents), len(exponents)))
    for k in orders:
        factor = _falling(exponents, k)
        live = np.flatnonzero(factor)
        size = float(np.prod([s ** (2 * j) / factorial(j) for s, j in zip(sd, k)]))
        block = size * np.outer(factor[live], factor[live]) * table.block(live, k)
        out[:, live[:, None], live[None, :]] += block
    return out


def _slopes(exponents: Indices, y: Array, weights: Array, sd: Array) -> Array:
    p, n = exponents.shape
    out = np.zeros((weights.shape[2], p, p))
    for k in range(n):
        unit = tuple(int(i == k) for i in range(n))
        live = np.flatnonzero(exponents[:, k])
        table = _MomentTable.of(exponents, [unit], y, weights[:, k], sd)
        factor = exponents[live, k].astype(float)
        out[:, live[:, None], live[None, :]] += np.outer(factor, factor) * table.block(live, unit)
    return out


@dataclass(frozen=True, eq=False)
class _MomentTable:
    """Weighted sums of g_c(y) for every c = a + b - 2k that occurs; exponents are numbered in the base."""

    codes: Indices
    base: int
    numbers: Indices
    moments: Array

    @classmethod
    def of(
        cls, exponents: Indices, orders: list[tuple[int, ...]], y: Array, weights: Array, sd: Array
    ) -> _MomentTable:
        n = exponents.shape[1]
        base = 2 * int(exponents.max(initial=0)) + 1
        codes = exponents @ _digits(base, n)
        parts = [np.zeros(1, dtype=np.intp)]
        for k in orders:
            own = codes[np.flatnonzero(_falling(exponents, k))]
            parts.append(np.unique(own[:, None] + own[None, :]) - 2 * int(np.dot(k, _digits(base, n))))
        numbers = np.unique(np.concatenate(parts))
        wanted = (numbers[:, None] // _digits(base, n)[None, :]) % base
        return cls(codes, base, numbers, _moments(y, weights, sd, wanted))

    def block(self, live: Indices, k: tuple[int, ...]) -> Array:
        """The moments of a + b - 2k for the chosen rows a, b: (w, len(live), len(live))."""
        own = self.codes[live]
        wanted = own[:, None] + own[None, :] - 2 * int(np.dot(k, _digits(self.base, len(k))))
        return self.moments[:, np.searchsorted(self.numbers, wanted)]


def _digits(base: int, n: int) -> Indices:
    return np.array([base**k for k in range(n)], dtype=np.intp)


def _falling(exponents: Indices, k: tuple[int, ...]) -> Array:
    """prod_i a_i (a_i - 1) .. (a_i - k_i + 1), (p,)."""
    out = np.ones(len(exponents))
    for i, order in enumerate(k):
        for j in range(order):
            out *= np.maximum(exponents[:, i] - j, 0)
    return out


def _blocks(m: int, width: int) -> list[slice]:
    size = max(1, _BLOCK // max(width, 1))
    return [slice(start, min(start + size, m)) for start in range(0, m, size)]
