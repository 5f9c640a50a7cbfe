"""Sampled constraint rows, reduced to independent ones."""

from __future__ import annotations

import numpy as np

from .._checks import Array
from ..dictionary import Dictionary
from ..inner_product import Region
from ..optim import LinearConstraint
from ..spectral import row_space

_RTOL = 1e-9  # rows that repeat others to this accuracy, once other constraints are added, are the same


def independent_rows(rows: Array, dictionary: Dictionary, region: Region) -> LinearConstraint:
    """Independent rows, found with all terms in units of their own size so that none is drowned by larger ones."""
    values = dictionary.evaluate(region.points)
    size = np.sqrt(region.weights @ values**2)
    every = np.tile(np.where(size > 0, size, 1.0), rows.shape[1] // dictionary.n_terms)
    return LinearConstraint(row_space(rows / every) * every, rtol=_RTOL)
