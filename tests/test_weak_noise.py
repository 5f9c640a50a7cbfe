"""Noise inside the terms of the weak form: its mean is taken off, its variance no longer shrinks coefficients."""

from __future__ import annotations

import numpy as np
import pytest

import dynsym as dy
from dynsym.differentiation import Window
from dynsym.differentiation._through import Through

TERMS = dy.Monomials(2, 3, names=("x", "v"))


def through_of(x: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, Through | None]:
    values = np.ascontiguousarray(TERMS.evaluate(x).T)
    return values, Through.of(TERMS._fill, np.ascontiguousarray(x.T), noise, values)


def spring_runs(noise: float, step: float, seed: int, count: int = 10) -> list[dy.Trajectory]:
    rng = np.random.default_rng(seed)
    t = np.arange(0, 12, step)
    out = []
    for _ in range(count):
        a, phase = rng.uniform(0.5, 1.5), rng.uniform(0, 2 * np.pi)
        x = np.stack([a * np.cos(t + phase), -a * np.sin(t + phase)], axis=1)
        x += noise * rng.standard_normal(x.shape)
        out.append(dy.Trajectory(t, x, names=("x", "v"), sd=np.full(2, noise)))
    return out


def test_cubic_terms_lose_their_bias_exactly():
    """The slow twin: Hermite polynomials, x^3 -> x^3 - 3 s^2 x and so on."""
    rng, s = np.random.default_rng(0), np.array([0.3, 0.1])
    x = rng.standard_normal((50, 2))
    values, _ = through_of(x, s)
    u, v = x.T
    a, b = s**2
    hermite = {(0, 0): 1 + 0 * u, (1, 0): u, (0, 1): v, (1, 1): u * v, (2, 0): u**2 - a, (0, 2): v**2 - b}
    hermite |= {(3, 0): u**3 - 3 * a * u, (0, 3): v**3 - 3 * b * v}
    hermite |= {(2, 1): (u**2 - a) * v, (1, 2): u * (v**2 - b)}
    for row, exponents in zip(values, TERMS.exponents.tolist()):
        assert np.allclose(row, hermite[tuple(exponents)], atol=1e-12)


def test_slopes_are_the_jacobian_for_quadratic_terms():
    x, s = np.random.default_rng(1).standard_normal((20, 2)), np.array([0.2, 0.1])
    _, through = through_of(x, s)
    assert through is not None
    quadratic = TERMS.exponents.sum(axis=1) <= 2
    for k in range(2):
        assert np.allclose(through.slopes[k].T[:, quadratic], TERMS.jacobian(x)[:, quadratic, k] * s[k])


def test_without_noise_nothing_changes():
    x = np.random.default_rng(2).standard_normal((20, 2))
    values, through = through_of(x, np.zeros(2))
    assert through is None
    assert np.array_equal(values, TERMS.evaluate(x).T)


def test_terms_without_a_value_nearby_are_left_alone():
    root = dy.Terms(["sqrt(x)"], ("x",))
    x = np.array([[0.1], [4.0]])
    values = np.ascontiguousarray(root.evaluate(x).T)
    Through.of(root._fill, np.ascontiguousarray(x.T), np.array([0.2]), values)
    assert values[0, 0] == np.sqrt(0.1)  # sqrt(0.1 - 0.35) is no number
    assert values[0, 1] == pytest.approx(2 + 0.2**2 / 64, rel=1e-4)  # -1/2 s^2 d^2 sqrt = s^2 / (8 x^(3/2))


