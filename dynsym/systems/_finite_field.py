"""Exact dimensions: null spaces of Lie derivatives, computed without rounding in the field with p elements.

Why this proves the table. Every expression in the table is rational in the states, in square roots, and in
sin, cos, log of single states, with rational coefficients. Replacing the states by residues modulo a prime p
(a square root by a root modulo p, the pair sin, cos by a point of the circle) respects sums and products, so
an identity that holds exactly also holds for the residues. Ranks can therefore only drop: a null space found
modulo p is at least as large as the true one, and when it is no larger than the list of verified elements,
that list is complete.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import sympy

from .._checks import DataError, require

PRIME = 2**31 - 1  # products of two residues fit in 64 bits; 3 mod 4 gives square roots by one power, and
# makes -1 a non-square, so that 1 + u^2 below is never zero

Residues = npt.NDArray[np.int64]


def power(base: Residues, exponent: int) -> Residues:
    """base ** exponent modulo `PRIME`, elementwise, for exponent >= 0."""
    out = np.ones_like(base)
    square = base % PRIME
    while exponent:
        if exponent & 1:
            out = out * square % PRIME
        square = square * square % PRIME
        exponent >>= 1
    return out


def rank(matrix: Residues) -> int:
    """Rank modulo `PRIME` of an integer matrix, by elimination."""
    a = matrix % PRIME
    row = 0
    for column in range(a.shape[1]):
        below = np.flatnonzero(a[row:, column])
        if below.size == 0:
            continue
        pivot = row + below[0]
        a[[row, pivot]] = a[[pivot, row]]
        a[row] = a[row] * pow(int(a[row, column]), -1, PRIME) % PRIME
        a[row + 1 :] = (a[row + 1 :] - a[row + 1 :, column, None] * a[row]) % PRIME
        row += 1
        if row == a.shape[0]:
            break
    return row


class RandomPoints:
    """Homomorphism from expressions in the states to residues, at m random points.

    Points at which a root or an inverse does not exist are marked, and dropped by `values`.
    """

    def __init__(self, symbols: Sequence[sympy.Symbol], m: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._m = m
        self._valid = np.ones(m, dtype=bool)
        self._known: dict[sympy.Basic, Residues] = {}
        for symbol in symbols:
            self._known[symbol] = rng.integers(1, PRIME, size=m)
            half = rng.integers(1, PRIME, size=m)  # tangent of half the angle
            inverse = power(1 + half * half % PRIME, PRIME - 2)
            self._known[sympy.sin(symbol)] = 2 * half % PRIME * inverse % PRIME
            self._known[sympy.cos(symbol)] = (1 - half * half % PRIME) % PRIME * inverse % PRIME
            self._known[sympy.log(symbol)] = rng.integers(1, PRIME, size=m)

    def values(self, expressions: sympy.Matrix, at_least: int) -> Residues:
        """Residues of a matrix of expressions at the valid points, shape (points, rows, columns)."""
        rows, columns = expressions.shape
        out = np.empty((self._m, rows, columns), dtype=np.int64)
        for i in range(rows):
            for j in range(columns):
                out[:, i, j] = self._value(sympy.expand_trig(sympy.sympify(expressions[i, j])))
        kept = out[self._valid]
        require(
            len(kept) >= at_least,
            f"only {len(kept)} of {self._m} random points have all the roots, need {at_least}; draw more",
        )
        return kept

    def _value(self, expression: sympy.Basic) -> Residues:
        if expression not in self._known:
            self._known[expression] = self._compute(expression)
        return self._known[expression]

    def _compute(self, expression: sympy.Basic) -> Residues:
        if expression.is_Rational:
            value = int(expression.p) * pow(int(expression.q), -1, PRIME) % PRIME
            return np.full(self._m, value, dtype=np.int64)
        if expression.is_Add or expression.is_Mul:
            total = self._value(expression.args[0])
            for part in expression.args[1:]:
                other = self._value(part)
                total = (total + other if expression.is_Add else total * other) % PRIME
            return total
        if expression.is_Pow and expression.exp.is_Rational and expression.exp.q <= 2:
            return self._power(self._value(expression.base), expression.exp)
        raise DataError(
            f"no exact residue for {expression}; use sums, products, rational powers, square roots, "
            "and sin, cos, log of single states"
        )

    def _power(self, base: Residues, exponent: sympy.Rational) -> Residues:
        if exponent.q == 2:
            root = power(base, (PRIME + 1) // 4)
            self._valid &= root * root % PRIME == base % PRIME
            base = root
        if exponent.p < 0:
            self._valid &= base % PRIME != 0
            base = power(base, PRIME - 2)
        return power(base, abs(int(exponent.p)))
