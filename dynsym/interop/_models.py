"""Fitted models: a `ps.SINDy` becomes a vector field, a vector field a fitted `ps.SINDy`."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp

from .._checks import Array, require
from ..dictionary import Dictionary, Monomials, PySINDyDictionary, Terms
from ..dictionary._base import symbols_for
from ..inner_product import generic_region
from ..vector_field import VectorField

_AGREE = 1e-10


def from_pysindy(model: Any) -> VectorField:
    """The vector field f = C theta of a fitted `ps.SINDy`.

    Parameters
    ----------
    model
        A fitted `pysindy.SINDy`; it is not changed. States that were given no names are x0, x1, ... as PySINDy
        counts them.

    Returns
    -------
    VectorField
        With C = `model.coefficients()` and the dictionary of `dictionary_of`. It was compared with
        `model.predict` on random states.

    Raises
    ------
    DataError
        If the model is not fitted, is discrete in time, has control inputs or features of a spatial grid, or if
        it predicts something else than C theta by more than 1e-10 of the largest prediction.

    Examples
    --------
    >>> import dynsym as dy, numpy as np, pysindy as ps
    >>> t = np.linspace(0, 6, 600)
    >>> x = np.stack([np.cos(t), -np.sin(t)], axis=1)
    >>> model = ps.SINDy(optimizer=ps.STLSQ(threshold=0.5)).fit(x, t=t, feature_names=["x", "v"])
    >>> [line.split(" = ")[1][:4] for line in dy.interop.from_pysindy(model).equations(3)]
    ['v', '-x']
    """
    import pysindy as ps

    if not isinstance(model, ps.SINDy):
        raise TypeError(f"from_pysindy needs a fitted pysindy.SINDy (x' = f(x)), got {type(model).__name__}")
    coefficients = getattr(model.optimizer, "coef_", None)
    require(coefficients is not None, "the PySINDy model is not fitted yet; call model.fit(x, t=t) first")
    controls = int(getattr(model, "n_control_features_", 0))
    require(
        controls == 0,
        f"the model has {controls} control input(s), which a vector field x' = f(x) has not; fit it without u, "
        "or with the controls among the states",
    )
    # `feature_names` has become `feature_names_` on PySINDy's main branch.
    names = getattr(model, "feature_names_", None) or model.feature_names
    field = VectorField(dictionary_of(model.feature_library, names), np.asarray(coefficients, dtype=float))
    _require_same(field, model)
    return field


def to_pysindy(field: VectorField) -> Any:
    """A fitted `ps.SINDy` whose predict, simulate, equations and print are those of the field.

    Parameters
    ----------
    field
        Monomials become a `PolynomialLibrary`, any other dictionary a `DictionaryLibrary`.

    Returns
    -------
    pysindy.SINDy
        Its optimizer, `FixedCoefficients`, keeps C whatever it is fitted to.

    Examples
    --------
    >>> import dynsym as dy
    >>> spring = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -4, 0]])
    >>> dy.interop.to_pysindy(spring).print()
    (x)' =  1.000 v
    (v)' = -4.000 x
    """
    import pysindy as ps

    from ._optimizers import FixedCoefficients

    model = ps.SINDy(
        optimizer=FixedCoefficients(np.array(field.coefficients)),
        feature_library=library_of(field.dictionary),
    )
    x = _probe(field.dictionary)
    # Lists of arrays are what every version of PySINDy reads in the same way.
    times = np.arange(len(x), dtype=float)
    return model.fit([x], t=[times], x_dot=[np.zeros_like(x)], feature_names=list(field.names))


def dictionary_of(library: Any, names: Sequence[str]) -> Dictionary:
    """The functions of a PySINDy feature library, in the order of its columns.

    Parameters
    ----------
    library
        Fitted or not. `PolynomialLibrary` becomes `Monomials`, or `Terms` where it leaves monomials out;
        `DictionaryLibrary` gives back its dictionary; everything else becomes a `PySINDyDictionary`, whose
        Jacobian is exact but which has no formulas.
    names
        State names.

    Raises
    ------
    DataError
        If the features need a spatial grid, the number of names is wrong, or a function is not analytic.

    Examples
    --------
    >>> import dynsym as dy, pysindy as ps
    >>> dy.interop.dictionary_of(ps.PolynomialLibrary(2, include_bias=False), ("x", "v")).terms
    ('x', 'v', 'x**2', 'v*x', 'v**2')
    """
    import pysindy as ps

    from ._library import DictionaryLibrary

    if isinstance(library, DictionaryLibrary):
        own: Dictionary = library.dictionary
        return own if own.names == tuple(names) else own.renamed(names)
    if type(library) is ps.PolynomialLibrary:
        return _polynomials(library, names)
    _require_functions(library, len(names))
    return PySINDyDictionary(library, names)


def library_of(dictionary: Dictionary) -> Any:
    """A PySINDy feature library with the functions of a dictionary, in the same order.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.interop.library_of(dy.Monomials(2, 3))
    PolynomialLibrary(degree=3)
    >>> dy.interop.library_of(dy.Terms(["sin(x)"], ("x",))).dictionary.terms
    ('sin(x)',)
    """
    import pysindy as ps

    from ._library import DictionaryLibrary

    if isinstance(dictionary, PySINDyDictionary):
        return deepcopy(dictionary.library)
    if isinstance(dictionary, Monomials):
        constant = not dictionary.exponents.sum(axis=1).all()
        every = Monomials(dictionary.n_states, dictionary.degree, constant=constant)
        if np.array_equal(every.exponents, dictionary.exponents):
            return ps.PolynomialLibrary(degree=dictionary.degree, include_bias=constant)
    return DictionaryLibrary(dictionary)


def _polynomials(library: Any, names: Sequence[str]) -> Dictionary:
    """Monomials where the library holds all of them up to its degree, else exactly the ones it holds."""
    n = len(names)
    if not hasattr(library, "n_features_in_"):
        library = deepcopy(library).fit(np.ones((2, n)))
    require(
        library.n_features_in_ == n,
        f"the library was fitted on {library.n_features_in_} states but {n} names were given",
    )
    powers: npt.NDArray[np.intp] = np.asarray(library.powers_)
    every = Monomials(n, library.degree, names, constant=bool(library.include_bias))
    if np.array_equal(every.exponents, powers):
        return every
    x = symbols_for(every.names)
    return Terms([sp.Mul(*(s ** int(e) for s, e in zip(x, row) if e)) for row in powers], every.names)


def _require_functions(library: Any, n: int) -> None:
    """Refuse features that depend on more than the state at one time, also inside sums and products."""
    import pysindy as ps

    name = type(library).__name__
    require(
        not isinstance(library, ps.PDELibrary | ps.WeakPDELibrary),
        f"the features of {name} are derivatives on a spatial grid, not functions of {n} state(s); fit fields "
        "on a grid with PySINDy itself",
    )
    require(
        name != "SINDyPILibrary",
        f"the features of {name} contain derivatives in time, not only functions of {n} state(s)",
    )
    for part in getattr(library, "libraries", None) or ():
        _require_functions(part, n)


def _probe(dictionary: Dictionary) -> Array:
    """States on which every term has a value."""
    points = generic_region(dictionary).points
    with np.errstate(all="ignore"):
        # A PySINDy function returns NaN where ours refuse, so the region could not see that it needs x > 0.
        finite = bool(np.isfinite(dictionary.evaluate(points)).all())
    return points if finite else np.abs(points)


def _require_same(field: VectorField, model: Any) -> None:
    x = _probe(field.dictionary)
    ours, theirs = field.evaluate(x), np.asarray(model.predict(x), dtype=float)
    size = float(np.abs(theirs).max(initial=0.0))
    worst = float(np.abs(ours - theirs).max(initial=0.0))
    require(
        worst <= _AGREE * size,
        f"the model's predictions differ from coefficients times features by up to {worst:.3g} (largest "
        f"prediction {size:.3g}); its optimizer does something else than a linear combination",
    )
