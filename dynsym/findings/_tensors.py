"""The verb `invariant_tensors`: forms, bivectors, metrics, densities and eigenfunctions of a flow, each with a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import Array, DataError
from .._threads import one_blas_thread
from ..certify import CERTIFIED, Level, Verdict
from ..dictionary import Dictionary
from ..dictionary._base import with_names
from ..inner_product import Region, generic_region, restricted
from ..regression import Model
from ..sections import Bivector, Density, Scalar, TensorSection, TwoForm, section_class
from ..spectral import Spectrum
from ..tensor_derivative import exterior_matrix, generic_tensor_rank, jacobi_defect
from ..vector_field import VectorField
from ._canonical import shortened
from ._eigensections import EigenSearch, Eigensection
from ._evidence import evidence_of
from ._listed import Listed
from ._tensor_search import TensorSearch

_CLOSED = 1e-6


@dataclass(frozen=True)
class Multiplied:
    """Sections that the flow multiplies, L_f T = lambda T with lambda not 0, of one kind.

    Of functions these are the Koopman eigenfunctions; of two-forms the conformally symplectic structures of damped systems.

    Examples
    --------
    >>> import dynsym as dy
    >>> damped = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -1, -0.5]])
    >>> found = dy.invariant_tensors(damped, dy.Multiplied(dy.TwoForm), dy.Monomials(2, 0))
    >>> print(found.findings[0].section, "with", found.findings[0].properties)
    dx^dv with eigenvalue -0.5, rank 2, closed
    """

    kind: type[TensorSection]


@dataclass(frozen=True)
class TensorFinding:
    """One section with its verdict.

    Attributes
    ----------
    section
        T, its leading coefficient 1.
    verdict
        On the defect |L_f T - lambda T| relative to |f| |DT| and |Df| |T|.
    eigenvalue
        lambda; 0 for an invariant section.
    partner
        The imaginary part of the section where lambda is one of a complex pair.
    rank
        Of the matrix T(x) at most points, for forms, bivectors and metrics; else 1.
    closure
        Relative size of dW for a two-form, of [J, J] for a bivector; 0 for other kinds.
    """

    section: TensorSection
    verdict: Verdict
    eigenvalue: complex = 0j
    partner: TensorSection | None = None
    rank: int = 1
    closure: float = 0.0

    @property
    def expression(self) -> str:
        """The section as text."""
        return str(self.section) if self.partner is None else f"{self.section} + i*({self.partner})"

    @property
    def properties(self) -> str:
        """What is known of it beside its verdict, in words."""
        out = []
        if self.eigenvalue:
            out.append(f"eigenvalue {_number(self.eigenvalue)}")
        if self.section.order == 2:
            out.append(f"rank {self.rank}")
        if isinstance(self.section, TwoForm):
            out.append("closed" if self.closure <= _CLOSED else f"not closed ({self.closure:.1g})")
        if isinstance(self.section, Bivector):
            out.append(
                "Poisson" if self.closure <= _CLOSED else f"Jacobi identity fails ({self.closure:.1g})"
            )
        return ", ".join(out)


def _number(value: complex) -> str:
    return f"{value.real:.6g}" if value.imag == 0 else f"{value.real:.6g} +- {abs(value.imag):.6g}*i"


@dataclass(frozen=True)
class InvariantTensors(Listed):
    """What `invariant_tensors` found, with the evidence.

    Attributes
    ----------
    kind
        Of the sections.
    findings
        Certified ones in their lowest degree first, then undecided ones; sums of multiples of listed ones by functions are not
        listed again.
    spectrum
        Defects of all directions of the dictionary.
    region, level, warnings
        What the verdicts speak of, at which tolerance and error level, and remarks.
    """

    kind: str
    findings: tuple[TensorFinding, ...]
    spectrum: Spectrum
    region: Region
    level: Level
    warnings: tuple[str, ...] = ()

    @property
    def sections(self) -> tuple[TensorSection, ...]:
        """The certified ones."""
        return tuple(f.section for f in self.findings if f.verdict.status == CERTIFIED)

    def __str__(self) -> str:
        head = f"{len(self.sections)} certified: {self.kind}"
        rows = [
            f"  {f.verdict.status:<10} {f.verdict.defect:8.1e} <= {f.verdict.upper:7.1e}  {shortened(f.expression)}"
            + (f"  ({f.properties})" if f.properties else "")
            for f in self.findings
        ]
        tail = f"  in {self.region.description}; delta = {self.level.delta:g}, alpha = {self.level.alpha:g}"
        return "\n".join([head, *rows, tail, *(f"  note: {w}" for w in self.warnings)])

    def plot(self) -> Any:
        """The spectrum of defects above the verdicts, as a matplotlib figure."""
        from .. import plot

        return plot.invariant_tensors(self)


def invariant_tensors(
    model: Model | VectorField,
    kind: type[TensorSection] | Multiplied | str,
    dictionary: Dictionary,
    delta: float = 0.05,
    alpha: float = 0.05,
    region: Region | None = None,
) -> InvariantTensors:
    """The tensor fields T in the span of a dictionary with L_f T = 0, or lambda T, each with a verdict.

    Parameters
    ----------
    model
        A fitted `Model`, or an exact `VectorField`.
    kind
        `OneForm`, `TwoForm`, `Bivector`, `Metric`, `Density`, or `Multiplied` of one of them or of `sections.Scalar`; or a
        name: "one-form", "two-form", "bivector", "metric", "density", "koopman".
    dictionary
        The functions that the components of T are made of.
    delta, alpha
        Tolerance of the defect, and error level shared among the unknowns.
    region
        What the verdicts speak of; default a tube around the data, or generic points for an exact field.

    Returns
    -------
    InvariantTensors
        Prints as a table.

    Raises
    ------
    DataError
        For an unknown kind, another set of states, functions without a kind (use `conserved_quantities`), or more than 700
        unknowns.

    Examples
    --------
    >>> import dynsym as dy
    >>> predators = dy.systems.get("lotka_volterra_2d").field()
    >>> measure = dy.invariant_tensors(predators, "density", dy.Terms(["1", "x", "y", "1/(x*y)"], ("x", "y")))
    >>> print(measure.sections[0])
    1/(x*y)
    >>> print(dy.invariant_tensors(predators, "bivector", dy.Monomials(2, 2)).sections[0])
    {x, y} = x*y
    """
    field = model.field if isinstance(model, Model) else model
    said = "the dictionary is over ({own}) but the field has the states ({names})"
    own = with_names(dictionary, field.names, said, "build it with names=model.field.names")
    cls, multiplied = _read(kind)
    where = restricted(_region(model, own, cls, region), own)
    evidence = evidence_of(model)
    level = Level(delta, alpha, own.n_terms * len(cls.components(field.n_states)))
    with one_blas_thread():
        search = TensorSearch.of(cls, own, field, where, evidence, level)
        if multiplied:
            findings = [_multiplied(search, found) for found in EigenSearch(search, evidence).run()]
            notes: tuple[str, ...] = ()
        else:
            certified, undecided, more = search.run()
            findings = [_finding(search, v, verdict) for v, verdict in [*certified, *undecided]]
            findings.sort(key=lambda f: f.verdict.status != CERTIFIED)
            hidden = f"{more} more are sums of listed ones times conserved functions, and are not listed"
            notes = (hidden,) if more > 0 else ()
        spectrum = search.spectrum(np.flatnonzero(search.weights > 0))
    many = "densities" if cls is Density else f"{cls.kind}s"
    name = f"{many} that the flow multiplies" if multiplied else f"invariant {many}"
    if not field.coefficients.any():
        notes = (*notes, "the equations are zero: nothing moves, and nothing can be said")
    return InvariantTensors(name, tuple(findings), spectrum, where, level, notes)


def _read(kind: type[TensorSection] | Multiplied | str) -> tuple[type[TensorSection], bool]:
    if isinstance(kind, Multiplied):
        return kind.kind, True
    if kind == "koopman":
        return Scalar, True
    cls = section_class(kind) if isinstance(kind, str) else kind
    if cls is Scalar:
        raise DataError("invariant functions are conserved quantities; call conserved_quantities")
    return cls, False


def _region(
    model: Model | VectorField, dictionary: Dictionary, kind: type[TensorSection], region: Region | None
) -> Region:
    if region is not None:
        return region
    return model.region if isinstance(model, Model) else generic_region(dictionary + model.dictionary)


def _scaled(vector: Array, partner: Array | None = None) -> tuple[Array, Array | None]:
    """The first term written with a plus sign; the most frequent size of coefficient, else the largest, is 1."""
    sizes = np.sort(np.abs(vector[vector != 0]))
    groups = np.split(sizes, np.flatnonzero(np.diff(sizes) > 1e-6 * sizes[-1]) + 1)
    unit = max(reversed(groups), key=len)[-1]
    pivot = unit * np.sign(vector[np.flatnonzero(vector)[0]])
    return vector / pivot, None if partner is None else partner / pivot


def _finding(search: TensorSearch, vector: Array, verdict: Verdict) -> TensorFinding:
    section = search.kind(search.dictionary, _scaled(vector)[0])
    rank = generic_tensor_rank(section, search.region) if section.order == 2 else 1
    return TensorFinding(section, verdict, 0j, None, rank, closure_of(section, search.region))


def closure_of(section: TensorSection, region: Region) -> float:
    """|dW| relative to |W| + |DW| for a two-form, the Jacobi defect for a bivector, else 0."""
    if isinstance(section, Bivector):
        return jacobi_defect(section, region)
    if not isinstance(section, TwoForm):
        return 0.0
    outer = np.linalg.norm(exterior_matrix(section.dictionary, region) @ section.coefficients.ravel())
    weights = section.weights(region.scale)[:, None] * region.roots[:, None, None]
    slope = section.slopes(region.points) * region.scale * weights
    size = np.linalg.norm(section.parts(region.points)[:, :, None] * weights) + np.linalg.norm(slope)
    return float(outer / size)


def _multiplied(search: TensorSearch, found: Eigensection) -> TensorFinding:
    vector, partner = (
        _scaled(found.vector, found.partner) if found.vector.any() else (found.vector, found.partner)
    )
    section = search.kind(search.dictionary, vector)
    other = None if partner is None else search.kind(search.dictionary, partner)
    rank = generic_tensor_rank(section, search.region) if section.order == 2 else 1
    return TensorFinding(
        section, found.verdict, found.eigenvalue, other, rank, closure_of(section, search.region)
    )
