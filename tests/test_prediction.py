"""Predictions judge models: errors by definition, starts without noise, and no verdict without evidence."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import dynsym as dy
from dynsym.prediction import local_state, lyapunov_exponent
from dynsym.prediction._rollouts import Scale, rollouts, square_errors, valid_time
from dynsym.prediction._starts import starts_of


def spring(omega: float = 1.0) -> dy.VectorField:
    return dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -(omega**2), 0]])


def spring_runs(count: int = 8, m: int = 200, noise: float = 0.0, t_end: float = 20.0) -> list[dy.Trajectory]:
    t = np.linspace(0, t_end, m)
    out = []
    for k in range(count):
        rng = np.random.default_rng(k)
        a, phase = rng.uniform(0.8, 1.2), rng.uniform(0, 2 * np.pi)
        x = np.stack([a * np.cos(t + phase), -a * np.sin(t + phase)], axis=1)
        out.append(dy.Trajectory(t, x + noise * rng.standard_normal(x.shape), names=("x", "v")))
    return out


ENERGY = dy.ScalarFunction(dy.Monomials(2, 2, names=("x", "v")), [0, 0, 0, 0.5, 0, 0.5])


def test_error_and_valid_time_by_their_definition():
    """The slow twin: one run after the other, scipy's integrator, plain loops."""
    runs, wrong, theta = spring_runs(5), spring(1.03), 0.4
    judged = dy.predictions({"wrong": wrong}, runs, rule=dy.PredictionRule(threshold=theta))["wrong"]
    every = np.concatenate([run.x for run in runs])
    for k, run in enumerate(runs):
        done = solve_ivp(
            lambda t, x: wrong(x), (0, run.t[-1]), run.x[0], t_eval=run.t, rtol=1e-10, atol=1e-12
        )
        e = np.sqrt(np.mean(((done.y.T - run.x) / every.std(axis=0)) ** 2, axis=1))
        assert judged.errors[k] == pytest.approx(np.sqrt(np.mean(e**2)), rel=1e-4)
        over = np.flatnonzero(e > theta)
        first = run.t[over[0]] if len(over) else run.t[-1]
        assert first - (run.t[1] - run.t[0]) <= judged.valid[k] <= first
        assert judged.to_the_end[k] == (not len(over))


def test_valid_time_of_an_exponential_error_is_exact_between_samples():
    times = np.linspace(0, 10, 11)
    squares = np.exp(2 * (times - 5.3)) * 0.4**2
    when, end = valid_time(times, squares, 0.4, 0.0)
    assert when == pytest.approx(5.3)
    assert not end
    assert valid_time(times, squares * 1e-9, 0.4, 0.0) == (10.0, True)
    assert valid_time(times, np.ones(11), 0.4, 0.0) == (0.0, False)


def test_a_phase_error_is_valid_for_the_time_theory_gives():
    # Two unit circles at angle (w - 1) t lie |2 sin| of half of it apart; the spread of each state is 1/sqrt(2).
    runs = [
        dy.Trajectory(r.t, r.x / np.linalg.norm(r.x[0]), names=r.names)
        for r in spring_runs(6, 2001, t_end=20)
    ]
    turn = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1.05], [0, -1.05, 0]])
    judged = dy.predictions([turn], runs).findings[0]
    spread = np.concatenate([run.x for run in runs]).std(axis=0).mean()
    expected = 2 * np.arcsin(0.4 * np.sqrt(2) * spread / 2) / 0.05
    assert judged.valid_time == pytest.approx(expected, rel=0.02)


def test_the_exact_field_predicts_to_the_end_and_keeps_the_law():
    judged = dy.predictions({"wrong": spring(1.1), "exact": spring()}, spring_runs(), laws=[ENERGY])
    exact, wrong = judged["exact"], judged["wrong"]
    assert exact.error < 1e-5
    assert exact.is_bound
    assert exact.drift[0] < 1e-6
    assert wrong.error > 0.3
    assert not wrong.is_bound
    assert wrong.drift[0] > 1e-2
    assert judged.against("exact").verdict == "longer"
    assert judged.against("wrong", "exact").verdict == "shorter"


def test_equal_models_are_undecided():
    judged = dy.predictions({"one": spring(1.02), "two": spring(1.0200001)}, spring_runs(12))
    found = judged.against("two")
    assert found.verdict == "undecided"
    assert found.ties == 12


