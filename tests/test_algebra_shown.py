"""What the user sees of algebras: clean brackets of the symmetries, and the Poisson algebra of the laws."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import dynsym as dy
from dynsym._checks import DataError
from dynsym.cli._app import app
from dynsym.cli._tables import show_symmetries
from dynsym.findings import generator_basis, generator_units, law_algebra
from dynsym.findings._lie_algebra import algebra_of
from dynsym.inner_product import generic_region

SPRINGS = ("x", "y", "z", "vx", "vy", "vz")


def springs(rates: tuple[float, ...] = (1.0, 1.0, 1.0)) -> dy.VectorField:
    a = np.zeros((6, 7))
    for i, w in enumerate(rates):
        a[i, 4 + i], a[3 + i, 1 + i] = 1.0, -(w**2)
    return dy.VectorField(dy.Monomials(6, 1, names=SPRINGS), a)


def found_in(field: dy.VectorField, dictionary: dy.Dictionary):
    laws = dy.conserved_quantities(field, dictionary)
    moved = dy.symmetries(field, dy.generators.affine(field.n_states, field.names))
    return law_algebra(dy.hamiltonian_structure(field, dictionary, laws, moved), laws)


def test_the_spring_in_the_plane_has_u2():
    found = found_in(dy.systems.get("isotropic_oscillator_2d").field(), dy.Monomials(4, 2))
    assert found is not None
    assert found.algebra.known_as("u(2)")
    assert found.level == ()
    record = json.loads(json.dumps(found.to_json()))
    assert record["name"] == "so(3) + R"
    assert [one["label"] for one in record["invariants"]] == ["h1", "h2", "h3", "h4"]
    assert "h1 = " in str(found)


def test_springs_of_different_rates_have_an_abelian_algebra():
    """The negative control: energies of three springs commute, and none of the brackets is invented."""
    found = found_in(springs((1.0, 1.37, 2.11)), dy.Monomials(6, 2, names=SPRINGS))
    assert found is not None
    assert found.name == "R^3"
    assert found.table == ()


def test_one_law_has_no_algebra():
    assert found_in(dy.systems.get("henon_heiles").field(), dy.Monomials(4, 3)) is None


@pytest.mark.parametrize("seed", range(2))
def test_clean_brackets_hold_for_the_generators_that_are_shown(seed):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    family = dy.generators.euclidean(3).combine(np.kron(np.eye(2), turn))
    algebra, _ = algebra_of(family, generic_region(family.dictionary), 0.0)
    basis = generator_basis(family, algebra)
    assert basis.clean.is_clean
    x = rng.standard_normal((4, 3))
    e, d = basis.generators.evaluate(x), basis.generators.jacobian(x)
    for i in range(6):
        for j in range(6):
            bracket = np.einsum("mab,mb->ma", d[j], e[i]) - np.einsum("mab,mb->ma", d[i], e[j])
            assert np.einsum("k,kmn->mn", basis.clean.structure_constants[i, j], e) == pytest.approx(
                bracket, abs=1e-7
            )
    assert "Levi factor so(3) (A1)" in str(basis)
    assert "[e1, e2]" in basis._repr_html_()
    assert json.loads(json.dumps(basis.to_json()))["is_clean"]


def test_the_table_of_symmetries_shows_the_algebra():
    found = dy.symmetries(dy.systems.get("kepler_3d").field(), dy.generators.affine(6))
    text = str(found)
    assert "Levi factor so(3) (A1)" in text
    assert "[e1, e2]" in text


@pytest.mark.slow
def test_analyze_a_file_of_orbits_gives_so3_and_so4(tmp_path):
    """Kepler's problem from a data file: so(3) and the scaling among affine symmetries, so(4) among the laws."""
    runs = dy.systems.get("kepler_3d").runs(8, 300)
    x, y, z = runs[0].names[:3]
    rows = [np.column_stack([np.full(len(r.t), k), r.t, r.x]) for k, r in enumerate(runs)]
    path, record = tmp_path / "orbits.csv", tmp_path / "a.json"
    np.savetxt(
        path,
        np.concatenate(rows),
        delimiter=",",
        comments="",
        header=",".join(["run", "t", *runs[0].names]),
        fmt="%.17g",
    )
    done = CliRunner().invoke(
        app,
        [
            "analyze", str(path), "--time", "t", "--run", "run",
            "--dictionary", f"poly(1) + poly(1) * radial({x}, {y}, {z}; -3)",
            "--invariants", f"poly(3) + poly(1; {x}, {y}, {z}) * radial({x}, {y}, {z}; -1)",
            "--out", str(tmp_path / "out"), "--json", str(record),
        ],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "so(3) + R" in done.output
    assert "so(4)" in done.output
    found = json.loads(record.read_text())
    assert found["algebra"]["name"] == "so(3) + R"
    assert found["algebra"]["clean_basis"]["brackets"]
    assert found["algebra"]["cartan"] == ["A1"]
    assert found["poisson_algebra"]["name"] == "so(4)"
    assert found["poisson_algebra"]["level"][0]["value"] < 0
    assert "so(4)" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_noisy_springs_in_space_have_u3(tmp_path):
    """Isotropic oscillator with 1 % noise: su(3) and the energy, from states alone."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 8, 300)
    runs = [
        dy.Trajectory(t=t, x=r.x + 0.01 * rng.standard_normal(r.x.shape), names=SPRINGS)
        for r in springs().simulate_many(rng.standard_normal((10, 6)), t)
    ]
    done = dy.analyze(runs, dy.AnalysisSettings(dictionary="poly(1)", invariants="poly(2)"))
    assert done.law_algebra is not None
    assert done.law_algebra.algebra.known_as("u(3)")
    assert done.symmetries.algebra.name == "gl(3,C)"


# --- units of generators


def test_units_of_a_generator_follow_from_those_of_the_states():
    names = ("x", "v")
    turn = dy.generators.rotations(2, names)
    own = generator_units(turn, {"x": "m", "v": "m/s"})
    assert own.matrix == (("", "s"), ("1/s", ""))
    assert own.offset == ("m", "m/s")
    assert str(own) == "v d/dx in s, x d/dv in 1/s"
    shift = dy.generators.translations(2, names).combine(np.array([[0.0], [1.0]]))
    assert str(generator_units(shift, ("m", "m/s"))) == "d/dv in m/s"


def test_scalings_are_pure_numbers_and_nonlinear_generators_have_no_units():
    assert str(generator_units(dy.generators.scalings(2), ("m", "kg"))) == "pure numbers"
    bent = dy.generators.custom([dy.VectorField(dy.Terms(["x^2"], ("x",)), [[1.0]])])
    assert generator_units(bent, ("m",)) is None
    boost = dy.generators.galilean(2, ("q",), ("v",), names=("q", "v")).combine(np.array([[0.0], [1.0]]))
    assert generator_units(boost, ("m", "m/s")) is None
    with pytest.raises(DataError, match="2 states need as many units, got 1"):
        generator_units(dy.generators.scalings(2), ("m",))


def test_change_of_units_changes_the_numbers_as_the_units_say():
    """The slow twin: the same generator in kilometres and hours, entry by entry."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 2)), rng.standard_normal(2)
    scale = {"m": 1e-3, "s": 1 / 3600}  # one metre in km, one second in h
    factor = np.array([scale["m"], scale["m"] / scale["s"]])
    other = np.diag(factor) @ a @ np.diag(1 / factor)
    terms = dy.Monomials(2, 1, names=("x", "v"))
    family = dy.generators.custom([dy.VectorField(terms, np.column_stack([b, a]))])
    own = generator_units(family, ("m", "m/s"))
    for i in range(2):
        for j in range(2):
            size = eval(own.matrix[i][j] or "1", dict(scale))
            assert other[i, j] == pytest.approx(a[i, j] * size)


def test_units_reach_the_record_and_the_screen():
    runs = [
        dy.Trajectory(t=r.t, x=r.x, names=("x", "v"), units=("m", "m/s"))
        for r in dy.systems.get("oscillator_1d").runs(6, 200)
    ]
    done = dy.analyze(runs, dy.AnalysisSettings(dictionary="poly(1)", invariants="poly(2)"))
    record = done.to_json()
    turn = next(s for s in record["symmetries"] if s["verdict"] == "certified" and s["matrix"][0][1])
    assert turn["units"] == {"matrix": [["", "s"], ["1/s", ""]], "offset": ["m", "m/s"], "time_scaling": ""}
    with StringIO() as text:
        show_symmetries(Console(file=text, width=100), done.symmetries, runs[0].units)
        assert "v d/dx in s" in text.getvalue()
