"""One run whose samples stay in a file or in dask arrays and are read in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from dynsym._checks import Array, DataError, require
from dynsym.trajectory._columns import time_numbers
from dynsym.trajectory._sources import Source
from dynsym.trajectory.trajectory import Trajectory, check_range, with_units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Samples of a piece: enough to spread the cost of a read, little enough to stay near the cache.
_PIECE = 131_072
# A chunk is read whole, since it is decoded whole, unless its states take more than this.
_LARGEST_PIECE = 64e6
_DRAWN_PIECES, _DRAWN_LENGTH = 100, 50


@dataclass(frozen=True, eq=False)
class Place:
    """Where the samples of one run are: variables of a source, a row of the dimension of runs, a first index.

    Dates count from `origin`; numbers have none.
    """

    source: Source
    time: str
    along: str
    run: tuple[str | None, int]
    first: int
    states: tuple[str, ...]
    slopes: tuple[str, ...]
    origin: Any
    unit: str

    def raw(self, name: str, start: int, stop: int) -> np.ndarray:
        """Return samples start .. stop-1 of a variable, counted from the first sample of the run."""
        return self.source.take(name, self.along, self.first + start, self.first + stop, self.run)

    def times(self, start: int, stop: int) -> Array:
        """Return times start .. stop-1 as new floats."""
        values, _ = time_numbers(self.raw(self.time, start, stop), self.unit, self.origin)
        return np.array(values, dtype=float)

    def matrix(self, names: tuple[str, ...], start: int, stop: int) -> Array:
        """Return the variables as columns, (stop - start, n), read-only."""
        out = np.empty((stop - start, len(names)))
        for i, name in enumerate(names):
            out[:, i] = self.raw(name, start, stop)
        out.flags.writeable = False
        return out


@dataclass(frozen=True, eq=False, repr=False)
class StoredRun:
    """One run of m samples of n states that is read in pieces, each of them a `Trajectory`.

    `open_runs` and `as_runs` return these for files that are too large for memory and for dask arrays. The run
    can be pickled: workers open the file for themselves.

    Attributes
    ----------
    names, units, sd, label, time_unit
        As in `Trajectory`.
    n_samples : int
        Number of samples m, missing ones included.
    span : (float, float)
        First and last time.
    steps : (float, float)
        Smallest and largest time from one sample to the next; (inf, -inf) for one sample.
    chunk : int
        Length along time of the chunks in which the samples are stored; 0 where they are not chunked. Pieces
        that begin and end at its multiples are read fastest.

    Raises
    ------
    DataError
        On reading, if a part of the file is damaged, or values are infinite.

    Examples
    --------
    >>> import xarray as xr
    >>> ds = xr.Dataset({"x": ("t", [1.0, 4.0, 9.0, 16.0])}, coords={"t": [0, 1, 2, 3]})
    >>> from dynsym.trajectory import as_runs
    >>> (run,) = as_runs(ds.chunk(t=2))
    >>> run
    StoredRun(4 samples, t = 0 .. 3, states x, dask arrays in chunks of 2)
    >>> run.read(1, 3).x.ravel().tolist()
    [4.0, 9.0]
    """

    names: tuple[str, ...]
    units: tuple[str, ...] | None
    sd: Array | None
    label: str
    time_unit: str
    n_samples: int
    span: tuple[float, float]
    steps: tuple[float, float]
    chunk: int
    place: Place

    @property
    def n_states(self) -> int:
        """Number of states n."""
        return len(self.names)

    @property
    def has_slopes(self) -> bool:
        """Whether derivatives were measured, so that pieces have `dxdt`."""
        return bool(self.place.slopes)

    @property
    def duration(self) -> float:
        """Time from the first to the last sample, in the unit of t."""
        return self.span[1] - self.span[0]

    def __len__(self) -> int:
        return self.n_samples

    def times(self, start: int = 0, stop: int | None = None) -> Array:
        """Return the times of samples start .. stop-1, by default of all; the states are not read."""
        stop = self.n_samples if stop is None else stop
        check_range(start, stop, self.n_samples)
        out = np.empty(stop - start)
        # Piece by piece, since decoding needs room of its own.
        for a, b in ranges(stop - start, 1, self.chunk):
            out[a:b] = self.place.times(start + a, start + b)
        out.flags.writeable = False
        return out

    def read(self, start: int = 0, stop: int | None = None) -> Trajectory:
        """Return samples start .. stop-1, by default all of them, as a run in memory."""
        stop = self.n_samples if stop is None else stop
        t = self.times(start, stop)
        x = self.place.matrix(self.place.states, start, stop)
        dxdt = self.place.matrix(self.place.slopes, start, stop) if self.has_slopes else None
        try:
            return Trajectory(t, x, self.names, self.units, dxdt, self.sd, self.label, self.time_unit)
        except DataError as error:
            self._refuse_infinite(self.place.states, x, start)
            if dxdt is not None:
                self._refuse_infinite(self.place.slopes, dxdt, start)
            raise DataError(f"{self.title}, samples {start} to {stop - 1}: {error}") from error

    def _refuse_infinite(self, variables: tuple[str, ...], x: Array, start: int) -> None:
        bad = np.argwhere(np.isinf(x))
        if bad.size:
            row, column = (int(i) for i in bad[0])
            raise DataError(
                f"{self.title}: {variables[column]!r} is {x[row, column]} at sample {start + row}; use NaN for "
                "a missing sample"
            )

    @property
    def title(self) -> str:
        """What errors call this run: its file and its label."""
        return self.place.source.titled(self.label)

    def plot(self) -> Figure:
        """Draw each state against time in excerpts that are spread evenly over the run."""
        from dynsym.trajectory._draw import draw_runs

        parts = excerpts(self, _DRAWN_PIECES, _DRAWN_LENGTH)
        t = np.concatenate([part.t for part in parts])
        x = np.concatenate([part.x for part in parts])
        if len(parts) > 1:
            # A sample without a value between two excerpts breaks the line there.
            gaps = np.cumsum([len(part) for part in parts])[:-1]
            t = np.insert(t, gaps, (t[gaps - 1] + t[gaps]) / 2)
            x = np.insert(x, gaps, np.nan, axis=0)
        title = f"{self.label} ({len(parts)} excerpts)" if len(parts) > 1 else self.label
        return draw_runs([Trajectory(t, x, self.names, self.units, None, None, title, self.time_unit)])

    def __repr__(self) -> str:
        parts = [
            f"{self.n_samples} samples",
            f"t = {self.span[0]:.6g} .. {self.span[1]:.6g}"
            + (f" {self.time_unit}" if self.time_unit else ""),
            "states " + ", ".join(with_units(self)),
        ]
        parts += ["with dxdt"] if self.has_slopes else []
        where = self.place.source.title or "dask arrays"
        parts += [f"{where} in chunks of {self.chunk}" if self.chunk else where]
        head = f"{self.label!r}: " if self.label else ""
        return f"StoredRun({head}{', '.join(parts)})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>"


AnyRun = Trajectory | StoredRun


def with_states(run: AnyRun, keep: Sequence[int], names: tuple[str, ...], sd: Array | None) -> AnyRun:
    """The run with the states `keep` only, under other names, and with noise sd (n,) of all its states."""
    chosen = list(keep)
    units = None if run.units is None else tuple(run.units[k] for k in chosen)
    noise = None if sd is None else np.broadcast_to(sd, (run.n_states,))[chosen]
    if isinstance(run, Trajectory):
        slopes = None if run.dxdt is None else run.dxdt[:, chosen]
        return replace(run, x=run.x[:, chosen], names=names, units=units, dxdt=slopes, sd=noise)
    own = tuple(run.place.states[k] for k in chosen)
    slopes_of = tuple(run.place.slopes[k] for k in chosen) if run.place.slopes else ()
    return replace(
        run, names=names, units=units, sd=noise, place=replace(run.place, states=own, slopes=slopes_of)
    )


def pieces(run: AnyRun) -> Iterator[tuple[int, int]]:
    """Return index ranges [start, stop) that cover a run, of whole chunks where they are not too large."""
    return ranges(run.n_samples, run.n_states, run.chunk)


def ranges(m: int, n: int, chunk: int) -> Iterator[tuple[int, int]]:
    """Return ranges that cover m samples of n numbers in chunks of that many samples, 0 for no chunks."""
    most = max(1, int(_LARGEST_PIECE / (8 * n)))
    length = min(chunk * max(1, _PIECE // chunk) if chunk else _PIECE, most)
    for start in range(0, m, length):
        yield start, min(start + length, m)


def excerpts(
    run: AnyRun, n_pieces: int, length: int, start: int = 0, stop: int | None = None
) -> list[Trajectory]:
    """Return stretches of neighbouring samples, spread evenly over samples start .. stop-1 of a run.

    Parameters
    ----------
    run : Trajectory or StoredRun
        A run of m samples.
    n_pieces : int
        How many stretches; they do not overlap, the first begins at the first sample and the last ends at the
        last one. A single one lies in the middle.
    length : int
        Samples in each. All samples are one stretch where they are no more than `n_pieces * length`.
    start, stop : int
        Default: the whole run.

    Returns
    -------
    list of Trajectory
        In order of time, the same ones for every call.

    Examples
    --------
    >>> [part.t.tolist() for part in excerpts(Trajectory(range(9), range(9)), 3, 2)]
    [[0.0, 1.0], [3.0, 4.0], [7.0, 8.0]]
    """
    require(
        n_pieces >= 1 and length >= 1, f"need at least one piece of one sample, got {n_pieces} of {length}"
    )
    m = (run.n_samples if stop is None else stop) - start
    if m <= n_pieces * length:
        return [run.read(start, start + m)]
    left = m - length
    firsts = [left // 2] if n_pieces == 1 else [left * i // (n_pieces - 1) for i in range(n_pieces)]
    return [run.read(start + first, start + first + length) for first in firsts]
