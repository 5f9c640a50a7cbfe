"""Linear equality constraints on the flattened coefficients, with redundant rows as the normal case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from dynsym._checks import Array, DataError, as_floats, frozen, require, require_finite
from dynsym.optim._matrices import DENSE_SHARE, Matrix, as_matrix, as_rows, dense, row_norms

# Rows that cannot be met to this accuracy (rows of unit norm, relative to the size of w and rhs) contradict.
_CONSISTENT = 1e-9

# Row blocks handed to one dense factorisation, in multiples of the number of columns.
_CHUNK = 4


@dataclass(frozen=True, eq=False)
class LinearConstraint:
    """E w = d for the flattened coefficients w = C.ravel(), C (n, p).

    Rows may repeat, exactly or nearly: they are scaled to unit norm and reduced to a basis of their row
    space by pivoted QR, separately for each connected block of unknowns. Constraints add up with `&`.

    Parameters
    ----------
    matrix
        E (c, n p), dense or scipy sparse.
    rhs
        d (c,); zero by default.
    rtol
        A row counts as a combination of others if what is left of it, relative to the largest pivot, is
        below rtol.

    Raises
    ------
    DataError
        On shapes that do not agree, and, when the constraint is first used, on rows that contradict each
        other.

    References
    ----------
    Golub and Van Loan (2013), Matrix Computations, 4th ed., sections 5.4.2 (pivoted QR) and 6.2.3 (null-
    space method).

    Examples
    --------
    >>> both = LinearConstraint([[1.0, -1.0, 0.0]]) & LinearConstraint([[2.0, -2.0, 0.0]])
    >>> both.rank, both.null_space.shape
    (1, (3, 2))
    """

    matrix: Matrix = field(repr=False)
    rhs: Array = field(default=None, repr=False)  # type: ignore[arg-type]
    rtol: float = 1e-11

    def __post_init__(self) -> None:
        matrix = as_rows(as_matrix("matrix", self.matrix))
        object.__setattr__(self, "matrix", matrix)
        rhs = as_floats("rhs", np.zeros(matrix.shape[0]) if self.rhs is None else self.rhs, 1)
        require_finite("rhs", rhs)
        object.__setattr__(self, "rhs", rhs)
        require(
            len(rhs) == matrix.shape[0],
            f"matrix has {matrix.shape[0]} rows and rhs has {len(rhs)} entries; both need one per constraint",
        )
        require(0 < self.rtol < 1, f"rtol must lie between 0 and 1, got {self.rtol}")

    def __and__(self, other: LinearConstraint) -> LinearConstraint:
        if not isinstance(other, LinearConstraint):
            return NotImplemented
        require(
            self.size == other.size,
            f"constraints on {self.size} and {other.size} coefficients cannot be joined; build both for "
            "the same dictionary and number of equations",
        )
        matrix = sparse.vstack([self.matrix, other.matrix])
        return LinearConstraint(matrix, np.append(self.rhs, other.rhs), max(self.rtol, other.rtol))

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return int(self.matrix.shape[1])

    @property
    def rank(self) -> int:
        """Number of independent rows."""
        return self.size - int(self.null_space.shape[1])

    @property
    def null_space(self) -> Matrix:
        """Z (size, size - rank) with orthonormal columns and E Z = 0; sparse where it is mostly zeros."""
        return self._reduced[1]

    @property
    def particular(self) -> Array:
        """w0 (size,), orthogonal to the null space, with E w0 = d."""
        return self._reduced[0]

    def residual(self, w: npt.ArrayLike) -> float:
        """Return max_i |e_i . w - d_i| / (|e_i| max(1, |w|)): the largest distance to a constraint plane."""
        flat = np.asarray(w, dtype=float).ravel()
        gaps = self._row_gaps(flat)
        return float(np.max(gaps, initial=0.0)) / max(1.0, float(np.linalg.norm(flat)))

    def project(self, w: npt.ArrayLike) -> Array:
        """Return the nearest point to w that meets the constraints, in the shape of w."""
        w0, Z = self._reduced
        return _onto(w0, Z, w)

    def nearest(self, w: npt.ArrayLike) -> Array:
        """Return the nearest point to w that meets a basis of the rows, whether or not the others agree."""
        return _onto(*self._basis, w)

    def restricted(self, columns: npt.NDArray[np.bool_]) -> LinearConstraint:
        """Return the constraint on the coefficients picked by `columns`, all others being zero."""
        return LinearConstraint(self.matrix[:, np.flatnonzero(columns)], self.rhs, self.rtol)

    def _row_gaps(self, flat: Array) -> Array:
        norms = row_norms(self.matrix)
        return np.abs(self.matrix @ flat - self.rhs) / np.where(norms > 0, norms, 1.0)

    @cached_property
    def _basis(self) -> tuple[Array, Matrix]:
        return _reduce(self.matrix, self.rhs, self.rtol)

    @cached_property
    def _reduced(self) -> tuple[Array, Matrix]:
        w0, Z = self._basis
        gaps = self._row_gaps(w0)
        size = max(1.0, float(np.linalg.norm(w0)), float(np.max(np.abs(self.rhs), initial=0.0)))
        worst = int(np.argmax(gaps)) if len(gaps) else -1
        if worst >= 0 and gaps[worst] > _CONSISTENT * size:
            raise DataError(
                f"the constraints contradict each other: row {worst} of {len(gaps)} is missed by "
                f"{gaps[worst]:.3g} (right-hand side {self.rhs[worst]:.6g}, row scaled to norm 1) at the "
                f"nearest point; the rank is {self.size - Z.shape[1]}; remove the row, correct rhs, or "
                "enlarge the dictionary"
            )
        return w0, Z


def joined(constraints: LinearConstraint | Iterable[LinearConstraint], size: int) -> LinearConstraint | None:
    """Return one constraint on `size` coefficients, or None where there is none."""
    every = [constraints] if isinstance(constraints, LinearConstraint) else list(constraints)
    for one in every:
        if not isinstance(one, LinearConstraint):
            raise TypeError(f"constraints must be LinearConstraint objects, got {type(one).__name__}")
        require(
            one.size == size,
            f"a constraint has {one.size} columns but there are {size} coefficients; build it for the same "
            "dictionary and number of equations",
        )
    if not every:
        return None
    out = every[0]
    for one in every[1:]:
        out = out & one
    return out


def _onto(w0: Array, Z: Matrix, w: npt.ArrayLike) -> Array:
    """Return w0 + Z Z^T (w - w0) in the shape of w."""
    given = np.asarray(w, dtype=float)
    return np.asarray(w0 + Z @ (Z.T @ (given.ravel() - w0))).reshape(given.shape)


def _reduce(matrix: Matrix, rhs: Array, rtol: float) -> tuple[Array, Matrix]:
    """Return (w0, Z) block by block: symmetry constraints fall into many small ones, by degree and orbit."""
    size = matrix.shape[1]
    norms = row_norms(matrix)
    used = norms > 0
    E = sparse.csr_array(sparse.diags_array(1.0 / norms[used]) @ matrix[np.flatnonzero(used)])
    d = rhs[used] / norms[used]
    pattern = sparse.csr_array((np.ones(E.nnz), E.indices, E.indptr), shape=E.shape)
    links = sparse.block_array([[None, pattern], [pattern.T, None]]) if E.shape[0] else None
    count, labels = (
        sparse.csgraph.connected_components(links, directed=False)
        if links is not None
        else (size, np.arange(size))
    )
    row_label, column_label = labels[: E.shape[0]], labels[E.shape[0] :]
    rows_of, columns_of = _members(row_label, count), _members(column_label, count)
    w0, blocks, order = np.zeros(size), [], []
    for rows, columns in zip(rows_of, columns_of, strict=True):
        block = dense(E[rows][:, columns])
        w0[columns], Z = _reduce_block(block, d[rows], rtol)
        blocks.append(Z)
        order.append(columns)
    back = np.argsort(np.concatenate(order))
    if sum(block.size for block in blocks) > DENSE_SHARE * size * sum(block.shape[1] for block in blocks):
        return frozen(w0), frozen(linalg.block_diag(*blocks)[back])
    # Blocks of full rank contribute (columns, 0) matrices, which block_diag keeps as rows of zeros.
    return frozen(w0), sparse.csr_array(sparse.csr_array(sparse.block_diag(blocks))[back])


def _members(labels: npt.NDArray[np.intp], count: int) -> list[npt.NDArray[np.intp]]:
    """Return the positions at which each of 0..count-1 stands."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.searchsorted(labels[order], np.arange(1, count)))


