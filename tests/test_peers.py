"""The headline systems of other packages, from states alone: the quick ones here, all of them in the benchmark."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import peer_systems as peers
import pytest
from peer_reading import independent_states

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))

import bench_peers as bench

import dynsym as dy

CASES = {case.name: case for case in bench.CASES}
MODEL = [
    "isotropic oscillator",
    "oscillator 1:2",
    "oscillator 1:sqrt 2",
    "cyclic Lotka-Volterra",
    "mass on a spring",
]
SLOW_MODEL = [
    "Kepler, uniform starts",
    "three bodies",
    "quartic spring, plane",
    "quartic spring, space",
    "two bodies at rest",
    "pendulum",
    "double pendulum",
]
RUNS = [
    *MODEL,
    "Kepler, uniform starts",
    "fluid triangle",
    "pendulum on a circle",
    "damped pendulum, circle",
    "Lotka-Volterra",
    "pendulum, random times",
]
SLOW_RUNS = [
    "two bodies at rest",
    "three bodies",
    "quartic spring, plane",
    "quartic spring, space",
    "Kepler, random times",
    "double pendulum",
]


def marked(quick: list[str], slow: list[str]) -> list[object]:
    return [*quick, *(pytest.param(name, marks=pytest.mark.slow) for name in slow)]


@pytest.mark.parametrize("name", marked(MODEL, SLOW_MODEL))
def test_every_law_and_no_other_from_the_learned_dynamics(name: str) -> None:
    case = CASES[name]
    runs = case.runs()
    assert case.model is not None
    assert bench.is_right(bench.by_model(runs, case.model), case, runs)


@pytest.mark.parametrize("name", marked(RUNS, SLOW_RUNS))
def test_every_law_and_no_other_along_the_runs(name: str) -> None:
    case = CASES[name]
    runs = case.runs()
    assert bench.is_right(bench.by_runs(runs, case.along), case, runs)


def test_a_surface_that_holds_all_data_certifies_nothing_beside_it() -> None:
    """On x^2 + y^2 = 1 the dynamics off the circle are not in the data: the model reading must not claim a law there."""
    case = CASES["pendulum on a circle"]
    found = bench.by_model(case.runs(), bench.AUTO)
    assert not found.functions


@pytest.mark.parametrize("name", ["lorenz", "van_der_pol", "damped_oscillator", "damped_duffing"])
def test_nothing_is_constant_along_runs_of_the_controls(name: str) -> None:
    runs = dy.systems.get(name).runs(10, 300)
    found = dy.conserved_quantities(runs, dy.Monomials(len(runs[0].names), 4, names=runs[0].names))
    assert not found.functions


def test_a_detuned_oscillator_loses_the_third_law() -> None:
    """Negative control of the resonance: 1 : 2.002 keeps the energies only."""
    found = dy.conserved_quantities(peers.oscillator(4.008), dy.Monomials(4, 3, names=("x", "y", "vx", "vy")))
    third = [law for law in found.findings[2:] if law.verdict.status == "certified"]
    assert all(law.verdict.lower > 0 for law in third), "it varies, and says so"


def test_the_count_is_wrong_when_the_truth_is() -> None:
    """Negative control of the comparison: another number, and another formula."""
    case = CASES["mass on a spring"]
    runs = case.runs()
    found = bench.by_runs(runs, case.along)
    assert bench.is_right(found, case, runs)
    assert not bench.is_right(found, replace(case, count=2), runs)
    assert not bench.is_right(found, replace(case, true="x^2 + 1.1*v^2"), runs)


def test_states_that_are_linear_in_others_are_counted_as_relations() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 2))
    run = dy.Trajectory(np.arange(50.0), np.column_stack([x, x @ [1.0, -2.0] + 3.0]), names=("a", "b", "c"))
    short, left_out = independent_states([run])
    assert left_out == ("c",)
    assert short[0].names == ("a", "b")


@pytest.mark.parametrize("sd", [0.03, 0.5])
def test_noise_never_makes_a_false_law(sd: float) -> None:
    """The pendulum with errors in both states: certified and right, or nothing."""
    clean = peers.lu_pendulum(60, 200, step=0.1)
    terms, inside = (
        dy.parse_dictionary(text, ("q", "p")) for text in ("poly(1) + fourier(1)", "poly(2) + fourier(1)")
    )
    found = dy.conserved_quantities(dy.fit(peers.with_noise(clean, sd), terms, penalty=dy.Stepwise()), inside)
    x = np.concatenate([run.x for run in clean])
    energy = x[:, 1] ** 2 / 2 - np.cos(x[:, 0])
    assert len(found.functions) == (1 if sd < 0.1 else 0)
    for law in found.functions:
        assert abs(np.corrcoef(law.evaluate(x), energy)[0, 1]) > 0.9999
