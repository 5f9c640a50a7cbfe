"""Coefficients from whole solutions: the field whose simulations lie nearest to the noisy samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from .._checks import Array, require
from .._threads import one_blas_thread
from ..differentiation import time_scale
from ..optim import LinearConstraint
from ..regression import Model, free_directions
from ..vector_field import Integrator, VectorField
from ._rollouts import rollouts
from ._rule import PredictionRule
from ._starts import Start, starts_of

_TIGHT = Integrator(rtol=1e-10, atol=1e-12)
_STEP = 1e-5  # of differences, relative to the size of what is varied
_ITERATIONS = 8
_HALVINGS = 6
_STOP = 1e-3  # relative decrease of the misfit at which iterating ends
_LENGTHS = (4.0, 12.0, 36.0, np.inf)  # characteristic times in a piece
_WORSE = 1.05  # rise of the misfit at which longer pieces are not followed any more


@dataclass(frozen=True, eq=False)
class Shooting:
    """A field fitted to the samples themselves.

    Attributes
    ----------
    field
        The new field; its zeros and the constraints of the model it started from are kept.
    standard_errors
        (n, p) of its coefficients, from the curvature of the misfit and its size.
    before, after
        Root mean square of (simulated - measured) / noise, without and with the new coefficients; 1 where the noise
        explains all.
    message
        What was done, in words.
    """

    field: VectorField
    standard_errors: Array
    before: float
    after: float
    message: str

    def __str__(self) -> str:
        rows = "\n".join(f"  {line}" for line in self.field.equations(5))
        return f"{self.message}; misfit {self.before:.3g} before, {self.after:.3g} after\n{rows}"


def shooting(model: Model, pieces: float | None = None) -> Shooting:
    """argmin over C and starts of sum |(x_C(t_i) - x_i) / s|^2 over pieces of the runs, C with the zeros of the model.

    Rows of derivatives, strong or weak, forget what happened before: an error of the frequency shows in them as a small
    misfit everywhere. In solutions it adds up, so that coefficients of regular motion come out several times nearer the
    truth. Each piece has a start of its own, eliminated at every Gauss-Newton step.

    Parameters
    ----------
    model
        A fit that is good enough to be followed along a piece; it brings runs, noise, zeros and constraints.
    pieces
        Length of the pieces in characteristic times. Default as long as the field can follow: 4, 12, 36, whole runs,
        until the misfit rises.

    Returns
    -------
    Shooting
        The better of the new and the old field, by the misfit.

    Raises
    ------
    DataError
        If `pieces` is not positive or no run is long enough.

    References
    ----------
    Bock (1983), Recent advances in parameter identification techniques for ODE, for multiple shooting; Golub, Pereyra
    (1973), SIAM J. Numer. Anal. 10, for the elimination of the starts.

    Examples
    --------
    >>> import dynsym as dy
    >>> duffing = dy.systems.get("duffing")
    >>> plain = dy.fit(duffing.runs(4, 300, noise=0.05), dy.Monomials(2, 3), penalty=dy.Stepwise())
    >>> better = dy.prediction.shooting(plain)
    >>> 0.9 < better.after < better.before < 1.1
    True
    """
    require(
        pieces is None or pieces > 0,
        f"pieces must be a positive number of characteristic times, got {pieces}",
    )
    best: Shooting | None = None
    counted = 0
    with one_blas_thread():
        for length in _LENGTHS if pieces is None else (pieces,):
            problem = _Problem.of(model, length)
            if len(problem.starts) == counted:
                continue  # the pieces are whole runs already
            counted = len(problem.starts)
            found = problem.solve(model.field if best is None else best.field, model.field)
            if best is not None and found.after > _WORSE * best.after:
                break
            best = found
    assert best is not None
    return best if best.after < best.before else replace(best, field=model.field, after=best.before)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Pieces with the directions in which the coefficients may move."""

    starts: Sequence[Start]
    noise: Array
    basis: Array  # (n p, k), orthonormal

    @classmethod
    def of(cls, model: Model, pieces: float) -> _Problem:
        noise = np.where(model.noise > 0, model.noise, 1.0)
        length = pieces * time_scale(model.runs, model.noise)
        starts = []
        for run in model.runs:
            count = max(1, int(run.duration / length))
            edges = np.linspace(0, len(run), count + 1).astype(int)
            parts = [run.read(int(a), int(b)) for a, b in pairwise(edges) if b - a >= 10]
            starts += starts_of(parts, model.noise, PredictionRule()) if parts else []
        require(bool(starts), "no run has ten samples; there is nothing to follow")
        return cls(starts, noise, _directions(model))

    def solve(self, field: VectorField, old: VectorField) -> Shooting:
        """From a field onwards; the old one is what the misfit is compared with, at its own best starts."""
        states = np.stack([start.state for start in self.starts])
        before = self._improved(old, states, with_field=False)[3]
        now = np.inf
        gram = np.zeros((0, 0))
        for _ in range(_ITERATIONS):
            field, gram, states, value = self._improved(field, states, with_field=True)
            if value > now * (1 - _STOP):
                now = min(now, value)
                break
            now = value
        samples = sum(start.measured.size for start in self.starts) - states.size - self.basis.shape[1]
        size = np.sqrt(now / max(samples, 1))
        cover = np.linalg.pinv(gram) * size**2 if gram.size else gram
        errors = np.sqrt(np.maximum(np.einsum("ik,kl,il->i", self.basis, cover, self.basis), 0.0))
        return Shooting(
            field,
            errors.reshape(field.coefficients.shape),
            float(np.sqrt(before / max(samples, 1))),
            float(size),
            f"{self.basis.shape[1]} coefficients fitted to {len(self.starts)} pieces of solutions",
        )

    def _improved(
        self, field: VectorField, states: Array, with_field: bool
    ) -> tuple[VectorField, Array, Array, float]:
        """One Gauss-Newton step, halved until the misfit falls: field, curvature (k, k), states, misfit."""
        base = self._miss(field, states)
        value = float(sum(np.sum(miss**2) for miss in base))
        step, moves, gram = self._step(field, states, base, with_field)
        for half in range(_HALVINGS):
            share = 0.5**half
            trial = self._moved(field, share * step)
            new = states + share * moves
            found = float(sum(np.sum(miss**2) for miss in self._miss(trial, new)))
            if found < value:
                return trial, gram, new, found
        return field, gram, states, value

    def _moved(self, field: VectorField, step: Array) -> VectorField:
        change = (self.basis @ step).reshape(field.coefficients.shape)
        return VectorField(field.dictionary, field.coefficients + change)

    def _step(
        self, field: VectorField, states: Array, base: Sequence[Array], with_field: bool
    ) -> tuple[Array, Array, Array]:
        """Steps of the coefficients (k,) and the states (pieces, n), and the curvature (k, k)."""
        by_state = self._state_slopes(field, states, base)
        by_field = self._field_slopes(field, states, base) if with_field else []
        k = len(by_field)
        gram, pull, kept = np.zeros((k, k)), np.zeros(k), []
        for s, miss in enumerate(base):
            q, r = np.linalg.qr(np.stack([column[s] for column in by_state], axis=1))
            shared = np.array([column[s] for column in by_field]).reshape(k, len(miss)).T
            left = shared - q @ (q.T @ shared)
            gram += left.T @ left
            pull += left.T @ miss
            kept.append((q, r, shared))
        step = -np.asarray(np.linalg.lstsq(gram, pull, rcond=1e-12)[0], dtype=float)
        moves = [
            -np.linalg.lstsq(r, q.T @ (miss + shared @ step), rcond=1e-12)[0]
            for (q, r, shared), miss in zip(kept, base)
        ]
        return (step if with_field else np.zeros(self.basis.shape[1])), np.array(moves, dtype=float), gram

    def _state_slopes(self, field: VectorField, states: Array, base: Sequence[Array]) -> list[list[Array]]:
        """Derivatives of the misfits by each of the n initial states."""
        out = []
        for i in range(states.shape[1]):
            shifted = states.copy()
            h = _STEP * max(float(np.abs(states[:, i]).max()), 1e-12)
            shifted[:, i] += h
            out.append([(new - old) / h for new, old in zip(self._miss(field, shifted), base)])
        return out

    def _field_slopes(self, field: VectorField, states: Array, base: Sequence[Array]) -> list[list[Array]]:
        """Derivatives of the misfits along each of the k directions of the coefficients."""
        out = []
        h = _STEP * float(np.abs(field.coefficients).max())
        for unit in np.eye(self.basis.shape[1]):
            moved = self._miss(self._moved(field, h * unit), states)
            out.append([(new - old) / h for new, old in zip(moved, base)])
        return out

    def _miss(self, field: VectorField, states: Array) -> list[Array]:
        """(simulated - measured) / noise of each piece, flattened; huge where a simulation breaks down."""
        starts = [replace(start, state=state) for start, state in zip(self.starts, states)]
        out = []
        for path, start in zip(rollouts(field, starts, _TIGHT), starts):
            miss = np.full(start.measured.shape, 1e3)
            miss[: len(path)] = (path - start.measured[: len(path)]) / self.noise
            out.append(miss.ravel())
        return out


def _directions(model: Model) -> Array:
    """Orthonormal directions (n p, k) that keep the zeros and the constraints of the model."""
    dropped = np.flatnonzero(~model.support.ravel())
    zeros = np.zeros((len(dropped), model.support.size))
    zeros[np.arange(len(dropped)), dropped] = 1.0
    if model.constraint is None:
        return np.eye(model.support.size)[:, model.support.ravel()]
    return free_directions(model.constraint & LinearConstraint(zeros) if len(dropped) else model.constraint)
