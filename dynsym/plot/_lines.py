"""Lines short enough to draw: thinned data, and the model's own orbits at a bounded cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp

from .._checks import Array
from ..trajectory import Trajectory
from ..vector_field import VectorField

_MOST_RUNS = 24
# A picture needs three digits, and a stiff or exploding model must not hold up the page.
_MOST_EVALUATIONS = 20_000
_RTOL = 1e-6
_SMALL_JUMP = 0.25  # in standard deviations of the states


def shown_runs(runs: Sequence[Trajectory], most: int = _MOST_RUNS) -> list[tuple[int, Trajectory]]:
    """At most `most` runs with their index, spread evenly over the list."""
    chosen = np.unique(np.linspace(0, len(runs) - 1, min(most, len(runs))).round().astype(int))
    return [(int(k), runs[int(k)]) for k in chosen]


def resolved(run: Trajectory, most: int) -> npt.NDArray[np.intp]:
    """At most `most` indices from the first sample on, so dense that fast orbits do not become polygons.

    Of a run too long for that only its beginning is shown.
    """
    m = len(run)
    spread = run.x.std(axis=0)
    scaled = run.x[:, spread > 0] / spread[spread > 0]
    stride = -(-m // most)
    while stride > 1 and scaled.shape[1]:
        jump = scaled[stride:] - scaled[:-stride]
        if float(np.sqrt(np.mean(jump**2))) <= _SMALL_JUMP:
            break
        stride //= 2
    return np.arange(0, min(m, most * stride), stride, dtype=np.intp)


def extremes(values: Array, most: int) -> npt.NDArray[np.intp]:
    """Indices of the least and the largest value in each of `most` / 2 stretches: no spike is lost."""
    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), max(most // 2, 1) + 1).astype(int)
    chosen = {0, len(values) - 1}
    for start, stop in pairwise(edges):
        part = values[start:stop]
        if np.isfinite(part).any():
            chosen |= {int(start + np.nanargmin(part)), int(start + np.nanargmax(part))}
        else:
            chosen.add(int(start))
    return np.array(sorted(chosen), dtype=np.intp)


class _TooLongError(Exception):
    """The number of evaluations that a picture is worth is used up."""


def orbit(field: VectorField, x0: Array, t: Array) -> Array:
    """The solution of x' = f(x) from x0 at the times t, as far as it can be followed, (k, n) with k <= m."""
    rhs = field.right_hand_side
    left = _MOST_EVALUATIONS
    reached = [x0]

    def counted(_: float, state: Array) -> Array:
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooLongError
        return rhs(state)

    # Piece by piece, so that what was reached before the budget ran out is kept.
    for piece in np.array_split(np.arange(1, len(t)), min(8, max(len(t) - 1, 1))):
        if not len(piece):
            continue
        span = (t[piece[0] - 1], t[piece[-1]])
        scale = float(np.abs(reached[-1]).max())
        try:
            with np.errstate(all="ignore"):
                out = solve_ivp(
                    counted,
                    span,
                    reached[-1],
                    "DOP853",
                    t_eval=t[piece],
                    rtol=_RTOL,
                    atol=_RTOL * 1e-3 * scale + 1e-300,
                )
        except _TooLongError:
            break
        reached += list(out.y.T[np.isfinite(out.y).all(axis=0)]) if out.t.size else []
        if not out.success or not np.isfinite(reached[-1]).all() or len(out.t) < len(piece):
            break
    return np.array(reached)
