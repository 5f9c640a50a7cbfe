"""What a fit leaves in its residuals beyond noise: how large it is, and how sure.

Two null hypotheses are tested, each at half of the level. That functions of the states outside the dictionary are no better
than chance at the residuals: a dictionary that is too small. And that the residuals are no larger than twice the noise: forces
and states that were not recorded. Where derivatives were given their noise is not known, and comes from the residuals of
nearest neighbours in state space that lie in other stretches of time: structure is the same there, errors are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.spatial import cKDTree

from .._checks import Array
from ..certify import LackOfFit, Stretches, lack_of_fit
from ..dictionary import Dictionary, Monomials
from ..regression import Model
from ..regression._sandwich import independent

_SLACK = 2.0  # residuals up to this multiple of the expected noise are not called unrecorded motion
_MOST_ROWS = 8000
_STRETCHES = 48  # about as many are made of the rows
_FEWEST_ROWS = 8  # of a stretch
_MOST_PROBES = 16
_ROWS_PER_PROBE = 10
_DEGREES = {1: 8, 2: 6, 3: 4, 4: 3, 5: 3, 6: 3}
_POWERS = (3, 5)  # powers of single states that are tried in any number of states
_BUMPS = 12
_RANK = 1e-10
_FAINT = 1e-3  # share of the most visible new function below which one is not tried


@dataclass(frozen=True, eq=False)
class Misfit:
    """What the residuals of a fit show.

    Attributes
    ----------
    size
        (n,) share of the rms of each derivative that is structure.
    p_value
        Probability of residuals like these if the dictionary is right, over all equations and both tests.
    tests
        The test against richer dictionaries of each equation.
    """

    size: Array
    p_value: float
    tests: tuple[LackOfFit, ...]

    def __str__(self) -> str:
        sizes = ", ".join(f"{s:.1%}" for s in self.size)
        return f"unexplained and systematic: {sizes} of each derivative, p = {self.p_value:.2g}"


@dataclass(frozen=True, eq=False)
class Probes:
    """Functions of the states that hold on any data: polynomials, odd powers and bumps in standardised states."""

    centre: Array
    scale: Array
    monomials: Monomials
    bumps: Array  # (k, n) centres, standardised

    @classmethod
    def of(cls, x: Array) -> Probes:
        """Around samples (m, n)."""
        spread = x.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        centre = x.mean(axis=0)
        n = x.shape[1]
        chosen = np.linspace(0, len(x) - 1, _BUMPS).astype(int)
        return cls(centre, scale, Monomials(n, _DEGREES.get(n, 2)), (x[chosen] - centre) / scale)

    @property
    def count(self) -> int:
        """Number of functions."""
        return (
            self.monomials.n_terms + (len(_POWERS) * len(self.scale) if self._sparse else 0) + len(self.bumps)
        )

    @property
    def _sparse(self) -> bool:
        return len(self.scale) not in _DEGREES

    def values(self, x: Array) -> Array:
        """(m, n) -> (m, count)."""
        z = (x - self.centre) / self.scale
        parts = [self.monomials.evaluate(z)]
        if self._sparse:
            parts += [z**k for k in _POWERS]
        away2 = np.sum((z[:, None] - self.bumps) ** 2, axis=2)
        return np.hstack([*parts, np.exp(-0.5 * away2 / len(self.scale))])

    def jacobian(self, x: Array) -> Array:
        """(m, n) -> (m, count, n)."""
        z = (x - self.centre) / self.scale
        n = len(self.scale)
        parts = [self.monomials.jacobian(z)]
        if self._sparse:
            parts += [k * z[:, :, None] ** (k - 1) * np.eye(n) for k in _POWERS]
        away = z[:, None] - self.bumps
        height = np.exp(-0.5 * np.sum(away**2, axis=2) / n)
        parts.append(-away / n * height[:, :, None])
        return np.concatenate(parts, axis=1) / self.scale


@dataclass(frozen=True, eq=False)
class _Richer:
    """Terms of a fit and probes side by side, in the form in which rows are made of them."""

    terms: Dictionary
    probes: Probes

    @property
    def n_terms(self) -> int:
        """Number of functions."""
        return self.terms.n_terms + self.probes.count

    def fill(self, columns: Array, out: Array) -> None:
        """States (n, m) -> out (n_terms, m)."""
        p = self.terms.n_terms
        self.terms._fill(columns, out[:p])
        out[p:] = self.probes.values(columns.T).T

    def jacobian(self, x: Array) -> Array:
        """(m, n) -> (m, n_terms, n)."""
        return np.concatenate([self.terms.jacobian(x), self.probes.jacobian(x)], axis=1)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of as many runs as give a few thousand, cut into stretches of time.

    theta (m, p), fresh (m, k) the probes, target (m, n), leak (p + k, p + k) noise inside theta and probes, stretch (m,) and
    owner (g,) the run of each stretch, x (m, n) a state near each row.
    """

    theta: Array
    fresh: Array
    target: Array
    leak: Array
    stretch: npt.NDArray[np.intp]
    owner: npt.NDArray[np.intp]
    x: Array


