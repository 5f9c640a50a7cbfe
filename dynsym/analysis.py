"""The whole pipeline on one data set: check, fit, find, judge, refit; what the command line calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import ConvergenceError, DataError, require
from .algebra import PoissonAlgebra
from .compress import working_on
from .dictionary import Dictionary, parse_dictionary
from .findings import (
    ConservedQuantities,
    DiscreteSymmetries,
    HamiltonianStructure,
    Symmetries,
    conserved_quantities,
    discrete_symmetries,
    hamiltonian_structure,
    law_algebra,
    symmetries,
)
from .generators import by_name, with_time_scaling
from .inner_product import region_around
from .ladder import choose_dictionary, invariants_for
from .refit import Refit, refit
from .regression import Model, Stepwise, fit
from .trajectory import AnyRun, DataQuality, as_runs, excerpts, open_runs, quality, with_states

Progress = Callable[[str, float], None]
_NAME = r"^[^\W\d]\w*$"
_PIECES, _PIECE = 200, 1000  # excerpts of a run that show whether its states vary
_BRACKET_UP_TO = (8, 250)  # states, and functions for H, up to which a Hamiltonian structure is looked for
_REFIT_UP_TO = 700  # coefficients; the chain works on dense matrices of this size


@dataclass(frozen=True)
class AnalysisSettings:
    """What an analysis is asked for.

    Attributes
    ----------
    dictionary
        Expression for the dynamics, or "auto".
    invariants
        Expression for conserved quantities, or "auto": derived from the dictionary.
    candidates
        Names of candidate generators; the time scaling is always added.
    noise
        Standard deviation of the measurement noise of every state, or "auto".
    delta, alpha
        Tolerance of defects and error level of verdicts.
    seed
        Of the points that stand for the region.
    workers
        Processes that the pass over the data runs on, or the address of a dask cluster; 1 is this process alone.
    """

    dictionary: str = "auto"
    invariants: str = "auto"
    candidates: str = "affine"
    noise: float | str = "auto"
    delta: float = 0.05
    alpha: float = 0.05
    seed: int = 0
    workers: int | str = 1

    def __post_init__(self) -> None:
        if self.noise != "auto":
            value = float(self.noise)
            require(
                np.isfinite(value) and value >= 0, f"noise must be a number >= 0 or 'auto', got {self.noise}"
            )
            object.__setattr__(self, "noise", value)
        if not isinstance(self.workers, str):
            require(self.workers >= 1, f"workers must be at least 1, got {self.workers}")
        require(0 < self.delta < 1, f"delta must lie between 0 and 1, got {self.delta}")
        require(0 < self.alpha < 0.5, f"alpha must lie between 0 and 0.5, got {self.alpha}")


@dataclass(frozen=True)
class Analysis:
    """Everything found in one data set; prints as tables, `to_json` gives the contracted record."""

    input: dict[str, Any]
    runs: tuple[AnyRun, ...]
    quality: DataQuality
    model: Model
    laws: ConservedQuantities
    symmetries: Symmetries
    refit: Refit | None
    warnings: tuple[str, ...]
    timings: dict[str, float] = field(default_factory=dict)
    discrete: DiscreteSymmetries | None = None
    hamiltonian: HamiltonianStructure | None = None
    law_algebra: PoissonAlgebra | None = None

    def to_json(self) -> dict[str, Any]:
        """The record of schema version 1; numbers are finite or None."""
        from .analysis_json import record_of

        return record_of(self)

    def __str__(self) -> str:
        parts = [str(self.model), str(self.laws), str(self.symmetries)]
        if self.discrete is not None:
            parts.append(str(self.discrete))
        if self.hamiltonian is not None:
            parts.append(str(self.hamiltonian))
        if self.law_algebra is not None:
            parts.append(str(self.law_algebra))
        if self.refit is not None:
            parts.append(str(self.refit))
        return "\n\n".join([*parts, *(f"warning: {w}" for w in self.warnings)])

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """Spectra, drift and phase portraits, as a matplotlib figure."""
        from . import plot

        return plot.analysis(self)


def analyze(
    data: Any, settings: AnalysisSettings | None = None, progress: Progress | None = None
) -> Analysis:
    """The dynamics, conserved quantities, symmetries and symmetric refit of a data set, each with a verdict.

    Parameters
    ----------
    data
        Paths, runs, xarray, DataFrame, as for `fit`.
    settings
        What is asked for; default everything automatic.
    progress
        Called with (stage, fraction done).

    Returns
    -------
    Analysis

    Raises
    ------
    DataError
        If the data cannot be used.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("isotropic_oscillator_2d").runs(6, 200, noise=0.01)
    >>> done = dy.analyze(runs)
    >>> done.laws.independent, done.symmetries.algebra.name
    (3, 'gl(2,C)')
    """
    how = AnalysisSettings() if settings is None else settings
    clock = _Clock(progress)
    runs, notes = _clean(as_runs(data), how)
    report = quality(runs)
    clock.done("check", 0.05)
    with working_on(how.workers):
        dictionary, chosen, doubts = _dictionary(runs, how)
        clock.done("dictionary", 0.25)
        model = fit(runs, dictionary, penalty=Stepwise())
    model = replace(model, region=region_around(model.source.clouds, seed=how.seed))
    clock.done("fit", 0.35)
    where = invariants_for(model, chosen) if how.invariants == "auto" else how.invariants
    laws = conserved_quantities(model, parse_dictionary(where, model.field.names), how.delta, how.alpha)
    clock.done("conserved quantities", 0.55)
    found = _symmetries(model, laws, how)
    maps = discrete_symmetries(model, None, how.delta, how.alpha)
    clock.done("symmetries", 0.75)
    structure = _structure(model, parse_dictionary(where, model.field.names), laws, found, how)
    clock.done("hamiltonian structure", 0.8)
    again, trouble = _refit(runs, model, found, how)
    clock.done("refit", 1.0)
    # Verdicts are free of scale, so a spread of scales needs no remedy here.
    concerns = [w for w in report.warnings if not w.startswith("the scales differ")]
    warnings = (*notes, *concerns, *doubts, *found.warnings, *laws.warnings, *trouble)
    facts = {"paths": _paths(data)} | _input(runs, model, chosen, where, how)
    return Analysis(
        facts,
        tuple(runs),
        report,
        model,
        laws,
        found,
        again,
        tuple(dict.fromkeys(warnings)),
        clock.timings,
        maps,
        structure,
        None if structure is None else law_algebra(structure, laws),
    )


class _Clock:
    """Seconds per stage, passed on to whoever shows progress."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._last = time.perf_counter()
        self.timings: dict[str, float] = {}

    def done(self, stage: str, fraction: float) -> None:
        now = time.perf_counter()
        self.timings[stage] = now - self._last
        self._last = now
        if self._progress is not None:
            self._progress(stage, fraction)


