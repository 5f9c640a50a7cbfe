"""The systems that other packages show off with, at their parameters; states and times only, no derivatives, no equations.

Parameters were read in the packages' own generators: AI Poincare 2 (Liu, Madhavan, Tegmark 2022), SID (Liu, Sturm, Bharadwaj,
Silva, Tegmark 2023), COMET (Kasim, Lim 2022), and Lu, Dangovski, Soljacic (2023). Where a generator draws single states for a
known vector field (AI Poincare, SID), runs start at such states instead.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import ellipj

import dynsym as dy
from dynsym._checks import Array
from dynsym.differentiation import derivative_stencils

Flow = Callable[[Array], Array]


def simulated(flow: Flow, starts: Array, t: Array, names: str) -> list[dy.Trajectory]:
    """Solutions of x' = flow(x) from the rows of `starts`, to rounding."""
    runs = []
    for x0 in starts:
        done = solve_ivp(lambda _t, x: flow(x), (t[0], t[-1]), x0, "DOP853", t, rtol=1e-12, atol=1e-13)
        if not done.success:
            raise RuntimeError(done.message)
        runs.append(dy.Trajectory(t, done.y.T, names=tuple(names.split())))
    return runs


# --- AI Poincare 2: uniform samples


def oscillator(k: float, n_runs: int = 20) -> list[dy.Trajectory]:
    """x'' = -x, y'' = -k y, starts uniform in |x_i| <= 2."""
    starts = np.random.default_rng(0).uniform(-2, 2, (n_runs, 4))
    rates = np.array([1.0, k])
    return simulated(
        lambda s: np.concatenate([s[2:], -rates * s[:2]]), starts, np.linspace(0, 10, 200), "x y vx vy"
    )


def attraction(q: Array) -> Array:
    """Accelerations (b, d) of unit masses at q (b, d), G = 1."""
    apart = q[None] - q[:, None]
    distance = np.linalg.norm(apart, axis=2)
    np.fill_diagonal(distance, np.inf)
    return np.sum(apart / distance[:, :, None] ** 3, axis=1)


def kepler_uniform(n_runs: int = 30) -> list[dy.Trajectory]:
    """q'' = -q/|q|^3, starts uniform in |x_i| <= 2, r > 0.5, |p_i| <= 1; runs of two units of time that stay beyond 0.1."""

    def flow(s: Array) -> Array:
        return np.concatenate([s[2:], -s[:2] / np.linalg.norm(s[:2]) ** 3])

    return kept(
        flow, lambda rng: np.r_[rng.uniform(-2, 2, 2), rng.uniform(-1, 1, 2)], _radius, n_runs, "x y vx vy"
    )


def three_body(n_runs: int = 60) -> list[dy.Trajectory]:
    """Three unit masses in the plane, starts uniform in |x_i| <= 2, r_ij > 0.5, |p_i| <= 1."""

    def flow(s: Array) -> Array:
        return np.concatenate([s[6:], attraction(s[:6].reshape(3, 2)).ravel()])

    def closest(x: Array) -> Array:
        q = x[:, :6].reshape(-1, 3, 2)
        return np.min(
            [np.linalg.norm(q[:, i] - q[:, j], axis=1) for i, j in ((0, 1), (0, 2), (1, 2))], axis=0
        )

    names = "x1 y1 x2 y2 x3 y3 vx1 vy1 vx2 vy2 vx3 vy3"
    return kept(flow, lambda rng: np.r_[rng.uniform(-2, 2, 6), rng.uniform(-1, 1, 6)], closest, n_runs, names)


def _radius(x: Array) -> Array:
    return np.hypot(x[:, 0], x[:, 1])


def kept(
    flow: Flow,
    draw: Callable[[np.random.Generator], Array],
    distance: Callable[[Array], Array],
    n_runs: int,
    names: str,
) -> list[dy.Trajectory]:
    """Runs from drawn starts with distance > 0.5 that never come closer than 0.2."""
    rng, out, t = np.random.default_rng(0), [], np.linspace(0, 2, 160)
    while len(out) < n_runs:
        x0 = draw(rng)
        if distance(x0[None])[0] > 0.5:
            run = simulated(flow, x0[None], t, names)[0]
            if distance(run.x).min() > 0.2:
                out.append(run)
    return out


# --- SID


def lotka_volterra_cyclic(n_runs: int = 12) -> list[dy.Trajectory]:
    """x' = x (y - z), y' = y (z - x), z' = z (x - y)."""
    starts = np.abs(np.random.default_rng(0).normal(size=(n_runs, 3)))
    turn = np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]])
    return simulated(lambda x: x * (turn @ x), starts, np.linspace(0, 6, 200), "x y z")


