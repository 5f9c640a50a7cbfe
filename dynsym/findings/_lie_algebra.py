"""The Lie algebra that certified generators form, from brackets evaluated on a region."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._checks import Array, DataError
from ..algebra import LieAlgebra, identify, structure_constants
from ..generators import Generators
from ..inner_product import Region

_EXACT = 1e-5  # tolerance of ranks up to which the invariants of an algebra are believed


def algebra_of(
    generators: Generators, region: Region, error: float
) -> tuple[LieAlgebra | None, tuple[str, ...]]:
    """The algebra of the certified generators, from brackets evaluated on the region."""
    r = len(generators)
    if r == 0:
        return identify(np.zeros((0, 0, 0))), ()
    if generators.ramps() is not None:
        return None, ("the algebra of generators with boosts is not identified",)
    vectors, brackets = _brackets(generators, region)
    tol = max(1e-6, min(0.2, 30 * error))
    try:
        c, closure = structure_constants(vectors, brackets)
        algebra = identify(c, tol=tol, closure_defect=closure)
    except DataError as trouble:
        return None, (f"the certified generators were not recognised as a Lie algebra: {trouble}",)
    if "unnamed" in algebra.name and tol > _EXACT:
        # Ranks of measured brackets are too uncertain to tell algebras without a name apart.
        algebra = replace(algebra, name=f"unnamed(dim {r})", aliases=())
    if closure * float(np.abs(brackets).max()) > tol:
        return algebra, (f"the certified generators close only up to {closure:.1e}",)
    return algebra, ()


def _brackets(generators: Generators, region: Region) -> tuple[Array, Array]:
    """Orthonormalised generators as value vectors (r, rows) and all their brackets (r, r, rows)."""
    x, s = region.points, region.scale
    assert generators.time_scaling is not None
    xi, dxi = generators.evaluate(x), generators.jacobian(x)
    r = len(xi)
    flat = (xi / s * region.roots[:, None]).reshape(r, -1)
    flat = np.hstack([flat, generators.time_scaling[:, None]])
    # [xi_i, xi_j] = Dxi_j xi_i - Dxi_i xi_j; rescalings of time commute with all of them.
    forward = np.einsum("jmab,imb->ijma", dxi, xi)
    table = ((forward - forward.transpose(1, 0, 2, 3)) / s * region.roots[:, None]).reshape(r, r, -1)
    table = np.concatenate([table, np.zeros((r, r, 1))], axis=2)
    mix = np.linalg.inv(np.linalg.cholesky(flat @ flat.T))
    return mix @ flat, np.einsum("ai,bj,ijk->abk", mix, mix, table)
