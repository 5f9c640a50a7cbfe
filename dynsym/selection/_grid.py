"""Paths over two weights: that of a nuclear norm and that of a selection of terms, with one point chosen among all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .._checks import Array, frozen, require
from ..dictionary import Dictionary
from ..differentiation import RowMethod
from ..regression import Model
from ._conservation import ConservationWeights
from ._l1 import L1Weights
from ._models import as_model
from ._nuclear import NuclearWalk, Within
from ._path import RULES, Path, path, path_of
from ._symmetry import SymmetryWeights
from ._thresholds import Thresholds

_MOST_LEVELS = 6


@dataclass(frozen=True, eq=False)
class PathGrid:
    """One path over the weight of a nuclear norm for each level of a selection of terms, on the same rows and folds.

    Attributes
    ----------
    paths
        One for each level, all over the same weights.
    levels
        (s,) weights of the selection, ascending.
    terms
        The path over the selection alone, from which the levels come.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("hopf").runs(4, 100, noise=0.01)
    >>> over = dy.SymmetryWeights(dy.generators.rotations(2), [0.1, 10.0], relaxed=True, equilibrated=True)
    >>> found = dy.path_grid(runs, dy.Monomials(2, 3), over, dy.Thresholds([0.0, 0.3]))
    >>> found.shape, found.best("bic").coefficients.shape
    ((2, 2), (2, 10))
    """

    paths: tuple[Path, ...]
    levels: Array
    terms: Path

    @property
    def shape(self) -> tuple[int, int]:
        """(s, k): levels by weights."""
        return len(self.paths), len(self.paths[0])

    @property
    def values(self) -> Array:
        """(k,) weights of the nuclear norm, ascending."""
        return self.paths[0].values

    @cached_property
    def whole(self) -> Path:
        """All points as one path, level by level, so that rules compare all with all."""
        first = self.paths[0]

        def joined(name: str) -> Array:
            return frozen(np.concatenate([getattr(one, name) for one in self.paths]))

        return replace(
            first,
            values=joined("values"),
            coefficients=joined("coefficients"),
            gaps=joined("gaps"),
            converged=np.concatenate([one.converged for one in self.paths]),
            freedom=joined("freedom"),
            squares=joined("squares"),
            errors=joined("errors"),
        )

    def index(self, rule: str = "1se") -> tuple[int, int]:
        """The place (level, weight) that a rule chooses among all points; see `Path.index`."""
        i, k = divmod(self.whole.index(rule), self.shape[1])
        return i, k

    def best(self, rule: str = "1se") -> Model:
        """The model there."""
        i, k = self.index(rule)
        return self.paths[i].at(k, f", {self.terms.walk.label} {self.levels[i]:.4g}, chosen by {rule}")

    @property
    def errors(self) -> Array:
        """(s, k) held-out error: root of the mean over folds."""
        return np.sqrt(self.whole.cv).reshape(self.shape)

    def __str__(self) -> str:
        walk = self.paths[0].walk
        lines = [f"paths over {self.shape[1]} weights ({walk.label}) for {self.shape[0]} sparsities"]
        lines.append(f"{'level':>12}{'weight':>12}{'terms':>7}{'free':>6}{'broken':>8}{'held out':>11}")
        chosen = self._chosen()
        for i, one in enumerate(self.paths):
            marked = {k: rules for (j, k), rules in chosen.items() if j == i}
            usable = np.where(one.converged & np.isfinite(one.cv), one.cv, np.inf)
            for k in sorted({int(np.argmin(usable)), *marked}):
                lines.append(f"{self._row(i, k)}  {' '.join(marked.get(k, []))}".rstrip())
        lines.append("  the best point of each level, and those that the rules choose among all")
        return "\n".join(lines)

    def _row(self, i: int, k: int) -> str:
        one = self.paths[i]
        assert isinstance(one.walk, NuclearWalk)
        broken = one.walk.broken(one.coefficients[k][None])[0]
        free, terms = one.freedom[k].sum(), one.n_terms[k]
        numbers = f"{terms:7d}{free:6.0f}{broken:8.0f}{np.sqrt(one.cv[k]):11.3e}"
        return f"{self.levels[i]:12.4g}{self.values[k]:12.4g}{numbers}"

    def _chosen(self) -> dict[tuple[int, int], list[str]]:
        out: dict[tuple[int, int], list[str]] = {}
        for rule in RULES:
            scores = {"aicc": self.whole.aicc, "bic": self.whole.bic}.get(rule, self.whole.cv)
            if (self.whole.converged & np.isfinite(scores)).any():
                out.setdefault(self.index(rule), []).append(rule)
        return out

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """Held-out error and degrees of freedom over both weights, with the chosen points, as a matplotlib figure."""
        from ._draw import draw_grid

        return draw_grid(self)


def path_grid(
    data: Any,
    dictionary: Dictionary | None = None,
    over: SymmetryWeights | ConservationWeights | None = None,
    terms: Thresholds | L1Weights | None = None,
    rows: RowMethod | None = None,
) -> PathGrid:
    """The fits for every pair of a weight of broken symmetries or laws and a level of sparsity, from one pass over data.

    Terms come first and structure second: at each level the terms are those that the selection keeps, and the nuclear norm acts
    on them alone. In the other order small wrong terms are kept to make up for the errors of the structure. On every part of
    the data the terms are selected anew.

    Parameters
    ----------
    data, dictionary, rows
        As for `path`.
    over
        `SymmetryWeights` or `ConservationWeights`.
    terms
        `Thresholds` (default) or `L1Weights`. Without values of its own the levels are the weakest one, and those that the
        rules choose on the path over `terms` alone; at most six.

    Returns
    -------
    PathGrid
        `.best(rule)` is a Model.

    Raises
    ------
    DataError
        As `path` does, or without a family of weights.
    """
    require(
        isinstance(over, SymmetryWeights | ConservationWeights),
        f"a grid needs over=SymmetryWeights(...) or ConservationWeights(...), got {type(over).__name__}; "
        "for one weight use path",
    )
    assert over is not None
    selection = Thresholds() if terms is None else terms
    require(
        isinstance(selection, Thresholds | L1Weights),
        f"terms are selected by Thresholds or L1Weights, got {type(selection).__name__}",
    )
    model = as_model(data, dictionary, rows)
    first = path(model, over=selection)
    levels = first.values if selection.values is not None else _levels(first)
    walk = over.on(model)
    values = over.grid(walk)
    paths = [
        path_of(model, replace(walk, within=Within(first.walk, float(level))), values) for level in levels
    ]
    return PathGrid(tuple(paths), frozen(levels), first)


def _levels(first: Path) -> Array:
    """The weakest level, and those that rules choose; without any score, some spread over the path."""
    scores = {"cv": first.cv, "1se": first.cv, "aicc": first.aicc, "bic": first.bic}
    usable = [rule for rule in RULES if (first.converged & np.isfinite(scores[rule])).any()]
    places = {0, *(first.index(rule) for rule in usable)}
    if not usable:
        places = {int(k) for k in np.linspace(0, len(first) - 1, _MOST_LEVELS).round()}
    return first.values[sorted(places)]
