"""All data as the factors of their blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .._checks import Array, DataError, frozen, require
from ..dictionary import Dictionary
from ..trajectory import Trajectory
from ._factor import Factor, merge
from ._prepare import Prepared, measured_noise

_LEAK_WINDOWS = 48  # windows of the weak form that stand for all where noise in theta is averaged


@dataclass(frozen=True, eq=False)
class Block:
    """The factor of one stretch of one run, how it was made and the condition number that decided it."""

    factor: Factor
    run: int
    route: str = "TSQR"
    condition: float | None = None


@dataclass(frozen=True, eq=False)
class Compressed:
    """All data as the factors of their blocks; cross-validation and block resampling need no second pass.

    Attributes
    ----------
    blocks
        Factors of stretches of time, in the order of the data.
    source
        Runs (or excerpts of them), noise and row method behind the blocks; None for bare blocks.
    dictionary
        The functions whose values are the first columns; None for bare blocks.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.compress import Block, Compressed, factor_of
    >>> one = Compressed((Block(factor_of(np.ones((3, 1)), np.ones((3, 1))), run=0),))
    >>> (one + one).n_rows, len((one + one).folds())
    (6, 2)
    """

    blocks: tuple[Block, ...]
    source: Prepared | None = None
    dictionary: Dictionary | None = None
    known_leak: Array | None = None

    def __post_init__(self) -> None:
        require(bool(self.blocks), "the data gave no rows at all; there is nothing to fit")

    @property
    def origin(self) -> tuple[Prepared, Dictionary]:
        """What the blocks were made of; an error for bare blocks."""
        if self.source is None or self.dictionary is None:
            raise DataError("these blocks do not say what they were made of; make them with dynsym.compress")
        return self.source, self.dictionary

    @cached_property
    def total(self) -> Factor:
        """The factor of all rows."""
        return merge(block.factor for block in self.blocks)

    @property
    def n_rows(self) -> int:
        """Number of rows m."""
        return sum(block.factor.n_rows for block in self.blocks)

    @property
    def n_runs(self) -> int:
        """Number of runs that gave rows."""
        return len({block.run for block in self.blocks})

    @cached_property
    def leak(self) -> Array:
        """(p, p) expected Gram matrix of the measurement noise inside theta, over all rows."""
        if self.known_leak is not None:
            return self.known_leak
        source, dictionary = self.origin
        p, noise, method = dictionary.n_terms, source.noise, source.method
        out = np.zeros((p, p))
        if not noise.any():
            return out
        windows = [w for run in source.excerpts for w in method.windows(run) if len(w) >= method.shortest]
        every = 1 if method.longest is None else -(-len(windows) // _LEAK_WINDOWS)
        taken = windows[::every]
        for window in taken:
            out += method.leak(window, dictionary, noise)
        # Excerpts stand for all samples.
        samples = sum(len(run) for run in source.excerpts)
        whole = max(sum(len(w) for w in windows), 1) / max(sum(len(w) for w in taken), 1)
        return frozen(out * whole * max(source.n_samples / max(samples, 1), 1.0))

    def __add__(self, other: Compressed) -> Compressed:
        """Data that arrive later, or elsewhere, just add; their runs are counted on."""
        shift = 1 + max(block.run for block in self.blocks)
        moved = tuple(Block(b.factor, b.run + shift, b.route, b.condition) for b in other.blocks)
        if self.source is None or other.source is None:
            return Compressed(self.blocks + moved)
        (source, dictionary), (another, its_dictionary) = self.origin, other.origin
        require(
            dictionary == its_dictionary,
            f"compressed data over {dictionary!r} and {its_dictionary!r} cannot be added; use one dictionary for all",
        )
        return Compressed(
            self.blocks + moved, _together(source, another), dictionary, frozen(self.leak + other.leak)
        )

    def folds(self, most: int = 8) -> list[Factor]:
        """Parts for cross-validation: whole runs if there are at least four, else stretches of time."""
        runs = sorted({block.run for block in self.blocks})
        if len(runs) >= 4:
            groups: dict[int, list[Factor]] = {}
            place = {run: k % most for k, run in enumerate(runs)}
            for block in self.blocks:
                groups.setdefault(place[block.run], []).append(block.factor)
            return [merge(group) for group in groups.values()]
        size = -(-len(self.blocks) // most)
        return [
            merge(block.factor for block in self.blocks[start : start + size])
            for start in range(0, len(self.blocks), size)
        ]

    def routes(self) -> dict[str, int]:
        """How many blocks were factored in which way."""
        return dict(Counter(block.route for block in self.blocks))

    def __str__(self) -> str:
        total = self.total
        ways = ", ".join(f"{count} by {route}" for route, count in self.routes().items())
        lines = [
            f"{total.n_rows} rows of {total.n_terms} terms and {total.target.shape[1]} targets from "
            f"{self.n_runs} run(s)",
            f"  blocks            {len(self.blocks)}: {ways}",
            f"  condition number  {total.condition:.3g} (columns scaled to equal length)",
        ]
        if self.source is not None:
            lines.insert(1, f"  rows              {self.source.method.description}")
        if self.source is not None and len(total.theta) > total.n_terms:
            square = np.sum(total.target**2, axis=0)
            left = np.sqrt(total.residual_squares / np.where(square > 0, square, 1.0))
            names = self.source.runs[0].names
            shown = ", ".join(f"{name}' {value:.2g}" for name, value in zip(names, left))
            lines.append(f"  unexplained       {shown} (share of the root mean square)")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """Singular values of the equal-length columns, and the condition number of each block."""
        from ._draw import draw_compressed

        return draw_compressed(self)


def _together(a: Prepared, b: Prepared) -> Prepared:
    names = [source.runs[0].names for source in (a, b)]
    require(names[0] == names[1], f"compressed data of the states {names[0]} and {names[1]} cannot be added")
    require(
        a.method.description == b.method.description,
        f"rows of '{a.method.description}' and of '{b.method.description}' have different errors; compress both with "
        "the same rows=",
    )
    runs = a.runs + b.runs
    shift = 1 + max(a.origins, default=0)
    origins = a.origins + tuple(origin + shift for origin in b.origins)
    return Prepared(runs, a.stretches + b.stretches, a.method, _pooled_noise(a, b, runs), origins)


def _pooled_noise(a: Prepared, b: Prepared, runs: Sequence[Trajectory]) -> Array | None:
    if a.known_noise is None or b.known_noise is None:
        return measured_noise(runs) if (a.known_noise is None) != (b.known_noise is None) else None
    counts = [sum(len(run) for run in source.runs) for source in (a, b)]
    share = counts[0] / max(sum(counts), 1)
    return frozen(np.sqrt(share * a.known_noise**2 + (1 - share) * b.known_noise**2))
