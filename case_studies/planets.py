"""Eight planets: from their orbits to Newton's law, and the mass of Jupiter

The states are those of the eight planets relative to the Sun, once a day from 1990 to 2014, from the JPL
ephemeris DE421. The learner may use any affine function of the states and any affine function times
$r^{-5}, \\dots, r^{-1}$: forty-two functions. It keeps one term for each acceleration, position times
$r^{-3}$, with the same factor on all three axes: the Sun's mass parameter $GM$, to $3 \\cdot 10^{-7}$.
Its standard error, $10^{-6}$, knows that each planet follows a slightly different law, because it comes
from leaving out one planet at a time.

Four symmetries are certified: the three rotations, which are recognised as so(3), and a scaling that
moves time as well. When lengths grow by $e^{s}$, times grow by $e^{3s/2}$: Kepler's third law. Seven
conserved quantities are certified: the energy and the components of the angular momentum and of the
Laplace-Runge-Lenz vector. Five of them are functionally independent, since $L \\cdot A = 0$ and $|A|^2 =
1 + 2 E L^2$ (in units of $GM$) tie the seven together.

They are laws of the fitted equations. Along the real orbits they hold only nearly, because the planets
perturb one another: the figure shows how much each law drifts on each orbit, as a share of what it would
vary if the states moved independently. The Sun itself is moved, mostly by Jupiter, and that spoils the
laws of the outer planets most.

**Jupiter's mass.** In the two-body problem the relative motion has $\\mu = G(M + m)$, so the planet's own
orbit tells its mass: $m/M = \\mu/GM - 1$. Fitted on its own, Jupiter gives $9.27 \\cdot 10^{-4}$, which
is 3 % too low. The reason is that the Sun is no inertial origin. The other planets pull on Jupiter and on
the Sun,

$$ \\ddot r = -\\mu \\frac{r}{|r|^3}
- \\sum_j G m_j \\Big( \\frac{r - r_j}{|r - r_j|^3} + \\frac{r_j}{|r_j|^3} \\Big) , $$

and Saturn's part of the sum does not average out over two revolutions. With these seven terms, one for
each other planet, least squares is free to mix the axes, 72 numbers for the acceleration, and the three
axes contradict each other: $3 \\cdot 10^{-4}$ to $1.6 \\cdot 10^{-3}$. Told that space has no preferred
direction (`equivariant_to` the rotations of all nine vectors at once), it has eight numbers left, and
they are the masses of all eight planets, weighed by Jupiter's orbit alone: those of the other seven agree
with the IAU values to better than a thousandth, Neptune's being the worst. Jupiter's is $9.551(10) \\cdot
10^{-4}$; the IAU value is $1/1047.3486 = 9.5479 \\cdot 10^{-4}$. The error is that of the Sun's $GM$.
What remains beyond it, $\\mu$ being low by $4 \\cdot 10^{-9}$, has the size of general relativity's
$3GM/(c^2 r)$.

References: W. M. Folkner, J. G. Williams, D. H. Boggs (2009), IPN Progress Report 42-178 (DE421); IAU
2009 system of astronomical constants (mass ratios).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import dynsym as dy
from dynsym.analysis import DEMO

Array = npt.NDArray[np.float64]

DATA = Path(__file__).resolve().parents[1] / "data" / "planets.nc"
GM_SUN = 2.9591220828559e-4  # AU^3/day^2, the Gaussian constant squared, which DE421 uses
MASSES = {  # IAU 2009, the Sun's mass over the planet's (with its moons)
    "Mercury": 6023600.0,
    "Venus": 408523.71,
    "Earth": 328900.56,
    "Mars": 3098708.0,
    "Jupiter": 1047.3486,
    "Saturn": 3497.898,
    "Uranus": 22902.98,
    "Neptune": 19412.24,
}
JUPITER = 1 / MASSES["Jupiter"]
TILT = np.deg2rad(23.4393)  # of the ecliptic, for the picture only
CLASSICAL = ("energy", "$L_x$", "$L_y$", "$L_z$", "$A_x$", "$A_y$", "$A_z$")

EXPECTED = {
    "gm_sun": (GM_SUN, {"rel_tol": 2e-5}),
    "gm_sun_error_over_standard_error": (0.0, {"abs_tol": 3.0}),
    "powers_of_r_chosen": ((-3, -3, -3), {}),
    "terms_chosen": ((1, 1, 1, 1, 1, 1), {}),
    "certified_symmetries": (4, {}),
    "rotations": ("so(3)", {}),
    "algebra": ("so(3) + R", {}),
    "time_exponent": (1.5, {"abs_tol": 1e-9}),
    "certified_laws": (7, {}),
    "independent_laws": (5, {}),
    "distance_to_the_classical_laws": (0.0, {"abs_tol": 1e-4}),
    "largest_drift": (3.3e-3, {"rel_tol": 0.2}),
    "jupiter_mass_two_body": (9.267e-4, {"rel_tol": 2e-3}),
    "jupiter_mass": (JUPITER, {"rel_tol": 2e-3}),
    "jupiter_mass_error_over_standard_error": (0.0, {"abs_tol": 3.0}),
    "relative_error_of_the_other_masses": (0.0, {"abs_tol": 1e-3}),
}


def named(run: dy.Trajectory) -> str:
    """The planet's name."""
    return run.label.removeprefix("planet=")


