"""Negative controls of method: nothing is certified that the data cannot carry.

A certified finding counts as false if its exact defect, with the true field on the region of the verdict,
exceeds delta. Where the truth cannot be known from the data, nothing at all may be certified.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from reference import DELTA, exact_defect, exact_law_defect, outcome
from scipy.integrate import solve_ivp
from scipy.linalg import eigh
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.stats import binom

import dynsym as dy
from dynsym.certify import Level
from dynsym.constancy import Constancy, ensemble_of
from dynsym.discover import read_symmetries
from dynsym.findings._states import states_search
from dynsym.inner_product import region_around
from dynsym.lie_derivative import symmetry_matrix
from dynsym.systems import System

PENALTIES = [pytest.param(dy.Stepwise(), id="stepwise"), pytest.param(None, id="dense")]


@dataclass(frozen=True)
class Found:
    """All findings on one data set, with their exact defects."""

    symmetries: dy.Symmetries
    laws: dy.ConservedQuantities
    exact_symmetries: tuple[float, ...]
    exact_laws: tuple[float, ...]

    @property
    def certified(self) -> list[str]:
        """Everything that is certified, as text."""
        findings = (*self.symmetries.findings, *self.laws.findings)
        return [f"{f.expression}: {f.verdict}" for f in findings if f.verdict.status == "certified"]

    @property
    def invented(self) -> list[str]:
        """Certified although the exact defect exceeds delta."""
        pairs = [
            *zip(self.symmetries.findings, self.exact_symmetries),
            *zip(self.laws.findings, self.exact_laws),
        ]
        return [
            f"{f.expression}: {f.verdict}, exact {d:.2g}"
            for f, d in pairs
            if f.verdict.status == "certified" and d > DELTA
        ]


def findings(
    runs: list[dy.Trajectory],
    truth: dy.VectorField,
    dictionary: dy.Dictionary,
    invariants: dy.Dictionary,
    penalty: dy.Stepwise | None = None,
) -> Found:
    """Fit and search space-time affine symmetries and conserved quantities; compare with the true field."""
    model = dy.fit(runs, dictionary, penalty=penalty)
    n, names = truth.n_states, truth.names
    candidates = dy.generators.with_time_scaling(dy.generators.affine(n, names=names))
    found = dy.symmetries(model, candidates, delta=DELTA)
    laws = dy.conserved_quantities(model, invariants, delta=DELTA)
    return Found(
        found,
        laws,
        tuple(exact_defect(f.generator, truth, found.region) for f in found.findings),
        tuple(exact_law_defect(f.function, truth, laws.region) for f in laws.findings),
    )


def simulated(
    field: dy.VectorField, starts: np.ndarray, t: np.ndarray, noise: float = 0.0, seed: int = 0
) -> list[dy.Trajectory]:
    """Runs of a field: clean ones carry derivatives, noisy ones errors relative to the states' spread."""
    paths = [field.simulate(x0, t).x for x0 in starts]
    return measured(field.evaluate, paths, t, field.names, noise, seed)


def measured(
    slopes: Callable[[np.ndarray], np.ndarray],
    paths: list[np.ndarray],
    t: np.ndarray,
    names: tuple[str, ...],
    noise: float,
    seed: int,
) -> list[dy.Trajectory]:
    """Paths as runs, with noise or with derivatives."""
    if noise == 0:
        return [dy.Trajectory(t=t, x=x, dxdt=slopes(x), names=names) for x in paths]
    rng = np.random.default_rng(seed)
    sd = noise * np.concatenate(paths).std(axis=0)
    return [dy.Trajectory(t=t, x=x + sd * rng.standard_normal(x.shape), names=names) for x in paths]


# --- one orbit says nothing about a region


def kepler_orbit(dimension: int, eccentricity: float, noise: float) -> tuple[System, list[dy.Trajectory]]:
    """Two periods of one orbit with unit semi-major axis, in a random plane."""
    system = dy.systems.get(f"kepler_{dimension}d")
    plane = np.linalg.qr(np.random.default_rng(0).standard_normal((dimension, 2)))[0]
    place = plane[:, 0] * (1 - eccentricity)
    velocity = plane[:, 1] * np.sqrt((1 + eccentricity) / (1 - eccentricity))
    t = np.linspace(0, 4 * np.pi, 400)
    path = system._solve(np.concatenate([place, velocity]), t)
    return system, measured(system.evaluate, [path], t, system.states, noise, 0)


