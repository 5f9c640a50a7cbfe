"""Paths: each point is the solution of its own problem, errors are those of refitting, rules choose what they say."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pysindy as ps
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import lasso_path as sklearn_path

import dynsym as dy
from dynsym import DataError, L1Weights, Monomials, SymmetryWeights, Thresholds, Trajectory, systems
from dynsym.cli import main
from dynsym.compress import factor_of
from dynsym.optim import ADMM, L1, STLSQ, Quadratic, solve
from dynsym.selection._criteria import information_criteria
from dynsym.selection._lasso import duality_gap, lasso_path, relative_gap
from dynsym.selection._thresholds import ThresholdWalk


def noisy_slopes(name, n_runs, m, size, seed=0):
    """Runs whose derivatives are given, in error by `size`."""
    system = systems.get(name)
    field, rng = system.field(), np.random.default_rng(seed)
    return [
        Trajectory(r.t, r.x, r.names, dxdt=field.evaluate(r.x) + size * rng.standard_normal(r.x.shape))
        for r in system.runs(n_runs=n_runs, n_samples=m)
    ]


@pytest.fixture(scope="module")
def pol():
    return dy.fit(noisy_slopes("van_der_pol", 4, 200, 0.1), Monomials(2, 3))


# --- thresholds
# -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_each_point_is_what_stlsq_gives(pol, ridge):
    found = dy.path(pol, over=Thresholds(ridge=ridge))
    total = pol.compressed.total
    for value, c in zip(found.values, found.coefficients):
        one = solve(Quadratic(total.theta, total.target), STLSQ(float(value), ridge)).coefficients
        np.testing.assert_array_equal(c != 0, one != 0)
        np.testing.assert_allclose(c, one, rtol=1e-8, atol=1e-10)


def test_each_point_is_what_pysindy_gives():
    runs = noisy_slopes("lorenz", 3, 300, 1.0)
    values = [0.01, 0.05, 0.1, 0.3, 0.8]
    found = dy.path(runs, Monomials(3, 2), Thresholds(values, ridge=0.05))
    for value, c in zip(found.values, found.coefficients):
        theirs = ps.SINDy(
            optimizer=ps.STLSQ(threshold=value, alpha=0.05), feature_library=ps.PolynomialLibrary(degree=2)
        )
        theirs.fit([r.x for r in runs], t=[r.t for r in runs], x_dot=[np.array(r.dxdt) for r in runs])
        np.testing.assert_array_equal(c != 0, theirs.coefficients() != 0)
        np.testing.assert_allclose(c, theirs.coefficients(), rtol=1e-8, atol=1e-8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 6), n=st.integers(1, 2), share=st.floats(0, 1))
def test_the_default_grid_holds_every_solution_there_is(seed, p, n, share):
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((40, p)) * 10.0 ** rng.integers(-1, 2, p)
    factor = factor_of(theta, theta @ rng.standard_normal((p, n)) + rng.standard_normal((40, n)))
    walk = ThresholdWalk(factor, 0.0)
    grid = walk.grid()
    known = {c.tobytes() for c in walk.solve(factor, grid).coefficients != 0}
    tried = np.geomspace(grid[0] / 4, 2 * grid[-1], 50) * (1 + 0.05 * share)
    assert {c.tobytes() for c in walk.solve(factor, tried).coefficients != 0} <= known
    assert len(known) == len(grid)  # and none of them twice


def test_many_steps_give_a_grid_of_bounded_length():
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((300, 60))
    walk = ThresholdWalk(factor_of(theta, rng.standard_normal((300, 3))), 0.0)
    grid = walk.grid()
    assert len(grid) == 64
    steps = walk.solve(walk.total, grid[[0, -1]]).coefficients
    assert (steps[0] != 0).all()
    assert not steps[1].any()


# --- lasso
# ----------------------------------------------------------------------------------------------------------


def test_the_lasso_path_is_scikit_learns_on_all_rows():
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((500, 12)) @ (np.eye(12) + 0.3 * rng.standard_normal((12, 12)))
    y = theta[:, :4] @ [2.0, -1.0, 0.5, 3.0] + rng.standard_normal(500)
    factor = factor_of(theta, y[:, None])
    weights = np.geomspace(1e-3, 1, 40) * np.abs(theta.T @ y).max()
    ours = lasso_path(factor.theta, factor.target[:, 0], weights)
    alphas, theirs, _ = sklearn_path(theta, y, alphas=weights / 500, tol=1e-14, max_iter=200_000)
    np.testing.assert_allclose(alphas, weights[::-1] / 500)
    np.testing.assert_allclose(ours, theirs[0].T[::-1] if theirs.ndim == 3 else theirs.T[::-1], atol=1e-6)
    assert not ours[-1].any()
    assert ours[-2].any()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    m=st.integers(2, 30),
    p=st.integers(1, 12),
    spread=st.integers(0, 3),
    near=st.sampled_from([1.0, 1e-3, 1e-6]),
)
def test_the_lasso_meets_its_optimality_condition(seed, m, p, spread, near):
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((m, p)) * 10.0 ** rng.integers(-spread, spread + 1, p)
    theta[:, -1] = theta[:, 0] + near * theta[:, -1]  # columns that nearly repeat
    y = theta @ rng.standard_normal(p) + 0.3 * rng.standard_normal(m)
    weights = np.geomspace(1e-3, 1, 15) * np.abs(theta.T @ y).max()
    for w, c in zip(weights, lasso_path(theta, y, weights)):
        slope = theta.T @ (y - theta @ c)
        assert np.abs(slope).max() <= w * (1 + 1e-6)
        assert (np.sign(c) * slope)[c != 0] == pytest.approx(w, rel=1e-6)
        assert relative_gap(theta, y[:, None], w, c[None]) < 1e-8


def test_the_gap_bounds_the_distance_to_the_minimum():
    rng = np.random.default_rng(1)
    theta, y = rng.standard_normal((40, 6)), rng.standard_normal(40)
    (best,) = lasso_path(theta, y, np.array([3.0]))
    least = duality_gap(theta, y, 3.0, best)[1]
    for _ in range(20):
        gap, objective = duality_gap(theta, y, 3.0, best + 0.1 * rng.standard_normal(6))
        assert objective - least <= gap + 1e-12
        assert gap > 1e-6  # negative control: a wrong point is not certified


def test_a_repeated_term_does_not_stop_the_path():
    rng = np.random.default_rng(2)
    theta = rng.standard_normal((50, 5))
    theta = np.hstack([theta, theta[:, [0]], np.zeros((50, 1))])
    y = theta[:, 0] + 0.1 * rng.standard_normal(50)
    weights = np.geomspace(1e-3, 1, 20) * np.abs(theta.T @ y).max()
    gaps = [
        relative_gap(theta, y[:, None], w, c[None]) for w, c in zip(weights, lasso_path(theta, y, weights))
    ]
    assert max(gaps) < 1e-8


def test_l1_weights_are_those_of_optim(pol):
    found = dy.path(pol, over=L1Weights())
    total = pol.compressed.total
    assert len(found) == 60
    assert found.converged.all()
    assert not found.coefficients[-1].any()
    assert found.coefficients[-2].any()
    for k in (0, 20, 40):
        one = solve(Quadratic(total.theta, total.target), L1(float(found.values[k])), solver=ADMM(1e-10))
        np.testing.assert_allclose(found.coefficients[k], one.coefficients, atol=1e-6)


def test_relaxed_and_equilibrated(pol):
    plain, relaxed = dy.path(pol, over=L1Weights()), dy.path(pol, over=L1Weights(relaxed=True))
    np.testing.assert_array_equal(plain.coefficients != 0, relaxed.coefficients != 0)
    assert (relaxed.squares <= plain.squares * (1 + 1e-9)).all()
    k = plain.index("1se")
    least = pol.information.least_squares(0, relaxed.coefficients[k, 0] != 0)
    np.testing.assert_allclose(relaxed.coefficients[k, 0], least, rtol=1e-8)
    scaled = [Trajectory(r.t, r.x, r.names, dxdt=r.dxdt) for r in pol.runs]
    units = Monomials(2, 3, names=pol.field.names)
    one = dy.path(scaled, units, L1Weights(equilibrated=True))
    total = pol.compressed.total
    size = np.linalg.norm(total.theta, axis=0) / np.sqrt(total.n_rows)
    two = lasso_path(total.theta / size, total.target[:, 1], one.values)
    np.testing.assert_allclose(one.coefficients[:, 1], two / size, atol=1e-10)


# --- symmetry
# -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hopf():
    return dy.fit(noisy_slopes("hopf", 4, 100, 0.2), Monomials(2, 3))


def test_each_point_is_what_promotion_gives(hopf):
    rotations = dy.generators.rotations(2)
    found = dy.path(hopf, over=SymmetryWeights(rotations, [0.02, 0.5], sparsity=0.1, tol=1e-8))
    total = hopf.compressed.total
    for value, c in zip(found.values, found.coefficients):
        penalty = dy.SymmetryBreaking(rotations, hopf.field.dictionary, float(value), hopf.region) + L1(0.1)
        one = solve(Quadratic(total.theta, total.target), penalty, solver=ADMM(1e-8))
        np.testing.assert_allclose(c, one.coefficients, atol=1e-6)
    assert (found.gaps <= 1e-8).all()


def test_the_grid_ends_where_nothing_is_broken(hopf):
    found = dy.path(hopf, over=SymmetryWeights(dy.generators.rotations(2)))
    broken = found.walk.broken(found.coefficients)
    assert broken[-1] == 0
    assert broken[0] == 1  # negative control: noise breaks it where the weight is small
    freedom = found.freedom.sum(axis=1)
    # Fields over cubic polynomials that commute with rotations: x and its turn, each times 1 and r^2.
    assert freedom[-1] == 4
    assert freedom[0] == 20
    # The truth has the symmetry, so held-out data and criteria prefer the strong end.
    assert broken[found.index("1se")] == broken[found.index("bic")] == 0


def test_promotion_of_a_symmetry_that_is_not_there_is_refused_by_held_out_data(pol):
    found = dy.path(pol, over=SymmetryWeights(dy.generators.rotations(2), np.geomspace(1e-2, 1e3, 6)))
    assert found.walk.broken(found.coefficients)[found.index("1se")] == 1
    assert found.walk.broken(found.coefficients)[-1] == 0


# --- errors and criteria
# ------------------------------------------------------------------------------------------


def test_held_out_errors_are_those_of_refitting_without_the_runs():
    runs = noisy_slopes("van_der_pol", 5, 80, 0.1)
    found = dy.path(runs, Monomials(2, 3), Thresholds([0.05, 0.3, 0.7]))
    scale = np.mean(np.concatenate([r.dxdt for r in runs]) ** 2, axis=0)
    for j, run in enumerate(runs):
        for k, value in enumerate(found.values):
            one = dy.fit(runs[:j] + runs[j + 1 :], Monomials(2, 3), penalty=STLSQ(float(value)))
            miss = np.mean((run.dxdt - one.field.evaluate(run.x)) ** 2, axis=0) / scale
            assert found.errors[k, j] == pytest.approx(miss.mean(), rel=1e-8)
    extra = found.errors - found.errors[np.argmin(found.cv)]
    np.testing.assert_allclose(found.cv_error, np.std(extra, axis=1, ddof=1) / np.sqrt(5), atol=1e-15)


def test_weights_shrink_with_the_rows_that_are_left():
    runs = noisy_slopes("van_der_pol", 4, 80, 0.1)
    found = dy.path(runs, Monomials(2, 3), L1Weights([20.0]))
    one = dy.fit(runs[1:], Monomials(2, 3), penalty=L1(20.0 * 3 / 4), solver=ADMM(1e-10))
    scale = np.mean(np.concatenate([r.dxdt for r in runs]) ** 2, axis=0)
    miss = np.mean((runs[0].dxdt - one.field.evaluate(runs[0].x)) ** 2, axis=0) / scale
    assert found.errors[0, 0] == pytest.approx(miss.mean(), rel=1e-5)


def test_criteria_by_their_formulas():
    squares, freedom, rows = np.array([[5.0, 8.0]]), np.array([[2.0, 3.0]]), 50
    effective, scale = np.array([40.0, 25.0]), np.array([2.0, 4.0])
    aicc, bic = information_criteria(squares, freedom, rows, effective, scale)
    wanted_aicc = wanted_bic = 0.0
    for s, k, m, z in zip(squares[0], freedom[0], effective, scale):
        likelihood = m * np.log(s / rows / z)
        wanted_aicc += likelihood + 2 * (k + 1) + 2 * (k + 1) * (k + 2) / (m - k - 2)
        wanted_bic += likelihood + k * np.log(m)
    assert aicc[0] == pytest.approx(wanted_aicc, rel=1e-12)
    assert bic[0] == pytest.approx(wanted_bic, rel=1e-12)
    few, _ = information_criteria(squares, freedom, rows, np.array([4.0, 25.0]), scale)
    assert np.isinf(few[0])


def test_errors_that_hang_together_leave_fewer_independent_rows(pol):
    rng = np.random.default_rng(3)
    smooth = []
    for run in systems.get("van_der_pol").runs(n_runs=4, n_samples=400):
        raw = rng.standard_normal((439, 2))
        error = np.stack([np.convolve(c, np.ones(40), "valid") for c in raw.T], axis=1) / np.sqrt(40)
        truth = systems.get("van_der_pol").field().evaluate(run.x)
        smooth.append(Trajectory(run.t, run.x, run.names, dxdt=truth + 0.1 * error))
    found = dy.path(smooth, Monomials(2, 3))
    assert (found.effective_rows < 1600 / 4).all()
    assert (dy.path(pol).effective_rows > 800 / 2).all()  # negative control: independent errors


# --- choosing
# -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["1se", "bic"])
@pytest.mark.parametrize("name", ["van_der_pol", "lorenz", "duffing"])
def test_rules_find_the_terms(name, rule):
    system = systems.get(name)
    truth = system.field()
    found = dy.path(noisy_slopes(name, 6, 300, 0.05), truth.dictionary)
    np.testing.assert_array_equal(found.best(rule).support, truth.coefficients != 0)


@pytest.mark.parametrize("name", ["hopf", "van_der_pol"])
def test_coefficients_that_are_equal_but_for_rounding_stay_together(name):
    system = systems.get(name)
    truth = system.field()
    found = dy.path(system.runs(6, 300), truth.dictionary)
    np.testing.assert_array_equal(found.best("1se").support, truth.coefficients != 0)


def test_noise_alone_gives_no_terms():
    rng = np.random.default_rng(4)
    runs = [
        Trajectory(np.arange(200.0), rng.standard_normal((200, 2)), dxdt=rng.standard_normal((200, 2)))
        for _ in range(6)
    ]
    for over in (Thresholds(), L1Weights(equilibrated=True)):
        found = dy.path(runs, Monomials(2, 3), over)
        assert found.n_terms[found.index("1se")] <= 1
        assert found.n_terms[found.index("bic")] <= 1
        assert found.n_terms[0] == 20  # negative control: without a rule they are all there


def test_the_chosen_model_is_a_model(pol):
    found = dy.path(pol)
    best = found.best("1se")
    direct = dy.fit(list(pol.runs), Monomials(2, 3), penalty=STLSQ(float(found.values[found.index("1se")])))
    np.testing.assert_allclose(best.coefficients, direct.coefficients, rtol=1e-9)
    np.testing.assert_allclose(best.standard_errors, direct.standard_errors, rtol=1e-9)
    assert "chosen by 1se" in best.solution.message
    assert best.compressed is pol.compressed
    found = dy.symmetries(best, dy.generators.rotations(2, best.field.names))
    assert len(found.generators) == 0  # inference works on it, and the oscillator has no symmetry


def test_points_that_did_not_converge_are_passed_over(pol):
    found = dy.path(pol)
    k = found.index("cv")
    open_there = replace(found, converged=np.arange(len(found)) != k)
    assert open_there.index("cv") != k
    assert "not converged" in str(open_there)
    with pytest.raises(DataError, match="no point of the path converged"):
        replace(found, converged=np.zeros(len(found), bool)).best()


def test_one_stretch_has_no_folds_but_criteria():
    run = noisy_slopes("van_der_pol", 1, 14, 0.01)[0]
    found = dy.path(run, Monomials(2, 1))
    assert found.errors.shape == (len(found), 0)
    with pytest.raises(DataError, match="choose by bic"):
        found.best("cv")
    assert found.best("bic").coefficients.shape == (2, 3)
    assert "0 folds" in str(found)
    found.plot().canvas.draw()


def test_the_data_are_not_read_again(pol):
    blind = replace(pol, compressed=replace(pol.compressed, source=replace(pol.source, stretches=())))
    np.testing.assert_array_equal(dy.path(blind).errors, dy.path(pol).errors)


def test_a_path_shows_itself(pol):
    found = dy.path(pol)
    text = str(found)
    assert "path of" in text
    assert max(map(len, text.splitlines())) <= 110
    assert sum("1se" in line for line in text.splitlines()) == 1
    assert found._repr_html_().startswith("<pre>")
    figure = found.plot()
    assert len(figure.axes) == 4
    figure.canvas.draw()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: dy.path(list(m.runs)), "data need a dictionary"),
        (lambda m: dy.path(m, Monomials(2, 2)), "leave the dictionary out"),
        (lambda m: dy.path(m, rows=dy.WeakForm(0.3)), "a model has its rows already"),
        (lambda m: dy.path(m).best("cp"), "unknown rule 'cp'"),
        (lambda m: Thresholds([-1.0]), "must not be negative, got -1"),
        (lambda m: L1Weights([]), "L1 weights are empty"),
        (lambda m: Thresholds([np.nan]), "not finite"),
        (lambda m: Thresholds(ridge=-1), "ridge must be finite"),
        (lambda m: SymmetryWeights(dy.generators.rotations(2), sparsity=-1), "sparsity"),
        (lambda m: SymmetryWeights(dy.generators.rotations(2), tol=2), "tol must lie"),
        (lambda m: dy.path(m, over=SymmetryWeights(dy.generators.rotations(3))), "act on 3 states"),
    ],
)
def test_what_cannot_be_done_is_refused(pol, call, message):
    with pytest.raises(DataError, match=message):
        call(pol)


def test_a_constrained_model_is_refused(pol):
    turn = dy.equivariant_to(dy.generators.rotations(2, pol.field.names), pol.field.dictionary)
    with pytest.raises(DataError, match="linear constraint"):
        dy.path(dy.fit(list(pol.runs), Monomials(2, 3), constraints=turn))


# --- command line
# -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    place = tmp_path_factory.mktemp("data") / "pol.csv"
    rows = ["run,t,x,v"]
    for k, run in enumerate(systems.get("van_der_pol").runs(4, 120, noise=0.01)):
        rows += [f"{k},{t:.5f},{a:.6f},{b:.6f}" for t, (a, b) in zip(run.t, run.x)]
    place.write_text("\n".join(rows) + "\n")
    return place


def words(table, *more):
    return ["path", str(table), "--run", "run", "--time", "t", "--dictionary", "poly(3)", *more]


def test_the_command_writes_both_files(table, tmp_path, capsys):
    assert main(words(table, "--stability", "--out", str(tmp_path / "out"))) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["path.json", "path.png"]
    record = json.loads((tmp_path / "out" / "path.json").read_text(), parse_constant=pytest.fail)
    k = len(record["weights"])
    assert record["schema"] == 1
    assert np.shape(record["coefficients"]) == (k, 2, 10)
    assert record["chosen"]["rule"] == "1se"
    assert np.shape(record["stability"]["probabilities"]) == (2, 10)
    chosen = record["coefficients"][record["chosen"]["index"]]
    assert chosen == record["model"]["coefficients"]
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80 or "Written" in said
    assert "Chosen by 1se" in said


@pytest.mark.parametrize("over", ["l1", "symmetry"])
def test_json_to_standard_output(table, capsys, over):
    more = ("--over", over, "--candidates", "rotations", "--choose", "bic", "--json", "-")
    assert main(words(table, *more)) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out, parse_constant=pytest.fail)["chosen"]["rule"] == "bic"
    assert "Path (" in captured.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--over", "ridge"), "unknown --over 'ridge'; choose one of: threshold, l1, symmetry, laws"),
        (("--choose", "best"), "unknown --choose 'best'"),
        (("--over", "symmetry", "--stability"), "--stability needs --over threshold or l1"),
        (("--over", "symmetry", "--candidates", "magic"), "magic"),
        (("--noise", "much"), "--noise takes a number or auto"),
    ],
)
def test_bad_words_give_one_line_and_code_2(table, capsys, more, message):
    assert main(words(table, *more)) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err


def test_files_are_written_whole_or_not_at_all(table, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def fails(*_args, **_kwargs):
        raise OSError(28, "No space left on device", "path.png")

    monkeypatch.setattr(Figure, "savefig", fails)
    assert main(words(table, "--out", str(tmp_path / "out"))) == 2
    assert list((tmp_path / "out").iterdir()) == []
