"""The Levi decomposition: a semisimple subalgebra, the radical and the nilradical, as subspaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array, DataError, as_floats, frozen, require, require_finite
from dynsym._threads import one_blas_thread
from dynsym.algebra import invariants as inv
from dynsym.algebra._linear import balance, brackets, complement, quotient, span, unit_size
from dynsym.algebra.naming import algebra_names, cartan_types


@dataclass(frozen=True, eq=False, repr=False)
class LeviDecomposition:
    """g = s + radical, with s a semisimple subalgebra; made by `levi_decomposition`.

    Attributes
    ----------
    levi
        Basis of s, shape (k, r), one coordinate vector a row, in the basis of the structure constants.
    radical, nilradical
        Bases of the largest solvable and of the largest nilpotent ideal, shapes (r - k, r) and (l, r).
    name
        Name of s (`trivial` for a solvable algebra).
    types
        Cartan types of the complexified simple ideals of s, such as ("A1", "A1") for so(4).
    defect
        Part of [s, s] outside s, relative to the largest bracket.
    """

    levi: Array
    radical: Array
    nilradical: Array
    name: str
    types: tuple[str, ...]
    defect: float

    def __str__(self) -> str:
        kind = f", type {' + '.join(self.types)}" if self.types else ""
        return (
            f"Levi factor {self.name} (dimension {len(self.levi)}{kind}), radical of dimension "
            f"{len(self.radical)}, nilradical of dimension {len(self.nilradical)}"
        )

    def __repr__(self) -> str:
        return f"LeviDecomposition({self.name!r}, radical={len(self.radical)}, nilradical={len(self.nilradical)})"


def levi_decomposition(c: npt.ArrayLike, tol: float = 1e-6) -> LeviDecomposition:
    """Split a Lie algebra into a semisimple subalgebra and its radical.

    Along the derived series R = R_0 > R_1 > ... > 0 of the radical, a complement x of R with [x_i, x_j] = a_ijk x_k
    modulo R_t is moved by elements of R_t so that this holds modulo R_{t+1}: linear equations, which Whitehead's
    lemma makes solvable.

    Parameters
    ----------
    c
        Structure constants, shape (r, r, r), [e_i, e_j] = sum_k c[i, j, k] e_k.
    tol
        Relative threshold of rank decisions, as in `identify`.

    Raises
    ------
    DataError
        If c has the wrong shape, is not finite, or is no Lie algebra up to tol.

    References
    ----------
    W. A. de Graaf (2000), Lie Algebras: Theory and Algorithms, section 4.13 (Levi), 2.2 and 2.3 (nilradical).

    Examples
    --------
    >>> import numpy as np
    >>> gl2 = np.zeros((4, 4, 4))                                        # matrix units E11, E12, E21, E22
    >>> for a, b, d, e in np.ndindex(2, 2, 2, 2):
    ...     gl2[2 * a + b, 2 * d + e, 2 * a + e] += b == d
    ...     gl2[2 * a + b, 2 * d + e, 2 * d + b] -= e == a
    >>> print(levi_decomposition(gl2))
    Levi factor sl(2,R) (dimension 3, type A1), radical of dimension 1, nilradical of dimension 1
    """
    given = as_floats("structure constants", c, 3)
    require(len(set(given.shape)) == 1, f"structure constants must have shape (r, r, r), got {given.shape}")
    require(0 < tol < 0.5, f"tol must lie between 0 and 0.5, got {tol}")
    require_finite("structure constants", given)
    with one_blas_thread():
        unit = unit_size((given - given.transpose(1, 0, 2)) / 2)[0]
        defect = inv.jacobi_defect(unit)
        if defect > tol:
            raise DataError(
                f"the Jacobi identity fails by {defect:.2e} (relative), more than tol = {tol:.0e}"
            )
        even, basis = balance(unit, tol)
        radical = inv.radical(even, tol)
        levi = levi_factor(even, radical, tol)
        nil = inv.nilradical(even, radical, tol)
        factor = semisimple_part(even, radical)
        names = algebra_names(factor, tol)
        types = cartan_types(factor, tol)
    return LeviDecomposition(
        levi=frozen(levi @ basis),
        radical=frozen(span(radical @ basis, 0.0)),
        nilradical=frozen(span(nil @ basis, 0.0)),
        name=names[0],
        types=types,
        defect=_leak(even, levi),
    )


def semisimple_part(c: Array, radical: Array) -> Array:
    """Structure constants of g / radical, at unit size."""
    return unit_size(quotient(c, radical))[0]


def levi_factor(c: Array, radical: Array, tol: float) -> Array:
    """Rows (k, r) that span a semisimple subalgebra complementary to the radical."""
    x = complement(radical)
    inner = np.einsum("ai,bj,ijk,dk->abd", x, x, c, x, optimize=True)
    layer = radical
    while len(layer) and len(x):
        lower = span(brackets(c, layer, layer), tol)
        # Directions of this layer that the next one does not hold.
        fresh = span(layer - (layer @ lower.T) @ lower, 0.5)
        x = x + _correction(c, x, inner, fresh) @ fresh
        layer = lower if len(lower) < len(layer) else layer[:0]
    return x


def _correction(c: Array, x: Array, inner: Array, fresh: Array) -> Array:
    """The a (k, l) for which x + a y obeys [x_i, x_j] = inner_ijk x_k in the directions y = fresh."""
    k, size = len(x), len(fresh)
    wrong = np.einsum("ai,bj,ijm->abm", x, x, c, optimize=True) - np.einsum("abd,dm->abm", inner, x)
    target = -(wrong @ fresh.T)
    acts = np.einsum("ai,lj,ijm,nm->aln", x, fresh, c, fresh, optimize=True)  # [x_a, y_l] along y_n
    system = np.zeros((k, k, size, k, size))
    for b in range(k):
        system[:, b, :, b, :] += acts.transpose(0, 2, 1)
        system[b, :, :, b, :] -= acts.transpose(0, 2, 1)
    for n in range(size):
        system[:, :, n, :, n] -= inner
    rows = system.reshape(k * k * size, k * size)
    return np.asarray(np.linalg.lstsq(rows, target.ravel(), rcond=None)[0].reshape(k, size))


def _leak(c: Array, rows: Array) -> float:
    if not len(rows):
        return 0.0
    basis = span(rows, 0.0)
    values = brackets(c, basis, basis)
    size = float(np.max(np.linalg.norm(values, axis=1), initial=0.0))
    outside = values - (values @ basis.T) @ basis
    return float(np.max(np.linalg.norm(outside, axis=1))) / size if size > 0 else 0.0
