"""How constant functions are along runs: energies of their variation, the noise taken off, with sampling errors.

For h = c . theta, y noisy states and g the unbiased theta (`Unbiased`), a run with orthonormal zero-mean test functions
P (K, m) has

    |P g c|^2  =  |P theta c|^2  +  sum_i l_i v_i  +  fluctuation,      l_i = sum_k P_ki^2,   v_i = c^T V(x_i) c.

All m - 1 of them give the within-run variance; the slow ones, phi_k' of functions phi_k that vanish at both ends, are rows
of the weak form, int phi_k' h dt = 0 for a conserved h. The slow rows carry all motion that the samples resolve but only
K / m of the noise, and the fast ones measure the noise of h itself.

Each energy is compared with what it would be if the states moved independently, sum_ik Var_run(x_k) (d_k h)^2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..dictionary import Dictionary
from ..spectral import relative_spectrum
from ._ensemble import Ensemble
from ._unbiased import Unbiased

_SHARES = (1 / 16, 1 / 8, 1 / 4)  # slow test functions per sample
_RESOLVED = 0.8  # share of the tolerance that may be faster than the slow rows
_REMEMBERED = 6
_RESTING = 0.05  # of the mean motion squared, that a state at rest is taken to have
# Of the noise variance of h to the expected one, up to which noise that differs between runs or states is held responsible;
# that the functions have no variation of their own there has been tested.
_NOISE_RATIO = 4.0
Part = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Energy:
    """One function's energy of variation over some runs.

    Attributes
    ----------
    raw, noise
        As observed, and the share of it that noise is expected to have.
    variance
        Sampling variance of raw - noise for a constant function.
    largest
        Largest noise variance in any row.
    size
        Energy if the states moved independently.
    """

    raw: float
    noise: float
    variance: float
    largest: float
    size: float

    def __add__(self, other: Energy) -> Energy:
        return Energy(
            self.raw + other.raw,
            self.noise + other.noise,
            self.variance + other.variance,
            max(self.largest, other.largest),
            self.size + other.size,
        )

    @property
    def estimate(self) -> float:
        """Energy without that of the noise; it can be negative."""
        return self.raw - self.noise

    def share(self, energy: float) -> float:
        """sqrt(energy / size)."""
        return float(np.sqrt(max(energy, 0.0) / max(self.size, 1e-300)))

    def bounds(self, z: float) -> tuple[float, float]:
        """Lower and upper bound of the relative drift at z standard deviations.

        u solves u = est + z sqrt(var + 4 u l): noise enters the square of a function that does vary as well.
        """
        shift = self.estimate + 2 * z**2 * self.largest
        root = float(np.sqrt(max(shift**2 - self.estimate**2 + z**2 * self.variance, 0.0)))
        return self.share(shift - root), self.share(shift + root)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one kind (all zero-mean ones, or the slow ones) as triangular factors and noise Grams, one per fold.

    Attributes
    ----------
    factors
        (2, k, p): R with |R c|^2 the energy.
    noise
        (2, p, p) Gram matrix of the noise in it.
    leverage
        (m,) l_i.
    """

    factors: tuple[Array, Array]
    noise: Array
    leverage: Array


