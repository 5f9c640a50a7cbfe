"""Optimizers for `ps.SINDy(optimizer=...)`. Importing this module imports PySINDy.

They build the Lie derivative over the same functions as the feature library, so they are told the dictionary,
and compare it with the columns they are given.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from pysindy.optimizers import BaseOptimizer
from sklearn.utils.metadata_routing import UNUSED

from .._checks import Array, DataError, require
from ..compress import factor_of
from ..dictionary import Dictionary
from ..enforce import equivariant_to
from ..generators import Generators
from ..inner_product import Region
from ..optim import L1, STLSQ, LinearConstraint, Penalty, Quadratic, Solution, solve
from ..promote import SymmetryBreaking

_SAME = 1e-4  # columns in another order differ by far more, columns in single precision by far less


class _Optimizer(BaseOptimizer):
    """PySINDy's base class, without the second fit that would undo constraints and penalties.

    `unbias` refits each equation freely on its support and `normalize_columns` rescales what was constrained:
    both stay off.
    """

    # PySINDy hands weights over itself; scikit-learn would add request methods for them to every subclass.
    __metadata_request__fit = {"x_": UNUSED, "sample_weight": UNUSED}  # noqa: RUF012
    __metadata_request__score = {"sample_weight": UNUSED}  # noqa: RUF012

    def _start(self) -> None:
        BaseOptimizer.__init__(self, unbias=False, normalize_columns=False)

    def set_params(self, **params: Any) -> _Optimizer:
        """Set constructor arguments; PySINDy's own returns None, which breaks chains."""
        super().set_params(**params)
        return self


class FixedCoefficients(_Optimizer):
    """Coefficients found elsewhere: `fit` takes C as it is, whatever the data say.

    Parameters
    ----------
    coef
        C, (n, p), one row per equation.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> fixed = dy.interop.FixedCoefficients(np.array([[2.0]]))
    >>> fixed.fit(np.ones((3, 1)), np.zeros((3, 1))).predict(np.ones((1, 1)))
    array([[2.]])
    """

    def __init__(self, coef: Array) -> None:
        self._start()
        self.coef = coef

    def _reduce(self, x: Array, y: Array) -> None:
        c = np.array(self.coef, dtype=float)
        wanted = (y.shape[1], x.shape[1])
        require(c.shape == wanted, f"coef must have shape (targets, features) = {wanted}, got {c.shape}")
        self.coef_ = c


class _Symmetric(_Optimizer):
    """Fits on the triangular factor of the features, after comparing them with the dictionary."""

    dictionary: Dictionary
    solution_: Solution

    def fit(self, x_: npt.ArrayLike, y: npt.ArrayLike, sample_weight: Any = None) -> _Symmetric:
        """Minimise over coef_ (n, p); x_ (m, p) are the features, y (m, n) the derivatives.

        With `sample_weight`, a number or (m,), the sum of squares counts row i with weight w_i.
        """
        for name in ("unbias", "normalize_columns"):
            require(
                not getattr(self, name),
                f"{name} was set to {getattr(self, name)}: it changes coefficients after they were fitted, "
                "which breaks the symmetry; set it to False",
            )
        theta, target = np.asarray(x_), np.asarray(y)
        _require_columns(self.dictionary, theta, target)
        if sample_weight is not None:
            theta, target = _weighted(theta, target, sample_weight)
        # PySINDy's base class otherwise begins with a least-squares fit of its own, which nothing here uses.
        self.initial_guess = np.zeros((1 if target.ndim == 1 else target.shape[1], theta.shape[1]))
        super().fit(theta, target)
        self.history_ = [self.coef_]
        return self

    def _solve(
        self,
        x: Array,
        y: Array,
        penalty: Penalty | STLSQ | None,
        constraints: Iterable[LinearConstraint] = (),
    ) -> None:
        factor = factor_of(np.asarray(x, dtype=float), np.asarray(y, dtype=float))
        self.solution_ = solve(Quadratic(factor.theta, factor.target), penalty, constraints)
        self.coef_ = np.array(self.solution_.coefficients)


class SymmetryOptimizer(_Symmetric):
    """min_C 1/2 |Theta C^T - Y|^2 + weight | [L_xi1 f ... L_xiq f] |_* + sparsity |C|_1.

    The nuclear norm breaks as few of the candidate symmetries as the data demand (see
    `dynsym.SymmetryBreaking`). As in PySINDy the sum of squares is not divided by the number of samples: weights
    that suit 100 samples are to be multiplied by 10 for 1000.

    Parameters
    ----------
    candidates
        Generators xi_1..xi_q.
    dictionary
        The functions of the feature library, `dynsym.interop.dictionary_of(library, names)`.
    weight
        Of the nuclear norm.
    sparsity
        Of the l1 norm.
    region
        Where Lie derivatives are measured; default generic points of unit size.

    Attributes
    ----------
    coef_
        (n, p).
    solution_
        The `Solution` with its certificate.

    Raises
    ------
    DataError
        On fitting, if the dictionary is not that of the feature library.

    References
    ----------
    Otto, Zolman, Kutz, Brunton (2025), JMLR 26(248), section on promoting symmetry.

    Examples
    --------
    >>> import dynsym as dy, numpy as np, pysindy as ps
    >>> turning = dy.interop.SymmetryOptimizer(dy.generators.rotations(2), dy.Monomials(2, 1), weight=1.0)
    >>> t = np.linspace(0, 6, 600)
    >>> x = np.stack([np.cos(t), -np.sin(t)], axis=1)
    >>> model = ps.SINDy(optimizer=turning, feature_library=ps.PolynomialLibrary(1)).fit(x, t=t)
    >>> abs(model.coefficients().round(3)).tolist()
    [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """

    def __init__(
        self,
        candidates: Generators,
        dictionary: Dictionary,
        weight: float,
        sparsity: float = 0.0,
        region: Region | None = None,
    ) -> None:
        self._start()
        self.candidates = candidates
        self.dictionary = dictionary
        self.weight = weight
        self.sparsity = sparsity
        self.region = region

    def _reduce(self, x: Array, y: Array) -> None:
        penalty: Penalty = SymmetryBreaking(self.candidates, self.dictionary, self.weight, self.region)
        if self.sparsity:
            penalty = penalty + L1(self.sparsity)
        self._solve(x, y, penalty)