def sun(model: dy.Model) -> tuple[float, float]:
    """GM and its standard error from the three accelerations."""
    rows = [(c[c != 0], s[c != 0]) for c, s in zip(model.coefficients[3:], model.standard_errors[3:])]
    # The three axes see the same orbits, so their mean is not three times better known than one of them.
    return -float(np.mean([c for c, _ in rows])), float(np.mean([s for _, s in rows]))


def powers(model: dy.Model) -> tuple[int, ...]:
    """The power of r beside the position in each acceleration."""
    chosen = []
    for axis, row in zip("xyz", model.coefficients[3:]):
        (term,) = (model.field.dictionary.symbolic()[j] for j in np.flatnonzero(row))
        near, far = (float(term.subs({symbol: scale for symbol in term.free_symbols})) for scale in (1, 2))
        assert axis in {str(symbol) for symbol in term.free_symbols}
        chosen.append(round(np.log2(far / near)) - 1)
    return tuple(chosen)


def pull(vector: tuple[str, ...]) -> list[str]:
    """The components of v / |v|^3."""
    size = "sqrt(" + " + ".join(f"({c})**2" for c in vector) + ")"
    return [f"({c})/{size}**3" for c in vector]


def weigh(orbit: dy.Trajectory, others: list[dy.Trajectory]) -> tuple[dict[str, float], tuple[float, ...]]:
    """mu of one planet and G m of the others from its orbit, and mu on each axis without the symmetry."""
    own = ("x", "y", "z")
    vectors = [tuple(f"{axis}_{named(run)}" for axis in own) for run in others]
    states = (*orbit.names, *(c for vector in vectors for c in vector))
    # Only the planet's own acceleration is asked for. The other rates are set to zero, which anything fits.
    rows = dy.LocalPolynomial()
    inner = slice(rows.half_width, -rows.half_width)
    rates = np.zeros((len(orbit.t[inner]), len(states)))
    rates[:, 3:6] = rows.rows(orbit, dy.Monomials(6, 0, names=orbit.names), np.zeros(6)).target[:, 3:]
    x = np.hstack([orbit.x, *(run.x[:, :3] for run in others)])
    joint = dy.Trajectory(t=orbit.t[inner], x=x[inner], dxdt=rates, names=states)

    formulas = pull(own)
    for vector in vectors:
        away = tuple(f"{a} - {b}" for a, b in zip(own, vector))
        formulas += [f"{direct} + {indirect}" for direct, indirect in zip(pull(away), pull(vector))]
    terms = dy.Terms(formulas, states)
    turns = dy.generators.rotations(len(states), names=states, vectors=[own, ("vx", "vy", "vz"), *vectors])
    free = dy.fit(joint, terms)
    model = dy.fit(joint, terms, constraints=[dy.equivariant_to(turns, terms)])
    factors = -model.coefficients[3, ::3]  # of the equation of vx
    return (
        dict(zip([named(orbit), *(named(run) for run in others)], factors.tolist())),
        tuple(float(-free.coefficients[3 + k, k]) for k in range(3)),
    )


def classical(x: Array, gm: float) -> Array:
    """Energy, angular momentum and Laplace-Runge-Lenz vector, (m, 6) -> (m, 7)."""
    r, v = x[:, :3], x[:, 3:]
    distance = np.linalg.norm(r, axis=1)
    spin = np.cross(r, v)
    lenz = np.cross(v, spin) - gm * r / distance[:, None]
    return np.column_stack([0.5 * np.sum(v**2, axis=1) - gm / distance, spin, lenz])


