"""What the verbs find in the reference systems is what is exactly true of them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from reference import (
    KNOWN_DISHONEST,
    KNOWN_FAILURES,
    Outcome,
    closure,
    outcome,
    score_laws,
    score_symmetries,
    true_laws,
)

import dynsym as dy

HEAVY = {"rotated_cubic_oscillator", "three_body_planar", "quartic_spring_3d", "two_body_planar"}
NAMES = dy.systems.names()
CONTROLS = {system.name for system in dy.systems.controls()}
CLEAN = [pytest.param(name, marks=pytest.mark.slow if name in HEAVY else ()) for name in NAMES]
QUICK_NOISY = ["isotropic_oscillator_2d", "kepler_2d", "sir", "lorenz", "van_der_pol", "damped_duffing"]
NOISE, SEEDS = 0.01, (0, 1, 2)


@pytest.mark.parametrize("name", CLEAN)
def test_clean_data_give_exactly_the_truth(name: str) -> None:
    done = outcome(name)
    assert not done.missed
    assert not done.invented
    assert not done.inexact
    for score in done.scores.values():
        assert score.angle < 1e-6
        assert score.worst < 1e-6
    if name in CONTROLS:
        assert all(score.found == 0 for score in done.scores.values())


@pytest.mark.parametrize("name", QUICK_NOISY)
def test_one_percent_noise_changes_nothing_here(name: str) -> None:
    done = outcome(name, NOISE)
    assert not done.invented
    assert not done.missed
    assert all(score.angle < 0.1 for score in done.scores.values())


@cache
def noisy(name: str, seed: int) -> Outcome:
    """One system at 1 % noise."""
    return outcome(name, NOISE, seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_one_percent_noise_invents_nothing(name: str) -> None:
    for seed in SEEDS:
        done = noisy(name, seed)
        assert not done.invented
        assert name not in CONTROLS or not done.missed
        assert not done.missed or (name, NOISE) in KNOWN_FAILURES


@pytest.mark.slow
def test_one_percent_noise_leaves_most_positives_complete() -> None:
    done = [noisy(system.name, seed) for system in dy.systems.positives() for seed in SEEDS]
    assert np.mean([not d.missed for d in done]) >= 0.8


def test_nothing_is_known_to_be_dishonest() -> None:
    assert not KNOWN_DISHONEST


def test_known_failures_name_systems() -> None:
    assert all(name in NAMES for name, _ in KNOWN_FAILURES)


# --- negative controls of the scores themselves


def test_a_finding_of_another_system_counts_as_invented() -> None:
    other, system = dy.systems.get("isotropic_oscillator_2d"), dy.systems.get("anisotropic_oscillator_2d")
    found = dy.symmetries(other.field(), dy.generators.affine(4))
    score = score_symmetries(found, system, system.symmetries_affine)
    assert not score.complete
    assert score.angle > 1.5
    assert score.worst > 0.05
    # Four generators mix the oscillators, and one turns (y, vy) at the wrong rate.
    assert len(score.invented) == len(score.inexact) == 5
    laws = dy.conserved_quantities(other.field(), dy.Monomials(4, 2))
    judged = score_laws(laws, system)
    assert judged.invented
    assert judged.angle > 0.1


def test_a_slightly_wrong_generator_is_honest_but_inexact() -> None:
    """The rotation of Hopf's system with one entry off by eps has an exact defect of order eps."""
    hopf = dy.systems.get("hopf")
    x, y = hopf.symbols
    found = dy.symmetries(hopf.field(), dy.generators.affine(2))
    near = dy.systems.SymmetryAlgebra(1, "R", ((-y + x / 50, x),))
    assert score_symmetries(found, hopf, near).angle == pytest.approx(0.02 / np.sqrt(2), rel=0.02)
    far = dy.systems.SymmetryAlgebra(1, "R", ((-y + x / 2, x),))
    assert score_symmetries(found, hopf, far).inexact


def test_closure_adds_the_products_a_dictionary_expresses() -> None:
    """Three components of q x v in poly(4) have six products, which the table lists beside energy."""
    system = dy.systems.get("quartic_spring_2d")
    listed = true_laws(system.name)
    found = dy.conserved_quantities(system.field(), listed[0].dictionary)
    assert len(found.functions) == 2
    assert len(closure(found.functions, found.region)) == len(listed) == 3
