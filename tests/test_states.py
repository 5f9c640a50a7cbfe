"""Conserved quantities from the states alone: moments without bias, verdicts that hold, and what must not be certified."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import dynsym as dy
from dynsym.certify import CERTIFIED, REFUTED
from dynsym.constancy import Constancy, Unbiased, ensemble_of, hermite, root_mean_square_noise

NAMES = ("x", "y", "px", "py")
QUADRATIC = dy.Monomials(4, 2, names=NAMES)


def oscillators(noise=0.0, seed=1, runs=20, samples=200, law="normal", sd=None):
    """Runs of the isotropic oscillator in the plane from standard normal initial states."""
    rng = np.random.default_rng(seed)
    t = 0.1 * np.arange(samples)
    out = []
    for _ in range(runs):
        q, p = rng.standard_normal((2, 2))
        c, s = np.cos(t)[:, None], np.sin(t)[:, None]
        x = np.hstack([q * c + p * s, p * c - q * s])
        e = rng.standard_normal(x.shape)
        if law == "student":
            e = rng.standard_t(5, x.shape) / np.sqrt(5 / 3)
        if law == "grows":
            e = e * (0.3 + np.abs(x))
        out.append(dy.Trajectory(t, x + noise * e, names=NAMES, sd=sd))
    return out


def flow(f, starts, duration, samples, noise=0.0, begin=0.0):
    """Runs of x' = f(x), seen from `begin` on."""
    rng = np.random.default_rng(0)
    out = []
    for x0 in starts:
        done = solve_ivp(
            lambda t, x: f(x), (0, begin + duration), x0, rtol=1e-10, atol=1e-12, dense_output=True
        )
        t = np.linspace(begin, begin + duration, samples)
        x = done.sol(t).T
        out.append(dy.Trajectory(t - begin, x + noise * rng.standard_normal(x.shape)))
    return out


HOPF = lambda x: np.array([x[0] - x[1] - x[0] * (x @ x), x[0] + x[1] - x[1] * (x @ x)])  # noqa: E731
VAN_DER_POL = lambda x: np.array([x[1], (1 - x[0] ** 2) * x[1] - x[0]])  # noqa: E731
DAMPED = lambda x: np.array([x[1], -x[0] - 0.1 * x[1]])  # noqa: E731
GROWTH = lambda x: np.array([0.1 * x[1] ** 2 - 0.3 * x[0], x[1]])  # noqa: E731
LORENZ = lambda x: np.array([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])  # noqa: E731


# Moments


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    degree=st.integers(1, 4),
    sd=st.tuples(st.floats(0, 0.6), st.floats(0, 0.6)),
    x=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
)
def test_moments_equal_gauss_hermite_quadrature(degree, sd, x):
    """E g(x + e) = theta(x) and Cov g(x + e) = sum over k: both against an exact quadrature of the normal law."""
    dictionary = dy.Monomials(2, degree)
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    weights = weights / weights.sum()
    y = np.array([[x[0] + sd[0] * a, x[1] + sd[1] * b] for a in nodes for b in nodes])
    w = np.outer(weights, weights).ravel()
    unbiased = Unbiased(dictionary, np.array(sd), np.ones(2))
    values = unbiased.values(y)
    mean = w @ values
    np.testing.assert_allclose(mean, dictionary.evaluate([x])[0], atol=1e-9)
    covariance = (values - mean).T @ ((values - mean) * w[:, None])
    np.testing.assert_allclose(unbiased.noise_grams(y, w[:, None])[0], covariance, atol=1e-8)
    slope = dictionary.jacobian([x])[0]
    grams = unbiased.slope_grams(y, np.repeat(w[:, None, None], 2, axis=1))
    np.testing.assert_allclose(grams[0], slope @ slope.T, atol=1e-8)


