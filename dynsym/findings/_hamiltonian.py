"""The verb `hamiltonian_structure`: bracket, Hamiltonian, Casimirs and Noether's pairing, with a verdict."""

from __future__ import annotations

import numpy as np

from .._threads import one_blas_thread
from ..certify import Level, Verdict
from ..dictionary import Dictionary
from ..dictionary._base import with_names
from ..generators import affine
from ..inner_product import Region, generic_region, restricted
from ..regression import Model
from ..sections import Bivector, ScalarFunction
from ..vector_field import VectorField
from ._brackets import Bracket
from ._energy import casimirs_of
from ._evidence import evidence_of
from ._laws import ConservedQuantities, conserved_quantities
from ._noether import generated_fields, noether_pairs
from ._structure import HamiltonianStructure
from ._structure_search import Choice, choose_structure
from ._symmetries import Symmetries, symmetries


def hamiltonian_structure(
    model: Model | VectorField,
    dictionary: Dictionary,
    laws: ConservedQuantities | None = None,
    symmetries: Symmetries | None = None,
    delta: float = 0.05,
    alpha: float = 0.05,
) -> HamiltonianStructure:
    """The simplest Poisson bracket J and function H with f = J grad H, its Casimirs and Noether's pairing, with a verdict.

    Brackets are the invariant bivectors, L_f J = 0 (a linear problem), that satisfy the Jacobi identity: constant ones first,
    then linear ones, log-canonical ones and quadratic ones. For each, simplest first, f = J grad H is linear in H. The first
    that is certified in both respects is the answer; among equals the one of highest rank with the plainest H.

    Parameters
    ----------
    model
        A fitted `Model`, or an exact `VectorField`.
    dictionary
        The functions that H and the Casimirs are made of.
    laws
        Conserved quantities that are known already; default: searched in the dictionary.
    symmetries
        Symmetries that are known already; default: searched among the affine ones.
    delta, alpha
        Tolerance of the defects, and error level.

    Returns
    -------
    HamiltonianStructure
        Prints as a table; `bracket` is None where nothing is certified, and the verdict says why.

    Raises
    ------
    DataError
        If the dictionary is over other states.

    References
    ----------
    Olver (1993), Applications of Lie Groups to Differential Equations, chapter 6. Magri (1978), A simple model of the
    integrable Hamiltonian equation, for systems with several compatible brackets.

    Examples
    --------
    >>> import dynsym as dy
    >>> found = dy.hamiltonian_structure(dy.systems.get("henon_heiles").field(), dy.Monomials(4, 3))
    >>> found.pairs
    (('x', 'vx', 1.0), ('y', 'vy', 1.0))
    >>> print(found.hamiltonian)
    0.5*x**2 + 0.5*y**2 + 0.5*vx**2 + 0.5*vy**2 + x**2*y - 1/3*y**3
    """
    field = model.field if isinstance(model, Model) else model
    said = "the dictionary is over ({own}) but the field has the states ({names})"
    own = with_names(dictionary, field.names, said, "build it with names=model.field.names")
    region = model.region if isinstance(model, Model) else generic_region(own + field.dictionary)
    region = restricted(region, own)
    known = conserved_quantities(model, own, delta, alpha) if laws is None else laws
    level = Level(delta, alpha, own.n_terms)
    with one_blas_thread():
        choice, space, verdict = choose_structure(field, evidence_of(model), own, region, known, level)
    if choice is None:
        return HamiltonianStructure(
            None, None, "", (), (), 0, "", verdict, 0.0, (), (), (), own.names, region, level
        )
    moved = _symmetries(model, field, symmetries, delta, alpha)
    return _assembled(choice, space, own, known, moved, region, level)


def _symmetries(
    model: Model | VectorField, field: VectorField, found: Symmetries | None, delta: float, alpha: float
) -> Symmetries:
    if found is not None:
        return found
    return symmetries(model, affine(field.n_states, field.names), delta, alpha)


