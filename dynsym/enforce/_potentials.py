"""Fields made from potentials: f = sum_k A_k(x) grad h_k with the matrices A_k given and the h_k free is a linear family.

Which fields of a dictionary belong to it is found in coefficients where everything is polynomial, else on generic points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import linalg

from .._checks import Array, frozen, require
from .._threads import one_blas_thread
from ..dictionary import Dictionary, Monomials
from ..inner_product import generic_region
from ..optim import LinearConstraint
from ..polynomial_derivative import gradient_tensor, places
from ..sections import ScalarFunction, TensorSection
from ..spectral import null_space

_NULL = 1e-9  # of columns of unit size


class Fitted(Protocol):
    """What a model tells about its coefficients."""

    @property
    def coefficients(self) -> Array:
        """C, (n, p)."""
        ...

    @property
    def covariance_blocks(self) -> list[tuple[npt.NDArray[np.intp], Array]]:
        """Covariance of the flattened coefficients in independent blocks."""
        ...


@dataclass(frozen=True, eq=False)
class Potential:
    """One summand A(x) grad h: the name of h, the matrix, and the functions that h is made of.

    `matrix` (n, n, e) holds A_ij = sum_k matrix_ijk entries_k.
    """

    name: str
    matrix: Array
    entries: Dictionary
    functions: Dictionary

    def evaluate(self, x: Array) -> Array:
        """A at x, (m, n) -> (m, n, n)."""
        return np.einsum("ijk,mk->mij", self.matrix, self.entries.evaluate(x))

    def fields(self, x: Array) -> Array:
        """The fields A grad theta_a at x, (m, n) -> (m, n, a)."""
        return np.einsum("mij,maj->mia", self.evaluate(x), self.functions.jacobian(x), optimize=True)

    @property
    def polynomial(self) -> bool:
        """Whether all of it is polynomial."""
        return isinstance(self.entries, Monomials) and isinstance(self.functions, Monomials)


@dataclass(frozen=True, eq=False, kw_only=True)
class PotentialFields(LinearConstraint):
    """The constraint that f = C theta is sum_k A_k grad h_k for some potentials h_k; it knows them for any such f.

    A `LinearConstraint` like any other: give it to `fit`, or join it with others by `&`.

    Attributes
    ----------
    form
        The family in words.
    dictionary
        The p functions of f.
    parts
        The summands.
    lift
        (a, n p) from the flattened C to the coefficients of all potentials, of least norm: they are determined up to what the
        matrices annihilate, such as constants and Casimirs.

    Examples
    --------
    >>> import dynsym as dy
    >>> family = dy.hamiltonian_fields(dy.Monomials(2, 1, names=("q", "p")))
    >>> family.size - family.rank  # as many as quadratic energies, constants left out
    5
    >>> print(family.potentials([[0, 0, 1], [0, -4, 0]])["H"])
    2*q**2 + 0.5*p**2
    """

    form: str = ""
    dictionary: Dictionary = field(repr=False)
    parts: tuple[Potential, ...] = field(repr=False)
    lift: Array = field(repr=False)

    def potentials(self, model: Fitted | npt.ArrayLike) -> dict[str, ScalarFunction]:
        """The potentials of a field of the family, by name.

        Raises
        ------
        DataError
            If the coefficients do not belong to the family.
        """
        flat = _flat(model)
        miss = self.residual(flat)
        require(
            miss < 1e-6,
            f"the coefficients miss the form {self.form} by {miss:.2g}; fit them with this constraint",
        )
        b = self.lift @ flat
        b = np.where(np.abs(b) > 1e-12 * np.abs(b).max(initial=0.0), b, 0.0)
        return {
            part.name: ScalarFunction(part.functions, piece)
            for part, piece in zip(self.parts, self._split(b))
        }

    def errors(self, model: Fitted) -> dict[str, Array]:
        """Standard errors of the coefficients of each potential, from those of a fitted model."""
        variance = np.zeros(len(self.lift))
        for index, block in model.covariance_blocks:
            part = self.lift[:, index]
            variance += np.einsum("ak,kl,al->a", part, block, part, optimize=True)
        pieces = self._split(np.sqrt(np.maximum(variance, 0.0)))
        return {part.name: piece for part, piece in zip(self.parts, pieces)}

    def _split(self, b: Array) -> list[Array]:
        cuts = np.cumsum([part.functions.n_terms for part in self.parts])[:-1]
        return np.split(b, cuts)

    def __str__(self) -> str:
        free = self.size - self.rank
        sizes = ", ".join(f"{part.name} of {part.functions.n_terms} functions" for part in self.parts)
        return f"{self.form}: {free} of {self.size} coefficients free; {sizes}"

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"


def _flat(model: Any) -> Array:
    return np.asarray(getattr(model, "coefficients", model), dtype=float).ravel()


def family_of(
    form: str,
    dictionary: Dictionary,
    parts: Sequence[Potential],
    nothing: Sequence[tuple[int, Potential]] = (),
) -> PotentialFields:
    """The fields of a dictionary that are sum_k A_k grad h_k, with conditions B grad h_k = 0 on the k-th potential.

    Raises
    ------
    DataError
        If only f = 0 is of this form.
    """
    with one_blas_thread():
        exact = isinstance(dictionary, Monomials) and all(
            part.polynomial for part in [*parts, *(p for _, p in nothing)]
        )
        inside, outside, conditions = (_exact if exact else _sampled)(dictionary, parts, nothing)
        size = np.linalg.norm(np.vstack([inside, outside, conditions]), axis=0)
        size = np.where(size > 0, size, 1.0)
        free = _annihilated(np.vstack([outside, conditions]) / size) / size[:, None]
        made = inside @ free
        left, values, right = np.linalg.svd(made, full_matrices=True)
        rank = int(np.count_nonzero(values > _NULL * values.max(initial=1e-300)))
        require(
            rank > 0,
            f"no field of the dictionary but 0 is of the form {form}; enlarge the dictionary or the functions",
        )
        lift = free @ (right[:rank].T / values[:rank]) @ left[:, :rank].T
    matrix = left[:, rank:].T
    return PotentialFields(
        matrix if len(matrix) else np.zeros((1, len(left))),
        form=form,
        dictionary=dictionary,
        parts=tuple(parts),
        lift=frozen(lift),
    )


def _annihilated(rows: Array) -> Array:
    """Null space with an absolute tolerance: all rows may be rounding where every potential fits the dictionary."""
    largest = float(np.linalg.norm(rows, 2)) if rows.size else 0.0
    return null_space(rows, _NULL / largest) if largest > _NULL else np.eye(rows.shape[1])


def _exact(
    dictionary: Dictionary, parts: Sequence[Potential], nothing: Sequence[tuple[int, Potential]]
) -> tuple[Array, Array, Array]:
    """Coefficients (n p, a) of the fields of all potentials, what lies outside the dictionary, and the conditions."""
    assert isinstance(dictionary, Monomials)
    n, p = dictionary.n_states, dictionary.n_terms
    tensors = [_tensor(part) for part in parts]
    largest = max(into.n_terms for into, _ in tensors)  # monomials of lower degree come first in all of them
    inside, outside = [], []
    for into, tensor in tensors:
        cube = tensor.reshape(n, into.n_terms, -1)
        place = places(dictionary, into.exponents)
        own = np.zeros((n, p, cube.shape[2]))
        own[:, place[place >= 0]] = cube[:, place >= 0]
        inside.append(own.reshape(n * p, -1))
        rest = np.zeros((n, largest, cube.shape[2]))
        rest[:, np.flatnonzero(place < 0)] = cube[:, place < 0]
        outside.append(rest.reshape(n * largest, -1))
    conditions = [_placed(_tensor(condition)[1], k, parts) for k, condition in nothing]
    return np.hstack(inside), np.hstack(outside), _stacked(conditions, parts)


def _tensor(part: Potential) -> tuple[Monomials, Array]:
    assert isinstance(part.functions, Monomials)
    assert isinstance(part.entries, Monomials)
    into, tensor = gradient_tensor(part.functions, part.matrix, part.entries)
    return into, tensor.toarray()


def _sampled(
    dictionary: Dictionary, parts: Sequence[Potential], nothing: Sequence[tuple[int, Potential]]
) -> tuple[Array, Array, Array]:
    """The same on generic points."""
    every = dictionary
    for part in parts:
        every = every + part.functions
    x = generic_region(every).points
    n, p = dictionary.n_states, dictionary.n_terms
    theta = dictionary.evaluate(x)
    size = np.linalg.norm(theta, axis=0)
    q, r = np.linalg.qr(theta / size)
    inside, outside = [], []
    for part in parts:
        values = part.fields(x)
        seen = np.einsum("mk,mia->ika", q, values, optimize=True)
        back = np.stack([linalg.solve_triangular(r, s) / size[:, None] for s in seen])
        inside.append(back.reshape(n * p, -1))
        missed = values - np.einsum("mk,ika->mia", q, seen, optimize=True)
        outside.append(missed.reshape(len(x) * n, -1))
    conditions = [_placed(condition.fields(x).reshape(len(x) * n, -1), k, parts) for k, condition in nothing]
    return np.hstack(inside), np.hstack(outside), _stacked(conditions, parts)


def _placed(rows: Array, k: int, parts: Sequence[Potential]) -> Array:
    """Rows on the k-th potential as rows on all of them."""
    sizes = [part.functions.n_terms for part in parts]
    out = np.zeros((len(rows), sum(sizes)))
    start = sum(sizes[:k])
    out[:, start : start + sizes[k]] = rows
    return out


def _stacked(blocks: list[Array], parts: Sequence[Potential]) -> Array:
    total = sum(part.functions.n_terms for part in parts)
    return np.vstack(blocks) if blocks else np.zeros((0, total))


def matrix_of(section: TensorSection) -> tuple[Array, Dictionary]:
    """(n, n, e) and the e functions of a section with two indices."""
    basis = section.basis(section.dictionary.n_states)
    return np.einsum("cij,ck->ijk", basis, section.coefficients), section.dictionary
