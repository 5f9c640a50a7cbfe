"""Where reference runs start: one sampler per family, (seeded generator) -> one initial state (n,)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .._checks import Array, require

Sampler = Callable[[np.random.Generator], Array]


def uniform(low: Sequence[float], high: Sequence[float]) -> Sampler:
    """Uniform in the box low <= x <= high."""
    require(
        len(low) == len(high) and all(a < b for a, b in zip(low, high)),
        f"a box needs low < high for each state, got low = {tuple(low)} and high = {tuple(high)}",
    )

    def draw(rng: np.random.Generator) -> Array:
        return rng.uniform(low, high)

    return draw


def cube(n: int, half: float = 1.0) -> Sampler:
    """Uniform in the cube |x_i| <= half."""
    return uniform((-half,) * n, (half,) * n)


def kepler_orbit(dimension: int) -> Sampler:
    """Bound Kepler orbits, GM = 1: semi-major axis 0.8-1.4, eccentricity 0.1-0.5, any phase and direction."""

    def draw(rng: np.random.Generator) -> Array:
        axis, e = rng.uniform(0.8, 1.4), rng.uniform(0.1, 0.5)
        anomaly = rng.uniform(0.0, 2.0 * np.pi)
        minor = np.sqrt(1.0 - e * e)
        place = axis * np.array([np.cos(anomaly) - e, minor * np.sin(anomaly)])
        rate = 1.0 / (np.sqrt(axis) * (1.0 - e * np.cos(anomaly)))
        velocity = rate * np.array([-np.sin(anomaly), minor * np.cos(anomaly)])
        plane = np.linalg.qr(rng.standard_normal((dimension, 2)))[0]  # both senses of rotation occur
        return np.concatenate([plane @ place, plane @ velocity])

    return draw


def softened_orbit(rng: np.random.Generator) -> Array:
    """A planar Kepler orbit with the further state u = 1/sqrt(r^2 + c), 0.1 <= c <= 0.4."""
    orbit = kepler_orbit(2)(rng)
    return np.append(orbit, 1.0 / np.sqrt(orbit[:2] @ orbit[:2] + rng.uniform(0.1, 0.4)))


def bound_pair(rng: np.random.Generator) -> Array:
    """Two equal masses on a Kepler ellipse about each other (total mass 2), in a frame that is shifted and moving."""
    orbit = kepler_orbit(2)(rng)
    place, velocity = orbit[:2] / 2, np.sqrt(2.0) * orbit[2:] / 2
    shift, drift = rng.uniform(-0.5, 0.5, 2), rng.uniform(-0.3, 0.3, 2)
    return np.concatenate([shift + place, shift - place, drift + velocity, drift - velocity])


def near_figure_eight(rng: np.random.Generator) -> Array:
    """Three equal masses near the figure-eight orbit, in a frame that is shifted, turned and moving."""
    place = np.array([[0.97000436, -0.24308753], [-0.97000436, 0.24308753], [0.0, 0.0]])
    last = np.array([-0.93240737, -0.86473146])
    velocity = np.array([-last / 2, -last / 2, last])
    angle = rng.uniform(0.0, 2.0 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    place = place @ turn.T + 0.04 * rng.standard_normal((3, 2)) + rng.uniform(-0.5, 0.5, 2)
    velocity = velocity @ turn.T + 0.04 * rng.standard_normal((3, 2)) + rng.uniform(-0.3, 0.3, 2)
    return np.concatenate([place.ravel(), velocity.ravel()])


def spherical_angles(rng: np.random.Generator) -> Array:
    """Angles and rates of a spherical pendulum that stays away from the poles: |w_ph| >= 0.6."""
    turning = rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 1.4)
    return np.array([rng.uniform(0.8, 2.0), rng.uniform(-1.0, 1.0), rng.uniform(-0.5, 0.5), turning])
