"""States that are linear in the others on all data: functions of them are known only up to what vanishes there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..dictionary import Dictionary
from ..sections import text_of
from ..trajectory import Trajectory

_MOST_ROWS = 20_000
_BEYOND = 1.2  # times the noise: what may be left of a state that depends on others
_ROUNDING = 1e-7  # of the spread of a state, likewise
_EXPLAINED = 0.3  # of the spread: more than that left, and there is no relation to speak of
_WEIGHT = 0.01  # of the spread of a state: contributions below it are left out of the text


@dataclass(frozen=True)
class Dependent:
    """The states that others determine, and how, in words.

    Attributes
    ----------
    states
        Their numbers.
    relations
        Such as "s = x + 2*v".
    """

    states: tuple[int, ...] = ()
    relations: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line, or none."""
        if not self.relations:
            return ()
        return (
            f"{', '.join(self.relations)} in all samples, to within the noise: functions that agree where that holds are one "
            "law here, and only those without the state on the left are listed",
        )

    def free(self, dictionary: Dictionary, points: Array) -> npt.NDArray[np.bool_]:
        """(p,) terms that do not contain a dependent state."""
        if not self.states:
            return np.ones(dictionary.n_terms, dtype=bool)
        slope = dictionary.jacobian(points)[:, :, list(self.states)]
        return np.asarray(~slope.any(axis=(0, 2)))


def dependent_states(runs: Sequence[Trajectory], noise: Array) -> Dependent:
    """Each state regressed on the independent ones before it; what is left has to stand out of the noise.

    Parameters
    ----------
    runs
        Incomplete samples are left out.
    noise
        (n,) standard deviation of the measurement noise.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> from dynsym.findings._dependent import dependent_states
    >>> t = np.linspace(0, 6, 50)
    >>> x, v = np.cos(t), -np.sin(t)
    >>> run = dy.Trajectory(t, np.c_[x, v, x + 2 * v], names=("x", "v", "s"))
    >>> dependent_states([run], np.zeros(3)).relations
    ('s = x + 2*v',)
    """
    x = np.concatenate([run.x[np.isfinite(run.x).all(axis=1)] for run in runs])
    x = x[:: max(1, len(x) // _MOST_ROWS)]
    spread = x.std(axis=0) if len(x) else np.zeros(x.shape[1])
    if len(x) <= 2 * x.shape[1] or not (spread > 0).any():
        return Dependent()
    z = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0) / np.sqrt(len(x))
    share = noise / np.where(spread > 0, spread, 1.0)
    free: list[int] = []
    states: list[int] = []
    relations: list[str] = []
    for j in np.flatnonzero(spread > 0):
        weights = np.linalg.lstsq(z[:, free], z[:, j], rcond=None)[0]
        left = float(np.linalg.norm(z[:, j] - z[:, free] @ weights))
        expected = float(np.sqrt(share[j] ** 2 + np.sum((weights * share[free]) ** 2)))
        if left > min(_BEYOND * expected + _ROUNDING, _EXPLAINED):
            free.append(int(j))
            continue
        names = runs[0].names
        c = np.where(np.abs(weights) > _WEIGHT, weights * spread[j] / spread[free], 0.0)
        constant = float(x[:, j].mean() - c @ x[:, free].mean(axis=0))
        constant = constant if abs(constant) > _WEIGHT * spread[j] else 0.0
        said = text_of(
            ["1", *(names[k] for k in free)], np.array([float(f"{v:.4g}") for v in (constant, *c)])
        )
        states.append(int(j))
        relations.append(f"{names[j]} = {said}")
    return Dependent(tuple(states), tuple(relations))
