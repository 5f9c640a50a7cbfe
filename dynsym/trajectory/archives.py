"""NumPy archives (.npz): arrays t and x, or one array per state. Pickled objects are never loaded."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from dynsym._checks import DataError, require
from dynsym.trajectory._columns import RUN_NAMES, Chosen, Wanted, numbers
from dynsym.trajectory._fields import standard_deviation, state_names
from dynsym.trajectory.tables import Table, find_time, runs_of_table
from dynsym.trajectory.trajectory import Trajectory

_ABOUT = ("names", "units", "sd", "time_unit")


def read_npz(path: Path, want: Wanted) -> list[Trajectory]:
    """Return the runs in an archive.

    `x` is (m, n) beside `t` (m,), or (runs, m, n) beside `t` (m,) or (runs, m); else every array along t is a
    state. `names`, `units`, `sd`, `dxdt`, `time_unit` and an array that separates the rows of runs are
    optional.
    """
    arrays = _load(path)
    about = {key: arrays.pop(key) for key in _ABOUT if key in arrays}
    time = find_time(arrays, want.time)
    x = arrays.get("x")
    if x is not None and x.ndim == 3:
        return _stacked(arrays, about, time, want)
    if x is not None and x.ndim == 2:
        arrays = _split_columns(arrays, about)
    columns = {name: values for name, values in arrays.items() if values.ndim == 1}
    m = columns[time].size if time in columns else -1
    require(m >= 0, f"the times {time!r} must have one axis, got shape {arrays[time].shape}")
    wrong = [f"{name} {values.shape}" for name, values in arrays.items() if values.shape != (m,)]
    require(not wrong, f"arrays must have the shape ({m},) of {time!r}, got {', '.join(wrong)}")
    states = [
        name for name in columns if name != time and name not in RUN_NAMES and not name.endswith("_dot")
    ]
    units, sd = _units_and_noise(about, tuple(_named(about, len(states)) or states))
    return runs_of_table(Table(columns, units, sd, _text(about, "time_unit")), want, path.stem)


def _load(path: Path) -> dict[str, np.ndarray]:
    out = {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            for name in archive.files:
                out[name] = _member(archive, name)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise DataError(f"cannot be read as an NPZ archive ({error}); the file may be cut off") from error
    require(len(out) > 0, "the archive holds no arrays")
    return out


def _member(archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        return np.asarray(archive[name])
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise DataError(f"array {name!r} cannot be read ({error}); the file may be cut off") from error
        raise DataError(
            f"array {name!r} is a pickled object, which can run code and is never loaded; save plain "
            "numbers, such as one padded array instead of a list of arrays"
        ) from error


def _split_columns(arrays: dict[str, np.ndarray], about: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays with x (m, n), and dxdt, as one column per state."""
    names = state_names(_named(about, arrays["x"].shape[1]), arrays["x"].shape[1])
    rest = {key: values for key, values in arrays.items() if key not in ("x", "dxdt")}
    twice = [name for name in names if name in rest]
    require(not twice, f"{', '.join(twice)} is both a state in names and an array of its own; rename one")
    columns = dict(zip(names, arrays["x"].T))
    if "dxdt" in arrays:
        dxdt = arrays["dxdt"]
        require(dxdt.shape == arrays["x"].shape, f"dxdt has shape {dxdt.shape}, x has {arrays['x'].shape}")
        columns |= dict(zip((f"{name}_dot" for name in names), dxdt.T))
    return rest | columns


def _stacked(
    arrays: dict[str, np.ndarray], about: dict[str, np.ndarray], time: str, want: Wanted
) -> list[Trajectory]:
    """Return one run per index of the first axis of x (runs, m, n)."""
    x, t = numbers("x", arrays["x"]), numbers(time, arrays[time])
    require(
        t.shape in (x.shape[:2], x.shape[1:2]),
        f"x has shape {x.shape}, so {time} must have shape {x.shape[1:2]} or {x.shape[:2]}, got {t.shape}",
    )
    names = state_names(_named(about, x.shape[2]), x.shape[2])
    keep = [names.index(name) for name in want.states or names if name in names]
    require(
        len(keep) == len(want.states or names), f"states {want.states} are not all among {', '.join(names)}"
    )
    slopes = arrays.get("dxdt")
    require(slopes is None or slopes.shape == x.shape, "dxdt must have the shape of x")
    states = tuple(names[i] for i in keep)
    units, sd = _units_and_noise(about, names)
    chosen = Chosen(states, tuple(f"{s}_dot" for s in states), units, sd, _text(about, "time_unit"))
    ids = arrays.get(want.run or "run", np.arange(len(x)))
    require(ids.shape == x.shape[:1], f"the run numbers must have shape {x.shape[:1]}, got {ids.shape}")
    times = np.broadcast_to(t, x.shape[:2])
    none: list[np.ndarray] = []
    return [
        chosen.build(
            times[k], list(x[k].T[keep]), none if slopes is None else list(slopes[k].T[keep]), f"run={value}"
        )
        for k, value in enumerate(ids.tolist())
    ]


def _named(about: dict[str, np.ndarray], n: int) -> tuple[str, ...] | None:
    if "names" not in about:
        return None
    names = tuple(str(name) for name in np.atleast_1d(about["names"]))
    require(len(names) == n, f"names has {len(names)} entries {names} for {n} states")
    return names


def _text(about: dict[str, np.ndarray], key: str) -> str:
    return str(about[key]) if key in about else ""


def _units_and_noise(
    about: dict[str, np.ndarray], names: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, float]]:
    units = np.atleast_1d(about["units"]).astype(str).tolist() if "units" in about else [""] * len(names)
    require(len(units) == len(names), f"units has {len(units)} entries for {len(names)} states")
    sd = standard_deviation(about.get("sd"), len(names))
    return dict(zip(names, units)), {} if sd is None else dict(zip(names, sd.tolist()))
