"""One estimator: PySINDy's answer, honest errors, true supports, whatever the order of runs."""

from __future__ import annotations

import numpy as np
import pysindy as ps
import pytest

import dynsym as dy
from dynsym import DataError, Monomials, Stepwise, Trajectory, VectorField, systems
from dynsym.compress import compress_prepared, prepare
from dynsym.optim import STLSQ, LinearConstraint


@pytest.fixture(scope="module")
def lorenz():
    return systems.get("lorenz").runs(n_runs=3, n_samples=400)


def test_stlsq_is_pysindys_on_lorenz(lorenz):
    ours = dy.fit(lorenz, Monomials(3, 3), penalty=STLSQ(0.1, ridge=0.05))
    theirs = ps.SINDy(
        optimizer=ps.STLSQ(threshold=0.1, alpha=0.05), feature_library=ps.PolynomialLibrary(degree=3)
    )
    theirs.fit([r.x for r in lorenz], t=[r.t for r in lorenz], x_dot=[np.array(r.dxdt) for r in lorenz])
    wanted = theirs.coefficients()
    np.testing.assert_array_equal(ours.support, wanted != 0)
    np.testing.assert_allclose(ours.coefficients, wanted, rtol=1e-8, atol=1e-8)
    assert int(ours.support.sum()) == 7


def test_stlsq_is_pysindys_with_the_same_noisy_slopes(lorenz):
    rng = np.random.default_rng(0)
    noisy = [Trajectory(r.t, r.x, r.names, dxdt=r.dxdt + rng.standard_normal(r.x.shape)) for r in lorenz]
    theirs = ps.SINDy(
        optimizer=ps.STLSQ(threshold=0.3, alpha=0.05), feature_library=ps.PolynomialLibrary(degree=2)
    )
    theirs.fit([r.x for r in noisy], t=[r.t for r in noisy], x_dot=[np.array(r.dxdt) for r in noisy])
    ours = dy.fit(noisy, Monomials(3, 2), penalty=STLSQ(0.3, ridge=0.05))
    np.testing.assert_allclose(ours.coefficients, theirs.coefficients(), rtol=1e-8, atol=1e-8)


CLEAN = [
    *("duffing", "henon_heiles", "rigid_body", "lotka_volterra_2d", "lorenz", "rossler", "van_der_pol"),
    *("kepler_2d", "pendulum", "hopf", "sir", "brusselator"),
]


@pytest.mark.parametrize("name", CLEAN)
def test_stepwise_finds_the_terms_of_clean_systems(name):
    system = systems.get(name)
    truth = system.field()
    model = dy.fit(system.runs(n_runs=6, n_samples=200), truth.dictionary, penalty=Stepwise())
    np.testing.assert_array_equal(model.support, truth.coefficients != 0)
    np.testing.assert_allclose(model.coefficients, truth.coefficients, rtol=1e-7, atol=1e-8)


def test_stepwise_keeps_what_all_data_show_though_no_fold_does():
    # Five of six runs do not determine the 84 terms that six determine.
    system = systems.get("rotated_cubic_oscillator")
    truth = system.field()
    model = dy.fit(system.runs(n_runs=6, n_samples=300), truth.dictionary, penalty=Stepwise())
    np.testing.assert_array_equal(model.support, truth.coefficients != 0)


@pytest.mark.parametrize("name", ["duffing", "van_der_pol", "lotka_volterra_2d", "rigid_body", "lorenz"])
def test_stepwise_finds_the_terms_under_noise(name):
    system = systems.get(name)
    truth = system.field()
    model = dy.fit(system.runs(n_runs=6, n_samples=600, noise=0.01), truth.dictionary, penalty=Stepwise())
    np.testing.assert_array_equal(model.support, truth.coefficients != 0)
    size = np.abs(truth.coefficients).max()
    assert np.abs(model.coefficients - truth.coefficients).max() < 0.05 * size


# --- errors
# --------------------------------------------------------------------------------------------------------

OSCILLATOR = VectorField(Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -2, -0.1]])


def coverage(draw, repeats=60):
    """Share of 2-sigma intervals that contain the true coefficient."""
    inside = []
    for seed in range(repeats):
        model = dy.fit(draw(np.random.default_rng(seed)), OSCILLATOR.dictionary)
        miss = np.abs(model.coefficients - OSCILLATOR.coefficients)
        inside.append(miss <= 2 * model.standard_errors)
    return float(np.mean(inside))


