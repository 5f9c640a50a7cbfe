"""Penalties on broken symmetries of polynomials, from structure constants: nothing is sampled.

An affine field xi = sum_i (sum_l M_il x_l + o_i) d/dx_i sends monomials to monomials,
x_l d/dx_i x^a = a_i x^(a - 1_i + 1_l), so the Lie derivative is a sparse matrix with integer structure constants, and the
inner product of polynomials enters through one factor of its Gram matrix.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from .._checks import Array, DataError, require
from ..dictionary import Dictionary, Monomials
from ..generators import Generators
from ..inner_product import Bombieri, Measure
from ..optim import Nuclear

Product: TypeAlias = Bombieri | Measure
Entries: TypeAlias = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp], Array]

# Entries of the factor of a Gram matrix below this, relative to the largest, are rounding.
_ZERO = 1e-13


def FunctionBreaking(
    generators: Generators, dictionary: Dictionary, weight: float = 1.0, product: Product | None = None
) -> Nuclear:
    """weight * | [L_xi1 h ... L_xiq h] |_* of a scalar polynomial h = sum_k c_k x^k, L_xi h = grad h . xi.

    The coefficients have shape (1, p). Columns are the candidates, each of unit norm sqrt(|M|_F^2 + |o|^2 / length^2); rows
    are monomials, in an orthonormal basis of the inner product.

    Parameters
    ----------
    generators
        Affine candidates xi_1..xi_q.
    dictionary
        All monomials up to a degree.
    weight
        Not negative.
    product
        Inner product of polynomials; default `Bombieri()`. A measure with exact moments, such as `Box`, works as well.

    Raises
    ------
    DataError
        If a candidate is not affine, is zero, or depends on time, or the dictionary is not all monomials up to a degree.

    References
    ----------
    Otto, Zolman, Kutz, Brunton (2025), JMLR 26(248), sections on promoting symmetry and on polynomial subspaces.

    Examples
    --------
    >>> import dynsym as dy
    >>> norm = dy.FunctionBreaking(dy.generators.rotations(2), dy.Monomials(2, 2))
    >>> norm.value([[5, 0, 0, 1, 0, 1]]), round(norm.value([[0, 1, 0, 0, 0, 0]]), 12)  # x^2 + y^2 + 5, x
    (0.0, 0.707106781187)
    """
    powers, matrix, offset, where = _checked(generators, dictionary, product)
    rows, fields, columns, values = _action(powers, matrix, offset)
    return _penalty(weight, where, powers, 1, len(generators), (rows, fields, columns, values))


def FieldBreaking(
    generators: Generators, dictionary: Dictionary, weight: float = 1.0, product: Product | None = None
) -> Nuclear:
    """weight * | [[xi_1, f] ... [xi_q, f]] |_* of a polynomial field f = C theta, [xi, f] = Df xi - Dxi f.

    The same penalty as `SymmetryBreaking` in another inner product, without samples and without a dense matrix: for
    gl(10) and degree 3 it has some 10^5 entries.

    Parameters
    ----------
    generators, dictionary, weight, product
        As for `FunctionBreaking`; the coefficients have shape (n, p).

    Raises
    ------
    DataError
        As `FunctionBreaking`.

    References
    ----------
    Otto, Zolman, Kutz, Brunton (2025), JMLR 26(248), section on promoting symmetry.

    Examples
    --------
    >>> import dynsym as dy
    >>> norm = dy.FieldBreaking(dy.generators.rotations(2), dy.Monomials(2, 1))
    >>> norm.value([[0, 0, -1], [0, 1, 0]])  # the rotation itself
    0.0
    """
    powers, matrix, offset, where = _checked(generators, dictionary, product)
    n, p, q = matrix.shape[1], len(powers), len(generators)
    rows, fields, columns, values = _action(powers, matrix, offset)
    turned, i, k = np.nonzero(matrix)
    every = np.arange(p)
    parts = [
        (rows[None] + p * np.arange(n)[:, None], fields, columns[None] + p * np.arange(n)[:, None], values),
        (i[:, None] * p + every, turned[:, None], k[:, None] * p + every, -matrix[turned, i, k][:, None]),
    ]
    joined = [np.broadcast_arrays(*part) for part in parts]
    entries = tuple(np.concatenate([part[e].ravel() for part in joined]) for e in range(4))
    return _penalty(weight, where, powers, n, q, entries)  # type: ignore[arg-type]


def candidate_norms(generators: Generators, product: Product) -> Array:
    """The norms (q,) of affine candidates with states measured in the length of the inner product."""
    parts = generators.affine_parts()
    assert parts is not None
    matrix, offset = parts
    length = product.length if isinstance(product, Bombieri) else 1.0
    return np.asarray(np.sqrt(np.sum(matrix**2, axis=(1, 2)) + np.sum(offset**2, axis=1) / length**2))


def _checked(
    generators: Generators, dictionary: Dictionary, product: Product | None
) -> tuple[Monomials, Array, Array, Product]:
    """The monomials, the matrices (q, n, n) and offsets (q, n) of the candidates at unit norm, the inner product."""
    require(len(generators) > 0, "no candidate generator was given")
    require(
        generators.n_states == dictionary.n_states,
        f"the generators act on {generators.n_states} states, the dictionary has {dictionary.n_states}",
    )
    if not isinstance(dictionary, Monomials) or not dictionary.is_complete:
        raise DataError(
            f"{dictionary!r} is not all monomials up to a degree, which affine fields map to themselves; take "
            "Monomials(n, degree), or SymmetryBreaking for other dictionaries"
        )
    assert generators.time_scaling is not None
    parts = generators.affine_parts()
    if parts is None or generators.ramps() is not None or generators.time_scaling.any():
        raise DataError("candidates must be affine fields that do not depend on time")
    where = Bombieri() if product is None else product
    matrix, offset = parts
    norm = candidate_norms(generators, where)
    zero = [label for label, size in zip(generators.labels, norm) if size == 0]
    require(not zero, f"the candidates {', '.join(zero)} are zero; leave them out")
    return dictionary, matrix / norm[:, None, None], offset / norm[:, None], where


def _action(dictionary: Monomials, matrix: Array, offset: Array) -> Entries:
    """The entries (row, candidate, column, value) of h -> L_xi h in monomials."""
    powers = dictionary.exponents
    place = {row.tobytes(): k for k, row in enumerate(powers)}
    n = powers.shape[1]
    eye = np.eye(n, dtype=powers.dtype)
    # What is left of each monomial when a factor is taken out, and what one factor more makes of it.
    columns, states = np.nonzero(powers)
    lowered = np.array([place[row.tobytes()] for row in powers[columns] - eye[states]], dtype=np.intp)
    used = np.unique(lowered)
    raised = np.zeros((len(powers), n), dtype=np.intp)
    raised[used] = [[place[row.tobytes()] for row in powers[k] + eye] for k in used]
    found = []
    for i in range(n):
        own = states == i
        c, low, factor = columns[own], lowered[own], powers[columns[own], i]
        j, k = np.nonzero(matrix[:, i, :])
        shifts = np.flatnonzero(offset[:, i])
        found += [
            (raised[low][:, k], j, c[:, None], matrix[j, i, k] * factor[:, None]),
            (low[:, None], shifts, c[:, None], offset[shifts, i] * factor[:, None]),
        ]
    whole = [np.broadcast_arrays(*part) for part in found]
    return tuple(np.concatenate([part[e].ravel() for part in whole]) for e in range(4))  # type: ignore[return-value]


def _penalty(
    weight: float, product: Product, dictionary: Monomials, copies: int, q: int, entries: Entries
) -> Nuclear:
    """The entries in an orthonormal basis of the inner product, without rows that are always zero."""
    p = dictionary.n_terms
    rows, fields, columns, values = entries
    kept, rows = np.unique(rows, return_inverse=True)
    flat = sparse.csr_array((values, (rows * q + fields, columns)), shape=(len(kept) * q, copies * p))
    if isinstance(product, Bombieri):
        size = np.tile(product.sizes(dictionary), copies)[kept]
        return Nuclear(
            weight, sparse.csr_array(sparse.diags_array(np.repeat(size, q)) @ flat), (len(kept), q)
        )
    gram = np.kron(np.eye(copies), product.gram(dictionary))[np.ix_(kept, kept)]
    factor = linalg.cholesky(gram)
    factor[np.abs(factor) <= _ZERO * np.abs(factor).max()] = 0.0
    turn = sparse.kron(sparse.csr_array(factor), sparse.eye_array(q))
    return Nuclear(weight, sparse.csr_array(turn @ flat), (len(kept), q))
