"""The certified generators in the basis in which their brackets read as in a book."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..algebra import CleanBasis, LieAlgebra, clean_basis
from ..generators import Generators
from ._listed import Printed

_LARGEST = 10  # dimension up to which brackets are shown; the table of a larger one is longer than a page
_NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class GeneratorBasis(Printed):
    """Generators e_a = sum_i g_ai xi_i with simple brackets; made by `generator_basis`.

    Attributes
    ----------
    algebra
        Of the generators xi_i.
    clean
        The change of basis g with the brackets in it.
    generators
        The e_a.
    """

    algebra: LieAlgebra
    clean: CleanBasis
    generators: Generators

    @property
    def facts(self) -> str:
        """Centre, series, radical, Levi factor with its Cartan type, and Killing signature, on one line."""
        a = self.algebra
        levi = f"{a.levi} ({' + '.join(a.cartan)})" if a.cartan else a.levi
        return (
            f"derived {' > '.join(map(str, a.derived))}, centre {len(a.centre)}, nilradical {a.nilradical}, radical "
            f"{a.radical}, Levi factor {levi}, Killing (+, -, 0) {', '.join(map(str, a.signature))}"
        )

    @property
    def moved(self) -> str:
        """How far the generators were moved to close, in words; empty if they close by themselves."""
        angle = np.degrees(self.algebra.moved)
        return f"moved by {angle:.2g} degrees to the nearest that close" if angle else ""

    @property
    def definitions(self) -> tuple[str, ...]:
        """``e1 = ...``, one line a generator."""
        return tuple(f"e{i + 1} = {text}" for i, text in enumerate(self.generators.expressions(4)))

    def to_json(self) -> dict[str, Any]:
        """Coordinates, expressions and brackets as plain lists and texts."""
        return {
            "coordinates": self.clean.basis.tolist(),
            "expressions": self.generators.expressions(10),
            "structure_constants": self.clean.structure_constants.tolist(),
            "brackets": list(self.clean.table),
            "residual": self.clean.residual,
            "is_clean": self.clean.is_clean,
        }

    def lines(self) -> list[str]:
        """The lines that results print: facts, generators and brackets."""
        facts = [self.facts, self.moved] if self.moved else [self.facts]
        if not self.clean.table:
            return facts
        return [*facts, *self.definitions, "; ".join(self.clean.table)]

    def __str__(self) -> str:
        return "\n  ".join([f"algebra {self.algebra.name}", *self.lines()])

    def plot(self) -> Any:
        """The table of brackets, as a matplotlib figure."""
        return self.clean.plot()


@lru_cache(maxsize=32)
def generator_basis(generators: Generators, algebra: LieAlgebra | None) -> GeneratorBasis | None:
    """The basis of the span of generators with the brackets of the books, or their own basis where none was found.

    Parameters
    ----------
    generators
        r generators.
    algebra
        Their algebra, such as `Symmetries.algebra`.

    Returns
    -------
    GeneratorBasis or None
        None without an algebra, and for fewer than two or more than ten generators.

    Examples
    --------
    >>> import dynsym as dy
    >>> found = dy.symmetries(dy.systems.get("isotropic_oscillator_2d").field(), dy.generators.rotations(4))
    >>> generator_basis(found.generators, found.algebra) is None or "e1" in str(found)
    True
    """
    if algebra is None or not 2 <= algebra.dimension <= _LARGEST:
        return None
    clean = clean_basis(algebra)
    e = generators.combine(clean.basis.T)
    assert e.time_scaling is not None
    assert e.ramp is not None
    top = float(np.abs(e.vectors).max(initial=0.0))
    a, b, ramp = (
        np.where(np.abs(v) > _NOTHING * top, v, 0.0) for v in (e.coefficients, e.time_scaling, e.ramp)
    )
    labels = tuple(f"e{i + 1}" for i in range(len(e)))
    return GeneratorBasis(algebra, clean, Generators(e.dictionary, a, labels, b, ramp))
