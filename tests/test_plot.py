"""Figures: what they show, what they leave out, and that they leave pyplot alone."""

from __future__ import annotations

import sys

import matplotlib as mpl
import numpy as np
import pytest

import dynsym as dy
from dynsym import plot
from dynsym.certify import Level, Verdict
from dynsym.plot._lines import extremes, orbit, resolved
from dynsym.plot._runs import relative_change, state_pairs
from dynsym.plot._style import power_label, shorten
from dynsym.spectral import Spectrum


def spring() -> dy.VectorField:
    return dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -4, 0]])


@pytest.fixture(scope="module")
def model() -> dy.Model:
    rng = np.random.default_rng(3)
    runs = []
    for k in range(3):
        run = spring().simulate([1.0 + k, 0.5], np.linspace(0, 5, 150))
        noisy = run.x + 0.004 * rng.normal(size=run.x.shape)
        runs.append(dy.Trajectory(run.t, noisy, ("x", "v"), ("m", "m/s"), label=f"run {k}", time_unit="s"))
    return dy.fit(runs, dy.Monomials(2, 1), penalty=dy.Stepwise())


@pytest.fixture(scope="module")
def laws(model: dy.Model) -> dy.ConservedQuantities:
    return dy.conserved_quantities(model, dy.Monomials(2, 2))


def test_spectrum_draws_every_value_and_the_tolerance() -> None:
    values = np.array([0.0, 1e-9, 0.4, 0.9])
    figure = plot.spectrum(Spectrum(values, np.eye(4), "Euclidean"), Level(delta=0.07), ["certified", None])
    axis = figure.axes[0]
    drawn = sorted(y for line in axis.lines for y in np.asarray(line.get_ydata(), dtype=float) if y != 0.07)
    np.testing.assert_allclose(drawn, [1e-16, 1e-9, 0.4, 0.9])
    assert any(text.get_text().endswith("= 0.07") for text in axis.texts)


def test_spectrum_refuses_more_statuses_than_values() -> None:
    with pytest.raises(dy.DataError, match="2 statuses for a spectrum of 1"):
        plot.spectrum(Spectrum(np.array([0.1]), np.eye(1), ""), Level(), ["certified", "refuted"])


def test_an_empty_spectrum_says_so() -> None:
    figure = plot.spectrum(Spectrum(np.zeros(0), np.zeros((0, 0)), ""), Level())
    assert "empty" in figure.axes[0].texts[0].get_text()


def test_each_verdict_has_its_own_colour_and_shape() -> None:
    class Finding:
        def __init__(self, status: str) -> None:
            self.verdict = Verdict(status, 1e-3, 1e-4, 1e-2, "")

    axis = plot.verdicts([Finding(s) for s in ("certified", "refuted", "undecided")], Level()).axes[0]
    marked = [line for line in axis.lines if line.get_marker() not in ("None", None, "")]
    assert len({line.get_marker() for line in marked}) == 3
    assert len({line.get_color() for line in marked}) == 3


def test_curves_of_the_drift_have_the_relative_drift_as_root_mean_square(
    model: dy.Model, laws: dy.ConservedQuantities
) -> None:
    law = laws.findings[0]
    each = [np.sqrt(np.mean(relative_change(law, run) ** 2)) for run in model.runs]
    # The curves show the law itself, the number is that of laws found again without the runs they are judged on.
    assert law.held_out
    assert np.sqrt(np.mean(np.square(each))) == pytest.approx(law.relative_drift, rel=1e-2)


def test_drift_has_one_panel_per_law_and_one_line_per_run(
    model: dy.Model, laws: dy.ConservedQuantities
) -> None:
    figure = plot.drift(laws, model.runs)
    assert len(figure.axes) == len(laws.findings) == 1
    assert len(figure.axes[0].lines) == 1 + len(model.runs)
    assert figure.axes[0].get_xlabel() == "time [s]"


def test_drift_without_laws_or_runs_says_so(laws: dy.ConservedQuantities) -> None:
    assert "no conserved quantity" in plot.drift([], []).axes[0].texts[0].get_text()
    assert "no run" in plot.drift(laws, []).axes[0].texts[0].get_text()


