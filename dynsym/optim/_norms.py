"""Norms with a closed proximal map: L1, groups, and the nuclear norm of a linear map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from dynsym._checks import Array, require
from dynsym.optim._curves import Curve
from dynsym.optim._matrices import Matrix, as_matrix, vstack
from dynsym.optim._penalties import Composed, Proximable, check_weight, fitting

# Below this ratio of threshold to largest singular value, squared singular values from the Gram matrix are no
# longer accurate at the threshold (their error is eps * s_max^2), and a thin SVD is taken instead.
_GRAM_RATIO = 1e-5
# From this order on, a symmetric eigenproblem for less than this share of the spectrum is faster than the whole one.
_PARTIAL, _FEW = 120, 0.2


def _shrink(sizes: Array, threshold: float | Array) -> Array:
    """Return max(0, 1 - threshold / size), with 0 for size 0."""
    safe = np.where(sizes > 0, sizes, 1.0)
    return np.where(sizes > threshold, 1.0 - threshold / safe, 0.0)


@dataclass(frozen=True)
class L1(Proximable):
    """weight * sum |C_ij|: few terms in each equation.

    Examples
    --------
    >>> import numpy as np
    >>> L1(2.0).value([[1.0, -3.0]])
    8.0
    >>> L1(2.0).prox(np.array([[1.0, -3.0]]), 1.0)
    array([[ 0., -1.]])
    """

    weight: float

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def linear_map(self, shape: tuple[int, ...]) -> None:
        return None

    def split_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def norm(self, v: Array) -> float:
        return self.weight * float(np.sum(np.abs(v)))

    def prox(self, v: Array, step: float | Array) -> Array:
        return np.sign(v) * np.maximum(np.abs(v) - self.weight * step, 0.0)

    def summands(self, v: Array) -> Array:
        return np.abs(v).ravel()

    def bent_prox(self, v: Array, step: float | Array, curve: Curve) -> Array:
        return np.sign(v) * curve.prox(np.abs(v), self.weight * step)

    def tilted(self, v: Array, curve: Curve) -> Proximable:
        return Composed(self, sparse.diags_array(curve.slope(self.summands(v))))

    def gauge(self, u: Array) -> float:
        return _ratio(float(np.max(np.abs(u), initial=0.0)), self.weight)

    def balance(self, weights: Array) -> Array:
        return weights

    def cvxpy_expression(self, C: Any) -> Any:
        import cvxpy as cp

        return self.weight * cp.sum(cp.abs(C))


@dataclass(frozen=True)
class Group(Proximable):
    """weight * sum_g |C_g|_2: whole groups of coefficients vanish together.

    Parameters
    ----------
    weight
        Not negative.
    groups
        Disjoint groups of flattened indices i p + j; indices in no group are left alone. By default one group
        per term, that is per column of C: a term is in the model for all equations or for none.

    Raises
    ------
    DataError
        If an index is in two groups, or out of range.

    References
    ----------
    Yuan and Lin (2006), Model selection and estimation in regression with grouped variables, eq. (2.1).

    Examples
    --------
    >>> import numpy as np
    >>> Group(1.0).value([[3.0, 0.0], [4.0, 1.0]])
    6.0
    >>> Group(1.0, groups=((0, 1),)).prox(np.array([[3.0, 4.0, 7.0]]), 2.5)
    array([[1.5, 2. , 7. ]])
    """

    weight: float
    groups: Sequence[Sequence[int]] | None = None

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.groups is None:
            return
        groups = tuple(tuple(int(index) for index in group) for group in self.groups)
        object.__setattr__(self, "groups", groups)
        flat = [index for group in groups for index in group]
        require(len(flat) > 0 and all(groups), f"each group needs an index, got {groups}")
        twice = sorted({index for index in flat if flat.count(index) > 1})
        require(
            not twice,
            f"groups must be disjoint, but index {twice[:1]} is in two; use a sum of Group penalties",
        )
        require(min(flat) >= 0, f"group indices count from 0 in the flattened coefficients, got {min(flat)}")

    def labels(self, shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
        """Return the group number of each flattened coefficient, -1 for none."""
        size = int(np.prod(shape))
        if self.groups is None:
            require(
                len(shape) == 2,
                f"one group per term needs coefficients of shape (n, p), got {shape}; name the groups",
            )
            return np.tile(np.arange(shape[1]), shape[0])
        labels = np.full(size, -1)
        for number, group in enumerate(self.groups):
            require(max(group) < size, f"group index {max(group)} is out of range for {size} coefficients")
            labels[list(group)] = number
        return labels

    def _sizes(self, v: Array) -> tuple[npt.NDArray[np.intp], Array]:
        labels = self.labels(v.shape)
        inside = labels >= 0
        return labels, np.sqrt(np.bincount(labels[inside], np.square(v.ravel()[inside])))

    def linear_map(self, shape: tuple[int, ...]) -> None:
        return None

    def split_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def norm(self, v: Array) -> float:
        return self.weight * float(np.sum(self._sizes(v)[1]))

    def prox(self, v: Array, step: float | Array) -> Array:
        labels, sizes = self._sizes(v)
        factor = np.append(_shrink(sizes, self._thresholds(step, v.shape, labels)), 1.0)
        return (factor[labels] * v.ravel()).reshape(v.shape)

    def _thresholds(self, step: float | Array, shape: tuple[int, ...], labels: npt.NDArray[np.intp]) -> Array:
        steps = np.broadcast_to(step, shape).ravel()
        # balance() made the step constant in each group, so the last index of a group speaks for all of it.
        group_step = np.ones(int(labels.max()) + 1)
        group_step[labels[labels >= 0]] = steps[labels >= 0]
        return self.weight * group_step

    def summands(self, v: Array) -> Array:
        return self._sizes(v)[1]

    def bent_prox(self, v: Array, step: float | Array, curve: Curve) -> Array:
        labels, sizes = self._sizes(v)
        moved = curve.prox(sizes, self._thresholds(step, v.shape, labels))
        factor = np.append(moved / np.where(sizes > 0, sizes, 1.0), 1.0)
        return (factor[labels] * v.ravel()).reshape(v.shape)

    def tilted(self, v: Array, curve: Curve) -> Proximable:
        labels, sizes = self._sizes(v)
        factor = np.append(curve.slope(sizes), 1.0)[labels]
        groups = tuple(tuple(np.flatnonzero(labels == k).tolist()) for k in range(len(sizes)))
        return Composed(Group(self.weight, groups), sparse.diags_array(factor))

    def gauge(self, u: Array) -> float:
        labels, sizes = self._sizes(u)
        outside = float(np.max(np.abs(u.ravel()[labels < 0]), initial=0.0))
        return max(_ratio(float(np.max(sizes)), self.weight), _ratio(outside, 0.0))

    def balance(self, weights: Array) -> Array:
        labels = self.labels(weights.shape)
        inside = labels >= 0
        counts = np.maximum(np.bincount(labels[inside]), 1)
        means = np.bincount(labels[inside], weights.ravel()[inside]) / counts
        return np.where(inside, np.append(means, 0.0)[labels], weights.ravel()).reshape(weights.shape)

    def cvxpy_expression(self, C: Any) -> Any:
        import cvxpy as cp

        labels = self.labels(C.shape)
        flat = cp.vec(C, order="C")
        numbers = range(int(labels.max()) + 1)
        return self.weight * sum(cp.norm(flat[np.flatnonzero(labels == k)], 2) for k in numbers)


@dataclass(frozen=True, eq=False)
class Nuclear(Proximable):
    """weight * |reshape(A w, (a, b))|_*: the matrix A w, linear in the coefficients, has low rank.

    Parameters
    ----------
    weight
        Not negative.
    operator
        A (a b, n p), dense or scipy sparse; row i b + j of A gives entry (i, j).
    shape
        (a, b).

    Raises
    ------
    DataError
        If A does not have a b rows.

    References
    ----------
    Cai, Candes and Shen (2010), A singular value thresholding algorithm for matrix completion, theorem 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> norm = Nuclear(0.5, np.eye(4), (2, 2))
    >>> round(norm.value([[3.0, 0.0, 0.0, 1.0]]), 12)
    2.0
    """

    weight: float
    operator: Matrix = field(repr=False)
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        check_weight(self.weight)
        object.__setattr__(self, "operator", as_matrix("operator", self.operator))
        object.__setattr__(self, "shape", tuple(int(length) for length in self.shape))
        require(
            len(self.shape) == 2 and min(self.shape) > 0,
            f"shape must be (a, b), both at least 1, got {self.shape}",
        )
        rows = self.operator.shape[0]
        require(
            rows == self.shape[0] * self.shape[1],
            f"operator has {rows} rows but shape {self.shape} needs {self.shape[0] * self.shape[1]}",
        )

    def linear_map(self, shape: tuple[int, ...]) -> Matrix:
        return fitting(self.operator, shape)

    def split_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.shape

    def norm(self, v: Array) -> float:
        return self.weight * float(np.sum(linalg.svdvals(v)))

    def prox(self, v: Array, step: float | Array) -> Array:
        threshold = self.weight * float(np.ravel(step)[0])
        return _threshold_singular_values(v, threshold)

    def summands(self, v: Array) -> Array:
        return np.asarray(linalg.svdvals(v))

    def bent_prox(self, v: Array, step: float | Array, curve: Curve) -> Array:
        threshold = self.weight * float(np.ravel(step)[0])
        return _bend_singular_values(v, threshold, curve)

    def tilted(self, v: Array, curve: Curve) -> Proximable:
        """Return |B Omega|_* with Omega = V diag(psi'(s)) V^T: at B = v its subgradients are those of sum psi(s_k)."""
        a, b = v.shape
        _, s, Vt = linalg.svd(v, full_matrices=a < b)
        slope = np.ones(b)
        slope[: len(s)] = curve.slope(s)
        omega = (Vt.T * slope) @ Vt
        rows = [omega @ self.operator[i * b : (i + 1) * b] for i in range(a)]
        return Nuclear(self.weight, vstack(rows), self.shape)

    def gauge(self, u: Array) -> float:
        return _ratio(float(linalg.svdvals(u)[0]), self.weight)

    def balance(self, weights: Array) -> Array:
        return np.full(weights.shape, weights.mean())

    def cvxpy_expression(self, C: Any) -> Any:
        import cvxpy as cp

        flat = cp.vec(C, order="C")
        return self.weight * cp.normNuc(cp.reshape(self.linear_map(C.shape) @ flat, self.shape, order="C"))


def _ratio(size: float, weight: float) -> float:
    """Return size / weight, where 0 / 0 = 0."""
    if size == 0:
        return 0.0
    return size / weight if weight > 0 else np.inf


def _threshold_singular_values(v: Array, threshold: float) -> Array:
    """Return v with its singular values reduced by `threshold`, and at least 0."""
    tall = v if v.shape[0] >= v.shape[1] else v.T
    gram = tall.T @ tall
    # The trace bounds the largest square, so the choice needs no spectrum.
    if threshold >= _GRAM_RATIO * np.sqrt(np.trace(gram)):
        squares, V = _eigenvectors_above(gram, threshold**2)
        out = (tall @ (V * (1.0 - threshold / np.sqrt(squares)))) @ V.T
    else:
        U, s, Vt = linalg.svd(tall, full_matrices=False)
        out = (U * np.maximum(s - threshold, 0.0)) @ Vt
    return out if tall is v else out.T


def _eigenvectors_above(gram: Array, level: float) -> tuple[Array, Array]:
    """Return the eigenvalues above the level and their vectors; where they are few, no others are computed."""
    # At most trace / level eigenvalues lie above the level.
    if len(gram) >= _PARTIAL and np.trace(gram) < _FEW * len(gram) * level:
        squares, V = linalg.eigh(
            gram, subset_by_value=(level, np.inf), driver="evr", check_finite=False, overwrite_a=True
        )
    else:
        # numpy's call costs a third of scipy's where the matrix is small.
        squares, V = np.linalg.eigh(gram)
    keep = squares > level
    return squares[keep], V[:, keep]


def _bend_singular_values(v: Array, threshold: float, curve: Curve) -> Array:
    """Return v with its singular values as the curve leaves them."""
    tall = v if v.shape[0] >= v.shape[1] else v.T
    gram = tall.T @ tall
    # What the Gram matrix cannot tell from zero is set to zero.
    level = max(curve.level(threshold), _GRAM_RATIO * float(np.sqrt(np.trace(gram))))
    squares, V = _eigenvectors_above(gram, level**2)
    sizes = np.sqrt(squares)
    out = (tall @ (V * (curve.prox(sizes, threshold) / sizes))) @ V.T
    return out if tall is v else out.T
