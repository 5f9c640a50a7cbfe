"""The verb `cloud_symmetries`: which candidate generators are tangent to the submanifold that points lie on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._checks import Array, DataError, as_floats, require, require_finite
from .._threads import one_blas_thread
from ..algebra import LieAlgebra, identify
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Level, Verdict
from ..clouds import (
    Geometry,
    LevelFunctions,
    TangentSpaces,
    fit_levels,
    fit_tangents,
    intrinsic_dimension,
)
from ..discover import sparse_vectors
from ..generators import Generators
from ..inner_product import Region
from ..spectral import Spectrum, relative_spectrum
from ..trajectory import Trajectory
from ._canonical import Judge, as_undecided, shortened, simplify
from ._cloud_verdicts import CloudJudge, LevelJudge, LocalJudge
from ._lie_algebra import algebra_of
from ._listed import Listed
from ._symmetries import _describe

_FEWEST = 60
_MOST_UNDECIDED = 6
_APART = 1e-3  # fields smaller on the points than this share of their size around them vanish there
_NEW = 0.15  # sine of the angle to the fields already listed, above which a field is a new one


@dataclass(frozen=True, eq=False)
class CloudFinding:
    """One generator with its verdict; it stands for all that differ by fields that vanish on the points."""

    label: str
    generator: Generators
    verdict: Verdict

    @property
    def expression(self) -> str:
        """The generator as text."""
        return self.generator.expressions()[0]


@dataclass(frozen=True, eq=False)
class CloudSymmetries(Listed):
    """What `cloud_symmetries` found, with the evidence.

    Attributes
    ----------
    findings
        Certified generators first, then undecided ones.
    generators
        The certified ones.
    algebra
        Their Lie algebra modulo fields that vanish on the points, or None if they do not close.
    spectrum
        Defects of all directions that do not vanish on the points, least broken first.
    vanishing
        Number of candidates that vanish on the points and were divided out.
    dimension
        Of the submanifold.
    noise
        Standard deviation of the points across it, in their units; NaN where it was not estimated.
    region
        What the verdicts speak of: the points moved onto the submanifold.
    level
        Tolerance and error level.
    statuses
        Of each direction of the spectrum.
    undecided
        Number of directions that are neither certified nor refuted; not all of them are listed.
    warnings
        In words.
    """

    findings: tuple[CloudFinding, ...]
    generators: Generators
    algebra: LieAlgebra | None
    spectrum: Spectrum
    vanishing: int
    dimension: int
    noise: float
    region: Region
    level: Level
    statuses: tuple[str, ...]
    undecided: int
    warnings: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every direction is certified or refuted and the certified ones close: their algebra is then all of it."""
        return self.undecided == 0 and self.algebra is not None

    @property
    def name(self) -> str:
        """The name of the algebra; `undecided` unless it is complete."""
        if not self.complete or self.algebra is None:
            return UNDECIDED
        return self.algebra.name if len(self.generators) else "trivial"

    def __str__(self) -> str:
        more = f", {self.undecided} undecided" if self.undecided else ""
        gone = f" ({self.vanishing} more vanish on the points)" if self.vanishing else ""
        head = (
            f"{len(self.generators)} certified symmetries{more} of {len(self.spectrum.values)} candidates{gone}; "
            f"algebra: {self.name}"
        )
        rows = [
            f"  {f.verdict.status:<10} {f.verdict.defect:8.1e} <= {f.verdict.upper:7.1e}  {shortened(f.expression)}"
            for f in self.findings
        ]
        tail = f"  on {self.region.description}; delta = {self.level.delta:g}, alpha = {self.level.alpha:g}"
        return "\n".join([head, *rows, tail, *(f"  note: {w}" for w in self.warnings)])

    def plot(self) -> Any:
        """The spectrum of defects with the tolerance, as a matplotlib figure."""
        from .. import plot

        return plot.spectrum(self.spectrum, self.level, self.statuses)


