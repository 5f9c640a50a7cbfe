"""Any dictionary as a PySINDy feature library. Importing this module imports PySINDy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pysindy.feature_library.base import BaseFeatureLibrary, x_sequence_or_item

from .._checks import require
from ..dictionary import Dictionary


class DictionaryLibrary(BaseFeatureLibrary):
    """The functions of a dictionary as the columns of a PySINDy feature library.

    Parameters
    ----------
    dictionary
        The p functions theta_j.

    Examples
    --------
    >>> import dynsym as dy, numpy as np, pysindy as ps
    >>> library = dy.interop.DictionaryLibrary(dy.Terms(["v", "sin(th)"], ("th", "v")))
    >>> t = np.linspace(0, 5, 500)
    >>> pendulum = dy.VectorField(library.dictionary, [[1, 0], [0, -1]])
    >>> x = pendulum.simulate([1.0, 0.0], t).x
    >>> ps.SINDy(feature_library=library).fit(x, t=t, feature_names=["th", "v"]).print(precision=2)
    (th)' =  1.00 v
    (v)' = -1.00 sin(th)
    """

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary

    @x_sequence_or_item
    def fit(self, X: list[Any], y: Any = None) -> DictionaryLibrary:
        """Count states and functions."""
        n = int(X[0].shape[-1])
        require(
            n == self.dictionary.n_states,
            f"the dictionary is over {self.dictionary.n_states} states, the data have {n}",
        )
        self.n_features_in_ = n
        self.n_output_features_ = self.dictionary.n_terms
        return self

    @x_sequence_or_item
    def transform(self, X: list[Any]) -> list[Any]:
        """theta(x): the last axis, of n states, becomes one of p functions."""
        out = []
        for x in X:
            flat = np.asarray(x, dtype=float).reshape(-1, x.shape[-1])
            theta = self.dictionary.evaluate(flat).reshape(*x.shape[:-1], -1)
            # The labelled array of PySINDy is private and moves between versions; x is one.
            out.append(type(x)(theta, x.axes))
        return out

    def get_feature_names(self, input_features: Sequence[str] | None = None) -> list[str]:
        """The functions as text, in the given state names."""
        if input_features is None or tuple(input_features) == self.dictionary.names:
            return list(self.dictionary.terms)
        return list(self.dictionary.renamed(input_features).terms)
