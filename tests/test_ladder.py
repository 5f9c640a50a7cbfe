"""The ladder of dictionaries: which rungs there are, which one is chosen, and where laws are then looked for."""

from __future__ import annotations

import pytest

import dynsym as dy
from dynsym.compress import prepare
from dynsym.ladder import Bodies, choose_dictionary, invariants_for, positions_of, rungs


def test_bodies_are_read_off_the_names() -> None:
    three = Bodies.of(("x1", "y1", "x2", "y2", "x3", "y3"))
    assert three == Bodies(("x", "y"), ("1", "2", "3"))
    assert len(three.pairs()) == len(three.potentials()) == 3
    assert len(three.pulls()) == 3 * 2 * 5
    assert Bodies.of(("x_1", "y_1", "z_1", "x_2", "y_2", "z_2")) == Bodies(("x", "y", "z"), ("_1", "_2"))


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("x", "y"),
        ("x1", "x2", "x3"),
        ("x1", "y1"),
        ("x1", "y1", "x2"),
        ("x1", "y1", "z2", "w2"),
        ("th1", "y"),
    ],
)
def test_other_names_are_no_bodies(names: tuple[str, ...]) -> None:
    assert Bodies.of(names) is None


def test_forces_and_potentials_parse_and_agree() -> None:
    """The gradient of 1/r is -(x_a - x_b)/r^3: a pull of the list."""
    names = ("x1", "y1", "x2", "y2")
    bodies = Bodies.of(names)
    assert bodies is not None
    potential = dy.parse_dictionary(f"terms({bodies.potentials()[0]})", names)
    pulls = dy.parse_dictionary(f"terms({', '.join(bodies.pulls())})", names)
    x = [[0.3, -1.0, 1.1, 0.4]]
    assert potential.jacobian(x)[0, 0, 0] == pytest.approx(-pulls.evaluate(x)[0, 2], rel=1e-12)


def test_two_bodies_get_their_rung_and_their_invariants() -> None:
    runs = dy.systems.get("two_body_planar").runs(12, 150, exact_derivatives=False)
    ready = prepare(runs)
    assert positions_of(ready) == ("x1", "y1", "x2", "y2")
    assert any("(x1-x2)" in text for text in rungs(ready))
    dictionary, text, doubts = choose_dictionary(runs)
    assert "(x1-x2)" in text
    assert not doubts
    model = dy.fit(runs, dictionary, penalty=dy.Stepwise())
    laws = dy.conserved_quantities(model, dy.parse_dictionary(invariants_for(model, text), runs[0].names))
    assert laws.independent == 6


def test_bodies_that_do_not_attract_keep_the_simple_dictionary() -> None:
    """Negative control: two free oscillators with the names of two bodies."""
    names = ("x1", "y1", "x2", "y2", "vx1", "vy1", "vx2", "vy2")
    field = dy.VectorField(
        dy.Monomials(8, 1, names=names),
        [[0.0] * 5 + [float(k == j) for k in range(4)] for j in range(4)]
        + [[0.0] + [-(1.0 + k) * float(k == j) for k in range(4)] + [0.0] * 4 for j in range(4)],
    )
    system = dy.systems.get("two_body_planar").runs(8, 2)
    runs = [field.simulate(run.x[0], [0.05 * k for k in range(150)]) for run in system]
    assert choose_dictionary(runs)[1] == "poly(1)"