def clean_runs(m=150, runs=4):
    t = np.linspace(0, 10, m)
    starts = np.random.default_rng(1).standard_normal((runs, 2))
    return [OSCILLATOR.simulate(x0, t) for x0 in starts]


def with_slopes(error):
    """The clean runs with derivatives in error by `error(rng, shape)`."""
    base = clean_runs()

    def draw(rng):
        return [
            Trajectory(r.t, r.x, r.names, dxdt=OSCILLATOR.evaluate(r.x) + 0.3 * error(rng, r.x.shape))
            for r in base
        ]

    return draw


def test_standard_errors_are_honest_for_independent_errors():
    assert 0.85 < coverage(with_slopes(lambda rng, shape: rng.standard_normal(shape))) < 0.999


def smooth(rng, shape):
    """Errors that hang together over some 20 samples, of unit variance."""
    raw = rng.standard_normal((shape[0] + 19, shape[1]))
    return np.stack([np.convolve(c, np.ones(20), "valid") for c in raw.T], axis=1) / np.sqrt(20)


def test_standard_errors_are_honest_for_errors_that_hang_together():
    assert coverage(with_slopes(smooth)) > 0.80


def test_standard_errors_are_honest_for_measurement_noise():
    base = clean_runs()

    def draw(rng):
        return [Trajectory(r.t, r.x + 0.01 * rng.standard_normal(r.x.shape), r.names) for r in base]

    assert coverage(draw, repeats=40) > 0.80


def test_standard_errors_shrink_with_the_number_of_samples():
    def errors(m):
        rng = np.random.default_rng(0)
        runs = [
            Trajectory(r.t, r.x, dxdt=OSCILLATOR.evaluate(r.x) + 0.3 * rng.standard_normal(r.x.shape))
            for r in clean_runs(m)
        ]
        return dy.fit(runs, Monomials(2, 1)).standard_errors

    assert np.median(errors(150) / errors(2400)) == pytest.approx(4.0, rel=0.4)


# --- what must not matter
# -----------------------------------------------------------------------------------------


def test_the_order_of_runs_does_not_matter(lorenz):
    one = dy.fit(lorenz, Monomials(3, 2), penalty=STLSQ(0.1))
    other = dy.fit(lorenz[::-1], Monomials(3, 2), penalty=STLSQ(0.1))
    np.testing.assert_allclose(other.coefficients, one.coefficients, atol=1e-10)
    noisy = systems.get("van_der_pol").runs(n_runs=5, n_samples=200, noise=0.01)
    first = dy.fit(noisy, Monomials(2, 3), penalty=Stepwise())
    second = dy.fit([noisy[k] for k in (3, 1, 4, 0, 2)], Monomials(2, 3), penalty=Stepwise())
    np.testing.assert_allclose(second.coefficients, first.coefficients, atol=1e-10)
    assert isinstance(first.method, dy.WeakForm)


def test_missing_samples_split_a_run():
    t = np.linspace(0, 10, 400)
    whole = OSCILLATOR.simulate([1.0, 0.0], t)
    x = whole.x.copy()
    x[100:105, 0] = np.nan
    x[250, 1] = np.nan
    model = dy.fit(Trajectory(t, x, whole.names), OSCILLATOR.dictionary)
    assert [len(r) for r in model.runs] == [100, 145, 149]
    np.testing.assert_allclose(model.coefficients, OSCILLATOR.coefficients, atol=1e-6)
    noisy = Trajectory(t, x + 0.01 * np.random.default_rng(0).standard_normal(x.shape), whole.names)
    weak = dy.fit(noisy, OSCILLATOR.dictionary)
    assert isinstance(weak.method, dy.WeakForm)
    np.testing.assert_allclose(weak.coefficients, OSCILLATOR.coefficients, atol=0.1)


def test_a_gap_in_the_times_splits_a_run():
    t = np.linspace(0, 10, 400)
    whole = OSCILLATOR.simulate([1.0, 0.0], t)
    keep = np.r_[0:150, 260:400]
    model = dy.fit(Trajectory(t[keep], whole.x[keep], whole.names), OSCILLATOR.dictionary)
    assert [len(r) for r in model.runs] == [150, 140]
    np.testing.assert_allclose(model.coefficients, OSCILLATOR.coefficients, atol=1e-6)


