"""What a promoted fit keeps of the structure it was offered: the part of the penalty that is exactly zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import Array, DataError, frozen
from ..generators import Generators
from ..maps import AffineMap, FiniteGroup, group_of

_ZERO = 1e-7  # singular values below this share of what single coefficients break are zero: solvers stop near 1e-10


@dataclass(frozen=True, eq=False)
class Kept:
    """The candidates that a section does not break, and how much it breaks the others.

    It says what the penalty left at zero, not what the data prove: a weight that is large enough keeps everything. Verdicts are
    given by `symmetries`, `symmetries_of` and `discrete_symmetries`.

    Attributes
    ----------
    candidates
        Each in words.
    sizes
        |L_xi f| or |K_g f - f| of each.
    unbroken
        Numbers of those that are zero.
    generators
        The unbroken combinations of generators; None if maps were promoted.
    group
        The group of the unbroken maps; None if generators were promoted, or where the maps generate no finite group.
    """

    candidates: tuple[str, ...]
    sizes: Array
    unbroken: tuple[int, ...]
    generators: Generators | None = None
    group: FiniteGroup | None = None

    def __len__(self) -> int:
        return len(self.unbroken)

    def __str__(self) -> str:
        kind = "generators" if self.group is None and self.generators is not None else "maps"
        name = "" if self.group is None else f"; they generate {self.group.name}"
        head = f"{len(self)} of {len(self.candidates)} candidate {kind} kept{name}"
        rows = [
            f"  {'kept' if k in self.unbroken else 'broken':<7} {size:8.2e}  {text}"
            for k, (text, size) in enumerate(zip(self.candidates, self.sizes))
        ]
        return "\n".join([head, *rows])

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """How much each candidate is broken, on a logarithmic axis, as a matplotlib figure."""
        from matplotlib.figure import Figure

        k = len(self.candidates)
        figure = Figure(figsize=(6.4, 0.9 + 0.3 * max(k, 1)), layout="constrained")
        axis = figure.subplots()
        floor = 1e-16 * max(float(self.sizes.max(initial=0.0)), 1e-300)
        colours = ["C0" if i in self.unbroken else "0.6" for i in range(k)]
        axis.barh(range(k), np.maximum(self.sizes, floor), color=colours)
        axis.set_yticks(range(k), [text[:60] for text in self.candidates], fontsize=8)
        axis.set_xscale("log")
        axis.invert_yaxis()
        axis.set_xlabel("size of what is broken")
        return figure


def kept_generators(basis: Generators, matrix: Array, size: float) -> Kept:
    """Null directions of the matrix [L_xi1 f ... L_xir f] over an orthonormal basis, least broken first.

    `size` is what the single coefficients of f would break without one another.
    """
    _, values, right = np.linalg.svd(matrix, full_matrices=True)
    values = np.concatenate([values, np.zeros(len(right) - len(values))])[::-1]
    directions = right[::-1].T
    zero = np.flatnonzero(values <= _ZERO * size)
    mixed = basis.combine(directions)
    return Kept(
        tuple(mixed.expressions(3)),
        frozen(values),
        tuple(int(k) for k in zero),
        basis.combine(directions[:, zero]),
    )


def kept_maps(maps: Sequence[AffineMap], sizes: Array, vanishing: Sequence[int]) -> Kept:
    """The maps whose norm is zero, with the group they generate."""
    group = None
    if vanishing:
        try:
            group = group_of([maps[k] for k in vanishing])
        except DataError:
            group = None
    return Kept(tuple(g.expression for g in maps), frozen(sizes), tuple(vanishing), None, group)
