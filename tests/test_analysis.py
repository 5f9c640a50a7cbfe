"""The whole pipeline on data as they come: scattered times, mixed units, constants, copies, noise alone."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dynsym as dy
from dynsym.analysis import DEMO, demo_path

FAST = dy.AnalysisSettings(dictionary="poly(1)", invariants="poly(2)")


def trap(n_runs: int = 6, n_samples: int = 250, noise: float = 0.01, seed: int = 5) -> list[dy.Trajectory]:
    """A charge in a harmonic trap and a magnetic field, at random times, velocities in other units, columns shuffled."""
    rng = np.random.default_rng(seed)

    def rates(_: float, s: np.ndarray) -> list[float]:
        x, y, u, v = s
        return [u, v, -x + 0.7 * v, -y - 0.7 * u]

    runs = []
    for _ in range(n_runs):
        t = np.sort(rng.uniform(0, 20, n_samples))
        states = solve_ivp(rates, (0, 20), rng.normal(size=4), t_eval=t, rtol=1e-10, atol=1e-12).y.T
        states = states + noise * states.std(axis=0) * rng.standard_normal(states.shape)
        runs.append(
            dy.Trajectory(t=t, x=states[:, [2, 0, 3, 1]] * [1e3, 1, 1e3, 1], names=("u", "x", "v", "y"))
        )
    return runs


def test_scattered_times_and_mixed_units_give_the_law_and_its_two_invariants() -> None:
    done = dy.analyze(trap(), FAST)
    assert done.laws.independent == 2
    assert [law.verdict.status for law in done.laws.findings] == ["certified", "certified"]
    # Commuting linear fields: the commutant of a matrix with two pairs of distinct eigenvalues.
    assert done.symmetries.algebra is not None
    assert done.symmetries.algebra.name == "R^4"
    assert np.all(done.model.explained > 0.99)


def test_order_of_columns_and_of_runs_changes_nothing() -> None:
    runs = trap()
    other = [replace(run, x=run.x[:, ::-1], names=run.names[::-1]) for run in reversed(runs)]
    a, b = dy.analyze(runs, FAST), dy.analyze(other, FAST)
    assert a.laws.independent == b.laws.independent
    assert [f.verdict.status for f in a.symmetries.findings] == [
        f.verdict.status for f in b.symmetries.findings
    ]


def test_noise_alone_gives_no_model_and_nothing_certified() -> None:
    rng = np.random.default_rng(0)
    runs = [dy.Trajectory(t=np.arange(100.0), x=rng.standard_normal((100, 2))) for _ in range(4)]
    done = dy.analyze(runs)
    assert not done.laws.functions
    assert done.symmetries.dimension == 0


@pytest.mark.parametrize("name", ["duffing", "isotropic_oscillator_2d", "kepler_2d", "lotka_volterra_2d"])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_one_orbit_certifies_nothing(name: str, noise: float) -> None:
    run = dy.systems.get(name).runs(1, 400, noise=noise, exact_derivatives=False)
    done = dy.analyze(run)
    assert not done.laws.functions
    assert done.symmetries.dimension == 0
    assert all(f.verdict.status != "certified" for f in (*done.laws.findings, *done.symmetries.findings))


def test_a_constant_state_is_left_out_and_is_no_law() -> None:
    runs = dy.systems.get("isotropic_oscillator_2d").runs(6, 200, noise=0.01)
    flat = [
        dy.Trajectory(t=r.t, x=np.column_stack([r.x, np.full(len(r), 3.0)]), names=(*r.names, "mass"))
        for r in runs
    ]
    done = dy.analyze(flat, FAST)
    assert "mass" not in done.model.field.names
    assert any("mass is constant (3)" in w and "property of the data" in w for w in done.warnings)
    assert done.laws.independent == 3


def test_a_copied_state_certifies_nothing_off_the_data() -> None:
    runs = dy.systems.get("duffing").runs(6, 200, noise=0.01, exact_derivatives=False)
    doubled = [
        dy.Trajectory(t=r.t, x=np.column_stack([r.x, 2 * r.x[:, 0]]), names=("x", "v", "twice")) for r in runs
    ]
    done = dy.analyze(doubled, dy.AnalysisSettings(dictionary="poly(3)", invariants="poly(1)"))
    assert not done.laws.functions, "2 x - twice = 0 is a property of these data, not a law"
    assert done.symmetries.dimension == 0


def test_all_states_constant_is_one_clear_error() -> None:
    run = dy.Trajectory(t=np.arange(30.0), x=np.ones((30, 2)))
    with pytest.raises(dy.DataError, match="all 2 states are constant in all 30 samples; nothing moves"):
        dy.analyze(run)


def test_runs_with_gaps_are_split_and_still_give_the_law() -> None:
    runs = dy.systems.get("isotropic_oscillator_2d").runs(6, 300, noise=0.01)
    holes = []
    for k, run in enumerate(runs):
        x = np.array(run.x)
        x[100 + k : 130 + k] = np.nan
        holes.append(dy.Trajectory(t=run.t, x=x, names=run.names))
    assert dy.analyze(holes, FAST).laws.independent == 3


def test_a_thousand_short_runs() -> None:
    runs = dy.systems.get("duffing").runs(20, 300, exact_derivatives=False)
    pieces = [
        dy.Trajectory(t=r.t[i : i + 6], x=r.x[i : i + 6], names=r.names)
        for r in runs
        for i in range(0, 300, 6)
    ]
    assert len(pieces) == 1000
    model = dy.fit(pieces, dy.Monomials(2, 3), penalty=dy.Stepwise())
    truth = dy.systems.get("duffing").field()
    x = model.region.points
    error = np.linalg.norm(model.field.evaluate(x) - truth.evaluate(x)) / np.linalg.norm(truth.evaluate(x))
    assert error < 0.02


def test_names_that_formulas_cannot_hold_are_rewritten_and_said() -> None:
    runs = [
        replace(r, names=("angle (deg)", "d/dt")) for r in dy.systems.get("duffing").runs(4, 200, noise=0.01)
    ]
    done = dy.analyze(runs, dy.AnalysisSettings(dictionary="poly(3)"))
    assert done.model.field.names == ("angle_deg", "d_dt")
    assert any("'angle (deg)' as angle_deg" in w for w in done.warnings)


def test_the_record_has_the_contracted_keys_and_no_number_that_is_not_finite() -> None:
    record = dy.analyze(trap(), FAST).to_json()
    assert record["schema"] == 1
    wanted = {
        "schema",
        "input",
        "model",
        "conserved_quantities",
        "independent_conserved",
        "symmetries",
        "algebra",
        "hamiltonian",
        "refit",
        "warnings",
        "timings",
    }
    assert wanted <= set(record)
    assert {"expression", "coefficients", "verdict", "defect", "relative_drift"} <= set(
        record["conserved_quantities"][0]
    )
    assert {"label", "matrix", "offset", "time_scaling", "expression", "verdict", "defect"} <= set(
        record["symmetries"][0]
    )
    assert {"states", "terms", "coefficients", "standard_errors", "equations"} <= set(record["model"])
    assert {"dimension", "name", "structure_constants"} <= set(record["algebra"])

    def numbers(value: object) -> list[float]:
        if isinstance(value, dict):
            return [n for v in value.values() for n in numbers(v)]
        if isinstance(value, list):
            return [n for v in value for n in numbers(v)]
        return [value] if isinstance(value, float) else []

    assert all(math.isfinite(n) for n in numbers(json.loads(json.dumps(record, allow_nan=False))))


def test_the_planets_end_to_end() -> None:
    """Newton's law, Kepler's third law, and seven conserved quantities of which five are independent."""
    done = dy.analyze(demo_path(), DEMO)
    exact = 2.9591220828559e-4
    for i, axis in enumerate("xyz", start=3):
        row = done.model.coefficients[i]
        terms = [done.model.field.dictionary.terms[j] for j in np.flatnonzero(row)]
        assert terms == [f"{axis}/(x**2 + y**2 + z**2)**(3/2)"]
        value, error = -row[row != 0][0], done.model.standard_errors[i][row != 0][0]
        assert abs(value / exact - 1) < 2e-5
        assert abs(value - exact) < 3 * error, "the standard error has to cover what is wrong with the model"
    assert done.symmetries.dimension == 4
    assert done.symmetries.algebra is not None
    assert done.symmetries.algebra.name == "so(3) + R"
    scaling = next(f for f in done.symmetries.findings if f.label == "scaling with time")
    parts = scaling.generator.affine_parts()
    assert parts is not None
    assert scaling.generator.time_scaling is not None
    assert scaling.generator.time_scaling[0] / parts[0][0][0, 0] == pytest.approx(1.5)
    assert len(done.laws.functions) == 7
    assert done.laws.independent == 5
    assert max(law.relative_drift for law in done.laws.findings) < 0.005
