"""Three bodies, integrated by REBOUND

Three stars of masses 1, 1/2 and 1/4 attract one another by Newton's law (G = 1) and move in space:
eighteen states. Forty short runs start from random positions and velocities without close encounters, and
REBOUND's IAS15 integrates them to machine precision. The accelerations are Newton's at these states.
Nothing tells the learner the masses.

`fit` over the velocities and the nine components of $(x_j - x_i)/r_{ij}^3$ gives the equations, with the
masses as coefficients. `conserved_quantities` then searches the velocities, all products of a velocity
with a velocity or a position, and $1/r_{ij}$: 138 functions and no hint which of them belong together.

Sixteen directions are unbroken, and ten quantities are listed: the momentum $P$ (3), the angular momentum
$L$ (3), the energy (1), and three more that belong to the centre of mass. With $R$ the sum of mass times
position they span, with $L$, the components of $R \\times P$, which says that the centre of mass moves
along a straight line. The other six directions are products of the components of $P$, and products of
laws are not new laws. Nine of the ten are functionally independent, as the rank of their gradients tells,
since $(R \\times P) \\cdot P = 0$. The tenth classical integral, $R - P\\,t$, depends on time and is not
a function of the states.

References: H. Rein and S.-F. Liu (2012), A&A 537, A128 (REBOUND); H. Rein and D. S. Spiegel (2015), MNRAS
446, 1424 (IAS15).
"""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt
import rebound
from matplotlib.figure import Figure

import dynsym as dy

Array = npt.NDArray[np.float64]

MASSES = np.array([1.0, 0.5, 0.25])
RUNS, SAMPLES, DURATION, CLOSEST = 40, 50, 6.0, 0.25
POSITIONS = tuple(f"{axis}{body}" for body in (1, 2, 3) for axis in "xyz")
VELOCITIES = tuple(f"v{name}" for name in POSITIONS)
NAMES = POSITIONS + VELOCITIES
PAIRS = tuple(combinations((1, 2, 3), 2))

EXPECTED = {
    "states": (18, {}),
    "mass_1": (1.0, {"rel_tol": 1e-10}),
    "mass_2": (0.5, {"rel_tol": 1e-10}),
    "mass_3": (0.25, {"rel_tol": 1e-10}),
    "terms_kept": (27, {}),
    "unbroken_directions": (16, {}),
    "certified_laws": (10, {}),
    "independent_quantities": (9, {}),
    "classical_ones_outside_the_found": (0.0, {"abs_tol": 1e-10}),
    "found_ones_outside_the_classical": (0.0, {"abs_tol": 1e-10}),
    "largest_relative_drift": (0.0, {"abs_tol": 1e-10}),
}


def newton(states: Array) -> Array:
    """Exact time derivatives of the states, (m, 18) -> (m, 18)."""
    x = states[:, :9].reshape(-1, 3, 3)
    away = x[:, None, :, :] - x[:, :, None, :]  # sample, body, other body, axis
    distance = np.linalg.norm(away, axis=-1)
    np.einsum("mii->mi", distance)[:] = np.inf
    pull = np.einsum("j,mijk,mij->mik", MASSES, away, distance**-3.0)
    return np.hstack([states[:, 9:], pull.reshape(-1, 9)])


def integrate(start: Array, times: Array) -> Array:
    """States (m, 18) at the given times, by REBOUND."""
    simulation = rebound.Simulation()
    simulation.integrator = "ias15"
    for mass, x, v in zip(MASSES, start[:9].reshape(3, 3), start[9:].reshape(3, 3)):
        simulation.add(m=mass, x=x[0], y=x[1], z=x[2], vx=v[0], vy=v[1], vz=v[2])
    rows = np.empty((len(times), 18))
    for row, time in zip(rows, times):
        simulation.integrate(time)
        xyz, velocity = np.empty((3, 3)), np.empty((3, 3))
        simulation.serialize_particle_data(xyz=xyz, vxvyvz=velocity)
        row[:9], row[9:] = xyz.ravel(), velocity.ravel()
    return rows


def closest_approach(states: Array) -> float:
    """Smallest distance of any two bodies along a run."""
    x = states[:, :9].reshape(-1, 3, 3)
    return min(float(np.linalg.norm(x[:, i - 1] - x[:, j - 1], axis=1).min()) for i, j in PAIRS)


def runs(seed: int = 7) -> list[dy.Trajectory]:
    """Forty runs without close encounters, with exact derivatives."""
    random = np.random.default_rng(seed)
    times = np.linspace(0.0, DURATION, SAMPLES)
    found: list[dy.Trajectory] = []
    while len(found) < RUNS:
        start = np.concatenate([random.normal(scale=1.5, size=9), random.normal(scale=0.6, size=9)])
        states = integrate(start, times)
        # Close encounters would make the largest derivatives thousands of times larger than the typical ones.
        if closest_approach(states) > CLOSEST:
            found.append(
                dy.Trajectory(
                    t=times, x=states, dxdt=newton(states), names=NAMES, label=f"run {len(found) + 1}"
                )
            )
    return found