def test_normal_equations_gain_what_noise_takes():
    """Over many draws of the noise the moments T^T y of the corrected rows meet T^T T C^T: no shrinking is left."""
    t = np.arange(0, 10, 0.25)
    clean = np.stack([np.cos(t), -np.sin(t)], axis=1)
    linear = dy.Monomials(2, 1, names=("x", "v"))
    field = dy.VectorField(linear, [[0, 0, 1], [0, -1, 0]])
    noise, rng = np.full(2, 0.3), np.random.default_rng(3)
    missed: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for _ in range(400):
        window = Window.of(dy.Trajectory(t, clean + 0.3 * rng.standard_normal(clean.shape)))
        for corrected in (True, False):
            method = dy.WeakForm(1.25, field)
            out = np.empty((5, 40))
            k = method.fill(window, linear._fill, noise, out)
            terms, target = out[:3, :k], out[3:, :k]
            if not corrected:
                values = np.ascontiguousarray(linear.evaluate(window.x).T)
                through = Through.of(linear._fill, np.ascontiguousarray(window.x.T), noise, values)
                target = target - through.missing(
                    terms, field.jacobian(window.x), method._whitening(window, noise)
                )
            missed[corrected].append(terms @ target.T - terms @ terms.T @ field.coefficients.T)
    z = {}
    for corrected, rows in missed.items():
        every = np.array(rows)
        z[corrected] = np.abs(every.mean(axis=0) / (every.std(axis=0) / np.sqrt(len(every)))).max()
    assert z[True] < 3.5
    assert z[False] > 7


def test_rows_may_be_in_other_terms_than_the_first_fit():
    """The targets do not know in which basis the terms are written, when the terms span the same functions."""
    run = spring_runs(0.1, 0.2, 0, 1)[0]
    linear = dy.Monomials(2, 1, names=("x", "v"))
    method = dy.WeakForm(1.0, dy.VectorField(linear, [[0, 0, 1], [0, -1, 0]]))
    pair = dy.Terms(["x", "v"], ("x", "v")), dy.Terms(["x - v", "2*v"], ("x", "v"))
    same = [method.rows(run, terms, np.full(2, 0.1)).target for terms in pair]
    assert np.allclose(*same, atol=1e-9)


def test_coefficients_of_coarse_noisy_runs_are_not_shrunk():
    """Five samples in a test function, 20 % noise: frequencies come out 2 % low without the correction."""
    linear = dy.Monomials(2, 1, names=("x", "v"))
    found = []
    for seed in range(12):
        c = dy.fit(spring_runs(0.2, 0.4, seed), linear, rows=dy.WeakForm(1.0)).coefficients
        found.append(0.5 * (c[0, 2] - c[1, 1]))
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - 1) < max(3 * error, 4e-3)


def test_noise_does_not_bend_the_force_of_a_cubic_spring():
    """E (x + e)^3 = x^3 + 3 s^2 x: with 10 % noise the linear force would come out 3 % too small."""
    duffing = dy.systems.get("duffing")
    exact = duffing.field()
    found = [
        dy.fit(duffing.runs(8, 400, seed=seed, noise=0.1), exact.dictionary, penalty=dy.Stepwise())
        for seed in range(4)
    ]
    assert all(np.array_equal(m.support, exact.coefficients != 0) for m in found)
    own = exact.coefficients != 0
    mean = np.mean([m.coefficients[own] for m in found], axis=0)
    assert np.max(np.abs(mean - exact.coefficients[own])) < 0.02


def test_errors_stay_honest_where_noise_is_large_and_samples_few():
    lorenz = dy.systems.get("lorenz")
    exact = lorenz.field()
    own = exact.coefficients != 0
    z = []
    for seed in range(4):
        model = dy.fit(
            lorenz.runs(8, 400, seed=seed, noise=0.05), exact.dictionary, constraints=[zeros(exact)]
        )
        z.append((model.coefficients - exact.coefficients)[own] / model.standard_errors[own])
    assert np.sqrt(np.mean(np.square(z))) < 1.6


def zeros(field: dy.VectorField) -> dy.optim.LinearConstraint:
    """The true support as a constraint."""
    dropped = np.flatnonzero(field.coefficients.ravel() == 0)
    rows = np.zeros((len(dropped), field.coefficients.size))
    rows[np.arange(len(dropped)), dropped] = 1.0
    return dy.optim.LinearConstraint(rows)