def test_uneven_times_are_normal():
    t = np.sort(np.random.default_rng(0).random(600)) * 10
    model = dy.fit(OSCILLATOR.simulate([1.0, 0.0], t), OSCILLATOR.dictionary)
    np.testing.assert_allclose(model.coefficients, OSCILLATOR.coefficients, atol=1e-3)


# --- constraints
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "penalty", [None, STLSQ(0.05), Stepwise()], ids=["least squares", "stlsq", "stepwise"]
)
def test_constraints_hold(penalty):
    runs = systems.get("isotropic_oscillator_2d").runs(n_runs=4, n_samples=300, noise=0.02)
    d = Monomials(4, 2, names=runs[0].names)
    n = runs[0].names
    constraint = dy.equivariant_to(dy.generators.rotations(4, n, [n[:2], n[2:]]), d)
    model = dy.fit(runs, d, penalty=penalty, constraints=constraint)
    assert constraint.residual(model.coefficients) < 1e-10
    free = dy.fit(runs, d, penalty=penalty)
    assert constraint.residual(free.coefficients) > 1e-6  # negative control
    assert model.constraint.rank == constraint.rank
    assert (model.standard_errors >= 0).all()


def test_constraints_with_a_right_hand_side_and_several_at_once():
    runs = [Trajectory(r.t, r.x, r.names, dxdt=OSCILLATOR.evaluate(r.x)) for r in clean_runs()]
    first, second = np.zeros((1, 6)), np.zeros((1, 6))
    first[0, 2], second[0, 4] = 1.0, 1.0
    both = [LinearConstraint(first, [1.5]), LinearConstraint(second, [-1.0])]
    model = dy.fit(runs, OSCILLATOR.dictionary, constraints=both)
    assert model.coefficients[0, 2] == pytest.approx(1.5, abs=1e-12)
    assert model.coefficients[1, 1] == pytest.approx(-1.0, abs=1e-12)
    with pytest.raises(DataError):
        dy.fit(runs, OSCILLATOR.dictionary, constraints=[both[0], LinearConstraint(first, [2.0])])


# --- doors
# ---------------------------------------------------------------------------------------------------------


def test_names_must_agree():
    run = clean_runs()[0]
    assert dy.fit(run, Monomials(2, 1)).field.names == ("x", "v")
    with pytest.raises(DataError, match=r"dictionary is over \(v, x\) but the data have the states \(x, v\)"):
        dy.fit(run, Monomials(2, 1, names=("v", "x")))
    with pytest.raises(DataError, match="give the dictionary the same names"):
        dy.fit(run, Monomials(3, 1))


def test_data_that_hold_nothing_are_refused():
    with pytest.raises(DataError, match="missing"):
        dy.fit(Trajectory([0.0, 1.0], [[np.nan], [np.nan]]), Monomials(1, 1))
    with pytest.raises(DataError, match="too few for a derivative"):
        dy.fit(Trajectory([0.0, 1.0], [[1.0], [2.0]]), Monomials(1, 1))
    with pytest.raises(DataError, match="needs"):
        dy.fit(Trajectory(np.arange(5.0), np.arange(5.0)), Monomials(1, 1), rows=dy.LocalPolynomial(4, 8))


def test_a_model_says_what_it_is(lorenz):
    model = dy.fit(lorenz, Monomials(3, 2), penalty=STLSQ(0.1))
    assert "model of 3 states, 1200 rows (derivatives given with the data)" in str(model)
    assert (model.explained > 1 - 1e-12).all()
    assert len(model.plot().axes) == 3
    assert model.residual_sd.shape == (3,)


def test_compressed_data_add_up():
    ready = prepare(clean_runs())
    d = Monomials(2, 1, names=("x", "v"))
    whole = compress_prepared(ready, d)
    assert whole.n_rows == whole.total.n_rows == sum(b.factor.n_rows for b in whole.blocks)
    assert sorted({b.run for b in whole.blocks}) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("make", "message"), [(lambda: Stepwise(folds=1), "got 1"), (lambda: Stepwise(z=-1), "got -1")]
)
def test_selections_that_cannot_work_are_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()
