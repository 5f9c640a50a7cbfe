"""Sentences about data that may mislead: each gives the number and what can be done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dynsym._checks import Array
from dynsym.trajectory._dependence import TOLERANCE
from dynsym.trajectory.stored import AnyRun

if TYPE_CHECKING:
    from dynsym.trajectory.quality import DataQuality

# Five samples carry a derivative of second order at the inner ones and an estimate of its error.
FEWEST_SAMPLES = 5
_JITTER, _JUMP = 1e-3, 4.0
_SCALES, _LOUD, _DISAGREE = 1e3, 0.05, 3.0


def warnings_for(facts: DataQuality, runs: Sequence[AnyRun]) -> tuple[str, ...]:
    """Return all warnings about the runs that these facts describe."""
    return (*_of_sampling(facts), *_of_states(facts), *_of_noise(facts, runs))


def _which(labels: Sequence[str], chosen: Iterable[bool]) -> str:
    picked = [label for label, taken in zip(labels, chosen) if taken]
    return ", ".join(picked[:3]) + (", ..." if len(picked) > 3 else "")


def _of_sampling(facts: DataQuality) -> Iterator[str]:
    short = facts.samples - facts.missing < FEWEST_SAMPLES
    if short.any():
        yield (
            f"{int(short.sum())} of {len(facts.labels)} runs have fewer than {FEWEST_SAMPLES} complete "
            f"samples ({_which(facts.labels, short)}), too few for a derivative; give dxdt or leave them out"
        )
    total, missing = int(facts.samples.sum()), int(facts.missing.sum())
    if missing:
        yield (
            f"{missing} of {total} samples ({missing / total:.1%}) miss a state; runs are cut there, and "
            "the parts are treated as runs of their own"
        )
    spread = np.nan_to_num(facts.step_spread)
    worst = int(np.argmax(spread))
    if spread[worst] > _JUMP:
        yield (
            f"the time steps of {facts.labels[worst]} differ by {spread[worst]:.3g} times their median "
            f"{facts.median_step[worst]:.4g}; cut the run at the long steps with "
            f"segments(max_step={_JUMP:.0f})"
        )
    elif spread[worst] > _JITTER:
        yield (
            f"the time steps of {facts.labels[worst]} are uneven: they differ by {spread[worst]:.2%} of "
            f"their median {facts.median_step[worst]:.4g}; the times themselves are used, not the median "
            "step"
        )


def _of_states(facts: DataQuality) -> Iterator[str]:
    unseen = [name for name, low in zip(facts.names, facts.low) if np.isnan(low)]
    if unseen:
        yield f"{', '.join(unseen)} has no sample at all; leave it out of the states"
    for name, low in zip(facts.names, facts.low):
        if name in facts.constant and name not in unseen:
            yield (
                f"{name} is constant at {low:.6g}, so it cannot be told from a constant term; leave it out "
                "of the states"
            )
    for relation in facts.dependences:
        yield (
            f"{relation} in all samples, to {TOLERANCE:.0e} of the spread; coefficients are not unique "
            f"until {relation.split(' = ')[0]} is left out of the states (the relation itself may be a "
            "conservation law)"
        )
    if facts.scale_ratio > _SCALES:
        moving = [i for i, name in enumerate(facts.names) if name not in facts.constant]
        big = max(moving, key=lambda i: facts.deviation[i])
        small = min(moving, key=lambda i: facts.deviation[i])
        yield (
            f"the scales differ by {facts.scale_ratio:.2g}: {facts.names[big]} varies by "
            f"{facts.deviation[big]:.3g}, {facts.names[small]} by {facts.deviation[small]:.3g}; choose "
            "other units, since thresholds on coefficients depend on them"
        )


def _of_noise(facts: DataQuality, runs: Sequence[AnyRun]) -> Iterator[str]:
    declared = _declared(runs)
    for i, name in enumerate(facts.names):
        noise, extent, step = facts.noise[i], facts.high[i] - facts.low[i], facts.step[i]
        if noise > _LOUD * extent > 0:
            yield (
                f"the noise of {name} is about {noise:.3g}, {noise / extent:.0%} of its range {extent:.3g}, "
                "or the sampling does not resolve its motion; prefer the weak form, or sample faster"
            )
        if np.isfinite(step):
            yield (
                f"{name} is stored in steps of {step:.4g}, {step / extent:.2%} of its range; derivatives "
                f"see the steps as noise of {step / np.sqrt(12):.3g}; store more digits if there are any"
            )
        if declared is not None and declared[i] > 0 and noise > _DISAGREE * declared[i]:
            yield (
                f"{name} is declared with sd = {declared[i]:.3g}, but its samples scatter by {noise:.3g}; "
                "check sd, or sample faster"
            )


def _declared(runs: Sequence[AnyRun]) -> Array | None:
    """Return the root mean square of the declared noise over runs, (n,), if every run declares it."""
    known = [run.sd for run in runs if run.sd is not None]
    return np.sqrt(np.mean(np.square(known), axis=0)) if len(known) == len(runs) else None
