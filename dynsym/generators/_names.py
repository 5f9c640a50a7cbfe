"""Families by name, for the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .._checks import DataError, require
from ..sections import DirectSum, Representation, vector
from ._blocks import embedded, represented
from ._free import polynomial, with_time_scaling
from ._generators import Generators
from ._linear import (
    affine,
    dilation,
    euclidean,
    linear,
    rotations,
    scalings,
    similarity,
    special_affine,
    special_linear,
    symplectic,
    translations,
)
from ._spacetime import galilean, lorentz, poincare

FAMILIES: dict[str, Callable[[int, Sequence[str]], Generators]] = {
    "translations": translations,
    "rotations": rotations,
    "scalings": scalings,
    "dilation": dilation,
    "euclidean": euclidean,
    "similarity": similarity,
    "linear": linear,
    "special_linear": special_linear,
    "affine": affine,
    "special_affine": special_affine,
    "symplectic": symplectic,
    "lorentz": lorentz,
    "poincare": poincare,
}
_TOGETHER = ("linear", "special_linear")  # families that act on several blocks by the same matrix


def by_name(text: str, names: Sequence[str]) -> Generators:
    """Families by name, joined by commas: ``affine``, ``rotations,scalings``, ``poly(2)``, ``affine,time``.

    Families act on the states in brackets, where there are any, and leave the others alone: ``linear(x, y)``. Blocks behind
    semicolons move along: ``rotations(x, y, z; vx, vy, vz)`` turns both vectors together, ``galilean(x, y; vx, vy)`` pairs
    positions with velocities (and further particles behind them), ``symplectic(q; p)`` coordinates with momenta, and
    ``lorentz(t; x, y, z)`` time with space. A direct product is written as its factors: ``rotations(x, y), affine(u)``.

    Raises
    ------
    DataError
        For an unknown name, listing the known ones.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.by_name("rotations, scalings, time", ("x", "y")))
    4
    >>> len(dy.generators.by_name("rotations(x, y; vx, vy)", ("x", "y", "vx", "vy")))
    1
    >>> dy.generators.by_name("dilation(x), translations(v)", ("x", "v")).expressions()
    ['x d/dx', 'd/dv']
    """
    parts = [piece.strip() for piece in re.split(r",(?![^(]*\))", text)]
    families = [_family(part, tuple(names)) for part in parts if part != "time"]
    require(bool(families), f"candidates {text!r} name no family; add one such as affine")
    out = families[0]
    for family in families[1:]:
        out = out + family
    return with_time_scaling(out) if "time" in parts else out


def _family(text: str, names: tuple[str, ...]) -> Generators:
    """One family of `by_name`."""
    name, _, inside = text.partition("(")
    groups = (
        [[s.strip() for s in group.split(",")] for group in inside.rstrip(") ").split(";")] if inside else []
    )
    if not groups and name in FAMILIES:
        return FAMILIES[name](len(names), names)
    if name == "poly" and len(groups) == 1 and groups[0][0].isdigit():
        return polynomial(len(names), int(groups[0][0]), names)
    if groups and (name in FAMILIES or name == "galilean"):
        missing = [s for group in groups for s in group if s not in names]
        require(not missing, f"unknown states {', '.join(missing)}; the states are: {', '.join(names)}")
        made = _on_blocks(name, groups, names)
        if made is not None:
            return made
    known = ", ".join(
        [
            *FAMILIES,
            "poly(d)",
            "rotations(x, y; vx, vy)",
            "galilean(x, y; vx, vy)",
            "lorentz(t; x, y)",
            "time",
        ]
    )
    raise DataError(f"unknown candidates {text!r}; choose from: {known}")


def _on_blocks(name: str, groups: list[list[str]], names: tuple[str, ...]) -> Generators | None:
    """A family on the states in brackets, or None where the blocks mean nothing to it."""
    flat = [s for group in groups for s in group]
    if name == "rotations":
        return rotations(len(names), names, groups)
    if name == "galilean":
        return galilean(len(names), groups[::2], groups[1::2], names) if len(groups) % 2 == 0 else None
    if len(groups) == 1 or (name == "symplectic" and len(groups) == 2 and len(groups[0]) == len(groups[1])):
        return embedded(FAMILIES[name](len(flat), flat), names)
    if name in ("lorentz", "poincare") and len(groups) == 2:
        signature = [-1.0] * len(groups[0]) + [1.0] * len(groups[1])
        make = lorentz if name == "lorentz" else poincare
        return embedded(make(len(flat), flat, signature), names)
    if name in _TOGETHER and len({len(group) for group in groups}) == 1:
        copies: Representation = DirectSum(tuple(vector() for _ in groups))
        return embedded(represented(FAMILIES[name](len(groups[0]), groups[0]), copies, flat), names)
    return None