def fluid_triangle(n_runs: int = 80) -> list[dy.Trajectory]:
    """A triangle of ideal fluid: unit masses at its corners, pressure keeps the area fixed; starts normal with dA/dt = 0."""

    def edge(q: Array) -> Array:
        """J (r_(i+1) - r_(i+2)): twice the gradient of the area."""
        apart = np.roll(q, -1, axis=0) - np.roll(q, -2, axis=0)
        return np.column_stack([apart[:, 1], -apart[:, 0]])

    def flow(s: Array) -> Array:
        q, v = s[:6].reshape(3, 2), s[6:].reshape(3, 2)
        g = edge(q)
        pressure = -np.sum(edge(v) * v) / np.sum(g * g)
        return np.concatenate([s[6:], (pressure * g).ravel()])

    rng, starts = np.random.default_rng(0), []
    while len(starts) < n_runs:
        q, v = rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
        g = edge(q)
        if np.sum(g * g) > 2:
            starts.append(np.concatenate([q.ravel(), (v - np.sum(g * v) / np.sum(g * g) * g).ravel()]))
    names = "x1 y1 x2 y2 x3 y3 vx1 vy1 vx2 vy2 vx3 vy3"
    return simulated(flow, np.array(starts), np.linspace(0, 3, 60), names)


# --- COMET: 100 simulations of 100 samples, t in [0, 10]

COMET_TIMES = np.linspace(0, 10, 100)


def mass_spring(n_runs: int = 100) -> list[dy.Trajectory]:
    """x'' = -x, starts uniform in [-1/2, 1/2]."""
    starts = np.random.default_rng(0).uniform(-0.5, 0.5, (n_runs, 2))
    return simulated(lambda s: np.array([s[1], -s[0]]), starts, COMET_TIMES, "x v")


def quartic_spring(dimension: int, n_runs: int = 100) -> list[dy.Trajectory]:
    """q'' = -|q|^2 q, starts uniform in [-1, 1]."""
    d = dimension
    starts = np.random.default_rng(0).uniform(-1, 1, (n_runs, 2 * d))
    names = " ".join("xyz"[:d]) + " " + " ".join("v" + c for c in "xyz"[:d])
    return simulated(
        lambda s: np.concatenate([s[d:], -np.sum(s[:d] ** 2) * s[:d]]), starts, COMET_TIMES, names
    )


def lotka_volterra(n_runs: int = 100) -> list[dy.Trajectory]:
    """x' = x - x y, y' = x y - y, starts uniform in [1/2, 2]."""
    starts = np.random.default_rng(0).uniform(0.5, 2.0, (n_runs, 2))
    return simulated(lambda s: np.array([s[0] - s[0] * s[1], s[0] * s[1] - s[1]]), starts, COMET_TIMES, "x y")


def pendulum_on_circle(n_runs: int = 100, damping: float = 0.0) -> list[dy.Trajectory]:
    """th'' = -sin th - damping th' as (x, y, vx, vy) with x^2 + y^2 = 1, starts th, w uniform in [-1, 1]."""
    starts = np.random.default_rng(0).uniform(-1, 1, (n_runs, 2))
    runs = simulated(lambda s: np.array([s[1], -np.sin(s[0]) - damping * s[1]]), starts, COMET_TIMES, "th w")
    out = []
    for run in runs:
        th, w = run.x.T
        x = np.column_stack([np.sin(th), -np.cos(th), w * np.cos(th), w * np.sin(th)])
        out.append(dy.Trajectory(run.t, x, names=("x", "y", "vx", "vy")))
    return out


def two_body(n_runs: int = 100) -> list[dy.Trajectory]:
    """Two unit masses about their common centre, which rests at the origin in every run."""
    rng = np.random.default_rng(0)
    r, angle = rng.uniform(0.5, 1.5, n_runs), rng.uniform(-np.pi, np.pi, n_runs)
    speed = rng.uniform(0.7, 1.0, n_runs) * 0.5 / np.sqrt(r)
    c, s = np.cos(angle), np.sin(angle)
    starts = np.stack([r * c, r * s, -r * c, -r * s, -speed * s, speed * c, speed * s, -speed * c], axis=1)
    return simulated(
        lambda x: np.concatenate([x[4:], attraction(x[:4].reshape(2, 2)).ravel()]),
        starts,
        COMET_TIMES,
        "x1 y1 x2 y2 vx1 vy1 vx2 vy2",
    )


