"""Fields that keep given functions: grad h . f = 0 with h held is linear in f."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from .._checks import Array, require
from ..dictionary import Dictionary, Monomials
from ..inner_product import Region, generic_region
from ..lie_derivative import law_matrix
from ..optim import LinearConstraint
from ..polynomial_derivative import law_tensor
from ..sections import ScalarFunction
from ._rows import independent_rows


def conserving(
    functions: ScalarFunction | Sequence[ScalarFunction], dictionary: Dictionary, region: Region | None = None
) -> LinearConstraint:
    """The constraint grad h . f = 0 for every given function h, on the coefficients C of f = C theta.

    Of polynomials it is exact in the coefficients, whatever the region; others are held on points of the region.

    Raises
    ------
    DataError
        If no function is given or one is over another number of states.

    Examples
    --------
    >>> import dynsym as dy
    >>> energy = dy.ScalarFunction(dy.Monomials(2, 2), [0, 0, 0, 1, 0, 1])
    >>> c = dy.conserving(energy, dy.Monomials(2, 1))
    >>> c.size - c.rank
    1
    """
    every = [functions] if isinstance(functions, ScalarFunction) else list(functions)
    require(bool(every), "no function was given; there is nothing to conserve")
    where = generic_region(dictionary) if region is None else region
    for h in every:
        require(
            h.dictionary.n_states == dictionary.n_states,
            f"a function of {h.dictionary.n_states} states cannot be conserved by "
            f"{dictionary.n_states} states",
        )
    if isinstance(dictionary, Monomials) and all(isinstance(h.dictionary, Monomials) for h in every):
        return LinearConstraint(np.vstack([_exact_rows(h, dictionary) for h in every]))
    rows = [law_matrix(h.dictionary, h.coefficients, dictionary, where) for h in every]
    return independent_rows(np.vstack(rows), dictionary, where)


def _exact_rows(h: ScalarFunction, dictionary: Monomials) -> Array:
    """C -> coefficients of grad h . f, those that cannot vanish by themselves."""
    assert isinstance(h.dictionary, Monomials)
    into, tensor = law_tensor(h.dictionary, dictionary)
    weigh = sparse.kron(sparse.eye_array(into.n_terms), h.coefficients[None, :])
    rows = np.asarray((weigh @ tensor).todense())
    kept = rows[rows.any(axis=1)]
    return kept if len(kept) else rows[:1]
