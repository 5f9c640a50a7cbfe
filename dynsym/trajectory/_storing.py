"""From a Dataset to runs that stay where they are: what has to be known before the first piece is read.

Times are read once, in pieces, since every later step relies on their order; of the states, only as much as shows
that there is a number in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dynsym._checks import DataError, require
from dynsym.trajectory._columns import Chosen, Wanted, first_date, time_numbers, value_label
from dynsym.trajectory._fields import standard_deviation, state_units
from dynsym.trajectory._layout import (
    Axes,
    columns_along,
    labels_of_runs,
    noise_of,
    states_of_runs,
    unit_of,
)
from dynsym.trajectory._sources import DatasetSource, FileSource, Source, chunk_length
from dynsym.trajectory._zarr_chunks import warn_of_absent_chunks
from dynsym.trajectory.stored import Place, StoredRun, pieces, ranges
from dynsym.trajectory.tables import choose_columns, find_run, nothing_in

if TYPE_CHECKING:
    import xarray as xr

_GLANCE = 1024


def is_chunked(ds: xr.Dataset, axes: Axes) -> bool:
    """Say whether a variable that may be needed is a dask array."""
    return any(ds.variables[name].chunks is not None for name in (axes.time, *axes.numeric))


def decoded_bytes(ds: xr.Dataset, axes: Axes) -> float:
    """Return the bytes that the variables that may be needed take as float64."""
    return 8.0 * sum(ds.variables[name].size for name in (axes.time, *axes.numeric))


def stored_runs(ds: xr.Dataset, axes: Axes, want: Wanted, stem: str, source: Source) -> list[StoredRun]:
    """Return the runs of a Dataset without reading their states."""
    runs = (
        _along_time(ds, axes, want, stem, source)
        if axes.run is None
        else _along_runs(ds, axes, axes.run, want, source)
    )
    _refuse_empty(runs)
    if isinstance(source, FileSource) and source.engine == "zarr":
        warn_of_absent_chunks(source, runs[0].place.states + runs[0].place.slopes)
    return runs


def _along_runs(ds: xr.Dataset, axes: Axes, run: str, want: Wanted, source: Source) -> list[StoredRun]:
    """Return one run per index of the run dimension; times that the runs share are read once."""
    states, slopes = states_of_runs(ds, axes, run, want)
    place, m, labels = _place(ds, axes, states, slopes, source), ds.sizes[axes.along], labels_of_runs(ds, run)
    places = [replace(place, run=(run, k)) for k in range(len(labels))]
    if run in ds[axes.time].dims:
        records = [_measured(item, m, label) for item, label in zip(places, labels)]
    else:
        records = [_measured(place, m, "")] * len(labels)
    return _build(ds, places, records, labels)


def _along_time(ds: xr.Dataset, axes: Axes, want: Wanted, stem: str, source: Source) -> list[StoredRun]:
    """Return the run along time, or one per stretch of equal values of the column that separates runs."""
    columns = {name: ds.variables[name] for name in columns_along(ds, axes, want)}
    place, m = _place(ds, axes, (), (), source), ds.sizes[axes.along]
    ask = (lambda: _restarts(place, m), lambda name: len(_stretches(place, name, m, most=1)) > 1)
    column = find_run(columns, ask, axes.time, want)
    states, slopes = choose_columns(columns, (axes.time, column), want)
    found = [(stem, 0, m)] if column is None else _stretches(place, column, m)
    place = _place(ds, axes, states, slopes, source)
    places = [replace(place, first=start) for _, start, _ in found]
    records = [_measured(item, stop - start, label) for item, (label, start, stop) in zip(places, found)]
    return _build(ds, places, records, [label for label, _, _ in found])


def _place(
    ds: xr.Dataset, axes: Axes, states: tuple[str, ...], slopes: tuple[str, ...], source: Source
) -> Place:
    if isinstance(source, DatasetSource) and states:
        source = source.narrowed((axes.time, *states, *slopes))
    return Place(source, axes.time, axes.along, (None, 0), 0, states, slopes, None, unit_of(ds, axes.time))


@dataclass(frozen=True)
class _Record:
    """What one reading of the times of a run tells: samples up to the padding and with it, first and last time.

    Both times are as they are stored; `date` is the first of them if they are dates.
    """

    n_samples: int
    padded: int
    edges: np.ndarray
    steps: tuple[float, float]
    date: Any


def _build(ds: xr.Dataset, places: list[Place], records: list[_Record], labels: list[str]) -> list[StoredRun]:
    place = places[0]
    dates = [record.date for record in records]
    origin = None if dates[0] is None else min(dates)
    unit = time_numbers(place.raw(place.time, 0, 1), place.unit, origin)[1]
    states = place.states
    chosen = Chosen(states, place.slopes, {n: unit_of(ds, n) for n in states}, noise_of(ds, states), unit)
    units = state_units(chosen.given_units, states)
    sd = standard_deviation(chosen.given_sd, len(states))
    chunk = max(chunk_length(ds.variables[name], place.along) for name in states)
    out = []
    for item, record, label in zip(places, records, labels):
        _refuse_states_without_time(item, record, label)
        first, last = time_numbers(record.edges, place.unit, origin)[0].tolist()
        span, dated = (float(first), float(last)), replace(item, origin=origin)
        out.append(
            StoredRun(states, units, sd, label, unit, record.n_samples, span, record.steps, chunk, dated)
        )
    return out


def _ranges(place: Place, m: int) -> Iterator[tuple[int, int]]:
    """Return ranges of indices that suit the chunks of the times."""
    return ranges(m, 1, chunk_length(place.source.variables()[place.time], place.along))


def _measured(place: Place, m: int, label: str) -> _Record:
    """Read the times of a run once; they must increase, up to padding at the end that has no times."""
    title = place.source.titled(label)
    require(m > 0, f"{title}: t is empty; a run needs at least one sample")
    date = first_date(place.raw(place.time, 0, 1))
    counted = replace(place, origin=date)
    last, seen, low, high = -np.inf, 0, np.inf, -np.inf
    for start, stop in _ranges(place, m):
        t = counted.times(start, stop)
        known = np.isfinite(t)
        inside = int(known.sum())
        at = start + int(np.argmin(known))
        require(known[:inside].all(), f"{title}: t[{at}] is {t[at - start]}; every sample needs a time")
        require(inside == 0 or seen == start, f"{title}: t[{seen}] is missing, but later samples have times")
        step = _refuse_disorder(np.r_[last, t[:inside]], start - 1, title)[start == 0 :]
        low, high = min(low, step.min(initial=np.inf)), max(high, step.max(initial=-np.inf))
        last, seen = (t[inside - 1], start + inside) if inside else (last, seen)
    require(seen > 0, f"{title}: no sample has a time")
    edges = np.concatenate([place.raw(place.time, at, at + 1) for at in (0, seen - 1)])
    return _Record(seen, m, edges, (float(low), float(high)), date)


def _refuse_disorder(t: np.ndarray, first: int, title: str) -> np.ndarray:
    """Return the steps between t[first], t[first + 1], ..., which must increase; t[-1] stands for minus infinity."""
    step = np.diff(t)
    if (step > 0).all():
        return step
    at = int(np.argmax(step <= 0))
    here = f"t[{first + at + 1}] = {t[at + 1]:.12g}"
    there = f"t[{first + at}] = {t[at]:.12g}"
    if step[at] == 0:
        raise DataError(
            f"{title}: t repeats: {here} equals {there}; keep or average one of the samples at that time"
        )
    raise DataError(
        f"{title}: t must increase: {here} follows {there}; sort the samples, or name what separates runs with "
        "run=... (--run NAME)"
    )


def _refuse_states_without_time(place: Place, record: _Record, label: str) -> None:
    for start, stop in ranges(record.padded, len(place.states), 0):
        start = max(start, record.n_samples)
        if start < stop:
            lost = np.argwhere(~np.isnan(place.matrix(place.states, start, stop)))
            at = start + int(lost[0, 0]) if lost.size else 0
            title = place.source.titled(label)
            require(not lost.size, f"{title}: sample {at} has states, but its time is missing")


def _restarts(place: Place, m: int) -> bool:
    date = first_date(place.raw(place.time, 0, 1))
    counted, last = replace(place, origin=date), -np.inf
    for start, stop in _ranges(place, m):
        t = counted.times(start, stop)
        if t[0] <= last or (np.diff(t) <= 0).any():
            return True
        last = t[-1]
    return False


def _stretches(place: Place, name: str, m: int, most: int | None = None) -> list[tuple[str, int, int]]:
    """Return (label, start, stop) of the stretches of equal values in a column, each value in one stretch.

    With `most`, stop looking when there are more stretches than that.
    """
    starts: list[int] = []
    values: list[Any] = []
    for start, stop in _ranges(place, m):
        ids = place.raw(name, start, stop)
        lost = np.flatnonzero(ids != ids)
        at = start + int(lost[0]) if lost.size else 0
        require(not lost.size, f"the run column {name!r} misses its value at index {at}; fill it in")
        new = np.r_[not values or ids[0] != values[-1], ids[1:] != ids[:-1]]
        starts += (start + np.flatnonzero(new)).tolist()
        values += ids[new].tolist()
        if most is not None and len(starts) > most:
            return [(name, 0, 0)] * len(starts)
    where: dict[Any, int] = {}
    for value, start in zip(values, starts):
        require(
            value not in where,
            f"run {name}={value_label(value)} begins at index {where.get(value)} and again at index {start}; "
            "sort the samples by run first",
        )
        where[value] = start
    return [(f"{name}={value_label(v)}", a, b) for v, a, b in zip(values, starts, [*starts[1:], m])]


def _refuse_empty(runs: list[StoredRun]) -> None:
    """Refuse a state without a number in any run, and a run without a number in any state."""
    unseen = list(runs[0].place.states)
    for run in runs:
        seen = _first_seen(run, run.place.states)
        require(
            seen is not None,
            f"{run.title}: none of its {run.n_samples} samples has a value of {', '.join(run.names)}; leave "
            "it out",
        )
        unseen = [name for name in unseen if name != seen]
    for name in unseen:
        found = any(_first_seen(run, (name,)) is not None for run in runs)
        require(found, nothing_in("variable", name))


def _first_seen(run: StoredRun, names: tuple[str, ...]) -> str | None:
    """Return the first of the variables that has a number, looking at the beginning of each before the rest."""
    for start, stop in [(0, min(_GLANCE, run.n_samples)), *pieces(run)]:
        for name in names:
            values = run.place.raw(name, start, stop)
            if values.dtype.kind != "f" or not np.isnan(values).all():
                return name
    return None