def test_few_runs_never_carry_a_verdict():
    """Five runs, all won, make p = 1/16: no claim at the 5 % level."""
    judged = dy.predictions({"wrong": spring(1.3), "exact": spring()}, spring_runs(5))
    assert (judged.against("exact").wins, judged.against("exact").verdict) == (5, "undecided")


def test_starts_of_one_run_do_not_count_as_runs():
    rule = dy.PredictionRule(starts=20)
    judged = dy.predictions({"wrong": spring(1.3), "exact": spring()}, spring_runs(2, 400), rule=rule)
    assert len(judged.runs) == 40
    assert judged.against("exact").verdict == "undecided"


def test_a_model_that_blows_up_is_counted_and_disturbs_no_other():
    explosion = dy.VectorField(dy.Monomials(2, 2, names=("x", "v")), [[0, 0, 0, 9, 0, 9], [0] * 6])
    judged = dy.predictions({"exact": spring(), "explosion": explosion}, spring_runs(), laws=[ENERGY])
    bad = judged["explosion"]
    assert bad.lost.all()
    assert bad.error == 1.0
    assert bad.valid_time < 1.0
    assert bad.drift[0] > 0.1
    assert judged["exact"].error < 1e-5
    json.dumps(judged.to_dict(), allow_nan=False)


def test_starts_lose_most_of_the_noise_and_their_errors_are_honest():
    clean, noisy = spring_runs(40, 400), spring_runs(40, 400, noise=0.05)
    sd = np.full(2, 0.05)
    starts = starts_of(noisy, sd, dy.PredictionRule(starts=3))
    true = np.stack([_at(clean[s.run], len(clean[s.run]) - len(s.times)) for s in starts])
    miss = (np.stack([s.state for s in starts]) - true) / np.stack([s.sd for s in starts])
    assert np.mean([s.sd.mean() for s in starts]) < 0.4 * 0.05
    assert np.sqrt(np.mean(miss**2)) < 1.5


def _at(run: dy.Trajectory, index: int) -> np.ndarray:
    return run.x[index]


def test_without_noise_a_start_is_the_sample_itself():
    run = spring_runs(1)[0]
    state, sd = local_state(run.t, run.x, 20, np.zeros(2))
    assert np.array_equal(state, run.x[20])
    assert not sd.any()
    assert starts_of([run], np.zeros(2), dy.PredictionRule())[0].times[-1] == run.t[-1]


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.floats(-3, 3), min_size=5, max_size=5), st.integers(3, 60), st.integers(0, 5))
def test_polynomials_of_degree_four_are_starts_without_bias(c, index, seed):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0, 1, 121))
    x = np.polynomial.polynomial.polyval(t, c)[:, None]
    state, _ = local_state(t, x, index, np.array([1e-3]))
    assert abs(state[0] - x[index, 0]) < 1e-9


def test_coarse_samples_are_not_taken_for_noise():
    """At three samples a period motion and noise look alike; smoothing would spoil the starts of every model."""
    judged = dy.predictions([spring()], spring_runs(8, 100, t_end=200.0))
    assert judged.findings[0].error < 1e-4
    assert not judged.noise.any()


def test_noise_of_the_samples_is_taken_off_the_error():
    # The model is exact and starts exactly: what is left is the noise alone.
    runs = spring_runs(20, 400, noise=0.1)
    field, scale = spring(), Scale(np.full(2, np.sqrt(0.5)), np.full(2, 0.1))
    clean = spring_runs(20, 400)
    squares = []
    for run, true in zip(runs, clean):
        start = starts_of(
            [dy.Trajectory(true.t, true.x, names=true.names)], np.zeros(2), dy.PredictionRule()
        )[0]
        path = rollouts(field, [start])[0]
        squares.append(np.mean(np.mean(((path - run.x) / scale.spread) ** 2, axis=1)))
        assert np.all(square_errors(path, start, scale) < 1e-8)
    assert np.mean(squares) == pytest.approx(scale.floor, rel=0.05)


def test_noise_that_hides_the_threshold_is_refused():
    with pytest.raises(dy.DataError, match=r"hides errors.*threshold of at least"):
        dy.predictions([spring()], spring_runs(4, 400, noise=0.4))


