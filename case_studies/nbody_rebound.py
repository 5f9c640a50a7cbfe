"""Three bodies, integrated by REBOUND

Three stars of masses 1, 1/2 and 1/4 attract one another by Newton's law (G = 1) and move in space: eighteen
states. Forty short runs start from random positions and velocities without close encounters, and REBOUND's
IAS15 integrates them to machine precision. The accelerations are Newton's at these states. Nothing tells the
learner the masses.

A plain fit over the velocities and the nine components of $(x_j - x_i)/r_{ij}^3$ gives the equations, with
the masses as coefficients. Conserved quantities are then sought among the velocities, all products of a
velocity with a velocity or a position, and $1/r_{ij}$: 138 functions and no hint which of them belong
together.

The null space has sixteen dimensions: the momentum $P$ (3), the angular momentum $L$ (3), the energy (1), the
products of the components of $P$ (6), and $R \\times P$ (3), with $R$ the sum of mass times position, which
says that the centre of mass moves along a straight line. Sixteen vectors, but nine independent quantities, as
the rank of their gradients tells. The tenth classical integral, $R - P\\,t$, depends on time.

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

from dynsym.dictionary import Terms
from dynsym.trajectory import Trajectory

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
    "dimension_of_the_null_space": (16, {}),
    "independent_quantities": (9, {}),
    "angle_to_the_classical_ones": (0.0, {"abs_tol": 1e-8}),
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


def runs(seed: int = 7) -> list[Trajectory]:
    """Forty runs without close encounters, with exact derivatives."""
    random = np.random.default_rng(seed)
    times = np.linspace(0.0, DURATION, SAMPLES)
    found: list[Trajectory] = []
    while len(found) < RUNS:
        start = np.concatenate([random.normal(scale=1.5, size=9), random.normal(scale=0.6, size=9)])
        states = integrate(start, times)
        # Close encounters would make the largest derivatives thousands of times larger than the typical ones.
        if closest_approach(states) > CLOSEST:
            found.append(
                Trajectory(t=times, x=states, dxdt=newton(states), names=NAMES, label=f"run {len(found) + 1}")
            )
    return found


def _distance(i: int, j: int) -> str:
    return "sqrt(" + " + ".join(f"({axis}{i} - {axis}{j})**2" for axis in "xyz") + ")"


def equation_terms() -> Terms:
    """The velocities and the components of (x_j - x_i) / r_ij^3."""
    pulls = [f"({axis}{j} - {axis}{i})/{_distance(i, j)}**3" for i, j in PAIRS for axis in "xyz"]
    return Terms([*VELOCITIES, *pulls], NAMES)


def invariant_terms() -> Terms:
    """Velocities, their products with velocities and positions, inverse distances."""
    squares = [f"{a}*{b}" for a, b in combinations_with_replacement(VELOCITIES, 2)]
    mixed = [f"{a}*{b}" for a in POSITIONS for b in VELOCITIES]
    return Terms([*VELOCITIES, *squares, *mixed, *(f"1/{_distance(i, j)}" for i, j in PAIRS)], NAMES)


def classical_quantities(states: Array) -> Array:
    """P, L, energy and R x P with the true masses, (m, 18) -> (m, 10)."""
    x, v = states[:, :9].reshape(-1, 3, 3), states[:, 9:].reshape(-1, 3, 3)
    momentum, centre = np.einsum("i,mik->mk", MASSES, v), np.einsum("i,mik->mk", MASSES, x)
    spin = np.einsum("i,mik->mk", MASSES, np.cross(x, v))
    energy = 0.5 * np.einsum("i,mik,mik->m", MASSES, v, v)
    for i, j in PAIRS:
        energy -= MASSES[i - 1] * MASSES[j - 1] / np.linalg.norm(x[:, i - 1] - x[:, j - 1], axis=1)
    return np.column_stack([momentum, spin, energy, np.cross(centre, momentum)])


def null_space(matrix: Array, scale: Array) -> tuple[Array, Array]:
    """Null vectors (p, r) of a tall matrix, cut at the largest gap, and its relative spectrum."""
    spectrum, rows = np.linalg.svd(matrix / scale, full_matrices=False)[1:]
    relative = np.maximum(spectrum / spectrum[0], np.finfo(float).eps)
    kept = int(np.argmax(relative[:-1] / relative[1:])) + 1
    return (rows[kept:] / scale).T, spectrum / spectrum[0]


def largest_residual(wanted: Array, columns: Array) -> float:
    """Sine of the largest angle between a wanted function and the span of the found ones and the constant."""
    basis = np.linalg.qr(np.column_stack([np.ones(len(columns)), columns]))[0]
    centred = wanted - wanted.mean(axis=0)
    outside = centred - basis @ (basis.T @ centred)
    return float((np.linalg.norm(outside, axis=0) / np.linalg.norm(centred, axis=0)).max())


def compute() -> dict[str, Any]:
    """Fit the equations, find the null space, compare it with the classical integrals."""
    data = runs()
    x, dxdt = np.vstack([run.x for run in data]), np.vstack([run.dxdt for run in data])
    coefficients = np.linalg.lstsq(equation_terms().evaluate(x), dxdt, rcond=None)[0].T
    learned = equation_terms().evaluate(x) @ coefficients.T

    terms = invariant_terms()
    rates = np.einsum("mpn,mn->mp", terms.jacobian(x), learned)
    vectors, spectrum = null_space(rates, terms.evaluate(x).std(axis=0))

    # Any states serve here, and random ones are generic while those of a run are not.
    generic = np.random.default_rng(0).normal(size=(400, 18))
    gradients = np.einsum("mpn,pr->mrn", terms.jacobian(generic), vectors / np.linalg.norm(vectors, axis=0))
    values = terms.evaluate(generic) @ vectors
    along = [classical_quantities(run.x) for run in data]
    drift = max(float((q.std(axis=0) / np.abs(q).max(axis=0)).max()) for q in along)
    return {
        "states": x.shape[1],
        "mass_1": -float(coefficients[12, 9]),
        "mass_2": float(coefficients[9, 9]),
        "mass_3": float(coefficients[9, 12]),
        "dimension_of_the_null_space": vectors.shape[1],
        "independent_quantities": int(np.linalg.matrix_rank(gradients, tol=1e-9).max()),
        "angle_to_the_classical_ones": largest_residual(classical_quantities(generic), values),
        "largest_relative_drift": drift,
        "spectrum": spectrum,
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
    values = np.maximum(result["spectrum"], 1e-18)
    kept = len(values) - result["dimension_of_the_null_space"]
    spectrum.semilogy(np.arange(1, kept + 1), values[:kept], ".", label="not conserved")
    spectrum.semilogy(np.arange(kept + 1, len(values) + 1), values[kept:], ".", label="conserved")
    spectrum.set(xlabel="direction", ylabel="relative singular value", title="138 functions, 16 conserved")
    spectrum.legend(frameon=False)
    return drawing