def test_phase_portrait_names_states_with_units_and_draws_the_model(model: dy.Model) -> None:
    axis = plot.phase_portrait(model).axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("x [m]", "v [m/s]")
    with_model = len(axis.lines)
    assert len(plot.phase_portrait(model.runs).axes[0].lines) < with_model


def test_phase_portrait_refuses_nothing() -> None:
    with pytest.raises(dy.DataError, match="at least one run"):
        plot.phase_portrait([])


@pytest.mark.parametrize(("n", "count"), [(1, 1), (2, 1), (3, 3), (4, 6), (6, 6), (30, 6)])
def test_planes_are_few_and_distinct(n: int, count: int) -> None:
    pairs = state_pairs(n)
    assert len(pairs) == len(set(pairs)) == count
    assert all(0 <= i < n and 0 <= j < n for i, j in pairs)


def test_six_states_show_orbits_and_phase_planes() -> None:
    assert state_pairs(6) == [(0, 1), (0, 2), (1, 2), (0, 3), (1, 4), (2, 5)]


def test_methods_of_results_draw(model: dy.Model, laws: dy.ConservedQuantities) -> None:
    found = dy.symmetries(model, dy.generators.affine(2))
    assert len(found.plot().axes) == 2
    assert len(laws.plot(model.runs).axes) == 2 + len(laws.findings)


def test_pyplot_is_not_imported_and_the_settings_are_left_alone(model: dy.Model) -> None:
    before = dict(mpl.rcParams)
    had = "matplotlib.pyplot" in sys.modules
    plot.phase_portrait(model)
    assert dict(mpl.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == had


def test_thinning_keeps_the_extremes() -> None:
    values = np.zeros(10_000)
    values[[1234, 8765]] = 5.0, -7.0
    kept = extremes(values, 100)
    assert len(kept) <= 102
    assert {1234, 8765, 0, 9999} <= set(kept.tolist())


def test_thinning_survives_missing_values() -> None:
    values = np.full(1000, np.nan)
    values[500] = 1.0
    assert 500 in extremes(values, 10)


def test_fast_orbits_are_cut_and_not_drawn_as_polygons() -> None:
    t = np.linspace(0, 2 * np.pi * 100, 20_001)
    fast = dy.Trajectory(t, np.c_[np.cos(t), np.sin(t)])
    kept = resolved(fast, 200)
    turn = float(np.max(np.diff(t[kept])))
    assert len(kept) <= 200
    assert turn < 0.4  # radians between neighbours
    slow = dy.Trajectory(t, np.c_[np.cos(t / 100), np.sin(t / 100)])
    assert t[resolved(slow, 200)[-1]] > 0.9 * t[-1]  # negative control: nothing is cut


def test_orbit_agrees_with_the_simulation() -> None:
    t = np.linspace(0, 3, 40)
    exact = spring().simulate([1.0, 0.0], t).x
    np.testing.assert_allclose(orbit(spring(), np.array([1.0, 0.0]), t), exact, atol=1e-4)


def test_orbit_of_an_exploding_or_stiff_model_ends_early() -> None:
    explodes = dy.VectorField(dy.Monomials(1, 2, names=("x",)), [[0, 0, 1]])
    path = orbit(explodes, np.array([1.0]), np.linspace(0, 5, 100))
    assert 0 < len(path) < 100
    assert np.isfinite(path).all()
    stiff = dy.VectorField(dy.Monomials(1, 1, names=("x",)), [[0, -1e9]])
    assert len(orbit(stiff, np.array([1.0]), np.linspace(0, 5, 100))) < 100


def test_expressions_read_like_formulas() -> None:
    assert shorten("x**2 + 0.25*v**2") == "x² + 0.25\N{NO-BREAK SPACE}v²"
    assert shorten("-y d/dx + x d/dy") == "-y ∂/∂x + x ∂/∂y"
    assert shorten("x/(x**2 + y**2)**(3/2)") == "x/(x² + y²)^(3/2)"
    assert len(shorten("x + " * 100)) == 44


def test_power_labels() -> None:
    assert [power_label(v) for v in (1e-3, 1.0, 1e12)] == ["10⁻³", "10⁰", "10¹²"]
