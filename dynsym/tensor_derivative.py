"""Lie derivatives of tensor sections, L_f T = D_f T + M(Df) T, as matrices over dictionary coefficients.

One formula serves every kind: the kind says what M(A) is (`TensorSection.act`), and both readings of the bilinear operator
follow. `tensor_matrix` is T -> L_f T with f held, `field_matrix` is f -> L_f T with T held. Rows are samples by independent
components, in units in which every state has size 1, so that nothing depends on the units of the states.

References
----------
Otto, Zolman, Kutz, Brunton (2025), A Unified Framework to Enforce, Discover, and Promote Symmetry in Machine Learning,
JMLR 26(248), section 7, for sections of vector bundles. Olver (1993), Applications of Lie Groups to Differential Equations,
chapters 1.5 and 6, for the formulas of forms, the Schouten bracket and Poisson structures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._checks import Array
from .dictionary import Dictionary
from .inner_product import Region
from .sections import Bivector, TensorSection, TwoForm
from .vector_field import VectorField


def tensor_matrix(
    kind: type[TensorSection], dictionary: Dictionary, field: VectorField, region: Region
) -> Array:
    """T -> L_f T: (m c, c p) acting on the coefficients of T, flattened by rows.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import generic_region
    >>> from dynsym.tensor_derivative import tensor_matrix
    >>> spring = dy.VectorField(dy.Monomials(2, 1, constant=False), [[0, 1], [-1, 0]])
    >>> constant = dy.Monomials(2, 0)
    >>> area = tensor_matrix(dy.TwoForm, constant, spring, generic_region(constant))
    >>> float(abs(area).max())  # a Hamiltonian flow keeps dq ^ dp
    0.0
    """
    x, n = region.points, dictionary.n_states
    theta, slope = dictionary.evaluate(x), dictionary.jacobian(x)
    along = np.einsum("mpk,mk->mp", slope, field.evaluate(x))
    turned = np.einsum("bakl,mkl->mba", kind.action(n), field.jacobian(x), optimize=True)
    out = turned[:, :, :, None] * theta[:, None, None, :]
    every = np.arange(out.shape[1])
    out[:, every, every, :] += along[:, None, :]
    return _rows(out, kind, region)


def field_matrix(section: TensorSection, dictionary: Dictionary, region: Region) -> Array:
    """f -> L_f T: (m c, n p) acting on the coefficients of f over a dictionary of p terms, flattened by rows.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import generic_region
    >>> from dynsym.tensor_derivative import field_matrix
    >>> linear, area = dy.Monomials(2, 1, constant=False), dy.TwoForm(dy.Monomials(2, 0), [[1.0]])
    >>> operator = field_matrix(area, linear, generic_region(linear))
    >>> float(abs(operator @ [0.0, 1.0, -1.0, 0.0]).max())
    0.0
    """
    x, n = region.points, dictionary.n_states
    theta, slope = dictionary.evaluate(x), dictionary.jacobian(x)
    out = section.slopes(x)[:, :, :, None] * theta[:, None, None, :]
    turned = np.einsum("bakl,ma->mbkl", type(section).action(n), section.parts(x), optimize=True)
    out += np.einsum("mbkl,mjl->mbkj", turned, slope, optimize=True)
    return _rows(out, type(section), region)


@dataclass(frozen=True)
class CompressedField:
    """f -> L_f T for many T of one kind: the rows of `field_matrix` in an orthonormal basis of all that L_f T can be.

    A component of L_f T is a sum of products d theta_T theta_f and theta_T d theta_f, which span far fewer than m dimensions
    on m samples; so each T costs small matrix products, independent of the number of samples.

    Attributes
    ----------
    kind, n
        Of T, and the number of states.
    along, turned
        (D, p_T, n, p_f): d_k theta_T theta_f, and theta_T d_k theta_f, in that basis.
    weights
        (c,) scaled units of the components.
    """

    kind: type[TensorSection]
    n: int
    along: Array
    turned: Array
    weights: Array

    @classmethod
    def of(
        cls, kind: type[TensorSection], tensors: Dictionary, fields: Dictionary, region: Region
    ) -> CompressedField:
        """Evaluate all products once and keep an orthonormal basis of what they span on the region."""
        x, roots = region.points, region.roots[:, None, None, None]
        theta, slope = tensors.evaluate(x), tensors.jacobian(x)
        phi, bend = fields.evaluate(x), fields.jacobian(x).transpose(0, 2, 1)
        along = slope[:, :, :, None] * phi[:, None, None, :] * roots
        turned = theta[:, :, None, None] * bend[:, None, :, :] * roots
        basis = _range(np.hstack([along.reshape(len(x), -1), turned.reshape(len(x), -1)]))
        first = np.tensordot(basis.T, along, axes=1)
        return cls(
            kind, len(region.scale), first, np.tensordot(basis.T, turned, axes=1), kind.weights(region.scale)
        )

    def matrix(self, coefficients: Array) -> Array:
        """(D c, n p_f) for the tensor with these coefficients (c p_T,); the same norms as `field_matrix`."""
        c = coefficients.reshape(len(self.weights), -1)
        out = np.tensordot(self.along, c, axes=(1, 1)).transpose(0, 3, 1, 2)
        turned = np.einsum("bakl,at->bklt", self.kind.action(self.n), c)
        out = out + np.einsum("bklt,dtlj->dbkj", turned, self.turned, optimize=True)
        out = out * self.weights[:, None, None]
        return out.reshape(out.shape[0] * out.shape[1], -1)


def _range(columns: Array) -> Array:
    """Orthonormal basis of the column span (m, D), by a random sketch of as many columns as there are rows."""
    size = np.linalg.norm(columns, axis=0)
    used = columns[:, size > 0] / size[size > 0]
    m, k = used.shape
    sketch = used if k <= m else used @ np.random.default_rng(0).standard_normal((k, m)) / np.sqrt(k)
    left, values, _ = np.linalg.svd(sketch, full_matrices=False)
    return left[:, values > 1e-11 * values.max(initial=0.0)]


def value_matrix(kind: type[TensorSection], dictionary: Dictionary, region: Region) -> Array:
    """T -> T on the region: (m c, c p) in the rows of `tensor_matrix`."""
    theta = dictionary.evaluate(region.points)
    c = len(kind.components(dictionary.n_states))
    out = np.zeros((len(theta), c, c, theta.shape[1]))
    every = np.arange(c)
    out[:, every, every, :] = theta[:, None, :]
    return _rows(out, kind, region)


def _rows(out: Array, kind: type[TensorSection], region: Region) -> Array:
    weights = kind.weights(region.scale)
    out = out * (region.roots[:, None] * weights)[:, :, None, None]
    return out.reshape(out.shape[0] * out.shape[1], -1)


def tensor_gram(
    kind: type[TensorSection], dictionary: Dictionary, field: VectorField, region: Region
) -> Array:
    """Gram matrix (c p, c p) of the integral of |f|^2 |DT|^2 + |Df|^2 |T|^2: what L_f T is relative to.

    By the Cauchy-Schwarz inequality each part of L_f T is bounded by its part here. Kinds that Df does not act on (functions)
    have the first part alone.
    """
    x, s = region.points, region.scale
    theta, slope = dictionary.evaluate(x), dictionary.jacobian(x) * s
    speed2 = np.sum((field.evaluate(x) / s) ** 2, axis=1) * region.weights
    one = np.einsum("mik,mjk,m->ij", slope, slope, speed2, optimize=True)
    if kind.action(dictionary.n_states).any():
        bend2 = np.sum((field.jacobian(x) * s / s[:, None]) ** 2, axis=(1, 2)) * region.weights
        one += (theta * bend2[:, None]).T @ theta
    return np.kron(np.diag(kind.weights(s) ** 2), one)


def exterior_matrix(dictionary: Dictionary, region: Region) -> Array:
    """W -> dW for two-forms: (m C(n,3), c p), (dW)_ijk = d_i W_jk + d_j W_ki + d_k W_ij, in scaled units."""
    x, n, s = region.points, dictionary.n_states, region.scale
    slope = dictionary.jacobian(x)
    places = {place: a for a, place in enumerate(TwoForm.components(n))}
    triples = [(i, j, k) for i in range(n) for j in range(i + 1, n) for k in range(j + 1, n)]
    out = np.zeros((len(x), len(triples), len(places), dictionary.n_terms))
    for row, (i, j, k) in enumerate(triples):
        unit = s[i] * s[j] * s[k]
        out[:, row, places[j, k]] += slope[:, :, i] * unit
        out[:, row, places[i, k]] -= slope[:, :, j] * unit
        out[:, row, places[i, j]] += slope[:, :, k] * unit
    out *= region.roots[:, None, None, None]
    return out.reshape(len(x) * len(triples), len(places) * dictionary.n_terms)


def jacobi_defect(bracket: Bivector, region: Region) -> float:
    """|[J, J]| / (its three parts' norms): [J, J]_ijk = sum_l J_il d_l J_jk + cyclic; 0 iff J is a Poisson bracket.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import generic_region
    >>> from dynsym.tensor_derivative import jacobi_defect
    >>> linear = dy.Monomials(3, 1, constant=False)
    >>> spin = dy.Bivector(linear, [[0, 0, 1], [0, -1, 0], [1, 0, 0]])
    >>> jacobi_defect(spin, generic_region(linear))
    0.0
    """
    x, s = region.points, region.scale
    value = bracket.evaluate(x) / np.outer(s, s)
    slope = np.einsum("mck,cij->mijk", bracket.slopes(x), bracket.basis(len(s)))
    slope = slope / np.outer(s, s)[:, :, None] * s
    part = np.einsum("mil,mjkl->mijk", value, slope, optimize=True)
    total = part + part.transpose(0, 2, 3, 1) + part.transpose(0, 3, 1, 2)
    size = float(np.sqrt(3 * np.sum(region.weights[:, None, None, None] * part**2)))
    defect = float(np.sqrt(np.sum(region.weights[:, None, None, None] * total**2)))
    return defect / size if size > 0 else 0.0


def generic_tensor_rank(section: TensorSection, region: Region, tolerance: float = 1e-6) -> int:
    """Rank of the matrix T(x) at most points of the region, in scaled units."""
    s = region.scale
    power = float(type(section).variance)
    value = section.evaluate(region.points) * np.outer(s, s) ** power
    values = np.linalg.svd(value, compute_uv=False)
    ranks = np.count_nonzero(values > tolerance * np.maximum(values[:, :1], 1e-300), axis=1)
    return int(np.quantile(ranks, 0.9, method="nearest"))
