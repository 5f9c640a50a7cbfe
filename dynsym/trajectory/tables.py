"""Tables: named columns, one row per sample, perhaps with a column that separates runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from dynsym._checks import DataError, require, unique_names
from dynsym.trajectory._columns import (
    RUN_NAMES,
    TIME_NAMES,
    Chosen,
    Wanted,
    choose_states,
    numbers,
    present,
    time_numbers,
    value_label,
    wanted,
)
from dynsym.trajectory.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """Named columns of equal length; `first_row` is what the file calls its first row of data."""

    columns: Mapping[str, np.ndarray]
    units: Mapping[str, str] = field(default_factory=dict)
    sd: Mapping[str, float] = field(default_factory=dict)
    time_unit: str = ""
    first_row: int = 0


def runs_from_dataframe(
    df: pd.DataFrame,
    time: str | None = None,
    states: Sequence[str] | None = None,
    run: str | None = None,
) -> list[Trajectory]:
    """Return the runs in a DataFrame, one row per sample.

    Parameters
    ----------
    df : DataFrame
        Columns of time, states and perhaps run; index levels that have a name count as columns.
    time : str, optional
        Column of times; found by the names t, time, Time, or as the only column of dates.
    states : sequence of str, optional
        Columns of states; the default is every other column of numbers. `<state>_dot` is a derivative.
    run : str, optional
        Column that separates runs; found by its name (run, trial, id, trajectory, ...) where time restarts.

    Returns
    -------
    list of Trajectory
        In the order in which the runs first appear.

    Raises
    ------
    DataError
        If a column is missing or time restarts without a column that says why.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"run": [1, 1, 2, 2], "t": [0, 1, 0, 1], "x": [0.1, 0.2, 0.3, 0.4]})
    >>> [r.label for r in runs_from_dataframe(df)]
    ['run=1', 'run=2']
    """
    want = wanted(time, states, run)
    dated = df.index.dtype.kind in "Mm"
    if any(name is not None for name in df.index.names):
        df = df.reset_index(level=[name for name in df.index.names if name is not None])
    elif dated and "time" not in df.columns:
        df = df.rename_axis("time").reset_index()
    names = unique_names("column", (str(name) for name in df.columns))
    return runs_of_table(Table({name: _plain(df.iloc[:, i]) for i, name in enumerate(names)}), want, "")


def _plain(column: pd.Series) -> np.ndarray:
    """Return a column as an array; nullable numbers become floats with NaN, dates lose their time zone."""
    kind = getattr(column.dtype, "kind", "O")
    if kind in "iuf" and not isinstance(column.dtype, np.dtype):
        return column.to_numpy(dtype=float, na_value=np.nan)
    if kind == "M" and not isinstance(column.dtype, np.dtype):
        return column.to_numpy(dtype="datetime64[ns]")
    return column.to_numpy()


def runs_of_table(table: Table, want: Wanted, stem: str) -> list[Trajectory]:
    """Return the runs of a table; `stem` labels a table that holds a single run."""
    columns = table.columns
    time = find_time(columns, want.time)
    require(columns[time].size > 0, "the table has no rows")
    t, time_unit = time_numbers(columns[time], table.units.get(time, table.time_unit))
    run = find_run(
        columns,
        (lambda: bool((np.diff(t) <= 0).any()), lambda name: np.unique(columns[name]).size > 1),
        time,
        want,
    )
    states, slopes = choose_columns(columns, (time, run), want)
    for name in states:
        empty = columns[name].dtype.kind == "f" and bool(np.isnan(columns[name]).all())
        require(not empty, nothing_in("column", name))
    chosen = Chosen(states, slopes, table.units, table.sd, time_unit)
    names = chosen.states + chosen.slopes
    values = [numbers(f"column {name!r}", columns[name]) for name in names]
    n = len(chosen.states)
    if run is None:
        _refuse_restart(t, table.first_row)
        return [chosen.build(t, values[:n], values[n:], stem)]
    return [
        chosen.build(t[rows], [v[rows] for v in values[:n]], [v[rows] for v in values[n:]], f"{run}={label}")
        for label, rows in _rows_of_runs(columns[run])
    ]


def find_time(columns: Mapping[str, np.ndarray], asked: str | None) -> str:
    """Return the name of the column of times."""
    if asked is not None:
        return present("column", asked, columns, "time=... (--time NAME)")
    named = [name for name in TIME_NAMES if name in columns]
    dates = [name for name, values in columns.items() if values.dtype.kind == "M"]
    found = named or dates
    if len(found) != 1:
        what = (
            f"several columns may be the time ({', '.join(found)})"
            if found
            else "no column of times was found"
        )
        raise DataError(
            f"{what} among {', '.join(columns) or 'no columns'}; name it with time=... (--time NAME)"
        )
    return found[0]


def find_run(
    columns: Iterable[str],
    ask: tuple[Callable[[], bool], Callable[[str], bool]],
    time: str,
    want: Wanted,
) -> str | None:
    """Return the name of the column that separates runs; `ask` says whether time restarts, a column varies."""
    restarts, varies = ask
    if want.run is not None:
        return present("column", want.run, columns, "run=... (--run NAME)")
    asked = want.states or ()
    known = [name for name in columns if name.lower() in RUN_NAMES and name != time and name not in asked]
    if not known:
        return None
    if restarts():
        require(
            len(known) == 1,
            f"{', '.join(known)} may each separate the runs; choose with run=... (--run NAME)",
        )
        return known[0]
    varying = [name for name in known if varies(name)]
    if varying and want.states is None:
        raise DataError(
            f"column {varying[0]!r} reads as the number of a run, but time never restarts; separate by it "
            "with run=... (--run NAME), or name the states with states=[...] (--states A,B)"
        )
    return None if varying else known[0]


def choose_columns(
    columns: Mapping[str, Any], taken: tuple[str, str | None], want: Wanted
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (states, their derivatives) among columns, by their types alone; time and run are taken."""
    free = [name for name in columns if name not in taken]
    for name in want.states or ():
        present("column", name, free, "states=[...] (--states A,B)")
    unusable = [name for name in free if _unusable_numbers(columns[name])]
    if want.states is None and unusable:
        numbers(f"column {unusable[0]!r}", np.asarray(columns[unusable[0]][:1]))
    numeric = [name for name in free if columns[name].dtype.kind in "iuf"]
    states, slopes = choose_states(want.states, numeric)
    have = ", ".join(f"{name} ({values.dtype})" for name, values in columns.items())
    require(len(states) > 0, f"no columns of numbers beside the time {taken[0]!r}; there are: {have}")
    return states, slopes


