"""The one bilinear operator: B(xi, s) = L_xi s, linear in the generator xi and linear in the section s.

For a vector field f and a generator xi with time scaling b,

    L_xi f = Df xi - Dxi f + b f,

which vanishes iff x -> x + e xi, t -> t (1 + e b) maps solutions of x' = f(x) to solutions. For a generator
with a ramp, xi + t eta, it has two orders in t: L_eta f = 0 and L_xi f - eta = 0. For a function h, L_f h =
grad h . f.

Everything else reads this operator with one slot filled: `symmetry_matrix` is B(., f), `equivariance_matrix`
is B(xi, .), `conservation_matrix` is h -> L_f h.

References
----------
Otto, Zolman, Kutz, Brunton (2025), A Unified Framework to Enforce, Discover, and Promote Symmetry in Machine
Learning, JMLR 26(248), sections 4 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._checks import Array
from .dictionary import Dictionary
from .generators import Generators
from .inner_product import Region
from .vector_field import VectorField


@dataclass(frozen=True, eq=False)
class SymmetryMatrix:
    """B(., f) sampled on a region: column i is L_{xi_i} f, with the sizes of its two parts.

    Attributes
    ----------
    operator
        (rows, q); |operator @ c| is the norm of L_xi f for xi = sum c_i xi_i.
    parts
        (rows, q) push Df xi and pull Dxi f - b f, stacked: |parts @ c|^2 = |Df xi|^2 + |Dxi f - b f|^2.
    bound
        (q, q) Gram matrix of the Cauchy-Schwarz bound, integral of |Df|^2 |xi|^2 + (|Dxi|^2 + b^2) |f|^2.
    """

    operator: Array
    parts: Array
    bound: Array


def _scaled(region: Region, values: Array) -> Array:
    """Vector values (..., m, n) in units of the scales, times the root weights, with (m, n) flattened."""
    out = values / region.scale * region.roots[:, None]
    return out.reshape(*values.shape[:-2], -1)


def symmetry_matrix(generators: Generators, field: VectorField, region: Region) -> SymmetryMatrix:
    """B(., f): (rows, q) with rows = samples x components (twice as many if a generator has a ramp).

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import generic_region
    >>> from dynsym.lie_derivative import symmetry_matrix
    >>> spiral = dy.VectorField(dy.Monomials(2, 1, constant=False), [[-1, 2], [-2, -1]])
    >>> region = generic_region(spiral.dictionary)
    >>> turn = symmetry_matrix(dy.generators.rotations(2), spiral, region)
    >>> bool(abs(turn.operator).max() < 1e-14)
    True
    """
    x = region.points
    f, jac = field.evaluate(x), field.jacobian(x)
    push, pull, bound = _parts(generators, f, jac, region)
    ramps = generators.ramps()
    if ramps is not None:
        push_r, pull_r, bound_r = _parts(ramps, f, jac, region)
        eta = _scaled(region, ramps.evaluate(x)).T
        push, pull = np.vstack([push, push_r]), np.vstack([pull + eta, pull_r])
        bound = bound + bound_r + eta.T @ eta
    return SymmetryMatrix(push - pull, np.vstack([push, pull]), bound)


def _parts(generators: Generators, f: Array, jac: Array, region: Region) -> tuple[Array, Array, Array]:
    x, s, b = region.points, region.scale, generators.time_scaling
    assert b is not None
    xi, dxi = generators.evaluate(x), generators.jacobian(x)
    push = _scaled(region, np.einsum("mik,qmk->qmi", jac, xi)).T
    pull = _scaled(region, np.einsum("qmik,mk->qmi", dxi, f) - b[:, None, None] * f).T
    # Frobenius norms in units of the scales: (Df)_ik s_k / s_i.
    jac_size = np.einsum("mik,k,i->m", jac**2, s**2, 1 / s**2)
    f_size = np.einsum("mi,i->m", f**2, 1 / s**2)
    moved = (xi / s * np.sqrt(region.weights * jac_size)[:, None]).reshape(len(xi), -1)
    slopes = (dxi * (s[None, :] / s[:, None])).reshape(len(xi), len(x), -1)
    bent = (slopes * np.sqrt(region.weights * f_size)[None, :, None]).reshape(len(xi), -1)
    rescaled = np.outer(b, b) * float(region.weights @ f_size)
    return push, pull, moved @ moved.T + bent @ bent.T + rescaled


def equivariance_matrix(generator: Generators, dictionary: Dictionary, region: Region) -> Array:
    """B(xi, .) for one generator: (m n, n p) acting on the coefficients C (n, p), flattened by rows.

    Row (sample, i), column (j, k):  delta_ij (grad theta_k . xi + b theta_k) - (Dxi)_ij theta_k.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> from dynsym.inner_product import generic_region
    >>> from dynsym.lie_derivative import equivariance_matrix
    >>> d = dy.Monomials(2, 1, constant=False)
    >>> operator = equivariance_matrix(dy.generators.rotations(2), d, generic_region(d))
    >>> bool(abs(operator @ [-1, 2, -2, -1]).max() < 1e-14)  # C of the spiral, row by row
    True
    """
    x, n, p = region.points, dictionary.n_states, dictionary.n_terms
    theta, slope = dictionary.evaluate(x), dictionary.jacobian(x)
    assert generator.time_scaling is not None
    xi, dxi, b = generator.evaluate(x)[0], generator.jacobian(x)[0], float(generator.time_scaling[0])
    along = np.einsum("mpk,mk->mp", slope, xi) + b * theta
    out = -np.einsum("mij,mk->mijk", dxi, theta)
    for i in range(n):
        out[:, i, i, :] += along
    out *= (region.roots[:, None] / region.scale)[:, :, None, None]
    return out.reshape(len(x) * n, n * p)


def conservation_matrix(field: VectorField, dictionary: Dictionary, region: Region) -> Array:
    """h -> L_f h = grad h . f: (m, p) acting on the coefficients of h.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import generic_region
    >>> from dynsym.lie_derivative import conservation_matrix
    >>> oscillator = dy.VectorField(dy.Monomials(2, 1, constant=False), [[0, 1], [-1, 0]])
    >>> squares = dy.Terms(["x1^2", "x2^2"], ("x1", "x2"))
    >>> rates = conservation_matrix(oscillator, squares, generic_region(squares))
    >>> bool(abs(rates @ [1, 1]).max() < 1e-14)
    True
    """
    slope = dictionary.jacobian(region.points)
    return np.einsum("mpk,mk->mp", slope, field.evaluate(region.points)) * region.roots[:, None]


def law_matrix(
    functions_dictionary: Dictionary, coefficients: Array, dictionary: Dictionary, region: Region
) -> Array:
    """f -> L_f h for one function h: (m, n p) acting on the coefficients of f, flattened by rows.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import generic_region
    >>> from dynsym.lie_derivative import law_matrix
    >>> d, squares = dy.Monomials(2, 1, constant=False), dy.Terms(["x1^2", "x2^2"], ("x1", "x2"))
    >>> operator = law_matrix(squares, [1.0, 1.0], d, generic_region(d))
    >>> bool(abs(operator @ [0, 1, -1, 0]).max() < 1e-14)  # C of the oscillator, row by row
    True
    """
    slope = np.einsum("mpk,p->mk", functions_dictionary.jacobian(region.points), coefficients)
    theta = dictionary.evaluate(region.points)
    out = np.einsum("mi,mk->mik", slope, theta) * region.roots[:, None, None]
    return out.reshape(len(theta), -1)


def gradient_gram(field: VectorField, dictionary: Dictionary, region: Region) -> Array:
    """Integral of |f|^2 grad theta_i . grad theta_j in scaled units, (p, p): what L_f h is relative to."""
    slope = dictionary.jacobian(region.points) * region.scale
    speed = np.linalg.norm(field.evaluate(region.points) / region.scale, axis=1)
    rows = slope * (speed * region.roots)[:, None, None]
    flat = rows.transpose(0, 2, 1).reshape(-1, dictionary.n_terms)
    return flat.T @ flat