def recognise(
    laws: dy.ConservedQuantities, runs: list[dy.Trajectory], gm: float
) -> tuple[tuple[str, ...], float]:
    """Which classical law each found one is a multiple of, and the largest relative distance from it."""
    x = np.vstack([run.x[::50] for run in runs])
    known = classical(x, gm)
    known = known / np.linalg.norm(known, axis=0)
    names, far = [], 0.0
    for law in laws.functions:
        values = law.evaluate(x)
        share = known.T @ values / np.linalg.norm(values)
        nearest = int(np.argmax(np.abs(share)))
        names.append(CLASSICAL[nearest])
        far = max(
            far, float(np.linalg.norm(values / np.linalg.norm(values) - share[nearest] * known[:, nearest]))
        )
    return tuple(names), far


def drifts(laws: dy.ConservedQuantities, runs: list[dy.Trajectory]) -> Array:
    """sd(h along the orbit) / rms(|grad h| sd(x)) of each law and planet."""
    out = []
    for law in laws.functions:
        slopes = [law.gradient(run.x) * run.x.std(axis=0) for run in runs]
        sizes = [np.sqrt(np.mean(np.sum(slope**2, axis=1))) for slope in slopes]
        out.append([np.std(law.evaluate(run.x)) / size for run, size in zip(runs, sizes)])
    return np.array(out)


def rotation_algebra(found: dy.Symmetries) -> str:
    """The name of the algebra of the certified generators that leave time alone."""
    still = [
        f.generator
        for f in found.findings
        if f.verdict.status == "certified" and not f.generator.time_scaling.any()
    ]
    basis = np.stack([generator.affine_parts()[0][0] for generator in still])
    brackets = np.array([[b @ a - a @ b for b in basis] for a in basis])
    r = len(basis)
    constants, _ = dy.algebra.structure_constants(basis.reshape(r, -1), brackets.reshape(r, r, -1))
    return dy.algebra.identify(constants).name


def compute() -> dict[str, Any]:
    """The whole analysis, and Jupiter's mass in two ways."""
    done = dy.analyze(DATA, DEMO)
    runs = list(done.runs)
    gm, error = sun(done.model)
    jupiter = next(run for run in runs if named(run) == "Jupiter")
    alone, _ = weigh(jupiter, [])
    weights, axes = weigh(jupiter, [run for run in runs if run is not jupiter])
    mass = weights["Jupiter"] / gm - 1
    scaling = next(f.generator for f in done.symmetries.findings if f.generator.time_scaling.any())
    law_names, distance = recognise(done.laws, runs, gm)
    return {
        "gm_sun": gm,
        "gm_sun_standard_error": error,
        "gm_sun_error_over_standard_error": (gm - GM_SUN) / error,
        "powers_of_r_chosen": powers(done.model),
        "terms_chosen": tuple(int(k) for k in done.model.support.sum(axis=1)),
        "certified_symmetries": done.symmetries.dimension,
        "rotations": rotation_algebra(done.symmetries),
        "algebra": done.symmetries.algebra.name,
        "time_exponent": float(scaling.time_scaling[0] / scaling.affine_parts()[0][0][0, 0]),
        "certified_laws": len(done.laws.functions),
        "independent_laws": done.laws.independent,
        "distance_to_the_classical_laws": distance,
        "law_names": law_names,
        "largest_drift": max(law.relative_drift for law in done.laws.findings),
        "jupiter_mass_two_body": alone["Jupiter"] / gm - 1,
        "jupiter_mass_by_axis_without_symmetry": tuple(mu / gm - 1 for mu in axes),
        "jupiter_mass": mass,
        "jupiter_mass_standard_error": error / gm,
        "jupiter_mass_error_over_standard_error": (mass - JUPITER) / (error / gm),
        "relative_error_of_the_other_masses": max(
            abs(weights[name] / gm * ratio - 1) for name, ratio in MASSES.items() if name != "Jupiter"
        ),
        "weights": weights,
        "drifts": drifts(done.laws, runs),
        "analysis": done,
    }


def figure(result: dict[str, Any]) -> Figure:
    """Orbits, the law of force, the verdicts, and the drift of each law on each orbit."""
    done = result["analysis"]
    drawing = Figure(figsize=(11, 8.6), layout="constrained")
    orbits = drawing.add_subplot(2, 2, 1, projection="polar")
    colours = [f"C{k}" for k in range(8)]
    _draw_orbits(orbits, done.runs, colours)
    _draw_force(
        drawing.add_subplot(2, 2, 2), done, result["gm_sun"], result["gm_sun_standard_error"], colours
    )
    _draw_spectra(drawing.add_subplot(2, 2, 3), done)
    _draw_drifts(drawing.add_subplot(2, 2, 4), result, colours)
    return drawing


