"""Promotion of conservation: the nuclear norm of h -> L_f h over candidate invariants, a convex penalty on f.

The rank of h -> grad h . f is the number of independent candidates that f does not keep; the nuclear norm is its convex
envelope. A field other than zero breaks most functions, so the penalty shrinks f as a whole: it is the detector of a law,
and `conserving` the estimator once the law is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .._checks import Array, frozen, require
from .._threads import one_blas_thread
from ..dictionary import Dictionary, Monomials
from ..inner_product import Box, Gaussian, Measure, Region, generic_region
from ..optim import Nuclear
from ..polynomial_derivative import law_tensor, partial_derivatives

_RANK = 1e-10  # gradients below this share of the largest are those of constants
_ZERO = 1e-13  # entries below this share of the largest of their term are rounding
_MOST = 60_000_000  # entries of the operator: half a gigabyte


@dataclass(frozen=True, eq=False)
class LawOperator:
    """h -> grad h . f for unit functions h, linear in f: w = C.ravel() -> (a, q) matrix of rates.

    Attributes
    ----------
    matrix
        (a q, n p); row i q + k is the i-th coordinate of the rate of the k-th unit function, in an orthonormal basis of L2.
    shape
        (a, q).
    mix
        (k, q): column j holds the coefficients, over the k candidates, of the j-th unit function.
    """

    matrix: Array
    shape: tuple[int, int]
    mix: Array


def ConservationBreaking(
    invariants: Dictionary, dictionary: Dictionary, weight: float, region: Region | Measure | None = None
) -> Nuclear:
    """weight * | h -> grad h . f |_* over the span of candidate invariants, constants left out.

    Functions count by their gradient, |h|^2 = integral of sum_i (s_i dh/dx_i)^2 with s the scales of the states, and rates by
    their L2 norm: singular values do not depend on the basis of the span nor on the units of the states. Of polynomials the
    operator is made of exact coefficients, so that it vanishes on a law to rounding; others are sampled on the region.

    Parameters
    ----------
    invariants
        The k functions whose span holds the candidates.
    dictionary
        The p functions of f.
    weight
        Not negative.
    region
        Where functions are measured: a `Region`, or a measure such as `inner_product.Box`, whose moments are exact for
        polynomials. Default generic points of unit size; pass `plain.region` of a first fit when states differ in scale.

    Raises
    ------
    DataError
        If the states do not match, all candidates are constant, or the operator would not fit in memory.

    References
    ----------
    Otto, Zolman, Kutz, Brunton (2025), JMLR 26(248), section on promoting symmetry, for the bilinear form that is read here in
    its other slot.

    Examples
    --------
    >>> import dynsym as dy
    >>> d = dy.Monomials(2, 1)
    >>> penalty = dy.ConservationBreaking(dy.Monomials(2, 2), d, weight=1.0)
    >>> oscillator, damped = [[0, 0, 1], [0, -1, 0]], [[0, 0, 1], [0, -1, -0.1]]
    >>> [int((dy.promote.rates(penalty, c) > 1e-12).sum()) for c in (oscillator, damped)]
    [4, 5]
    """
    operator = law_operator(invariants, dictionary, region)
    return Nuclear(weight, operator.matrix, operator.shape)


def rates(penalty: Nuclear, coefficients: Array) -> Array:
    """Singular values, descending, of the matrix that a nuclear penalty sees at coefficients C (n, p), without its weight.

    Their number above rounding is what the field breaks; the others are kept.

    Examples
    --------
    >>> import dynsym as dy
    >>> penalty = dy.SymmetryBreaking(dy.generators.rotations(2), dy.Monomials(2, 1), weight=1.0)
    >>> dy.promote.rates(penalty, [[0, 0, -1], [0, 1, 0]]).round(12).tolist()
    [0.0]
    """
    image = np.asarray(penalty.operator @ np.asarray(coefficients, dtype=float).ravel())
    return np.linalg.svd(image.reshape(penalty.shape), compute_uv=False)


def law_operator(
    invariants: Dictionary, dictionary: Dictionary, region: Region | Measure | None = None
) -> LawOperator:
    """The operator behind `ConservationBreaking`, with the functions that its columns stand for.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.promote import law_operator
    >>> law_operator(dy.Monomials(2, 2), dy.Monomials(2, 1)).shape  # rates of degree 2, five functions
    (6, 5)
    """
    require(
        invariants.n_states == dictionary.n_states,
        f"the invariants are over {invariants.n_states} states, the dictionary over {dictionary.n_states}",
    )
    with one_blas_thread():
        if isinstance(invariants, Monomials) and isinstance(dictionary, Monomials):
            into = Monomials(dictionary.n_states, max(invariants.degree - 1, 0) + dictionary.degree)
            _check_size(into.n_terms * invariants.n_terms * dictionary.n_states * dictionary.n_terms)
            return _of_polynomials(invariants, dictionary, generic_region(into) if region is None else region)
        where = generic_region(dictionary + invariants) if region is None else region
        return _sampled(invariants, dictionary, where)


def _of_polynomials(invariants: Monomials, dictionary: Monomials, where: Region | Measure) -> LawOperator:
    slopes, partial = partial_derivatives(invariants)
    root, scale = l2_factor(slopes, where), scales(where)
    mix = _unit_functions(np.vstack([s * (root @ d) for s, d in zip(scale, partial)]))
    into, tensor = law_tensor(invariants, dictionary)
    weigh, (k, q), columns = l2_factor(into, where), mix.shape, tensor.shape[1]
    entries = tensor.tocoo()
    rows, functions = np.divmod(entries.row, k)
    place = (rows * columns + entries.col, functions)
    by_function = sparse.csr_array((entries.data, place), shape=(into.n_terms * columns, k))
    mixed = (by_function @ mix).reshape(into.n_terms, columns * q)
    matrix = (weigh @ mixed).reshape(len(weigh), columns, q).transpose(0, 2, 1)
    return LawOperator(_cleaned(matrix.reshape(-1, columns)), (len(weigh), q), frozen(mix))


def _sampled(invariants: Dictionary, dictionary: Dictionary, where: Region | Measure) -> LawOperator:
    root, scale, x = np.sqrt(where.weights), scales(where), where.points
    slope, theta = invariants.jacobian(x), dictionary.evaluate(x) * root[:, None]
    flat = (slope * scale * root[:, None, None]).transpose(0, 2, 1).reshape(-1, invariants.n_terms)
    mix = _unit_functions(np.asarray(np.linalg.qr(flat, mode="r")))
    unit = np.einsum("mki,kq->mqi", slope, mix, optimize=True)
    columns = dictionary.n_states * dictionary.n_terms
    _check_size(len(x) * mix.shape[1] * columns)
    every = np.einsum("mqi,mp->mqip", unit, theta).reshape(len(x), -1)
    # An orthonormal basis of all rates takes the place of the samples.
    _, values, right = np.linalg.svd(every, full_matrices=False)
    kept = values > _RANK * values.max(initial=1e-300)
    reduced = values[kept, None] * right[kept]
    return LawOperator(_cleaned(reduced.reshape(-1, columns)), (int(kept.sum()), mix.shape[1]), frozen(mix))


def _cleaned(matrix: Array) -> Array:
    """Without rounding, term by term: solvers scale rows to the curvature of the data, and would blow it up."""
    size = np.abs(matrix)
    return frozen(np.where(size > _ZERO * size.max(axis=0, initial=0.0), matrix, 0.0))


def _unit_functions(gradients: Array) -> Array:
    """Coefficients (k, q) of functions with orthonormal gradients, from rows whose Gram matrix is that of the gradients."""
    size = np.linalg.norm(gradients, axis=0)
    require(
        bool(size.any()), "all candidate invariants are constant; give functions that depend on the states"
    )
    some = np.where(size > 0, size, 1.0)
    _, values, right = np.linalg.svd(gradients / some, full_matrices=False)
    kept = values > _RANK * values[0]
    return right[kept].T / values[kept] / some[:, None] * (size > 0)[:, None]


def l2_factor(dictionary: Dictionary, where: Region | Measure) -> Array:
    """R (r, p) with |R c| the L2 norm of sum_j c_j theta_j: exact for polynomials where moments are known."""
    if isinstance(where, (Box, Gaussian)) and isinstance(dictionary, Monomials):
        gram = where.gram(dictionary)
        size = np.sqrt(np.diag(gram))
        values, vectors = np.linalg.eigh(gram / np.outer(size, size))
        return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T * size
    values = dictionary.evaluate(where.points) * np.sqrt(where.weights)[:, None]
    return np.asarray(np.linalg.qr(values, mode="r"))


def scales(where: Region | Measure) -> Array:
    """(n,) size of each state: that of a region, or the standard deviations of a measure."""
    if isinstance(where, Region):
        return where.scale
    if isinstance(where, Gaussian):
        return where.sd
    if isinstance(where, Box):
        return (where.high - where.low) / np.sqrt(12.0)
    centre = where.weights @ where.points
    spread = np.sqrt(where.weights @ (where.points - centre) ** 2)
    return np.where(spread > 0, spread, 1.0)


def _check_size(entries: int) -> None:
    require(
        entries <= _MOST,
        f"the operator would hold {entries} numbers, more than {_MOST}; "
        "give fewer candidate invariants or fewer terms",
    )