@dataclass(frozen=True, eq=False)
class Constancy:
    """A dictionary on an ensemble of runs, in two folds of whole runs.

    Attributes
    ----------
    ensemble, unbiased, values
        The runs, the functions, and their values (m, p) with the bias of noise removed.
    every, slow
        Rows of all zero-mean test functions and of the slow ones; `slow` is None where they do not resolve the motion.
    sizes
        (2, p, p) Gram of independent motion in each fold.
    fold
        (R,) 0 or 1.
    """

    ensemble: Ensemble
    unbiased: Unbiased
    values: Array
    every: Rows
    slow: Rows | None
    sizes: Array
    fold: npt.NDArray[np.intp]
    _seen: dict[bytes, tuple[Array, Array, Array]] = field(default_factory=dict)

    @classmethod
    def of(cls, ensemble: Ensemble, dictionary: Dictionary, delta: float) -> Constancy:
        """Rows of every kind; the slow ones are the fewest that leave less than a set share of delta to faster variation."""
        unbiased = Unbiased(dictionary, ensemble.sd, ensemble.spread)
        values = unbiased.values(ensemble.x)
        fold = _folds(ensemble)
        every = _rows(ensemble, unbiased, values, fold, None)
        sizes = _sizes(ensemble, unbiased, fold)
        slow = None
        for share in _SHARES:
            trial = _rows(ensemble, unbiased, values, fold, ensemble.modes(share))
            if _resolved(every, trial, sizes, len(ensemble.x), delta):
                slow = trial
                break
        return cls(ensemble, unbiased, values, every, slow, sizes, fold)

    @cached_property
    def slopes(self) -> Array:
        """(m, p, n) D theta at the observed states."""
        return self.unbiased.dictionary.jacobian(self.ensemble.x)

    @cached_property
    def run_means(self) -> Array:
        """(R, p) mean of each unbiased function in each run."""
        return self.ensemble.means(self.values)

    @property
    def rows(self) -> Rows:
        """The rows that directions are read from."""
        return self.every if self.slow is None else self.slow

    def size_of(self, folds: tuple[int, ...]) -> Array:
        """Gram of independent motion over folds, (p, p)."""
        return np.asarray(sum(self.sizes[f] for f in folds))

    def operator(self, folds: tuple[int, ...] = (0, 1)) -> Array:
        """L with |L c|^2 the energy of h without that of the noise: (k, p), by singular values wherever noise allows."""
        factor = np.concatenate([self.rows.factors[f] for f in folds])
        noise = np.asarray(sum(self.rows.noise[f] for f in folds))
        size = self.size_of(folds)
        spectrum = relative_spectrum(factor, size, "")
        basis, energies = spectrum.vectors, spectrum.values**2
        if noise.any():
            # The basis is sorted by size, so that the small entries of this graded matrix keep their digits.
            energies, turn = np.linalg.eigh(np.diag(energies) - basis.T @ noise @ basis)
            basis = basis @ turn
        return np.asarray(np.sqrt(np.maximum(energies, 0.0))[:, None] * (basis.T @ size))

    def noise_of(self, c: Array) -> Array:
        """(m,) first-order noise variance of h at each sample."""
        return self._profile(c)[0]

    def neglected(self, c: Array) -> float:
        """Share of h's independent motion that its second-order bias from noise has; 0 where the bias is removed exactly."""
        if self.unbiased.exact or not self.unbiased.sd.any():
            return 0.0
        weight = self.ensemble.weights[self.ensemble.run]
        bias2 = float(np.sum(weight * (self.bias @ c) ** 2))
        return float(np.sqrt(bias2 / max(float(c @ self.size_of((0, 1)) @ c), 1e-300)))

    @cached_property
    def bias(self) -> Array:
        """(m, p) the second-order bias that was taken off."""
        return self.unbiased.correction(self.ensemble.x)

    def energy(self, c: Array, folds: tuple[int, ...] = (0, 1), slow: bool = True) -> Energy:
        """Energy of h = c . theta over folds, in slow rows or in all."""
        rows = self.slow if slow and self.slow is not None else self.every
        raw, noise = _quadratic(rows, c, folds)
        part = np.isin(self.fold, folds)[self.ensemble.run]
        weight = self.ensemble.weights[self.ensemble.run][part]
        _, spread, fourth = self._profile(c)
        v, excess = spread[part], fourth[part]
        ratio, ratio_variance = 1.0, 0.0
        if rows is not self.every:
            ratio, ratio_variance = self._noise_ratio(c, folds)
        leverage = rows.leverage[part]
        variance = float(np.sum(weight**2 * (2 * leverage * v**2 + leverage**2 * excess)))
        variance += noise**2 * ratio_variance
        size = float(c @ self.size_of(folds) @ c)
        return Energy(raw, ratio * noise, variance, float(np.max(weight * v, initial=0.0)), size)

    def _noise_ratio(self, c: Array, folds: tuple[int, ...]) -> tuple[float, float]:
        """Noise variance in the fast rows over the expected one, within what an error of the stated noise explains."""
        assert self.slow is not None
        (raw, noise), (low, low_noise) = _quadratic(self.every, c, folds), _quadratic(self.slow, c, folds)
        if noise - low_noise <= 0:
            return 1.0, 0.0
        part = np.isin(self.fold, folds)[self.ensemble.run]
        count = float(np.sum(1 - self.slow.leverage[part]))
        ratio = float(np.clip((raw - low) / (noise - low_noise), 0.0, _NOISE_RATIO))
        return ratio, 2 * ratio**2 / max(count, 1.0)

    def _profile(self, c: Array) -> tuple[Array, Array, Array]:
        """Three (m,): the expected noise variance v of h; the same, in each run at least what h varies by, since noise need
        not be alike in all runs; and by how much the fourth moment of h exceeds that of normal noise, never negative."""
        key = c.tobytes()
        if key not in self._seen:
            # Only the last few functions are asked for again.
            for old in list(self._seen)[: -_REMEMBERED + 1]:
                del self._seen[old]
            v = np.sum((c @ self.slopes * self.unbiased.sd) ** 2, axis=1)
            square = self.ensemble.centred((self.values @ c)[:, None])[:, 0] ** 2
            observed, expected = self.ensemble.means(np.stack([square, v], axis=1)).T
            more = np.divide(observed, expected, out=np.ones_like(observed), where=expected > 0)
            flat = np.where(expected > 0, 0.0, observed)
            spread = v * np.maximum(more, 1.0)[self.ensemble.run] + flat[self.ensemble.run]
            self._seen[key] = (v, spread, np.maximum((square - spread) ** 2 - 2 * spread**2, 0.0))
        return self._seen[key]

    def faster(self, c: Array, z: float, folds: tuple[int, ...] = (0, 1)) -> bool:
        """Whether h varies faster than the slow rows see, beyond what noise and an error of its level explain."""
        if self.slow is None:
            return False
        full, low = self.energy(c, folds, slow=False), self.energy(c, folds)
        (raw, noise), (low_raw, low_noise) = _quadratic(self.every, c, folds), _quadratic(self.slow, c, folds)
        limit = _NOISE_RATIO * (noise - low_noise) + z * np.sqrt(full.variance) + 1e-10 * low.size
        return bool(raw - low_raw > limit + 1e-3 * max(low_raw, 0.0))

    def contrast(self, c: Array) -> tuple[float, int]:
        """Energy of the differences between runs, noise taken off, and how many distinct values the runs show."""
        means = self.run_means @ c
        lengths, weight = np.diff(self.ensemble.starts), self.ensemble.weights
        error2 = self.ensemble.means(self.noise_of(c)[:, None])[:, 0] / lengths
        w = weight * lengths
        if not w.any():
            return 0.0, 0
        energy = float(np.sum(w * ((means - np.average(means, weights=w)) ** 2 - error2)))
        live = w > 0
        order = np.argsort(means[live])
        value, error = means[live][order], np.sqrt(error2[live][order])
        least = np.maximum(0.01 * (value[-1] - value[0]), 4 * np.maximum(error[1:], error[:-1]))
        return energy, 1 + int(np.count_nonzero(np.diff(value) > least))