def test_small_noise_loses_no_digits():
    """The noise covariance at s = 1e-9 is s^2 times that of slopes, which g g^T - g_(a+b) could not show."""
    dictionary, x = dy.Monomials(2, 3), np.array([[0.7, -1.2]])
    gram = Unbiased(dictionary, np.full(2, 1e-9), np.ones(2)).noise_grams(x, np.ones((1, 1)))[0]
    slope = dictionary.jacobian(x)[0]
    np.testing.assert_allclose(gram, 1e-18 * slope @ slope.T, rtol=1e-6, atol=1e-30)


def test_second_order_correction_of_other_functions():
    """For cos the bias is 1/2 s^2 times the second derivative."""
    dictionary, x = dy.Terms(["cos(x)"], ("x",)), np.linspace(-3, 3, 20)[:, None]
    bias = Unbiased(dictionary, np.array([0.1]), np.ones(1)).correction(x)
    np.testing.assert_allclose(bias, -0.005 * np.cos(x), atol=1e-8)


def test_hermite_without_noise_is_the_monomial():
    exponents = dy.Monomials(3, 4).exponents
    x = np.random.default_rng(0).standard_normal((5, 3))
    np.testing.assert_allclose(hermite(exponents, x, np.zeros(3)), dy.Monomials(3, 4).evaluate(x))


def test_energies_are_what_they_say():
    """Slow twin: the energy of all rows is the weighted within-run sum of squares; the slow rows annihilate constants."""
    runs = oscillators(0.0, runs=8)
    ensemble = ensemble_of(runs, QUADRATIC)
    constancy = Constancy.of(ensemble, QUADRATIC, 0.05)
    c = np.random.default_rng(2).standard_normal(QUADRATIC.n_terms)
    by_hand = sum(
        w * np.sum((h - h.mean()) ** 2)
        for w, h in zip(ensemble.weights, [QUADRATIC.evaluate(run.x) @ c for run in runs])
    )
    assert constancy.energy(c, slow=False).raw == pytest.approx(by_hand, rel=1e-9)
    for modes in ensemble.modes(0.1):
        np.testing.assert_allclose(modes.sum(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(modes.T @ modes, np.eye(modes.shape[1]), atol=1e-12)
    assert constancy.energy(c).raw == pytest.approx(by_hand, rel=0.02)


def test_noise_energy_is_unbiased():
    """Over repetitions the energy of a law less that of the noise averages to zero, within its stated error."""
    law = np.zeros(QUADRATIC.n_terms)
    law[[QUADRATIC.terms.index(t) for t in ("x**2", "px**2")]] = 1.0
    scores = []
    for seed in range(20):
        ensemble = ensemble_of(oscillators(0.1, seed, runs=8, samples=100), QUADRATIC)
        energy = Constancy.of(ensemble, QUADRATIC, 0.05).energy(law)
        scores.append(energy.estimate / np.sqrt(energy.variance))
    assert abs(np.mean(scores)) < 3 / np.sqrt(20)
    assert np.std(scores) < 1.5


# What must be found


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-3, 1e-2, 0.1])
def test_noise_ladder(noise):
    found = dy.conserved_quantities(oscillators(noise), QUADRATIC)
    assert (len(found.functions), found.independent) == (4, 3)
    assert all(law.evidence.startswith("states") for law in found.findings)


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_beyond_the_ladder_undecided_not_wrong(noise):
    found = dy.conserved_quantities(oscillators(noise), QUADRATIC)
    assert not found.functions
    assert found.findings
    assert all(law.verdict.status != REFUTED for law in found.findings)


@pytest.mark.parametrize(
    ("name", "dictionary", "independent"),
    [
        ("lotka_volterra_3d", dy.Monomials(3, 3), 2),
        ("rigid_body", dy.Monomials(3, 2), 2),
        ("anisotropic_oscillator_2d", dy.Monomials(4, 2), 2),
    ],
)
def test_reference_systems(name, dictionary, independent):
    runs = dy.systems.get(name).runs(16, 300, noise=0.01)
    assert dy.conserved_quantities(runs, dictionary).independent == independent