def _distance(i: int, j: int) -> str:
    return "sqrt(" + " + ".join(f"({axis}{i} - {axis}{j})**2" for axis in "xyz") + ")"


def equation_terms() -> dy.Terms:
    """The velocities and the components of (x_j - x_i) / r_ij^3."""
    pulls = [f"({axis}{j} - {axis}{i})/{_distance(i, j)}**3" for i, j in PAIRS for axis in "xyz"]
    return dy.Terms([*VELOCITIES, *pulls], NAMES)


def invariant_terms() -> dy.Terms:
    """Velocities, their products with velocities and positions, inverse distances."""
    squares = [f"{a}*{b}" for a, b in combinations_with_replacement(VELOCITIES, 2)]
    mixed = [f"{a}*{b}" for a in POSITIONS for b in VELOCITIES]
    return dy.Terms([*VELOCITIES, *squares, *mixed, *(f"1/{_distance(i, j)}" for i, j in PAIRS)], NAMES)


def classical_quantities(states: Array) -> Array:
    """P, L, energy and R x P with the true masses, (m, 18) -> (m, 10)."""
    x, v = states[:, :9].reshape(-1, 3, 3), states[:, 9:].reshape(-1, 3, 3)
    momentum, centre = np.einsum("i,mik->mk", MASSES, v), np.einsum("i,mik->mk", MASSES, x)
    spin = np.einsum("i,mik->mk", MASSES, np.cross(x, v))
    energy = 0.5 * np.einsum("i,mik,mik->m", MASSES, v, v)
    for i, j in PAIRS:
        energy -= MASSES[i - 1] * MASSES[j - 1] / np.linalg.norm(x[:, i - 1] - x[:, j - 1], axis=1)
    return np.column_stack([momentum, spin, energy, np.cross(centre, momentum)])


def largest_residual(wanted: Array, columns: Array) -> float:
    """Sine of the largest angle between a wanted function and the span of the found ones and the constant."""
    basis = np.linalg.qr(np.column_stack([np.ones(len(columns)), columns]))[0]
    centred = wanted - wanted.mean(axis=0)
    outside = centred - basis @ (basis.T @ centred)
    return float((np.linalg.norm(outside, axis=0) / np.linalg.norm(centred, axis=0)).max())


def compute() -> dict[str, Any]:
    """Fit the equations, find what is conserved, compare it with the classical integrals."""
    data = runs()
    model = dy.fit(data, equation_terms(), penalty=dy.Stepwise())
    laws = dy.conserved_quantities(model, invariant_terms())

    # Any states serve here, and random ones are generic while those of a run are not.
    generic = np.random.default_rng(0).normal(size=(400, 18))
    found = np.column_stack([law.evaluate(generic) for law in laws.functions])
    classical = classical_quantities(generic)
    c = model.coefficients
    return {
        "states": model.field.n_states,
        "mass_1": -float(c[12, 9]),
        "mass_2": float(c[9, 9]),
        "mass_3": float(c[9, 12]),
        "terms_kept": int(model.support.sum()),
        "unbroken_directions": int(np.sum(laws.spectrum.values < 1e-10)),
        "certified_laws": len(laws.functions),
        "independent_quantities": laws.independent,
        "classical_ones_outside_the_found": largest_residual(classical, found),
        "found_ones_outside_the_classical": largest_residual(found, classical),
        "largest_relative_drift": max(law.relative_drift for law in laws.findings),
        "laws": laws,
        "runs": data,
    }


def figure(result: dict[str, Any]) -> Figure:
    """One run in the plane, and the spectrum with its gap."""
    drawing = Figure(figsize=(9, 4), layout="constrained")
    orbits, spectrum = drawing.subplots(1, 2)
    for body, mass in enumerate(MASSES):
        path = result["runs"][0].x[:, 3 * body : 3 * body + 2]
        orbits.plot(path[:, 0], path[:, 1], label=f"mass {mass:g}")
        orbits.plot(*path[-1], "o", color=orbits.lines[-1].get_color())
    orbits.set(xlabel="x", ylabel="y", title="One of the forty runs", aspect="equal")
    orbits.legend(frameon=False, fontsize="small")
    values = np.maximum(result["laws"].spectrum.values, 1e-18)
    unbroken = result["unbroken_directions"]
    rank = np.arange(1, len(values) + 1)
    spectrum.semilogy(rank[:unbroken], values[:unbroken], ".", color="C2", label="conserved")
    spectrum.semilogy(rank[unbroken:], values[unbroken:], ".", color="0.6", label="not conserved")
    spectrum.set(
        xlabel="direction", ylabel="defect", title=f"{len(values)} functions, {unbroken} conserved directions"
    )
    spectrum.legend(frameon=False)
    return drawing
