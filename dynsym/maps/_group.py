"""Finite groups of maps: closure, and the name of a small group through the orders of its elements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np
import numpy.typing as npt

from .._checks import Array, require
from ._affine import AffineMap

_LIMIT = 400
_SAME = 1e-7


@dataclass(frozen=True, eq=False)
class FiniteGroup:
    """The maps that some maps generate, the identity first.

    Attributes
    ----------
    elements
        All of them; those that reverse time included.
    generators
        Maps among them that generate the others: of those that were given, each that the earlier ones do not generate.

    Examples
    --------
    >>> import dynsym as dy
    >>> square = dy.maps.group_of([dy.maps.rotation(("x", "y"), order=4), dy.maps.reflection("x", ("x", "y"))])
    >>> square.name, len(square)
    ('D4', 8)
    """

    elements: tuple[AffineMap, ...]
    generators: tuple[AffineMap, ...] = ()

    def __len__(self) -> int:
        return len(self.elements)

    def __contains__(self, one: object) -> bool:
        return isinstance(one, AffineMap) and any(one.same_as(g, 1e-6) for g in self.elements)

    @cached_property
    def table(self) -> npt.NDArray[np.intp]:
        """(k, k): the number of g_i g_j."""
        every = _Register()
        for g in self.elements:
            every.add(g)
        return np.array([[every.place(a @ b) for b in self.elements] for a in self.elements])

    @cached_property
    def orders(self) -> tuple[int, ...]:
        """The order of each element."""
        return tuple(g.order(len(self)) or 0 for g in self.elements)

    @cached_property
    def is_abelian(self) -> bool:
        """Whether all elements commute."""
        return bool(np.array_equal(self.table, self.table.T))

    @cached_property
    def centre_size(self) -> int:
        """How many elements commute with all."""
        return int(np.sum(np.all(self.table == self.table.T, axis=1)))

    @property
    def name(self) -> str:
        """The name up to isomorphism: order statistics and centre tell apart all groups named here."""
        return _name(len(self), Counter(self.orders), self.is_abelian, self.centre_size)

    def __str__(self) -> str:
        rows = [f"  {g.expression}" for g in self.elements[:12]]
        more = [f"  and {len(self) - 12} more"] if len(self) > 12 else []
        return "\n".join([f"{self.name}, {len(self)} elements", *rows, *more])


def group_of(maps: AffineMap | Sequence[AffineMap], limit: int = _LIMIT) -> FiniteGroup:
    """The group that the maps generate, by closing under composition.

    Parameters
    ----------
    maps
        At least one.
    limit
        Most elements.

    Raises
    ------
    DataError
        If the limit is passed: the group is larger, or not finite.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.maps.group_of(dy.maps.permutation([1, 2, 0])).name
    'Z3'
    """
    every = [maps] if isinstance(maps, AffineMap) else list(maps)
    require(len(every) > 0, "a group needs at least one map, got none")
    names = every[0].names
    for one in every:
        require(
            one.names == names, f"maps over different states: {', '.join(one.names)} and {', '.join(names)}"
        )
    known = _Register()
    known.add(AffineMap(np.eye(len(names)), None, names, label="identity"))
    chosen: list[AffineMap] = []
    for one in every:
        if known.place(one) < 0:
            chosen.append(one)
            _close(known, chosen, limit)
    return FiniteGroup(tuple(known.maps), tuple(chosen))


def _close(known: _Register, generators: Sequence[AffineMap], limit: int) -> None:
    """Add products until there are no new ones."""
    fresh = list(known.maps)
    while fresh:
        before = len(known.maps)
        for b in fresh:
            for a in generators:
                g = a @ b
                if known.place(g) < 0:
                    known.add(g)
                    require(
                        len(known.maps) <= limit and float(np.abs(g.matrix).max()) < 1e8,
                        f"the maps generate more than {limit} maps; the group is larger or not finite",
                    )
        fresh = known.maps[before:]


class _Register:
    """Maps with their place: all entries of all maps in one array, since groups of hundreds are compared pair by pair."""

    def __init__(self) -> None:
        self.maps: list[AffineMap] = []
        self._rows = np.zeros((0, 0))

    def add(self, one: AffineMap) -> None:
        row = _row(one)
        self.maps.append(one)
        if len(self.maps) > len(self._rows):
            grown = np.full((max(16, 2 * len(self._rows)), len(row)), np.inf)
            if len(self.maps) > 1:
                grown[: len(self.maps) - 1] = self._rows[: len(self.maps) - 1]
            self._rows = grown
        self._rows[len(self.maps) - 1] = row

    def place(self, one: AffineMap) -> int:
        """The number of a map among those added, or -1; products of many rotations differ by rounding."""
        if not self.maps:
            return -1
        row = _row(one)
        gap = np.abs(self._rows[: len(self.maps)] - row).max(axis=1)
        near = int(np.argmin(gap))
        return near if gap[near] <= _SAME * max(1.0, float(np.abs(row).max())) else -1


def _row(one: AffineMap) -> Array:
    return np.concatenate([one.matrix.ravel(), one.shift, [one.sign]])


def _name(size: int, orders: Counter[int], abelian: bool, centre: int) -> str:
    if size == 1:
        return "trivial"
    if abelian:
        return " x ".join(f"Z{k}" for k in _invariant_factors(size, orders))
    if size % 2 == 0 and _is_dihedral(size // 2, orders):
        return "S3" if size == 6 else f"D{size // 2}"
    known = {
        (8, 1): "Q8",
        (12, 3): "A4",
        (24, 9): "S4",
        (24, 7): "A4 x Z2",
        (48, 19): "S4 x Z2",
        (60, 15): "A5",
        (120, 25): "S5",
        (120, 31): "A5 x Z2",
    }
    if (size, orders[2]) in known and centre == (2 if "Z2" in known[size, orders[2]] or size == 8 else 1):
        return known[size, orders[2]]
    half = size // 2
    if half % 2 == 0 and centre % 2 == 0 and _is_dihedral_times_two(half // 2, orders):
        return f"D{half // 2} x Z2"
    return f"group of order {size}"


def _dihedral(k: int) -> Counter[int]:
    out = Counter(k // gcd(k, i) for i in range(k))
    out[2] += k
    return out


def _is_dihedral(k: int, orders: Counter[int]) -> bool:
    return k >= 3 and orders == _dihedral(k)


def _is_dihedral_times_two(k: int, orders: Counter[int]) -> bool:
    """Whether the orders are those of D_k x Z2, for even k; for odd k that is D_2k."""
    product: Counter[int] = Counter()
    for order, count in _dihedral(k).items():
        product[order] += count
        product[order * 2 // gcd(order, 2)] += count
    return k >= 4 and k % 2 == 0 and orders == product


def _invariant_factors(size: int, orders: Counter[int]) -> list[int]:
    """Cyclic factors d1 >= d2 >= ..., each a multiple of the next, of the abelian group with these orders of elements.

    The number of elements with g^k = 1 is the product of gcd(k, d_i); prime by prime this gives the exponents.
    """
    factors: list[int] = []
    for prime in _primes(size):
        last, power, ranks = 1, prime, []
        while True:
            count = sum(c for order, c in orders.items() if power % order == 0)
            rank = round(np.log(count / last) / np.log(prime))
            if rank <= 0:
                break
            ranks.append(rank)
            last, power = count, power * prime
        for i in range(ranks[0]):
            exponent = sum(rank > i for rank in ranks)
            if i == len(factors):
                factors.append(1)
            factors[i] *= prime**exponent
    return factors


def _primes(size: int) -> list[int]:
    return [p for p in range(2, size + 1) if size % p == 0 and all(p % q for q in range(2, p))]
