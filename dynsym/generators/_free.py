"""Families beyond the affine ones: polynomial fields, all fields over a dictionary, given fields, scaling of time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import require
from ..dictionary import Dictionary, Monomials
from ..vector_field import VectorField
from ._affine import state_names
from ._generators import Generators


def polynomial(n_states: int, degree: int, names: Sequence[str] | None = None) -> Generators:
    """All fields x^a d/dx_i with |a| <= degree.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.polynomial(2, 2))
    12
    """
    dictionary = Monomials(n_states, degree, names=state_names(n_states, names))
    return over(dictionary)


def over(dictionary: Dictionary) -> Generators:
    """All fields theta_j d/dx_i over a dictionary, (n p) of them.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.over(dy.Terms(["sin(x)"], ("x", "y"))).expressions()
    ['sin(x) d/dx', 'sin(x) d/dy']
    """
    n, p = dictionary.n_states, dictionary.n_terms
    a = np.eye(n * p).reshape(n * p, n, p)
    labels = tuple(f"{term} d/d{name}" for name in dictionary.names for term in dictionary.terms)
    return Generators(dictionary, a, labels)


def custom(fields: Sequence[VectorField], labels: Sequence[str] | None = None) -> Generators:
    """Given vector fields, over one dictionary or several.

    Examples
    --------
    >>> import dynsym as dy
    >>> field = dy.VectorField(dy.Terms(["x^2"], ("x",)), [[1]])
    >>> dy.generators.custom([field], ["projective"]).expressions()
    ['x**2 d/dx']
    """
    require(len(fields) > 0, "custom needs at least one vector field, got none")
    own = tuple(labels) if labels is not None else tuple(f"field {i + 1}" for i in range(len(fields)))
    require(len(own) == len(fields), f"{len(fields)} fields but {len(own)} labels")
    parts = [Generators(f.dictionary, f.coefficients[None], (label,)) for f, label in zip(fields, own)]
    out = parts[0]
    for part in parts[1:]:
        out = out + part
    return out


def with_time_scaling(family: Generators) -> Generators:
    """The family and the generator t d/dt, so that scaling laws such as Kepler's third can be found.

    Examples
    --------
    >>> import dynsym as dy
    >>> len(dy.generators.with_time_scaling(dy.generators.affine(2)))
    7
    """
    n, p = family.n_states, family.dictionary.n_terms
    return family + Generators(family.dictionary, np.zeros((1, n, p)), ("scaling t",), np.ones(1))