class EquivariantOptimizer(_Symmetric):
    """min_C |Theta C^T - Y|^2 subject to L_xi f = 0 for every given generator, exactly on coef_.

    Parameters
    ----------
    generators
        Exact generators.
    dictionary
        The functions of the feature library, `dynsym.interop.dictionary_of(library, names)`.
    threshold
        Coefficients below it are removed in turns, as by PySINDy's STLSQ, the constraint being kept; 0 keeps all.
    region
        Points on which the constraint is imposed; default generic points.

    Attributes
    ----------
    coef_
        (n, p), with a relative constraint residual of at most 1e-10.
    solution_
        The `Solution` with its certificate.

    Raises
    ------
    DataError
        On fitting, if the dictionary is not that of the feature library.
    ConvergenceError
        If the constraint is missed.

    Examples
    --------
    >>> import dynsym as dy, numpy as np, pysindy as ps
    >>> exact = dy.interop.EquivariantOptimizer(dy.generators.rotations(2), dy.Monomials(2, 1))
    >>> t = np.linspace(0, 6, 600)
    >>> x = np.stack([np.cos(t), -1.001 * np.sin(t)], axis=1)
    >>> model = ps.SINDy(optimizer=exact, feature_library=ps.PolynomialLibrary(1)).fit(x, t=t)
    >>> c = model.coefficients()
    >>> bool(abs(c[0, 2] + c[1, 1]) < 1e-12), bool(abs(c[0, 1] - c[1, 2]) < 1e-12)
    (True, True)
    """

    def __init__(
        self,
        generators: Generators,
        dictionary: Dictionary,
        threshold: float = 0.0,
        region: Region | None = None,
    ) -> None:
        self._start()
        self.generators = generators
        self.dictionary = dictionary
        self.threshold = threshold
        self.region = region

    def _reduce(self, x: Array, y: Array) -> None:
        constraint = equivariant_to(self.generators, self.dictionary, self.region)
        self._solve(x, y, STLSQ(self.threshold) if self.threshold else None, [constraint])


def _weighted(theta: Array, target: Array, sample_weight: npt.ArrayLike) -> tuple[Array, Array]:
    """Rows times the square roots of their weights, so that their squares count w_i times."""
    w = np.asarray(sample_weight, dtype=float)
    w = np.full(len(theta), w) if w.ndim == 0 else w
    require(
        w.shape == (len(theta),),
        f"sample_weight has shape {w.shape} but there are {len(theta)} samples; give one number per sample, "
        "in the order of the runs, or one for all",
    )
    bad = np.flatnonzero(~(np.isfinite(w) & (w >= 0)))
    if len(bad):
        raise DataError(f"sample_weight[{bad[0]}] is {w[bad[0]]}; weights must be finite and not negative")
    require(bool(w.any()), "every sample_weight is 0; nothing is left to fit")
    root = np.sqrt(w)
    return theta * root[:, None], target * (root[:, None] if target.ndim == 2 else root)


def _require_columns(dictionary: Dictionary, theta: Array, target: Array) -> None:
    """Refuse features that are not theta(x): by their number, and by value where the states are among them."""
    p, n = dictionary.n_terms, dictionary.n_states
    require(
        theta.shape[1] == p,
        f"the dictionary has {p} terms but the feature library gives {theta.shape[1]} columns; give the "
        "optimizer dictionary=dynsym.interop.dictionary_of(library, names), and leave library_ensemble off, "
        "which hides terms from it",
    )
    wide = 1 if target.ndim == 1 else target.shape[1]
    require(
        wide == n,
        f"the dictionary is over {n} states but there are {wide} equations; control inputs have none, so "
        "leave u out",
    )
    if not set(dictionary.names) <= set(dictionary.terms):
        return
    rows = theta[np.isfinite(theta).all(axis=1)]
    rows = rows[:: max(1, len(rows) // 50)]
    ours = dictionary.evaluate(rows[:, [dictionary.terms.index(name) for name in dictionary.names]])
    off = np.abs(ours - rows).max(axis=0, initial=0.0) > _SAME * np.abs(rows).max(axis=0, initial=0.0)
    if off.any():
        k = int(np.argmax(off))
        raise DataError(
            f"column {k} of the feature library is not the term {dictionary.terms[k]} of the dictionary (values "
            f"such as {rows[0, k]:.6g} against {ours[0, k]:.6g}); give the optimizer "
            "dictionary=dynsym.interop.dictionary_of(library, names), and leave normalisation off"
        )