def test_functions_that_are_no_polynomials():
    system = dy.systems.get("lotka_volterra_2d")
    terms = dy.parse_dictionary(system.invariants_dictionary, system.states)
    found = dy.conserved_quantities(system.runs(16, 200, noise=0.01), terms)
    assert found.independent == 1


def test_scales_lengths_and_gaps():
    rng = np.random.default_rng(0)
    scale = np.array([1e9, 1e9, 1e-3, 1e-3])
    runs = []
    for run in oscillators(0.01):
        x = np.array(run.x) * scale
        x[rng.random(len(x)) < 0.2] = np.nan
        x[60:90] = np.nan
        stop = int(rng.integers(20, 200))
        runs.append(dy.Trajectory(run.t[:stop], x[:stop], names=NAMES))
    found = dy.conserved_quantities(runs, QUADRATIC)
    assert (len(found.functions), found.independent) == (4, 3)


def test_a_state_at_rest_is_a_law_if_runs_differ_in_it():
    names = (*NAMES, "c")
    runs = [
        dy.Trajectory(run.t, np.c_[run.x, np.full(len(run.t), k**1.1)], names=names)
        for k, run in enumerate(oscillators(0.01))
    ]
    assert "c" in [str(h) for h in dy.conserved_quantities(runs, dy.Monomials(5, 1, names=names)).functions]
    same = [
        dy.Trajectory(run.t, np.c_[run.x, np.full(len(run.t), 2.0)], names=names) for run in oscillators(0.01)
    ]
    assert not dy.conserved_quantities(same, dy.Monomials(5, 1, names=names)).functions


@pytest.mark.parametrize("law", ["student", "grows"])
def test_other_laws_of_noise(law):
    found = dy.conserved_quantities(oscillators(0.02, law=law), QUADRATIC)
    assert (len(found.functions), found.independent) == (4, 3)


@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_noise_stated_wrongly(factor):
    found = dy.conserved_quantities(oscillators(0.1, seed=7, sd=factor * 0.1), QUADRATIC)
    assert (len(found.functions), found.independent) == (4, 3)


def test_root_mean_square_noise_keeps_heavy_tails():
    runs = oscillators(0.1, law="student")
    np.testing.assert_allclose(root_mean_square_noise(runs), 0.1, rtol=0.08)


# What must not be


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_runs_never_certify(count):
    assert not dy.conserved_quantities(oscillators(0.001)[:count], QUADRATIC).functions


def test_one_orbit_many_times_certifies_nothing():
    assert not dy.conserved_quantities(oscillators(0.001)[:1] * 20, QUADRATIC).functions


def test_runs_of_one_sample_are_refused_by_number():
    runs = [dy.Trajectory(run.t[:1], run.x[:1], names=NAMES) for run in oscillators()]
    with pytest.raises(dy.DataError, match="longest has 1"):
        dy.conserved_quantities(runs, QUADRATIC)


def test_constant_states_say_nothing():
    runs = [dy.Trajectory(np.arange(30), np.full((30, 4), float(k)), names=NAMES) for k in range(10)]
    assert not dy.conserved_quantities(runs, QUADRATIC).findings


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize(
    ("f", "n", "degree", "duration", "begin"),
    [
        (HOPF, 2, 4, 10, 0),
        (HOPF, 2, 4, 10, 30),
        (VAN_DER_POL, 2, 4, 10, 0),
        (VAN_DER_POL, 2, 6, 10, 30),
        (DAMPED, 2, 4, 10, 0),
        (DAMPED, 2, 4, 0.5, 0),
        (GROWTH, 2, 4, 2, 0),
        (LORENZ, 3, 3, 3, 0),
        (LORENZ, 3, 4, 0.05, 0),
    ],
)
def test_law_free_flows(f, n, degree, duration, begin, noise):
    starts = np.random.default_rng(4).uniform(-1.5, 1.5, (20, n))
    runs = flow(f, starts, duration, 150, noise * 0.5, begin)
    assert not dy.conserved_quantities(runs, dy.Monomials(n, degree)).functions