def nothing_in(kind: str, name: str) -> str:
    """Return what is wrong with a state that is missing throughout."""
    return f"{kind} {name!r} holds no number at all; name the states with states=[...] (--states A,B)"


def _unusable_numbers(values: Any) -> bool:
    """Say whether a column holds numbers that must not be passed over: complex, or Python objects."""
    if values.dtype.kind == "O":
        return any(isinstance(value, Number) for value in np.asarray(values[:1]).flat)
    return bool(values.dtype.kind == "c")


def _refuse_restart(t: np.ndarray, first_row: int) -> None:
    down = np.flatnonzero(np.diff(t) < 0)
    # Times that only ever decrease are one reversed run, which `Trajectory` explains.
    if down.size and down.size < t.size - 1:
        at = int(down[0]) + 1
        raise DataError(
            f"t restarts at row {first_row + at}: {t[at]:.12g} follows {t[at - 1]:.12g}; name the column "
            "that separates runs with run=... (--run NAME), or sort the rows"
        )


def _rows_of_runs(ids: np.ndarray) -> list[tuple[str, slice | np.ndarray]]:
    """Return (label, rows) per run in order of first appearance; rows that are neighbours come as a slice."""
    if ids.dtype.kind == "f":
        require(
            not np.isnan(ids).any(),
            f"the run column misses {int(np.isnan(ids).sum())} values; fill or drop them",
        )
    distinct, first, inverse = np.unique(ids.astype(str) if ids.dtype.kind == "O" else ids, True, True)
    order = np.argsort(inverse, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(inverse))[:-1])
    out: list[tuple[str, slice | np.ndarray]] = []
    for k in np.argsort(first):
        rows = parts[k]
        joined = rows[-1] - rows[0] + 1 == rows.size
        out.append((value_label(distinct[k]), slice(int(rows[0]), int(rows[-1]) + 1) if joined else rows))
    return out
