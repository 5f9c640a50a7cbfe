"""Runs and fields of the reference systems: reproducible, accurate, and true to the stated equations."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from dynsym import systems
from dynsym._checks import DataError

NAMES = systems.names()


def points_of(system: systems.System, m: int = 50) -> np.ndarray:
    """Initial states, one per row."""
    return np.stack([system.start(np.random.default_rng([9, k])) for k in range(m)])


@pytest.mark.parametrize("name", NAMES)
def test_field_is_the_stated_right_hand_side(name: str) -> None:
    system = systems.get(name)
    x = points_of(system)
    expected = system.evaluate(x)
    assert np.allclose(system.field().evaluate(x), expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("name", NAMES)
def test_evaluate_is_plain_substitution(name: str) -> None:
    system = systems.get(name)
    point = points_of(system, 1)[0]
    values = dict(zip(system.symbols, point.tolist()))
    slow = [float(f.evalf(30, subs=values)) for f in system.rhs]
    assert np.allclose(system.evaluate(point)[0], slow, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_runs_are_finite_named_and_conserve_what_is_listed(name: str) -> None:
    system = systems.get(name)
    runs = system.runs(n_runs=3, n_samples=120)
    quantities = sympy.lambdify(system.symbols, list(system.invariants), "numpy", cse=True)
    for run in runs:
        assert run.x.shape == (120, len(system.states))
        assert run.names == system.states
        assert np.isfinite(run.x).all()
        assert np.allclose(run.dxdt, system.evaluate(run.x), rtol=1e-13, atol=1e-13)
        for h in quantities(*run.x.T):
            assert np.ptp(h) < 1e-8 * max(1.0, float(np.abs(h).max()))


@pytest.mark.parametrize("name", NAMES)
def test_runs_start_in_a_region_of_full_dimension(name: str) -> None:
    x = points_of(systems.get(name), 200)
    spread = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    assert spread[-1] > 1e-2 * spread[0]


@pytest.mark.parametrize("name", ["kepler_3d", "three_body_planar", "lorenz", "sir"])
def test_derivatives_are_those_of_the_path(name: str) -> None:
    """Slow twin of `dxdt`: central differences along one finely sampled run."""
    run = systems.get(name).runs(n_runs=1, n_samples=20_001)[0]
    step = run.t[1] - run.t[0]
    slope = (run.x[:-4] - 8 * run.x[1:-3] + 8 * run.x[3:-1] - run.x[4:]) / (12 * step)
    assert np.allclose(slope, run.dxdt[2:-2], rtol=1e-5, atol=1e-5 * np.abs(run.dxdt).max())


def test_runs_are_reproducible_and_do_not_depend_on_how_many_are_asked_for() -> None:
    system = systems.get("henon_heiles")
    first, again, more = system.runs(2, 40, seed=3), system.runs(2, 40, seed=3), system.runs(3, 40, seed=3)
    other = system.runs(2, 40, seed=4)
    for k in range(2):
        assert np.array_equal(first[k].x, again[k].x)
        assert np.array_equal(first[k].x, more[k].x)
        assert not np.allclose(first[k].x[0], other[k].x[0])


def test_noise_is_relative_independent_and_leaves_nothing_exact() -> None:
    system = systems.get("kepler_2d")
    clean = system.runs(4, 2000, seed=1)
    noisy = system.runs(4, 2000, seed=1, noise=0.05)
    error = np.concatenate([b.x - a.x for a, b in zip(clean, noisy)])
    scale = np.concatenate([run.x for run in clean]).std(axis=0)
    assert np.allclose(error.std(axis=0), 0.05 * scale, rtol=0.05)
    assert np.abs(np.corrcoef(error.T) - np.eye(4)).max() < 0.05
    assert all(run.dxdt is None and run.sd is None for run in noisy)
    assert all(run.dxdt is None for run in system.runs(1, 10, exact_derivatives=False))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_runs": 0}, "n_runs must be at least 1, got 0"),
        ({"n_samples": 1}, "n_samples must be at least 2, got 1"),
        ({"seed": -1}, "seed must not be negative, got -1"),
        ({"noise": -0.1}, "noise must be finite and not negative, got -0.1"),
        ({"noise": float("nan")}, "noise must be finite"),
    ],
)
def test_impossible_requests_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        systems.get("pendulum").runs(**arguments)