def _clean(runs: list[AnyRun], how: AnalysisSettings) -> tuple[list[AnyRun], list[str]]:
    """Runs whose states all vary and have names that formulas can hold, with the stated noise."""
    notes = []
    names = tuple(_identifier(name) for name in runs[0].names)
    require(len(set(names)) == len(names), f"state names must differ, got {', '.join(runs[0].names)}")
    if names != tuple(runs[0].names):
        changed = [f"{a!r} as {b}" for a, b in zip(runs[0].names, names) if a != b]
        notes.append(f"names that formulas cannot hold are written differently: {', '.join(changed)}")
    seen = [part.x for run in runs for part in excerpts(run, _PIECES, _PIECE)]
    values = np.concatenate([x[np.isfinite(x).all(axis=1)] for x in seen])
    require(len(values) > 0, "no sample is complete: every row has a missing value; fill or drop states")
    spread = np.ptp(values, axis=0)
    moving = spread > 1e-12 * np.maximum(np.abs(values).max(axis=0), 1e-300)
    require(
        bool(moving.any()),
        f"all {len(names)} states are constant in all {len(values)} samples; nothing moves",
    )
    for name, value in zip(np.array(names)[~moving], values[0][~moving]):
        notes.append(
            f"the state {name} is constant ({value:g}) in all data and is left out: its dynamics cannot be seen, and that it "
            "is constant here is a property of the data, not a law"
        )
    keep = np.flatnonzero(moving)
    return [_part(run, names, keep, how) for run in runs], notes


def _part(run: AnyRun, names: tuple[str, ...], keep: npt.NDArray[np.intp], how: AnalysisSettings) -> AnyRun:
    chosen = [int(k) for k in keep]
    sd = run.sd if how.noise == "auto" else np.full(run.n_states, float(how.noise))
    return with_states(run, chosen, tuple(names[k] for k in chosen), sd)