def kepler_dictionaries(dimension: int) -> tuple[str, str, str]:
    """Dynamics with one radial power, dynamics with three, and functions for laws."""
    place = "x, y, z"[: 3 * dimension - 2]
    return (
        f"poly(1) + poly(1) * radial({place}; -3)",
        f"poly(1) + poly(1) * radial({place}; -3, -2, -1)",
        f"poly(2) + radial({place}; -1)",
    )


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("dimension", [2, 3])
def test_a_circular_orbit_certifies_nothing(
    dimension: int, noise: float, penalty: dy.Stepwise | None
) -> None:
    """On a circle every power of r is the same, so the force law and all that follows from it stay open."""
    system, runs = kepler_orbit(dimension, 0.0, noise)
    *dynamics, invariants = (
        dy.parse_dictionary(text, system.states) for text in kepler_dictionaries(dimension)
    )
    for dictionary in dynamics:
        found = findings(runs, system.field(), dictionary, invariants, penalty)
        assert not found.certified


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("dimension", [2, 3])
def test_an_eccentric_orbit_certifies_only_what_is_true(
    dimension: int, noise: float, penalty: dy.Stepwise | None
) -> None:
    """The given dictionary may carry claims beyond the orbit; its plane must not become a law n.x = 0."""
    system, runs = kepler_orbit(dimension, 0.3, noise)
    *dynamics, invariants = (
        dy.parse_dictionary(text, system.states) for text in kepler_dictionaries(dimension)
    )
    linear = np.array([len(e.free_symbols) == 1 and e.is_symbol is True for e in invariants.symbolic()])
    for dictionary in dynamics:
        found = findings(runs, system.field(), dictionary, invariants, penalty)
        assert not found.invented
        for law in found.laws.functions:
            assert np.abs(law.coefficients[~linear]).max() > 0


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("eccentricity", [0.0, 0.3])
def test_one_orbit_in_a_linear_dictionary_certifies_nothing(
    eccentricity: float, noise: float, penalty: dy.Stepwise | None
) -> None:
    """A linear field passes near any single orbit; its symmetries are not those of the dynamics."""
    system, runs = kepler_orbit(2, eccentricity, noise)
    linear, quadratic = dy.Monomials(4, 1, names=system.states), dy.Monomials(4, 2, names=system.states)
    found = findings(runs, system.field(), linear, quadratic, penalty)
    assert not found.invented
    assert not found.symmetries.dimension or max(found.exact_symmetries[: found.symmetries.dimension]) < 1e-6


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("name", ["pendulum", "duffing", "henon_heiles", "rigid_body", "lorenz", "hopf"])
def test_one_run_invents_nothing(name: str, noise: float) -> None:
    system = dy.systems.get(name)
    runs = system.runs(1, 400, noise=noise)
    for dictionary in (system.dictionary, "poly(3)"):
        found = findings(
            runs,
            system.field(),
            dy.parse_dictionary(dictionary, system.states),
            dy.parse_dictionary("poly(3)", system.states),
            dy.Stepwise(),
        )
        assert not found.invented


# --- a dictionary that does not contain the dynamics

TOO_SMALL = [
    ("duffing", "poly(1)"),
    ("duffing", "poly(2)"),
    ("quartic_spring_2d", "poly(1)"),
    ("hopf", "poly(2)"),
    ("van_der_pol", "poly(2)"),
    ("pendulum", "poly(2)"),
    ("pendulum", "poly(3)"),
    ("kepler_2d", "poly(1)"),
    ("lorenz", "poly(1)"),
]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize(("name", "dictionary"), TOO_SMALL)
def test_a_too_small_dictionary_certifies_no_symmetry(
    name: str, dictionary: str, noise: float, penalty: dy.Stepwise | None
) -> None:
    system = dy.systems.get(name)
    runs = system.runs(8, 300, noise=noise)
    small = dy.parse_dictionary(dictionary, system.states)
    invariants = dy.Monomials(len(system.states), 2, names=system.states)
    found = findings(runs, system.field(), small, invariants, penalty)
    assert found.symmetries.dimension == 0
    assert not found.invented


