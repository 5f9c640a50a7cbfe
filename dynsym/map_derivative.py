"""The bilinear operator for maps into a representation: L_xi F = DF xi - phi(xi) F, and rho(g) F - F o g for maps g.

F: R^n -> V has d values, and phi says how these turn when the states are moved by xi (see `dynsym.sections`). Functions are
the case phi = 0, vector fields the case phi = D xi, one-forms phi = -(D xi)^T. Where xi is not affine, phi is taken of D xi(x)
at each point, so that tensor fields are covered as well.

As in `lie_derivative`, each function here is a reading of one operator with a slot filled: `map_symmetry_matrix` holds F,
`map_equivariance_matrix` holds xi.

References
----------
Otto, Zolman, Kutz, Brunton (2025), A Unified Framework to Enforce, Discover, and Promote Symmetry in Machine
Learning, JMLR 26(248), sections 4 to 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._checks import Array, frozen, require
from .dictionary import Dictionary, Monomials
from .generators import Generators
from .inner_product import Region
from .lie_derivative import SymmetryMatrix
from .maps import AffineMap
from .sections import Given, Representation, VectorFunction

_CLOSED = (
    1e-7  # relative size of what commutators may differ by: matrices may have been found on data and rounded
)


@dataclass(frozen=True, eq=False)
class MapRegion(Region):
    """A region of inputs with the scale of each value: norms of F are |F|^2 = integral of sum_a (F_a / scale_a)^2.

    Attributes
    ----------
    value_scale
        (d,), or None for values of size 1.
    """

    value_scale: Array | None = None

    def weighted(self, weights: npt.ArrayLike) -> MapRegion:
        """The same points with other weights."""
        w = np.asarray(weights, dtype=float)
        return MapRegion(self.points, frozen(w / w.sum()), self.scale, self.description, self.value_scale)


def value_scale(region: Region, d: int) -> Array:
    """The scales (d,) of the values on a region; 1 where it does not say."""
    own = region.value_scale if isinstance(region, MapRegion) else None
    if own is None:
        return np.ones(d)
    require(own.shape == (d,), f"the region has scales for {len(own)} values, the map has {d}")
    return own


def actions(generators: Generators, representation: Representation, x: Array) -> Array:
    """phi(xi_i) at the points x (m, n): (q, m, d, d), or (q, 1, d, d) where it is the same at all of them.

    Raises
    ------
    DataError
        If a generator has a time part, since a map of states knows no time, or if given matrices are no representation.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> from dynsym.map_derivative import actions
    >>> actions(dy.generators.rotations(2), dy.sections.vector(), np.zeros((5, 2))).tolist()
    [[[[0.0, -1.0], [1.0, 0.0]]]]
    """
    assert generators.time_scaling is not None
    timed = generators.ramps() is not None or bool(generators.time_scaling.any())
    require(not timed, "a map y = F(x) knows no time; leave out boosts and scalings of time")
    parts = generators.affine_parts()
    linear = generators.jacobian(x) if parts is None else parts[0][:, None]
    phi = representation.derivative(linear, generators.names)
    if isinstance(representation, Given) and parts is not None:
        _keeps_brackets(generators.labels, parts, phi[:, 0])
    return phi


def _keeps_brackets(labels: tuple[str, ...], parts: tuple[Array, Array], phi: Array) -> None:
    """Refuse given matrices that are no representation: [phi_i, phi_j] has to be what [xi_i, xi_j] goes to.

    Brackets that leave the candidates say nothing, and neither do candidates that differ in their action on values alone.
    """
    q, n = parts[1].shape
    whole = np.zeros((q, n + 1, n + 1))
    whole[:, :n, :n], whole[:, :n, n] = parts
    flat = whole.reshape(q, -1)
    if q < 2 or np.linalg.matrix_rank(flat) < q:
        return
    table = _commutators(whole).reshape(q * q, -1)
    share = np.linalg.lstsq(flat.T, table.T, rcond=None)[0].T
    inside = np.abs(table - share @ flat).max(axis=1) <= _CLOSED * max(float(np.abs(table).max()), 1e-300)
    wrong = np.abs(_commutators(phi) - np.tensordot(share.reshape(q, q, q), phi, 1)).max(axis=(2, 3))
    wrong = np.where(inside.reshape(q, q), wrong, 0.0)
    i, j = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    require(
        bool(wrong[i, j] <= _CLOSED * max(1.0, float(np.abs(phi).max()) ** 2)),
        f"the given matrices are no representation: those of {labels[i]} and {labels[j]} have a commutator that differs by "
        f"{wrong[i, j]:.2g} from the matrix of their bracket",
    )


def _commutators(matrices: Array) -> Array:
    """(q, d, d) -> (q, q, d, d)."""
    both = np.einsum("iab,jbc->ijac", matrices, matrices)
    return both - both.transpose(1, 0, 2, 3)


def map_symmetry_matrix(
    generators: Generators, representation: Representation, function: VectorFunction, region: Region
) -> SymmetryMatrix:
    """B(., F): column i is L_xi_i F = DF xi_i - phi(xi_i) F on the region, (m d, q).

    Its bound is the integral of |DF|^2 |xi|^2 + |phi|^2 |F|^2 in units of the scales.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import generic_region
    >>> from dynsym.map_derivative import map_symmetry_matrix
    >>> d = dy.Monomials(2, 2, constant=False)
    >>> square = dy.VectorFunction(d, [[0, 0, 1, 0, 1]])
    >>> turn = dy.generators.rotations(2)
    >>> found = map_symmetry_matrix(turn, dy.sections.trivial(), square, generic_region(d))
    >>> bool(abs(found.operator).max() < 1e-13)
    True
    """
    x, s = region.points, region.scale
    values, slopes = function.evaluate(x), function.jacobian(x)
    d = values.shape[1]
    t = value_scale(region, d)
    phi = actions(generators, representation, x)
    require(
        phi.shape[-1] == d,
        f"the representation {representation} has {phi.shape[-1]} values, the map has {d}",
    )
    xi = generators.evaluate(x)
    q = len(xi)
    units = region.roots[:, None] / t
    push = (np.einsum("mak,qmk->qma", slopes, xi) * units).reshape(q, -1).T
    pull = (np.einsum("qmab,mb->qma", phi, values) * units).reshape(q, -1).T
    slope_size = np.einsum("mak,k,a->m", slopes**2, s**2, 1 / t**2)
    value_size = np.einsum("ma,a->m", values**2, 1 / t**2)
    moved = (xi / s * np.sqrt(region.weights * slope_size)[:, None]).reshape(q, -1)
    turned = np.broadcast_to(phi * (t[None, :] / t[:, None]), (q, len(x), d, d)).reshape(q, len(x), -1)
    bent = (turned * np.sqrt(region.weights * value_size)[None, :, None]).reshape(q, -1)
    return SymmetryMatrix(push - pull, np.vstack([push, pull]), moved @ moved.T + bent @ bent.T)


def map_equivariance_matrix(
    generator: Generators, phi: Array, dictionary: Dictionary, region: Region
) -> Array:
    """B(xi, .) for one generator with its phi (m or 1, d, d): (m d, d p) on the coefficients C (d, p), flattened by rows.

    Row (sample, a), column (b, k):  delta_ab grad theta_k . xi - phi_ab theta_k.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import generic_region
    >>> from dynsym.map_derivative import actions, map_equivariance_matrix
    >>> d, turn = dy.Monomials(2, 1), dy.generators.rotations(2)
    >>> region = generic_region(d)
    >>> phi = actions(turn, dy.sections.vector(), region.points)[0]
    >>> operator = map_equivariance_matrix(turn, phi, d, region)
    >>> bool(abs(operator @ [0, 2, -1, 0, 1, 2]).max() < 1e-13)  # F = (2 x - y, x + 2 y)
    True
    """
    x, p, d = region.points, dictionary.n_terms, phi.shape[-1]
    theta, slope = dictionary.evaluate(x), dictionary.jacobian(x)
    along = np.einsum("mpk,mk->mp", slope, generator.evaluate(x)[0])
    out = -np.einsum("mab,mk->mabk", np.broadcast_to(phi, (len(x), d, d)), theta)
    for a in range(d):
        out[:, a, a, :] += along
    out *= (region.roots[:, None] / value_scale(region, d))[:, :, None, None]
    return out.reshape(len(x) * d, d * p)


def moved_map_matrix(
    g: AffineMap, representation: Representation, dictionary: Dictionary, region: Region
) -> Array:
    """C -> rho(g) F - F o g on a region: (m d, d p) on the coefficients C (d, p), flattened by rows.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import generic_region
    >>> from dynsym.map_derivative import moved_map_matrix
    >>> d = dy.Monomials(1, 2)
    >>> even = moved_map_matrix(dy.maps.parity(1), dy.sections.trivial(), d, generic_region(d))
    >>> bool(abs(even @ [1, 0, 1]).max() < 1e-13)
    True
    """
    rho = map_action(g, representation)
    x, p, d = region.points, dictionary.n_terms, len(rho)
    here, there = dictionary.evaluate(x), dictionary.evaluate(g(x))
    out = np.einsum("ab,mk->mabk", rho, here)
    for a in range(d):
        out[:, a, a, :] -= there
    out *= (region.roots[:, None] / value_scale(region, d))[:, :, None, None]
    return out.reshape(len(x) * d, d * p)


def exact_moved_matrix(g: AffineMap, representation: Representation, dictionary: Monomials) -> Array:
    """C -> rho(g) C theta - C theta o g in the coefficients of all monomials up to the degree: (d P, d p), exact.

    Rows of monomials outside of the dictionary say that the image may not leave it.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.map_derivative import exact_moved_matrix
    >>> exact_moved_matrix(dy.maps.parity(1), dy.sections.trivial(), dy.Monomials(1, 2)).tolist()
    [[0.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]
    """
    rho = map_action(g, representation)
    p = dictionary.n_terms
    whole = complete(dictionary)
    place = {tuple(row): k for k, row in enumerate(whole.exponents.tolist())}
    embed = np.zeros((p, whole.n_terms))
    embed[np.arange(p), [place[tuple(row)] for row in dictionary.exponents.tolist()]] = 1.0
    moved = embed @ whole.substitution(g.shift, g.matrix).T
    return np.asarray(np.kron(rho, embed.T) - np.kron(np.eye(len(rho)), moved.T))


def complete(dictionary: Monomials) -> Monomials:
    """All monomials up to the degree of a dictionary."""
    if dictionary.is_complete:
        return dictionary
    return Monomials(dictionary.n_states, dictionary.degree, dictionary.names)


def map_action(g: AffineMap, representation: Representation) -> Array:
    """rho(g), (d, d), for a map that does not reverse time."""
    require(not g.reverses_time, f"a map y = F(x) knows no time, but {g} reverses it")
    return representation.group(g.matrix, g.names)
