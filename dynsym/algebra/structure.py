"""Structure constants of a set of generators, and the smallest closed algebra that contains them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array, ConvergenceError, DataError, as_floats, frozen, require, require_finite

_ROUNDOFF = 1e-12  # brackets below this, relative to |x| |y| of the generators, are sums of rounding errors


def structure_constants(
    vectors: npt.ArrayLike, brackets: npt.ArrayLike, gram: npt.ArrayLike | None = None
) -> tuple[Array, float]:
    """Least-squares c with brackets[i, j] = sum_k c[i, j, k] vectors[k], and the relative part left outside.

    Parameters
    ----------
    vectors
        Coefficient vectors of the generators, shape (r, k), linearly independent.
    brackets
        Coefficient vectors of all brackets, shape (r, r, k).
    gram
        Inner product of the coefficient space, shape (k, k), semidefinite allowed; the identity if not given.

    Returns
    -------
    c, closure_defect
        c, shape (r, r, r), and |residual| / |brackets| over all pairs (0 when all brackets vanish).

    Raises
    ------
    DataError
        If shapes do not match, or the generators are linearly dependent in the inner product.

    Examples
    --------
    >>> import numpy as np
    >>> turn, up = np.array([[0.0, -1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
    >>> pair = np.stack([turn, up])
    >>> commutators = np.einsum("aij,bjk->abik", pair, pair) - np.einsum("bij,ajk->abik", pair, pair)
    >>> c, defect = structure_constants(pair.reshape(2, 4), commutators.reshape(2, 2, 4))
    >>> defect                                         # [turn, up] is a third matrix
    1.0
    """
    rows = as_floats("vectors", vectors, 2)
    table = as_floats("brackets", brackets, 3)
    r, k = rows.shape
    require(
        table.shape == (r, r, k),
        f"brackets must have shape ({r}, {r}, {k}) for vectors {rows.shape}, got {table.shape}",
    )
    require_finite("vectors", rows)
    require_finite("brackets", table)
    root = _square_root(gram, k)
    rows, table = rows @ root, table @ root
    _require_independent(rows)
    size = float(np.linalg.norm(table))
    if r == 0 or size <= _ROUNDOFF * float(np.max(np.sum(rows * rows, axis=1))):
        return frozen(np.zeros((r, r, r))), 0.0
    c = np.linalg.lstsq(rows.T, table.reshape(r * r, k).T, rcond=None)[0].T.reshape(r, r, r)
    return frozen(c), float(np.linalg.norm(c @ rows - table)) / size


def _square_root(gram: npt.ArrayLike | None, k: int) -> Array:
    """Matrix L with L L^T = gram (semidefinite allowed: directions of zero length do not count)."""
    if gram is None:
        return np.eye(k)
    matrix = as_floats("gram", gram, 2)
    require(matrix.shape == (k, k), f"gram must have shape ({k}, {k}), got {matrix.shape}")
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    low, high = float(np.min(values, initial=0.0)), float(np.max(values, initial=0.0))
    require(
        low >= -1e-10 * high,
        f"gram must be positive semidefinite, its smallest eigenvalue is {low:.2e} against {high:.2e}",
    )
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _require_independent(rows: Array) -> None:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    s = (
        np.linalg.svd(rows / np.where(lengths > 0, lengths, 1.0), compute_uv=False)
        if len(rows)
        else np.ones(1)
    )
    smallest = float(s[-1]) if len(rows) <= rows.shape[1] else 0.0
    require(
        smallest > 1e-10,
        f"the {len(rows)} generators are linearly dependent (smallest singular value {smallest:.1e} for unit "
        "generators); pass a basis of their span",
    )


def close(
    vectors: npt.ArrayLike,
    bracket: Callable[[Array, Array], npt.ArrayLike],
    max_dimension: int,
    tol: float = 1e-9,
) -> Array:
    """Orthonormal basis of the smallest space that contains the vectors and is closed under the bracket.

    Parameters
    ----------
    vectors
        Generators, shape (r0, k), coefficient vectors in orthonormal coordinates.
    bracket
        Bilinear antisymmetric map of two coefficient vectors (k,) to one (k,).
    max_dimension
        Largest dimension to try.
    tol
        A bracket adds a dimension when its part outside the span exceeds tol times the largest bracket seen;
        a generator counts as new under the same rule relative to the longest one.

    Returns
    -------
    Array
        Basis, shape (r, k), orthonormal rows; the first rows span the given vectors.

    Raises
    ------
    ConvergenceError
        If the algebra has more than max_dimension dimensions; `last` holds the basis so far.

    Examples
    --------
    >>> import numpy as np
    >>> close(np.eye(3)[:2], np.cross, max_dimension=3).shape      # two rotations generate the third
    (3, 3)
    """
    given = as_floats("vectors", vectors, 2)
    require_finite("vectors", given)
    require(max_dimension >= 1, f"max_dimension must be at least 1, got {max_dimension}")
    basis = np.zeros((0, given.shape[1]))
    longest = float(np.max(np.linalg.norm(given, axis=1), initial=0.0))
    for vector in given:
        basis = _extended(basis, vector, tol * longest)
        _require_room(basis, max_dimension)
    largest, done = 0.0, 0
    while done < len(basis):
        for earlier in range(done):
            value = _one_bracket(bracket, basis[earlier], basis[done])
            largest = max(largest, float(np.linalg.norm(value)))
            basis = _extended(basis, value, max(tol * largest, _ROUNDOFF))
            _require_room(basis, max_dimension)
        done += 1
    return frozen(basis)


def _require_room(basis: Array, max_dimension: int) -> None:
    if len(basis) > max_dimension:
        raise ConvergenceError(
            f"the brackets reach dimension {len(basis)}, more than max_dimension = {max_dimension}; raise "
            "max_dimension if a larger algebra is expected, otherwise these generators do not close (noise "
            "is one reason: snap them with nearest_subalgebra first)",
            last=basis,
        )


def _one_bracket(bracket: Callable[[Array, Array], npt.ArrayLike], x: Array, y: Array) -> Array:
    value = np.asarray(bracket(x, y), dtype=float)
    if value.shape != x.shape or not np.all(np.isfinite(value)):
        raise DataError(
            f"bracket must return a finite vector of shape {x.shape}, got shape {value.shape} with "
            f"{int(np.sum(~np.isfinite(value)))} values that are not finite"
        )
    return value


def _extended(basis: Array, vector: Array, floor: float) -> Array:
    """The basis with the part of the vector outside its span appended, if longer than the floor."""
    outside = vector - (vector @ basis.T) @ basis
    outside = outside - (outside @ basis.T) @ basis  # once more: one pass leaves errors of eps / |outside|
    length = float(np.linalg.norm(outside))
    return np.vstack([basis, outside / length]) if length > floor else basis
