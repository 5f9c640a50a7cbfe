"""Given a bracket J: the Hamiltonian with f = J grad H, the Casimirs with J grad C = 0, and what a function generates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from .._checks import Array
from ..certify import CERTIFIED, Evidence, Level, Verdict, judge
from ..dictionary import Dictionary
from ..discover import sparse_vectors
from ..inner_product import Region
from ..sections import Bivector, ScalarFunction
from ..spectral import relative_spectrum
from ..vector_field import VectorField
from ._canonical import rounded, simple
from ._search import grades_of

_CUTS = (0.1, 0.05, 0.02, 0.01, 1e-3, 1e-5, 1e-8)
_SLACK = 0.1  # share of delta by which a simpler Hamiltonian may exceed the upper bound of the fitted one
_NULL = 1e-9
_EXACT = 1e-8  # relative defect below which a Casimir is exact


@dataclass(frozen=True)
class Flow:
    """f on a region, in the rows (samples, components) in units of the states, and how its coefficients enter."""

    field: VectorField
    region: Region
    evidence: Evidence
    level: Level
    basis: Array  # (m, p) orthonormal columns: what the dictionary of f can be on the region
    reduced: Array  # (p, p_f): the dictionary in that basis

    @classmethod
    def of(cls, field: VectorField, region: Region, evidence: Evidence, level: Level) -> Flow:
        theta = field.dictionary.evaluate(region.points) * region.roots[:, None]
        basis, reduced = np.linalg.qr(theta)
        return cls(field, region, evidence, level, basis, reduced)

    def rows(self, values: Array) -> Array:
        """Fields (..., m, n) as rows (m n, ...), in scaled units."""
        out = values / self.region.scale * self.region.roots[:, None]
        flat: Array = np.moveaxis(out.reshape(*values.shape[:-2], -1), -1, 0)
        return flat

    def judged(self, values: Array) -> Verdict:
        """The verdict on f = g for a field g with the given values (m, n), relative to the size of f."""
        n = values.shape[1]
        scaled = values / self.region.scale * self.region.roots[:, None]
        inside = self.basis.T @ scaled
        outside = float(np.linalg.norm(scaled - self.basis @ inside))
        p, size = self.reduced.shape[0], self.reduced.shape[1]
        operator = np.zeros((n * p + 1, n * size))
        for i in range(n):
            operator[i * p : (i + 1) * p, i * size : (i + 1) * size] = self.reduced / self.region.scale[i]
        f = self.rows(self.field.evaluate(self.region.points))
        offset = np.concatenate([inside.T.ravel(), [outside]])
        return judge(operator, float(np.sum(f**2)), self.evidence, self.level, offset)


def generated(bracket: Bivector, dictionary: Dictionary, x: Array) -> Array:
    """J grad theta_j at the samples, (p, m, n)."""
    out: Array = np.einsum("mil,mpl->pmi", bracket.evaluate(x), dictionary.jacobian(x))
    return out


def hamiltonian_of(
    flow: Flow, bracket: Bivector, dictionary: Dictionary, terms: npt.NDArray[np.bool_]
) -> tuple[Array, Verdict]:
    """Coefficients of H with f = J grad H over some of the terms, by least squares, in simple form where it is certified.

    H is unique up to Casimirs and constants; of all of them the one with the least weighted l1 norm is taken.
    """
    fields = generated(bracket, dictionary, flow.region.points)
    rows = flow.rows(fields)
    target = flow.rows(flow.field.evaluate(flow.region.points))
    size = np.linalg.norm(rows, axis=0)
    used = terms & (size > 1e-12 * max(float(size.max(initial=0.0)), 1e-300))
    if not used.any():
        return np.zeros(dictionary.n_terms), flow.judged(np.zeros(fields.shape[1:]))
    scaled = rows[:, used] / size[used]
    fitted = np.linalg.lstsq(scaled, target, rcond=1e-10)[0]

    def widened(short: Array) -> Array:
        out = np.zeros(dictionary.n_terms)
        out[used] = short / size[used]
        return out

    def judged(h: Array) -> Verdict:
        return flow.judged(np.einsum("p,pmi->mi", h, fields))

    verdict = judged(widened(fitted))
    if verdict.status != CERTIFIED:
        return widened(fitted), verdict
    best = widened(sparsest(scaled, fitted))
    return simplified(best, rows, target, judged, verdict, flow.level)


def sparsest(columns: Array, fitted: Array) -> Array:
    """The solution of least l1 norm among those with the same image, by linear programming in (a, bounds)."""
    _, values, right = np.linalg.svd(np.linalg.qr(columns, mode="r"))
    null = right[values <= _NULL * values[0]].T
    k, r = null.shape
    if not r:
        return fitted
    out = linprog(
        np.concatenate([np.zeros(r), np.ones(k)]),
        A_ub=np.block([[null, -np.eye(k)], [-null, -np.eye(k)]]),
        b_ub=np.concatenate([-fitted, fitted]),
        bounds=[(None, None)] * r + [(0, None)] * k,
        method="highs",
    )
    return fitted + null @ out.x[:r] if out.status == 0 else fitted


def simplified(
    best: Array,
    rows: Array,
    target: Array,
    judged: Callable[[Array], Verdict],
    verdict: Verdict,
    level: Level,
) -> tuple[Array, Verdict]:
    """Small coefficients set to zero and the others adapted, then rounded, as long as the verdict is as good."""
    allowed = verdict.upper + _SLACK * level.delta
    size = np.abs(best) * np.linalg.norm(rows, axis=0)
    for cut in _CUTS:
        kept = size > cut * size.max()
        trial = np.zeros_like(best)
        scale = np.linalg.norm(rows[:, kept], axis=0)
        trial[kept] = np.linalg.lstsq(rows[:, kept] / scale, target, rcond=1e-10)[0] / scale
        found = judged(trial)
        if found.status == CERTIFIED and found.upper <= allowed:
            return _round(trial, found, allowed, judged)
    return _round(best, judged(best), allowed, judged)


def _round(
    best: Array, verdict: Verdict, allowed: float, judged: Callable[[Array], Verdict]
) -> tuple[Array, Verdict]:
    """All coefficients at once to simple fractions, then those that it works for one by one."""
    every = np.array([np.sign(v) * simple(abs(v)) if v else 0.0 for v in best])
    found = judged(every)
    if found.status == CERTIFIED and found.upper <= allowed:
        return every, found
    for k in np.flatnonzero(best)[:20]:
        trial = best.copy()
        trial[k] = every[k]
        found = judged(trial)
        if found.status == CERTIFIED and found.upper <= allowed:
            best, verdict = trial, found
    return best, verdict


def casimirs_of(
    bracket: Bivector, dictionary: Dictionary, region: Region, rank: int, error: float
) -> list[ScalarFunction]:
    """Functionally independent functions C with J grad C = 0 up to the error of J, lowest degree first."""
    n = dictionary.n_states
    x, s = region.points, region.scale
    slope = dictionary.jacobian(x) * s
    value = np.linalg.norm(bracket.evaluate(x) / np.outer(s, s), axis=(1, 2))
    rows = (generated(bracket, dictionary, x) / s * region.roots[:, None]).reshape(dictionary.n_terms, -1).T
    weighted = slope * (value * region.roots)[:, None, None]
    gram = np.einsum("mik,mjk->ij", weighted, weighted)
    weights = np.sqrt(np.diag(gram))
    grades, limit = grades_of(dictionary), max(_EXACT, error)
    out: list[ScalarFunction] = []
    usable = weights > 1e-12 * max(float(weights.max(initial=0.0)), 1e-300)
    for grade in sorted(set(grades[usable].tolist())):
        index = np.flatnonzero(usable & (grades <= grade))
        spectrum = relative_spectrum(rows[:, index], gram[np.ix_(index, index)], "")
        null = spectrum.values <= limit
        if not null.any() or len(out) == n - rank:
            continue
        span = np.zeros((dictionary.n_terms, int(null.sum())))
        span[index] = spectrum.vectors[:, null]
        for vector in sparse_vectors(span, weights):
            big = np.abs(vector) * weights
            sparse = np.where(big > 1e-6 * big.max(), vector, 0.0)
            plain = rounded(sparse)
            exact = np.linalg.norm(rows @ plain) <= limit * np.sqrt(plain @ gram @ plain)
            chosen = plain if exact else sparse
            chosen = chosen / (np.abs(chosen).max() * np.sign(chosen[np.flatnonzero(chosen)[0]]))
            if len(out) < n - rank and independent([*out, ScalarFunction(dictionary, chosen)], region):
                out.append(ScalarFunction(dictionary, chosen))
    return out


def independent(functions: list[ScalarFunction], region: Region) -> bool:
    """Whether the gradients are independent at most points."""
    slopes = np.stack([h.gradient(region.points) * region.scale for h in functions], axis=1)
    size = np.linalg.norm(slopes, axis=2, keepdims=True)
    values = np.linalg.svd(slopes / np.maximum(size, 1e-300), compute_uv=False)
    return bool(np.median(values[:, -1]) > 1e-4)
