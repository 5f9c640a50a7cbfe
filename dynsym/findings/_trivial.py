"""Symmetries that say nothing: the dynamics itself, times any function of conserved quantities."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np

from .._checks import require
from ..generators import Generators
from ..inner_product import Region, defined_at, generic_region
from ..sections import ScalarFunction, text_of
from ..vector_field import VectorField

_HIGHEST = 2  # degree in the laws


def flow_multiple(
    generator: Generators,
    field: VectorField,
    laws: Sequence[ScalarFunction] = (),
    region: Region | None = None,
    tol: float = 1e-3,
) -> str | None:
    """The h with xi = h f, h a polynomial of degree up to two in conserved quantities, as text; None if there is none.

    If h is conserved, [h f, f] = h [f, f] - (L_f h) f = 0: such a xi is a symmetry of every field with this law.

    Parameters
    ----------
    generator
        One generator xi.
    field
        The dynamics f.
    laws
        Conserved quantities h_1, h_2, ..., which is also how the text calls them.
    region
        Where xi and h f are compared; generic points if not given.
    tol
        Relative difference in L2 up to which they are equal.

    Raises
    ------
    DataError
        If more than one generator is given, or states differ.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.findings import flow_multiple
    >>> spring = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -1, 0]])
    >>> energy = dy.ScalarFunction(dy.Monomials(2, 2, names=("x", "v")), [0, 0, 0, 1, 0, 1])
    >>> cubic = dy.VectorField(dy.Terms(["x^2*v + v^3", "x^3 + x*v^2"], ("x", "v")), [[2, 0], [0, -2]])
    >>> print(flow_multiple(dy.generators.custom([cubic], ["twist"]), spring, [energy]))
    2*h1
    """
    require(len(generator) == 1, f"flow_multiple takes one generator, got {len(generator)}")
    require(
        generator.dictionary.names == field.names,
        f"the generator acts on ({', '.join(generator.dictionary.names)}), the field on ({', '.join(field.names)})",
    )
    if generator.time_scaling is not None and generator.time_scaling.any():
        return None
    points = (region or generic_region(field.dictionary + generator.dictionary)).points
    for law in laws:
        points = points[defined_at(law.dictionary, points)]
    xi, f = generator.evaluate(points)[0], field.evaluate(points)
    values = [law.evaluate(points) for law in laws]
    picks = [p for d in range(_HIGHEST + 1) for p in combinations_with_replacement(range(len(laws)), d)]
    factors = np.stack(
        [np.prod([values[i] for i in p], axis=0) * np.ones(len(points)) for p in picks], axis=1
    )
    rows = (factors[:, None, :] * f[:, :, None]).reshape(-1, len(picks))
    size = np.maximum(np.linalg.norm(rows, axis=0), 1e-300)
    found = np.linalg.lstsq(rows / size, xi.ravel(), rcond=1e-10)[0]
    length = float(np.linalg.norm(xi))
    if length == 0.0 or float(np.linalg.norm(rows / size @ found - xi.ravel())) > tol * length:
        return None
    numbers = np.where(np.abs(found) > tol * length, found / size, 0.0)
    labels = ["*".join(f"h{i + 1}" for i in p) or "1" for p in picks]
    return text_of(labels, np.round(numbers, 9))
