"""The verb `hamiltonian_of`: the function H with i_f W = dH for a two-form W that the flow keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._checks import Array, require
from .._threads import one_blas_thread
from ..certify import CERTIFIED, Level, Verdict, judge
from ..dictionary import Dictionary
from ..dictionary._base import with_names
from ..discover import fair
from ..inner_product import Region, generic_region, restricted
from ..regression import Model
from ..sections import ScalarFunction, TwoForm
from ..tensor_derivative import generic_tensor_rank
from ..vector_field import VectorField
from ._energy import simplified, sparsest
from ._evidence import evidence_of
from ._listed import Printed
from ._tensors import closure_of

_CLOSED = 1e-6


@dataclass(frozen=True)
class FormHamiltonian(Printed):
    """H with i_f W = dH: the flow is Hamiltonian with respect to the two-form W.

    Attributes
    ----------
    form, function
        W and H.
    rank
        Of W at most points; n where it is symplectic.
    verdict
        On i_f W = dH; the defect is |i_f W - dH| / |i_f W|.
    region, level
        What the verdict speaks of, at which tolerance and error level.
    """

    form: TwoForm
    function: ScalarFunction
    rank: int
    verdict: Verdict
    region: Region
    level: Level

    def __str__(self) -> str:
        n, v = len(self.form.names), self.verdict
        kind = "symplectic" if self.rank == n else f"rank {self.rank} of {n}"
        return "\n".join(
            [
                f"Hamiltonian of a two-form ({kind})",
                f"  {v.status:<10} {v.defect:8.1e} <= {v.upper:7.1e}  i_f W = dH",
                f"  H        {self.function}",
                f"  W        {self.form}",
                f"  in {self.region.description}; delta = {self.level.delta:g}, alpha = {self.level.alpha:g}",
            ]
        )


def hamiltonian_of(
    model: Model | VectorField,
    form: TwoForm,
    dictionary: Dictionary,
    delta: float = 0.05,
    alpha: float = 0.05,
    region: Region | None = None,
) -> FormHamiltonian:
    """The function H in the span of a dictionary with i_f W = dH, by least squares, with a verdict.

    Where W is closed and f keeps it, i_f W is closed and has an H, locally. Two-forms are simple where brackets are not: that
    of a mechanical system with a mass matrix M(q), in positions and velocities, holds M, its bracket the inverse of M.

    Parameters
    ----------
    model
        A fitted `Model`, or an exact `VectorField`.
    form
        W, closed; `invariant_tensors(model, "two-form", ...)` finds those that the flow keeps.
    dictionary
        The functions that H is made of.
    delta, alpha
        Tolerance of the defect, and error level.
    region
        What the verdict speaks of; default a tube around the data, or generic points for an exact field.

    Returns
    -------
    FormHamiltonian
        Prints as a table.

    Raises
    ------
    DataError
        If W is not closed, or states differ.

    Examples
    --------
    >>> import dynsym as dy
    >>> predators = dy.systems.get("lotka_volterra_2d").field()
    >>> area = dy.TwoForm(dy.Terms(["1/(x*y)"], ("x", "y")), [[-1.0]])
    >>> print(dy.hamiltonian_of(predators, area, dy.parse_dictionary("poly(1) + terms(log(x), log(y))", ("x", "y"))).function)
    x + y - log(x) - log(y)
    """
    field = model.field if isinstance(model, Model) else model
    said = "the {thing} is over ({{own}}) but the field has the states ({{names}})"
    remedy = "build it with names=model.field.names"
    own = with_names(dictionary, field.names, said.format(thing="dictionary"), remedy)
    with_names(form.dictionary, field.names, said.format(thing="two-form"), remedy)
    where = region
    if where is None:
        where = (
            model.region
            if isinstance(model, Model)
            else generic_region(own + field.dictionary + form.dictionary)
        )
    where = restricted(restricted(where, own), form.dictionary)
    open_part = closure_of(form, where)
    require(
        open_part <= _CLOSED, f"the two-form must be closed, but dW has the relative size {open_part:.2g}"
    )
    level = Level(delta, alpha, own.n_terms)
    with one_blas_thread():
        h, verdict = _integrated(model, field, form, own, fair(field, where), level)
    return FormHamiltonian(
        form, ScalarFunction(own, h), generic_tensor_rank(form, where), verdict, where, level
    )


def _integrated(
    model: Model | VectorField,
    field: VectorField,
    form: TwoForm,
    dictionary: Dictionary,
    region: Region,
    level: Level,
) -> tuple[Array, Verdict]:
    """Coefficients of H and the verdict, in simple form where it is certified."""
    x, n = region.points, field.n_states
    unit = region.roots[:, None] * region.scale
    value, theta = form.evaluate(x), field.dictionary.evaluate(x)
    operator = np.einsum("mkj,ml,mj->mjkl", value, theta, unit).reshape(len(x) * n, -1)
    target = operator @ field.coefficients.ravel()
    rows = (dictionary.jacobian(x) * unit[:, None, :]).transpose(0, 2, 1).reshape(len(x) * n, -1)
    evidence, size2 = evidence_of(model), float(target @ target)

    def judged(h: Array) -> Verdict:
        return judge(operator, size2, evidence, level, rows @ h)

    size = np.linalg.norm(rows, axis=0)
    used = size > 1e-12 * size.max()
    scaled = rows[:, used] / size[used]
    fitted = np.linalg.lstsq(scaled, target, rcond=1e-10)[0]
    h = np.zeros(dictionary.n_terms)
    h[used] = sparsest(scaled, fitted) / size[used]
    verdict = judged(h)
    if verdict.status != CERTIFIED:
        return h, verdict
    return simplified(h, rows, target, judged, verdict, level)
