"""Discovery: the spectra of the two readings of B with one slot held, and the sparsest basis of what they annihilate.

Symmetries of f are the null space of xi -> L_xi f; conserved quantities are the null space of h -> L_f h. Both are read
relative to a scale-free bound, so that a value is the defect rho of the direction it belongs to:

    rho(xi; f) = |Df xi - Dxi f| / sqrt(|Df xi|^2 + |Dxi f|^2),      rho(h; f) = |grad h . f| / | |grad h| |f| |

in L2 of a stated region.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from ._checks import Array, frozen
from .dictionary import Dictionary
from .generators import Generators
from .inner_product import Region
from .lie_derivative import SymmetryMatrix, conservation_matrix, gradient_gram, symmetry_matrix
from .spectral import Spectrum, relative_spectrum
from .vector_field import VectorField

# Where both Df xi and Dxi f nearly vanish (a translation along which f does not change) the ratio rho is noise over noise;
# the Cauchy-Schwarz bound, times this, then takes the place of the denominator.
_FLOOR = 0.1


@dataclass(frozen=True)
class SymmetryReading:
    """The operator B(., f) on a region with its spectrum.

    Attributes
    ----------
    matrix
        Operator, parts and bound.
    spectrum
        Directions of the candidates, least broken first.
    """

    matrix: SymmetryMatrix
    spectrum: Spectrum

    def size(self, direction: Array) -> float:
        """The denominator of rho for a direction (q,) of the candidates, squared."""
        parts = float(np.sum((self.matrix.parts @ direction) ** 2))
        return max(parts, _FLOOR**2 * float(direction @ self.matrix.bound @ direction))

    def defect(self, direction: Array) -> float:
        """rho of a direction (q,)."""
        return float(np.linalg.norm(self.matrix.operator @ direction)) / max(
            np.sqrt(self.size(direction)), 1e-300
        )


def read_symmetries(generators: Generators, field: VectorField, region: Region) -> SymmetryReading:
    """The spectrum of xi -> L_xi f over the candidates."""
    matrix = symmetry_matrix(generators, field, region)
    gram = matrix.parts.T @ matrix.parts + _FLOOR**2 * matrix.bound
    return SymmetryReading(matrix, relative_spectrum(matrix.operator, gram, "relative to |Df xi|, |Dxi f|"))


@dataclass(frozen=True)
class ConservationReading:
    """The operator h -> L_f h on a region with its spectrum."""

    operator: Array
    gram: Array
    spectrum: Spectrum

    def size(self, direction: Array) -> float:
        """The denominator of rho for the function with these coefficients (p,), squared."""
        return float(direction @ self.gram @ direction)

    def defect(self, direction: Array) -> float:
        """rho of the function with these coefficients."""
        return float(np.linalg.norm(self.operator @ direction)) / max(np.sqrt(self.size(direction)), 1e-300)


def read_conservation(field: VectorField, dictionary: Dictionary, region: Region) -> ConservationReading:
    """The spectrum of h -> grad h . f over a dictionary; constants have no gradient and drop out."""
    operator = conservation_matrix(field, dictionary, region)
    gram = gradient_gram(field, dictionary, region)
    return ConservationReading(operator, gram, relative_spectrum(operator, gram, "relative to |grad h| |f|"))


def fair(field: VectorField, region: Region) -> Region:
    """The region reweighted by 1 / |f|^2, smoothed, so that slow and fast parts of the data weigh the same.

    Without it the norm of planets' accelerations would be Mercury's alone.
    """
    speed = np.sum((field.evaluate(region.points) / region.scale) ** 2, axis=1)
    if not speed.any():
        return region
    return region.weighted(region.weights / (speed + 1e-3 * np.median(speed) + 1e-9 * speed.mean()))


def sparse_basis(span: Array, weights: Array) -> Array:
    """Sparse vectors that span the same space: (k, r) -> (k, r).

    For each coordinate j the vector of least weighted l1 norm with entry 1 there is found by linear programming; the
    sparsest independent ones are kept.

    Parameters
    ----------
    span
        (k, r) basis.
    weights
        (k,) size of each coordinate's function, so that entries are compared by what they contribute.

    References
    ----------
    Qu, Sun, Wright (2016), Finding a sparse vector in a subspace: linear sparsity using alternating directions, section 2,
    for the relaxation.
    """
    chosen: list[Array] = []
    for v in sparse_vectors(span, weights):
        trial = np.stack([*chosen, v], axis=1) * weights[:, None]
        if np.linalg.svd(trial / np.linalg.norm(trial, axis=0), compute_uv=False)[-1] > 1e-3:
            chosen.append(v)
        if len(chosen) == span.shape[1]:
            return frozen(np.stack(chosen, axis=1))
    return frozen(span)


def sparse_vectors(span: Array, weights: Array, functionals: Array | None = None) -> list[Array]:
    """Sparse vectors of a space, sparsest first: each of least weighted l1 norm where one functional equals 1.

    The functionals are the coordinates that the space reaches best, and those given: rows (j, k) acting on vectors (k,); of
    these each is set to 1 once alone, and once with the others at 0.
    """
    scaled = span * weights[:, None]
    basis, _ = np.linalg.qr(scaled)
    r = basis.shape[1]
    reach = np.linalg.norm(basis, axis=1)
    order = [j for j in np.argsort(-reach, kind="stable") if reach[j] > 1e-3 * reach.max(initial=0.0)]
    found = [_least_l1(basis, basis[[j]], np.ones(1)) for j in order[: 40 + 4 * r]]
    if functionals is not None and len(functionals):
        rows = (functionals / np.where(weights > 0, weights, np.inf)) @ basis
        for j in range(len(rows)):
            found.append(_least_l1(basis, rows[[j]], np.ones(1)))
            found.append(_least_l1(basis, rows, np.eye(len(rows))[j]))
    vectors = [v / np.abs(v).max() for v in found if v is not None]
    vectors.sort(key=lambda v: (float(np.sum(np.abs(v) > 1e-3)), float(np.abs(v).sum())))
    return [np.divide(v, weights, out=np.zeros_like(v), where=weights > 0) for v in vectors]


def _least_l1(basis: Array, rows: Array, values: Array) -> Array | None:
    """min |B a|_1 subject to rows a = values, as a linear program in (a, bounds)."""
    k, r = basis.shape
    cost = np.concatenate([np.zeros(r), np.ones(k)])
    above = np.hstack([basis, -np.eye(k)])
    below = np.hstack([-basis, -np.eye(k)])
    out = linprog(
        cost,
        A_ub=np.vstack([above, below]),
        b_ub=np.zeros(2 * k),
        A_eq=np.hstack([rows, np.zeros((len(rows), k))]),
        b_eq=values,
        bounds=[(None, None)] * r + [(0, None)] * k,
        method="highs",
    )
    return basis @ out.x[:r] if out.status == 0 else None
