"""Any fitted PySINDy feature library as a dictionary; its Jacobian comes from complex steps, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from .._checks import Array, DataError, require, unique_names
from ._base import Dictionary, symbols_for, translation

_STEP = 1e-200


@dataclass(frozen=True, repr=False, init=False, eq=False)
class PySINDyDictionary(Dictionary):
    """The functions of a PySINDy feature library, D theta by complex steps: Im theta(x + i h e_k) / h.

    Parameters
    ----------
    library
        A PySINDy feature library, fitted or not; it is not changed.
    names
        State names.

    Raises
    ------
    DataError
        If the functions are not analytic NumPy code (`abs`, comparisons, casts to real): the complex step is
        then wrong without any sign of it, so it is compared with central differences once and refused.

    Examples
    --------
    >>> import pysindy as ps, dynsym as dy
    >>> dy.dictionary.PySINDyDictionary(ps.PolynomialLibrary(degree=2), ("x", "v")).terms
    ('1', 'x', 'v', 'x^2', 'x v', 'v^2')
    """

    names: tuple[str, ...]
    library: Any
    labels: tuple[str, ...]

    def __init__(self, library: Any, names: Sequence[str]) -> None:
        own = unique_names("state", names)
        probe = 1.0 + np.random.default_rng(0).random((7, len(own)))
        if not hasattr(library, "n_features_in_"):
            # Not sklearn's clone: it fails on CustomLibrary, which does not keep its arguments.
            library = deepcopy(library).fit(probe)
        require(
            library.n_features_in_ == len(own),
            f"the library was fitted on {library.n_features_in_} states but {len(own)} names were given",
        )
        object.__setattr__(self, "names", own)
        object.__setattr__(self, "library", library)
        object.__setattr__(self, "labels", tuple(library.get_feature_names(list(own))))
        self._check_jacobian(probe)

    @property
    def terms(self) -> tuple[str, ...]:
        return self.labels

    def symbolic(self) -> tuple[sp.Expr, ...]:
        x = symbols_for(self.names)
        return tuple(sp.Function(label)(*x) for label in self.labels)

    @property
    def has_formulas(self) -> bool:
        return False

    def renamed(self, names: Sequence[str]) -> PySINDyDictionary:
        return PySINDyDictionary(self.library, tuple(translation(self.names, names).values()))

    def _values(self, x: Array) -> Array:
        return np.array(self.library.transform(x), dtype=float)

    def _jacobian(self, x: Array) -> Array:
        slopes = []
        for k in range(self.n_states):
            z = x.astype(complex)
            z[:, k] += 1j * _STEP
            slopes.append(np.asarray(self.library.transform(z)).imag / _STEP)
        return np.stack(slopes, axis=-1)

    def _check_jacobian(self, x: Array) -> None:
        exact, h = self._jacobian(x), 1e-6
        for k in range(self.n_states):
            step = np.zeros(self.n_states)
            step[k] = h
            central = (self._values(x + step) - self._values(x - step)) / (2 * h)
            bad = np.abs(exact[:, :, k] - central) > 1e-5 * (1 + np.abs(central))
            if bad.any():
                term = self.labels[int(np.argwhere(bad)[0][1])]
                raise DataError(
                    f"the PySINDy function {term!r} is not analytic: complex step and central "
                    "difference differ in "
                    f"d/d{self.names[k]}; write it with dynsym.Terms instead"
                )
