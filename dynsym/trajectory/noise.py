"""Measurement noise read from the samples alone, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np

from dynsym._checks import Array, require
from dynsym.trajectory.trajectory import Trajectory

_ORDERS = range(2, 11)
_FEWEST_WINDOWS = 8
# Enough for a relative error below one percent; more samples only cost time.
_MOST_SAMPLES = 50_000
_BLOCK = 1000
# E min(z^2, 4) for a standard normal z: makes the clipped mean square below unbiased for normal noise.
_CLIP = 4.0
_CLIPPED_MEAN = 0.92053693


def noise_level(runs: Sequence[Trajectory]) -> Array:
    """Estimate the standard deviation of white measurement noise of each state, pooled over runs.

    In each window of k + 1 neighbouring samples the unit weights c that annihilate polynomials of degree
    below k (normalised divided differences) give residuals c . x whose variance is the noise variance plus
    what the smooth motion leaves; the latter falls with k. The scale of the residuals is a clipped mean
    square, so a minority of windows with fast motion or outliers counts little. The lowest order is taken
    whose estimate is the smallest one up to sampling error. Uneven steps are exact, since the weights come
    from the actual times.

    Parameters
    ----------
    runs : sequence of Trajectory
        Runs with the same states; missing samples are skipped.

    Returns
    -------
    ndarray, shape (n,)
        Noise level in the units of the states, at least step/sqrt(12) for states stored in steps; NaN
        where the runs have fewer than eight windows of three samples. For motion that the sampling does
        not resolve it is an upper bound.

    References
    ----------
    J. von Neumann, Distribution of the ratio of the mean square successive difference to the variance,
    Ann. Math. Stat. 12 (1941), for second differences. P. J. Huber, Robust Statistics (1981), section 5, for
    the clipped scale (proposal 2).

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 20, 1000)
    >>> x = np.sin(t) + 0.01 * np.random.default_rng(0).standard_normal(1000)
    >>> bool(abs(noise_level([Trajectory(t, x)])[0] - 0.01) < 0.0015)
    True
    """
    require(len(runs) > 0, "no runs were given")
    n = runs[0].n_states
    complete = not any(np.isnan(run.x).any() for run in runs)
    groups = [list(range(n))] if complete else [[i] for i in range(n)]
    out = np.concatenate([_group_noise(*_pooled(runs, group)) for group in groups])
    steps = resolution(runs)
    return np.fmax(out, steps / np.sqrt(12.0))


def _pooled(runs: Sequence[Trajectory], states: list[int]) -> tuple[Array, Array, Array]:
    """Return times (m,), states and block numbers (m,) of complete samples, in blocks of neighbours."""
    total = sum(len(run) for run in runs)
    every = -(-total // _MOST_SAMPLES)
    blocks: list[tuple[Array, Array]] = []
    seen = 0
    for run in runs:
        for start in range(0, len(run), _BLOCK if every > 1 else len(run)):
            stop = start + _BLOCK if every > 1 else len(run)
            if seen % every == 0:
                blocks.append(_complete(run.t[start:stop], run.x[start:stop][:, states]))
            seen += 1
    number = np.repeat(np.arange(len(blocks)), [len(t) for t, _ in blocks]).astype(float)
    return np.concatenate([t for t, _ in blocks]), np.concatenate([x for _, x in blocks]), number


def _complete(t: Array, x: Array) -> tuple[Array, Array]:
    kept = ~np.isnan(x).any(axis=1)
    return (t, x) if kept.all() else (t[kept], x[kept])


def _group_noise(t: Array, x: Array, block: Array) -> Array:
    """Return the noise of the columns of x from the orders that have enough windows."""
    estimates, errors = [], []
    for order in _ORDERS:
        inside = np.flatnonzero(block[order:] == block[:-order]) if len(t) > order else np.empty(0, int)
        if inside.size < _FEWEST_WINDOWS:
            break
        estimates.append(_clipped_scale(window_residuals(t, x, order, inside)))
        # Relative standard error of the root mean square of correlated k-th differences of white noise.
        errors.append(np.sqrt(comb(4 * order, 2 * order) / comb(2 * order, order) ** 2 / (2 * inside.size)))
    if not estimates:
        return np.full(x.shape[1], np.nan)
    table, allowance = np.array(estimates), 1 + np.array(errors)[:, None]
    lowest_order = np.argmax(table <= table.min(axis=0) * allowance, axis=0)
    return np.asarray(table[lowest_order, np.arange(x.shape[1])])


def window_residuals(t: Array, x: Array, order: int, starts: np.ndarray) -> Array:
    """Return c . x per window of order + 1 samples, c the unit vector normal to polynomials below `order`.

    t (m,), x (m, n), starts (w,) -> (w, n). On even steps c is the row of signed binomials.
    """
    w = [t[starts + j] for j in range(order + 1)]
    span = w[-1] - w[0]
    c = np.empty((starts.size, order + 1))
    for j in range(order + 1):
        product = np.ones(starts.size)
        for i in range(order + 1):
            if i != j:
                product *= (w[j] - w[i]) / span
        c[:, j] = 1 / product
    # First by the largest entry: squares of weights of nearly coinciding times would overflow.
    c /= np.abs(c).max(axis=1, keepdims=True)
    c /= np.linalg.norm(c, axis=1, keepdims=True)
    out = np.zeros((starts.size, x.shape[1]))
    for j in range(order + 1):
        out += c[:, j : j + 1] * x[starts + j]
    return out


def _clipped_scale(residuals: Array) -> Array:
    """Return s with mean min(r^2, 4 s^2) = E min(z^2, 4) s^2, columnwise."""
    squares = residuals**2
    scale = squares.mean(axis=0)
    for _ in range(40):
        new = np.minimum(squares, _CLIP * scale).mean(axis=0) / _CLIPPED_MEAN
        if np.allclose(new, scale, rtol=1e-6, atol=0):
            break
        scale = new
    return np.asarray(np.sqrt(scale))


def resolution(runs: Sequence[Trajectory]) -> Array:
    """Return the step in which each state is stored, (n,); NaN where values keep to no lattice.

    Examples
    --------
    >>> resolution([Trajectory(range(6), [0.0, 0.5, 0.5, 1.0, 1.5, 1.5])])
    array([0.5])
    """
    every = -(-sum(len(run) for run in runs) // _MOST_SAMPLES)
    taken = runs if every == 1 or len(runs) < 2 * every else runs[::every]
    stride = 1 if taken is not runs else every
    x = np.concatenate([run.x[::stride] for run in taken])
    return np.array([_lattice_step(column[~np.isnan(column)]) for column in x.T])


def _lattice_step(values: Array) -> float:
    distinct = np.unique(values)
    if distinct.size < 3:
        return float("nan")
    gaps = np.diff(distinct)
    # Decimal steps are not exact in binary: values that differ by rounding alone are one value.
    gaps = gaps[gaps > 1e-9 * (distinct[-1] - distinct[0])]
    count = gaps / gaps.min()
    on_lattice = np.abs(count - np.rint(count)).max() < 1e-3
    # Values that never repeat may be an exact ramp; then the step is the motion, not the instrument.
    return float(gaps.min()) if on_lattice and gaps.size + 1 <= 0.9 * values.size else float("nan")
