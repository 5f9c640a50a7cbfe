"""The noise estimate: right within 15 % for noisy runs, far below the range for clean ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import make_interp_spline

from dynsym.trajectory import Trajectory, noise_level, quality, resolution
from dynsym.trajectory.noise import window_residuals


def kepler(t: float, s: np.ndarray) -> list[float]:
    r3 = np.hypot(s[0], s[1]) ** 3
    return [s[2], s[3], -s[0] / r3, -s[1] / r3]


def lorenz(t: float, s: np.ndarray) -> list[float]:
    return [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]


def solve(rhs, start: list[float], end: float) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[no-untyped-def]
    t = np.linspace(0, end, 500)
    return t, solve_ivp(rhs, (0, end), start, t_eval=t, rtol=1e-11, atol=1e-12, method="DOP853").y.T


SYSTEMS = {
    "sine": (np.linspace(0, 20, 500), np.sin(np.linspace(0, 20, 500))[:, None]),
    "lorenz": solve(lorenz, [-8.0, 7.0, 27.0], 10.0),
    "kepler": solve(kepler, [0.4, 0.0, 0.0, 2.0], 4 * np.pi),
}


def sampled(name: str, even: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    t, x = SYSTEMS[name]
    if even:
        return t, x
    moved = t + np.r_[0, rng.uniform(-0.4, 0.4, t.size - 2), 0] * (t[1] - t[0])
    return moved, make_interp_spline(t, x, k=7)(moved)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("name", list(SYSTEMS))
@pytest.mark.parametrize("seed", range(3))
def test_one_percent_noise_is_found_within_15_percent(name: str, even: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    t, x = sampled(name, even, rng)
    sd = 0.01 * np.ptp(x, axis=0)
    found = noise_level([Trajectory(t, x + sd * rng.standard_normal(x.shape))])
    np.testing.assert_allclose(found, sd, rtol=0.15)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize(("name", "floor"), [("sine", 1e-8), ("kepler", 1e-8), ("lorenz", 5e-6)])
def test_clean_data_have_little_noise(name: str, even: bool, floor: float) -> None:
    t, x = sampled(name, even, np.random.default_rng(0))
    assert (noise_level([Trajectory(t, x)]) < floor * np.ptp(x, axis=0)).all()


def test_weights_annihilate_polynomials_and_agree_with_a_fit() -> None:
    """Slow twin: order + 1 points leave one residual beside a polynomial of degree order - 1."""
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.uniform(0.1, 1.0, 30))
    x = rng.standard_normal((30, 2))
    for order in (2, 4, 6):
        starts = np.arange(30 - order)
        got = window_residuals(t, x, order, starts)
        for k in starts[::5]:
            s = (t[k : k + order + 1] - t[k]) / (t[k + order] - t[k])
            basis = np.vander(s, order)
            window = x[k : k + order + 1]
            residual = window - basis @ np.linalg.lstsq(basis, window, rcond=None)[0]
            np.testing.assert_allclose(np.abs(got[k]), np.linalg.norm(residual, axis=0), atol=1e-9)
        smooth = np.polynomial.polynomial.polyval(t / t[-1], rng.standard_normal((order, 1)))
        assert np.abs(window_residuals(t, smooth.T, order, starts)).max() < 1e-11


def test_runs_and_gaps_are_pooled_but_never_bridged() -> None:
    """A jump between runs, or where samples are missing, is no noise."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 20)
    runs = [Trajectory(t, 100.0 * k + np.sin(t) + 0.01 * rng.standard_normal(20)) for k in range(50)]
    np.testing.assert_allclose(noise_level(runs), 0.01, rtol=0.15)
    x = np.c_[np.concatenate([run.x[:, 0] % 100 for run in runs]), rng.standard_normal(1000)]
    x[::20, 0] = np.nan
    long = Trajectory(np.arange(1000.0), x)
    assert np.isfinite(noise_level([long])).all()


def test_each_state_uses_its_own_samples() -> None:
    """Two sensors that take turns never give a complete sample, and still have a noise level."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 10, 1000)
    x = np.c_[np.sin(t), np.cos(t)] + 0.01 * rng.standard_normal((1000, 2))
    x[::2, 0] = np.nan
    x[1::2, 1] = np.nan
    np.testing.assert_allclose(noise_level([Trajectory(t, x)]), 0.01, rtol=0.15)


def test_outliers_count_little() -> None:
    rng = np.random.default_rng(0)
    t = np.linspace(0, 20, 2000)
    x = np.sin(t) + 0.01 * rng.standard_normal(2000)
    x[::200] += 5.0
    np.testing.assert_allclose(noise_level([Trajectory(t, x)]), 0.01, rtol=0.3)


def test_too_few_samples_give_no_estimate() -> None:
    assert np.isnan(noise_level([Trajectory([0, 1, 2, 3], [0, 1, 0, 1])])).all()
    assert np.isnan(noise_level([Trajectory([0.0], [1.0])] * 100)).all()


def test_long_runs_use_a_part_that_is_spread_over_all() -> None:
    """Noise that grows along a long run is averaged over the run, not read off its start."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 300_000)
    found = noise_level([Trajectory(t, rng.standard_normal(t.size) * (1 + (t > 0.5)))])
    assert 1.2 < found[0] < 1.8


def test_stored_steps_are_a_floor_for_the_noise() -> None:
    t = np.linspace(0, 20, 4000)
    run = Trajectory(t, np.round(np.sin(t), 2))
    np.testing.assert_allclose(resolution([run]), 0.01, rtol=1e-6)
    assert noise_level([run])[0] >= 0.01 / np.sqrt(12) * (1 - 1e-6)
    assert any("stored in steps of 0.01" in warning for warning in quality([run]).warnings)


@pytest.mark.parametrize("values", [np.arange(100.0), np.sin(np.linspace(0, 9, 100))])
def test_a_ramp_or_a_smooth_state_is_not_stored_in_steps(values: np.ndarray) -> None:
    assert np.isnan(resolution([Trajectory(np.arange(100), values)])).all()
