"""Several runs side by side: complete samples, a weight for each run, and smooth test functions along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .._checks import Array, frozen, require
from ..dictionary import Dictionary
from ..inner_product import defined_at
from ..trajectory import AnyRun, Trajectory, excerpts, noise_level
from ..trajectory.noise import window_residuals

Indices = npt.NDArray[np.intp]
_MOST_NUMBERS = 3_000_000  # (m, p, n) slopes held; longer runs are thinned evenly
_FEWEST_SAMPLES = 5
_NOISE_PENALTY = 4.0
_SMALL_MOTION = 0.02
_ORDERS = range(2, 9)
_FEWEST_WINDOWS = 8
_HEAVY = 2.0  # mean square over clipped one, up to which the difference is put down to the law of the noise
_STATED_WRONG = 1.3
_PIECES, _PIECE = 50, 400  # excerpts of a run that stays in a file


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Samples of R runs in one array, run after run.

    Attributes
    ----------
    t, x
        (m,) times and (m, n) states.
    starts
        (R + 1,) where each run begins.
    sd
        (n,) standard deviation of the measurement noise.
    sd_most
        (n,) the largest that is believable: what was stated, where that is larger.
    """

    t: Array
    x: Array
    starts: Indices
    sd: Array
    sd_most: Array

    @property
    def n_runs(self) -> int:
        """Number of runs R that have enough samples to vary."""
        return len(self.starts) - 1

    @property
    def slices(self) -> list[slice]:
        """The samples of each run."""
        return [slice(int(a), int(b)) for a, b in zip(self.starts[:-1], self.starts[1:])]

    @cached_property
    def run(self) -> Indices:
        """(m,) number of the run of each sample."""
        return np.repeat(np.arange(self.n_runs), np.diff(self.starts))

    @cached_property
    def spread(self) -> Array:
        """(n,) standard deviation of each state over all samples, 1 for a constant one."""
        s = self.x.std(axis=0)
        return np.where(s > 0, s, np.maximum(np.abs(self.x).max(axis=0, initial=0.0), 1.0))

    @cached_property
    def motion(self) -> Array:
        """(R, n) variance of each state along each run, that of the noise taken off."""
        raw = np.stack([self.x[part].var(axis=0) for part in self.slices])
        lengths = np.diff(self.starts)[:, None]
        return np.asarray(np.maximum(raw - self.sd**2 * (1 - 1 / lengths), 0.0))

    @cached_property
    def weights(self) -> Array:
        """(R,) of each run: one over its motion squared, so that slow and fast runs count alike, less where noise prevails."""
        size = np.sum(self.motion / self.spread**2, axis=1)
        noise = float(np.sum(self.sd**2 / self.spread**2))
        moving = size[size > 0]
        least = _SMALL_MOTION * float(np.median(moving)) if len(moving) else 1.0
        return np.asarray(np.where(size > 0, 1 / (size + _NOISE_PENALTY * noise + least), 0.0))

    def centred(self, values: Array) -> Array:
        """Values (m, k) less their mean in each run."""
        return values - self.means(values)[self.run]

    def means(self, values: Array) -> Array:
        """Mean of values (m, k) in each run, (R, k)."""
        return np.asarray(np.add.reduceat(values, self.starts[:-1], axis=0) / np.diff(self.starts)[:, None])

    def modes(self, share: float) -> list[Array]:
        """Orthonormal slow test functions of each run, (m_r, K_r): derivatives of functions that vanish at both ends.

        phi_k = sin(k pi t / T) vanishes at 0 and T, so the integral of phi_k' h is 0 for a constant h. The cosines phi_k'
        are made orthogonal to the constants on the samples, so that this holds without any error of quadrature, for
        uneven steps and gaps too. K_r = share * m_r.
        """
        out = []
        for part in self.slices:
            t = self.t[part]
            phase = np.pi * (t - t[0]) / max(float(t[-1] - t[0]), 1e-300)
            k = np.arange(max(1, int(share * len(t))) + 1)
            q, _ = np.linalg.qr(np.cos(phase[:, None] * k))
            out.append(q[:, 1:])
        return out