# --- Lu, Dangovski, Soljacic: samples at unordered random times, far apart


def lu_pendulum(n_runs: int = 200, n_samples: int = 200, step: float | None = None) -> list[dy.Trajectory]:
    """H = p^2/2 - cos q + 1 uniform in (0, 2); random times in (0, 10 n), or evenly spaced by `step`."""
    rng = np.random.default_rng(0)
    times, energy = lu_times(rng, n_runs, n_samples, step), rng.uniform(0, 2, (n_runs, 1))
    sn, cn, dn, _ = ellipj(times, energy / 2)
    k = np.sqrt(energy / 2)
    x = np.stack([2 * np.arcsin(k * sn), 2 * k * cn * dn / np.sqrt(1 - k**2 * sn**2)], axis=2)
    return [dy.Trajectory(t, s, names=("q", "p")) for t, s in zip(times, x)]


def lu_kepler(
    n_runs: int = 400, n_samples: int = 200, step: float | None = None, least: float = 0.0
) -> list[dy.Trajectory]:
    """H = -(0.3 + 0.7 U)/2, L uniform in (least, 1), any orientation; L = 0 falls into the centre."""
    rng = np.random.default_rng(0)
    times = lu_times(rng, n_runs, n_samples, step)
    energy, moment, turn = (
        -0.5 * rng.uniform(0.3, 1.0, n_runs),
        rng.uniform(least, 1, n_runs),
        rng.uniform(0, 2 * np.pi, n_runs),
    )
    runs = []
    for t, h, spin, angle in zip(times, energy, moment, turn):
        a = -0.5 / h
        e = np.sqrt(1 - spin**2 / a)
        mean = t / a**1.5
        u = mean + e * np.sin(mean)
        for _ in range(100):
            u = u - (u - e * np.sin(u) - mean) / (1 - e * np.cos(u))
        axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        minor = np.sqrt(1 - e * e)
        place = a * np.column_stack([np.cos(u) - e, minor * np.sin(u)]) @ axes
        rate = 1 / (np.sqrt(a) * (1 - e * np.cos(u)))
        velocity = rate[:, None] * np.column_stack([-np.sin(u), minor * np.cos(u)]) @ axes
        runs.append(dy.Trajectory(t, np.hstack([place, velocity]), names=("x", "y", "vx", "vy")))
    return runs


def lu_double_pendulum(n_runs: int = 60, n_samples: int = 300, step: float = 0.05) -> list[dy.Trajectory]:
    """Two unit masses on unit rods, g = 1; angles uniform in (-pi, pi), rates normal with sd 1/2."""
    flow = dy.systems.get("double_pendulum")
    rng = np.random.default_rng(0)
    starts = np.hstack([rng.uniform(-np.pi, np.pi, (n_runs, 2)), 0.5 * rng.normal(size=(n_runs, 2))])
    return simulated(lambda x: flow.evaluate(x)[0], starts, step * np.arange(n_samples), "th1 th2 w1 w2")


def lu_times(rng: np.random.Generator, n_runs: int, n_samples: int, step: float | None) -> Array:
    """Random times in (0, 10 n), sorted, or a grid."""
    if step is not None:
        return np.tile(step * np.arange(n_samples), (n_runs, 1))
    return np.sort(rng.uniform(0, 10.0 * n_samples, (n_runs, n_samples)), axis=1)


def with_noise(runs: list[dy.Trajectory], sd: float, seed: int = 1) -> list[dy.Trajectory]:
    """The runs with independent Gaussian errors of the stated standard deviation in every state."""
    rng = np.random.default_rng(seed)
    return [dy.Trajectory(r.t, r.x + sd * rng.standard_normal(r.x.shape), names=r.names) for r in runs]


def from_positions(runs: list[dy.Trajectory], half_width: int = 4, degree: int = 8) -> list[dy.Trajectory]:
    """Runs of which only the first half of the states was seen; the other half is its slope by local polynomials."""
    out = []
    for run in runs:
        k = run.x.shape[1] // 2
        seen = run.x[:, :k]
        weights = derivative_stencils(run.t, half_width, degree)
        windows = np.lib.stride_tricks.sliding_window_view(seen, 2 * half_width + 1, axis=0)
        slopes = np.einsum("mw,mkw->mk", weights, windows)
        inside = slice(half_width, len(run.t) - half_width)
        out.append(dy.Trajectory(run.t[inside], np.hstack([seen[inside], slopes]), names=run.names))
    return out
