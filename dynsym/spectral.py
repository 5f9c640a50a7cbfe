"""Null spaces with their evidence: the whole spectrum, the gap, the threshold and where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from ._checks import Array, frozen, require

_ROUNDING = 64.0  # multiples of machine epsilon times the matrix size that still count as zero


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values s_1 <= ... <= s_q of L relative to N: the stationary values of |L v| / |N v|.

    Attributes
    ----------
    values
        (q,) ascending.
    vectors
        (k, q), columns v with |N v| = 1; k is the number of original unknowns.
    metric
        In words, the norm |N v| that the values are relative to.
    """

    values: Array
    vectors: Array
    metric: str

    def dimension(self, threshold: float) -> int:
        """Number of values at or below `threshold`."""
        return int(np.count_nonzero(self.values <= threshold))

    def gap(self, r: int) -> float:
        """s_(r+1) / s_r, the factor by which the values jump after the first r (inf if s_r = 0)."""
        if r <= 0 or r >= len(self.values):
            return float("inf")
        low, high = float(self.values[r - 1]), float(self.values[r])
        return float("inf") if low == 0 else high / low

    def __str__(self) -> str:
        shown = "  ".join(f"{v:.2e}" for v in self.values[:12]) + (" ..." if len(self.values) > 12 else "")
        return f"spectrum ({self.metric}): {shown}"


def relative_spectrum(operator: Array, gram: Array, metric: str) -> Spectrum:
    """Singular values of L relative to the norm |v|_N^2 = v^T gram v.

    The values come from an SVD of L N^+, never from the eigenvalues of L^T L, so that zeros appear near 1e-16
    and not near 1e-8. Directions that the norm does not see (zero functions) are left out.

    Parameters
    ----------
    operator
        L, (rows, k).
    gram
        Symmetric positive semidefinite (k, k).
    metric
        What the norm is, in words.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.spectral import relative_spectrum
    >>> s = relative_spectrum(np.diag([3.0, 0.0]), np.eye(2), "Euclidean")
    >>> s.values.tolist(), s.dimension(1e-12)
    ([0.0, 3.0], 1)
    """
    require(operator.shape[1] == len(gram), f"operator has {operator.shape[1]} columns, the norm {len(gram)}")
    size = np.sqrt(np.maximum(np.diag(gram), 0.0))
    size = np.where(size > 0, size, 1.0)
    weights, basis = sla.eigh(gram / np.outer(size, size))
    seen = weights > _ROUNDING * len(gram) * np.finfo(float).eps * max(float(weights[-1]), 0.0)
    whiten = (basis[:, seen] / np.sqrt(weights[seen])) / size[:, None]
    image = operator @ whiten
    if len(image) > image.shape[1]:
        image = np.linalg.qr(image, mode="r")
    _, values, right = np.linalg.svd(image, full_matrices=True)
    values = np.concatenate([values, np.zeros(whiten.shape[1] - len(values))])
    order = np.argsort(values, kind="stable")
    return Spectrum(frozen(values[order]), frozen((whiten @ right.T)[:, order]), metric)


def null_space(matrix: Array, tolerance: float = 1e-10) -> Array:
    """Orthonormal basis (k, r) of the null space: singular values up to `tolerance` times the largest.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.spectral import null_space
    >>> abs(null_space(np.array([[1.0, 0.0], [2.0, 0.0]]))).tolist()
    [[0.0], [1.0]]
    """
    if matrix.shape[0] > matrix.shape[1]:
        matrix = np.asarray(np.linalg.qr(matrix, mode="r"))
    _, values, right = np.linalg.svd(matrix, full_matrices=True)
    rank = int(np.count_nonzero(values > tolerance * values[0])) if values.size and values[0] > 0 else 0
    return right[rank:].T


def principal_angles(a: Array, b: Array) -> Array:
    """Angles between the column spans of a and b, ascending, in radians (largest last).

    References
    ----------
    Knyazev and Argentati (2002), Principal angles between subspaces in an A-based scalar product.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.spectral import principal_angles
    >>> float(np.degrees(principal_angles(np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]])))[0].round(9))
    45.0
    """
    return np.sort(sla.subspace_angles(a, b))


def row_space(rows: Array, tolerance: float = 1e-9) -> Array:
    """Orthonormal rows that span the same space, up to singular values of `tolerance` times the largest.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.spectral import row_space
    >>> row_space(np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])).shape
    (1, 2)
    """
    if len(rows) > rows.shape[1]:
        rows = np.asarray(np.linalg.qr(rows, mode="r"))
    _, values, right = np.linalg.svd(rows, full_matrices=False)
    if not values.size or values[0] == 0:
        return np.zeros((0, rows.shape[1]))
    return right[: int(np.count_nonzero(values > tolerance * values[0]))]


def joint_range(parts: Sequence[Array], rtol: float) -> Array:
    """Orthonormal basis (rows, a) of the columns of all matrices together, grown one matrix at a time.

    Directions below rtol of the norm of the matrix that brings them are rounding.
    """
    basis = np.zeros((len(parts[0]), 0))
    for part in parts:
        fresh = part - basis @ (basis.T @ part)
        left, values, _ = np.linalg.svd(fresh, full_matrices=False)
        scale = max(float(np.linalg.norm(part, 2)), 1e-300)
        basis = np.hstack([basis, left[:, values > rtol * scale]])
    return basis
