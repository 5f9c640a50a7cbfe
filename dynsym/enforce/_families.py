"""Families of fields as linear constraints: Hamiltonian, gradient, metriplectic and energy-preserving ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .._checks import Array, DataError, as_floats, require, require_finite
from ..dictionary import Dictionary, Monomials
from ..dictionary._base import with_names
from ..inner_product import generic_region
from ..optim import LinearConstraint
from ..polynomial_derivative import law_tensor
from ..sections import Bivector, Metric
from ._potentials import Potential, PotentialFields, family_of, matrix_of

_JACOBI = 1e-8  # of a bracket with rounded entries
_SEMIDEFINITE = -1e-10

Matrix = npt.ArrayLike | Bivector | Metric


def hamiltonian_fields(
    dictionary: Dictionary,
    bracket: npt.ArrayLike | Bivector | None = None,
    energies: Dictionary | None = None,
) -> PotentialFields:
    """The constraint f = J grad H on the coefficients C of f = C theta, for some H in the span of the energies.

    Parameters
    ----------
    dictionary
        The p functions of f.
    bracket
        J with J_ij = {x_i, x_j}: a constant antisymmetric matrix, or a `Bivector`, such as the bracket of a
        `hamiltonian_structure`. Default canonical: the first half of the states are positions, the second half their momenta.
    energies
        The functions that H is made of; default monomials of the degree that can occur, if dictionary and bracket are
        polynomial.

    Returns
    -------
    PotentialFields
        A `LinearConstraint`; `.potentials(model)["H"]` reads the energy back.

    Raises
    ------
    DataError
        If J is not antisymmetric or breaks the Jacobi identity, states do not match, or only f = 0 is of this form.

    References
    ----------
    Olver (1993), Applications of Lie Groups to Differential Equations, chapter 6.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("henon_heiles").runs(8, 100, noise=1e-3)
    >>> terms = dy.Monomials(4, 2, names=runs[0].names)
    >>> family = dy.hamiltonian_fields(terms)
    >>> print(family)
    f = J grad H: 34 of 60 coefficients free; H of 35 functions
    >>> model = dy.fit(runs, terms, constraints=[family])
    >>> energy = family.potentials(model)["H"]
    >>> abs(float(energy.coefficients[energy.dictionary.terms.index("x**2*y")]) - 1) < 0.02
    True
    """
    part = Potential("H", *_bracket(dictionary, bracket), dictionary)
    return family_of("f = J grad H", dictionary, [_with_functions(part, energies)])


def gradient_fields(
    dictionary: Dictionary,
    metric: npt.ArrayLike | Metric | None = None,
    potentials: Dictionary | None = None,
) -> PotentialFields:
    """The constraint f = -M grad V, for some V in the span of the potentials, which falls along every orbit.

    Parameters
    ----------
    dictionary
        The p functions of f.
    metric
        M, symmetric and positive semidefinite: a constant matrix, or a `Metric` whose entries are read as M_ij(x). Default
        the identity.
    potentials
        The functions that V is made of; default as in `hamiltonian_fields`.

    Raises
    ------
    DataError
        If M is not symmetric and positive semidefinite, or states do not match.

    Examples
    --------
    >>> import dynsym as dy
    >>> family = dy.gradient_fields(dy.Monomials(2, 1, names=("x", "y")))
    >>> print(family.potentials([[0, -2, 0], [0, 0, -1]])["V"])
    x**2 + 0.5*y**2
    """
    matrix, entries = _metric(dictionary, np.eye(dictionary.n_states) if metric is None else metric)
    part = _with_functions(Potential("V", -matrix, entries, dictionary), potentials)
    return family_of("f = -M grad V", dictionary, [part])


def metriplectic_fields(
    dictionary: Dictionary,
    bracket: npt.ArrayLike | Bivector | None,
    metric: npt.ArrayLike | Metric,
    energies: Dictionary | None = None,
    entropies: Dictionary | None = None,
) -> PotentialFields:
    """The constraint f = J grad H - M grad S with J grad S = 0 and M grad H = 0: H is kept, S falls.

    -S is the entropy of the GENERIC formalism. All four conditions are linear in H and S, with J and M given.

    Parameters
    ----------
    dictionary
        The p functions of f.
    bracket, metric
        J and M, as in `hamiltonian_fields` and `gradient_fields`.
    energies, entropies
        The functions that H and S are made of; defaults as there.

    Raises
    ------
    DataError
        On matrices of the wrong kind, or if only f = 0 is of this form. A J of full rank leaves no S but constants.

    References
    ----------
    Grmela and Oettinger (1997), Dynamics and thermodynamics of complex fluids I, Physical Review E 56, eqs. (1)-(3).
    Morrison (1986), A paradigm for joined Hamiltonian and dissipative systems, Physica D 18.

    Examples
    --------
    >>> import dynsym as dy
    >>> names = ("q", "p", "s")  # a damped oscillator that heats a bath at temperature 1
    >>> bracket = [[0, 1, 0], [-1, 0, 0], [0, 0, 0]]
    >>> drag = dy.Metric(dy.Terms(["1", "p", "p^2"], names), [[0] * 3] * 3 + [[1, 0, 0], [0, -1, 0], [0, 0, 1]])
    >>> family = dy.metriplectic_fields(
    ...     dy.Monomials(3, 2, names), bracket, drag, dy.Monomials(3, 2, names), dy.Monomials(3, 1, names)
    ... )
    >>> damped = [[0, 0, 1] + [0] * 7, [0, -1, -0.2] + [0] * 7, [0] * 7 + [0.2, 0, 0]]
    >>> {name: str(h) for name, h in family.potentials(damped).items()}
    {'H': 's + 0.5*q**2 + 0.5*p**2', 'S': '-0.2*s'}
    """
    J, of_J = _bracket(dictionary, bracket)
    M, of_M = _metric(dictionary, metric)
    energy = _with_functions(Potential("H", J, of_J, dictionary), energies)
    entropy = _with_functions(Potential("S", -M, of_M, dictionary), entropies)
    nothing = [
        (0, Potential("H", M, of_M, energy.functions)),
        (1, Potential("S", J, of_J, entropy.functions)),
    ]
    return family_of("f = J grad H - M grad S", dictionary, [energy, entropy], nothing)


def energy_preserving(
    dictionary: Monomials, metric: npt.ArrayLike | None = None, degree: int = 2
) -> LinearConstraint:
    """The constraint that the terms of one degree do not change the energy x^T G x / 2: x^T G Q(x) = 0.

    Constant, linear and other terms stay free: dissipation and forcing, as in models of fluids.

    Parameters
    ----------
    dictionary
        Monomials.
    metric
        G (n, n), symmetric; default the identity.
    degree
        Degree of the terms Q that are to do no work.

    Raises
    ------
    DataError
        If the dictionary is not of monomials, or has none of this degree.

    References
    ----------
    Schlegel and Noack (2015), On long-term boundedness of Galerkin models, Journal of Fluid Mechanics 765. Kaptanoglu,
    Callaham, Aravkin, Hansen, Brunton (2021), Promoting global stability in data-driven models of quadratic nonlinear dynamics,
    Physical Review Fluids 6.

    Examples
    --------
    >>> import dynsym as dy
    >>> quiet = dy.energy_preserving(dy.Monomials(3, 2))
    >>> quiet.size - quiet.rank  # 3 constants, 9 linear, 8 of 18 quadratic ones
    20
    """
    require(
        isinstance(dictionary, Monomials),
        f"terms of one degree are those of Monomials, got {type(dictionary).__name__}",
    )
    n, p = dictionary.n_states, dictionary.n_terms
    chosen = dictionary.exponents.sum(axis=1) == degree
    require(bool(chosen.any()), f"the dictionary has no monomial of degree {degree}")
    weights = np.eye(n) if metric is None else _square("metric", metric, n)
    require(bool(np.allclose(weights, weights.T)), "the metric of an energy must be symmetric")
    squares = Monomials(n, 2, dictionary.names)
    i, j = np.triu_indices(n)
    energy = np.zeros(squares.n_terms)
    energy[-len(i) :] = weights[i, j] * np.where(i == j, 0.5, 1.0)
    into, tensor = law_tensor(squares, dictionary)
    cube = tensor.toarray().reshape(into.n_terms, squares.n_terms, n, p)
    rows = np.einsum("taik,a->tik", cube, energy) * chosen
    rows = rows.reshape(into.n_terms, -1)
    return LinearConstraint(rows[rows.any(axis=1)])


def _bracket(dictionary: Dictionary, bracket: npt.ArrayLike | Bivector | None) -> tuple[Array, Dictionary]:
    n = dictionary.n_states
    if isinstance(bracket, Bivector):
        section = _over(bracket.dictionary, dictionary)
        matrix, entries = matrix_of(Bivector(section, bracket.coefficients))
        _check_jacobi(matrix, entries)
        return matrix, entries
    if bracket is None:
        require(n % 2 == 0, f"the canonical bracket pairs states, and {n} cannot be paired; give the bracket")
        half = np.eye(n // 2)
        J = np.block([[np.zeros_like(half), half], [-half, np.zeros_like(half)]])
    else:
        J = _square("bracket", bracket, n)
    worst = float(np.abs(J + J.T).max())
    require(
        worst <= 1e-12 * np.abs(J).max(), f"a bracket is antisymmetric, but |J + J^T| reaches {worst:.3g}"
    )
    return J[:, :, None], Monomials(n, 0, dictionary.names)


def _check_jacobi(matrix: Array, entries: Dictionary) -> None:
    """sum over cyclic (i, j, k) of J_il d_l J_jk = 0, on generic points."""
    x = generic_region(entries).points
    J = np.einsum("ijk,mk->mij", matrix, entries.evaluate(x))
    slopes = np.einsum("ijk,mkl->mijl", matrix, entries.jacobian(x))
    one = np.einsum("mil,mjkl->mijk", J, slopes)
    whole = one + one.transpose(0, 2, 3, 1) + one.transpose(0, 3, 1, 2)
    miss = float(np.abs(whole).max()) / max(float(np.abs(one).max()), 1e-300)
    require(
        miss < _JACOBI,
        f"the bracket misses the Jacobi identity by {miss:.2g} of its terms; it is no Poisson bracket",
    )


def _metric(dictionary: Dictionary, metric: npt.ArrayLike | Metric) -> tuple[Array, Dictionary]:
    n = dictionary.n_states
    if isinstance(metric, Metric):
        matrix, entries = matrix_of(Metric(_over(metric.dictionary, dictionary), metric.coefficients))
        values = np.einsum("ijk,mk->mij", matrix, entries.evaluate(generic_region(entries).points))
    else:
        constant = _square("metric", metric, n)
        worst = float(np.abs(constant - constant.T).max())
        require(
            worst <= 1e-12 * np.abs(constant).max(),
            f"a metric is symmetric, but |M - M^T| reaches {worst:.3g}",
        )
        matrix, entries, values = constant[:, :, None], Monomials(n, 0, dictionary.names), constant[None]
    least = np.linalg.eigvalsh(values).min() / max(float(np.abs(values).max()), 1e-300)
    require(
        bool(least >= _SEMIDEFINITE),
        f"M must be positive semidefinite, so that what it drives only falls; its least eigenvalue is {least:.2g} of the "
        "largest entry",
    )
    return matrix, entries


def _square(name: str, value: npt.ArrayLike, n: int) -> Array:
    matrix = as_floats(name, value, 2)
    require(matrix.shape == (n, n), f"the {name} must have shape ({n}, {n}), got {matrix.shape}")
    require_finite(name, matrix)
    require(bool(matrix.any()), f"the {name} is zero")
    return matrix


def _over(own: Dictionary, dictionary: Dictionary) -> Dictionary:
    said = "the matrix is over ({own}) but the dictionary over ({names})"
    return with_names(own, dictionary.names, said, "build both over the same states")


def _with_functions(part: Potential, functions: Dictionary | None) -> Potential:
    """The part with its potential over given functions, or over all monomials that can occur."""
    dictionary = part.functions
    if functions is None:
        if not (isinstance(dictionary, Monomials) and isinstance(part.entries, Monomials)):
            raise DataError(
                f"{part.name} has no default functions, since dictionary and matrix are not both monomials; "
                "name the functions it is made of"
            )
        least = int(part.entries.exponents[np.any(part.matrix, axis=(0, 1))].sum(axis=1).min())
        own: Dictionary = Monomials(
            dictionary.n_states, max(dictionary.degree - least, 0) + 1, dictionary.names
        )
    else:
        own = _over(functions, dictionary)
    return Potential(part.name, part.matrix, part.entries, own)
