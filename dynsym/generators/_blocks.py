"""Families on some of the states: direct products, and one group that acts on several blocks at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import require
from ..dictionary import Monomials, Terms
from ..sections import Representation
from ._affine import affine_family, known_states, state_names
from ._generators import Generators


def embedded(family: Generators, names: Sequence[str]) -> Generators:
    """The same generators over more states, which they leave alone.

    Raises
    ------
    DataError
        If a state of the family is not among the names.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.embedded(dy.generators.dilation(1, ("v",)), ("x", "v")).expressions()
    ['v d/dv']
    """
    own = state_names(len(names), names)
    known_states(own, family.names)
    if own == family.names:
        return family
    dictionary = (
        Monomials(len(own), 1, names=own) if family.affine_parts() else Terms(family.dictionary.terms, own)
    )
    place = {term: k for k, term in enumerate(dictionary.terms)}
    terms = [place.get(term, -1) for term in family.dictionary.terms]
    states = [own.index(s) for s in family.names]
    assert family.ramp is not None
    out = []
    for part in (family.coefficients, family.ramp):
        wide = np.zeros((len(family), len(own), dictionary.n_terms))
        for k, t in enumerate(terms):
            if part[:, :, k].any():
                wide[:, states, t] += part[:, :, k]
        out.append(wide)
    return Generators(dictionary, out[0], family.labels, family.time_scaling, out[1])


def direct_product(families: Sequence[Generators], names: Sequence[str] | None = None) -> Generators:
    """The direct sum of algebras, each acting on its own block of states.

    Parameters
    ----------
    families
        Over disjoint states.
    names
        All states; default those of the families one after the other.

    Raises
    ------
    DataError
        If there is no family, or two share a state.

    Examples
    --------
    >>> import dynsym as dy
    >>> turn, shift = dy.generators.rotations(2, ("x", "y")), dy.generators.translations(1, ("z",))
    >>> dy.generators.direct_product([turn, shift]).expressions()
    ['-y d/dx + x d/dy', 'd/dz']
    """
    require(len(families) > 0, "a direct product needs at least one family, got none")
    every = [s for family in families for s in family.names]
    twice = sorted({s for s in every if every.count(s) > 1})
    require(not twice, f"the blocks of a direct product must be disjoint, but {', '.join(twice)} are in two")
    own = tuple(every if names is None else names)
    out = embedded(families[0], own)
    for family in families[1:]:
        out = out + embedded(family, own)
    return out


def represented(
    family: Generators, representation: Representation, names: Sequence[str] | None = None
) -> Generators:
    """The group of a family acting on another space: the linear fields phi(A_i) y on V, A_i the linear parts.

    Parameters
    ----------
    family
        Affine generators; of translations nothing is left.
    representation
        phi; V gets its dimension d.
    names
        (d,) names of the coordinates of V; default those of the representation.

    Raises
    ------
    DataError
        If a generator is not affine, or becomes zero.

    Examples
    --------
    The stress tensor in the plane, under rotations of the plane:

    >>> import dynsym as dy
    >>> square = dy.sections.symmetric_square()
    >>> dy.generators.represented(dy.generators.rotations(2, ("x", "y")), square).expressions()
    ['-2*xy d/dxx + (xx - yy) d/dxy + 2*xy d/dyy']
    """
    parts = family.affine_parts()
    require(parts is not None, "only affine generators act on other spaces by a matrix of their own")
    assert parts is not None
    matrices = representation.derivative(parts[0], family.names)
    own = representation.labels(family.names) if names is None else tuple(names)
    zero = [label for label, m in zip(family.labels, matrices) if not m.any()]
    require(not zero, f"{', '.join(zero)} act trivially in {representation}; leave them out")
    own = state_names(matrices.shape[1], own)
    return affine_family(own, list(matrices), [np.zeros(len(own))] * len(matrices), family.labels)