def test_chaos_has_a_lyapunov_time_and_regular_motion_has_none():
    lorenz = dy.systems.get("lorenz")
    states = np.stack([run.x[-1] for run in lorenz.runs(12, 300)])
    assert lyapunov_exponent(lorenz.field(), states, states.std(axis=0), 30.0) == pytest.approx(
        0.906, rel=0.15
    )
    # Nonlinear but integrable: neighbours part linearly in time.
    pendulum = dy.VectorField(dy.Terms(["w", "sin(q)"], ("q", "w")), [[1, 0], [0, -1]])
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (12, 2))
    for duration in (20.0, 300.0):
        assert lyapunov_exponent(pendulum, points, np.ones(2), duration) is None
    damped = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -1, -0.1]])
    assert lyapunov_exponent(damped, points, np.ones(2), 50.0) is None


def test_times_are_told_in_lyapunov_times_only_for_chaos():
    regular = dy.predictions([spring()], spring_runs())
    assert regular.lyapunov_time is None
    assert "characteristic times" in str(regular)
    assert regular.characteristic_time == pytest.approx(1.0, rel=0.1)
    lorenz = dy.systems.get("lorenz")
    chaotic = dy.predictions([lorenz.field()], lorenz.runs(8, 300))
    assert "Lyapunov times" in str(chaotic)
    assert chaotic.lyapunov_time == pytest.approx(1.1, rel=0.2)
    given_time = dy.predictions([spring()], spring_runs(), rule=dy.PredictionRule(lyapunov_time=2.0))
    assert given_time.lyapunov_time == 2.0


def test_uneven_steps_gaps_and_runs_of_different_length():
    runs = []
    for k, run in enumerate(spring_runs(6, 300)):
        keep = np.sort(np.random.default_rng(k).choice(300, 150 + 20 * k, replace=False))
        x = run.x[keep].copy()
        x[70] = np.nan
        runs.append(dy.Trajectory(run.t[keep], x, names=run.names))
    judged = dy.predictions({"exact": spring()}, runs).findings[0]
    assert len(judged.errors) == 12
    assert judged.to_the_end.all()


def test_it_shows_itself():
    judged = dy.predictions({"wrong": spring(1.1), "exact": spring()}, spring_runs(), laws=[ENERGY])
    text = str(judged)
    assert "drift of 0.5*x**2 + 0.5*v**2" in text
    assert "longer (8:0, p=0.0078)" in text
    assert len(text.splitlines()) == 4
    assert max(map(len, text.splitlines())) < 130
    assert "<table>" in judged._repr_html_()
    assert "&gt;=" in judged._repr_html_()
    assert len(judged.plot().axes) == 2
    record = judged.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False))["models"][1]["against"]["verdict"] == "longer"
    assert "longer (8 : 0 runs" in str(judged.against("exact"))


def test_what_cannot_be_predicted_is_refused():
    with pytest.raises(dy.DataError, match="no model was given"):
        dy.predictions({}, spring_runs())
    with pytest.raises(TypeError, match="without a vector field"):
        dy.predictions({"a": 3}, spring_runs())
    with pytest.raises(dy.DataError, match="has 1 states and the runs have 2"):
        dy.predictions([dy.VectorField(dy.Monomials(1, 1), [[0, 1]])], spring_runs())
    with pytest.raises(dy.DataError, match="longest run has 5 samples"):
        dy.predictions([spring()], [spring_runs(1)[0].read(0, 5)])
    with pytest.raises(dy.DataError, match="no model is called 'b'; there are: model 1"):
        dy.predictions([spring()], spring_runs())["b"]
    constant = dy.ScalarFunction(dy.Monomials(2, 1, names=("x", "v")), [1.0, 0, 0])
    with pytest.raises(dy.DataError, match="no finite, nonzero gradient"):
        dy.predictions([spring()], spring_runs(), laws=[constant])
    for wrong in (
        {"threshold": 0.0},
        {"starts": 0},
        {"horizon": -1.0},
        {"alpha": 1.0},
        {"lyapunov_time": 0.0},
    ):
        with pytest.raises(dy.DataError):
            dy.PredictionRule(**wrong)