def _folds(ensemble: Ensemble) -> npt.NDArray[np.intp]:
    """Moving runs dealt out alternately in the order of their motion, so that both folds see small and large ones."""
    size = np.sum(ensemble.motion / ensemble.spread**2, axis=1)
    fold = np.zeros(ensemble.n_runs, dtype=np.intp)
    fold[np.argsort(-size, kind="stable")] = (np.arange(ensemble.n_runs) + 1) // 2 % 2
    return fold


def _rows(
    ensemble: Ensemble,
    unbiased: Unbiased,
    values: Array,
    fold: npt.NDArray[np.intp],
    modes: list[Array] | None,
) -> Rows:
    roots = np.sqrt(ensemble.weights)
    lengths = np.diff(ensemble.starts)
    if modes is None:
        leverage = (1 - 1 / lengths)[ensemble.run]
        centred = ensemble.centred(values)
        blocks = [root * centred[part] for root, part in zip(roots, ensemble.slices)]
    else:
        leverage = np.concatenate([np.sum(q**2, axis=1) for q in modes])
        blocks = [root * (q.T @ values[part]) for root, q, part in zip(roots, modes, ensemble.slices)]
    factors = [np.zeros((0, values.shape[1]))] * 2
    for f in (0, 1):
        own = [block for block, k in zip(blocks, fold) if k == f]
        stacked = np.concatenate(own) if own else factors[f]
        factors[f] = (
            np.asarray(np.linalg.qr(stacked, mode="r")) if len(stacked) > values.shape[1] else stacked
        )
    weight = (leverage * ensemble.weights[ensemble.run])[:, None] * np.stack(
        [fold[ensemble.run] == 0, fold[ensemble.run] == 1], axis=1
    )
    return Rows((factors[0], factors[1]), unbiased.noise_grams(ensemble.x, weight), leverage)


def _sizes(ensemble: Ensemble, unbiased: Unbiased, fold: npt.NDArray[np.intp]) -> Array:
    """Gram of independent motion. A state that rests while others move counts as moving a little, in its own spread over
    the runs: it is conserved if it varies by less than that."""
    spread2 = np.maximum(ensemble.x.var(axis=0) - ensemble.sd**2, 0.0)
    spread2 = np.where(spread2 > 0.1 * ensemble.sd**2, spread2, 0.0)
    typical = np.mean(ensemble.motion / ensemble.spread**2, axis=1)
    motion = np.maximum(ensemble.motion, _RESTING * typical[:, None] * spread2)
    weight = (ensemble.weights[:, None] * motion)[ensemble.run]
    own = np.stack([fold[ensemble.run] == 0, fold[ensemble.run] == 1], axis=1)
    return unbiased.slope_grams(ensemble.x, weight[:, :, None] * own[:, None, :])


def _quadratic(rows: Rows, c: Array, folds: tuple[int, ...]) -> tuple[float, float]:
    raw = sum(float(np.sum((rows.factors[f] @ c) ** 2)) for f in folds)
    return raw, sum(float(c @ rows.noise[f] @ c) for f in folds)


def _resolved(every: Rows, slow: Rows, sizes: Array, samples: int, delta: float) -> bool:
    """Whether each function's variation in the other rows, noise taken off, is below a share of delta^2 of its size."""
    size = np.diagonal(sizes.sum(axis=0))
    raw = sum(np.sum(a**2, axis=0) for a in every.factors) - sum(np.sum(a**2, axis=0) for a in slow.factors)
    noise = np.diagonal((every.noise - slow.noise).sum(axis=0))
    rest = np.abs(raw - noise) + 2 * noise * np.sqrt(2 / samples)
    return bool(np.all((rest <= (_RESOLVED * delta) ** 2 * size)[size > 0]))