# --- slightly broken laws and symmetries


@pytest.mark.parametrize("gamma", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("n_runs", [1, 8])
def test_damped_energy_is_never_certified(gamma: float, noise: float, n_runs: int) -> None:
    """x'' = -x - gamma x': energy decays, if slowly."""
    field = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -1, -gamma]])
    starts = np.random.default_rng(1).uniform((0.2, -1.0), (2.2, 1.0), (n_runs, 2))
    runs = simulated(field, starts, np.linspace(0, 10, 400), noise)
    for degree in (1, 3):
        model = dy.fit(runs, dy.Monomials(2, degree, names=field.names), penalty=dy.Stepwise())
        assert not dy.conserved_quantities(model, dy.Monomials(2, 4, names=field.names)).functions
    if noise == 0:  # clean data tell: energy is not even undecided
        energy = dy.conserved_quantities(model, dy.parse_dictionary("terms(x^2 + v^2)", field.names))
        assert not energy.findings


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
def test_verdicts_follow_a_symmetry_as_it_breaks(noise: float) -> None:
    """Hopf's system with eps x^2 in its first equation: certified at 0, refuted once clearly broken."""
    hopf = dy.systems.get("hopf")
    exact = hopf.field()
    turn = dy.generators.rotations(2, names=hopf.states)
    starts = np.stack([hopf.start(np.random.default_rng(k)) for k in range(8)])
    for eps in (0.0, 0.01, 0.02, 0.05, 0.1, 0.2):
        coefficients = np.array(exact.coefficients)
        coefficients[0, exact.dictionary.terms.index("x**2")] += eps
        field = dy.VectorField(exact.dictionary, coefficients)
        runs = simulated(field, starts, np.linspace(0, hopf.duration, 400), noise)
        model = dy.fit(runs, exact.dictionary, penalty=dy.Stepwise())
        found = dy.symmetries(model, turn)
        statuses = [f.verdict.status for f in found.findings]
        if eps == 0 and noise < 0.02:
            assert statuses == ["certified"]
        elif noise == 0 or exact_defect(turn, field, found.region) > 2 * DELTA:
            assert statuses == []  # refuted: not listed
        if exact_defect(turn, field, found.region) > DELTA:
            assert "certified" not in statuses


# --- heavy noise


HEAVY = ["isotropic_oscillator_2d", "pendulum", "hopf", "lorenz", "van_der_pol", "damped_duffing"]


@pytest.mark.parametrize("noise", [0.1, 0.5])
@pytest.mark.parametrize("name", HEAVY)
def test_heavy_noise_invents_nothing(name: str, noise: float) -> None:
    assert not outcome(name, noise).invented


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.05, 0.1, 0.2, 0.5])
@pytest.mark.parametrize(
    "name", [n for n in dy.systems.names() if n not in ("rotated_cubic_oscillator", "sir")]
)
def test_noise_of_any_size_invents_nothing(name: str, noise: float) -> None:
    for seed in range(2):
        assert not outcome(name, noise, seed).invented


# --- what must not matter

Change = Callable[[list[dy.Trajectory]], list[dy.Trajectory]]


def scaled(states: np.ndarray, time: float = 1.0) -> Change:
    """Other units of the states and of time."""

    def apply(runs: list[dy.Trajectory]) -> list[dy.Trajectory]:
        return [
            dy.Trajectory(
                t=run.t * time,
                x=run.x * states,
                dxdt=None if run.dxdt is None else run.dxdt * states / time,
                names=run.names,
            )
            for run in runs
        ]

    return apply


def permuted(order: list[int]) -> Change:
    """The same states in another order."""

    def apply(runs: list[dy.Trajectory]) -> list[dy.Trajectory]:
        return [
            dy.Trajectory(
                t=run.t,
                x=run.x[:, order],
                dxdt=None if run.dxdt is None else run.dxdt[:, order],
                names=tuple(run.names[i] for i in order),
            )
            for run in runs
        ]

    return apply


