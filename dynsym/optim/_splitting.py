"""The pieces of an operator splitting: penalties stacked into one map, and the quadratic step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from dynsym._checks import Array
from dynsym.optim._constraints import LinearConstraint
from dynsym.optim._curves import Curve
from dynsym.optim._datafits import Datafit, Quadratic
from dynsym.optim._matrices import Matrix, squared_column_norms, vstack, weighted_gram
from dynsym.optim._norms import Group
from dynsym.optim._penalties import Composed, Proximable

# Eigenvalues of the scaled quadratic step below this share of the largest cannot be told from zero: they
# come out of squared singular values.
_UNSEEN = 1e-14

# Coefficients that the data do not see get this share of the largest curvature when steps are scaled.
_LEAST_CURVATURE = 1e-10


@dataclass(frozen=True, eq=False)
class Splitting:
    """sum_k g_k(K_k w) as g(K w) with the K_k stacked; vectors v live in the range of K.

    `metric` holds one positive weight for each entry of v: the curvature of the datafit carried over to K
    w, as far as each prox allows. Steps measured in it do not depend on the units of the terms.
    """

    parts: tuple[Proximable, ...]
    shape: tuple[int, int]
    K: Matrix = field(repr=False)
    metric: Array = field(repr=False)
    cuts: tuple[int, ...]
    only_identities: bool

    @cached_property
    def adjoint(self) -> Matrix:
        """K^T, stored row by row."""
        return sparse.csr_array(self.K.T) if sparse.issparse(self.K) else np.ascontiguousarray(self.K.T)

    @cached_property
    def _shapes(self) -> list[tuple[int, ...]]:
        return [part.split_shape(self.shape) for part in self.parts]

    def _pieces(self, *vectors: Array) -> list[tuple[Array, ...]]:
        shapes = self._shapes
        if len(shapes) == 1:
            return [tuple(vector.reshape(shapes[0]) for vector in vectors)]
        split = [np.split(vector, self.cuts) for vector in vectors]
        return [
            tuple(piece.reshape(shape) for piece in pieces)
            for shape, *pieces in zip(shapes, *split, strict=True)
        ]

    @property
    def weights(self) -> list[float]:
        """The weight of each part."""
        return [_weight(part) for part in self.parts]

    def value(self, v: Array) -> float:
        """Return g(v)."""
        return sum(part.norm(piece) for part, (piece,) in zip(self.parts, self._pieces(v), strict=True))

    def gauge(self, u: Array) -> float:
        """Return the smallest t with u in t times the dual ball of g."""
        return max(part.gauge(piece) for part, (piece,) in zip(self.parts, self._pieces(u), strict=True))

    def prox(self, v: Array, step: Array) -> Array:
        """Return the proximal map of g, piece by piece."""
        moved = [
            part.prox(piece, size).ravel()
            for part, (piece, size) in zip(self.parts, self._pieces(v, step), strict=True)
        ]
        return np.concatenate(moved)

    def bent_prox(self, v: Array, step: Array, curves: Sequence[Curve]) -> Array:
        """Return the proximal map of the sizes bent by one curve for each part."""
        moved = [
            part.bent_prox(piece, size, curve).ravel()
            for part, curve, (piece, size) in zip(self.parts, curves, self._pieces(v, step), strict=True)
        ]
        return np.concatenate(moved)

    def sizes(self, v: Array) -> list[Array]:
        """Return the sizes that each part sums."""
        return [part.summands(piece) for part, (piece,) in zip(self.parts, self._pieces(v), strict=True)]

    def tilted(self, v: Array, curves: Sequence[Curve]) -> tuple[Proximable, ...]:
        """Return the convex penalties that touch the bent ones at v."""
        return tuple(
            part.tilted(piece, curve)
            for part, curve, (piece,) in zip(self.parts, curves, self._pieces(v), strict=True)
        )

    def into_dual_ball(self, u: Array) -> Array:
        """Return the nearest point to u in the dual ball of g, by Moreau's decomposition."""
        return u - self.prox(u, np.ones(len(u)))

    def zeros(self, z: Array) -> npt.NDArray[np.bool_]:
        """Return which coefficients an exactly zero z forces to zero, by rows of K with one entry."""
        K = sparse.csr_array(self.K)
        single = (np.diff(K.indptr) == 1) & (z == 0)
        out = np.zeros(K.shape[1], dtype=bool)
        out[K.indices[K.indptr[:-1][single]]] = True
        return out


def split(parts: Sequence[Proximable], datafit: Datafit) -> Splitting:
    """Stack the penalties and scale the splitting by the curvature of the datafit."""
    shape = datafit.shape
    covering = tuple(_covering(part, shape) for part in parts)
    maps = [part.linear_map(shape) for part in covering]
    matrices = [sparse.eye_array(datafit.size, format="csr") if K is None else K for K in maps]
    curvature = _curvature(datafit)
    metrics = []
    for part, matrix in zip(covering, matrices, strict=True):
        inverse = np.asarray(sparse.csr_array(matrix).power(2) @ (1.0 / curvature)).ravel()
        natural = 1.0 / np.where(inverse > 0, inverse, 1.0)
        metrics.append(part.balance(natural.reshape(part.split_shape(shape))).ravel())
    return Splitting(
        parts=covering,
        shape=shape,
        K=vstack(matrices),
        metric=np.concatenate(metrics),
        cuts=tuple(int(cut) for cut in np.cumsum([len(metric) for metric in metrics])[:-1]),
        only_identities=all(K is None for K in maps),
    )


