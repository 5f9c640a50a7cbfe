"""Poisson structures from exact fields and from noisy trajectories; run `python tests/benchmarks/bench_poisson.py`.

One row for each system and source: what `hamiltonian_structure` says, the bracket, H, and the seconds it took (fit not
included). Rows below the line are controls without a Hamiltonian structure in the dictionary: any certificate there is false.
"""

from __future__ import annotations

import sys
import time

import numpy as np

import dynsym as dy

NOISE = 0.01
RUNS, SAMPLES = 16, 500


def custom(names, right, start, span):
    """A system given by its right-hand sides as text."""
    return names, right, start, span


def _toda(rng):
    q = np.array([-1.0, 0.0, 1.0]) + 0.5 * rng.standard_normal(3)
    p = 0.5 * rng.standard_normal(3)
    return np.concatenate([q - q.mean(), p - p.mean() + 0.2 * rng.standard_normal()])


_CANONICAL_TODA = custom(
    ("q1", "q2", "q3", "p1", "p2", "p3"),
    ("p1", "p2", "p3", "-exp(q1 - q2)", "exp(q1 - q2) - exp(q2 - q3)", "exp(q2 - q3)"),
    _toda,
    3.0,
)
_SPIN = custom(
    ("L1", "L2", "L3"),
    ("-L2*L3/6", "2*L1*L3/3", "-L1*L2/2"),
    lambda rng: rng.uniform(-2, 2, 3),
    10.0,
)
_FRICTION = custom(("x", "v"), ("v", "x - x**3 - v/100"), lambda rng: rng.uniform(-1.5, 1.5, 2), 10.0)

# name: dictionary of the dynamics, dictionary of H; None takes those of the registry.
POSITIVE = {
    "henon_heiles": (None, None),
    "toda_3": (None, None),
    "toda canonical": ("poly(1) + terms(exp(q1-q2), exp(q2-q3))", "poly(2) + terms(exp(q1-q2), exp(q2-q3))"),
    "kepler_2d": (None, None),
    "rigid_body": (None, None),
    "rigid body in L": ("poly(2)", "poly(2)"),
    "lagrange_top": (None, None),
    "lotka_volterra_2d": (None, "poly(2) + terms(log(x), log(y))"),
    "lotka_volterra_3d": (None, None),
    "duffing": (None, "poly(4)"),
    "pendulum": (None, "poly(2) + fourier(1; th)"),
    "isotropic_oscillator_2d": (None, "poly(2)"),
}
NEGATIVE = {
    "damped_oscillator": ("poly(3)", "poly(4)"),
    "damped_duffing": ("poly(3)", "poly(4)"),
    "friction 0.01": ("poly(3)", "poly(4)"),
    "van_der_pol": ("poly(3)", "poly(4)"),
    "hopf": ("poly(3)", "poly(4)"),
    "lorenz": ("poly(2)", "poly(3)"),
    "rossler": ("poly(2)", "poly(3)"),
    "selkov": ("poly(3)", "poly(3) + terms(log(x), log(y))"),
}
_OWN = {"toda canonical": _CANONICAL_TODA, "rigid body in L": _SPIN, "friction 0.01": _FRICTION}


def field_of(name: str, text: str | None):
    """The exact field."""
    if name not in _OWN:
        system = dy.systems.get(name)
        return system.field()
    names, right, _, _ = _OWN[name]
    terms = dy.parse_dictionary(text, names)
    exact = dy.systems.coefficients_in(dy.Terms([*right], names).symbolic(), terms.symbolic())
    return dy.VectorField(terms, np.array([[float(c) for c in row] for row in exact]))


def runs_of(name: str, text: str | None, noise: float, seed: int):
    """Noisy runs."""
    if name not in _OWN:
        return dy.systems.get(name).runs(RUNS, SAMPLES, noise=noise, seed=seed)
    field, (names, _, start, span) = field_of(name, text), _OWN[name]
    t = np.linspace(0, span, SAMPLES)
    clean = [field.simulate(start(np.random.default_rng([seed, k])), t).x for k in range(RUNS)]
    scale = noise * np.concatenate(clean).std(axis=0)
    rng = np.random.default_rng(seed)
    return [dy.Trajectory(t, x + scale * rng.standard_normal(x.shape), names=names) for x in clean]


def row(name: str, texts: tuple[str | None, str | None], noise: float, seed: int = 0) -> str:
    """One line of the table."""
    system = None if name in _OWN else dy.systems.get(name)
    dynamics = texts[0] or system.dictionary
    energy = texts[1] or system.invariants_dictionary
    if noise:
        runs = runs_of(name, dynamics, noise, seed)
        source = dy.fit(runs, dy.parse_dictionary(dynamics, runs[0].names), penalty=dy.Stepwise())
        names = runs[0].names
    else:
        source = field_of(name, dynamics)
        names = source.names
    begin = time.perf_counter()
    found = dy.hamiltonian_structure(source, dy.parse_dictionary(energy, names))
    seconds = time.perf_counter() - begin
    kind = "" if not found.family else ("canonical" if found.is_canonical else found.family)
    bound = "exact" if not noise else f"{noise:.0%}"
    head = f"{name:<24} {bound:<6} {found.verdict.status:<10} {found.verdict.upper:8.1e} {seconds:6.2f} s  {kind:<14}"
    if not found.certified:
        return f"{head} {found.verdict.reason[:110]}"
    casimirs = f"; Casimirs {', '.join(map(str, found.casimirs))}" if found.casimirs else ""
    return f"{head} H = {found.hamiltonian}; {found.bracket}{casimirs}"


def main() -> None:
    chosen = set(sys.argv[1:])
    for group in (POSITIVE, NEGATIVE):
        for name, texts in group.items():
            if not chosen or name in chosen:
                for noise in (0.0, NOISE):
                    print(row(name, texts, noise), flush=True)
        print("-" * 60)


if __name__ == "__main__":
    main()
