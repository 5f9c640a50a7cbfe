"""Fields that keep given functions: grad h . f = 0 with h held is linear in f."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import require
from ..dictionary import Dictionary
from ..inner_product import Region, generic_region
from ..lie_derivative import law_matrix
from ..optim import LinearConstraint
from ..sections import ScalarFunction
from ._rows import independent_rows


def conserving(
    functions: ScalarFunction | Sequence[ScalarFunction], dictionary: Dictionary, region: Region | None = None
) -> LinearConstraint:
    """The constraint grad h . f = 0 for every given function h, on the coefficients C of f = C theta.

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
    rows = [law_matrix(h.dictionary, h.coefficients, dictionary, where) for h in every]
    return independent_rows(np.vstack(rows), dictionary, where)
