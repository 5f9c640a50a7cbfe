"""The refit chain: it gains where there is a symmetry, and keeps the plain fit where there is none."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import dynsym as dy
from dynsym.inner_product import generic_region
from dynsym.lie_derivative import symmetry_matrix

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
    assert errors["chain"] <= 2 * errors["oracle"]
    assert errors["oracle"] < errors["chain"]  # nothing beats knowing the algebra


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


@pytest.mark.slow
def test_twenty_seeds_keep_the_promise() -> None:
    errors = [done(seed).errors for seed in range(20)]
    medians = {name: np.median([e[name] for e in errors]) for name in errors[0]}
    assert medians["STLSQ"] >= 4 * medians["chain"]
    assert medians["chain"] <= 2 * medians["oracle"]
    assert max(e["chain"] / e["oracle"] for e in errors) < 2.5
    assert max(e["chain"] / e["STLSQ"] for e in errors) < 0.5
