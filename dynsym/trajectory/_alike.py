"""Runs that are used together must have the same states in the same units."""

from __future__ import annotations

from collections.abc import Sequence

from dynsym._checks import require
from dynsym.trajectory.stored import AnyRun


def require_alike(runs: Sequence[AnyRun]) -> list[AnyRun]:
    """Return the runs as a list, refusing none at all, and states, units or time units that disagree."""
    require(len(runs) > 0, "no runs were given; at least one is needed")
    first = runs[0]
    units = next((run for run in runs if run.units is not None), first)
    for number, run in enumerate(runs):
        which = f"run {number} ({run.label!r})" if run.label else f"run {number}"
        require(
            run.names == first.names,
            f"{which} has states {', '.join(run.names)}, but run 0 has {', '.join(first.names)}; give every "
            "run the same states in the same order",
        )
        require(
            run.units is None or run.units == units.units,
            f"{which} has units {run.units}, but others have {units.units}; convert the runs to the same "
            "units",
        )
        require(
            _rate(run) == _rate(first),
            f"{which} has times in {run.time_unit!r}, but run 0 in {first.time_unit!r}; convert them to the "
            "same",
        )
    return list(runs)


def _rate(run: AnyRun) -> str:
    # The origin of time does not matter to the dynamics, its unit does.
    return run.time_unit.split(" since ")[0]
