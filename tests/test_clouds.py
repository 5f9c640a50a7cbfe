"""Symmetries of point clouds: exact algebras without noise, the same or undecided with noise, never a wrong one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import dynsym as dy
from dynsym import DataError, Monomials, clouds, generators
from dynsym.certify import CERTIFIED, REFUTED, UNDECIDED, Level
from dynsym.cli import main
from dynsym.findings._cloud_verdicts import LevelJudge, LocalJudge

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
from bench_clouds import CASES, CLOUDS, exact_name, exact_span, outcome, run

NAMES = [f"{name}, {label}" for name, label, _ in CASES]


def noisy(x, noise, seed=0):
    size = np.sqrt(np.mean(np.sum((x - x.mean(axis=0)) ** 2, axis=1)))
    return x + noise * size * np.random.default_rng(seed).standard_normal(x.shape)


def sphere(m, seed=0):
    return CLOUDS["sphere"][0](m, np.random.default_rng(seed))


@pytest.mark.parametrize(("name", "label", "candidates"), CASES, ids=NAMES)
def test_without_noise_the_algebra_is_the_exact_one(name, label, candidates):
    found, _ = run(name, candidates, 0.0, seed=1)
    assert outcome(found, candidates, exact_span(name, candidates)) == "exact"
    assert (len(found.generators), found.name) == exact_name(name, candidates)


@pytest.mark.parametrize(("name", "label", "candidates"), CASES, ids=NAMES)
@pytest.mark.parametrize("seed", [2, 3])
def test_with_noise_it_is_the_exact_one_or_undecided(name, label, candidates, seed):
    found, _ = run(name, candidates, 0.02, seed)
    span = exact_span(name, candidates)
    assert outcome(found, candidates, span) != "wrong"
    assert len(found.generators) <= span.shape[1]
    if name in ("sphere", "paraboloid"):
        assert found.complete


def test_the_truths_of_the_benchmark_are_those_of_geometry():
    sizes = {(name, label): exact_name(name, candidates) for name, label, candidates in CASES}
    assert sizes["sphere", "affine"] == (3, "so(3)")
    assert sizes["torus", "affine"][0] == 1
    assert sizes["cone", "affine"] == (4, "gl(2,R)")  # so(2,1) and the scaling
    assert sizes["cone", "conformal"][0] == 2  # so(2) and the scaling
    assert sizes["paraboloid", "affine"] == (4, "sim(2)")  # rotation, (x, y, 2 z), two shears
    assert sizes["helix", "affine"][0] == 1  # the screw
    assert sizes["SE(2) orbit", "affine"][0] == 11
    assert sizes["SE(2) orbit", "euclidean"][0] == 4  # SE(2) and the turns of the circle alone


def test_the_screw_of_a_helix_is_found_with_its_pitch():
    found, _ = run("helix", generators.affine(3), 0.0, seed=0)
    matrix, offset = found.generators.affine_parts()
    assert offset[0][2] / matrix[0][1, 0] == pytest.approx(0.2, abs=2e-3)


# ------------------------------------------------------------------ the pieces


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_hermite_corrected_values_have_the_expectation_without_noise(degree):
    # The slow twin: the mean over Gauss-Hermite nodes of the noise, which is exact for polynomials.
    d, s = Monomials(2, degree), 0.3
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    e = np.sqrt(s) * np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    w = np.outer(weights, weights).ravel() / (2 * np.pi)
    y = np.array([0.7, -1.2])
    assert w @ clouds.corrected_values(y + e, d, s) == pytest.approx(d.evaluate(y)[0])
    gram = np.tensordot(w, [clouds.corrected_gram((y + one)[None], d, s) for one in e], axes=1)
    assert gram == pytest.approx(np.outer(d.evaluate(y)[0], d.evaluate(y)[0]))


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05])
def test_the_noise_and_the_level_function_of_a_sphere_are_recovered(noise):
    x = sphere(2000) + noise * np.random.default_rng(1).standard_normal((2000, 3))
    level = clouds.fit_levels(x, 2, 4)
    assert level.degree == 2
    assert level.noise * level.size == pytest.approx(noise, rel=0.1, abs=1e-9)
    feet = level.centre + level.size * level.feet
    assert np.linalg.norm(feet, axis=1) == pytest.approx(np.ones(2000), abs=0.001 + noise / 5)


def test_the_covariance_of_a_level_function_is_that_of_repeated_draws():
    draws, stated = [], []
    for seed in range(50):
        x = sphere(400, seed) + 0.03 * np.random.default_rng(seed + 500).standard_normal((400, 3))
        level = clouds.fit_levels(x, 2, 2)
        c = level.coefficients[0] * np.sign(level.coefficients[0, 0])
        draws.append(c)
        stated.append(np.sqrt(np.diag(level.covariance)))
    ratio = np.std(draws, axis=0)[4:] / np.mean(stated, axis=0)[4:]
    assert (ratio > 0.7).all()
    assert (ratio < 1.4).all()


def test_true_symmetries_are_contradicted_as_often_as_alpha_allows():
    family = generators.rotations(3)
    hits = 0
    for seed in range(40):
        x = noisy(sphere(500, seed), 0.02, seed + 300)
        judged = LevelJudge(family, clouds.fit_levels(x, 2, 2), Level(0.05, 0.2))
        hits += sum(judged.verdict(w).status == REFUTED for w in np.eye(3))
    assert hits / 120 < 0.32  # 0.2, and three standard deviations


def test_the_operator_is_the_derivative_of_the_defect_with_the_surface():
    # The slow twin: change g, move the feet onto the changed surface, and take the difference of Dg xi.
    x = noisy(CLOUDS["paraboloid"][0](600, np.random.default_rng(0)), 0.01)
    level = clouds.fit_levels(x, 2, 2)
    judged = LevelJudge(generators.affine(3), level, Level())
    w = np.random.default_rng(3).standard_normal(12)
    p = level.dictionary.n_terms
    operator = judged._linear(w)[:, :p]
    assert operator @ level.coefficients[0] == pytest.approx(judged.operator() @ w, abs=1e-9)
    change = np.random.default_rng(4).standard_normal(p)
    weigh = judged._rows[0][:, 0, 0]  # 1 / |Dg|, held

    def defect(e):
        c = level.coefficients + e * change
        z = judged._places
        for _ in range(4):
            slope = np.einsum("mpk,rp->mrk", level.dictionary.jacobian(z), c)[:, 0]
            z = z - slope * ((level.dictionary.evaluate(z) @ c[0]) / np.sum(slope**2, axis=1))[:, None]
        slope = np.einsum("mpk,rp->mrk", level.dictionary.jacobian(z), c)[:, 0]
        return weigh * np.sum(slope * judged._field(w, z), axis=1) / np.sqrt(len(z))

    slow = (defect(1e-5) - defect(-1e-5)) / 2e-5
    assert np.abs(operator @ change - slow).max() < 1e-4 * np.abs(slow).max()


def test_an_exact_symmetry_stays_one_when_the_surface_moves_along_itself():
    # g -> (1 + e) g is no change at all, and g -> g rotated is none for a rotation: the operator must not see them.
    x = sphere(500)
    level = clouds.fit_levels(x, 2, 2)
    judged = LevelJudge(generators.rotations(3), level, Level())
    operator = judged._linear(np.array([1.0, 0.0, 0.0]))[:, :10]
    assert np.abs(operator @ level.coefficients.ravel()).max() < 1e-9
    ball = np.zeros(10)
    ball[0] = 1.0  # another radius
    assert np.abs(operator @ ball).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "dimension"), [("sphere", 2), ("torus", 2), ("helix", 1), ("cone", 2), ("SE(2) orbit", 3)]
)
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_dimensions_are_right(name, dimension, noise):
    x = noisy(CLOUDS[name][0](2000, np.random.default_rng(5)), noise)
    seen = clouds.intrinsic_dimension(x)
    assert seen.clear
    assert seen.value == dimension


def test_local_fits_bound_what_level_functions_measure():
    x = noisy(sphere(2000), 0.01)
    fits = clouds.fit_tangents(x, 2)
    judged = LocalJudge(generators.linear(3), fits, Level(0.05, 0.05, 9))
    turn = np.zeros(9)
    turn[[1, 3]] = 1.0, -1.0
    assert judged.verdict(turn).status == CERTIFIED
    stretch = np.zeros(9)
    stretch[0] = 1.0
    # |n_x x| / |x| with n = x / |x|; its square is 3 / 5 over all of the sphere.
    n = judged.feet / np.linalg.norm(judged.feet, axis=1, keepdims=True)
    first = judged.feet[:, 0]
    true = np.sqrt(np.mean((n[:, 0] * first) ** 2) / np.mean(first**2))
    verdict = judged.verdict(stretch)
    assert verdict.status == REFUTED
    assert verdict.lower - 0.005 < true < verdict.upper + 0.005
    assert true == pytest.approx(np.sqrt(0.6), abs=0.03)


def test_both_descriptions_agree():
    x = noisy(CLOUDS["paraboloid"][0](2000, np.random.default_rng(1)), 0.003)
    family = generators.affine(3)
    level = dy.cloud_symmetries(x, family, geometry=clouds.LevelFunctions(dimension=2))
    local = dy.cloud_symmetries(x, family, geometry=clouds.TangentSpaces(dimension=2))
    assert level.name == "sim(2)"
    assert "local fits" in local.region.description
    assert len(local.generators) <= 4
    assert all(f.verdict.upper <= 0.05 for f in local.findings if f.verdict.status == CERTIFIED)


# ------------------------------------------------------------------ quotients


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_fields_that_vanish_on_the_points_are_divided_out(noise):
    rng = np.random.default_rng(0)
    x = np.c_[rng.uniform(-1, 1, (1000, 2)), np.zeros(1000)] + noise * rng.standard_normal((1000, 3))
    found = dy.cloud_symmetries(x, generators.affine(3))
    assert found.vanishing == 3  # z d/dx, z d/dy, z d/dz
    assert found.name == "aff(2)"
    assert len(found.generators) == 6


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_circle_in_space_has_one_rotation(noise):
    u = sphere(1500)
    x = np.c_[u[:, :2] / np.linalg.norm(u[:, :2], axis=1, keepdims=True), np.zeros(1500)]
    found = dy.cloud_symmetries(noisy(x, noise), generators.affine(3))
    assert found.vanishing == 3
    assert found.generators.expressions() == ["x2 d/dx1 - x1 d/dx2"]


# ------------------------------------------------------------------ what must not be claimed


@pytest.mark.parametrize("make", ["normal", "uniform"])
def test_points_that_fill_the_space_say_nothing(make):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1000, 3)) if make == "normal" else rng.uniform(-1, 1, (1000, 3))
    found = dy.cloud_symmetries(x, generators.affine(3))
    assert len(found.generators) == 0
    assert found.name == UNDECIDED
    assert any("not clear" in w for w in found.warnings)


def test_noise_too_large_leaves_the_question_open():
    found = dy.cloud_symmetries(noisy(sphere(2000), 0.2), generators.affine(3))
    assert found.name == UNDECIDED
    assert len(found.generators) == 0


def star(seed, amplitude, m=2000):
    """A sphere with random bumps of degree 4, and its unit normals."""
    rng = np.random.default_rng(seed)
    d = Monomials(3, 4)
    c = rng.standard_normal(d.n_terms)
    c[:4] = 0
    u = sphere(m, seed)
    c /= (d.evaluate(u) @ c).std()

    def level(x):
        r = np.linalg.norm(x, axis=1)
        return r - 1 - amplitude * (d.evaluate(x / r[:, None]) @ c)

    x = u * (1 + amplitude * (d.evaluate(u) @ c))[:, None]
    h = 1e-5
    normal = np.stack([(level(x + h * e) - level(x - h * e)) / (2 * h) for e in np.eye(3)], axis=1)
    return x, normal / np.linalg.norm(normal, axis=1, keepdims=True)


@pytest.mark.parametrize("amplitude", [0.02, 0.05, 0.15])
@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_is_certified_that_is_broken_by_more_than_delta(amplitude, seed):
    x, normal = star(seed, amplitude)
    found = dy.cloud_symmetries(noisy(x, 0.02, seed), generators.affine(3))
    for finding in found.findings:
        if finding.verdict.status != CERTIFIED:
            continue
        xi = finding.generator.evaluate(x)[0]
        true = np.sqrt(np.mean(np.sum(xi * normal, axis=1) ** 2) / np.mean(np.sum(xi**2, axis=1)))
        assert true <= 0.05
    if amplitude == 0.15:
        assert len(found.generators) == 0


def test_a_sheet_that_is_nearly_a_plane_is_not_taken_for_one():
    # The waves are smaller than the noise, and 500 points cannot show them: no claim, since they may be there.
    rng = np.random.default_rng(11)
    d = Monomials(2, 4)
    c = rng.standard_normal(d.n_terms)
    c[:3] = 0
    xy = rng.uniform(-1, 1, (500, 2))
    waves = d.evaluate(xy) @ c
    x = np.c_[xy, 0.02 * waves / waves.std()]
    found = dy.cloud_symmetries(noisy(x, 0.05), generators.affine(3))
    assert len(found.generators) == 0
    assert found.name == UNDECIDED


def test_a_curve_through_all_points_is_not_mistaken_for_a_surface():
    # Noise-free points on a helix lie on a cylinder too, whose algebra is larger.
    found, _ = run("helix", generators.affine(3), 0.0, seed=3)
    assert found.dimension == 1
    assert len(found.generators) == 1


# ------------------------------------------------------------------ doors


def test_units_and_places_do_not_matter():
    x = noisy(CLOUDS["cone"][0](1500, np.random.default_rng(2)), 0.01)
    near = dy.cloud_symmetries(x, generators.affine(3))
    far = dy.cloud_symmetries(1e3 * x + 1e4, generators.affine(3))
    assert near.name == far.name == "gl(2,R)"
    assert [f.verdict.defect for f in near.findings] == pytest.approx(
        [f.verdict.defect for f in far.findings], rel=0.5, abs=5e-3
    )


def test_runs_are_taken_as_points():
    system = dy.systems.get("rigid_body")
    runs = system.runs(1, 400)
    found = dy.cloud_symmetries(runs, generators.affine(3, system.states))
    assert found.dimension == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: dy.cloud_symmetries(sphere(30), generators.affine(3)), "30 points are too few"),
        (lambda: dy.cloud_symmetries(sphere(100), generators.affine(2)), "3 coordinates"),
        (lambda: dy.cloud_symmetries(np.ones((100, 3)), generators.affine(3)), "all points are equal"),
        (
            lambda: dy.cloud_symmetries(sphere(100), generators.with_time_scaling(generators.affine(3))),
            "no time",
        ),
        (lambda: dy.cloud_symmetries(np.full((100, 3), np.nan), generators.affine(3)), "not finite"),
        (
            lambda: dy.cloud_symmetries(sphere(300), generators.affine(3), geometry=clouds.TangentSpaces(3)),
            "smaller dimension",
        ),
        (
            lambda: dy.cloud_symmetries(sphere(100), generators.affine(3), geometry=clouds.TangentSpaces(2)),
            "too few for local fits",
        ),
        (
            lambda: dy.cloud_symmetries(
                CLOUDS["torus"][0](500, np.random.default_rng(0)),
                generators.affine(3),
                geometry=clouds.LevelFunctions(degree=2),
            ),
            "raise the degree",
        ),
        (lambda: clouds.LevelFunctions(degree=0), "degree"),
        (lambda: clouds.TangentSpaces(neighbours=3), "at least 8"),
        (lambda: clouds.Geometry(dimension=0), "at least 1"),
    ],
)
def test_errors_say_what_arrived(call, said):
    with pytest.raises(DataError, match=said):
        call()


def test_results_print_and_draw():
    found = dy.cloud_symmetries(sphere(500), generators.affine(3))
    assert "algebra: so(3)" in str(found)
    assert found._repr_html_().startswith("<pre>3 certified")
    assert found.plot().axes


def test_the_command_reads_points_without_times(tmp_path, capsys):
    place, record = tmp_path / "points.csv", tmp_path / "found.json"
    np.savetxt(place, noisy(sphere(800), 0.01), delimiter=",", header="a,b,c", comments="")
    assert main(["cloud", str(place), "--json", str(record)]) == 0
    assert "algebra so(3)" in capsys.readouterr().out
    found = json.loads(record.read_text())
    assert found["algebra"]["name"] == "so(3)"
    assert found["dimension"] == 2
    assert {s["verdict"] for s in found["symmetries"]} == {"certified"}
    assert main(["cloud", str(place), "--states", "a,q"]) == 2
    assert "no column q among a, b, c" in capsys.readouterr().err
    assert main(["cloud", str(tmp_path / "nothing.csv")]) == 2
