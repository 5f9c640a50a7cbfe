"""Derivatives and products of polynomials in exact coefficients: grad h . f and A(x) grad h without a single sample.

The exponents of monomials add up under products and go down by one under derivatives, so both maps are sparse matrices
of whole numbers between coefficient vectors, and what vanishes vanishes to rounding, whatever the region.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ._checks import Array
from .dictionary import Monomials

Exponents = npt.NDArray[np.intp]


def partial_derivatives(functions: Monomials) -> tuple[Monomials, list[sparse.csr_array]]:
    """Coefficients of h -> those of its n partial derivatives, (T, p) each, over all monomials of one degree less.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.polynomial_derivative import partial_derivatives
    >>> slopes, (by_x, by_v) = partial_derivatives(dy.Monomials(2, 2, names=("x", "v")))
    >>> by_x.toarray().tolist()  # of 1, x, v, x^2, x v, v^2 in terms of 1, x, v
    [[0.0, 1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]]
    """
    n, exponents = functions.n_states, functions.exponents
    slopes = Monomials(n, max(functions.degree - 1, 0), functions.names)
    out = []
    for i in range(n):
        some = np.flatnonzero(exponents[:, i])
        rows = places(slopes, exponents[some] - np.eye(n, dtype=np.intp)[i])
        entries = (exponents[some, i].astype(float), (rows, some))
        out.append(sparse.csr_array(entries, shape=(slopes.n_terms, functions.n_terms)))
    return slopes, out


def law_tensor(functions: Monomials, dictionary: Monomials) -> tuple[Monomials, sparse.csr_array]:
    """(h, f) -> grad h . f of polynomials: (T q, n p), row t q + a for the monomial t of the a-th function.

    Columns are the coefficients C (n, p) of f, flattened by rows.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.polynomial_derivative import law_tensor
    >>> d = dy.Monomials(2, 1, names=("x", "v"))
    >>> into, tensor = law_tensor(dy.Monomials(2, 2, names=("x", "v")), d)
    >>> rates = (tensor @ [0, 0, 1, 0, -1, 0]).reshape(into.n_terms, 6)  # along x' = v, v' = -x
    >>> bool((rates @ [0, 0, 0, 1, 0, 1] == 0).all())
    True
    """
    n, p, q = dictionary.n_states, dictionary.n_terms, functions.n_terms
    into = Monomials(n, max(functions.degree - 1, 0) + dictionary.degree, dictionary.names)
    values, rows, columns = [], [], []
    for i in range(n):
        some = np.flatnonzero(functions.exponents[:, i])
        lowered = functions.exponents[some] - np.eye(n, dtype=np.intp)[i]
        t = places(into, (lowered[:, None, :] + dictionary.exponents[None, :, :]).reshape(-1, n))
        rows.append(t * q + np.repeat(some, p))
        columns.append(np.tile(i * p + np.arange(p), len(some)))
        values.append(np.repeat(functions.exponents[some, i].astype(float), p))
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return into, sparse.csr_array(entries, shape=(into.n_terms * q, n * p))


def gradient_tensor(
    functions: Monomials, matrix: Array, entries: Monomials
) -> tuple[Monomials, sparse.csr_array]:
    """h -> A(x) grad h with A_ij = sum_k matrix_ijk entries_k: (n T, q), row i T + t for the monomial t of component i.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> from dynsym.polynomial_derivative import gradient_tensor
    >>> turn = np.array([[[0.0], [1.0]], [[-1.0], [0.0]]])  # x' = dH/dv, v' = -dH/dx
    >>> into, tensor = gradient_tensor(dy.Monomials(2, 2), turn, dy.Monomials(2, 0))
    >>> (tensor @ [0, 0, 0, 0.5, 0, 0.5]).reshape(2, into.n_terms).tolist()
    [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]
    """
    n = functions.n_states
    slopes, partial = partial_derivatives(functions)
    into = Monomials(n, slopes.degree + entries.degree, functions.names)
    raised = [
        sparse.csr_array(
            (
                np.ones(slopes.n_terms),
                (places(into, slopes.exponents + row), np.arange(slopes.n_terms)),
            ),
            shape=(into.n_terms, slopes.n_terms),
        )
        for row in entries.exponents
    ]
    blocks = [sparse.csr_array((into.n_terms, functions.n_terms)) for _ in range(n)]
    for i, j, k in zip(*np.nonzero(matrix)):
        blocks[i] = blocks[i] + float(matrix[i, j, k]) * (raised[k] @ partial[j])
    return into, sparse.csr_array(sparse.vstack(blocks))


def places(dictionary: Monomials, exponents: Exponents) -> npt.NDArray[np.intp]:
    """Where monomials with given exponents (k, n) stand in a dictionary, (k,); -1 for those that are not in it."""
    known = {row.tobytes(): j for j, row in enumerate(np.ascontiguousarray(dictionary.exponents, np.int64))}
    wanted = np.ascontiguousarray(exponents, np.int64)
    return np.array([known.get(row.tobytes(), -1) for row in wanted], dtype=np.intp)
