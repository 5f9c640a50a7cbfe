"""Functions from few exact samples: of all polynomials that agree with them, the one that breaks the fewest symmetries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from .._checks import Array, ConvergenceError, as_floats, require, require_finite
from .._threads import one_blas_thread
from ..dictionary import Dictionary
from ..generators import Generators
from ..inner_product import Bombieri
from ..optim import Exact, Nuclear, Reweighted, Solution, Solver, solve
from ..sections import ScalarFunction
from ._polynomials import FunctionBreaking, Product, candidate_norms

# Default unit of length in root mean squares of a state: 0.87 for uniform samples on [-1, 1]. On recovery problems of the
# published protocol, 0.85 to 0.9 needs the fewest samples, 0.7 and 1 need 9 % and 2 % more.
_LENGTH = 1.5
# Samples are left out, and predicted, at this share of all; at least three.
_LEFT_OUT = 0.1
# A prediction of samples left out is a success within this share of the largest value: what is exact is predicted to the
# accuracy of the solver.
_TOLERANCE = 1e-7
# Singular values below this share of the largest belong to symmetries that hold. A part that breaks one by more shows in the
# samples left out: measured, at some hundredth of its size, so two decades lie between the two thresholds.
_HOLDS = 1e-5


@dataclass(frozen=True, eq=False)
class Recovered:
    """The polynomial through all samples that breaks the fewest candidate symmetries, and what speaks for it.

    Attributes
    ----------
    function
        The polynomial h.
    spectrum
        Singular values (q,) of xi -> L_xi h, descending; `broken` of them are not zero.
    unbroken
        A basis of the candidates that leave h unchanged.
    verdict
        "recovered" if a fit to the other samples predicts those left out, else "undecided": then the data do not carry the
        claim, and the symmetries are properties of the interpolant only.
    left_out, error
        How many samples were left out for this, and the largest error on them relative to the largest |y|.
    n_samples
        m.
    solution
        With duality gap, and the convex solution if the refined one was kept.
    """

    function: ScalarFunction
    spectrum: Array
    unbroken: Generators | None = field(repr=False)
    verdict: str
    left_out: int
    error: float
    n_samples: int
    solution: Solution = field(repr=False)

    @property
    def broken(self) -> int:
        """The number of independent candidates that h breaks."""
        return int(np.sum(self.spectrum > _HOLDS * self.spectrum.max(initial=0.0)))

    def __str__(self) -> str:
        kept = 0 if self.unbroken is None else len(self.unbroken)
        gap = self.solution.duality_gap
        return "\n".join(
            [
                f"Recovered ({self.verdict})",
                f"  samples          {self.n_samples}, for {self.function.dictionary.n_terms} coefficients",
                f"  candidates       {kept + self.broken}: {self.broken} broken, {kept} unbroken",
                f"  left-out error   {self.error:.2g} on {self.left_out} samples (recovered below {_TOLERANCE:g})",
                f"  solution         {self.solution.chosen or self.solution.solver}, "
                f"duality gap {'not computed' if gap is None else f'{gap:.2g}'}",
            ]
        )

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """The singular values on a logarithmic axis, those of symmetries that hold in grey, as a matplotlib figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.0, 2.6), layout="constrained")
        axis = figure.subplots()
        largest = self.spectrum.max(initial=0.0) or 1.0
        place = np.arange(1, len(self.spectrum) + 1)
        held = place > self.broken
        values = np.maximum(self.spectrum / largest, 1e-16)
        axis.semilogy(place[~held], values[~held], "o", color="C0", label="broken")
        axis.semilogy(place[held], values[held], "o", color="0.6", label="unbroken")
        axis.axhline(_HOLDS, color="0.6", lw=0.7)
        axis.set(xlabel="direction of the algebra", ylabel="singular value / largest", title=self.verdict)
        axis.legend(frameon=False)
        return figure