def _identifier(name: str) -> str:
    import re

    text = re.sub(r"\W+", "_", name.strip()).strip("_") or "state"
    return text if re.match(_NAME, text) else f"x_{text}"


def _dictionary(runs: list[AnyRun], how: AnalysisSettings) -> tuple[Dictionary, str, list[str]]:
    if how.dictionary != "auto":
        return parse_dictionary(how.dictionary, runs[0].names), how.dictionary, []
    return choose_dictionary(runs, how.workers if isinstance(how.workers, int) else 1)


def _symmetries(model: Model, laws: ConservedQuantities, how: AnalysisSettings) -> Symmetries:
    family = by_name(how.candidates, model.field.names)
    assert family.time_scaling is not None
    if not family.time_scaling.any():
        family = with_time_scaling(family)
    return symmetries(model, family, how.delta, how.alpha, laws=laws.functions)


def _structure(
    model: Model,
    dictionary: Dictionary,
    laws: ConservedQuantities,
    found: Symmetries,
    how: AnalysisSettings,
) -> HamiltonianStructure | None:
    """The certified Hamiltonian structure; looked for where something is conserved and the problem is small enough."""
    states, terms = _BRACKET_UP_TO
    if not laws.functions or model.field.n_states > states or dictionary.n_terms > terms:
        return None
    structure = hamiltonian_structure(model, dictionary, laws, found, how.delta, how.alpha)
    return structure if structure.certified else None


def _refit(
    runs: list[AnyRun], model: Model, found: Symmetries, how: AnalysisSettings
) -> tuple[Refit | None, list[str]]:
    """The symmetric refit, where there is a symmetry to enforce and the problem is small enough."""
    if model.coefficients.size > _REFIT_UP_TO:
        return None, [
            f"no refit: {model.coefficients.size} coefficients are more than the {_REFIT_UP_TO} it works with"
        ]
    if not len(found.generators) or found.generators.ramps() is not None:
        return None, []
    family = by_name(how.candidates, model.field.names)
    try:
        return refit(runs, model.field.dictionary, with_time_scaling(family), Stepwise(), known=found), []
    except (DataError, ConvergenceError) as trouble:
        return None, [f"no refit: {trouble}"]


def _paths(data: Any) -> list[str]:
    """The files that the data came from, if they came from files."""
    every = [data] if isinstance(data, str | Path) else data
    if isinstance(every, list | tuple) and every and all(isinstance(p, str | Path) for p in every):
        return [str(p) for p in every]
    return []


def _input(
    runs: list[AnyRun], model: Model, dictionary: str, invariants: str, how: AnalysisSettings
) -> dict[str, Any]:
    units = runs[0].units
    return {
        "states": list(model.field.names),
        "units": None if units is None else list(units),
        "runs": len(runs),
        "samples": int(sum(len(run) for run in runs)),
        "labels": [run.label for run in runs[:50]],
        "time_span": _time_span(runs),
        "noise": [float(v) for v in model.noise],
        "noise_given": how.noise != "auto",
        "method": model.method.description,
        "dictionary": dictionary,
        "dictionary_chosen": how.dictionary == "auto",
        "invariants": invariants,
        "candidates": how.candidates,
        "delta": how.delta,
        "alpha": how.alpha,
        "seed": how.seed,
    }


def _time_span(runs: Sequence[AnyRun]) -> list[float]:
    """First and last time of any run."""
    first = min(float(run.times(0, 1)[0]) for run in runs)
    return [first, max(float(run.times(len(run) - 1, len(run))[0]) for run in runs)]


def demo_path() -> Path:
    """The planets' states that come with the package."""
    here = Path(__file__).resolve().parent
    for path in (here / "_data" / "planets.nc", here.parent / "data" / "planets.nc"):
        if path.exists():
            return path
    raise FileNotFoundError("the embedded data planets.nc are missing; install the package again")


def demo_runs() -> list[AnyRun]:
    """Heliocentric states of the eight planets, AU and days."""
    return open_runs(demo_path())


DEMO = AnalysisSettings(
    dictionary="poly(1) + poly(1) * radial(x, y, z; -5..-1)",
    invariants="poly(3) + poly(1; x, y, z) * radial(x, y, z; -1)",
)
