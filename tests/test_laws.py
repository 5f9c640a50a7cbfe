"""Conserved quantities of a fit: joint bounds, held-out drift, the second look, and near-laws that must not be certified."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dynsym as dy
from dynsym.certify import CERTIFIED, REFUTED, UNDECIDED, Level, Verdict
from dynsym.discover import fair, read_conservation
from dynsym.findings._drift import Drift, HeldOut, drift_along, with_drift
from dynsym.findings._evidence import evidence_of
from dynsym.findings._laws_together import conserved_together
from dynsym.findings._search import Search
from dynsym.inner_product import region_around
from dynsym.lie_derivative import law_matrix

NAMES = ("x", "v")
LEVEL = Level(0.05, 0.05, 10)


def flow(f, starts, duration, samples, noise=0.0, names=None):
    """Runs of x' = f(t, x) with errors of a share of each state's spread."""
    rng = np.random.default_rng(5)
    t = np.linspace(0, duration, samples)
    paths = [solve_ivp(f, (0, duration), x0, t_eval=t, rtol=1e-9, atol=1e-11).y.T for x0 in starts]
    sd = noise * np.concatenate(paths).std(axis=0)
    return [dy.Trajectory(t, x + sd * rng.standard_normal(x.shape), names=names) for x in paths]


def starts(n, count=10, width=1.2, seed=2):
    return np.random.default_rng(seed).uniform(-width, width, (count, n))


@pytest.fixture(scope="module")
def two_springs():
    """Two springs of different pace: two quadratic laws."""
    f = lambda t, x: [x[1], -x[0], x[3], -2 * x[2]]  # noqa: E731
    return flow(f, starts(4, 12), 8, 150, 0.01, ("x", "v", "y", "w"))


# --- all combinations at once


def test_the_joint_bound_holds_for_every_combination(two_springs) -> None:
    """Against the exact field: no combination of the certified laws is broken by more than the bound."""
    truth = dy.VectorField(
        dy.Monomials(4, 1, names=("x", "v", "y", "w")),
        [[0, 0, 1, 0, 0], [0, -1, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, -2, 0]],
    )
    model = dy.fit(two_springs, truth.dictionary)
    found = dy.conserved_quantities(model, dy.Monomials(4, 2, names=truth.names))
    assert found.independent == 2
    assert found.upper <= 0.05
    reading = read_conservation(truth, found.functions[0].dictionary, fair(model.field, found.region))
    mix = np.random.default_rng(0).standard_normal((40, len(found.functions)))
    forms = np.stack([h.coefficients for h in found.functions], axis=1)
    worst = max(reading.defect(forms @ m) for m in mix)
    assert worst <= found.upper
    assert "all combinations" in str(found)


def test_noise_of_a_direction_is_that_of_drawn_coefficients(two_springs) -> None:
    """Slow twin of the whitening: |L_f h| over draws of the coefficients against the stated root mean square."""
    terms = dy.Monomials(4, 1, names=("x", "v", "y", "w"))
    model = dy.fit(two_springs, terms)
    functions = dy.Monomials(4, 2, names=terms.names)
    region = fair(model.field, model.region)
    reading = read_conservation(model.field, functions, region)
    every = np.arange(1, functions.n_terms)
    together = conserved_together(
        terms, functions, reading, region, evidence_of(model), Level(0.05, 0.05, functions.n_terms), [every]
    )
    k = len(together.whitened) - 1
    h = reading.spectrum.vectors[:, k]
    operator = law_matrix(functions, h, terms, region)
    rng = np.random.default_rng(0)
    sizes = []
    for _ in range(400):
        error = np.zeros(model.coefficients.size)
        for index, block in model.covariance_blocks:
            error[index] = rng.multivariate_normal(np.zeros(len(index)), block)
        sizes.append(np.sum((operator @ error) ** 2))
    wanted = reading.spectrum.values[k] / np.sqrt(np.mean(sizes))
    assert together.whitened[k] == pytest.approx(wanted, rel=0.15)


def test_laws_do_not_stand_out_of_their_noise_and_other_functions_do(two_springs) -> None:
    model = dy.fit(two_springs, dy.Monomials(4, 1, names=("x", "v", "y", "w")))
    found = dy.conserved_quantities(model, dy.Monomials(4, 2, names=model.field.names))
    assert found.whitened[:2].max() < 3
    assert found.whitened[2] > 10
    assert found.coverage < 25
    assert "in units of their noise" in str(found)


def test_an_exact_field_has_no_noise_to_compare_with() -> None:
    spring = dy.VectorField(dy.Monomials(2, 1, names=NAMES), [[0, 0, 1], [0, -4, 0]])
    found = dy.conserved_quantities(spring, dy.Monomials(2, 2))
    assert len(found.whitened) == 0
    assert np.isinf(found.upper)
    assert found.coverage == 1.0


def test_small_terms_that_a_selection_drops_do_not_hide_a_law() -> None:
    """A selection that keeps -0.03 x in one equation and drops 0.03 v in the other makes a damped spring of a sheared one."""
    rng = np.random.default_rng(1)
    shear = np.array([[1.0, 0.03], [0.0, 1.0]])
    runs = []
    for a in (0.5, 0.8, 1.1, 1.4, 1.7, 2.0):
        t = np.linspace(0, 6, 80)
        y = a * np.c_[np.cos(t), -np.sin(t)]
        slope = a * np.c_[-np.sin(t), -np.cos(t)] @ shear.T
        slope = slope + 0.01 * rng.standard_normal(slope.shape)
        runs.append(dy.Trajectory(t, y @ shear.T, dxdt=slope, sd=0.0))
    terms = dy.Monomials(2, 1)
    whole = dy.fit(runs, terms)
    pruned = np.array(whole.coefficients)
    pruned[:, 0] = pruned[1, 2] = 0.0
    model = replace(whole, field=dy.VectorField(terms, pruned))
    found = dy.conserved_quantities(model, dy.Monomials(2, 2))
    back = np.linalg.inv(shear)
    q = back.T @ back
    truth = np.zeros(6)
    truth[[terms_index(2, (2, 0)), terms_index(2, (1, 1)), terms_index(2, (0, 2))]] = (
        q[0, 0],
        2 * q[0, 1],
        q[1, 1],
    )
    assert found.independent == 1
    assert any("selection left out" in note for note in found.warnings)
    own = found.functions[0].coefficients
    assert np.abs(own / own[np.argmax(truth)] - truth / truth.max()).max() < 0.02


def terms_index(degree: int, exponents: tuple[int, int]) -> int:
    return int(np.flatnonzero((dy.Monomials(2, degree).exponents == exponents).all(axis=1))[0])


# --- held-out drift


def test_drift_is_that_along_runs_the_fit_did_not_see(two_springs) -> None:
    found = dy.conserved_quantities(
        dy.fit(two_springs, dy.Monomials(4, 1, names=("x", "v", "y", "w"))),
        dy.Monomials(4, 2, names=("x", "v", "y", "w")),
    )
    for law in found.findings:
        if law.verdict.status == CERTIFIED:
            assert law.held_out
            assert "runs that its fit did not see" in law.verdict.reason
            assert law.relative_drift < 2 * law.drift_expected


def test_held_out_fits_do_not_see_the_runs_they_are_tested_on(two_springs) -> None:
    """Slow twin: the field of a share equals a fit of the other runs, and every run is held out once."""
    terms = dy.Monomials(4, 1, names=("x", "v", "y", "w"))
    functions = dy.Monomials(4, 2, names=terms.names)
    model = dy.fit(two_springs, terms)
    held = HeldOut.of(model, functions, model.region)
    assert sum(len(runs) for runs, _ in held.shares) == len(two_springs)
    away = {id(run) for run in held.shares[0][0]}
    rest = [run for run in model.runs if id(run) not in away]
    again = read_conservation(dy.fit(rest, terms, rows=model.method).field, functions, model.region)
    np.testing.assert_allclose(held.shares[0][1].operator, again.operator, atol=1e-5)
    assert (
        np.abs(
            held.shares[0][1].operator - read_conservation(model.field, functions, model.region).operator
        ).max()
        > 1e-5
    )


def test_one_run_has_nothing_to_hold_out() -> None:
    f = lambda t, x: [x[1], -x[0]]  # noqa: E731
    model = dy.fit(flow(f, starts(2, 1), 10, 200, 0.001, NAMES), dy.Monomials(2, 1, names=NAMES))
    held = HeldOut.of(model, dy.Monomials(2, 2, names=NAMES), model.region)
    assert not held.shares
    assert not held.drift(np.array([0, 0, 0, 1.0, 0, 1.0])).held_out


def test_drift_that_noise_does_not_explain_withdraws_a_certificate() -> None:
    sure = Verdict(CERTIFIED, 0.001, 0.0, 0.01, "the data rule out a defect above 0.01")
    fine = with_drift(sure, Drift(0.02, 0.02, held_out=True), LEVEL)
    assert fine.status == CERTIFIED
    assert with_drift(sure, Drift(0.3, 0.02, held_out=True), LEVEL).status == UNDECIDED
    assert with_drift(sure, Drift(0.3, 0.02), LEVEL).status == REFUTED
    assert with_drift(sure, Drift(0.02, 0.02, lost=True), LEVEL).status == UNDECIDED


def test_drift_of_a_law_is_noise_and_of_another_function_is_not() -> None:
    f = lambda t, x: [x[1], -x[0]]  # noqa: E731
    runs = flow(f, starts(2, 6), 10, 200, 0.01, NAMES)
    squares = dy.Terms(["x^2", "v^2"], NAMES)
    noise = 0.01 * np.concatenate([r.x for r in runs]).std(axis=0)
    law = drift_along(dy.ScalarFunction(squares, [1.0, 1.0]), runs, noise)
    other = drift_along(dy.ScalarFunction(squares, [1.0, 0.5]), runs, noise)
    assert law[0] == pytest.approx(law[1], rel=0.2)
    assert other[0] > 5 * other[1]


# --- what must not be certified: nearly conserved


DAMPING = 0.004


def damped(t, x):
    return [x[1], -x[0] - DAMPING * x[1]]


def near_resonant(t, x):
    """Two springs of nearly the same pace: x y + v w is conserved only at resonance."""
    return [x[1], -x[0], x[3], -1.04 * x[2]]


def forced(t, x):
    """A spring with a drive of its own phase (c, s): its energy is pumped up and down, that of the shifted spring is not."""
    return [x[1], -x[0] + 0.15 * x[2], -1.7 * x[3], 1.7 * x[2]]


def adiabatic(t, x):
    """A spring whose stiffness k grows slowly: E / sqrt(k) is an adiabatic invariant, and nothing is conserved."""
    return [x[1], -x[2] * x[0], 0.03 * x[2]]


def broken_defect(found, f, names) -> list[float]:
    """Exact defects of the certified laws under a field given as a function."""
    out = []
    for h in found.functions:
        x = found.region.points
        rate = np.array([f(0.0, p) for p in x])
        slope = h.gradient(x)
        s = found.region.scale
        size = np.linalg.norm(slope * s, axis=1) * np.linalg.norm(rate / s, axis=1)
        weights = 1 / np.maximum(np.sum((rate / s) ** 2, axis=1), 1e-12)
        out.append(
            float(np.sqrt(np.sum(weights * np.sum(slope * rate, axis=1) ** 2) / np.sum(weights * size**2)))
        )
    return out


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05])
@pytest.mark.parametrize(
    ("f", "n", "fields", "functions", "true"),
    [
        (damped, 2, 1, 4, 0),
        (near_resonant, 4, 1, 2, 2),
        (forced, 4, 1, 2, 2),
    ],
)
def test_nearly_conserved_is_not_conserved(f, n, fields, functions, true, noise) -> None:
    """A function is certified only if its true defect is below delta, and never more of them than there are laws where the
    data show the difference."""
    runs = flow(f, starts(n, 12), 20, 200, noise)
    model = dy.fit(runs, dy.Monomials(n, fields), penalty=dy.Stepwise())
    found = dy.conserved_quantities(model, dy.Monomials(n, functions))
    assert all(d <= 0.05 for d in broken_defect(found, f, model.field.names))
    if noise == 0.0:
        assert found.independent <= true


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_adiabatic_invariants_are_not_certified_where_they_break(noise) -> None:
    runs = [
        dy.Trajectory(run.t, run.x, names=("x", "v", "k"))
        for run in flow(adiabatic, np.c_[starts(2, 12), np.linspace(1, 2, 12)], 12, 200, noise)
    ]
    model = dy.fit(runs, dy.Monomials(3, 2, names=("x", "v", "k")), penalty=dy.Stepwise())
    terms = dy.parse_dictionary("poly(2) + poly(2; x, v) * terms(sqrt(k), 1/sqrt(k))", ("x", "v", "k"))
    found = dy.conserved_quantities(model, terms)
    assert all(d <= 0.05 for d in broken_defect(found, adiabatic, model.field.names))
    if noise == 0.0:
        assert not found.functions


def test_a_direction_that_the_chance_of_many_terms_makes_small_is_not_a_law() -> None:
    """Random quadratic fields without laws, seen for a short time, in a rich dictionary."""
    certified = []
    for seed in range(4):
        rng = np.random.default_rng([9, seed])
        terms = dy.Monomials(2, 2)
        c = 0.7 * rng.standard_normal((2, terms.n_terms))
        field = dy.VectorField(terms, c)
        runs = flow(lambda t, x, f=field: f.evaluate(x[None])[0], starts(2, 8, 0.6, seed), 0.8, 100, 0.01)
        certified += dy.conserved_quantities(dy.fit(runs, terms), dy.Monomials(2, 4)).functions
    assert not certified


# --- products that vanish on the data


def test_a_product_of_laws_that_vanishes_on_all_data_lists_nothing() -> None:
    """x and y are conserved and x y = 0 on all samples; the search has to survive it without a division by zero."""
    field = dy.VectorField(dy.Terms(["z"], ("x", "y", "z")), [[0.0], [0.0], [1.0]])
    points = np.zeros((60, 3))
    points[:30, 0] = np.linspace(1, 2, 30)
    points[30:, 1] = np.linspace(1, 2, 30)
    points[:, 2] = np.linspace(1, 3, 60)
    functions = dy.Monomials(3, 2, names=field.names)
    region = region_around([dy.Trajectory(np.arange(60.0), points, names=field.names)])
    where = type(region)(points, np.full(60, 1 / 60), region.scale, "two planes")
    search = Search.of(field, functions, where, evidence_of(field), LEVEL)
    with np.errstate(all="raise"):
        chosen, _ = search.run()
    assert len(chosen) >= 2


def test_a_field_that_does_not_move_leaves_nothing_to_look_at_again() -> None:
    rest = dy.VectorField(dy.Monomials(2, 1), np.zeros((2, 3)))
    where = region_around([dy.Trajectory(np.arange(30.0), np.random.default_rng(0).normal(size=(30, 2)))])
    search = Search.of(rest, dy.Monomials(2, 2), where, evidence_of(rest), LEVEL)
    assert not search.leaves_some([], 0.1)


def test_the_data_have_the_states() -> None:
    runs = [dy.Trajectory(np.arange(20.0), np.random.default_rng(k).normal(size=(20, 2))) for k in range(6)]
    with pytest.raises(dy.DataError, match="but the data have the states"):
        dy.conserved_quantities(runs, dy.Monomials(2, 2, names=("a", "b")))


# --- states that depend on others


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize(("kind", "relation"), [((1.0, 2.0), "s = x + 2*v"), ((3.0, 0.0), "s = 3*x")])
def test_a_state_that_is_linear_in_others_adds_no_laws(noise, kind, relation) -> None:
    """On the plane s = a x + b v many functions agree with the energy: one law, not several."""
    f = lambda t, x: [x[1], -x[0]]  # noqa: E731
    rng = np.random.default_rng(0)
    runs = []
    for run in flow(f, starts(2, 10), 8, 200):
        y = np.c_[run.x, run.x @ np.array(kind)]
        runs.append(dy.Trajectory(run.t, y + noise * rng.standard_normal(y.shape), names=("x", "v", "s")))
    terms = dy.Monomials(3, 2, names=("x", "v", "s"))
    model = dy.fit(runs, dy.Monomials(3, 1, names=terms.names), penalty=dy.Stepwise())
    for found in (dy.conserved_quantities(runs, terms), dy.conserved_quantities(model, terms)):
        assert found.independent <= 1
        assert all("s" not in law.expression for law in found.findings)
        said = [w for w in found.warnings if "in all samples" in w]
        assert len(said) == 1
        if noise == 0.0:
            assert relation in said[0]
    assert [law.expression for law in dy.conserved_quantities(runs, terms).findings] == ["x**2 + v**2"]