def test_the_command_line_judges_models_on_new_runs(tmp_path, capsys):
    from dynsym.cli import main

    for name, omega in (("plain", 1.2), ("refit", 1.0)):
        field = spring(omega)
        model = {
            "states": ["x", "v"],
            "terms": list(field.dictionary.terms),
            "coefficients": field.coefficients.tolist(),
        }
        law = {"verdict": "certified", "coefficients": {"x**2": 0.5, "v**2": 0.5}}
        record = {"schema": 1, "model": model} | ({"conserved_quantities": [law]} if name == "plain" else {})
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    rows = ["run,t,x,v"]
    for k, run in enumerate(spring_runs(8, 100)):
        rows += [f"{k},{t},{x},{v}" for t, (x, v) in zip(run.t, run.x)]
    (tmp_path / "held_out.csv").write_text("\n".join(rows))
    words = ["predict", str(tmp_path / "held_out.csv"), "--run", "run", "--time", "t", "--json", "-"]
    words += ["--model", str(tmp_path / "plain.json"), "--model", f"best={tmp_path / 'refit.json'}"]
    assert run_command(main, words) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert [m["name"] for m in record["models"]] == ["plain", "best"]
    assert record["models"][1]["against"]["verdict"] == "longer"
    assert record["models"][0]["drift"][0] > 10 * record["models"][1]["drift"][0]
    assert "drift of" in err
    assert run_command(main, [*words, "--model", str(tmp_path / "plain.json")]) == 2
    assert "two models are called 'plain'" in capsys.readouterr().err


def run_command(main, words) -> int:
    try:
        return main(words) or 0
    except SystemExit as stop:
        return int(stop.code or 0)


# ---------------------------------------------------------------- shooting


def duffing_fit(seed: int, noise: float = 0.1) -> dy.Model:
    duffing = dy.systems.get("duffing")
    return dy.fit(
        duffing.runs(6, 300, seed=seed, noise=noise), duffing.field().dictionary, penalty=dy.Stepwise()
    )


def test_shooting_finds_the_least_misfit():
    """By definition: no small move of a coefficient, starts fitted again, lowers the misfit."""
    from dynsym.prediction._shooting import _Problem

    model = duffing_fit(0)
    done = dy.prediction.shooting(model, 1e9)
    problem = _Problem.of(model, 1e9)

    def misfit(field: dy.VectorField) -> float:
        states = np.stack([start.state for start in problem.starts])
        for _ in range(4):
            _, _, states, value = problem._improved(field, states, with_field=False)
        return value

    least = misfit(done.field)
    for index in np.flatnonzero(model.support.ravel()):
        for sign in (1, -1):
            c = done.field.coefficients.copy()
            c.ravel()[index] += sign * 2 * done.standard_errors.ravel()[index]
            assert misfit(dy.VectorField(done.field.dictionary, c)) > least


def test_shooting_comes_nearer_the_truth_with_honest_errors():
    exact = dy.systems.get("duffing").field().coefficients
    fits, shots, z = [], [], []
    for seed in range(4):
        model = duffing_fit(seed)
        done = dy.prediction.shooting(model)
        own = done.standard_errors > 0
        fits.append(np.linalg.norm(model.coefficients - exact))
        shots.append(np.linalg.norm(done.field.coefficients - exact))
        z.append((done.field.coefficients - exact)[own] / done.standard_errors[own])
        assert np.array_equal(done.field.coefficients != 0, model.support)
        assert 0.9 < done.after < 1.1
    assert np.mean(shots) < 0.7 * np.mean(fits)
    assert np.sqrt(np.mean(np.square(z))) < 1.6


def test_shooting_keeps_a_constraint():
    terms = dy.Monomials(2, 1, names=("x", "v"))
    model = dy.fit(spring_runs(6, 150, noise=0.1), terms, constraints=[dy.conserving(ENERGY, terms)])
    done = dy.prediction.shooting(model)
    assert model.constraint is not None
    assert model.constraint.residual(done.field.coefficients) < 1e-10
    assert abs(done.field.coefficients[0, 2] - 1) < 4 * done.standard_errors[0, 2] < 0.02


def test_a_field_that_lacks_a_term_keeps_a_misfit():
    duffing = dy.systems.get("duffing")
    linear = dy.fit(duffing.runs(6, 300, noise=0.02), dy.Monomials(2, 1, names=duffing.states))
    done = dy.prediction.shooting(linear)
    assert done.after > 1.5
    assert "misfit" in str(done)


def test_pieces_have_to_be_positive():
    with pytest.raises(dy.DataError, match="pieces must be a positive number"):
        dy.prediction.shooting(duffing_fit(0), -1.0)
