"""`ds.dynsym`: the verbs on an xarray Dataset, registered when this module is imported.

The Dataset is read once, by name, into runs; every verb is the function of the same name on these runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import xarray as xr

from .analysis import Analysis, AnalysisSettings, analyze
from .dictionary import Dictionary, parse_dictionary
from .differentiation import RowMethod
from .findings import ConservedQuantities, Symmetries, conserved_quantities, symmetries
from .generators import Generators, by_name
from .optim import STLSQ, LinearConstraint, Penalty
from .regression import Model, Stepwise, fit
from .trajectory import AnyRun, DataQuality, quality
from .trajectory.gridded import runs_from_dataset


@xr.register_dataset_accessor("dynsym")
@dataclass(frozen=True, eq=False, repr=False)
class DynsymAccessor:
    """The runs in a Dataset and what `dynsym` says of them.

    Dictionaries may be written as text, such as ``"poly(3)"``, in the names of the variables; so may candidates.

    Parameters
    ----------
    dataset
        Variables along a time dimension, and perhaps along one more that separates runs.
    time, states, run
        Names, where they cannot be found out from the Dataset; see `select`.

    Examples
    --------
    >>> import dynsym as dy, dynsym.accessor, numpy as np, xarray as xr
    >>> t = np.linspace(0, 6, 200)
    >>> ds = xr.Dataset({"x": ("t", np.cos(t)), "v": ("t", -np.sin(t))}, coords={"t": t})
    >>> ds.dynsym.fit("poly(2)", dy.Stepwise()).equations(3)
    ["x' = v", "v' = -x"]
    """

    dataset: xr.Dataset
    time: str | None = None
    states: Sequence[str] | None = None
    run: str | None = None

    def select(
        self, time: str | None = None, states: Sequence[str] | None = None, run: str | None = None
    ) -> DynsymAccessor:
        """The same verbs with the time, the states, or the dimension of runs named.

        Examples
        --------
        >>> import dynsym.accessor, xarray as xr
        >>> ds = xr.Dataset({"x": ("s", [1.0, 2.0]), "y": ("s", [3.0, 4.0])}, coords={"s": [0.0, 1.0]})
        >>> ds.dynsym.select(time="s", states=["y"]).runs()
        [Trajectory(2 samples, t = 0 .. 1, states y)]
        """
        return DynsymAccessor(self.dataset, time or self.time, states or self.states, run or self.run)

    def runs(
        self, time: str | None = None, states: Sequence[str] | None = None, run: str | None = None
    ) -> list[AnyRun]:
        """The runs, as `dynsym.trajectory.runs_from_dataset` reads them."""
        chosen = self.select(time, states, run)
        return runs_from_dataset(self.dataset, chosen.time, chosen.states, chosen.run)

    def quality(self) -> DataQuality:
        """Sampling, gaps, noise and dependence of the states."""
        return quality(self.runs())

    def fit(
        self,
        dictionary: Dictionary | str,
        penalty: Penalty | STLSQ | Stepwise | None = None,
        constraints: LinearConstraint | Iterable[LinearConstraint] = (),
        rows: RowMethod | None = None,
    ) -> Model:
        """The vector field over a dictionary, as `dynsym.fit`."""
        runs = self.runs()
        return fit(runs, _functions(dictionary, runs), penalty, constraints, rows)

    def symmetries(
        self,
        dictionary: Dictionary | str,
        candidates: Generators | str = "affine",
        delta: float = 0.05,
        alpha: float = 0.05,
    ) -> Symmetries:
        """Symmetries, among the candidates, of the vector field fitted stepwise over a dictionary."""
        model = self.fit(dictionary, Stepwise())
        family = by_name(candidates, model.field.names) if isinstance(candidates, str) else candidates
        return symmetries(model, family, delta, alpha)

    def conserved_quantities(
        self,
        dictionary: Dictionary | str,
        invariants: Dictionary | str,
        delta: float = 0.05,
        alpha: float = 0.05,
    ) -> ConservedQuantities:
        """Conserved quantities, made of the functions `invariants`, of the vector field fitted stepwise over a dictionary."""
        model = self.fit(dictionary, Stepwise())
        return conserved_quantities(model, _functions(invariants, model.runs), delta, alpha)

    def analyze(self, settings: AnalysisSettings | None = None) -> Analysis:
        """Equations, conserved quantities, symmetries and symmetric refit, as `dynsym.analyze`."""
        return analyze(self.runs(), settings)

    def __repr__(self) -> str:
        names = {"time": self.time, "states": self.states, "run": self.run}
        said = ", ".join(f"{key}={value!r}" for key, value in names.items() if value is not None)
        return f"<dynsym accessor{': ' + said if said else ''}; runs, quality, fit, symmetries, ..., analyze>"


def _functions(dictionary: Dictionary | str, runs: Sequence[AnyRun]) -> Dictionary:
    return parse_dictionary(dictionary, runs[0].names) if isinstance(dictionary, str) else dictionary
