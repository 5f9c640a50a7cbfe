"""Assertions for tests of models and dictionaries; a failure shows where, how much, and what was allowed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._checks import Array, states_matrix
from .dictionary import Dictionary
from .dictionary._base import default_names, with_names
from .generators import Generators
from .inner_product import generic_region
from .sections import ScalarFunction
from .vector_field import VectorField


def assert_equivariant(
    field: VectorField, generators: Generators, atol: float = 1e-10, points: npt.ArrayLike | None = None
) -> None:
    """L_xi f = Df xi - Dxi f + b f = 0 for every generator, at every point, to atol.

    Parameters
    ----------
    field
        f.
    generators
        With ramps as well: then L_eta f = 0 and L_xi f = eta.
    atol
        Largest entry of L_xi f that is allowed, in units of f; where Df xi or Dxi f exceeds 1, relative to it, as its
        rounding is.
    points
        States (m, n); default generic points, which decide for every state if f and xi are in the span of their
        dictionaries.

    Raises
    ------
    AssertionError
        With the generator, the component, the state and the sizes of both parts there.
    DataError
        If field and generators are over different states.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.testing import assert_equivariant
    >>> spiral = dy.VectorField(dy.Monomials(2, 1), [[0, -1, 2], [0, -2, -1]])
    >>> assert_equivariant(spiral, dy.generators.rotations(2))
    """
    own = _renamed(generators, field.names)
    x = _points(points, field.dictionary + own.dictionary)
    parts = [(own, "L_xi f", np.zeros((len(own), *x.shape)))]
    ramps = own.ramps()
    if ramps is not None:
        parts = [(own, "L_xi f - eta", ramps.evaluate(x)), (ramps, "L_eta f", np.zeros((len(own), *x.shape)))]
    for family, what, wanted in parts:
        push, pull = _lie_parts(field, family, x)
        allowed = atol * max(1.0, float(np.abs(push).max(initial=0.0)), float(np.abs(pull).max(initial=0.0)))
        _refuse_broken(push - pull - wanted, allowed, what, (own, x))


def _lie_parts(field: VectorField, generators: Generators, x: Array) -> tuple[Array, Array]:
    """Df xi and Dxi f - b f, both (q, m, n)."""
    f, b = field.evaluate(x), generators.time_scaling
    assert b is not None
    push = np.einsum("mik,qmk->qmi", field.jacobian(x), generators.evaluate(x))
    pull = np.einsum("qmik,mk->qmi", generators.jacobian(x), f) - b[:, None, None] * f
    return push, pull


def _refuse_broken(broken: Array, allowed: float, what: str, where: tuple[Generators, Array]) -> None:
    size = np.abs(broken)
    if (size <= allowed).all():
        return
    generators, x = where
    worst = int(np.argmax(np.where(np.isfinite(size), size, np.inf)))
    q, m, i = (int(k) for k in np.unravel_index(worst, size.shape))
    count = int((~(size <= allowed)).any(axis=(1, 2)).sum())
    raise AssertionError(
        f"{count} of {len(generators)} generator(s) are no symmetry: worst is {generators.labels[q]!r}, where the "
        f"component of {generators.names[i]} of {what} is {broken[q, m, i]:.6g}, allowed {allowed:.3g}, at "
        f"{_state(generators.names, x[m])}"
    )


def assert_conserved(
    function: ScalarFunction, field: VectorField, atol: float = 1e-10, points: npt.ArrayLike | None = None
) -> None:
    """grad h . f = 0 at every point, to atol.

    Parameters
    ----------
    function
        h, over the states of the field.
    field
        f.
    atol
        Largest |grad h . f| that is allowed, in units of h per unit of time; where its parts exceed 1, relative to them,
        as their rounding is.
    points
        States (m, n); default generic points, which decide for every state if h and f are in the span of their
        dictionaries.

    Raises
    ------
    AssertionError
        With the state, the rate there and the size of what had to cancel.
    DataError
        If h and f are over different states.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.testing import assert_conserved
    >>> spring = dy.VectorField(dy.Monomials(2, 1), [[0, 0, 1], [0, -4, 0]])
    >>> energy = dy.ScalarFunction(dy.Monomials(2, 2), [0, 0, 0, 4, 0, 1])
    >>> assert_conserved(energy, spring)
    """
    h = function.dictionary
    if h.names != field.names and h.n_states == field.n_states and h.names == default_names(h.n_states):
        function = ScalarFunction(h.renamed(field.names), function.coefficients)
    x = _points(points, field.dictionary + function.dictionary)
    pieces = function.gradient(x) * field.evaluate(x)
    rate = pieces.sum(axis=1)
    allowed = atol * max(1.0, float(np.abs(pieces).max(initial=0.0)))
    if (np.abs(rate) <= allowed).all():
        return
    m = int(np.argmax(np.where(np.isfinite(rate), np.abs(rate), np.inf)))
    raise AssertionError(
        f"h = {function} is not conserved: grad h . f = {rate[m]:.6g}, a sum of parts up to "
        f"{np.abs(pieces[m]).max():.6g}, allowed {allowed:.3g}, at {_state(field.names, x[m])}"
    )


def assert_jacobian(dictionary: Dictionary, points: npt.ArrayLike | None = None, rtol: float = 1e-7) -> None:
    """The Jacobian of a dictionary is the derivative of its values: it agrees with central differences.

    Differences of fourth order with steps of 1e-3 of the state's size; their own error, for functions that change
    over lengths of the size of the state, is about 1e-11.

    Parameters
    ----------
    dictionary
        Such as a subclass of `Dictionary` of your own.
    points
        States (m, n); default generic points.
    rtol
        Allowed difference, relative to the largest slope of the term plus its largest value over the largest state.

    Raises
    ------
    AssertionError
        With the term, the state by which it is differentiated, the point and both values.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.testing import assert_jacobian
    >>> assert_jacobian(dy.Radial(("x", "y"), ("x", "y"), (-3, -1)))
    """
    x = _points(points, dictionary)
    exact = dictionary.jacobian(x)
    wanted = (len(x), dictionary.n_terms, dictionary.n_states)
    assert exact.shape == wanted, f"the Jacobian must have shape (m, p, n) = {wanted}, got {exact.shape}"
    central = np.stack([_slope(dictionary, x, k) for k in range(dictionary.n_states)], axis=2)
    value = np.abs(dictionary.evaluate(x)).max(axis=0) / np.abs(x).max()
    allowed = rtol * (np.abs(central).max(axis=(0, 2)) + value)[None, :, None]
    off = ~(np.abs(exact - central) <= allowed)
    if off.any():
        m, j, k = (int(i) for i in np.argwhere(off)[0])
        raise AssertionError(
            f"{int(off.any(axis=(0, 2)).sum())} of {dictionary.n_terms} terms have a wrong Jacobian: d/d"
            f"{dictionary.names[k]} of {dictionary.terms[j]!r} is {exact[m, j, k]:.9g}, by central differences "
            f"{central[m, j, k]:.9g}, at {_state(dictionary.names, x[m])}"
        )


def _slope(dictionary: Dictionary, x: Array, k: int) -> Array:
    """d theta / d x_k by central differences of fourth order, (m, p)."""
    h = 1e-3 * np.abs(x[:, [k]]) + 1e-6
    step = np.zeros_like(x)
    step[:, [k]] = h
    near = dictionary.evaluate(x + step) - dictionary.evaluate(x - step)
    far = dictionary.evaluate(x + 2 * step) - dictionary.evaluate(x - 2 * step)
    return (8 * near - far) / (12 * h)


def _renamed(generators: Generators, names: tuple[str, ...]) -> Generators:
    """The generators over the states of the field; default names take those of the field."""
    said = "the generators act on ({own}) but the field has the states ({names})"
    return with_names(generators, names, said, "build them with names=field.names")


def _points(points: npt.ArrayLike | None, dictionary: Dictionary) -> Array:
    return generic_region(dictionary).points if points is None else states_matrix(points, dictionary.n_states)


def _state(names: Sequence[str], x: Array) -> str:
    return ", ".join(f"{name} = {value:.6g}" for name, value in zip(names, x))