def recover(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    dictionary: Dictionary,
    candidates: Generators,
    product: Product | None = None,
    solver: Solver | None = None,
) -> Recovered:
    """argmin_c |L_c|_* subject to theta(x_i) . c = y_i: the polynomial h of fewest broken symmetries through exact samples.

    The number of samples that it takes depends on the symmetry of the function rather than on the size of the dictionary:
    a function of u . x on R^10 of degree 2 has 66 coefficients and is found from 20 to 30 samples.

    Any few samples can be interpolated, so the result is checked: a tenth of the samples is left out, predicted from the
    others, and only if that succeeds is the function called recovered.

    Parameters
    ----------
    x
        Samples (m, n).
    y
        Values (m,), without noise. With noise, fit with `FunctionBreaking` as a penalty instead.
    dictionary
        All monomials up to a degree.
    candidates
        Affine generators.
    product
        Inner product of polynomials; default `Bombieri` at 1.5 root mean squares of the states.
    solver
        Default `Reweighted()`; `ADMM()` for the convex problem alone.

    Returns
    -------
    Recovered

    Raises
    ------
    DataError
        If the shapes do not agree, fewer than 5 samples are given, or no polynomial of the dictionary meets the samples.
    ConvergenceError
        If the solver does not meet its stopping rule.

    References
    ----------
    Otto, Zolman, Kutz, Brunton (2025), JMLR 26(248), experiments on recovery from few samples.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> x = np.random.default_rng(0).uniform(-1, 1, (24, 6))
    >>> y = (x @ [0.6, 0, 0.8, 0, 0, 0] + 0.5) ** 2
    >>> found = dy.recover(x, y, dy.Monomials(6, 2), dy.generators.translations(6))
    >>> found.verdict, found.broken
    ('recovered', 1)
    """
    points, values = as_floats("x", x, 2), as_floats("y", y, 1)
    require_finite("x", points)
    require_finite("y", values)
    require(len(points) == len(values), f"x has {len(points)} samples and y has {len(values)} values")
    require(len(points) >= 5, f"recovery needs at least 5 samples, got {len(points)}")
    if product is None:
        product = Bombieri(_LENGTH * float(np.sqrt(np.mean(points**2))))
    norm = FunctionBreaking(candidates, dictionary, 1.0, product)
    chosen = solver or Reweighted()
    rows = dictionary.evaluate(points)
    out = max(3, round(_LEFT_OUT * len(points)))
    with one_blas_thread():
        error = _prediction_error(rows, values, out, norm, chosen)
        solution = solve(Exact(rows, values[:, None]), norm, solver=chosen)
        spectrum, unbroken = _spectrum(norm, solution.coefficients, candidates, product)
    return Recovered(
        function=ScalarFunction(dictionary, solution.coefficients[0]),
        spectrum=spectrum,
        unbroken=unbroken,
        verdict="recovered" if error <= _TOLERANCE else "undecided",
        left_out=out,
        error=error,
        n_samples=len(values),
        solution=solution,
    )


def _prediction_error(rows: Array, values: Array, out: int, norm: Nuclear, solver: Solver) -> float:
    """Largest error on the last samples of a fit to the others, relative to the largest |y|."""
    try:
        c = solve(Exact(rows[:-out], values[:-out, None]), norm, solver=solver).coefficients[0]
    except ConvergenceError as error:
        if error.last is None:
            raise
        # Where the stopping rule was missed, the iterate still makes a prediction, which is judged like any other.
        c = error.last.coefficients[0]
    largest = float(np.abs(values).max()) or 1.0
    return float(np.abs(rows[-out:] @ c - values[-out:]).max()) / largest


def _spectrum(
    norm: Nuclear, C: Array, candidates: Generators, product: Product
) -> tuple[Array, Generators | None]:
    """The singular values, and the candidates of unit norm in whose span h stays as it is."""
    L = np.asarray(norm.operator @ C.ravel()).reshape(norm.shape)
    a, q = L.shape
    _, s, Vt = linalg.svd(L, full_matrices=a < q)
    values = np.append(s, np.zeros(q - len(s)))
    held = values <= _HOLDS * values.max(initial=0.0)
    if not held.any():
        return values, None
    return values, candidates.combine(Vt[held].T / candidate_norms(candidates, product)[:, None])
