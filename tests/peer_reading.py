"""Laws read along runs: functions that stay constant on every run, with no derivative and no model of the dynamics.

The function h = sum_j c_j theta_j is constant along the runs if its variance within each of them vanishes. The reading is the
spectrum of W c relative to N c, W the terms centred run by run and |N c| the root mean square of |grad h| in units of the
states' spread within runs: the change of h as a share of what it would be if the states moved independently. A relation that
all data obey (x^2 + y^2 = 1) counts as a law here, and is told apart by its vanishing variance over all runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import dynsym as dy
from dynsym._checks import Array
from dynsym._threads import one_blas_thread
from dynsym.certify import CERTIFIED, REFUTED, Level, Verdict
from dynsym.discover import ConservationReading
from dynsym.findings._search import Search
from dynsym.inner_product import Region
from dynsym.sections import ScalarFunction
from dynsym.spectral import Spectrum, relative_spectrum

CLEAN = 1e-6  # relative drift that clean data with integration errors of 1e-12 stay below
_MOST_POINTS = 1500


@dataclass(frozen=True)
class AlongRuns:
    """Laws of a reading along runs: formulas, how many independent, how many are relations that hold in all data."""

    functions: tuple[ScalarFunction, ...]
    independent: int
    relations: int
    spectrum: Spectrum
    dimension: int


def along_runs(runs: Sequence[dy.Trajectory], dictionary: dy.Dictionary, limit: float = CLEAN) -> AlongRuns:
    """All functions of a dictionary whose relative drift stays below the limit on every run taken together."""
    with one_blas_thread():
        return _read(runs, dictionary, limit)


def _read(runs: Sequence[dy.Trajectory], dictionary: dy.Dictionary, limit: float) -> AlongRuns:
    x = np.concatenate([run.x for run in runs])
    spread = np.sqrt(np.mean([run.x.var(axis=0) for run in runs], axis=0))
    size = np.sqrt(np.mean(dictionary.evaluate(x) ** 2, axis=0))
    size = np.where(size > 0, size, 1.0)
    within = np.vstack([_centred(dictionary.evaluate(run.x) / size) for run in runs]) / np.sqrt(len(x))
    factor = np.linalg.qr(within, mode="r") * size
    points = x[:: max(1, len(x) // _MOST_POINTS)]
    slopes = dictionary.jacobian(points) * spread
    gram = np.einsum("mpn,mqn->pq", slopes, slopes, optimize=True) / len(points)
    spectrum = relative_spectrum(factor, gram, "relative to |grad h| sd(x) within runs")
    region = Region(points, np.full(len(points), 1.0 / len(points)), spread, "the samples")
    search = _search(dictionary, ConservationReading(factor, gram, spectrum), region, size, limit)
    chosen, _ = search.run()
    functions = tuple(ScalarFunction(dictionary, v / v[np.argmax(np.abs(v))]) for v, _ in chosen)
    independent = rank_on(functions, points, spread)
    return AlongRuns(functions, independent, _relations(functions, x), spectrum, spectrum.dimension(limit))


def independent_states(
    runs: Sequence[dy.Trajectory], limit: float = CLEAN
) -> tuple[list[dy.Trajectory], tuple[str, ...]]:
    """The runs without states that are linear in earlier ones in all data, and the names of those left out.

    Each state left out is a linear relation, which is constant in all data.
    """
    x = np.concatenate([run.x for run in runs])
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    kept: list[int] = []
    for j in range(x.shape[1]):
        fitted = x[:, kept] @ np.linalg.lstsq(x[:, kept], x[:, j], rcond=None)[0] if kept else 0.0
        if np.linalg.norm(x[:, j] - fitted) > limit * np.linalg.norm(x[:, j]):
            kept.append(j)
    names = runs[0].names
    short = [dy.Trajectory(r.t, r.x[:, kept], names=tuple(names[j] for j in kept)) for r in runs]
    return short, tuple(name for j, name in enumerate(names) if j not in kept)


def _search(
    dictionary: dy.Dictionary, reading: ConservationReading, region: Region, size: Array, limit: float
) -> Search:
    """The search of `conserved_quantities`, with the drift as its verdict."""

    def judged(c: Array) -> Verdict:
        drift = reading.defect(c)
        return Verdict(CERTIFIED if drift <= limit else REFUTED, drift, drift, drift, "drift along the runs")

    n = dictionary.n_states
    still = dy.VectorField(dy.Monomials(n, 1, names=dictionary.names), np.zeros((n, n + 1)))
    usable = np.diag(reading.gram) > 1e-24 * size**2
    return Search(still, dictionary, reading, region, judged, Level(), usable)


def _centred(theta: Array) -> Array:
    return theta - theta.mean(axis=0)


def _relations(functions: Sequence[ScalarFunction], x: Array) -> int:
    """How many combinations of the laws have one value in all data."""
    if not functions:
        return 0
    values = np.stack([h.evaluate(x) for h in functions], axis=1)
    sizes = [np.sqrt(np.mean(np.sum((h.gradient(x) * x.std(axis=0)) ** 2, axis=1))) for h in functions]
    spectrum = np.linalg.svd((values - values.mean(axis=0)) / sizes / np.sqrt(len(x)), compute_uv=False)
    return int(np.count_nonzero(spectrum < CLEAN))


def rank_on(functions: Sequence[ScalarFunction], points: Array, spread: Array) -> int:
    """Rank of the gradients at most of the points."""
    if not functions:
        return 0
    slopes = np.stack([h.gradient(points) * spread for h in functions], axis=1)
    slopes = slopes / np.maximum(np.linalg.norm(slopes, axis=2, keepdims=True), 1e-300)
    ranks = np.count_nonzero(np.linalg.svd(slopes, compute_uv=False) > 1e-5, axis=1)
    return int(np.quantile(ranks, 0.9, method="nearest"))
