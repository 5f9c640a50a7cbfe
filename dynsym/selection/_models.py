"""Models on the rows of another model: what a path, a support or a file of data is turned into."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .._checks import Array, require
from ..dictionary import Dictionary
from ..differentiation import RowMethod
from ..optim import Quadratic, Solution
from ..regression import Model, fit
from ..vector_field import VectorField


def as_model(data: Any, dictionary: Dictionary | None, rows: RowMethod | None = None) -> Model:
    """The least-squares model of data, or the model itself; later work needs no rows but its factors.

    Raises
    ------
    DataError
        If data come without a dictionary, a model comes with another one or with rows, or it was fitted under a constraint.
    """
    if not isinstance(data, Model):
        require(dictionary is not None, "data need a dictionary; give one, or a fitted model instead of data")
        assert dictionary is not None
        return fit(data, dictionary, rows=rows)
    require(rows is None, "a model has its rows already; give the data to have them made in another way")
    own = data.field.dictionary.terms
    require(
        dictionary is None or tuple(dictionary.terms) == tuple(own),
        f"the model is over {len(own)} terms, the dictionary over others; leave the dictionary out",
    )
    require(
        data.constraint is None,
        "the model was fitted under a linear constraint, which a path would not keep; give the unconstrained model",
    )
    return data


def with_solution(model: Model, solution: Solution) -> Model:
    """A model on the same rows with other coefficients."""
    return replace(
        model,
        field=VectorField(model.field.dictionary, solution.coefficients),
        solution=solution,
        constraint=None,
    )


def solved(model: Model, coefficients: Array, solver: str, message: str, gap: float | None) -> Solution:
    """A Solution for coefficients (n, p) found elsewhere than in `optim.solve`."""
    total = model.compressed.total
    return Solution(
        coefficients=coefficients,
        support=coefficients != 0,
        objective=Quadratic(total.theta, total.target).value(coefficients),
        duality_gap=gap,
        iterations=1,
        converged=True,
        constraint_residual=0.0,
        message=message,
        solver=solver,
    )


def restricted(model: Model, support: npt.ArrayLike) -> Model:
    """The least-squares model on a given support (n, p), on the rows of another model.

    Raises
    ------
    DataError
        If the support has another shape.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.selection import restricted
    >>> plain = dy.fit(dy.systems.get("van_der_pol").runs(4, 100), dy.Monomials(2, 3))
    >>> restricted(plain, plain.coefficients.round(6) != 0).equations(3)
    ["x' = v", "v' = -x + v - v*x**2"]
    """
    chosen = np.asarray(support, dtype=bool)
    n, p = model.coefficients.shape
    require(chosen.shape == (n, p), f"the support must have shape ({n}, {p}), got {chosen.shape}")
    c = np.stack([model.information.least_squares(i, s) for i, s in enumerate(chosen)])
    text = f"least squares on {int(chosen.sum())} of {chosen.size} coefficients"
    return with_solution(model, solved(model, c, "least squares on a support", text, 0.0))
