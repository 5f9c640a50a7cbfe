"""The table of truths is true: every entry is verified exactly, and every list is proved complete."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sympy
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement, PolyRing

from dynsym import systems
from dynsym._checks import DataError
from dynsym.algebra import identify
from dynsym.dictionary import Monomials, parse_dictionary
from dynsym.systems._finite_field import PRIME, RandomPoints, power, rank

NAMES = systems.names()
SYMMETRIC = [system.name for system in systems.all_systems() if system.symmetries_spacetime.basis]


@cache
def functions_of(name: str) -> tuple[sympy.Expr, ...]:
    """The dictionary for conserved quantities, as expressions."""
    system = systems.get(name)
    return parse_dictionary(system.invariants_dictionary, system.states).symbolic()


def vanishes(expression: sympy.Expr) -> bool:
    """Whether an expression is exactly zero: over the rationals, with sin^2 = 1 - cos^2 and roots as roots.

    Each base under a root or in a denominator gives a letter d = base^(-1/2); even and odd powers of d must
    cancel separately, and do so after multiplication with the largest power of the base.
    """
    expression = sympy.expand_trig(sympy.sympify(expression))
    sines = {f: sympy.Symbol(str(f)) for f in expression.atoms(sympy.sin, sympy.cos)}
    expression = expression.xreplace(sines)
    letters: dict[sympy.Expr, sympy.Symbol] = {}
    swaps = {}
    for part in expression.atoms(sympy.Pow):
        if not (part.exp.is_Integer and part.exp > 0):
            d = letters.setdefault(part.base, sympy.Symbol(f"d{len(letters)}"))
            swaps[part] = d ** (-2 * part.exp)
            assert part.exp < 0, f"roots occur in denominators only, got {part}"
    expression = expression.xreplace(swaps)
    symbols = expression.free_symbols.union(letters.values(), *(base.free_symbols for base in letters))
    ring = PolyRing(sorted(symbols, key=str) or [sympy.Symbol("x")], sympy.QQ)
    polynomials = [ring.from_expr(expression)]
    for base, d in letters.items():
        polynomials = [q for p in polynomials for q in without_inverse(p, ring(d), ring.from_expr(base))]
    for sine, letter in sines.items():
        if sine.func is sympy.sin and sympy.cos(*sine.args) in sines:
            relation = ring(letter) ** 2 + ring(sines[sympy.cos(*sine.args)]) ** 2 - 1
            polynomials = [p.rem([relation]) for p in polynomials]
    return not any(polynomials)


def without_inverse(p: PolyElement, d: PolyElement, base: PolyElement) -> list[PolyElement]:
    """Even and odd part of p in the letter d = base^(-1/2), freed of d."""
    place = p.ring.gens.index(d)
    parts: dict[int, PolyElement] = {}
    for exponents, value in p.terms():
        k = exponents[place]
        rest = tuple(0 if i == place else e for i, e in enumerate(exponents))
        parts[k] = parts.get(k, p.ring.zero) + p.ring.term_new(rest, value)
    out = []
    for parity in (0, 1):
        powers = [k for k in parts if k % 2 == parity]
        out.append(sum((parts[k] * base ** ((max(powers) - k) // 2) for k in powers), p.ring.zero))
    return out


def affine_matrices(system: systems.System, algebra: systems.SymmetryAlgebra) -> list[sympy.Matrix]:
    """(n+1) x (n+1) matrices of the affine parts A x + b."""
    n = len(system.states)
    out = []
    for row in algebra.basis:
        xi = sympy.Matrix(row[:n])
        slope = xi.jacobian(system.symbols)
        offset = xi.subs(dict.fromkeys(system.symbols, 0))
        assert not slope.free_symbols, f"{xi} is not affine"
        out.append(sympy.Matrix.vstack(sympy.Matrix.hstack(slope, offset), sympy.zeros(1, n + 1)))
    return out


def test_the_zero_test_accepts_zeros_and_nothing_else() -> None:
    x, y = sympy.symbols("x y", real=True)
    r = sympy.sqrt(x**2 + y**2)
    assert vanishes(x**2 / r**3 + y**2 / r**3 - 1 / r)
    assert vanishes(sympy.sin(x - y) ** 2 / x + sympy.cos(x - y) ** 2 / x - 1 / x)
    assert not vanishes(x**2 / r**3 + y**2 / r**3 - 1 / r**2)
    assert not vanishes(sympy.sin(x - y) ** 2 + sympy.cos(x + y) ** 2 - 1)
    assert not vanishes(sympy.Rational(1, 10**12))


@pytest.mark.parametrize("name", [system.name for system in systems.all_systems() if system.invariants])
def test_a_slightly_wrong_quantity_is_not_conserved(name: str) -> None:
    system = systems.get(name)
    x = system.symbols[int(np.flatnonzero([f != 0 for f in system.rhs])[0])]
    wrong = system.invariants[0] + x / 10**6
    assert not vanishes(sum(sympy.diff(wrong, s) * f for s, f in zip(system.symbols, system.rhs)))


def test_the_table_has_the_systems_it_promises() -> None:
    promised = """
    isotropic_oscillator_2d anisotropic_oscillator_2d incommensurate_oscillator_2d coupled_springs
    henon_heiles rotated_cubic_oscillator kepler_2d kepler_3d three_body_planar toda_3
    calogero_moser_3 magnetic_charge spherical_pendulum double_pendulum rigid_body lagrange_top
    lotka_volterra_2d lotka_volterra_3d sir reaction_network hopf radial_sphere lorenz rossler
    van_der_pol damped_duffing selkov brusselator damped_double_pendulum"""
    assert set(promised.split()) <= set(NAMES)
    assert all(systems.get(name).name == name for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_conserved_quantities_are_conserved_exactly(name: str) -> None:
    system = systems.get(name)
    for h in system.invariants:
        rate = sum(sympy.diff(h, x) * f for x, f in zip(system.symbols, system.rhs))
        assert vanishes(rate), f"{h} is not conserved"


@pytest.mark.parametrize("name", NAMES)
def test_conserved_quantities_are_all_there_are_in_the_dictionary(name: str) -> None:
    system = systems.get(name)
    coefficients = systems.coefficients_in(system.invariants, functions_of(name))  # raises outside the span
    without_constant = [
        [c for c, term in zip(row, functions_of(name)) if not term.is_number] for row in coefficients
    ]
    if system.invariants:
        assert DomainMatrix.from_list_sympy(
            *np.shape(without_constant), without_constant
        ).to_field().rank() == len(system.invariants)
    found = systems.conserved_dimension(system.rhs, functions_of(name), system.symbols)
    assert found == len(system.invariants)


@pytest.mark.parametrize("name", NAMES)
def test_number_of_independent_quantities_is_the_rank_of_the_gradients(name: str) -> None:
    system = systems.get(name)
    assert systems.generic_rank(system.invariants, system.symbols) == system.n_independent


@pytest.mark.parametrize("name", NAMES)
def test_generators_satisfy_their_equation_exactly(name: str) -> None:
    system = systems.get(name)
    field = sympy.Matrix(system.rhs)
    slope = field.jacobian(system.symbols)
    for *xi, b_t in system.symmetries_spacetime.basis:
        flow = sympy.Matrix(xi)
        for part in slope * flow - flow.jacobian(system.symbols) * field + b_t * field:
            assert vanishes(part), f"{xi} is not a symmetry"


@pytest.mark.parametrize("name", NAMES)
def test_affine_algebra_is_the_part_without_time_scaling(name: str) -> None:
    system = systems.get(name)
    still = [row[:-1] for row in system.symmetries_spacetime.basis if row[-1] == 0]
    assert still == list(system.symmetries_affine.basis)


@pytest.mark.parametrize("name", NAMES)
def test_generators_are_all_there_are(name: str) -> None:
    system = systems.get(name)
    for algebra, spacetime in ((system.symmetries_affine, False), (system.symmetries_spacetime, True)):
        assert systems.symmetry_dimension(system.rhs, system.symbols, spacetime) == algebra.dimension


@pytest.mark.parametrize("spacetime", [False, True])
@pytest.mark.parametrize("name", SYMMETRIC)
def test_algebras_are_independent_closed_and_named_by_their_type(name: str, spacetime: bool) -> None:
    system = systems.get(name)
    algebra = system.symmetries_spacetime if spacetime else system.symmetries_affine
    matrices = [DomainMatrix.from_Matrix(m).convert_to(sympy.QQ) for m in affine_matrices(system, algebra)]
    q = len(matrices)
    if q == 0:
        assert algebra.name == "trivial"
        return
    brackets = [b * a - a * b for a in matrices for b in matrices]
    rows = [m.to_list_flat() for m in (*matrices, *brackets)]
    exact = DomainMatrix.from_list(rows, sympy.QQ).to_sparse()
    assert exact[:q, :].rank() == exact.rank() == q
    basis, images = np.array(rows[:q], dtype=float), np.array(rows[q:], dtype=float)
    constants = np.linalg.lstsq(basis.T, images.T, rcond=None)[0].T.reshape(q, q, q)
    assert identify(constants).name == algebra.name


def test_controls_have_nothing_and_positives_have_something() -> None:
    controls = {system.name for system in systems.controls()}
    assert controls == {
        "lorenz",
        "rossler",
        "van_der_pol",
        "damped_duffing",
        "selkov",
        "brusselator",
        "damped_double_pendulum",
    }
    assert controls.isdisjoint(system.name for system in systems.positives())
    assert len(systems.positives()) + len(controls) == len(NAMES)
    for system in systems.controls():
        assert system.n_independent == 0
        assert system.symmetries_spacetime.name == "trivial"


PUBLISHED = [  # polynomial conserved quantities up to a degree, as other packages count them
    ("isotropic_oscillator_2d", 3, 4),
    ("isotropic_oscillator_2d", 4, 13),
    ("anisotropic_oscillator_2d", 2, 2),
    ("anisotropic_oscillator_2d", 4, 7),
    ("incommensurate_oscillator_2d", 4, 5),
    ("henon_heiles", 4, 1),
    ("quartic_spring_2d", 2, 1),
    ("toda_3", 1, 1),
    ("toda_3", 2, 3),
    ("lotka_volterra_2d", 6, 0),
    ("lotka_volterra_3d", 6, 11),
    ("rigid_body", 4, 5),
    ("lorenz", 6, 0),
]


@pytest.mark.parametrize(("name", "degree", "count"), PUBLISHED)
def test_counts_agree_with_published_ones(name: str, degree: int, count: int) -> None:
    system = systems.get(name)
    functions = Monomials(len(system.states), degree, names=system.states).symbolic()
    assert systems.conserved_dimension(system.rhs, functions, system.symbols) == count


# --- the exact arithmetic against slower or independent ways


def symmetry_dimension_by_coefficients(system: systems.System, spacetime: bool) -> int:
    """Slow twin for polynomial systems: equate the coefficients of all monomials over the rationals."""
    n, x, field = len(system.states), sympy.Matrix(system.symbols), sympy.Matrix(system.rhs)
    columns = [sympy.eye(n)[:, i] * factor for i in range(n) for factor in (*x, sympy.Integer(1))]
    defects = [field.jacobian(x) * xi - xi.jacobian(x) * field for xi in columns] + [field] * spacetime
    rows = [
        {(i, m): c for i, part in enumerate(defect) for m, c in sympy.Poly(part, *x).terms() if c != 0}
        for defect in defects
    ]
    places = {key: k for k, key in enumerate(sorted({key for row in rows for key in row}))}
    dense = [[sympy.Integer(0)] * len(places) for _ in rows]
    for row, entries in zip(dense, rows):
        for key, value in entries.items():
            row[places[key]] = value
    return len(rows) - DomainMatrix.from_list_sympy(len(rows), len(places), dense).to_field().rank()


@pytest.mark.parametrize(
    "name", ["isotropic_oscillator_2d", "toda_3", "reaction_network", "lagrange_top", "rossler"]
)
@pytest.mark.parametrize("spacetime", [False, True])
def test_modular_count_equals_the_count_over_the_rationals(name: str, spacetime: bool) -> None:
    system = systems.get(name)
    fast = systems.symmetry_dimension(system.rhs, system.symbols, spacetime)
    assert fast == symmetry_dimension_by_coefficients(system, spacetime)


@pytest.mark.parametrize(
    "name", ["kepler_2d", "kepler_3d", "double_pendulum", "calogero_moser_3", "sir", "toda_3"]
)
def test_modular_count_equals_the_gap_in_a_floating_point_spectrum(name: str) -> None:
    system = systems.get(name)
    functions = parse_dictionary(system.invariants_dictionary, system.states)
    x = np.random.default_rng(5).uniform(0.3, 2.0, size=(600, len(system.states)))
    rates = np.einsum("mpn,mn->mp", functions.jacobian(x), system.evaluate(x))
    rates = rates[:, [not term.is_number for term in functions.symbolic()]]
    rates /= np.linalg.norm(rates, axis=1, keepdims=True)  # close encounters would otherwise drown the rest
    spectrum = np.linalg.svd(rates, compute_uv=False)
    found = len(system.invariants)
    assert spectrum[-found - 1] > 1e6 * spectrum[-found]


def test_broken_symmetry_and_broken_conservation_are_noticed() -> None:
    x, y, vx, vy = sympy.symbols("x y vx vy", real=True)
    hopf = systems.get("hopf")
    broken = (hopf.rhs[0] + hopf.symbols[0] ** 2 / 1000, hopf.rhs[1])
    assert systems.symmetry_dimension(broken, hopf.symbols) == 0
    chaotic, cubics = systems.get("henon_heiles"), functions_of("henon_heiles")
    integrable = (vx, vy, -x - 2 * x * y, -y - x**2 - y**2)  # the sign that makes it separable
    assert systems.conserved_dimension(chaotic.rhs, cubics, chaotic.symbols) == 1
    assert systems.conserved_dimension(integrable, cubics, (x, y, vx, vy)) == 2


def test_dependent_functions_and_hidden_constants_are_not_counted() -> None:
    th, w = systems.get("pendulum").symbols
    rhs = systems.get("pendulum").rhs
    energy = w**2 - 2 * sympy.cos(th)
    assert systems.conserved_dimension(rhs, (energy, 3 * energy, sympy.Integer(7)), (th, w)) == 1
    assert systems.conserved_dimension(rhs, (sympy.sin(th) ** 2, sympy.cos(th) ** 2), (th, w)) == 0


def test_sign_of_the_time_scaling_is_that_of_keplers_third_law() -> None:
    """T ~ a^(3/2): positions gain 2/3 of what time gains."""
    *xi, b_t = systems.get("kepler_2d").symmetries_spacetime.basis[-1]
    x = sympy.Symbol("x", real=True)
    assert b_t == 1
    assert sympy.diff(xi[0], x) == sympy.Rational(2, 3)


def test_rank_modulo_the_prime_equals_the_rational_rank() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        left, right = rng.integers(-4, 5, (7, 3)), rng.integers(-4, 5, (3, 6))
        product = (left @ right).astype(np.int64)
        assert rank(product) == sympy.Matrix(product.tolist()).rank()


def test_residues_respect_identities() -> None:
    x, y = sympy.symbols("x y", real=True)
    r = sympy.sqrt(x**2 + y**2)
    true = (
        sympy.sin(x - y) ** 2 + sympy.cos(x - y) ** 2 - 1,
        r**3 / r - x**2 - y**2,
        (x + y) ** 2 / 3 - x**2 / 3 - y**2 / 3 - 2 * x * y / 3,
    )
    points = RandomPoints((x, y), 60)
    assert not np.any(points.values(sympy.Matrix([true]), 10))
    assert np.all(RandomPoints((x, y), 60).values(sympy.Matrix([[r - x - y]]), 10))
    assert np.all(power(np.array([3, 5]), PRIME - 1) == 1)


def test_expressions_outside_the_exact_arithmetic_are_refused() -> None:
    x = sympy.Symbol("x", real=True)
    with pytest.raises(DataError, match="no exact residue"):
        systems.symmetry_dimension((sympy.exp(x),), (x,))


# --- the noun and the registry


def test_inconsistent_entries_are_refused() -> None:
    x = sympy.Symbol("x", real=True)
    with pytest.raises(DataError, match="dimension 2 got 1"):
        systems.SymmetryAlgebra(2, "R^2", ((x,),))
    with pytest.raises(DataError, match="unknown system 'lorentz'"):
        systems.get("lorentz")
    with pytest.raises(DataError, match="not in the span"):
        systems.coefficients_in([x**3], [x, x**2])


def test_table_shows_each_system_on_one_line() -> None:
    lines = systems.table().splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(NAMES)
    assert "gl(2,C)" in lines[1 + NAMES.index("isotropic_oscillator_2d")]


def test_systems_are_built_once() -> None:
    assert systems.get("kepler_3d") is systems.get("kepler_3d")
