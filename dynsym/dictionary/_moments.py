"""Which products of two monomials give every moment once: what a Gram matrix of monomials costs at least.

The entry (i, j) of sum_k w_k^2 theta_i(x_k) theta_j(x_k) is the moment of the monomial theta_i theta_j, and many pairs
share one: 20 monomials of degree 3 in 3 states have 210 pairs but 84 moments. Products of a few of the monomials with
all of them contain every moment, in one matrix product.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class MomentCover:
    """Rows of a Gram matrix of monomials that hold all its entries.

    Attributes
    ----------
    rows
        (s,) monomials whose products with all p give every moment, ascending.
    place
        (p, p) position in the flattened rows (s, p) at which the moment of a pair stands.
    """

    rows: Indices
    place: Indices


def moment_cover(exponents: Indices) -> MomentCover:
    """A small cover of the moments of monomials with exponents (p, n): greedily, which is within a logarithm of the least.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.dictionary import moment_cover
    >>> len(moment_cover(dy.Monomials(3, 5).exponents).rows)  # of 56
    10

    References
    ----------
    Chvatal (1979), A greedy heuristic for the set-covering problem, Mathematics of Operations Research 4.
    """
    p = len(exponents)
    base = 2 * int(exponents.max(initial=0)) + 1
    # An exponent vector as one number: exact in floating point up to 2^53, in Python integers beyond.
    digits = [base**k for k in range(exponents.shape[1])]
    exact = base ** exponents.shape[1] < 2**62
    codes = exponents.astype(np.int64 if exact else object) @ np.array(digits, np.int64 if exact else object)
    _, number = np.unique((codes[:, None] + codes[None, :]).ravel(), return_inverse=True)
    number = number.reshape(p, p)
    chosen = _greedy(number)
    place = np.full(int(number.max(initial=-1)) + 1, -1, dtype=np.intp)
    held = number[chosen].ravel()
    place[held[::-1]] = np.arange(held.size)[::-1]
    return MomentCover(chosen, place[number])


def _greedy(number: Indices) -> Indices:
    """Rows of `number` that contain all its values, each the one with most new values."""
    missing = np.ones(int(number.max(initial=-1)) + 1, dtype=bool)
    # What a row would add only shrinks: a row whose count is still the largest after it was counted again is the best.
    heap = [(-len(number), row) for row in range(len(number))]
    chosen = []
    while missing.any():
        _, row = heapq.heappop(heap)
        gain = int(np.count_nonzero(missing[number[row]]))
        if heap and (-gain, row) > heap[0]:
            heapq.heappush(heap, (-gain, row))
            continue
        chosen.append(row)
        missing[number[row]] = False
    return np.array(sorted(chosen), dtype=np.intp)