CHANGES: dict[str, Callable[[int], Change]] = {
    "runs in another order": lambda n: lambda runs: runs[::-1],
    "states in another order": lambda n: permuted(list(range(n))[::-1]),
    "large units": lambda n: scaled(np.full(n, 1e6)),
    "small units": lambda n: scaled(np.full(n, 1e-6)),
    "mixed units": lambda n: scaled(np.where(np.arange(n) % 2, 1e6, 1e-6)),
    "other unit of time": lambda n: scaled(np.ones(n), 1e5),
    "all at once": lambda n: lambda runs: scaled(np.geomspace(1e-6, 1e6, n), 1e-4)(runs[::-1]),
}


def verdicts(runs: list[dy.Trajectory], degree: int) -> tuple[int, str, int, str, int, int]:
    """Dimensions and names of both algebras, number of laws and of independent ones."""
    n, names = runs[0].n_states, runs[0].names
    model = dy.fit(runs, dy.Monomials(n, degree, names=names), penalty=dy.Stepwise())
    affine = dy.generators.affine(n, names=names)
    kinds = [dy.symmetries(model, g) for g in (affine, dy.generators.with_time_scaling(affine))]
    laws = dy.conserved_quantities(model, dy.Monomials(n, 2, names=names))
    (one, two) = ((k.dimension, k.algebra.name if k.algebra else "none") for k in kinds)
    return (*one, *two, len(laws.functions), laws.independent)


UNIT_CASES = [
    ("isotropic_oscillator_2d", 1, 0.0),
    ("quartic_spring_2d", 3, 0.0),
    ("rigid_body", 2, 0.0),
    ("rigid_body", 2, 0.01),
    ("lorenz", 2, 0.01),
    pytest.param("isotropic_oscillator_2d", 1, 0.01, marks=pytest.mark.slow),
    pytest.param("quartic_spring_2d", 3, 0.01, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "degree", "noise"), UNIT_CASES)
def test_verdicts_do_not_depend_on_order_or_units(name: str, degree: int, noise: float) -> None:
    runs = dy.systems.get(name).runs(8, 300, noise=noise)
    expected = verdicts(runs, degree)
    n = runs[0].n_states
    changed = {label: verdicts(make(n)(runs), degree) for label, make in CHANGES.items()}
    assert changed == dict.fromkeys(CHANGES, expected)


# --- fields without any structure


def random_case(seed: int) -> tuple[dy.VectorField, list[dy.Trajectory]]:
    """A polynomial field with random coefficients, and 4 to 8 short runs that stay bounded."""
    rng = np.random.default_rng([17, seed])
    n, degree = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    dictionary = dy.Monomials(n, degree)
    field = dy.VectorField(dictionary, rng.standard_normal((n, dictionary.n_terms)) / np.sqrt(n))
    noise = float(rng.choice([0.0, 0.01, 0.02, 0.05]))
    n_runs, n_samples = int(rng.integers(4, 9)), int(rng.choice([60, 150, 300]))
    t = np.linspace(0, float(rng.uniform(0.5, 2)), n_samples)
    while (paths := bounded_paths(field, rng.uniform(-1, 1, (n_runs, n)), t)) is None:
        t = 0.7 * t
    return field, measured(field.evaluate, paths, t, field.names, noise, seed)


def bounded_paths(field: dy.VectorField, starts: np.ndarray, t: np.ndarray) -> list[np.ndarray] | None:
    """One path from each start, or None if one leaves |x| < 4."""
    try:
        paths = [field.simulate(x0, t).x for x0 in starts]
    except dy.ConvergenceError:
        return None
    return paths if max(np.abs(path).max() for path in paths) < 4 else None


def searched(seed: int) -> list[Found]:
    """What both fits of one random field give."""
    field, runs = random_case(seed)
    cubic = dy.Monomials(field.n_states, 3)
    return [findings(runs, field, field.dictionary, cubic, penalty) for penalty in (dy.Stepwise(), None)]


# Seeds of fields that conserve a cubic function of two states to well within delta in their region: the claim is true.
NEARLY_CONSERVED = {28}