def _assembled(
    choice: Choice,
    space: list[Bracket],
    dictionary: Dictionary,
    laws: ConservedQuantities,
    moved: Symmetries,
    region: Region,
    level: Level,
) -> HamiltonianStructure:
    sign = _sign(choice, dictionary, region)
    picked = choice.bracket
    section = Bivector(picked.section.dictionary, sign * picked.section.coefficients)
    hamiltonian = ScalarFunction(dictionary, sign * choice.coefficients)
    error = 0.0 if picked.jacobi <= 1e-8 else 2 * picked.verdict.upper
    casimirs = casimirs_of(section, dictionary, region, picked.rank, error)
    basis = _basis(space)
    notes = []
    if len(basis) > 1:
        notes.append(
            f"the flow keeps {len(basis)} independent {picked.family} brackets; the simplest one is shown"
        )
    missing = len(section.names) - picked.rank - len(casimirs)
    if missing > 0:
        notes.append(f"{missing} Casimir(s) of the bracket are not in the dictionary")
    functions = laws.functions
    return HamiltonianStructure(
        section,
        hamiltonian,
        picked.family,
        _pairs(section),
        tuple(casimirs),
        picked.rank,
        "" if picked.algebra is None else picked.algebra.name,
        _both(choice.verdict, picked.verdict),
        picked.jacobi,
        tuple(noether_pairs(moved, section, functions, dictionary, region)),
        tuple(generated_fields(section, functions)),
        tuple(basis),
        dictionary.names,
        region,
        level,
        tuple(notes),
    )


def _both(energy: Verdict, bracket: Verdict) -> Verdict:
    """The verdict on f = J grad H with the larger bound of the two claims."""
    reason = f"the data rule out a defect of f = J grad H above {energy.upper:.1g}, and of L_f J = 0 above {bracket.upper:.1g}"
    upper = max(energy.upper, bracket.upper)
    return Verdict(energy.status, energy.defect, energy.lower, upper, reason)


def _sign(choice: Choice, dictionary: Dictionary, region: Region) -> float:
    """J and H may both change sign: H gets more plus signs, else the sign in which it is convex on average."""
    h = choice.coefficients
    count = int(np.sum(np.sign(h)))
    if count:
        return float(np.sign(count))
    step = 1e-3 * region.scale
    x = region.points
    function = ScalarFunction(dictionary, h)
    bend = 0.0
    for k in range(x.shape[1]):
        shift = np.zeros(x.shape[1])
        shift[k] = step[k]
        try:
            slopes = function.gradient(x + shift)[:, k] - function.gradient(x - shift)[:, k]
        except ValueError:
            return 1.0
        bend += float(np.nanmedian(slopes * step[k]))
    return 1.0 if bend >= 0 else -1.0


def _pairs(section: Bivector) -> tuple[tuple[str, str, float], ...]:
    """(q, p, {q, p}) of a constant bracket in which every state has exactly one partner."""
    c = section.coefficients
    used = np.any(c != 0, axis=0)
    if section.dictionary.terms[int(np.argmax(used))] != "1" or int(used.sum()) != 1:
        return ()
    n = len(section.names)
    matrix = section.evaluate(np.zeros(n))[0]
    if not (np.count_nonzero(matrix, axis=1) == 1).all():
        return ()
    out = []
    for i in range(n):
        j = int(np.flatnonzero(matrix[i])[0])
        if i < j:
            q, p = (i, j) if matrix[i, j] > 0 else (j, i)
            out.append((section.names[q], section.names[p], float(abs(matrix[i, j]))))
    return tuple(out)


def _basis(space: list[Bracket]) -> list[Bivector]:
    """Independent brackets among the candidates, those with fewest numbers first."""
    out: list[Bracket] = []
    for bracket in sorted(space, key=lambda b: int(np.count_nonzero(b.vector))):
        stack = np.stack([b.vector / np.linalg.norm(b.vector) for b in [*out, bracket]])
        if np.linalg.svd(stack, compute_uv=False)[-1] > 1e-6:
            out.append(bracket)
    return [b.section for b in out]
