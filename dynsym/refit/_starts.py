"""Where the chain starts: fields in which symmetries can be seen, and the generators that their spectra suggest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .._checks import Array, ConvergenceError, DataError
from ..algebra import nearest_subalgebra, structure_constants
from ..discover import fair, read_symmetries
from ..generators import Generators
from ..inner_product import Region, generic_region
from ..optim import ADMM, Quadratic, solve
from ..promote import SymmetryBreaking
from ..regression import Model
from ..spectral import Spectrum
from ..vector_field import VectorField
from ._rows import Rows, scarce

_BROKEN = 0.75  # defects above this are not candidates for an unbroken direction
_GAPS = 3
_LARGEST_ANGLE = 0.6  # radians by which snapping may move a subspace before it counts as another one
_LARGEST_SNAP = 60  # candidates up to which brackets are tabulated to snap a subspace to closure
_PROMOTION = 0.01  # weight of the nuclear norm, relative to the size of the data
_LARGEST_PROMOTION = 40_000  # entries of the matrix of Lie derivatives up to which it is promoted
_RIDGES = np.logspace(-6, 0, 13)


def pilots(plain: Model, family: Generators, rows: Rows) -> Iterator[VectorField]:
    """Fields to read symmetries off: the plain fit; where data are scarce also a ridge fit and the promoted fit."""
    yield plain.field
    dictionary = plain.field.dictionary
    if not scarce(plain):
        return
    yield VectorField(dictionary, rows.coefficients(ridge(rows)))
    if plain.coefficients.size * len(family) <= _LARGEST_PROMOTION and plain.support.all():
        try:
            yield promoted(plain, family)
        except ConvergenceError as trouble:
            if isinstance(trouble.last, np.ndarray):
                yield VectorField(dictionary, trouble.last)


def ridge(rows: Rows) -> Array:
    """argmin |D c - y|^2 + lambda |c|^2 with lambda by generalised cross-validation (Golub, Heath, Wahba 1979), (f,)."""
    left, s, right = np.linalg.svd(rows.triangle, full_matrices=False)
    seen = left.T @ rows.target
    n_rows = rows.total.n_rows * len(rows.weights)
    best, out = np.inf, np.zeros(rows.triangle.shape[1])
    for weight in _RIDGES * s[0] ** 2:
        kept = s**2 / (s**2 + weight)
        rest = float(np.sum(((1 - kept) * seen) ** 2)) + rows.rest
        score = rest / max(n_rows - kept.sum(), 1.0) ** 2
        if score < best:
            best, out = score, right.T @ (s / (s**2 + weight) * seen)
    return out


def promoted(plain: Model, family: Generators) -> VectorField:
    """The fit with the nuclear norm of the Lie derivatives as penalty: shrunk, but with the symmetry to be seen."""
    total = plain.information.total
    weight = _PROMOTION * float(np.linalg.norm(total.target))
    penalty = SymmetryBreaking(family, plain.field.dictionary, weight, plain.region)
    solution = solve(Quadratic(total.theta, total.target), penalty, (), ADMM(tol=1e-4))
    return VectorField(plain.field.dictionary, solution.coefficients)


def spectrum_of(field: VectorField, family: Generators, region: Region) -> Spectrum:
    """Defects of the directions of the candidates; slow and fast parts of the region weigh the same."""
    return read_symmetries(family, field, fair(field, region)).spectrum


def dimensions(spectrum: Spectrum) -> list[int]:
    """Numbers of symmetries that the largest gaps of a spectrum suggest, the largest gap first."""
    values = spectrum.values
    most = min(int(np.count_nonzero(values < _BROKEN)), len(values))
    floor = 1e-6 * max(float(values[-1]), 1e-300) if len(values) else 0.0

    def gap(r: int) -> float:
        above = float(values[r]) if r < len(values) else 1.0
        return above / max(float(values[r - 1]), floor)

    return sorted(range(1, most + 1), key=lambda r: -gap(r))[:_GAPS]


def snapped(family: Generators, span: Array, table: Array | None) -> Array:
    """The nearest closed subalgebra (q, r), or the span itself if that is another one or brackets are not at hand."""
    if span.shape[1] == 1 or table is None:
        return span
    norms = np.linalg.norm(family.vectors, axis=1)
    try:
        near = nearest_subalgebra(span, table, gram=np.diag(norms**2))
    except (DataError, np.linalg.LinAlgError):  # too large for a dense step, or LAPACK's SVD gave up on one
        return span  # a start all the same: settling decides whether an algebra is near
    return np.asarray(near.basis) if near.closed and near.angle <= _LARGEST_ANGLE else span


def bracket_table(family: Generators) -> Array | None:
    """Structure constants (q, q, q) of the candidates; None if they do not close, or are too many."""
    if family.ramps() is not None or len(family) > _LARGEST_SNAP:
        return None
    assert family.time_scaling is not None
    parts = family.affine_parts()
    q = len(family)
    if parts is None:
        region = generic_region(family.dictionary)
        xi, dxi = family.evaluate(region.points), family.jacobian(region.points)
        rows = xi.reshape(q, -1)
        forward = np.einsum("jmab,imb->ijma", dxi, xi, optimize=True).reshape(q, q, -1)
    else:
        a, o = parts
        rows = np.hstack([a.reshape(q, -1), o])
        products = np.einsum("jab,ibc->ijac", a, a, optimize=True).reshape(q, q, -1)
        forward = np.concatenate([products, np.einsum("jab,ib->ija", a, o)], axis=2)
    rows = np.hstack([rows, np.asarray(family.time_scaling)[:, None]])
    table = np.concatenate([forward - forward.transpose(1, 0, 2), np.zeros((q, q, 1))], axis=2)
    try:
        c, defect = structure_constants(rows, table)
    except DataError:  # dependent candidates have no table of their own
        return None
    return np.asarray(c) if defect < 1e-8 else None
