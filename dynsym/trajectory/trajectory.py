"""One run: samples of the states at increasing times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array, require
from dynsym.trajectory._fields import (
    check_times,
    own_array,
    refuse_infinite,
    samples_matrix,
    standard_deviation,
    state_names,
    state_units,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from dynsym.trajectory.stored import AnyRun


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Trajectory:
    """One run, the samples x(t_1), ..., x(t_m) of n states at strictly increasing times.

    A NaN in `x` marks a missing sample; `segments` cuts the run there. The arrays are read-only and are
    shared with the segments.

    Parameters
    ----------
    t : array_like, shape (m,)
        Times, finite and strictly increasing.
    x : array_like, shape (m, n) or (m,)
        States, the sample axis first. NaN is a missing sample; infinities are refused.
    names : sequence of str, optional
        One name per state; the default is x1 ... xn.
    units : sequence or mapping of str, optional
        Unit of each state; time derivatives are in this unit per `time_unit`.
    dxdt : array_like, shape (m, n), optional
        Derivatives, where they were measured or are known exactly.
    sd : float or array_like, shape (n,), optional
        Standard deviation of the measurement noise, in the units of the states.
    label : str
        What tells this run from the others.
    time_unit : str
        Unit of t, such as "s" or "days since 2000-01-01".

    Raises
    ------
    DataError
        If times repeat or decrease, lengths disagree, or values are infinite.
    TypeError
        If data are complex, text or objects, or units are not strings.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 1, 5)
    >>> run = Trajectory(t, np.c_[np.sin(t), np.cos(t)], names=("x", "v"), units=("m", "m/s"))
    >>> run
    Trajectory(5 samples, t = 0 .. 1, states x [m], v [m/s])
    """

    t: Array
    x: Array
    names: tuple[str, ...]
    units: tuple[str, ...] | None
    dxdt: Array | None
    sd: Array | None
    label: str
    time_unit: str

    def __init__(
        self,
        t: npt.ArrayLike,
        x: npt.ArrayLike,
        names: Sequence[str] | None = None,
        units: Sequence[str] | Mapping[str, str] | None = None,
        dxdt: npt.ArrayLike | None = None,
        sd: npt.ArrayLike | None = None,
        label: str = "",
        time_unit: str = "",
    ) -> None:
        times = own_array("t", t)
        check_times(times)
        states = samples_matrix("x", own_array("x", x), times.size)
        kept = state_names(names, states.shape[1])
        refuse_infinite("x", states, kept)
        slopes = None
        if dxdt is not None:
            slopes = samples_matrix("dxdt", own_array("dxdt", dxdt), times.size)
            require(slopes.shape == states.shape, f"dxdt has shape {slopes.shape}, x has {states.shape}")
            refuse_infinite("dxdt", slopes, kept)
        values = {
            "t": times,
            "x": states,
            "names": kept,
            "units": state_units(units, kept),
            "dxdt": slopes,
            "sd": standard_deviation(sd, len(kept)),
            "label": str(label),
            "time_unit": str(time_unit),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @property
    def n_states(self) -> int:
        """Number of states n."""
        return int(self.x.shape[1])

    @property
    def n_samples(self) -> int:
        """Number of samples m, missing ones included."""
        return int(self.x.shape[0])

    @property
    def duration(self) -> float:
        """Time from the first to the last sample, in the unit of t."""
        return float(self.t[-1] - self.t[0])

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Half-open index ranges [start, stop) of consecutive samples that miss at least one state."""
        edges = np.flatnonzero(np.diff(np.r_[False, np.isnan(self.x).any(axis=1), False].astype(np.int8)))
        return tuple((int(a), int(b)) for a, b in edges.reshape(-1, 2))

    @property
    def has_slopes(self) -> bool:
        """Whether derivatives were measured, so that there is a `dxdt`."""
        return self.dxdt is not None

    @property
    def chunk(self) -> int:
        """Length of the chunks in which the samples are stored: 0, they are all in memory."""
        return 0

    def __len__(self) -> int:
        return self.n_samples

    def times(self, start: int = 0, stop: int | None = None) -> Array:
        """Return the times of samples start .. stop-1, by default of all."""
        stop = self.n_samples if stop is None else stop
        check_range(start, stop, self.n_samples)
        return self.t[start:stop]

    def read(self, start: int = 0, stop: int | None = None) -> Trajectory:
        """Return samples start .. stop-1, by default all of them, as a view of this run with its label.

        Runs in files are read in the same way, see `StoredRun`.

        Examples
        --------
        >>> Trajectory([0, 1, 2, 3], [1.0, 4.0, 9.0, 16.0]).read(1, 3).t.tolist()
        [1.0, 2.0]
        """
        stop = self.n_samples if stop is None else stop
        check_range(start, stop, self.n_samples)
        if (start, stop) == (0, self.n_samples):
            return self
        return self._part(start, stop, self.label)

    def segments(self, min_samples: int = 1, max_step: float | None = None) -> list[Trajectory]:
        """Return the maximal stretches without a missing sample, in order of time.

        Parameters
        ----------
        min_samples : int
            Shorter stretches are left out.
        max_step : float, optional
            Cut also where a time step is more than this many times the median step.

        Returns
        -------
        list of Trajectory
            Views of this run (nothing is copied), labelled with their index range.

        Examples
        --------
        >>> run = Trajectory([0, 1, 2, 3], [1.0, float("nan"), 3.0, 4.0], label="a")
        >>> [part.label for part in run.segments(min_samples=2)]
        ['a[2:4]']
        """
        require(min_samples >= 1, f"min_samples must be at least 1, got {min_samples}")
        require(max_step is None or max_step > 1, f"max_step must exceed 1 median step, got {max_step}")
        # One pass without a temporary: a sum is NaN as soon as one summand is.
        if max_step is None and np.isfinite(self.x.sum()):
            return [self] if self.n_samples >= min_samples else []
        kept = np.flatnonzero(~np.isnan(self.x).any(axis=1))
        cut = np.diff(kept) > 1
        if max_step is not None and self.n_samples > 1:
            cut |= np.diff(self.t[kept]) > max_step * np.median(np.diff(self.t))
        if not cut.any() and kept.size == self.n_samples:
            return [self] if self.n_samples >= min_samples else []
        parts = np.split(kept, np.flatnonzero(cut) + 1)
        return [self._part(int(p[0]), int(p[-1]) + 1) for p in parts if p.size >= min_samples]

    def _part(self, start: int, stop: int, label: str | None = None) -> Trajectory:
        dxdt = None if self.dxdt is None else self.dxdt[start:stop]
        label = f"{self.label}[{start}:{stop}]" if label is None else label
        return Trajectory(
            self.t[start:stop],
            self.x[start:stop],
            self.names,
            self.units,
            dxdt,
            self.sd,
            label,
            self.time_unit,
        )

    def to_dataset(self) -> xr.Dataset:
        """Return the run as a Dataset along "t", with units, `<state>_dot` and noise kept.

        Examples
        --------
        >>> list(Trajectory([0, 1], [1.0, 2.0], names=("h",)).to_dataset().data_vars)
        ['h']
        """
        from dynsym.trajectory.gridded import dataset_of_run

        return dataset_of_run(self)

    @classmethod
    def from_dataset(
        cls,
        ds: xr.Dataset,
        time: str | None = None,
        states: Sequence[str] | None = None,
        run: str | None = None,
    ) -> Trajectory:
        """Return the only run in a Dataset, all of it in memory; see `runs_from_dataset`, which reads several.

        Examples
        --------
        >>> import xarray as xr
        >>> ds = xr.Dataset({"h": ("t", [1.0, 2.0])}, coords={"t": [0.0, 1.0]})
        >>> Trajectory.from_dataset(ds).names
        ('h',)
        """
        from dynsym.trajectory.gridded import runs_from_dataset

        return _only(runs_from_dataset(ds, time, states, run), "runs_from_dataset or open_runs").read()

    @classmethod
    def from_dataframe(
        cls,
        df: pd.DataFrame,
        time: str | None = None,
        states: Sequence[str] | None = None,
        run: str | None = None,
    ) -> Trajectory:
        """Return the only run in a DataFrame; see `runs_from_dataframe`, which reads several.

        Examples
        --------
        >>> import pandas as pd
        >>> Trajectory.from_dataframe(pd.DataFrame({"t": [0.0, 1.0], "h": [1.0, 2.0]})).names
        ('h',)
        """
        from dynsym.trajectory.tables import runs_from_dataframe

        return _only(runs_from_dataframe(df, time, states, run), "runs_from_dataframe or open_runs").read()

    def plot(self) -> Figure:
        """Draw each state against time, one panel per state; missing samples are left blank.

        Examples
        --------
        >>> len(Trajectory([0, 1], [[1.0, 2.0], [3.0, 4.0]]).plot().axes)
        2
        """
        from dynsym.trajectory._draw import draw_runs

        return draw_runs([self])

    def __repr__(self) -> str:
        missing = sum(stop - start for start, stop in self.gaps)
        parts = [
            f"{self.n_samples} samples",
            f"t = {self.t[0]:.6g} .. {self.t[-1]:.6g}" + (f" {self.time_unit}" if self.time_unit else ""),
            "states " + ", ".join(with_units(self)),
        ]
        parts += [f"{missing} incomplete"] if missing else []
        parts += ["with dxdt"] if self.dxdt is not None else []
        head = f"{self.label!r}: " if self.label else ""
        return f"Trajectory({head}{', '.join(parts)})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{low:.4g}</td><td>{high:.4g}</td></tr>"
            for name, low, high in zip(with_units(self), *_limits(self.x))
        )
        head = "<tr><th>state</th><th>lowest</th><th>highest</th></tr>"
        return f"<p>{escape(repr(self))}</p><table>{head}{rows}</table>"


def check_range(start: int, stop: int, m: int) -> None:
    """Refuse an empty range of samples and one that a run of m samples does not have."""
    require(0 <= start < stop <= m, f"the run has samples 0 to {m - 1}, so there is no piece {start}:{stop}")


def with_units(run: AnyRun) -> list[str]:
    """Return the state names, each with its unit in brackets where it has one."""
    units = run.units or ("",) * run.n_states
    return [f"{name} [{unit}]" if unit else name for name, unit in zip(run.names, units)]


def _limits(x: Array) -> tuple[list[float], list[float]]:
    """Return lowest and highest value per state; a state without a sample gives NaN."""
    seen = [column[~np.isnan(column)] for column in x.T]
    low = [float(column.min()) if column.size else float("nan") for column in seen]
    return low, [float(column.max()) if column.size else float("nan") for column in seen]


def _only(runs: Sequence[AnyRun], remedy: str) -> AnyRun:
    labels = ", ".join(run.label for run in runs[:3]) + (", ..." if len(runs) > 3 else "")
    require(len(runs) == 1, f"got {len(runs)} runs ({labels}) where one is read; use {remedy}")
    return runs[0]