def _draw_orbits(axes: Axes, runs: tuple[dy.Trajectory, ...], colours: list[str]) -> None:
    for run, colour in zip(runs, colours):
        x, y, z = run.x[::5, :3].T
        y = np.cos(TILT) * y + np.sin(TILT) * z
        axes.plot(
            np.unwrap(np.arctan2(y, x)), np.log10(np.hypot(x, y)), color=colour, lw=1.2, label=named(run)
        )
        axes.plot(np.arctan2(y[-1], x[-1]), np.log10(np.hypot(x[-1], y[-1])), "o", ms=5, color=colour)
    for power, text in ((0, "1 AU"), (1, "10 AU")):
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axes.text(np.deg2rad(52), power, text, ha="center", va="center", fontsize=8, bbox=box)
    axes.set(
        ylim=(-1, 1.6), yticks=[0, 1], yticklabels=[], title="1990 to 2014, once a day (log of the distance)"
    )
    axes.set_xticks([])
    axes.grid(alpha=0.3)


def _draw_force(axes: Axes, done: dy.Analysis, gm: float, error: float, colours: list[str]) -> None:
    r = np.array([0.25, 60.0])
    axes.loglog(
        r,
        gm / r**2,
        color="0.2",
        lw=1,
        zorder=0,
        label=f"$GM/r^2$, $GM = {gm * 1e4:.6f}({error * 1e10:.0f}) \\cdot 10^{{-4}}$",
    )
    for run, colour in zip(done.runs, colours):
        rows = done.model.method.rows(run, done.model.field.dictionary, done.model.noise)
        inner = slice(4, -4, 20)
        distance = np.linalg.norm(run.x[inner, :3], axis=1)
        size = np.linalg.norm(rows.target[::20, 3:], axis=1)
        axes.loglog(distance, size, ".", ms=5, color=colour)
        middle = len(distance) // 2
        axes.annotate(
            named(run),
            (distance[middle], size[middle]),
            xytext=(7, 3),
            textcoords="offset points",
            color=colour,
            fontsize=9,
        )
    axes.set(
        xlabel="distance from the Sun (AU)",
        ylabel="acceleration (AU/day$^2$)",
        title="Newton's law, chosen among 42 functions",
    )
    axes.legend(frameon=False, loc="lower left")


def _draw_spectra(axes: Axes, done: dy.Analysis) -> None:
    for found, marker, name in ((done.symmetries, "o", "generators"), (done.laws, "^", "functions")):
        defects = np.sort(found.spectrum.values)[:60]
        count = sum(f.verdict.status == "certified" for f in found.findings)
        rank, floor = np.arange(1, len(defects) + 1), np.maximum(defects, 1e-16)
        label = f"of {len(found.spectrum.values)} {name}: {count} certified"
        axes.semilogy(rank[:count], floor[:count], marker, color="C2", label=label)
        axes.semilogy(rank[count:], floor[count:], marker, ms=5, mfc="none", color="0.6")
    axes.semilogy([], [], "s", ms=5, mfc="none", color="0.6", label="not: zero is ruled out")
    axes.set(xlabel="direction", ylabel="defect", title="Which symmetries and conserved quantities?")
    axes.legend(frameon=False, loc="lower right")


def _draw_drifts(axes: Axes, result: dict[str, Any], colours: list[str]) -> None:
    drift, names = result["drifts"], result["law_names"]
    order = sorted(range(len(names)), key=lambda k: CLASSICAL.index(names[k]))
    places = np.arange(len(order))
    for k, (run, colour) in enumerate(zip(result["analysis"].runs, colours)):
        axes.semilogy(places + 0.09 * (k - 3.5), drift[order, k], "o", ms=5, color=colour, label=named(run))
    axes.set_xticks(places, [names[k] for k in order])
    axes.set(ylabel="relative drift in 24 years", title="How well the laws hold on the real orbits")
    axes.legend(frameon=False, fontsize="small", ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.08))


if __name__ == "__main__":  # the picture in the README
    figure(compute()).savefig(DATA.parents[1] / "docs" / "_static" / "planets.png", dpi=110)