def misfit(model: Model) -> Array:
    """Relative size of what the residuals show beyond noise, (n,), whether or not it may be chance."""
    return misfit_of(model).size


def misfit_of(model: Model) -> Misfit:
    """Size and significance of the structure in the residuals of a fit.

    The functions tried are polynomials and bumps beyond the dictionary, as many as the rows carry; what noise in the states
    puts into the scores of a regression is taken off. The size is the larger of what they find, where it is not chance at
    5 %, and of what is beyond twice the expected noise: sqrt(max(0, s^2 - (2 e)^2)) / rms(target).
    """
    rows = _rows(model)
    base, white = _orthonormal(rows)
    tests = tuple(_tested(rows, base, white, target) for target in range(rows.target.shape[1]))
    fitted = np.linalg.norm(base.T @ rows.target, axis=0)
    beyond, chance = _beyond_noise(model, rows)
    found = np.array([np.sqrt(t.size2) if t.p_value < 0.05 else 0.0 for t in tests])
    whole = np.sqrt(fitted**2 + found**2)
    share = np.divide(found, whole, out=np.zeros_like(found), where=whole > 0)
    smallest = min(min(t.p_value for t in tests), float(np.min(chance)))
    p_value = min(1.0, 2 * len(tests) * smallest)
    return Misfit(np.maximum(share, beyond), p_value, tests)


def _rows(model: Model) -> _Rows:
    probes = Probes.of(np.concatenate([run.x for run in model.runs]))
    richer = _Richer(model.field.dictionary, probes)
    q, n = richer.n_terms, model.field.n_states
    parts, states, leak = [], [], np.zeros((q, q))
    count = 0
    for run in model.runs:
        if len(run) < model.method.shortest:
            continue
        pieces = []
        for window in model.method.windows(run):
            buffer = np.empty((q + n, model.method.most_rows(len(window))))
            made = model.method.fill(window, richer.fill, model.noise, buffer)
            pieces.append(buffer[:, :made].T)
            leak += model.method.leak(window, cast(Dictionary, richer), model.noise)
        parts.append(np.concatenate(pieces))
        states.append(run.x[np.linspace(0, len(run) - 1, len(parts[-1])).astype(int)])
        count += len(parts[-1])
        if count >= _MOST_ROWS:
            break
    every = np.concatenate(parts)
    stretch, owner = _stretches([len(part) for part in parts])
    p = model.field.dictionary.n_terms
    return _Rows(every[:, :p], every[:, p:q], every[:, q:], leak, stretch, owner, np.concatenate(states))