def _curvature(datafit: Datafit) -> Array:
    """Return the diagonal of the Hessian, kept away from zero."""
    if isinstance(datafit, Quadratic):
        diagonal = np.tile(squared_column_norms(datafit.R), datafit.shape[0])
    else:
        diagonal = squared_column_norms(datafit.rows()[0])
    largest = float(diagonal.max())
    return np.maximum(diagonal, _LEAST_CURVATURE * largest) if largest > 0 else np.ones(len(diagonal))


def _weight(part: Proximable) -> float:
    return _weight(part.penalty) if isinstance(part, Composed) else float(part.weight)  # type: ignore[attr-defined]


def _covering(part: Proximable, shape: tuple[int, int]) -> Proximable:
    """Return a group penalty as one of the grouped coefficients alone, so that its dual ball is bounded."""
    if not isinstance(part, Group):
        return part
    labels = part.labels(shape)
    inside = np.flatnonzero(labels >= 0)
    if len(inside) == len(labels):
        return part
    members = tuple(tuple(np.flatnonzero(labels[inside] == k).tolist()) for k in range(labels.max() + 1))
    pick = sparse.eye_array(len(labels), format="csr")[inside]
    return Composed(Group(part.weight, members), pick)


@dataclass(frozen=True, eq=False)
class FeasibleSet:
    """w = w0 + Z a for free a, with Z orthonormal; Z None stands for the identity.

    `unseen` counts the directions that were taken out because nothing depends on them.
    """

    w0: Array
    Z: Matrix | None
    unseen: int = 0

    def point(self, a: Array) -> Array:
        """Return w0 + Z a."""
        return self.w0 + self.along(a)

    def along(self, a: Array) -> Array:
        """Return Z a."""
        return a if self.Z is None else np.asarray(self.Z @ a)

    def pull(self, gradient: Array) -> Array:
        """Return Z^T gradient."""
        return gradient if self.Z is None else np.asarray(self.Z.T @ gradient)


@dataclass(frozen=True, eq=False)
class QuadraticStep:
    """Solves (H + rho K^T diag(metric) K) a = b on the feasible set, by one Cholesky factor for each rho."""

    feasible: FeasibleSet
    H: Array
    S: Array

    def factor(self, rho: float) -> Callable[[Array], Array]:
        """Return b -> a; rho may be zero where `curved`."""
        if len(self.H) == 0:
            return lambda b: b
        lower, _ = linalg.cho_factor(self.H + rho * self.S, lower=True, check_finite=False)
        shape = (-1, len(self.H))
        # LAPACK itself: the checks around it cost more than a small system.
        return lambda b: linalg.lapack.dpotrs(lower, b.reshape(shape).T, lower=1)[0].T.ravel()

    @property
    def curved(self) -> bool:
        """Whether the data alone determine every direction, to working accuracy."""
        scale = np.sqrt(np.diag(self.H))
        return (
            len(scale) > 0 and bool(np.all(scale > 0)) and _well_conditioned(self.H / scale[:, None] / scale)
        )


def quadratic_step(
    datafit: Datafit, splitting: Splitting, constraint: LinearConstraint | None
) -> QuadraticStep:
    """Assemble the quadratic step; equations that do not meet share one small block."""
    n, p = datafit.shape
    if constraint is None and isinstance(datafit, Quadratic) and splitting.only_identities:
        weights = splitting.metric.reshape(-1, n, p).sum(axis=0)
        if np.all(weights == weights[0]):
            free = FeasibleSet(np.zeros(n * p), None)
            return QuadraticStep(free, datafit.R.T @ datafit.R, np.diag(weights[0]))
    H = datafit.normal_matrix()
    S = weighted_gram(splitting.K, splitting.metric)
    feasible = FeasibleSet(np.zeros(n * p), None)
    if constraint is not None:
        Z = constraint.null_space
        feasible = FeasibleSet(constraint.particular, Z)
        H, S = np.asarray(Z.T @ (H @ Z)), np.asarray(Z.T @ (S @ Z))
    return _without_unseen(QuadraticStep(feasible, H, S))


def _without_unseen(step: QuadraticStep) -> QuadraticStep:
    """Drop the directions that neither data nor penalty see, which leaves the point of least norm."""
    joint = step.H / max(np.trace(step.H), np.finfo(float).tiny) + step.S / max(np.trace(step.S), 1e-300)
    scale = np.sqrt(np.maximum(np.diag(joint), np.finfo(float).tiny))
    scaled = joint / scale[:, None] / scale
    if len(scaled) == 0 or _well_conditioned(scaled):
        return step
    values, vectors = linalg.eigh(scaled)
    null = vectors[:, values <= _UNSEEN * len(values) * values[-1]] / scale[:, None]
    Q, _ = linalg.qr(null)
    seen = Q[:, null.shape[1] :]
    old = step.feasible.Z
    feasible = FeasibleSet(step.feasible.w0, seen if old is None else old @ seen, null.shape[1])
    return QuadraticStep(feasible, seen.T @ step.H @ seen, seen.T @ step.S @ seen)


def _well_conditioned(scaled: Array) -> bool:
    factor, failed = linalg.lapack.dpotrf(scaled, lower=1)
    if failed:
        return False
    reciprocal, _ = linalg.lapack.dpocon(factor, np.linalg.norm(scaled, 1), uplo="L")
    return bool(reciprocal > _UNSEEN)
