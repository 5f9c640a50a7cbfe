"""Verdicts on generators from level functions and from local fits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from .._checks import Array, frozen
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Evidence, Level, Openings, Verdict, judge
from ..clouds import LevelSet, LocalFits
from ..generators import Generators
from ..inner_product import Region

_MOST_FEET = 600
_STEP = 1e-4
_ROUNDING = 1e-6  # squares of smaller fields are lost in the rounding of a Gram matrix
_FOOT_ERRORS = 5.0  # fields smaller on the feet than this many errors of a foot count as vanishing there
_OVERLAP = 1.4  # neighbourhoods reach into other blocks, whose means are then not independent
_VOLUME = 400


class CloudJudge(ABC):
    """What a description of the submanifold says about generators."""

    candidates: Generators
    level: Level
    doubt: str

    @property
    @abstractmethod
    def noise(self) -> float:
        """Standard deviation of the points across the submanifold, NaN if unknown."""

    @property
    @abstractmethod
    def feet(self) -> Array:
        """Points on the submanifold, in the units of the data."""

    @abstractmethod
    def operator(self) -> Array:
        """(rows, q): |operator @ w|^2 is the mean of |(I - P) xi|^2."""

    @abstractmethod
    def verdict(self, weights: Array) -> Verdict:
        """On the combination of candidates with the given weights (q,)."""

    @abstractmethod
    def vanishing_below(self) -> float:
        """Size on the feet, relative to the volume around, below which a field vanishes there."""

    @abstractmethod
    def region(self) -> Region:
        """The feet as a region."""

    @cached_property
    def fields(self) -> Array:
        """xi_i at the feet, (q, m, n), in units of the size of the cloud."""
        return self.candidates.evaluate(self.feet) / self.size

    @cached_property
    def size(self) -> float:
        """Root-mean-square distance from the centre."""
        return float(np.sqrt(np.mean(np.sum((self.feet - self.feet.mean(axis=0)) ** 2, axis=1))))

    def values(self, weights: Array) -> Array:
        """A combination of candidates at the feet, one number per component, with the norm of L2."""
        return np.einsum("q,qmn->mn", weights, self.fields).ravel() / np.sqrt(self.fields.shape[1])

    def gram(self) -> Array:
        """Mean of xi_i . xi_j over the feet, (q, q)."""
        flat = self.fields.reshape(len(self.fields), -1)
        return flat @ flat.T / self.fields.shape[1]

    def volume_gram(self) -> Array:
        """The same over a ball-shaped cloud of full dimension around the points."""
        n = self.feet.shape[1]
        draw = np.random.default_rng(0).standard_normal((_VOLUME, n)) / np.sqrt(n)
        values = self.candidates.evaluate(self.feet.mean(axis=0) + self.size * draw) / self.size
        flat = values.reshape(len(values), -1)
        return flat @ flat.T / _VOLUME


def _region(feet: Array, size: float, text: str) -> Region:
    m, n = feet.shape
    return Region(frozen(feet), frozen(np.full(m, 1.0 / m)), frozen(np.full(n, size)), text)


@dataclass(frozen=True, eq=False)
class LevelJudge(CloudJudge):
    """Through the operator g -> xi . Dg at g = 0, which is linear in the coefficients of g.

    A change dg also moves the feet, by -Dg^+ dg; together, to first order,

        d(Dg xi) = D(dg) xi - D(Dg xi) Dg^+ dg.
    """

    candidates: Generators
    levels: LevelSet
    level: Level
    doubt: str = ""

    @property
    def noise(self) -> float:
        return self.levels.noise * self.levels.size

    @cached_property
    def _places(self) -> Array:
        feet = self.levels.feet
        step = max(1, len(feet) // _MOST_FEET)
        return feet[::step]

    @cached_property
    def feet(self) -> Array:
        return self.levels.centre + self.levels.size * self._places

    @cached_property
    def size(self) -> float:
        return self.levels.size

    @cached_property
    def _rows(self) -> tuple[Array, Array]:
        """W (m, c, r) that makes gradients orthonormal, and Dg^+ (m, n, r)."""
        slope = self._gradients(self._places)
        left, values, right = np.linalg.svd(slope, full_matrices=False)
        rank = int(np.median(np.sum(values > 0.05 * values[:, :1], axis=1)))
        safe = np.maximum(values[:, :rank], 0.02 * np.median(values[:, 0]))
        weigh = np.swapaxes(left[:, :, :rank], 1, 2) / safe[:, :, None]
        back = np.swapaxes(right[:, :rank], 1, 2) @ weigh
        return weigh, back

    def _gradients(self, z: Array) -> Array:
        return np.einsum("mpk,rp->mrk", self.levels.dictionary.jacobian(z), self.levels.coefficients)

    def _field(self, weights: Array, z: Array) -> Array:
        values = self.candidates.evaluate(self.levels.centre + self.levels.size * z) / self.levels.size
        return np.einsum("q,qmn->mn", weights, values)

    def operator(self) -> Array:
        weigh, _ = self._rows
        pulled = np.einsum("mrk,qmk->qmr", self._gradients(self._places), self.fields)
        across = np.einsum("mcr,qmr->qmc", weigh, pulled)
        return across.reshape(len(across), -1).T / np.sqrt(len(self._places))

    def verdict(self, weights: Array) -> Verdict:
        levels = self.levels
        r, p = levels.coefficients.shape
        n_rich = levels.richer.n_terms
        embedded = np.zeros((r, n_rich))
        embedded[:, :p] = levels.coefficients
        index = (np.arange(r)[:, None] * n_rich + np.arange(p)).ravel()
        blocks = [(index, levels.covariance)] if levels.covariance.any() else []
        evidence = Evidence(embedded.ravel(), blocks, Openings(*levels.openings), 0.0, self.doubt)
        size = float(weights @ self.gram() @ weights)
        return judge(self._linear(weights), size, evidence, self.level)

    def _linear(self, weights: Array) -> Array:
        """dg -> d(W Dg xi), (m c, r P)."""
        z = self._places
        weigh, back = self._rows
        xi = self._field(weights, z)
        r = len(self.levels.coefficients)
        # D(Dg xi) along each column of Dg^+, by central differences of a polynomial.
        bent = np.stack([self._along(weights, z, back[:, :, b]) for b in range(r)], axis=2)
        theta, slope = self.levels.richer.evaluate(z), self.levels.richer.jacobian(z)
        turned = np.einsum("mpk,mk->mp", slope, xi)
        out = np.einsum("mcr,mp->mcrp", weigh, turned)
        out -= np.einsum("mcr,mp->mcrp", weigh @ bent, theta)
        return out.reshape(len(z) * weigh.shape[1], -1) / np.sqrt(len(z))

    def _along(self, weights: Array, z: Array, direction: Array) -> Array:
        length = np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-300)
        unit = direction / length
        ends = []
        for sign in (1.0, -1.0):
            there = z + sign * _STEP * unit
            ends.append(np.einsum("mrk,mk->mr", self._gradients(there), self._field(weights, there)))
        return (ends[0] - ends[1]) / (2 * _STEP) * length

    def vanishing_below(self) -> float:
        theta = self.levels.dictionary.evaluate(self._places)
        r, p = self.levels.coefficients.shape
        blocks = self.levels.covariance.reshape(r, p, r, p)
        _, back = self._rows
        moved = np.einsum("mnr,mp,rpsq,mq,mns->m", back, theta, blocks, theta, back, optimize=True)
        return max(_ROUNDING, _FOOT_ERRORS * float(np.sqrt(np.mean(moved))))

    def region(self) -> Region:
        count, degree = len(self.levels.coefficients), self.levels.degree
        what = f"{count} level function{'s' if count > 1 else ''} of degree {degree}"
        return _region(self.feet, self.size, f"the zeros of {what} near the points")


@dataclass(frozen=True, eq=False)
class LocalJudge(CloudJudge):
    """Through two independent estimates Q1, Q2 of the normal projector at each base point: mean of (Q1 xi) . (Q2 xi)."""

    candidates: Generators
    fits: LocalFits
    level: Level
    doubt: str = ""

    @property
    def noise(self) -> float:
        return float("nan")

    @cached_property
    def feet(self) -> Array:
        return self.fits.feet.mean(axis=0)

    @cached_property
    def _across(self) -> tuple[Array, Array]:
        """Q xi of each half, (2, q, b, n), of the fit and of the one of higher order."""
        return (
            self._normal(self.fits.feet, self.fits.normals),
            self._normal(self.fits.richer_feet, self.fits.richer_normals),
        )

    def _normal(self, feet: Array, normals: Array) -> Array:
        xi = [self.candidates.evaluate(f) / self.size for f in feet]
        return np.stack([np.einsum("bij,qbj->qbi", q, v) for q, v in zip(normals, xi, strict=True)])

    def operator(self) -> Array:
        mean = self._across[0].mean(axis=0)
        return mean.reshape(len(mean), -1).T / np.sqrt(mean.shape[1])

    def verdict(self, weights: Array) -> Verdict:
        one, richer = (np.einsum("q,hqbi->hbi", weights, part) for part in self._across)
        size = max(float(weights @ self.gram() @ weights), 1e-300)
        square, error = self._product(one[0], one[1])
        apart = one - richer
        bias2, bias_error = self._product(apart[0], apart[1])
        blocks = len(np.unique(self.fits.blocks))
        t = float(stats.t.isf(self.level.alpha / self.level.trials / 2, blocks - 1))
        bias = float(np.sqrt(max(bias2 + t * bias_error, 0.0) / size))
        defect = float(np.sqrt(max(square, 0.0) / size))
        upper = float(np.sqrt(max(square + t * error, 0.0) / size)) + bias
        lower = max(float(np.sqrt(max(square - t * error, 0.0) / size)) - bias, 0.0)
        upper = min(upper, 1.0)
        if lower > self.level.delta:
            return Verdict(REFUTED, defect, lower, upper, f"the defect is at least {lower:.2g}")
        if upper > self.level.delta:
            return Verdict(UNDECIDED, defect, lower, upper, f"the defect may be as large as {upper:.2g}")
        if self.doubt:
            return Verdict(UNDECIDED, defect, lower, upper, self.doubt)
        return Verdict(CERTIFIED, defect, lower, upper, f"the points rule out a defect above {upper:.1g}")

    def _product(self, a: Array, b: Array) -> tuple[float, float]:
        """Mean of a . b over the base points, and its standard error from noise.

        With a = v + e1, b = v + e2 the antisymmetric (|a|^2 - |b|^2) / 2 has mean 0 and the variance of a . b; its means over
        blocks give the error with all correlations between neighbouring base points inside.
        """
        odd = 0.5 * np.sum(a**2 - b**2, axis=1)
        labels = self.fits.blocks
        counts = np.bincount(labels)
        sums = np.bincount(labels, odd)
        return float(np.sum(a * b, axis=1).mean()), _OVERLAP * float(np.linalg.norm(sums) / counts.sum())

    def vanishing_below(self) -> float:
        apart = self.fits.feet[0] - self.fits.feet[1]
        error = 0.5 * float(np.sqrt(np.mean(np.sum(apart**2, axis=1)))) / self.size
        return max(_ROUNDING, _FOOT_ERRORS * error)

    def region(self) -> Region:
        return _region(
            self.feet,
            self.size,
            f"local fits to {self.fits.neighbours} neighbours at {len(self.feet)} points",
        )
