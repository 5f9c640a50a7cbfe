"""Which candidate is broken where along a path, and what the data say about those that a point keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import Array, frozen, require
from .._threads import one_blas_thread
from ..certify import Level, Verdict
from ..findings._evidence import evidence_of
from ._nuclear import NuclearWalk

if TYPE_CHECKING:
    from ._path import Path

_WIDTH = 78
_NEW = 0.1  # sine of the angle to what was kept before, above which a combination is a new one


@dataclass(frozen=True)
class Event:
    """A step of a path between two points, towards stronger regularisation.

    Attributes
    ----------
    index
        The point after the step.
    weight
        Its weight.
    broken
        Independent broken candidates before and after.
    restored, lost
        Combinations that are kept from here on, or no longer, in words.
    """

    index: int
    weight: float
    broken: tuple[int, int]
    restored: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """A symmetry or law that a point of a path keeps.

    Attributes
    ----------
    expression
        In words.
    coefficients
        (k,) over the candidates.
    verdict
        What the data say about it: on the least-squares model without any penalty, since a promoted model keeps it by
        construction.
    """

    expression: str
    coefficients: Array
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Breaks:
    """Candidates along a path: the defect of each, how many are broken, and where that changes.

    Attributes
    ----------
    path
        The path they belong to.
    labels
        (k,) candidates.
    defects
        (points, k) scale-free defect rho of each candidate on the field of each point; NaN for constants and where f = 0.
    combinations
        (k, d) what is restored somewhere along the path.
    along
        (points, d) their defects.
    broken
        (points,) number of independent broken combinations.
    events
        Where that number changes.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("hopf").runs(4, 100, noise=0.02)
    >>> over = dy.SymmetryWeights(dy.generators.rotations(2), relaxed=True, equilibrated=True)
    >>> found = dy.path(runs, dy.Monomials(2, 3), over)
    >>> [event.broken for event in found.breaks.events]
    [(1, 0)]
    """

    path: Path
    labels: tuple[str, ...]
    defects: Array
    combinations: Array
    along: Array
    broken: npt.NDArray[np.intp]
    events: tuple[Event, ...]

    @property
    def walk(self) -> NuclearWalk:
        """The walk, which knows its candidates."""
        return nuclear(self.path)

    def kept(self, k: int) -> list[str]:
        """What point k keeps, in words: a basis in as few terms as possible."""
        vectors = self._kept_vectors(k)
        return [self.walk.candidates.text(v) for v in vectors.T]

    def judged(self, rule: str = "1se", delta: float = 0.05, alpha: float = 0.05) -> tuple[Held, ...]:
        """What the point that a rule chooses keeps, each with a verdict of the data.

        Parameters
        ----------
        rule
            As for `Path.index`.
        delta, alpha
            Tolerance of the defects, and error level shared among the candidates.

        Raises
        ------
        DataError
            As `Path.index` does.
        """
        vectors = self._kept_vectors(self.path.index(rule))
        level = Level(delta, alpha, len(self.labels))
        with one_blas_thread():
            evidence = evidence_of(self.path.model)
            found = self.walk.candidates
            return tuple(
                Held(found.text(v), frozen(v), found.judge(self.path.model, v, evidence, level))
                for v in vectors.T
            )

    def _kept_vectors(self, k: int) -> Array:
        return kept_vectors(self.walk, self.path.coefficients[k])

    def __str__(self) -> str:
        noun = self.walk.candidates.noun
        lines = [f"{self.path.walk.label:>20}  broken  change"]
        lines.append(f"{self.path.values[0]:20.4g}  {self.broken[0]:6d}  start of the path")
        for event in self.events:
            gone = [f"lost {text}" for text in event.lost]
            words = "; ".join([*(f"restored {text}" for text in event.restored), *gone])
            words = words or "another " + noun
            cut = words if len(words) <= _WIDTH else words[: _WIDTH - 3] + "..."
            lines.append(f"{event.weight:20.4g}  {event.broken[1]:6d}  {cut}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """Defect of each candidate against the weight, with the events, as a matplotlib figure."""
        from ._draw import draw_breaks

        return draw_breaks(self)


def nuclear(path: Path) -> NuclearWalk:
    """The walk of a path over symmetries or laws."""
    walk = path.walk
    require(
        isinstance(walk, NuclearWalk),
        f"a path over the {walk.label} breaks nothing; run it over SymmetryWeights or ConservationWeights",
    )
    assert isinstance(walk, NuclearWalk)
    return walk


def kept_vectors(walk: NuclearWalk, coefficients: Array) -> Array:
    """Sparse combinations (k, r) that C keeps."""
    span = walk.spared(coefficients)
    return walk.candidates.simple(span) if span.shape[1] else span


def breaks_of(path: Path) -> Breaks:
    """Read the candidates at every point of a path."""
    walk = nuclear(path)
    with one_blas_thread():
        broken = walk.broken(path.coefficients).astype(np.intp)
        events, found = _events(path, walk, broken)
        both = np.hstack([np.eye(len(walk.mix)), found])
        fields = [path.at(k).field for k in range(len(path))]
        defects = np.stack([walk.candidates.defects(field, both) for field in fields])
    defects[~path.coefficients.any(axis=(1, 2))] = np.nan
    own, along = defects[:, : len(walk.mix)], defects[:, len(walk.mix) :]
    own[:, walk.candidates.sizes == 0] = np.nan
    labels = walk.candidates.labels
    return Breaks(path, labels, frozen(own), frozen(found), frozen(along), broken, tuple(events))


def _events(path: Path, walk: NuclearWalk, broken: npt.NDArray[np.intp]) -> tuple[list[Event], Array]:
    """The steps at which the number of broken combinations changes, and all that is restored at one of them."""
    before = kept_vectors(walk, path.coefficients[0])
    events, found = [], [np.zeros((len(walk.mix), 0))]
    for k in 1 + np.flatnonzero(np.diff(broken)):
        after = kept_vectors(walk, path.coefficients[k])
        restored, lost = _outside(walk, after, before), _outside(walk, before, after)
        words = [tuple(walk.candidates.text(v) for v in part.T) for part in (restored, lost)]
        if path.coefficients[k].any():
            found.append(restored)
        else:
            words = [("everything: f = 0",), ()]
        counts = (int(broken[k - 1]), int(broken[k]))
        events.append(Event(int(k), float(path.values[k]), counts, words[0], words[1]))
        before = after
    return events, np.hstack(found)


def _outside(walk: NuclearWalk, vectors: Array, others: Array) -> Array:
    """The combinations that stand outside the span of the others."""
    unit = np.linalg.lstsq(walk.mix, np.hstack([vectors, others]), rcond=None)[0]
    own, rest = unit[:, : vectors.shape[1]], unit[:, vectors.shape[1] :]
    basis = np.linalg.qr(rest)[0]
    left = own - basis @ (basis.T @ own)
    new = np.linalg.norm(left, axis=0) > _NEW * np.linalg.norm(own, axis=0)
    return vectors[:, new]