@pytest.mark.parametrize("noise", [0.0, 1e-4, 3e-3, 0.03])
@pytest.mark.parametrize(("width", "duration"), [(0.3, 0.05), (1.0, 0.05), (1.0, 0.1)])
def test_small_regions_do_not_tempt(width, duration, noise):
    """Near a point every flow has first integrals that a rich dictionary approximates; they come in a sequence of steps."""
    starts = np.array([5.0, 5.0, 20.0]) + width * np.random.default_rng(0).standard_normal((20, 3))
    assert not dy.conserved_quantities(
        flow(LORENZ, starts, duration, 50, noise), dy.Monomials(3, 4)
    ).functions


def random_runs(seed):
    """Runs of a random polynomial system without structure, cut where they leave a box."""
    rng = np.random.default_rng([77, seed])
    n = int(rng.integers(2, 5))
    terms = dy.Monomials(n, int(rng.integers(2, 4)))
    c = rng.standard_normal((n, terms.n_terms)) * (rng.random((n, terms.n_terms)) < 0.5)
    c[:, 0] = 0
    count, samples = int(rng.choice([6, 8, 16])), int(rng.choice([40, 100]))
    duration, noise = float(rng.choice([1.0, 4.0])), float(rng.choice([0, 1e-3, 0.01, 0.05]))
    leaves = lambda t, x: np.abs(x).max() - 5  # noqa: E731
    leaves.terminal = True
    clean = []
    for x0 in rng.uniform(-1, 1, (count, n)):
        done = solve_ivp(
            lambda t, x: c @ terms.evaluate(x)[0],
            (0, duration),
            x0,
            rtol=1e-8,
            atol=1e-10,
            events=leaves,
            dense_output=True,
        )
        t = np.linspace(0, 0.98 * done.t[-1], samples)
        clean.append((t, done.sol(t).T))
    sd = noise * np.concatenate([x for _, x in clean]).std(axis=0)
    return [dy.Trajectory(t, x + sd * rng.standard_normal(x.shape)) for t, x in clean], n


def false_laws(seeds):
    out = []
    for seed in seeds:
        runs, n = random_runs(seed)
        found = dy.conserved_quantities(runs, dy.Monomials(n, {2: 4, 3: 3, 4: 2}[n]))
        out += [(seed, str(h)) for h in found.functions]
    return out


def test_random_systems_without_laws():
    assert false_laws(range(15)) == []


@pytest.mark.slow
def test_hundred_random_systems_without_laws():
    assert false_laws(range(100)) == []


# Field and states together


def test_a_model_has_both_kinds_of_evidence():
    runs = oscillators(0.01, runs=12)
    model = dy.fit(runs, dy.Monomials(4, 1, names=NAMES))
    found = dy.conserved_quantities(model, QUADRATIC)
    assert (len(found.functions), found.independent) == (4, 3)
    assert {law.evidence for law in found.findings if law.verdict.status == CERTIFIED} <= {
        "field and states",
        "field",
        "states: weak rows and within-run variance",
        "states: weak rows",
        "states: within-run variance",
    }
    assert any(law.evidence == "field and states" for law in found.findings)


def test_wrong_field_is_contradicted_by_the_states():
    """A field without the damping that the data have conserves the energy; along the runs it falls."""
    starts = np.random.default_rng(1).uniform(-1.5, 1.5, (12, 2))
    runs = flow(DAMPED, starts, 10, 200, 1e-3)
    model = dy.fit(runs, dy.Terms(["x1", "x2"], ("x1", "x2")))
    assert not dy.conserved_quantities(model, dy.Monomials(2, 2)).functions
