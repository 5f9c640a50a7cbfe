"""Matrices that may be dense or sparse, and the two dense kernels that everything here rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from dynsym._checks import Array, as_floats, require_finite

# A dense array or a scipy.sparse.csr_array; scipy ships no annotations for the latter.
Matrix: TypeAlias = Any

# Above this share of nonzero entries a dense product is faster than a sparse one.
DENSE_SHARE = 0.25


def as_matrix(name: str, value: npt.ArrayLike | Matrix) -> Matrix:
    """Return `value` as a read-only dense or CSR matrix of finite floats."""
    if not sparse.issparse(value):
        dense = as_floats(name, value, 2)
        require_finite(name, dense)
        return dense
    rows = sparse.csr_array(value, dtype=float, copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    require_finite(f"{name} (stored entries)", rows.data)
    rows.data.flags.writeable = False
    return rows


def as_rows(matrix: Matrix) -> Matrix:
    """Return the matrix as a CSR array without stored zeros."""
    if sparse.issparse(matrix) or not np.all(matrix):
        return sparse.csr_array(matrix)
    # Where nothing is zero there is nothing to look for.
    count, size = matrix.shape
    columns = np.tile(np.arange(size, dtype=np.int32), count)
    return sparse.csr_array((matrix.ravel(), columns, np.arange(count + 1) * size), shape=matrix.shape)


def vstack(blocks: Sequence[Matrix]) -> Matrix:
    """Stack matrices on top of each other; sparse unless the result is mostly filled."""
    stacked = sparse.csr_array(sparse.vstack([sparse.csr_array(block) for block in blocks]))
    # Products of sparse matrices store zeros, which must not pass for entries.
    stacked.eliminate_zeros()
    filled = stacked.nnz > DENSE_SHARE * max(np.prod(stacked.shape), 1)
    return stacked.toarray() if filled else stacked


def dense(matrix: Matrix) -> Array:
    """Return the matrix as a dense array."""
    return np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix, dtype=float)


def squared_column_norms(matrix: Matrix) -> Array:
    """Return the squared Euclidean norm of each column."""
    squares = matrix.multiply(matrix) if sparse.issparse(matrix) else np.square(matrix)
    return np.asarray(squares.sum(axis=0), dtype=float).ravel()


def column_sizes(A: Array) -> Array:
    """Return the Euclidean norms of the columns, 1 for columns of zeros: what to divide columns by."""
    size = np.sqrt(squared_column_norms(A))
    return np.where(size > 0, size, 1.0)


def row_norms(matrix: Matrix) -> Array:
    """Return the Euclidean norm of each row."""
    if not sparse.issparse(matrix):
        return np.asarray(np.linalg.norm(matrix, axis=1))
    rows = sparse.csr_array(matrix)
    squares = sparse.csr_array((rows.data**2, rows.indices, rows.indptr), shape=rows.shape)
    return np.sqrt(np.asarray(squares @ np.ones(rows.shape[1]), dtype=float))


def weighted_gram(matrix: Matrix, weights: Array) -> Array:
    """Return M^T diag(weights) M as a dense array."""
    if sparse.issparse(matrix):
        return dense(matrix.T @ (sparse.diags_array(weights) @ matrix))
    return np.asarray(matrix.T @ (weights[:, None] * matrix))


def least_norm_solution(A: Array, B: Array) -> tuple[Array, int]:
    """Return the X of least norm among the minimisers of |A X - B|_F, and the rank of A.

    The columns of A are equilibrated before the rank is decided, so that terms of very different size (1 and
    x^5, say) count alike; the norm that is made least is that of X itself, in its own units.
    """
    scale = column_sizes(A)
    scaled = A / scale
    if min(A.shape) == 0:
        return np.zeros((A.shape[1], B.shape[1])), 0
    Q, T, order = linalg.qr(scaled, mode="economic", pivoting=True)
    sizes = np.abs(np.diag(T))
    cut = max(A.shape) * np.finfo(float).eps
    if len(sizes) == A.shape[1] and sizes[-1] > cut * sizes[0]:
        X = np.empty((A.shape[1], B.shape[1]))
        X[order] = linalg.solve_triangular(T, Q.T @ B)
        return X / scale[:, None], A.shape[1]
    U, s, Vt = linalg.svd(scaled, full_matrices=True)
    rank = int(np.sum(s > cut * max(s[0], np.finfo(float).tiny)))
    X = Vt[:rank].T @ (U[:, :rank].T @ B / s[:rank, None]) / scale[:, None]
    if rank == A.shape[1]:
        return X, rank
    free, _ = linalg.qr(Vt[rank:].T / scale[:, None], mode="economic")
    return X - free @ (free.T @ X), rank


def triangular_rows(A: Array, B: Array) -> tuple[Array, Array]:
    """Return (R, Y) with at most p + n rows and |R X - Y|_F = |A X - B|_F for every X; A (k, p), B (k, n)."""
    p = A.shape[1]
    if A.shape[0] <= p + B.shape[1]:
        return A, B
    T = np.asarray(np.linalg.qr(np.hstack([A, B]), mode="r"))
    return T[:, :p], T[:, p:]