@pytest.mark.parametrize("seed", range(20))
def test_fields_without_structure_have_none(seed: int) -> None:
    for found in searched(seed):
        assert found.symmetries.dimension == 0
        assert not found.invented
        for law, exact in zip(found.laws.findings, found.exact_laws):
            if law.verdict.status == "certified":
                assert exact <= law.verdict.upper, "the bound has to hold"
                assert seed in NEARLY_CONSERVED


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 120))
def test_many_fields_without_structure_have_none(seed: int) -> None:
    test_fields_without_structure_have_none(seed)


def test_what_a_fit_was_forced_to_obey_is_no_finding() -> None:
    """Lorenz has no rotation; a fit that is forced to have one must not report it as found."""
    runs = dy.systems.get("lorenz").runs(6, 300, noise=0.01, exact_derivatives=False)
    terms = dy.Monomials(3, 2, names=("x", "y", "z"))
    turns = dy.generators.rotations(3, names=terms.names)
    forced = dy.fit(runs, terms, constraints=[dy.equivariant_to(turns, terms)])
    found = dy.symmetries(forced, turns)
    assert found.dimension == 0
    energy = dy.ScalarFunction(terms, [0, 0, 0, 0, 1, 0, 0, 1, 0, 1])
    kept = dy.fit(runs, terms, constraints=[dy.conserving(energy, terms)])
    assert not dy.conserved_quantities(kept, terms).functions


# --- stated levels against actual rates

ALPHA = 0.05
# Cases (law of the errors, states, samples, noise, filled) whose symmetry is missed although others of the kind are found.
# Correlated errors leave a ninth of the information: found in 2 of 10 (10 of 10 at a third of the noise).
KNOWN_FAILURES: set[tuple[str, int, int, float, bool]] = {("autocorrelated", 2, 3200, 0.03, True)}
# Cases in which a defect above the tolerance is certified more often than alpha. It aims at empty.
KNOWN_DISHONEST: set[tuple[str, int, int, float, bool]] = set()

# True laws that the states alone refute, (correlation of the noise, size, whether its sd is given): the energy of an oscillator
# in 12 runs of 200 samples is refuted in 6 of 6 data sets in each case (in 2 of 6 for 0.5 with a given sd, in none for white
# noise).
KNOWN_DISHONEST_STATES: set[tuple[float, float, bool]] = {
    (0.9, 0.1, False),
    (0.9, 0.1, True),
    (0.5, 0.1, False),
}

LAWS = ("normal", "student t", "autocorrelated", "by speed")


def drawn_errors(law: str, rng: np.random.Generator, slopes: np.ndarray) -> np.ndarray:
    """Errors of unit variance (m, n): normal, t with 4 degrees of freedom, correlated by 0.8, growing with the speed."""
    if law == "student t":
        return rng.standard_t(4, slopes.shape) / np.sqrt(2)
    white = rng.standard_normal(slopes.shape)
    if law == "autocorrelated":
        for k in range(1, len(white)):
            white[k] = 0.8 * white[k - 1] + 0.6 * white[k]
    if law == "by speed":
        size = 0.3 + np.linalg.norm(slopes, axis=1, keepdims=True)
        white *= size / np.sqrt(np.mean(size**2))
    return white


def turning(n: int, epsilon: float) -> dy.VectorField:
    """x' = x (1 - |x|^2), in the plane with a rotation added, and epsilon x^2 in the first equation."""
    terms = dy.Monomials(n, 3)
    order = {tuple(e): k for k, e in enumerate(terms.exponents.tolist())}
    c = np.zeros((n, terms.n_terms))
    for i in range(n):
        unit = np.eye(n, dtype=int)
        c[i, order[tuple(unit[i])]] = 1.0
        for j in range(n):
            c[i, order[tuple(unit[i] + 2 * unit[j])]] -= 1.0
    if n == 2:
        c[0, order[(0, 1)]], c[1, order[(1, 0)]] = -1.0, 1.0
    c[0, order[(2, *[0] * (n - 1))]] = epsilon
    return dy.VectorField(terms, c)