def cloud_symmetries(
    points: npt.ArrayLike | Trajectory | Sequence[Trajectory],
    candidates: Generators,
    delta: float = 0.05,
    alpha: float = 0.05,
    geometry: Geometry | None = None,
) -> CloudSymmetries:
    """The generators xi with (I - P_x) xi(x) = 0 at all points x of a submanifold known through noisy points alone.

    P_x is the projector on the tangent space. The defect is |(I - P) xi| / |xi| in L2 of the points. Fields that vanish on
    the points are divided out. Noise has to be isotropic; its size is estimated.

    Parameters
    ----------
    points
        (m, n), or runs, whose samples are taken as points.
    candidates
        A family from `dynsym.generators`; time parts are not allowed.
    delta
        Tolerance: the largest defect a certified generator may have.
    alpha
        Error level, shared among the candidates.
    geometry
        `dynsym.clouds.LevelFunctions` or `dynsym.clouds.TangentSpaces`; default level functions up to degree 4, and tangent
        spaces where these do not describe the points.

    Returns
    -------
    CloudSymmetries
        Prints as a table.

    Raises
    ------
    DataError
        If there are fewer than 60 points, or the candidates act on another number of states.

    References
    ----------
    Cahill, Mixon, Parshall (2023), Lie PCA: density estimation for symmetric manifolds, for tangent spaces from principal
    components. Otto, Zolman, Kutz, Brunton (2025), JMLR 26(248), for the operator.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> x = np.random.default_rng(0).standard_normal((1000, 3))
    >>> x /= np.linalg.norm(x, axis=1, keepdims=True)
    >>> dy.cloud_symmetries(x, dy.generators.affine(3)).name
    'so(3)'
    """
    x = _points(points, candidates)
    level = Level(delta, alpha, len(candidates))
    with one_blas_thread():
        judge, notes, dimension = _geometry(x, candidates, geometry or Geometry(), level)
        region = judge.region()
        gram = judge.gram()
        kept, gone = _split(gram, judge.volume_gram(), judge.vanishing_below())
        short = relative_spectrum(judge.operator() @ kept, kept.T @ gram @ kept, "relative to |xi|")
        spectrum = Spectrum(short.values, kept @ short.vectors, short.metric)
        statuses = _statuses(spectrum, judge)
        certified, undecided = (
            [v for v, status in zip(spectrum.vectors.T, statuses, strict=True) if status == wanted]
            for wanted in (CERTIFIED, UNDECIDED)
        )
        findings = _canonical(candidates, judge, certified, gone, level)
        findings += [
            CloudFinding(
                _describe(candidates.combine(v[:, None])),
                candidates.combine((v / np.abs(v).max())[:, None]),
                _withdrawn(judge.verdict(v)),
            )
            for v in undecided[:_MOST_UNDECIDED]
        ]
        good = [f for f in findings if f.verdict.status == CERTIFIED]
        count = len(undecided) + len(certified) - len(good)
        generators = candidates.combine(np.zeros((len(candidates), 0)))
        for finding in good:
            generators = generators + finding.generator
        algebra, doubts = _named(generators, region, good)
    return CloudSymmetries(
        tuple(findings),
        generators,
        algebra,
        spectrum,
        gone.shape[1],
        dimension,
        judge.noise,
        region,
        level,
        statuses,
        count,
        (*notes, *doubts),
    )


def _points(points: npt.ArrayLike | Trajectory | Sequence[Trajectory], candidates: Generators) -> Array:
    if isinstance(points, Trajectory):
        points = [points]
    if isinstance(points, list | tuple) and points and all(isinstance(p, Trajectory) for p in points):
        x = np.concatenate([run.x[np.isfinite(run.x).all(axis=1)] for run in points])
    else:
        x = as_floats("points", np.asarray(points), 2)
    require_finite("points", x)
    n = candidates.n_states
    require(x.shape[1] == n, f"the points have {x.shape[1]} coordinates, the candidates act on {n}")
    require(
        len(x) >= _FEWEST,
        f"{len(x)} points are too few to see a submanifold; at least {_FEWEST} are needed",
    )
    require(len(candidates) > 0, "no candidate generator was given")
    assert candidates.time_scaling is not None
    require(
        candidates.ramps() is None and not candidates.time_scaling.any(),
        "points have no time; leave out generators that rescale time or depend on it",
    )
    require(bool(np.ptp(x, axis=0).any()), "all points are equal; nothing can be tangent to them")
    return x


def _geometry(
    x: Array, candidates: Generators, geometry: Geometry, level: Level
) -> tuple[CloudJudge, tuple[str, ...], int]:
    """The description of the submanifold that verdicts are made from."""
    doubt = ""
    notes: tuple[str, ...] = ()
    dimension = geometry.dimension
    if dimension is None:
        seen = intrinsic_dimension(x)
        dimension = seen.value
        if not seen.clear:
            doubt = f"the dimension of the submanifold is not clear: variances along and across differ by {seen.gap:.2g}"
    n = x.shape[1]
    require(
        dimension < n or geometry.dimension is None,
        f"a submanifold of {n} dimensions needs a smaller dimension, got {dimension}",
    )
    dimension = min(dimension, n - 1)
    if not isinstance(geometry, TangentSpaces):
        degree = geometry.degree if isinstance(geometry, LevelFunctions) else LevelFunctions().degree
        found = fit_levels(x, dimension, degree)
        if not isinstance(found, str):
            return LevelJudge(candidates, found, level, doubt), (doubt,) if doubt else (), dimension
        notes = (found,)
        if isinstance(geometry, LevelFunctions):
            raise DataError(f"{found}; raise the degree, or take dynsym.clouds.TangentSpaces()")
    wanted = geometry.neighbours if isinstance(geometry, TangentSpaces) else None
    fits = fit_tangents(x, dimension, wanted)
    if isinstance(fits, str):
        raise DataError(f"{fits}; give more points")
    return LocalJudge(candidates, fits, level, doubt), (*notes, doubt) if doubt else notes, dimension


