"""Invariants under a Poisson bracket: the algebra on a level set, against tables from SymPy."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import sympy as sp

import dynsym as dy
from dynsym import systems
from dynsym._checks import DataError
from dynsym.algebra import LevelSet, canonical_bracket, poisson_algebra


def laws_of(texts, names):
    """Each text as a function of its own."""
    return [dy.ScalarFunction(dy.Terms([t], names), [1.0]) for t in texts]


def kepler():
    """L, A and H of the Kepler problem in space."""
    names = ("x", "y", "z", "vx", "vy", "vz")
    known = [str(e) for e in systems.get("kepler_3d").invariants]
    energy, *rest = laws_of(known, names)
    return energy, rest


LABELS = ("L1", "L2", "L3", "A1", "A2", "A3")


@pytest.mark.parametrize(
    ("energy", "name"), [(-0.5, "so(4)"), (-2.0, "so(4)"), (0.0, "se(3)"), (0.7, "sl(2,C)")]
)
def test_kepler_invariants_form_so4_below_zero_energy_and_so31_above(energy, name):
    h, laws = kepler()
    found = poisson_algebra(laws, canonical_bracket(6), LevelSet(h, energy), labels=LABELS)
    assert found.name == name
    assert found.algebra.known_as({"so(4)": "so(3) + so(3)", "sl(2,C)": "so(3,1)"}.get(name, name))
    assert "{L1, L2} = L3" in found.table
    assert "{A1, A2} = -2*H*L3" in found.table
    assert "{L1, A2} = A3" in found.table
    assert found.structure_constants[3, 4, 2] == pytest.approx(-2 * energy, abs=1e-9)


def test_angular_momentum_alone_is_so3_and_energy_is_left_out():
    h, laws = kepler()
    assert poisson_algebra(laws[:3], canonical_bracket(6)).name == "so(3)"
    assert poisson_algebra([h, *laws], canonical_bracket(6), LevelSet(h, -1.0)).name == "so(4)"
    assert poisson_algebra([h, *laws[:3]], canonical_bracket(6)).name == "so(3) + R"


def test_without_the_level_set_the_runge_lenz_vector_does_not_close():
    _, laws = kepler()
    found = poisson_algebra(laws, canonical_bracket(6), labels=LABELS)
    assert found.algebra is None
    assert found.name == "not closed"
    assert set(found.open_pairs) == {"{A1, A2}", "{A1, A3}", "{A2, A3}"}
    assert "leaves the span" in str(found)


def oscillator(n, frequencies=None):
    """All products p_i p_j + w^2 q_i q_j and q_i p_j - q_j p_i."""
    q, p = [f"q{i}" for i in range(n)], [f"p{i}" for i in range(n)]
    texts = [f"{p[i]}*{p[j]} + {q[i]}*{q[j]}" for i in range(n) for j in range(i, n)]
    texts += [f"{q[i]}*{p[j]} - {q[j]}*{p[i]}" for i, j in combinations(range(n), 2)]
    return laws_of(texts, (*q, *p))


@pytest.mark.parametrize(("n", "name"), [(1, "R"), (2, "so(3) + R"), (3, "su(3) + R"), (4, "so(6) + R")])
def test_isotropic_oscillator_is_u_n(n, name):
    found = poisson_algebra(oscillator(n), canonical_bracket(2 * n))
    assert found.name == name
    assert found.algebra.known_as(f"u({n})")
    assert len(found.functions) == n * n


def test_linear_functions_are_heisenberg_through_the_constant():
    laws = laws_of(["q", "p"], ("q", "p"))
    found = poisson_algebra(laws, canonical_bracket(2))
    assert found.name == "heisenberg"
    assert found.table == ("{q, p} = 1",)
    assert found.structure_constants.shape == (3, 3, 3)
    more = laws_of(["q", "p", "q^2 + p^2"], ("q", "p"))
    assert poisson_algebra(more, canonical_bracket(2)).name == "oscillator"
    assert poisson_algebra(laws_of(["q^2", "p^2", "q*p"], ("q", "p")), canonical_bracket(2)).name == "sl(2,R)"


def test_rigid_body_bracket_is_given_as_a_function():
    def j(x):
        out = np.zeros((len(x), 3, 3))
        for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            out[:, a, b], out[:, b, a] = -x[:, c], x[:, c]
        return out

    laws = laws_of(["a", "b", "c"], ("a", "b", "c"))
    assert poisson_algebra(laws, j).name == "so(3)"
    casimir = laws_of(["a^2 + b^2 + c^2"], ("a", "b", "c"))[0]
    assert poisson_algebra([*laws, casimir], j).name == "so(3) + R"


def test_tables_agree_with_sympy():
    """Slow twin: symbolic brackets of random quadratics of two degrees of freedom."""
    names = ("q1", "q2", "p1", "p2")
    terms = dy.Terms(
        ["q1^2", "q2^2", "p1^2", "p2^2", "q1*q2", "q1*p1", "q1*p2", "q2*p1", "q2*p2", "p1*p2"], names
    )
    mixed = np.random.default_rng(0).standard_normal((10, 10))
    laws = [dy.ScalarFunction(terms, row) for row in mixed]
    found = poisson_algebra(laws, canonical_bracket(4))
    assert found.name == "so(3,2)"
    assert found.algebra.known_as("sp(4,R)")
    q1, q2, p1, p2 = sp.symbols(names, real=True)
    for i, j in ((0, 1), (3, 7), (8, 9)):
        f, g = laws[i].to_sympy(), laws[j].to_sympy()
        exact = sum(
            sp.diff(f, q) * sp.diff(g, p) - sp.diff(f, p) * sp.diff(g, q) for q, p in ((q1, p1), (q2, p2))
        )
        ours = sum(c * law.to_sympy() for c, law in zip(found.structure_constants[i, j], laws))
        rest = sp.Poly(sp.expand(exact - ours), q1, q2, p1, p2)
        assert max(abs(c) for c in rest.coeffs()) < 1e-8


def test_noisy_laws_are_not_closed_at_the_exact_tolerance_and_closed_at_theirs():
    rng = np.random.default_rng(1)
    terms = dy.Monomials(6, 2, names=("x", "y", "z", "px", "py", "pz"))
    exact = []
    for a, b in (("y", "z"), ("z", "x"), ("x", "y")):
        c = np.zeros(terms.n_terms)
        for sign, term in ((1, (a, f"p{b}")), (-1, (b, f"p{a}"))):
            index = next(i for i, t in enumerate(terms.terms) if set(t.split("*")) == set(term))
            c[index] = sign
        exact.append(c)
    noisy = [dy.ScalarFunction(terms, c + 1e-3 * rng.standard_normal(len(c))) for c in exact]
    assert poisson_algebra(noisy, canonical_bracket(6)).algebra is None
    found = poisson_algebra(noisy, canonical_bracket(6), tol=0.02)
    assert found.name == "so(3)"
    assert 1e-4 < found.closure_defect < 0.02


def test_what_is_not_an_algebra_is_refused():
    names = ("q", "p")
    laws = laws_of(["q", "p"], names)
    with pytest.raises(DataError, match="antisymmetric"):
        poisson_algebra(laws, np.eye(2))
    with pytest.raises(DataError, match="even number of states"):
        canonical_bracket(3)
    with pytest.raises(DataError, match="linearly dependent"):
        poisson_algebra(laws_of(["q", "2*q"], names), canonical_bracket(2))
    with pytest.raises(DataError, match="does not commute with q"):
        poisson_algebra(laws, canonical_bracket(2), LevelSet(laws_of(["q^2 + p^2"], names)[0], 1.0))
    with pytest.raises(DataError, match="same states"):
        poisson_algebra([*laws, *laws_of(["x"], ("x", "y"))], canonical_bracket(2))
    with pytest.raises(DataError, match=r"shape \(\d+, 2, 2\)"):
        poisson_algebra(laws, np.zeros((3, 3)))
    # {q, p} = q^2 p leaves every linear span.
    rising = poisson_algebra(laws, lambda x: (x[:, 0] ** 2 * x[:, 1])[:, None, None] * canonical_bracket(2))
    assert rising.algebra is None


def test_it_prints_and_shows_html():
    h, laws = kepler()
    found = poisson_algebra(laws, canonical_bracket(6), LevelSet(h, -0.5), labels=LABELS)
    assert str(found).splitlines()[0] == "Poisson algebra of 6 invariants on H = -0.5: so(4)"
    assert "so(4)" in found._repr_html_()
    assert repr(found).startswith("PoissonAlgebra('so(4)', L1")


def test_small_states_do_not_hide_brackets() -> None:
    # Positions in tens, velocities in hundredths, a thin third axis: the momenta still turn into one another.
    names = ("x", "y", "z", "vx", "vy", "vz")
    laws = [
        dy.ScalarFunction(dy.Terms([t], names), [1.0]) for t in ("vy*x - vx*y", "vz*y - vy*z", "vz*x - vx*z")
    ]
    size = np.array([8.0, 8.0, 0.3, 0.01, 0.01, 0.0004])
    points = np.random.default_rng(0).uniform(-1, 1, (500, 6)) * size
    found = poisson_algebra(laws, canonical_bracket(6), (), points, ("h1", "h2", "h3"), tol=3e-3)
    assert found.table == ("{h1, h2} = -h3", "{h1, h3} = h2", "{h2, h3} = -h1")
    assert found.name == "so(3)"
