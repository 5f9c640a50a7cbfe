"""Which dictionary? A ladder of candidates, climbed until a higher rung no longer predicts better."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from ._checks import Array, DataError
from ._threads import one_blas_thread
from .compress import Factor, Prepared, compress_prepared, merge, prepare
from .dictionary import Dictionary, parse_dictionary
from .findings import misfit
from .regression import Model, Stepwise, fit
from .trajectory import AnyRun, StoredRun

_MOST_TERMS = 250
_BETTER = 0.7  # a higher rung must lower the held-out error below this share
_PERFECT = 1e-10  # held-out errors below this are rounding
_POOR = 0.1  # structured relative misfit above which no rung is good


@dataclass(frozen=True)
class Rung:
    """One dictionary of the ladder with its held-out error, and the median over folds."""

    text: str
    dictionary: Dictionary
    errors: Array


@dataclass(frozen=True)
class Bodies:
    """Several points in the plane or in space, as the names of their coordinates tell: x1, y1, x2, y2.

    Examples
    --------
    >>> from dynsym.ladder import Bodies
    >>> bodies = Bodies.of(("x1", "y1", "x2", "y2"))
    >>> bodies.potentials()[0]
    '1/sqrt((x1-x2)^2+(y1-y2)^2)'
    >>> Bodies.of(("x", "y")) is None
    True
    """

    axes: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, positions: Sequence[str]) -> Bodies | None:
        """Two or more bodies with the same two or three coordinates each, or None if the names do not say so."""
        parts = [re.fullmatch(r"([A-Za-z]+)_?(\d+)", name) for name in positions]
        if not parts or any(part is None for part in parts):
            return None
        axes = tuple(dict.fromkeys(part[1] for part in parts if part))
        labels = tuple(dict.fromkeys(name[len(part[1]) :] for name, part in zip(positions, parts) if part))
        complete = {a + b for a in axes for b in labels} == set(positions)
        return cls(axes, labels) if complete and len(axes) in (2, 3) and len(labels) >= 2 else None

    def pairs(self) -> list[tuple[list[str], str]]:
        """Of each pair of bodies the differences of coordinates, and their squared distance."""
        out = []
        for a, b in combinations(self.labels, 2):
            apart = [f"({axis}{a}-{axis}{b})" for axis in self.axes]
            out.append((apart, "(" + "+".join(f"{d}^2" for d in apart) + ")"))
        return out

    def pulls(self) -> list[str]:
        """Central forces between pairs, (x_a - x_b)/r^k for k = 1..5."""
        return [f"{d}/{square}^({k}/2)" for apart, square in self.pairs() for d in apart for k in range(1, 6)]

    def potentials(self) -> list[str]:
        """1/r of each pair; for two bodies also the direction from one to the other."""
        out = [f"1/sqrt{square}" for _, square in self.pairs()]
        if len(self.labels) == 2:
            out += [f"{d}/sqrt{square}" for apart, square in self.pairs() for d in apart]
        return out


def choose_dictionary(runs: Sequence[AnyRun], workers: int = 1) -> tuple[Dictionary, str, list[str]]:
    """The simplest dictionary that predicts held-out data as well as any: (dictionary, its text, doubts in words)."""
    ready = prepare(list(runs))
    if any(isinstance(run, StoredRun) for run in runs):
        # Excerpts decide: every rung would be a pass over the files.
        ready = prepare(list(ready.runs), ready.method)
    names = ready.runs[0].names
    best: Rung | None = None
    for rung in _scored(rungs(ready), ready, names, workers):
        if rung is None:
            continue
        if best is None or _clearly_better(rung.errors, best.errors):
            best = rung
        if float(np.median(best.errors)) < _PERFECT:
            break
    if best is None:
        # Too few rows for any rung: a constant velocity field is all that can be asked.
        return (
            parse_dictionary("poly(1)", names),
            "poly(1)",
            [
                f"only {sum(len(r) for r in ready.runs)} samples: too few to choose a dictionary, poly(1) is used"
            ],
        )
    return best.dictionary, best.text, _doubts(best, ready)


def _scored(texts: list[str], ready: Prepared, names: tuple[str, ...], workers: int) -> Iterator[Rung | None]:
    """Scores in the order of the rungs; one at a time, or side by side in threads."""
    with one_blas_thread():
        if workers == 1:
            yield from (_score(text, ready, names) for text in texts)
        else:
            with ThreadPoolExecutor(workers) as pool:
                yield from pool.map(lambda text: _score(text, ready, names), texts)


def _doubts(best: Rung, ready: Prepared) -> list[str]:
    left = float(
        np.max(misfit(fit(list(ready.runs), best.dictionary, penalty=Stepwise(), rows=ready.method)))
    )
    if left <= _POOR:
        return []
    return [
        f"no dictionary of the ladder describes the data: {best.text} leaves {left:.0%} of the motion unexplained in a "
        "systematic way; name the right functions with --dictionary"
    ]


def rungs(ready: Prepared) -> list[str]:
    """Dictionaries from simple to rich: polynomials, harmonics of single states, powers of distances."""
    n = ready.runs[0].n_states
    rows = sum(len(run) for run in ready.runs)
    out = [f"poly({d})" for d in (1, 2, 3) if _fits(comb(n + d, d), rows)]
    positions = positions_of(ready)
    if _fits(2 * n + n + 1, rows):
        out.append("poly(1) + fourier(1)")
    if len(positions) in (2, 3):
        chosen = ", ".join(positions)
        if _fits((n + 1) * 5, rows):
            out.append(f"poly(1) + poly(1; {chosen}) * radial({chosen}; -5..-1)")
    bodies = Bodies.of(positions)
    if bodies is not None and _fits(n + 1 + len(bodies.pulls()), rows):
        out.append(f"poly(1) + terms({', '.join(bodies.pulls())})")
    out += [f"poly({d})" for d in (4, 5) if _fits(comb(n + d, d), rows)]
    if _fits((n + 1) * (2 * n + 1), rows) and n <= 4:
        out.append("poly(2) + poly(1) * fourier(1)")
    return out


def _fits(terms: int, rows: int) -> bool:
    return terms <= min(_MOST_TERMS, rows // 4)


def positions_of(ready: Prepared) -> tuple[str, ...]:
    """States whose rate of change is another state: positions, if the others are velocities."""
    names = ready.runs[0].names
    model = _linear(ready)
    if model is None:
        return ()
    c = np.round(model.coefficients[:, 1:], 2)
    explained = model.explained > 0.99
    return tuple(
        name
        for i, name in enumerate(names)
        if explained[i] and np.count_nonzero(c[i]) == 1 and abs(c[i].max() - 1) < 0.02 and c[i, i] == 0
    )


def _linear(ready: Prepared) -> Model | None:
    names = ready.runs[0].names
    try:
        return fit(
            list(ready.runs), parse_dictionary("poly(1)", names), penalty=Stepwise(), rows=ready.method
        )
    except DataError:
        return None


def _score(text: str, ready: Prepared, names: tuple[str, ...]) -> Rung | None:
    """Held-out relative error per fold, or None where the dictionary cannot be evaluated or determined."""
    dictionary = parse_dictionary(text, names)
    try:
        data = compress_prepared(ready, dictionary)
    except DataError:
        return None
    if data.n_rows < 2 * dictionary.n_terms:
        return None
    folds = data.folds(8)
    if len(folds) < 2:
        return None
    errors = [_one(fold, merge(f for j, f in enumerate(folds) if j != k)) for k, fold in enumerate(folds)]
    return Rung(text, dictionary, np.array(errors))


def _one(fold: Factor, rest: Factor) -> float:
    """Mean over equations of the squared error on a fold, relative to the size of its targets."""
    size = np.maximum(np.linalg.norm(rest.theta, axis=0), 1e-300)
    c = np.linalg.lstsq(rest.theta / size, rest.target, rcond=1e-9)[0] / size[:, None]
    miss = np.sum((fold.target - fold.theta @ c) ** 2, axis=0)
    own = np.sum(fold.target**2, axis=0)
    return float(np.mean(np.where(own > 0, miss / np.where(own > 0, own, 1.0), 0.0)))


def _clearly_better(new: Array, old: Array) -> bool:
    """Whether the held-out error falls clearly: its median by the stated share, and in most folds."""
    if len(new) != len(old):
        return float(np.median(new)) < _BETTER**2 * float(np.median(old))
    return bool(np.median(new) < _BETTER**2 * np.median(old) and np.mean(new < old) >= 0.6)


def invariants_for(model: Model, dictionary: str) -> str:
    """Where to look for conserved quantities: polynomials one degree above the dynamics, and the potentials' functions."""
    n = model.field.n_states
    base = "poly(2)"
    for degree in (4, 3):
        if comb(n + degree, degree) <= _MOST_TERMS:
            base = f"poly({degree})"
            break
    extra = []
    terms = " ".join(model.field.dictionary.terms)
    if "radial(" in dictionary:
        inside = dictionary.split("radial(")[1].split(";")[0].strip()
        extra.append(f"poly(1; {inside}) * radial({inside}; -1)")
        extra.append(f"radial({inside}; -4..-1)")
    bodies = Bodies.of(positions_of(model.source))
    if bodies is not None and bodies.pulls()[0] in dictionary:
        extra.append(f"terms({', '.join(bodies.potentials())})")
    if "sin(" in terms or "cos(" in terms:
        extra.append("fourier(1)")
        if n <= 4:
            extra.append("poly(2) * fourier(1)")
    values = np.concatenate([run.x for run in model.runs])
    positive = [name for name, column in zip(model.field.names, values.T) if column.min() > 0]
    if positive and not extra:
        extra.append("terms(" + ", ".join(f"log({name})" for name in positive) + ")")
    return " + ".join([base, *extra])
