"""The exact counts of polynomial laws and commuting fields, from the equations and from states alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sympy
from exact_table import TABLE, ZERO, Row, count_fields, count_laws, from_states, rank_of

import dynsym as dy
from dynsym.inner_product import Region

SLOW = {"isotropic_oscillator_2d"}
GAP = 1e3  # factor between the last zero and the first value that is none


@cache
def exact(name: str) -> dy.VectorField:
    """The field with its exact coefficients."""
    return dy.systems.get(name).field()


@cache
def learned(name: str) -> dy.Model:
    """The field learned from clean states."""
    return from_states(name)


def check(row: Row, field: dy.VectorField | dy.Model) -> None:
    for degree, (dimension, rank) in row.laws.items():
        laws = count_laws(field, degree)
        assert (laws.dimension, laws.rank) == (dimension, rank), f"laws up to degree {degree}: {laws}"
        assert laws.next > GAP * max(laws.zero, ZERO)
    for degree, dimension in row.fields.items():
        fields = count_fields(field, degree)
        assert fields.dimension == dimension, f"commuting fields up to degree {degree}: {fields}"
        assert fields.next > GAP * max(fields.zero, ZERO)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.system)
def test_counts_from_the_equations(row: Row) -> None:
    check(row, exact(row.system))


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=pytest.mark.slow if row.system in SLOW else ()) for row in TABLE],
    ids=lambda row: row.system,
)
def test_counts_from_states_alone(row: Row) -> None:
    check(row, learned(row.system))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.system)
def test_finite_field_agrees_with_the_table(row: Row) -> None:
    """Slow twin: exact linear algebra, no tolerance. Above degree 4 it takes long and adds nothing."""
    system = dy.systems.get(row.system)
    for degree, (dimension, _) in row.laws.items():
        if degree <= 4:
            functions = dy.Monomials(len(system.states), degree, names=system.states).symbolic()
            assert dy.systems.conserved_dimension(system.rhs, functions, system.symbols) == dimension


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.system)
def test_what_the_verb_lists_generates_the_laws(row: Row) -> None:
    """Listed laws are as many as are independent or more, and their number of independent ones is the rank."""
    names = exact(row.system).names
    degree = max(d for d in row.laws if d <= 4)
    found = dy.conserved_quantities(exact(row.system), dy.Monomials(len(names), degree, names=names))
    dimension, rank = row.laws[degree]
    assert found.independent == rank
    assert rank <= len(found.functions) <= dimension


@pytest.mark.parametrize("name", ["henon_heiles", "isotropic_oscillator_2d", "lotka_volterra_3d", "seir"])
def test_the_dynamics_itself_commutes_and_so_does_a_law_times_it(name: str) -> None:
    """f and, where a linear law h exists and the degree allows, h f: counted here and labelled by the verb."""
    field = exact(name)
    degree = max(
        sympy.Poly(part, *dy.systems.get(name).symbols).total_degree() for part in dy.systems.get(name).rhs
    )
    found = dy.symmetries(field, dy.generators.polynomial(field.n_states, degree, field.names))
    point = np.random.default_rng(0).uniform(0.2, 1.0, (40, field.n_states))
    span = found.generators.evaluate(point).reshape(len(found.generators), -1).T
    flow = field.evaluate(point).ravel()
    inside = span @ np.linalg.lstsq(span, flow, rcond=None)[0]
    assert np.linalg.norm(inside - flow) < 1e-9 * np.linalg.norm(flow)


def test_a_small_term_removes_the_law_and_the_field() -> None:
    """Negative control: the 1:2 oscillator detuned by 1e-3 keeps the two energies and loses the cubic laws."""
    system = dy.systems.get("anisotropic_oscillator_2d")
    field = system.field()
    c = field.coefficients.copy()
    c[3] *= 1.001
    detuned = dy.VectorField(field.dictionary, c)
    assert count_laws(field, 3).dimension == 4
    assert count_laws(detuned, 3).dimension == 2
    assert count_fields(detuned, 2).dimension == 4


# --- the trap: states that obey a relation in all data


def kepler_with_inverse_radius() -> list[dy.Trajectory]:
    """Runs of the Kepler problem with the further column u = 1/r: all data lie on u^2 r^2 = 1."""
    names = dy.systems.get("kepler_2d_inverse").states
    runs = dy.systems.get("kepler_2d").runs(12, 300)
    return [
        dy.Trajectory(run.t, np.column_stack([run.x, 1.0 / np.hypot(run.x[:, 0], run.x[:, 1])]), names=names)
        for run in runs
    ]


def points_of(runs: list[dy.Trajectory]) -> Region:
    """The samples themselves, not a tube around them."""
    x = np.concatenate([run.x for run in runs])[::7]
    return Region(x, np.full(len(x), 1.0 / len(x)), x.std(axis=0), "the samples")


def test_the_laplace_vector_is_conserved_on_the_data_and_not_off_them() -> None:
    """E and L off the surface; on it A_x and A_y as well, with one relation among the four, |A|^2 = 1 + 2 E L^2."""
    field, on_data = exact("kepler_2d_inverse"), points_of(kepler_with_inverse_radius())
    off, on = count_laws(field, 3), count_laws(field, 3, region=on_data)
    assert (off.dimension, off.rank) == (2, 2)
    assert on.dimension == 4
    dictionary = dy.Monomials(5, 3, names=field.names)
    found = dy.conserved_quantities(field, dictionary, region=on_data)
    x, y, u = (on_data.points[:, k] for k in (0, 1, 4))
    normal = np.column_stack([u**2 * x, u**2 * y, 0 * x, 0 * x, u * (x**2 + y**2)])
    assert rank_of(found.spectrum.vectors[:, :4], dictionary, on_data, normal) == 3


def test_data_on_a_surface_certify_nothing_beside_it() -> None:
    """Learned from such runs, the verb must not claim anything about a tube around the surface."""
    names = dy.systems.get("kepler_2d_inverse").states
    terms = dy.parse_dictionary("poly(1) + terms(x*u^3, y*u^3, x*vx*u^3, y*vy*u^3)", names)
    model = dy.fit(kepler_with_inverse_radius(), terms, penalty=dy.Stepwise())
    found = dy.conserved_quantities(model, dy.Monomials(5, 3, names=names))
    for law in found.functions:
        slope, flow = (
            law.gradient(found.region.points),
            exact("kepler_2d_inverse").evaluate(found.region.points),
        )
        size = np.linalg.norm(slope, axis=1) * np.linalg.norm(flow, axis=1)
        assert np.sqrt(np.mean(np.sum(slope * flow, axis=1) ** 2)) < 0.05 * np.sqrt(np.mean(size**2))
