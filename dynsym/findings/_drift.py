"""The second, independent evidence for a law: how far it drifts along runs, best along runs that its fit did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._checks import Array
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Level, Verdict
from ..dictionary import Dictionary
from ..discover import ConservationReading, read_conservation
from ..inner_product import Region, defined_at
from ..regression import Information, Model
from ..sections import ScalarFunction
from ..spectral import relative_spectrum
from ..trajectory import Trajectory
from ..vector_field import VectorField

_SLOPES = 1000  # samples of a run, at least, at which slopes are taken where there are more
_FOLDS = 4  # shares of the runs that are held out in turn
_FOUND_AGAIN = 0.9  # share of a law that the fit of the other runs has to find
_ALIKE = 3.0  # defects up to this multiple of the least one cannot be told from it
_BEYOND = (3.0, 4.0)  # times delta, and times what the noise explains: drift that contradicts a law


@dataclass(frozen=True)
class Drift:
    """The change of a function along runs as a share of what it would be if the states moved independently.

    Attributes
    ----------
    relative
        Root mean square over runs of sd(h along the run) / rms |grad h| sd(x).
    expected
        The same ratio from the measurement noise alone.
    held_out
        Whether the runs are such that the function was found without them.
    lost
        Whether it is not found without some of the runs.
    """

    relative: float
    expected: float
    held_out: bool = False
    lost: bool = False

    @property
    def text(self) -> str:
        """In words."""
        where = "runs that its fit did not see" if self.held_out else "the runs of the fit"
        return f"along {where} it drifts by {self.relative:.1g}, of which noise explains {self.expected:.1g}"


def drift_along(function: ScalarFunction, runs: Sequence[Trajectory], noise: Array) -> tuple[float, float]:
    """Relative drift of h along runs and the share that the noise explains, each rms over the runs."""
    drift, expected = _each(function, runs, noise)
    if not len(drift):
        return 0.0, 0.0
    return float(np.sqrt(np.mean(drift**2))), float(np.sqrt(np.mean(expected**2)))


def _each(function: ScalarFunction, runs: Sequence[Trajectory], noise: Array) -> tuple[Array, Array]:
    drift, expected = [], []
    for run in runs:
        x = run.x[defined_at(function.dictionary, run.x)]
        if len(x) < 3:
            continue
        # Slopes only enter through their mean squares, for which some of many samples do.
        slope = function.gradient(x[:: max(1, len(x) // _SLOPES)])
        size = float(np.sqrt(np.mean(np.sum((slope * x.std(axis=0)) ** 2, axis=1))))
        h = function.evaluate(x)
        if size > 1e-13 * float(np.abs(h).max()):
            drift.append(float(np.std(h)) / size)
            expected.append(float(np.sqrt(np.mean(np.sum((slope * noise) ** 2, axis=1)))) / size)
    return np.array(drift), np.array(expected)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A fit's runs in shares, each with what the fit of all other runs says about functions.

    Attributes
    ----------
    dictionary
        Of the functions.
    shares
        Runs held out, and h -> L_f h for the field of the others; none if there is one run only.
    runs, noise
        All runs, and the noise of the states.
    """

    dictionary: Dictionary
    shares: tuple[tuple[tuple[Trajectory, ...], ConservationReading], ...]
    runs: tuple[Trajectory, ...]
    noise: Array

    @classmethod
    def of(cls, model: Model, dictionary: Dictionary, region: Region) -> HeldOut:
        """Fit anew, on the terms of the model, without each share of the runs."""
        every = sorted({block.run for block in model.compressed.blocks})
        origins = model.source.origins or tuple(range(len(model.runs)))
        shares = []
        count = min(_FOLDS, len(every)) if len(every) > 1 and model.constraint is None else 0
        for fold in range(count):
            away = set(every[fold::count])
            held = tuple(run for run, origin in zip(model.runs, origins) if origin in away)
            reading = read_conservation(_without(model, away), dictionary, region)
            shares.append((held, reading))
        return cls(dictionary, tuple(shares), model.runs, model.noise)

    def drift(self, coefficients: Array) -> Drift:
        """Of a function (p,): found anew without each share, and followed along it; else along all runs."""
        drifts, expected = [], []
        for held, reading in self.shares:
            again = _found_again(coefficients, reading)
            if again is None:
                return Drift(*self._plain(coefficients), lost=len(self.shares) >= _FOLDS)
            one, noise = _each(ScalarFunction(self.dictionary, again), held, self.noise)
            drifts.append(one)
            expected.append(noise)
        if not sum(map(len, drifts)):
            return Drift(*self._plain(coefficients))
        square = [float(np.sqrt(np.mean(np.concatenate(v) ** 2))) for v in (drifts, expected)]
        return Drift(square[0], square[1], held_out=True)

    def _plain(self, coefficients: Array) -> tuple[float, float]:
        return drift_along(ScalarFunction(self.dictionary, coefficients), self.runs, self.noise)


def _without(model: Model, away: set[int]) -> VectorField:
    """The field fitted to the other runs, on the same terms."""
    blocks = tuple(block for block in model.compressed.blocks if block.run not in away)
    rest = Information(replace(model.compressed, blocks=blocks))
    c = np.stack([rest.least_squares(i, support) for i, support in enumerate(model.support)])
    return VectorField(model.field.dictionary, c)


def _found_again(coefficients: Array, reading: ConservationReading) -> Array | None:
    """The nearest of the least broken functions on the same terms; None if the function is not among them."""
    index = np.flatnonzero(coefficients)
    own, gram = coefficients[index], reading.gram[np.ix_(index, index)]
    size = float(own @ gram @ own)
    if size <= 0:
        return None
    spectrum = relative_spectrum(reading.operator[:, index], gram, "")
    defect = float(np.linalg.norm(reading.operator[:, index] @ own)) / np.sqrt(size)
    # The function's own defect tells how far apart directions have to be for this fit to see a difference.
    low = spectrum.vectors[:, spectrum.values <= max(_ALIKE * float(spectrum.values[0]), defect) + 1e-12]
    found = low @ (low.T @ gram @ own)
    if found @ gram @ found < _FOUND_AGAIN**2 * size:
        return None
    out = np.zeros_like(coefficients)
    out[index] = found
    return out


def with_drift(verdict: Verdict, drift: Drift, level: Level) -> Verdict:
    """A certified verdict with what the drift says about it: confirmed in words, or withdrawn."""
    if verdict.status != CERTIFIED:
        return verdict
    limit = max(_BEYOND[0] * level.delta, _BEYOND[1] * drift.expected)
    if drift.relative > limit:
        status = UNDECIDED if drift.held_out else REFUTED
        reason = f"{drift.text}; {verdict.reason} of the fitted field"
        if not drift.held_out:
            reason = (
                f"it drifts by {drift.relative:.2g} along the runs, more than the fitted dynamics and the noise "
                "explain"
            )
        return replace(verdict, status=status, reason=reason)
    if drift.lost:
        return replace(
            verdict, status=UNDECIDED, reason="it is not found again without a quarter of the runs"
        )
    return replace(verdict, reason=f"{verdict.reason}; {drift.text}")
