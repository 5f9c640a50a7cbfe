"""Inner products on the algebra of candidates: what a unit generator is.

Nuclear norms and spectra over candidates depend on the basis of the algebra only through such a product. `Frobenius` measures
coefficients, and so depends on the units of the states; `OnRegion` measures the field where the data are, in standard
deviations of the states, and does not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from .._checks import Array, require
from ..inner_product import Region
from ._generators import Generators

_DEPENDENT = (
    1e-10  # eigenvalue of the Gram matrix of unit candidates below which a combination of them is zero
)


class InnerProduct(ABC):
    """<xi, eta> of generators."""

    description: str

    @abstractmethod
    def gram(self, generators: Generators) -> Array:
        """<xi_i, xi_j>, (q, q)."""

    def __str__(self) -> str:
        return self.description


@dataclass(frozen=True)
class Frobenius(InnerProduct):
    """Sum of the products of all coefficients, time scalings and ramps included.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.Frobenius().gram(dy.generators.rotations(2)).tolist()
    [[2.0]]
    """

    description: str = "products of coefficients"

    def gram(self, generators: Generators) -> Array:
        return generators.vectors @ generators.vectors.T


@dataclass(frozen=True, eq=False)
class OnRegion(InnerProduct):
    """Integral over a region of sum_i xi_i eta_i / s_i^2, plus the product of the time scalings; s_i the scales of the states.

    It does not depend on the units of the states: in x' = D x with D diagonal, region and scales move along, and the Gram
    matrix of the same fields stays what it was.

    Raises
    ------
    DataError
        For generators with a part that grows with time, which has no size on a region of states.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("hopf").runs(n_runs=4, n_samples=100)
    >>> region = dy.inner_product.region_around(runs)
    >>> gram = dy.generators.OnRegion(region).gram(dy.generators.translations(2))
    >>> (gram * region.scale[:, None] * region.scale).round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    region: Region
    description: str = "L2 of the fields on a region, in standard deviations of the states"

    def gram(self, generators: Generators) -> Array:
        require(
            generators.ramps() is None,
            "generators that grow with time have no size on a region of states; use Frobenius() for them",
        )
        assert generators.time_scaling is not None
        r = self.region
        rows = (generators.evaluate(r.points) / r.scale * r.roots[:, None]).reshape(len(generators), -1)
        return rows @ rows.T + np.outer(generators.time_scaling, generators.time_scaling)


def orthonormal_weights(generators: Generators, product: InnerProduct | None = None) -> Array:
    """W (q, r) with W^T G W = 1: the inverse square root of the Gram matrix, so that each column stays near one candidate.

    Where candidates depend on one another, r < q.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.generators import orthonormal_weights
    >>> orthonormal_weights(dy.generators.rotations(2)).round(4).tolist()
    [[0.7071]]
    """
    gram = (Frobenius() if product is None else product).gram(generators)
    size = np.sqrt(np.diag(gram))
    zero = [label for label, s in zip(generators.labels, size) if not s > 0]
    require(not zero, f"the candidates {', '.join(zero)} are zero; leave them out")
    unit = gram / np.outer(size, size)
    if not (np.abs(unit - np.eye(len(unit))) > 1e-14).any():
        return np.diag(1 / size)
    values, vectors = np.linalg.eigh(unit)
    kept = values > _DEPENDENT * values[-1]
    root = vectors[:, kept] / np.sqrt(values[kept])
    return (root @ vectors.T if kept.all() else root) / size[:, None]


def orthonormal(generators: Generators, product: InnerProduct | None = None) -> Generators:
    """The same candidates as an orthonormal basis of their span.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.generators.orthonormal(dy.generators.rotations(2)).expressions(4)
    ['-sqrt(2)/2*x2 d/dx1 + sqrt(2)/2*x1 d/dx2']
    """
    weights = orthonormal_weights(generators, product)
    labels = generators.labels if weights.shape[1] == len(generators) else None
    return generators.combine(weights, labels)
