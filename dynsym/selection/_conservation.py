"""Paths over the weight of `ConservationBreaking`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._checks import Array
from ..certify import Evidence, Level, Verdict, judge
from ..dictionary import Dictionary
from ..dictionary._base import with_names
from ..discover import fair, read_conservation, sparse_basis
from ..inner_product import Region, restricted
from ..lie_derivative import law_matrix
from ..promote import law_operator
from ..regression import Model
from ..sections import text_of
from ..vector_field import VectorField
from ._nuclear import Candidates, How, NuclearWalk, units_of
from ._over import Over
from ._symmetry import ENTRY, check_nuclear


@dataclass(frozen=True)
class ConservationWeights(Over):
    """`ConservationBreaking` for every weight: the nuclear norm of h -> grad h . f over candidate invariants.

    A field other than zero breaks most functions, so that the penalty shrinks f. By default directions count in inverse
    proportion to how much the fit without penalty breaks them (`adaptive`), and f is refitted by least squares over all fields
    that keep as many laws as the solution (`relaxed`).

    Parameters
    ----------
    invariants
        The functions whose span holds the candidates; constants in it count for nothing.
    values
        Weights; default 20 from one at which nothing is broken (f = 0, mostly) down to 1e-4 of it.
    sparsity, tol, relaxed, adaptive
        As for `SymmetryWeights`.
    equilibrated
        Whether equations and terms count relative to their root mean square; laws always count in units of the states' spread.

    Raises
    ------
    DataError
        On weights or a tolerance that make no sense.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("oscillator_1d").runs(6, 100, noise=0.01)
    >>> over = dy.ConservationWeights(dy.Monomials(2, 2), values=[1e-7, 1.0, 30.0])
    >>> found = dy.path(runs, dy.Monomials(2, 1), over)
    >>> [int(k) for k in found.breaks.broken]  # of five functions: the last field keeps the energy
    [5, 4, 4]
    """

    invariants: Dictionary
    values: Sequence[float] | None = None
    sparsity: float = 0.0
    tol: float = 1e-6
    relaxed: bool = True
    equilibrated: bool = True
    adaptive: bool = True

    def __post_init__(self) -> None:
        check_nuclear("conservation weights", self.values, self.sparsity, self.tol)

    def on(self, model: Model) -> NuclearWalk:
        said = "the invariants are over ({own}) but the model has the states ({names})"
        own = with_names(self.invariants, model.field.names, said, "build them with names=model.field.names")
        region = restricted(model.region, own)
        operator = law_operator(own, model.field.dictionary, region)
        total = model.compressed.total
        units = units_of(total, self.equilibrated)
        found = Kept(own, region)
        how = How(self.sparsity, self.tol, self.relaxed, self.adaptive)
        parts = (operator.matrix, operator.shape, operator.mix)
        return NuclearWalk(total, *parts, found, units, how, "conservation weight")


@dataclass(frozen=True, eq=False)
class Kept(Candidates):
    """Candidate invariants on a region."""

    dictionary: Dictionary
    region: Region
    noun: str = "law"

    @property
    def labels(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.dictionary.terms

    @cached_property
    def sizes(self) -> Array:  # type: ignore[override]
        slope = self.dictionary.jacobian(self.region.points) * self.region.scale
        return np.asarray(np.sqrt(np.einsum("m,mpk->p", self.region.weights, slope**2)))

    def defects(self, field: VectorField, vectors: Array) -> Array:
        reading = read_conservation(field, self.dictionary, fair(field, self.region))
        return np.array([reading.defect(vector) for vector in vectors.T])

    def simple(self, span: Array) -> Array:
        # Entries of constants carry no weight and follow the others, so they are set to zero.
        out = sparse_basis(span, self.sizes) * (self.sizes > 0)[:, None]
        relative = np.abs(out) * self.sizes[:, None]
        out = np.where(relative > ENTRY * relative.max(axis=0, initial=1e-300), out, 0.0)
        return out * np.array([np.sign(v[np.argmax(np.abs(v) * self.sizes)]) for v in out.T])

    def text(self, vector: Array) -> str:
        return text_of(self.dictionary.terms, vector, 4)

    def judge(self, model: Model, vector: Array, evidence: Evidence, level: Level) -> Verdict:
        around = fair(model.field, self.region)
        size = read_conservation(model.field, self.dictionary, around).size(vector)
        return judge(
            law_matrix(self.dictionary, vector, model.field.dictionary, around), size, evidence, level
        )
