"""Paths over nuclear norms: low-rank refits, scale-free weights, grids over two weights, and the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsym as dy
from dynsym import (
    ConservationWeights,
    DataError,
    L1Weights,
    Monomials,
    SymmetryWeights,
    Thresholds,
    Trajectory,
    generators,
    systems,
)
from dynsym.cli import main
from dynsym.discover import read_symmetries
from dynsym.selection._low_rank import LowRank
from dynsym.selection._symmetry import sampled, unit_generators


def noisy(name, runs, samples, share, seed=0):
    field, rng = systems.get(name).field(), np.random.default_rng(seed)
    every = systems.get(name).runs(n_runs=runs, n_samples=samples)
    size = share * np.concatenate([field.evaluate(run.x) for run in every]).std(axis=0)
    return [
        Trajectory(r.t, r.x, r.names, dxdt=field.evaluate(r.x) + size * rng.standard_normal(r.x.shape))
        for r in every
    ]


# --- least squares over fields whose matrix has a given rank


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), a=st.integers(4, 6), q=st.integers(2, 4))
def test_without_structure_it_is_the_nearest_matrix_of_low_rank(seed, a, q):
    # The slow twin: with all entries free the answer is the truncated singular value decomposition.
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((a, q)) * 0.05 + np.outer(rng.standard_normal(a), rng.standard_normal(q))
    fit, reached = LowRank(np.eye(a * q), (a, q), 1).least_squares(np.eye(a * q), M.ravel(), M.ravel())
    u, s, v = np.linalg.svd(M)
    assert reached
    np.testing.assert_allclose(fit.reshape(a, q), s[0] * np.outer(u[:, 0], v[0]), atol=1e-7)
    assert LowRank(np.eye(a * q), (a, q), 1).dimension(fit) == a + q - 1


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_the_refit_is_stationary_on_the_set(seed):
    # Toeplitz matrices of rank one less: no small move along the set makes the residual smaller.
    rng = np.random.default_rng(seed)
    K = np.zeros((12, 6))
    for i in range(4):
        for j in range(3):
            K[3 * i + j, i - j + 2] = 1.0
    rows, wanted = rng.standard_normal((30, 6)), np.zeros(30)
    powers = 0.7 ** np.arange(6) + 0.4 * (-0.5) ** np.arange(6)
    wanted = rows @ powers + 0.01 * rng.standard_normal(30)
    found = LowRank(K, (4, 3), 2)
    w, reached = found.least_squares(rows, wanted, powers)
    assert reached
    values = np.linalg.svd((K @ w).reshape(4, 3), compute_uv=False)
    assert values[2] < 1e-9 * values[0]
    free = found._free(found._across(w), 1e-7)
    slope = rows.T @ (rows @ w - wanted)
    assert np.linalg.norm(free.T @ slope) < 1e-6 * max(np.linalg.norm(rows.T @ wanted), 1.0)


def test_a_set_that_holds_everything_leaves_least_squares():
    rng = np.random.default_rng(0)
    rows, wanted = rng.standard_normal((20, 3)), rng.standard_normal(20)
    K = np.array([[1.0, 0, 0], [2.0, 0, 0], [0, 1.0, 0], [0, 2.0, 0]])  # always of rank 1
    fit, _ = LowRank(K, (2, 2), 1).least_squares(rows, wanted, np.ones(3))
    np.testing.assert_allclose(fit, np.linalg.lstsq(rows, wanted, rcond=None)[0], atol=1e-9)
    assert LowRank(K, (2, 2), 1).dimension(fit) == 3


# --- scale-free weights


def rescaled(runs, size, tick=1.0):
    return [Trajectory(r.t * tick, r.x * size, r.names, dxdt=r.dxdt * size / tick) for r in runs]


@pytest.mark.parametrize(
    ("name", "degree", "over"),
    [
        ("hopf", 3, lambda: SymmetryWeights(generators.affine(2), [0.1, 2.0, 30.0], equilibrated=True)),
        (
            "hopf",
            3,
            lambda: SymmetryWeights(
                generators.linear(2), [0.1, 2.0, 30.0], equilibrated=True, relaxed=True, adaptive=True
            ),
        ),
        ("oscillator_1d", 2, lambda: ConservationWeights(Monomials(2, 2), [0.05, 2.0, 30.0])),
    ],
    ids=["symmetry", "adaptive", "laws"],
)
def test_units_of_the_states_leave_the_path_the_same(name, degree, over):
    runs, size = noisy(name, 4, 50, 0.05), np.array([1000.0, 0.02])
    d = Monomials(2, degree)
    one, two = dy.path(runs, d, over()), dy.path(rescaled(runs, size), d, over())
    monomial = np.prod(size**d.exponents, axis=1)
    back = two.coefficients / size[:, None] * monomial
    scale = np.abs(one.coefficients).max()
    np.testing.assert_allclose(back, one.coefficients, atol=2e-4 * scale)
    np.testing.assert_allclose(two.errors, one.errors, rtol=1e-3)
    np.testing.assert_array_equal(two.breaks.broken, one.breaks.broken)
    np.testing.assert_allclose(two.freedom, one.freedom)


def test_without_equilibration_units_matter():
    runs, size = noisy("hopf", 4, 50, 0.05), np.array([5.0, 0.2])
    over = SymmetryWeights(generators.affine(2), [2.0])
    one, two = (dy.path(r, Monomials(2, 3), over) for r in (runs, rescaled(runs, size)))
    assert abs(two.errors / one.errors - 1).max() > 0.05  # negative control


def test_default_weights_do_not_depend_on_units_either():
    runs, size = noisy("oscillator_1d", 4, 50, 0.05), np.array([1000.0, 0.02])
    over, d = ConservationWeights(Monomials(2, 2)), Monomials(2, 1)
    grids = [over.on(dy.fit(r, d)).grid() for r in (runs, rescaled(runs, size))]
    np.testing.assert_allclose(grids[0], grids[1], rtol=1e-6)


def test_unit_generators_are_orthonormal_on_the_region():
    model = dy.fit(noisy("hopf", 2, 40, 0.05), Monomials(2, 1))
    family = generators.with_time_scaling(generators.affine(2, model.field.names))
    unit = unit_generators(family, model.region)
    rows = unit.T @ sampled(family, model.region)
    np.testing.assert_allclose(rows @ rows.T, np.eye(unit.shape[1]), atol=1e-10)


# --- symmetries along a path


@pytest.fixture(scope="module")
def hopf():
    runs = noisy("hopf", 5, 60, 0.1)
    over = SymmetryWeights(
        generators.affine(2, runs[0].names),
        [1e-4, 0.6, 6.0, 60.0],
        relaxed=True,
        equilibrated=True,
        adaptive=True,
    )
    return dy.path(runs, Monomials(2, 3, runs[0].names), over)


def test_the_rotation_is_found_among_the_affine_candidates(hopf):
    breaks, k = hopf.breaks, hopf.index("1se")
    assert breaks.broken[0] == 6
    assert breaks.broken[k] == 5
    vector = hopf.walk.spared(hopf.coefficients[k])[:, 0]
    labels = hopf.walk.candidates.labels
    turn = dy.generators.affine(2, hopf.model.field.names).combine(vector[:, None])
    matrix = turn.affine_parts()[0][0]
    assert np.linalg.norm(matrix + matrix.T) < 0.1 * np.linalg.norm(matrix)
    assert len(labels) == 6
    (held,) = breaks.judged()
    assert held.verdict.status in ("certified", "undecided")
    assert held.verdict.upper > 1e-3


def test_a_symmetry_that_is_not_there_is_refuted_where_it_is_forced():
    runs = noisy("van_der_pol", 5, 60, 0.05)
    over = SymmetryWeights(generators.rotations(2, runs[0].names), [1e4], relaxed=True, equilibrated=True)
    found = dy.path(runs, Monomials(2, 3, runs[0].names), over)
    (held,) = found.breaks.judged("bic")
    assert held.verdict.status == "refuted"


def test_defects_along_the_path_are_those_of_its_fields(hopf):
    breaks = hopf.breaks
    again = dy.generators.affine(2, hopf.model.field.names)
    for k in (0, 2):
        reading = read_symmetries(again, hopf.at(k).field, hopf.model.region)
        np.testing.assert_allclose(breaks.defects[k], [reading.defect(e) for e in np.eye(6)], rtol=1e-9)
    assert breaks.along[0, 0] > 1e-3
    assert breaks.along[hopf.index("1se"), 0] < 1e-6


def test_criteria_count_what_the_kept_symmetry_leaves(hopf):
    k = hopf.index("1se")
    # Four fields commute with the rotation, and the rotation itself may move: 2 offsets, shape and orientation of its ellipses.
    assert hopf.freedom[k].sum() == 8
    assert hopf.freedom[0].sum() == 20


# --- grids


@pytest.fixture(scope="module")
def grid():
    runs = noisy("rigid_body", 6, 60, 0.1)
    over = ConservationWeights(Monomials(3, 2, runs[0].names), [0.01, 30.0])
    return dy.path_grid(runs, Monomials(3, 2, runs[0].names), over)


def test_a_grid_finds_terms_and_laws(grid):
    truth = systems.get("rigid_body").field()
    for rule in ("1se", "cv"):
        i, _ = grid.index(rule)
        best = grid.best(rule)
        assert grid.paths[i].walk.broken(best.coefficients[None])[0] == 7
        np.testing.assert_array_equal(best.support, truth.coefficients != 0)
        assert f"chosen by {rule}" in best.solution.message
    assert np.abs(best.coefficients - truth.coefficients).max() < 0.05


def test_every_level_is_the_path_on_its_terms(grid):
    for one, level in zip(grid.paths, grid.levels):
        selected = dy.path(grid.paths[0].model, over=Thresholds([float(level)])).coefficients[0] != 0
        assert not one.coefficients[:, ~selected].any()
        plain = one.walk.whole.plain
        np.testing.assert_array_equal(plain != 0, selected)
    np.testing.assert_array_equal(grid.whole.errors[: grid.shape[1]], grid.paths[0].errors)
    assert grid.errors.shape == grid.shape == (len(grid.levels), 2)


def test_a_grid_shows_itself(grid):
    text = str(grid)
    assert text.count("1se") == 1
    assert max(map(len, text.splitlines())) <= 110
    assert grid._repr_html_().startswith("<pre>")
    grid.plot().canvas.draw()


def test_what_makes_no_grid_is_refused():
    runs = noisy("oscillator_1d", 2, 30, 0.1)
    with pytest.raises(DataError, match="a grid needs"):
        dy.path_grid(runs, Monomials(2, 1), L1Weights())
    over = ConservationWeights(Monomials(2, 2))
    with pytest.raises(DataError, match="selected by Thresholds or L1Weights"):
        dy.path_grid(runs, Monomials(2, 1), over, over)


# --- command line


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    place = tmp_path_factory.mktemp("data") / "spring.csv"
    rows = ["run,t,x,v"]
    for k, run in enumerate(systems.get("oscillator_1d").runs(5, 60, noise=0.01)):
        rows += [f"{k},{t:.5f},{a:.6f},{b:.6f}" for t, (a, b) in zip(run.t, run.x)]
    place.write_text("\n".join(rows) + "\n")
    return ["path", str(place), "--run", "run", "--time", "t", "--dictionary", "poly(1)"]


def test_the_command_promotes_laws(table, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*table, "--over", "laws", "--invariants", "poly(2)", "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["breaks.png", "path.json", "path.png"]
    record = json.loads((out / "path.json").read_text(), parse_constant=pytest.fail)["structure"]
    assert record["candidates"] == ["1", "x", "v", "x**2", "v*x", "v**2"]
    (kept,) = record["kept"]
    assert kept["verdict"] == "certified"
    assert "x**2" in kept["expression"]
    said = capsys.readouterr().out
    assert "Broken and kept" in said
    assert "certified: " in said


def test_the_command_promotes_symmetries(table, capsys):
    assert main([*table, "--over", "symmetry", "--candidates", "rotations", "--json", "-"]) == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out, parse_constant=pytest.fail)
    assert len(record["structure"]["kept"]) == 1
    assert "Verdicts are those of the fit without penalty" in captured.err


def test_other_paths_have_no_structure(table, capsys):
    assert main([*table, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["structure"] is None
