"""The algebras that are tried: what was told, and what spectra suggest, each settled on the nearest exact one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._checks import Array
from ..generators import Generators
from ..inner_product import Region
from ..regression import Model
from ..vector_field import VectorField
from ._brackets import Brackets, Frame, brackets_on
from ._choose import Tried
from ._rows import Rows, noise_weights, scarce, settled_weights
from ._settle import Settled, enforced, settle
from ._starts import bracket_table, dimensions, pilots, snapped, spectrum_of

_MOST = 6  # settled algebras in one search
_TWICE = 2  # of each dimension


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything the chain works on: data rows, candidates and their brackets.

    Attributes
    ----------
    plain
        The fit without symmetry.
    family
        The q candidates.
    rows
        The data in coordinates of unit functions.
    brackets
        B(xi, c) in the same coordinates.
    """

    plain: Model
    family: Generators
    rows: Rows
    brackets: Brackets

    @property
    def region(self) -> Region:
        """Where generators and fields are measured."""
        return self.plain.region

    def field(self, c: Array) -> VectorField:
        """The vector field with free coordinates c."""
        return VectorField(self.plain.field.dictionary, self.rows.coefficients(c))

    def within(self, free: Array) -> Problem:
        """The same problem for coordinates in the span of free (n p, f)."""
        return replace(self, rows=Rows.of(self.plain, self.rows.frame, free, self.rows.weights))

    def weighted(self, weights: Array) -> Problem:
        """The same problem with other weights (n,) of the equations."""
        return replace(self, rows=Rows.of(self.plain, self.rows.frame, self.rows.free, weights))

    def metric(self, field: VectorField) -> Array:
        """(q, k) white directions of the candidates: unit size beside this field."""
        return np.asarray(spectrum_of(field, self.family, self.region).vectors)


def problem_of(plain: Model, family: Generators, free: Array | None) -> Problem:
    """The problem behind a fit; free directions (n p, k) of its coefficients, or None for all."""
    dictionary = plain.field.dictionary
    frame = Frame.of(dictionary, plain.region)
    size = plain.coefficients.size
    basis = np.eye(size) if free is None else framed(frame, free)
    rows = Rows.of(plain, frame, basis, noise_weights(plain))
    return Problem(plain, family, rows, brackets_on(family, dictionary, plain.region, frame))


def framed(frame: Frame, free: Array) -> Array:
    """Directions (n p, k) of coefficients as orthonormal directions of coordinates."""
    n = len(frame.scale)
    columns = [frame.coordinates(v.reshape(n, -1)) for v in free.T]
    return np.asarray(np.linalg.qr(np.stack(columns, axis=1))[0])


def told(problem: Problem, weights: Array) -> list[Tried]:
    """Given generators, enforced as they are and moved together with the coefficients."""
    exact = enforced(problem.rows, problem.brackets, weights)
    out = [] if exact is None else [tried(problem, exact, True, "as given")]
    if weights.shape[1] < len(problem.family):
        start = problem.plain.field if exact is None else problem.field(exact.c)
        moved = settle(problem.rows, problem.brackets, problem.metric(start), weights)
        if moved is not None:
            out.append(tried(problem, moved, True, "as given, polished"))
    return out


def certified(problem: Problem, weights: Array) -> list[Tried]:
    """Generators that were found in these data, and so have errors: moved, and enforced as they are only if that fails."""
    both = told(problem, weights)
    out = [one for one in both if one.settled.moved] or both
    return [replace(one, label="certified" + (", polished" if one.settled.moved else "")) for one in out]


def suggested(problem: Problem, holds: Callable[[Tried], bool], before: Sequence[Tried] = ()) -> list[Tried]:
    """Algebras that the spectra of the pilot fits suggest, and those that the settled fields suggest in turn.

    Pilots are read until one leads to an algebra that holds its own; dimensions at which one does are not tried again, those of
    what was tried before included.
    """
    table = bracket_table(problem.family)
    out: list[Tried] = []
    for pilot in pilots(problem.plain, problem.family, problem.rows):
        if any(holds(one) for one in out):
            break
        queue = [pilot]
        while queue and len(out) < _MOST:
            field = queue.pop(0)
            spectrum = spectrum_of(field, problem.family, problem.region)
            for r in dimensions(spectrum):
                alike = [one for one in (*before, *out) if one.size == r]
                if len(alike) >= _TWICE or any(holds(one) for one in alike) or len(out) >= _MOST:
                    continue
                start = snapped(problem.family, spectrum.vectors[:, :r], table)
                found = settle(problem.rows, problem.brackets, spectrum.vectors, start)
                if found is not None and not any(_same(found, one.settled) for one in out):
                    out.append(tried(problem, found, False, "read off a spectrum"))
                    queue.append(problem.field(found.c))
    return out


def refined(problem: Problem, best: Tried) -> tuple[Problem, Tried]:
    """The chosen algebra settled again, with the noise of each equation from its own residuals where data are scarce."""
    if not scarce(problem.plain) or not best.settled.moved:
        return problem, best
    own = best.settled
    again = problem.weighted(settled_weights(problem.rows, own.c, own.freedom))
    found = settle(again.rows, again.brackets, again.metric(again.field(own.c)), own.weights)
    if found is None or found.freedom != own.freedom:
        return problem, best
    return again, tried(again, found, best.told, best.label)


def _same(first: Settled, second: Settled) -> bool:
    """Whether two searches ended at one field."""
    apart = float(np.linalg.norm(first.c - second.c))
    return first.freedom == second.freedom and apart <= 1e-5 * float(np.linalg.norm(first.c))


def tried(problem: Problem, settled: Settled, given: bool, label: str) -> Tried:
    """A settled field with its errors on left-out data."""
    left_out = problem.rows.left_out(settled.tangent)
    lack = problem.rows.lack_of_fit(settled.residual, settled.freedom)
    return Tried(settled, left_out, problem.rows.judged(left_out), given, problem.family, label, lack)
