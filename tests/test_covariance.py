"""Cluster-robust errors: the dense formula, and intervals that hold the truth as often as they say."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from scipy.signal import lfilter

import dynsym as dy
from dynsym import DataError, Monomials, Trajectory, systems
from dynsym.compress import Block, Compressed, factor_of
from dynsym.regression import sandwich, whitening
from dynsym.regression._sandwich import _pairs, independent
from dynsym.selection import restricted


def dense(theta, residual, edges):
    """CR2 and its degrees of freedom from whole matrices (m, m)."""
    inverse = np.linalg.inv(theta.T @ theta)
    hat = theta @ inverse @ theta.T
    m, k = theta.shape
    maps = np.zeros((len(edges) - 1, k, m))
    for g, (a, b) in enumerate(pairwise(edges)):
        root = np.real(linalg.sqrtm(np.linalg.inv(np.eye(b - a) - hat[a:b, a:b])))
        maps[g, :, a:b] = inverse @ theta[a:b].T @ root
    moved = maps @ residual
    rest = np.eye(m) - hat
    freedom = []
    for j in range(k):
        joint = maps[:, j] @ rest @ rest.T @ maps[:, j].T
        freedom.append(np.trace(joint) ** 2 / np.sum(joint**2))
    return moved.T @ moved, np.array(freedom)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(5, 12), min_size=4, max_size=9),
    k=st.integers(1, 4),
    spread=st.integers(0, 3),
)
def test_the_sandwich_is_the_dense_one(seed, sizes, k, spread):
    rng = np.random.default_rng(seed)
    edges = np.r_[0, np.cumsum(sizes)]
    theta = rng.standard_normal((edges[-1], k + 1)) * 10.0 ** rng.integers(-spread, spread + 1, k + 1)
    y = rng.standard_normal((edges[-1], 1))
    # Every stretch is a run of its own, so that none are joined.
    data = Compressed(
        tuple(Block(factor_of(theta[a:b], y[a:b]), g) for g, (a, b) in enumerate(pairwise(edges)))
    )
    support = np.arange(k + 1) < k
    c = np.zeros(k + 1)
    c[:k] = np.linalg.lstsq(theta[:, :k], y[:, 0], rcond=None)[0]
    found = sandwich(data, 0, c, support)
    covariance, freedom = dense(theta[:, :k], y[:, 0] - theta @ c, edges)
    size = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(
        found.covariance / np.outer(size, size), covariance / np.outer(size, size), atol=1e-7
    )
    np.testing.assert_allclose(found.freedom, freedom, rtol=1e-6)
    assert found.n_clusters == len(sizes)


def test_whitening_makes_the_gram_matrix_one():
    a = np.random.default_rng(0).standard_normal((30, 4)) * [1, 1e5, 1e-4, 1]
    half = whitening(a)
    np.testing.assert_allclose((a @ half).T @ (a @ half), np.eye(4), atol=1e-12)
    twice = whitening(np.hstack([a, a[:, [0]]]))
    assert np.isfinite(twice).all()
    assert np.abs(twice).max() > 1e6  # what the data do not see is very uncertain


def test_neighbours_of_one_run_are_joined_and_runs_are_not():
    assert _pairs(np.array([0, 0, 0, 1, 1, 3])).tolist() == [0, 0, 1, 2, 2, 3]
    # Twenty stretches of two runs that all push the same way: once joined, ten are left, and ten are too few to go on.
    scores, shares = np.ones((20, 1)), np.full((20, 1, 1), 0.05)
    joined, leverage = independent(scores, shares, [0] * 9 + [1] * 11)
    assert joined[:, 0].tolist() == [2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 1]
    np.testing.assert_allclose(leverage[:, 0, 0], 0.05 * joined[:, 0])
    apart, _ = independent(scores * np.resize([1, -1], (20, 1)), shares, [0] * 20)
    assert len(apart) == 20  # negative control: scores that do not hang together


def test_stretches_are_joined_where_errors_outlast_them():
    rng = np.random.default_rng(0)
    theta = np.ones((960, 1))
    counts = []
    for rho in (0.0, 0.99):
        e = lfilter([np.sqrt(1 - rho**2)], [1, -rho], rng.standard_normal(960))[:, None]
        data = Compressed(
            tuple(Block(factor_of(theta[k : k + 20], e[k : k + 20]), 0) for k in range(0, 960, 20))
        )
        counts.append(sandwich(data, 0, np.array([e.mean()]), np.array([True])).n_clusters)
    assert counts[0] >= 24
    assert counts[1] <= 12


def coverage(rho, n_runs, full=False, repeats=40, kind="gauss"):
    """Share of 1.96 robust and 1.96 plain standard errors that hold the truth."""
    system = systems.get("van_der_pol")
    truth = system.field()
    runs = system.runs(n_runs=n_runs, n_samples=1600 // n_runs)
    slopes = [truth.evaluate(run.x) for run in runs]
    hits = []
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        noisy = []
        for run, f in zip(runs, slopes):
            e = rng.standard_normal(f.shape) if kind == "gauss" else rng.standard_t(3, f.shape)
            e[1:] *= np.sqrt(1 - rho**2)
            e = lfilter([1.0], [1.0, -rho], e, axis=0)
            noisy.append(Trajectory(run.t, run.x, run.names, dxdt=f + 0.3 * e))
        model = dy.fit(noisy, truth.dictionary)
        model = model if full else restricted(model, truth.coefficients != 0)
        miss = np.abs(model.coefficients - truth.coefficients)[model.support]
        both = (model.robust_errors[model.support], model.standard_errors[model.support])
        hits.append([np.mean(miss <= 1.96 * error) for error in both])
    return np.mean(hits, axis=0)


@pytest.mark.parametrize(
    ("rho", "n_runs", "full", "kind"),
    [(0.0, 1, False, "gauss"), (0.9, 1, True, "gauss"), (0.9, 16, False, "gauss"), (0.0, 4, False, "t")],
)
def test_robust_intervals_hold_the_truth(rho, n_runs, full, kind):
    robust, _ = coverage(rho, n_runs, full, kind=kind)
    assert 0.90 <= robust <= 0.995


def test_one_run_of_errors_that_hang_together_long():
    robust, plain = coverage(0.98, 1, full=True)
    assert robust > 0.85
    assert robust > plain + 0.05


def test_a_model_gives_them_by_equation():
    runs = systems.get("van_der_pol").runs(4, 200, noise=0.01)
    model = dy.fit(runs, Monomials(2, 3), penalty=dy.Stepwise())
    one = model.robust_covariance(1)
    assert one.covariance.shape == (3, 3)
    np.testing.assert_allclose(
        model.robust_errors[1, model.support[1]], one.half_width(0.95) / 1.959964, rtol=1e-6
    )
    assert not model.robust_errors[~model.support].any()
    with pytest.raises(DataError, match="confidence level"):
        one.half_width(0.0)
    nothing = restricted(model, np.zeros((2, 10), bool))
    assert nothing.robust_covariance(0).covariance.shape == (0, 0)
    turn = dy.equivariant_to(dy.generators.rotations(2, model.field.names), model.field.dictionary)
    with pytest.raises(DataError, match="without constraints"):
        dy.fit(runs, Monomials(2, 3), constraints=turn).robust_covariance(0)


def test_one_stretch_says_nothing_of_its_spread():
    data = Compressed((Block(factor_of(np.ones((5, 1)), np.arange(5.0)[:, None]), 0),))
    with pytest.raises(DataError, match="the data make one"):
        sandwich(data, 0, np.array([2.0]), np.array([True]))
