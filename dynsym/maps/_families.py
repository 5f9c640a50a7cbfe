"""The maps that physics asks about, by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from .._checks import Array, DataError, require, unique_names
from ._affine import AffineMap

_MOST_SIGNED = 7  # 2^n n! signed permutations: 645 120 for seven states


def _states(states: int | Sequence[str]) -> tuple[str, ...]:
    if isinstance(states, int):
        require(states >= 1, f"a map needs at least one state, got {states}")
        return tuple(f"x{i + 1}" for i in range(states))
    return unique_names("state", states.split() if isinstance(states, str) else states)


def _known(chosen: Sequence[str], names: tuple[str, ...]) -> None:
    unknown = [s for s in chosen if s not in names]
    require(not unknown, f"unknown states {', '.join(unknown)}; the states are: {', '.join(names)}")


def _flips(flipped: Sequence[str] | Sequence[int], names: tuple[str, ...]) -> Array:
    """(n,) signs: given as such, or as the names of the states that change sign."""
    chosen = flipped.split() if isinstance(flipped, str) else list(flipped)
    if chosen and all(isinstance(s, int | float | np.number) for s in chosen):
        signs = np.array(chosen, dtype=float)
        require(
            len(signs) == len(names) and bool((np.abs(signs) == 1).all()),
            f"signs must be {len(names)} numbers +1 or -1, got {chosen}",
        )
        return signs
    _known([str(s) for s in chosen], names)
    return np.array([-1.0 if name in chosen else 1.0 for name in names])


def parity(states: int | Sequence[str]) -> AffineMap:
    """x -> -x for all states.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.maps.parity(("x", "v")))
    (x, v) -> (-x, -v)
    """
    names = _states(states)
    return AffineMap(-np.eye(len(names)), None, names, label="parity")


def reflection(flipped: Sequence[str] | Sequence[int], states: int | Sequence[str]) -> AffineMap:
    """Some states change sign, the others stay.

    Parameters
    ----------
    flipped
        Names of those states, or n signs.
    states
        All names, or their number.

    Raises
    ------
    DataError
        For unknown states.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.maps.reflection(("x", "y"), ("x", "y", "z")))
    (x, y, z) -> (-x, -y, z)
    """
    names = _states(states)
    signs = _flips(flipped, names)
    return AffineMap(np.diag(signs), None, names, label="sign flip")


def time_reversal(flipped: Sequence[str] | Sequence[int], states: int | Sequence[str]) -> AffineMap:
    """t -> -t together with a change of sign of some states, usually velocities or momenta.

    Parameters
    ----------
    flipped
        Names of those states (may be none), or n signs.
    states
        All names, or their number.

    Raises
    ------
    DataError
        For unknown states.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.maps.time_reversal(("v",), ("x", "v")))
    (x, v) -> (x, -v), t -> -t
    """
    names = _states(states)
    return AffineMap(np.diag(_flips(flipped, names)), None, names, True, "time reversal")


def permutation(rule: str | Sequence[int], states: int | Sequence[str] | None = None) -> AffineMap:
    """States change places: g(x)_i = x_rule(i).

    Parameters
    ----------
    rule
        ``"x y z -> y z x"``, where the new x is the old y, or the n indices rule(i) from 0 on.
    states
        All names, or their number; default those of the rule.

    Raises
    ------
    DataError
        If the rule is no permutation.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.maps.permutation("x y -> y x", ("x", "y", "z")))
    (x, y, z) -> (y, x, z)
    >>> dy.maps.permutation([1, 2, 0]).order()
    3
    """
    if isinstance(rule, str):
        before, _, after = rule.partition("->")
        old, new = before.replace(",", " ").split(), after.replace(",", " ").split()
        require(
            sorted(old) == sorted(new) and len(set(old)) == len(old) > 0,
            f"a permutation needs the same names on both sides, such as 'x y -> y x', got {rule!r}",
        )
        names = _states(old if states is None else states)
        _known(old, names)
        moved = dict(zip(old, new))
        index = [names.index(moved.get(name, name)) for name in names]
    else:
        index = [int(i) for i in rule]
        names = _states(len(index) if states is None else states)
    require(
        sorted(index) == list(range(len(names))),
        f"a permutation of {len(names)} states needs each index from 0 to {len(names) - 1} once, got {index}",
    )
    return AffineMap(np.eye(len(names))[index], None, names, label="permutation")


def rotation(
    plane: Sequence[str] | Sequence[Sequence[str]],
    states: int | Sequence[str] | None = None,
    order: int | None = None,
    angle: float | None = None,
) -> AffineMap:
    """A turn of one plane of the states, or of several by the same angle.

    Parameters
    ----------
    plane
        Two names, or several pairs that turn together, such as ``[("x", "y"), ("vx", "vy")]``.
    states
        All names, or their number; default those of the planes.
    order
        The angle is 2 pi / order.
    angle
        Or the angle itself, in radians.

    Raises
    ------
    DataError
        Unless exactly one of order and angle is given, and the planes have two states each, all different.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.maps.rotation([("x", "y"), ("u", "v")], order=3).order()
    3
    """
    first = plane.split() if isinstance(plane, str) else list(plane)
    pairs = [tuple(first)] if all(isinstance(s, str) for s in first) else [tuple(p) for p in first]
    inside = [str(s) for pair in pairs for s in pair]
    require(
        all(len(pair) == 2 for pair in pairs) and len(set(inside)) == len(inside),
        f"a rotation turns planes of two different states each, got {pairs}",
    )
    require(
        (order is None) != (angle is None),
        f"give either the order or the angle of a rotation, got order={order}, angle={angle}",
    )
    require(order is None or abs(order) >= 1, f"the order of a rotation must be at least 1, got {order}")
    phi = 2 * np.pi / order if order is not None else float(angle or 0.0)
    names = _states(inside if states is None else states)
    _known(inside, names)
    a = np.eye(len(names))
    for one, two in pairs:
        i, j = names.index(str(one)), names.index(str(two))
        a[i, i] = a[j, j] = np.cos(phi)
        a[i, j], a[j, i] = -np.sin(phi), np.sin(phi)
    near = np.round(a)
    # Quarter turns are exact, so that their powers are too.
    a = np.where(np.abs(a - near) < 1e-15, near, a)
    return AffineMap(a, None, names, label=f"rotation by {np.degrees(phi):.6g} degrees")


def affine(
    matrix: npt.ArrayLike,
    offset: npt.ArrayLike | None = None,
    states: Sequence[str] | None = None,
    reverses_time: bool = False,
) -> AffineMap:
    """x -> A x + b for a given matrix and offset.

    Examples
    --------
    >>> import dynsym as dy
    >>> print(dy.maps.affine([[-1.0]], [2.0]))
    x1 -> -x1 + 2
    """
    a = np.asarray(matrix, dtype=float)
    b = None if offset is None else np.asarray(offset, dtype=float)
    names = () if states is None else _states(states)
    return AffineMap(a, b, names, reverses_time)


def signed_permutations(states: int | Sequence[str], with_time: bool = True) -> list[AffineMap]:
    """All 2^n n! changes of place and sign but the identity, and each with time reversed as well if asked for.

    Raises
    ------
    DataError
        For more than 7 states.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.maps.signed_permutations(2))
    15
    """
    names = _states(states)
    n = len(names)
    if n > _MOST_SIGNED:
        raise DataError(
            f"{n} states have {2**n} x {n}! signed permutations; list the maps to test instead, such as "
            "dynsym.maps.parity and dynsym.maps.time_reversal"
        )
    out = []
    for reverses in (False, True) if with_time else (False,):
        for order in permutations(range(n)):
            for signs in product((1.0, -1.0), repeat=n):
                a = np.diag(signs)[:, np.argsort(order)]
                one = AffineMap(a, None, names, reverses, label_of(order, signs, reverses))
                if not (tuple(order) == tuple(range(n)) and min(signs) > 0 and not reverses):
                    out.append(one)
    return out


def label_of(order: Sequence[int], signs: Sequence[float], reverses: bool) -> str:
    """A word for a signed permutation."""
    moved, flipped = list(order) != list(range(len(order))), sum(s < 0 for s in signs)
    if moved:
        word = "permutation with signs" if flipped else "permutation"
    elif flipped == len(signs):
        word = "parity"
    else:
        word = "sign flip" if flipped else ""
    if not reverses:
        return word
    return "time reversal" if not moved else f"time reversal with {word}"
