"""Stability selection and the block bootstrap: what drawing rows would give, and what noise must not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsym as dy
from dynsym import DataError, L1Weights, Monomials, SymmetryWeights, Thresholds, Trajectory, systems
from dynsym.compress import Block, Compressed, factor_of, merge
from dynsym.optim import STLSQ
from dynsym.selection import restricted
from dynsym.selection._resample import exchangeable
from dynsym.selection._stability import _by_bic, _first, _halves


def noisy_slopes(name, n_runs, m, size, seed=0):
    system = systems.get(name)
    field, rng = system.field(), np.random.default_rng(seed)
    return [
        Trajectory(r.t, r.x, r.names, dxdt=field.evaluate(r.x) + size * rng.standard_normal(r.x.shape))
        for r in system.runs(n_runs=n_runs, n_samples=m)
    ]


@pytest.fixture(scope="module")
def pol():
    return dy.fit(noisy_slopes("van_der_pol", 4, 200, 0.1), Monomials(2, 3))


# --- stability
# ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", [Thresholds(), L1Weights(equilibrated=True)], ids=["threshold", "l1"])
def test_true_terms_are_stable(pol, over):
    truth = systems.get("van_der_pol").field().coefficients != 0
    found = dy.stability(pol, over=over, pairs=20)
    assert (found.probabilities[truth] == 1).all()
    assert (found.probabilities >= 0).all()
    assert (found.probabilities <= 1).all()
    if isinstance(over, Thresholds):
        np.testing.assert_array_equal(found.support(0.9), truth)
        np.testing.assert_allclose(found.best().coefficients[truth], [1, -1, 1, -1], atol=0.05)


def test_one_split_is_two_fits_to_halves_of_the_rows(pol):
    found = dy.stability(pol, over=Thresholds([0.3]), most=10, pairs=1, seed=5)
    parts = exchangeable(pol.compressed)
    one, two = _halves(parts, np.random.default_rng(5))
    assert one.n_rows + two.n_rows == pol.compressed.n_rows
    selected = []
    for half in (one, two):
        model = replace(pol, compressed=Compressed((Block(half, 0),)))
        selected.append(dy.path(model, over=Thresholds([0.3])).coefficients[0] != 0)
    np.testing.assert_allclose(found.probabilities, np.mean(selected, axis=0))
    np.testing.assert_allclose(found.along[0], np.mean(selected, axis=0))


def test_the_seed_decides(pol):
    one, two, other = (dy.stability(pol, most=4, pairs=5, seed=s).probabilities for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 0


def test_noise_alone_is_not_stable():
    # The bound speaks of the mean number of false terms over data sets.
    false, bound = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        run = Trajectory(np.arange(400.0), rng.standard_normal((400, 2)), dxdt=rng.standard_normal((400, 2)))
        found = dy.stability(run, Monomials(2, 3), L1Weights(equilibrated=True), most=3, pairs=15)
        false.append(found.support(0.9).sum(axis=1))
        bound.append(found.false_terms(0.9))
    assert np.mean(false) <= np.mean(bound)
    assert np.mean(bound) <= 3**2 / (0.8 * 10) + 1e-12
    assert np.mean(false) < 1.0


def test_the_bound_by_its_formula(pol):
    found = dy.stability(pol, most=4, pairs=5)
    assert (found.n_selected <= 4).all()
    np.testing.assert_allclose(found.false_terms(0.8), found.n_selected**2 / (0.6 * 10))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 8), p=st.integers(1, 6), most=st.integers(1, 6))
def test_the_first_terms_are_those_that_enter_first(seed, k, p, most):
    c = np.random.default_rng(seed).integers(0, 2, (k, 1, p)).astype(float)
    picked = _first(c, most)[0]
    entered: set[int] = set()
    best: set[int] = set()
    for row in c[::-1, 0]:
        entered |= set(np.flatnonzero(row).tolist())
        if len(entered) <= most:
            best = set(entered)
    assert set(np.flatnonzero(picked).tolist()) == best


def test_the_choice_by_bic_is_the_least_of_all():
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((60, 3))
    y = theta[:, :1] * 2 + rng.standard_normal((60, 1))
    half = factor_of(theta, y)
    masks = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=float)
    coefficients = np.stack([np.zeros((1, 3)) for _ in masks])
    for k, mask in enumerate(masks.astype(bool)):
        coefficients[k, 0, mask] = np.linalg.lstsq(theta[:, mask], y[:, 0], rcond=None)[0]
    scores = [
        30 * np.log(np.sum((y[:, 0] - theta @ c[0]) ** 2)) + np.count_nonzero(c) * np.log(30)
        for c in coefficients
    ]
    picked = _by_bic(half, coefficients, np.array([0.5]))
    np.testing.assert_array_equal(picked, coefficients[int(np.argmin(scores))] != 0)


def test_many_runs_are_drawn_as_wholes(pol):
    theta, y = np.random.default_rng(0).standard_normal((160, 2)), np.ones((160, 1))
    blocks = tuple(Block(factor_of(theta[k : k + 10], y[k : k + 10]), k // 20) for k in range(0, 160, 10))
    assert [part.n_rows for part in exchangeable(Compressed(blocks))] == [20] * 8
    assert [part.n_rows for part in exchangeable(Compressed(blocks[:14]))] == [10] * 14


def test_stability_shows_itself(pol):
    found = dy.stability(pol, pairs=3)
    assert "v*x**2" in str(found)
    assert found._repr_html_().startswith("<pre>")
    figure = found.plot()
    assert len(figure.axes) == 2
    figure.canvas.draw()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: dy.stability(m, pairs=0), "at least 1 pair"),
        (lambda m: dy.stability(m, most=0), "at least 1 term"),
        (lambda m: dy.stability(m, over=SymmetryWeights(dy.generators.rotations(2))), "selects no terms"),
        (lambda m: dy.stability(m, pairs=1).support(0.5), "the cut must lie"),
        (lambda m: dy.bootstrap(m, 1), "at least 2 draws"),
        (lambda m: dy.bootstrap(m, 2).interval(1.0), "between 0 and 1, got 1.0"),
        (lambda m: restricted(m, [True]), "must have shape"),
    ],
)
def test_what_cannot_be_done_is_refused(pol, call, message):
    with pytest.raises(DataError, match=message):
        call(pol)


def test_too_few_stretches_are_refused():
    run = noisy_slopes("van_der_pol", 1, 30, 0.01)[0]
    with pytest.raises(DataError, match="drawing from them needs 6"):
        dy.stability(run, Monomials(2, 1))


# --- bootstrap
# ---------------------------------------------------------------------------------------------------------


def test_each_draw_is_least_squares_on_the_drawn_stretches(pol):
    model = dy.fit(list(pol.runs), Monomials(2, 3), penalty=STLSQ(0.3))
    found = dy.bootstrap(model, 20, seed=3)
    parts = exchangeable(model.compressed)
    counts = np.random.default_rng(3).multinomial(len(parts), np.full(len(parts), 1 / len(parts)), size=20)
    for draw, count in zip(found.draws, counts):
        rows = merge(part for part, times in zip(parts, count) for _ in range(times))
        for i, support in enumerate(model.support):
            direct = np.linalg.lstsq(rows.theta[:, support], rows.target[:, i], rcond=None)[0]
            np.testing.assert_allclose(draw[i, support], direct, rtol=1e-8)
    assert not found.draws[:, ~model.support].any()


def test_draws_keep_their_digits_where_terms_nearly_repeat():
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((800, 3))
    theta[:, 2] = theta[:, 1] + 1e-7 * theta[:, 2]
    blocks = tuple(
        Block(factor_of(theta[k : k + 20], theta[k : k + 20] @ [[1.0], [2.0], [3.0]]), 0)
        for k in range(0, 800, 20)
    )
    run = Trajectory(np.arange(9.0), rng.standard_normal((9, 1)), dxdt=rng.standard_normal((9, 1)))
    base = dy.fit(run, Monomials(1, 2))
    data = Compressed(blocks)
    model = restricted(
        replace(base, compressed=data, information=dy.regression.Information(data)),
        np.ones((1, 3), bool),
    )
    np.testing.assert_allclose(dy.bootstrap(model, 30).draws[:, 0], [[1.0, 2.0, 3.0]] * 30, atol=1e-5)


def test_the_spread_of_draws_is_the_standard_error_for_independent_errors(pol):
    model = dy.fit(list(pol.runs), Monomials(2, 3), penalty=STLSQ(0.3))
    found = dy.bootstrap(model, 400)
    kept = model.support
    ratio = found.standard_errors[kept] / model.robust_errors[kept]
    assert ((ratio > 0.6) & (ratio < 1.6)).all()
    low, high = found.interval(0.95)
    assert (low[kept] < model.coefficients[kept]).all()
    assert (high[kept] > model.coefficients[kept]).all()


def test_a_bootstrap_shows_itself(pol):
    model = dy.fit(list(pol.runs), Monomials(2, 3), penalty=STLSQ(0.3))
    found = dy.bootstrap(model, 10)
    assert "10 draws" in str(found)
    assert found._repr_html_().startswith("<pre>")
    found.plot().canvas.draw()
    turn = dy.equivariant_to(dy.generators.rotations(2, model.field.names), model.field.dictionary)
    with pytest.raises(DataError, match="unconstrained"):
        dy.bootstrap(dy.fit(list(pol.runs), Monomials(2, 3), constraints=turn))
