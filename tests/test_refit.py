"""The refit chain: it gains where there is a symmetry, and keeps the plain fit where there is none."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import dynsym as dy
from dynsym.inner_product import generic_region
from dynsym.lie_derivative import symmetry_matrix
from dynsym.refit import rollout

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))
from bench_chain import Chain, chain, truth


@cache
def done(seed: int) -> Chain:
    """The chain and its peers on the data of one seed."""
    return chain(seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_chain_beats_the_best_threshold_and_comes_near_the_oracle(seed: int) -> None:
    errors = done(seed).errors
    assert errors["STLSQ"] >= 4 * errors["chain"]
    assert errors["chain"] <= 1.7 * errors["oracle"]  # an efficient estimator has 1.27 in the mean


@pytest.mark.parametrize("seed", [0, 1])
def test_polished_generators_and_coefficients_agree(seed: int) -> None:
    """The kept field is equivariant under the moved generators, and these close as so(3) does."""
    kept = done(seed).refit
    assert len(kept.generators) == 3
    matrix = symmetry_matrix(kept.generators, kept.field, generic_region(kept.field.dictionary))
    assert np.linalg.norm(matrix.operator) < 1e-9 * np.linalg.norm(matrix.parts)
    algebra = dy.symmetries(kept.field, kept.generators).algebra
    assert algebra is not None
    assert algebra.name == "so(3)"
    assert kept.heldout_refit < kept.heldout_plain


def test_moved_generators_are_close_to_the_true_ones() -> None:
    kept, (_, algebra) = done(0).refit, truth()
    flat = [g.coefficients.reshape(3, -1) for g in (kept.generators, algebra)]
    left, right = (np.linalg.qr(rows.T)[0] for rows in flat)
    assert np.linalg.svd(left.T @ right, compute_uv=False)[-1] > 0.99


def test_without_a_symmetry_the_plain_fit_is_kept() -> None:
    lorenz = dy.systems.get("lorenz")
    kept = dy.refit(lorenz.runs(4, 300, noise=0.01), dy.Monomials(3, 2), dy.generators.affine(3))
    assert len(kept.generators) == 0
    assert "plain fit is kept" in kept.message
    assert kept.model is kept.plain
    assert kept.heldout_refit == kept.heldout_plain
    assert kept.rollout_refit == kept.rollout_plain


def test_a_generic_cubic_field_is_not_made_rotation_invariant() -> None:
    rng = np.random.default_rng(3)
    dictionary = dy.Monomials(3, 3)
    field = dy.VectorField(dictionary, rng.standard_normal((3, dictionary.n_terms)))
    x = rng.standard_normal((300, 3))
    slopes = field.evaluate(x)
    slopes += 0.05 * np.sqrt(np.mean(slopes**2)) * rng.standard_normal(slopes.shape)
    run = dy.Trajectory(t=np.arange(300.0), x=x, dxdt=slopes)
    kept = dy.refit(run, dictionary, dy.generators.rotations(3))
    assert len(kept.generators) == 0
    assert kept.model is kept.plain


def test_a_known_symmetry_is_enforced_as_given() -> None:
    hopf = dy.systems.get("hopf")
    known = dy.symmetries(hopf.field(), dy.generators.affine(2, names=hopf.states))
    data = hopf.runs(4, 200, noise=0.02)
    kept = dy.refit(data, dy.Monomials(2, 3), dy.generators.affine(2), penalty=dy.Stepwise(), known=known)
    assert len(kept.generators) == 1
    matrix = symmetry_matrix(kept.generators, kept.field, generic_region(kept.field.dictionary))
    assert np.linalg.norm(matrix.operator) < 1e-9 * np.linalg.norm(matrix.parts)


def test_attempts_show_the_plain_fit_first_and_one_that_was_kept() -> None:
    kept = done(0).refit
    assert kept.attempts[0].label == "plain fit"
    assert sum(one.kept for one in kept.attempts) == 1
    best = next(one for one in kept.attempts if one.kept)
    assert best.n_generators == len(kept.generators)
    assert best.heldout == pytest.approx(kept.heldout_refit)
    assert best.freedom == kept.model.constraint.size - kept.model.constraint.rank
    assert "generators known to" in str(kept)
    assert "<table>" in kept._repr_html_()


def test_moved_generators_have_errors_that_the_truth_lies_within() -> None:
    kept, (_, algebra) = done(0).refit, truth()
    flat = [g.coefficients.reshape(3, -1) for g in (kept.generators, algebra)]
    left, right = (np.linalg.qr(rows.T)[0] for rows in flat)
    angle = np.arcsin(np.linalg.norm(left - right @ (right.T @ left)) / np.sqrt(3))
    assert kept.generator_errors.shape == (3, 6, 8)
    assert 0.2 < angle / kept.angle_error < 3


def test_figures_have_a_panel_for_errors_and_one_for_generators() -> None:
    assert len(done(0).refit.plot().axes) == 2
    lorenz = dy.systems.get("lorenz")
    kept = dy.refit(lorenz.runs(4, 100, noise=0.01), dy.Monomials(3, 2), dy.generators.rotations(3))
    assert len(kept.plot().axes) == 1


def body() -> tuple[list[dy.Trajectory], dy.Dictionary]:
    """The free rigid body keeps energy and angular momentum."""
    system = dy.systems.get("rigid_body")
    return system.runs(6, 60, noise=0.01), dy.Monomials(3, 2, names=system.states)


def laws(data: list[dy.Trajectory], text: str) -> dy.ConservedQuantities:
    """Findings that hold one function, whatever the data say."""
    found = dy.conserved_quantities(dy.fit(data, body()[1], penalty=dy.optim.STLSQ(0.1)), body()[1])
    squares = dy.Terms(["w1^2", "w2^2", "w3^2"], data[0].names)
    weights = [float(v) for v in text.split()]
    law = replace(found.findings[0], function=dy.ScalarFunction(squares, weights))
    return replace(found, findings=(law,))


def test_a_conserved_quantity_is_kept_exactly() -> None:
    data, terms = body()
    kept = dy.refit(data, terms, dy.generators.rotations(3), known=laws(data, "1 2 3"))
    assert kept.warnings == ()
    x = np.random.default_rng(0).standard_normal((50, 3))
    rate = np.sum(x * [1, 2, 3] * kept.field.evaluate(x), axis=1)
    assert np.abs(rate).max() < 1e-9
    assert "conserved quantities" in kept.message
    assert kept.heldout_refit <= kept.heldout_plain


def test_a_function_that_is_not_conserved_is_refused_with_a_warning() -> None:
    data, terms = body()
    kept = dy.refit(data, terms, dy.generators.rotations(3), known=laws(data, "3 1 -2"))
    assert len(kept.warnings) == 1
    assert "not enforced: 1 conserved quantities" in kept.warnings[0]
    assert kept.model is kept.plain


def test_discrete_symmetries_are_enforced() -> None:
    lorenz = dy.systems.get("lorenz")
    data, terms = lorenz.runs(6, 200, noise=0.02), dy.Monomials(3, 2, names=lorenz.states)
    found = dy.discrete_symmetries(lorenz.field())
    assert len(found.maps)
    kept = dy.refit(data, terms, dy.generators.rotations(3), known=found)
    assert "discrete symmetries enforced" in kept.message
    again = dy.equivariant_to(found.maps, terms)
    assert again.residual(kept.field.coefficients) < 1e-9


def test_what_is_known_has_to_be_a_finding() -> None:
    data, terms = body()
    with pytest.raises(dy.DataError, match="known takes"):
        dy.refit(data, terms, dy.generators.rotations(3), known=[3])  # type: ignore[list-item]


def test_a_wrong_known_symmetry_is_refused_with_a_warning() -> None:
    lorenz = dy.systems.get("lorenz")
    turn = dy.VectorField(
        dy.Monomials(3, 1, names=lorenz.states), [[0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    )
    known = dy.symmetries(turn, dy.generators.rotations(3, names=lorenz.states))
    kept = dy.refit(
        lorenz.runs(4, 200, noise=0.01), dy.Monomials(3, 2), dy.generators.rotations(3), known=known
    )
    assert any("raise the held-out error" in text for text in kept.warnings)
    assert kept.model is kept.plain


def test_a_fitted_model_is_not_fitted_again() -> None:
    data, terms = body()
    plain = dy.fit(data, terms, penalty=dy.Stepwise())
    kept = dy.refit(plain, terms, dy.generators.rotations(3), dy.Stepwise())
    assert kept.plain is plain


def test_states_drawn_at_random_have_no_rollout() -> None:
    assert done(0).refit.rollout_plain is None
    hopf = dy.systems.get("hopf")
    assert rollout(dy.fit(hopf.runs(2, 100), dy.Monomials(2, 3))) < 0.1


@pytest.mark.slow
def test_twenty_seeds_keep_the_promise() -> None:
    errors = [done(seed).errors for seed in range(20)]
    medians = {name: np.median([e[name] for e in errors]) for name in errors[0]}
    assert medians["STLSQ"] >= 4 * medians["chain"]
    assert medians["chain"] <= 1.5 * medians["oracle"]
    assert max(e["chain"] / e["oracle"] for e in errors) < 2.5
    assert max(e["chain"] / e["STLSQ"] for e in errors) < 0.5