def ensemble_of(
    runs: Sequence[AnyRun], dictionary: Dictionary, sd: Array | None = None, groups: Sequence[int] = ()
) -> Ensemble:
    """The complete samples of the runs at which the dictionary is defined, and their noise.

    The noise level is read off the samples, since one that is stated too large would hide variation; a stated one is used
    where the samples show more than a third above it, which may be motion that they do not resolve.

    Parameters
    ----------
    runs
        At least one; stretches of one run share a number in `groups`.
    dictionary
        Of the functions that will be evaluated.
    sd
        (n,) noise that overrides what the runs state.
    groups
        (number of runs,) which run each belongs to; default each its own.

    Raises
    ------
    DataError
        If no run has enough complete samples.
    """
    loaded = [(g, part) for g, run in enumerate(runs) for part in _loaded(run)]
    owner = list(groups) if len(groups) == len(runs) else list(range(len(runs)))
    stated = sd if sd is not None else _stated(runs)
    level, most = _noise([part for _, part in loaded], stated)
    total = sum(len(part) for _, part in loaded) * dictionary.n_terms * dictionary.n_states
    stride = max(1, -(-total // _MOST_NUMBERS))
    collected: dict[int, list[tuple[Array, Array]]] = {}
    for g, part in loaded:
        x, t = part.x[::stride], part.t[::stride]
        complete = np.flatnonzero(np.isfinite(x).all(axis=1))
        good = complete[defined_at(dictionary, x[complete])]
        collected.setdefault(owner[g], []).append((t[good], x[good]))
    joined = [_joined(parts) for parts in collected.values()]
    kept = [(t, x) for t, x in joined if len(t) >= _FEWEST_SAMPLES]
    longest = max((len(t) for t, _ in joined), default=0)
    require(
        bool(kept),
        f"no run has {_FEWEST_SAMPLES} complete samples (the longest has {longest}); "
        "nothing can be said about what is constant along them",
    )
    starts = np.concatenate([[0], np.cumsum([len(t) for t, _ in kept])]).astype(np.intp)
    t, x = np.concatenate([t for t, _ in kept]), np.concatenate([x for _, x in kept])
    return Ensemble(frozen(t), frozen(x), starts, frozen(level), frozen(most))


def _joined(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    parts = sorted(parts, key=lambda part: float(part[0][0]) if len(part[0]) else 0.0)
    return np.concatenate([t for t, _ in parts]), np.concatenate([x for _, x in parts])


def _loaded(run: AnyRun) -> list[Trajectory]:
    return [run] if isinstance(run, Trajectory) else list(excerpts(run, _PIECES, _PIECE))


def _stated(runs: Sequence[AnyRun]) -> Array | None:
    """The root mean square of the stated noise over the samples, or None unless all runs state one."""
    if any(run.sd is None for run in runs):
        return None
    lengths = np.array([len(run) for run in runs], dtype=float)
    squares = np.stack([np.asarray(run.sd) ** 2 for run in runs])
    return np.asarray(np.sqrt(lengths @ squares / lengths.sum()))


def _noise(parts: Sequence[Trajectory], stated: Array | None) -> tuple[Array, Array]:
    """The level to take off, and the largest that is believable: the stated one, if it is larger."""
    usable = [part for part in parts if len(part) > 2]
    read = noise_level(usable) if usable else np.full(parts[0].n_states, np.nan)
    plain = root_mean_square_noise(parts)
    read = np.where(plain <= _HEAVY * read, np.fmax(plain, read), read)
    if stated is None:
        level = np.nan_to_num(read, nan=0.0)
        return level, level
    level = np.where(read <= _STATED_WRONG * stated, read, stated)
    return level, np.fmax(level, stated)


def root_mean_square_noise(runs: Sequence[Trajectory]) -> Array:
    """Noise of each state from differences of all windows, none of them clipped: the least over the orders, (n,).

    `noise_level` is robust: it leaves out what is rare. The bias of a polynomial comes from the mean square, rare or not.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> from dynsym.constancy import root_mean_square_noise
    >>> t = np.linspace(0, 20, 2000)
    >>> x = np.sin(t) + 0.01 * np.random.default_rng(0).standard_t(3, 2000) / np.sqrt(3)
    >>> bool(abs(root_mean_square_noise([dy.Trajectory(t, x)])[0] - 0.01) < 0.002)
    True
    """
    best = np.full(runs[0].n_states, np.nan)
    for order in _ORDERS:
        total, count = 0.0, 0
        for run in runs:
            good = np.isfinite(run.x).all(axis=1)
            t, x = run.t[good], run.x[good]
            starts = np.arange(max(len(t) - order, 0))
            if len(starts):
                total = total + np.sum(window_residuals(t, x, order, starts) ** 2, axis=0)
                count += len(starts)
        if count >= _FEWEST_WINDOWS:
            best = np.fmin(best, np.sqrt(total / count))
    return best