def _stretches(lengths: list[int]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Number of the stretch of each row, and the run of each stretch: about as many as asked for, of one run each."""
    length = max(_FEWEST_ROWS, sum(lengths) // _STRETCHES)
    stretch: list[npt.NDArray[np.intp]] = []
    owner: list[int] = []
    for run, rows in enumerate(lengths):
        pieces = max(1, rows // length)
        stretch.append(len(owner) + np.arange(rows) * pieces // rows)
        owner += [run] * pieces
    return np.concatenate(stretch), np.array(owner, dtype=np.intp)


def _orthonormal(rows: _Rows) -> tuple[Array, Array]:
    """Orthonormal bases of the rows of the terms, (m, k), and what the most visible probes add to them, as weights of both.

    The weights are (p + k, q): the columns [theta | fresh] @ weights are orthonormal and orthogonal to theta.
    """
    size = np.linalg.norm(rows.theta, axis=0)
    size = np.where(size > 0, size, 1.0)
    left, values, right = np.linalg.svd(rows.theta / size, full_matrices=False)
    seen = values > _RANK * values.max(initial=0.0)
    base = left[:, seen]
    width = np.linalg.norm(rows.fresh, axis=0)
    width = np.where(width > 0, width, 1.0)
    added = rows.fresh / width
    inside = base.T @ added
    beyond = added - base @ inside
    again = base.T @ beyond  # a second pass keeps the orthogonality to rounding
    beyond, inside = beyond - base @ again, inside + again
    _, new, axes = np.linalg.svd(np.asarray(np.linalg.qr(beyond, mode="r")))
    most = min(_MOST_PROBES, len(rows.theta) // _ROWS_PER_PROBE, len(new))
    kept = np.flatnonzero(new[:most] > max(_FAINT * new.max(initial=0.0), 1e-9))
    turn = axes[kept].T / new[kept]
    back = (right[seen].T / values[seen]) @ (inside @ turn) / size[:, None]
    return base, np.vstack([-back, turn / width[:, None]])


def _tested(rows: _Rows, base: Array, white: Array, equation: int) -> LackOfFit:
    """The test of one equation against the probes."""
    p = rows.theta.shape[1]
    target = rows.target[:, equation]
    inside = base.T @ target
    residual = target - base @ inside
    if np.linalg.norm(residual) <= 1e-12 * np.linalg.norm(target) or not white.shape[1]:
        return lack_of_fit(Stretches(np.zeros((0, 0)), np.zeros((0, 0, 0)), np.zeros(0)), np.zeros(0))
    new = rows.theta @ white[:p] + rows.fresh @ white[p:]
    first = np.flatnonzero(np.diff(rows.stretch, prepend=-1))
    pieces = list(zip(np.split(base, first[1:]), np.split(new, first[1:]), np.split(residual, first[1:])))
    shared = sum(float(np.sum((a.T @ b) ** 2)) for a, b, _ in pieces)
    left = float(np.clip(1 - shared / white.shape[1], 0.05, 1.0))
    data = _joined(pieces, rows.owner)
    slopes = np.linalg.lstsq(rows.theta, target, rcond=_RANK)[0]
    return lack_of_fit(data, -white.T @ (rows.leak[:, :p] @ slopes), left)


def _joined(pieces: list[tuple[Array, Array, Array]], owner: npt.NDArray[np.intp]) -> Stretches:
    """Stretches, joined where their scores hang together."""
    q = pieces[0][1].shape[1]
    scores = np.stack([z.T @ e for _, z, e in pieces])
    sums = np.zeros(
        (len(pieces), q + 1, q + 1)
    )  # shares, and the squares in the last corner: all are summed alike
    for total, (_, z, e) in zip(sums, pieces):
        total[:q, :q], total[q, q] = z.T @ z, e @ e
    scores, sums = independent(scores, sums, owner.tolist())
    return Stretches(scores, sums[:, :q, :q], sums[:, q, q])


def _beyond_noise(model: Model, rows: _Rows) -> tuple[Array, Array]:
    """Relative size of the residuals beyond twice their expected noise, and the p-value of no more than that, (n,) each.

    The expected noise is that of the states, direct and through theta, or that of neighbours where it is not known. The spread
    of the mean squared residual is read off the stretches.
    """
    residual = rows.target - rows.theta @ model.coefficients.T
    expected = [
        model.method.row_noise(run, model.noise) for run in model.runs if len(run) >= model.method.shortest
    ]
    known = [e for e in expected if e is not None]
    if len(known) < len(expected):
        noise2 = _neighbour_noise(rows, residual)
    else:
        leak = np.einsum("np,pq,nq->n", model.coefficients, model.information.leak, model.coefficients)
        noise2 = np.mean([np.square(e) for e in known], axis=0) + leak / max(
            model.information.total.n_rows, 1
        )
    size2 = np.mean(rows.target**2, axis=0)
    excess = np.mean(residual**2, axis=0) - _SLACK**2 * noise2
    structure = np.maximum(excess, 0.0)
    relative = np.sqrt(np.divide(structure, size2, out=np.zeros_like(size2), where=size2 > 0))
    return relative, _chance(residual**2, excess, rows)


def _chance(squares: Array, excess: Array, rows: _Rows) -> Array:
    """P-value of a mean square that is in excess by so much, from its spread over stretches, (n,)."""
    first = np.flatnonzero(np.diff(rows.stretch, prepend=-1))
    counts = np.diff(np.append(first, len(rows.stretch)))
    means = np.add.reduceat(squares, first) / counts[:, None]
    if len(means) < 2:
        return np.ones(squares.shape[1])
    error = np.sqrt(
        np.sum((counts[:, None] * (means - squares.mean(axis=0))) ** 2, axis=0)
        * len(means)
        / (len(means) - 1)
    ) / len(squares)
    ratio = np.divide(excess, error, out=np.where(excess > 0, np.inf, 0.0), where=error > 0)
    return np.where(excess > 0, stats.t.sf(ratio, len(means) - 1), 1.0)


def _neighbour_noise(rows: _Rows, residual: Array) -> Array:
    """Half the mean squared difference of the residuals of neighbours in state space from different stretches, (n,)."""
    x = rows.x
    spread = x.std(axis=0)
    tree = cKDTree(x / np.where(spread > 0, spread, 1.0))
    _, near = tree.query(tree.data, k=min(16, len(x)))
    near = np.atleast_2d(near.T).T
    other = rows.stretch[near] != rows.stretch[:, None]
    some = other.any(axis=1)
    if int(some.sum()) < 20:
        return np.asarray(np.mean(residual**2, axis=0))
    chosen = near[np.arange(len(x)), np.argmax(other, axis=1)]
    return np.asarray(0.5 * np.mean((residual - residual[chosen])[some] ** 2, axis=0))