def region_box(n: int) -> dy.inner_product.Region:
    """The uniform measure on [-1, 1]^n, exact for polynomials of degree 9 in each state."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    points = np.stack([g.ravel() for g in np.meshgrid(*[nodes] * n, indexing="ij")], axis=1)
    share = np.prod(np.stack([g.ravel() for g in np.meshgrid(*[weights / 2] * n, indexing="ij")]), axis=0)
    return dy.inner_product.Region(points, share, np.ones(n), "the box")


def broken_by(n: int, defect: float) -> dy.VectorField:
    """The field whose least broken affine generators have this largest defect on the box, among as many as are exact at 0."""
    family, box = dy.generators.affine(n), region_box(n)
    rank = 0 if n == 2 else 2

    def excess(epsilon: float) -> float:
        return float(read_symmetries(family, turning(n, epsilon), box).spectrum.values[rank]) - defect

    return turning(n, float(brentq(excess, 0.0, 2.0)))


def level_samples(
    law: str, field: dy.VectorField, m: int, noise: float, filled: bool, seed: int
) -> list[dy.Trajectory]:
    """Samples with derivatives: short smooth curves, so that correlated errors are correlated in place as well."""
    rng = np.random.default_rng([43, seed])
    n, runs = field.n_states, 20
    out = []
    for _ in range(runs):
        a, b = rng.uniform(-1, 1, (2, n))
        if not filled:
            a[0], b[0] = abs(a[0]), abs(b[0])
        x = a + np.linspace(0, 1, m // runs)[:, None] * (b - a)
        slopes = field.evaluate(x)
        size = noise * float(np.sqrt(np.mean(np.sum(slopes**2, axis=1))))
        out.append(
            dy.Trajectory(
                t=np.arange(len(x)), x=x, dxdt=slopes + size * drawn_errors(law, rng, slopes), sd=0.0
            )
        )
    return out


def level_outcome(
    case: tuple[str, int, int, float, bool], field: dy.VectorField, repeats: int
) -> tuple[int, int]:
    """How often a space with a defect above the tolerance is declared, and how often as many dimensions as are exact at 0."""
    law, n, m, noise, filled = case
    family, box = dy.generators.affine(n), region_box(n)
    false, full = 0, 0
    for seed in range(repeats):
        model = dy.fit(level_samples(law, field, m, noise, filled, seed), field.dictionary)
        found = dy.symmetries(model, family, region=box).generators
        full += len(found) >= (1 if n == 2 else 3)
        if len(found):
            matrix = symmetry_matrix(found, field, box)
            size = matrix.parts.T @ matrix.parts
            worst = eigh(matrix.operator.T @ matrix.operator, size, eigvals_only=True)[-1]
            false += bool(np.sqrt(max(worst, 0.0)) > DELTA)
    return false, full


def too_many(false: int, repeats: int) -> bool:
    """Whether so many false claims contradict the level alpha, at one in a thousand."""
    return false > binom.ppf(0.999, repeats, ALPHA)


QUICK = [(law, 2, 800, 0.03, True) for law in LAWS] + [("normal", 2, 400, 0.03, False)]
GRID = [
    (law, n, m, noise, filled)
    for law in LAWS
    for n in (2, 3)
    for m in (200, 800, 3200)
    for noise in (0.01, 0.1, 0.3)
    for filled in (True, False)
]


def check_level(case: tuple[str, int, int, float, bool], repeats: int) -> None:
    false, _ = level_outcome(case, broken_by(case[1], 1.05 * DELTA), repeats)
    assert too_many(false, repeats) == (case in KNOWN_DISHONEST), f"{false} of {repeats}"


@pytest.mark.parametrize("case", QUICK, ids=str)
def test_a_defect_just_above_the_tolerance_is_certified_less_often_than_alpha(case) -> None:
    check_level(case, 30)


@pytest.mark.slow
@pytest.mark.parametrize("case", GRID, ids=str)
def test_levels_hold_over_noise_samples_states_and_laws(case) -> None:
    check_level(case, 60)


EXACT = [(law, 2, 3200, 0.03, True) for law in LAWS] + [("autocorrelated", 2, 3200, 0.01, True)]


@pytest.mark.parametrize("case", EXACT, ids=str)
def test_an_exact_symmetry_is_found(case) -> None:
    false, full = level_outcome(case, turning(case[1], 0.0), 10)
    assert false == 0
    assert (full >= 9) == (case not in KNOWN_FAILURES)


def states_verdict(rho: float, size: float, stated: bool, seed: int) -> str:
    """What the states alone say of the energy of an oscillator under noise that is correlated from sample to sample."""
    system, rng = dy.systems.get("isotropic_oscillator_2d"), np.random.default_rng([5, seed])
    runs = system.runs(12, 200)
    sd = size * np.concatenate([run.x for run in runs]).std(axis=0)
    noisy = []
    for run in runs:
        e = lfilter([np.sqrt(1 - rho**2)], [1, -rho], rng.standard_normal(run.x.shape), axis=0)
        noisy.append(dy.Trajectory(run.t, run.x + sd * e, run.names, sd=sd if stated else None))
    energy = dy.parse_dictionary("terms(x^2 + y^2 + vx^2 + vy^2)", system.states)
    constancy = Constancy.of(ensemble_of(noisy, energy), energy, DELTA)
    _, judge = states_search(constancy, region_around(noisy), Level(DELTA, ALPHA, 1))
    return judge(np.ones(1)).status


@pytest.mark.parametrize(
    "case", [(0.0, 0.1, False), (0.0, 0.1, True), *sorted(KNOWN_DISHONEST_STATES)], ids=str
)
def test_states_refute_no_true_law_but_under_correlated_noise(case) -> None:
    refuted = [states_verdict(*case, seed) == "refuted" for seed in range(2)]
    assert all(refuted) if case in KNOWN_DISHONEST_STATES else not any(refuted)


# --- random and planted systems, from states alone


def planted(kind: str, count: int, seed: int = 0):
    """Outcomes of the benchmark of that name."""
    folder = str(Path(__file__).parent / "benchmarks")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("bench_honesty").run(kind, count, seed)
    finally:
        sys.path.remove(folder)


@pytest.mark.parametrize(("kind", "count", "seed"), [("free", 4, 0), ("algebra", 1, 4), ("laws", 1, 0)])
def test_planted_structure_is_found_and_none_is_invented(kind: str, count: int, seed: int) -> None:
    for one in planted(kind, count, seed):
        assert not one.false
        assert one.found
        assert one.named


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["free", "algebra", "laws"])
def test_most_planted_structure_is_found_and_none_is_invented(kind: str) -> None:
    outcomes = planted(kind, 40)
    assert not any(o.false for o in outcomes)
    assert np.mean([o.found for o in outcomes]) >= 0.9
    assert np.mean([o.named for o in outcomes]) >= 0.85


def _wanderers(kind: str) -> list[dy.Trajectory]:
    """Eight runs that follow no autonomous field: noise, walks, a driven or a switching spring, unrelated sensors."""
    rng = np.random.default_rng(1)
    t = np.linspace(0.0, 20.0, 400)
    out = []
    for _ in range(8):
        if kind == "white noise":
            x = rng.standard_normal((400, 3))
        elif kind == "random walk":
            x = np.cumsum(rng.standard_normal((400, 3)), axis=0)
        elif kind == "unrelated sines":
            x = np.sin(t[:, None] * [0.7, 1.1, 1.3] + rng.uniform(0, 6, 3))
        else:

            def flow(s: float, x: np.ndarray) -> list[float]:
                if kind == "driven spring":
                    return [x[1], -x[0] - 0.1 * x[1] + 0.5 * np.cos(1.7 * s)]
                return [x[1], -x[0] * (1.0 if x[1] > 0 else 1.5)]

            x = solve_ivp(flow, (0, 20), rng.standard_normal(2), t_eval=t, rtol=1e-9, atol=1e-9).y.T
            x = x + 0.01 * x.std(axis=0) * rng.standard_normal(x.shape)
        out.append(dy.Trajectory(t, x))
    return out


@pytest.mark.parametrize(
    "kind", ["white noise", "random walk", "unrelated sines", "driven spring", "switching spring"]
)
def test_data_without_an_autonomous_law_certify_nothing(kind: str) -> None:
    done = dy.analyze(_wanderers(kind))
    assert not done.laws.functions
    assert not len(done.symmetries.generators)
    assert done.discrete is None or not done.discrete.maps
    assert done.hamiltonian is None
