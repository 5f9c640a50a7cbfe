"""Paths over the weight of `SymmetryBreaking`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from .._checks import Array, require
from ..certify import Evidence, Level, Verdict, judge
from ..dictionary import Dictionary
from ..discover import read_symmetries, sparse_basis
from ..generators import Generators
from ..inner_product import Region
from ..lie_derivative import equivariance_matrix
from ..promote import SymmetryBreaking
from ..regression import Model
from ..spectral import joint_range
from ..vector_field import VectorField
from ._nuclear import Candidates, How, NuclearWalk, units_of
from ._over import Over, check_values

_RANK = 1e-9
ENTRY = 1e-8  # share of the largest entry below which one is rounding


@dataclass(frozen=True)
class SymmetryWeights(Over):
    """`SymmetryBreaking` for every weight: the nuclear norm of the Lie derivatives of f over the candidates.

    On part of the data the weight is reduced with the number of rows. Each weight is a convex problem of its own, solved by
    `optim.ADMM` to `tol`.

    Parameters
    ----------
    candidates
        Candidate generators.
    values
        Weights; default 20 from one at which no candidate is broken down to 1e-4 of it.
    sparsity
        Weight of an L1 penalty that is added, the same all along the path.
    tol
        Relative tolerance of each solution, its duality gap included.
    relaxed
        Whether the coefficients are refitted by least squares over the fields that keep as many candidates as the solution,
        which takes the shrinkage away. Held-out errors and criteria are then those of the refits.
    equilibrated
        Whether units do not matter: generators are orthonormal in L2 of the region in units of the states' spread (a change of
        time counts as one), equations and terms count relative to their root mean square.
    adaptive
        Whether directions of the candidates count in inverse proportion to how much the fit without penalty breaks them, so
        that what is nearly kept is kept before the rest is shrunk.

    Raises
    ------
    DataError
        On weights or a tolerance that make no sense.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.SymmetryWeights(dy.generators.rotations(2)).sparsity
    0.0
    """

    candidates: Generators
    values: Sequence[float] | None = None
    sparsity: float = 0.0
    tol: float = 1e-6
    relaxed: bool = False
    equilibrated: bool = False
    adaptive: bool = False

    def __post_init__(self) -> None:
        check_nuclear("symmetry weights", self.values, self.sparsity, self.tol)

    def on(self, model: Model) -> NuclearWalk:
        total, region = model.compressed.total, model.region
        units = units_of(total, self.equilibrated)
        unit = SymmetryBreaking(self.candidates, model.field.dictionary, 1.0, region)
        if self.equilibrated:
            mix = unit_generators(self.candidates, region)
            blocks = _unit_blocks(self.candidates.combine(mix), model.field.dictionary, region, units.whole)
            shape = (len(blocks[0]), len(blocks))
            K = np.stack(blocks, axis=1).reshape(shape[0] * shape[1], -1) / units.whole
        else:
            mix, shape = np.diag(1.0 / np.linalg.norm(self.candidates.vectors, axis=1)), unit.shape
            K = unit.operator.toarray() if sparse.issparse(unit.operator) else np.asarray(unit.operator)
        how = How(self.sparsity, self.tol, self.relaxed, self.adaptive)
        found = Moving(self.candidates, region)
        return NuclearWalk(total, K, shape, mix, found, units, how, "symmetry weight")


def _unit_blocks(generators: Generators, dictionary: Dictionary, region: Region, whole: Array) -> list[Array]:
    """The maps from the unknown to L_xi f, (a, n p) each, in one orthonormal basis of all of them.

    Unlike those of `SymmetryBreaking` they are reduced in units in which no term drowns another.
    """
    picks = np.eye(len(generators))[:, :, None]
    maps = [equivariance_matrix(generators.combine(pick), dictionary, region) * whole for pick in picks]
    basis = joint_range(maps, _RANK)
    return [basis.T @ part for part in maps]


@dataclass(frozen=True, eq=False)
class Moving(Candidates):
    """Candidate generators on a region."""

    generators: Generators
    region: Region
    noun: str = "symmetry"

    @property
    def labels(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.generators.labels

    @cached_property
    def sizes(self) -> Array:  # type: ignore[override]
        rows = sampled(self.generators, self.region)
        return np.sqrt(np.sum(rows**2, axis=1))

    def defects(self, field: VectorField, vectors: Array) -> Array:
        reading = read_symmetries(self.generators, field, self.region)
        return np.array([reading.defect(vector) for vector in vectors.T])

    def simple(self, span: Array) -> Array:
        out = sparse_basis(span, self.sizes)
        relative = np.abs(out) * self.sizes[:, None]
        return np.where(relative > ENTRY * relative.max(axis=0, initial=1e-300), out, 0.0)

    def text(self, vector: Array) -> str:
        return self.generators.combine(vector[:, None]).expressions(4)[0]

    def judge(self, model: Model, vector: Array, evidence: Evidence, level: Level) -> Verdict:
        one = self.generators.combine(vector[:, None])
        reading = read_symmetries(one, model.field, self.region)
        operator = equivariance_matrix(one, model.field.dictionary, self.region)
        return judge(operator, reading.size(np.ones(1)), evidence, level)


def sampled(generators: Generators, region: Region) -> Array:
    """(q, m n + 1) generators on a region in units of the states' scales, root weights in, and their change of time."""
    assert generators.time_scaling is not None
    values = generators.evaluate(region.points) / region.scale * region.roots[:, None]
    return np.hstack([values.reshape(len(generators), -1), generators.time_scaling[:, None]])


def unit_generators(generators: Generators, region: Region) -> Array:
    """(q, r) combinations that are orthonormal in L2 of the region, in units of the states' scales.

    Rescaling states or changing the basis of the candidates turns these into themselves up to a rotation, which no nuclear norm
    sees.
    """
    rows = sampled(generators, region)
    size = np.linalg.norm(rows, axis=1)
    require(bool((size > 0).all()), "a candidate vanishes on the data; leave it out")
    left, values, _ = np.linalg.svd(rows / size[:, None], full_matrices=False)
    kept = values > _RANK * values[0]
    return np.asarray(left[:, kept] / values[kept] / size[:, None])


def check_nuclear(what: str, values: Sequence[float] | None, sparsity: float, tol: float) -> None:
    """Refuse weights, a sparsity or a tolerance that make no sense."""
    check_values(values, what)
    require(
        bool(np.isfinite(sparsity) and sparsity >= 0),
        f"sparsity must be finite and not negative, got {sparsity}",
    )
    require(0 < tol < 1, f"tol must lie between 0 and 1, got {tol}")