def _statuses(spectrum: Spectrum, judge: CloudJudge) -> tuple[str, ...]:
    """The status of every direction: the algebra is known only if each one that is not certified is refuted."""
    out = []
    for vector in spectrum.vectors.T:
        verdict = judge.verdict(vector)
        out.append(UNDECIDED if verdict.status == REFUTED and not _out(verdict, judge) else verdict.status)
    return tuple(out)


def _out(verdict: Verdict, judge: CloudJudge) -> bool:
    """Whether a refuted direction is out of the algebra: broken by more than the tolerance, or seen without noise.

    One that is broken slightly is ruled out at the error level alpha only; an algebra without it would claim too much. And
    where it is not clear what the submanifold is, nothing is.
    """
    return not judge.doubt and (verdict.lower > judge.level.delta or judge.noise == 0)


def _withdrawn(verdict: Verdict) -> Verdict:
    if verdict.status == REFUTED:
        reason = "broken by less than the tolerance, if at all"
        return Verdict(UNDECIDED, verdict.defect, verdict.lower, verdict.upper, reason)
    return as_undecided(verdict, "it is a combination of undecided directions")


def _split(gram: Array, volume: Array, below: float) -> tuple[Array, Array]:
    """Directions that are seen on the points, and those that vanish there: (q, k) and (q, q - k).

    Sizes on the points are compared with sizes in the volume around them, so that no choice of basis matters.
    """
    scale = np.sqrt(np.maximum(np.diag(volume), 1e-300))
    weights, basis = np.linalg.eigh(volume / np.outer(scale, scale))
    usable = weights > 1e-12 * weights[-1]
    whiten = basis[:, usable] / np.sqrt(weights[usable]) / scale[:, None]
    sizes, mix = np.linalg.eigh(whiten.T @ gram @ whiten)
    vectors = whiten @ mix
    seen = sizes > below**2
    return vectors[:, seen], vectors[:, ~seen]


def _canonical(
    candidates: Generators, judge: CloudJudge, certified: list[Array], gone: Array, level: Level
) -> list[CloudFinding]:
    """A sparse basis of the certified directions, modulo those that vanish, rounded where the data allow it."""
    if not certified:
        return []
    weights = np.sqrt(np.maximum(np.diag(judge.volume_gram()), 1e-300))
    form = Judge(judge.operator(), judge.gram(), weights, judge.verdict, level)
    span = np.column_stack([*certified, gone])
    out: list[tuple[Array, Verdict]] = []
    for vector in sparse_vectors(span, weights):
        if len(out) == len(certified):
            break
        if not _fresh(judge, [v for v, _ in out], vector):
            continue
        simple, verdict = simplify(vector, form)
        if not _fresh(judge, [v for v, _ in out], simple):
            simple, verdict = vector, judge.verdict(vector)
        out.append((simple, verdict))
    out.sort(key=lambda pair: (pair[1].status != CERTIFIED, int(np.count_nonzero(pair[0]))))
    return [
        CloudFinding(_describe(g), g, verdict)
        for g, verdict in ((candidates.combine((v / _pivot(v))[:, None]), verdict) for v, verdict in out)
    ]


def _pivot(v: Array) -> float:
    return float(v[int(np.argmax(np.abs(v)))])


def _fresh(judge: CloudJudge, listed: list[Array], vector: Array) -> bool:
    """Whether a field is seen on the points and is, beyond the errors, no combination of those listed."""
    own = judge.values(vector)
    length = float(np.linalg.norm(own))
    around = np.sqrt(max(float(vector @ judge.volume_gram() @ vector), 0.0))
    if length <= max(_APART, judge.vanishing_below()) * around:
        return False
    if not listed:
        return True
    basis = np.linalg.qr(np.stack([judge.values(v) for v in listed], axis=1))[0]
    return bool(np.linalg.norm(own - basis @ (basis.T @ own)) > _NEW * length)


def _named(
    generators: Generators, region: Region, good: list[CloudFinding]
) -> tuple[LieAlgebra | None, tuple[str, ...]]:
    if not good:
        return identify(np.zeros((0, 0, 0))), ()
    return algebra_of(generators, region, max(f.verdict.upper for f in good))
