"""Level sets of conserved quantities, and the projection of states onto them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np

from .._checks import Array, require
from ..dictionary import Dictionary
from ..dictionary._base import with_names
from ..sections import ScalarFunction
from ._program import Program, derivative_program, program_of

LOST = "the laws cannot be kept: the projection moves the state by more than a fifth of the step, or finds no state at all."
_MOST_ITERATIONS = 8
_CLOSE = 1e-8  # Newton's error is quadratic: after a correction of this relative size, the next is rounding
_RANK_TOLERANCE = 1e-6  # of normalised gradients
_OF_THE_STEP = 0.2  # the largest correction, as a share of the step: four times the usual tolerance of a law


@runtime_checkable
class HasLaws(Protocol):
    """What carries laws, such as the result of `dynsym.conserved_quantities`."""

    @property
    def functions(self) -> tuple[ScalarFunction, ...]: ...

    @property
    def independent(self) -> int: ...


Laws = Sequence[ScalarFunction] | HasLaws
State = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Levels:
    """q functions with their gradients, of which at most `rank` are taken to be independent.

    Attributes
    ----------
    values, slopes
        h (q,) and grad h (q n) as programs.
    rank
        Never more than n - 1, so that a state can still move along the intersection of the level sets.
    """

    values: Program
    slopes: Program
    rank: int

    @classmethod
    def of(cls, laws: Laws, names: tuple[str, ...]) -> Levels | None:
        """The functions compiled; None if there are none."""
        functions = tuple(laws.functions if isinstance(laws, HasLaws) else laws)
        if not functions:
            return None
        for h in functions:
            if not isinstance(h, ScalarFunction):
                raise TypeError(f"conserve takes ScalarFunctions, got {type(h).__name__}")
        rank = min(len(names) - 1, laws.independent if isinstance(laws, HasLaws) else len(functions))
        require(rank > 0, "a field in one state conserves nothing but constants; leave conserve out")
        return _compiled(functions, names, rank)

    def at(self, start: Array) -> Array:
        """The values of the functions at the starts, (k, n) -> (k, q), refusing starts where they have none."""
        values = self.values.many(start)
        bad = ~np.isfinite(values).all(axis=1)
        require(
            not bad.any(),
            f"a function to be kept has no value at the start {start[bad][:1].tolist()}; leave it out or start "
            "elsewhere",
        )
        return values

    def project(self, x: Array, levels: Array) -> Array:
        """The nearest states (m, n) with h = levels, (m, q) or (q,), by Newton steps along the gradients.

        x <- x - G^+ (h(x) - levels), G^+ the pseudo-inverse of the normalised gradients up to the rank. Rows in
        which this does not converge come back as NaN.

        References
        ----------
        Hairer, Lubich, Wanner (2006), Geometric Numerical Integration, IV.4.
        """
        m, n = x.shape
        out = x.copy()
        open_ = np.arange(m)
        for _ in range(_MOST_ITERATIONS if m else 0):
            at = out[open_]
            missing = self.values.many(at) - (levels if levels.ndim == 1 else levels[open_])
            gradients = self.slopes.many(at).reshape(len(open_), -1, n)
            move = self._least_move(gradients, missing)
            out[open_] -= move
            # NaN compares as not close.
            far = ~(_length(move) <= _CLOSE * np.maximum(_length(at), np.finfo(float).tiny))
            open_ = open_[far]
            if not len(open_):
                return out
        out[open_] = np.nan
        return out

    def _least_move(self, gradients: Array, missing: Array) -> Array:
        """The shortest solution (m, n) of gradients . move = missing, in the best determined directions."""
        size = np.linalg.norm(gradients, axis=2)
        size = np.where(size > 0, size, 1.0)
        rows, wanted = gradients / size[:, :, None], missing / size
        bad = ~(np.isfinite(rows).all(axis=(1, 2)) & np.isfinite(wanted).all(axis=1))
        rows[bad], wanted[bad] = 0.0, np.nan
        if rows.shape[1] == 1:
            return np.asarray(rows[:, 0] * wanted)
        u, s, vt = np.linalg.svd(rows, full_matrices=False)
        kept = s > _RANK_TOLERANCE * s[:, :1]
        kept[:, self.rank :] = False
        inverse = np.where(kept, 1.0 / np.where(kept, s, 1.0), 0.0)
        along = np.einsum("mqr,mq->mr", u, wanted) * inverse
        return np.einsum("mrn,mr->mn", vt, along)

    def keeper(self, levels: Array) -> Callable[[State, State], State | None]:
        """What moves the end of a step of one state, given with its beginning, onto the level sets (q,).

        The same as `project` and `kept_within`, in plain floats where there is one function; None where these give NaN.
        """
        wanted = levels.tolist()

        def keep(new: State, old: State) -> State | None:
            x = new
            for _ in range(_MOST_ITERATIONS):
                missing = [h - level for h, level in zip(self.values.one(*x), wanted)]
                move = self._least_move_of_one(self.slopes.one(*x), missing)
                small = math.hypot(*move) <= _CLOSE * math.hypot(*x)
                x = tuple([a - b for a, b in zip(x, move)])
                if small:
                    most = _OF_THE_STEP * math.dist(new, old) + _CLOSE * math.hypot(*new)
                    return x if math.dist(x, new) <= most else None
            return None

        return keep

    def _least_move_of_one(self, gradients: State, missing: list[float]) -> Sequence[float]:
        if len(missing) > 1:
            rows = np.array(gradients).reshape(1, len(missing), -1)
            return self._least_move(rows, np.array([missing]))[0].tolist()
        square = sum([g * g for g in gradients])
        share = missing[0] / square if square > 0 else 0.0 * square
        return [share * g for g in gradients]


@lru_cache(maxsize=32)
def _compiled(functions: tuple[ScalarFunction, ...], names: tuple[str, ...], rank: int) -> Levels:
    """Compiled once for the same objects: that takes longer than a short run."""
    parts = [(_renamed(h.dictionary, names), h.coefficients[None]) for h in functions]
    return Levels(program_of(parts), derivative_program(parts), rank)


def kept_within(old: Array, new: Array, projected: Array) -> Array:
    """The projected states (k, n), NaN where the projection moved one by more than a fifth of its step."""
    # The last step may be as short as rounding.
    most = _OF_THE_STEP * _length(new - old) + _CLOSE * _length(new)
    lost = ~(_length(projected - new) <= most)
    return np.where(lost[:, None], np.nan, projected)


def _length(x: Array) -> Array:
    return np.sqrt(np.einsum("mn,mn->m", x, x))


def _renamed(dictionary: Dictionary, names: tuple[str, ...]) -> Dictionary:
    said = "a function to be kept is over ({own}) but the field has the states ({names})"
    return with_names(dictionary, names, said, "give it the names of the field")