def _reduce_block(E: Array, d: Array, rtol: float) -> tuple[Array, Array]:
    """Return (w0, Z) for one dense block by pivoted QR of E^T, so that whole rows are chosen as the basis."""
    columns = E.shape[1]
    if E.shape[0] == 0:
        return np.zeros(columns), np.eye(columns)
    E, d = _fold(E, d)
    Q, T, order = linalg.qr(E.T, pivoting=True)
    pivots = np.abs(np.diag(T))
    rank = int(np.sum(pivots > rtol * pivots[0]))
    y = linalg.solve_triangular(T[:rank, :rank], d[order[:rank]], trans="T")
    return Q[:, :rank] @ y, Q[:, rank:]


def _fold(E: Array, d: Array) -> tuple[Array, Array]:
    """Return at most columns + 1 rows that say the same, by QR of one chunk of rows after another."""
    columns = E.shape[1]
    if E.shape[0] <= 2 * (columns + 1):
        return E, d
    folded = np.zeros((0, columns + 1))
    step = _CHUNK * (columns + 1)
    for start in range(0, E.shape[0], step):
        chunk = np.column_stack([E[start : start + step], d[start : start + step]])
        (folded,) = linalg.qr(np.vstack([folded, chunk]), mode="r")
        folded = folded[: columns + 1]
    # The last row holds only the inconsistency, which the caller measures on the original rows.
    return folded[:columns, :columns], folded[:columns, columns]
