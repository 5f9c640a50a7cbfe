"""An air track and a pendulum, measured: what holds, what friction breaks, and how fast

A glider between two springs on an air track, and a pendulum, both filmed: 870 positions in whole units at 30
Hz, and 556 angles at 6 Hz with gaps. Velocities come with the recordings. Nobody tells the program that there
is friction, or that the velocities are not exactly the slopes of the positions.

Glider. Among linear functions the fit keeps three,

$$ x' = 1.0174\\,v, \\qquad v' = -6.115\\,x - 0.0121\\,v . $$

The first coefficient is not 1: the recorded velocity is 1.7 % too small, eighty standard errors, as a
smoothed derivative is. The last is friction, $0.0120 \\pm 0.0017$ per second, seven standard errors. So the
energy is refuted as a conserved quantity, although its defect is only a third of a percent: small, and not
zero. Along the run it falls by a share of 0.0137 per second, half of it in 51 s, and exponentially, as drag
would have it: amplitudes that fall linearly, as under rubbing, fit 2.4 times worse. The scaling $(x, v) \\to
(\\lambda x, \\lambda v)$ of a linear oscillator is certified, and with it the commutative algebra of scaling
and flow; so is the reflection through the origin. Reversal of time is refuted, by the friction alone.

Pendulum. Offered rate and sine of the angle, the fit keeps

$$ \\theta' = 1.048\\,w - 0.004\\,\\sin\\theta, \\qquad w' = 0.0117 - 0.0089\\,w - 1.292\\,\\sin\\theta . $$

No symmetry under scaling this time: the restoring force is no line. Friction is $0.0089 \\pm 0.0014$ per
second, the energy is refuted again, and falls by a share of 0.0119 per second, half in 58 s. The reflection
is refuted too, by the constant: the pendulum hangs at $\\theta = 0.009$, so the zero of the recorded angle is
half a degree off. And the recorded angle is not quite the angle: offered $\\theta$ beside its sine, the fit moves a
twelfth of the force to it, five standard errors.

The recordings are those of M. Schmidt and H. Lipson (2009), Science 324, 81, and are not part of the package.
The study looks for `real_linear_h_1.txt` and `real_pend_h_1.txt` in the folder that `--data` or the
environment variable `DYNSYM_SCHMIDT_LIPSON` names.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

import dynsym as dy
from dynsym.certify import Level, Verdict, judge
from dynsym.discover import fair, read_conservation
from dynsym.findings import evidence_of
from dynsym.lie_derivative import gradient_gram, law_matrix
from dynsym.sections import ScalarFunction

Array = npt.NDArray[np.float64]

FILES = ("real_linear_h_1.txt", "real_pend_h_1.txt")
_HERE = Path(__file__).resolve().parents[1] / "data" / "schmidt_lipson"
DATA = Path(os.environ.get("DYNSYM_SCHMIDT_LIPSON", _HERE))
PIECES = 10  # of a record, for the error of a decay rate: longer than a period, so that their scatter is independent

EXPECTED = {
    "glider_samples": (870, {}),
    "glider_velocity_factor": (1.0174, {"rel_tol": 1e-3}),
    "glider_stiffness": (6.115, {"rel_tol": 2e-3}),
    "glider_friction": (0.0120, {"rel_tol": 0.1}),
    "glider_friction_standard_error": (0.0017, {"rel_tol": 0.2}),
    "glider_energy_verdict": ("refuted", {}),
    "glider_energy_defect": (0.0030, {"rel_tol": 0.1}),
    "glider_energy_rate": (-0.0137, {"rel_tol": 0.02}),
    "glider_misfit_linear_over_exponential": (2.4, {"abs_tol": 0.3}),
    "glider_scaling_verdict": ("certified", {}),
    "glider_algebra": ("R^2", {}),
    "glider_reflection_verdict": ("certified", {}),
    "glider_reversal_verdict": ("refuted", {}),
    "pendulum_samples": (556, {}),
    "pendulum_velocity_factor": (1.048, {"rel_tol": 2e-3}),
    "pendulum_gravity": (1.292, {"rel_tol": 0.01}),
    "pendulum_rest_angle": (0.0091, {"abs_tol": 0.001}),
    "pendulum_friction": (0.0089, {"rel_tol": 0.1}),
    "pendulum_friction_standard_error": (0.0014, {"rel_tol": 0.2}),
    "pendulum_force_beside_the_sine": (0.109, {"rel_tol": 0.1}),
    "pendulum_force_beside_the_sine_standard_error": (0.021, {"rel_tol": 0.2}),
    "pendulum_energy_verdict": ("refuted", {}),
    "pendulum_energy_rate": (-0.0119, {"rel_tol": 0.02}),
    "pendulum_certified_symmetries": (0, {}),
    "pendulum_reflection_verdict": ("refuted", {}),
    "pendulum_reversal_verdict": ("refuted", {}),
}


def missing(folder: Path = DATA) -> str:
    """Why the study cannot run, in words, or an empty text."""
    absent = [name for name in FILES if not (folder / name).exists()]
    return f"{', '.join(absent)} not in {folder}; see the end of the story" if absent else ""


def record(path: Path, names: tuple[str, str]) -> dy.Trajectory:
    """One recording: columns trial, t, position, velocity; gaps in t are found when it is fitted."""
    table = np.loadtxt(path, comments="%")
    return dy.Trajectory(table[:, 1], table[:, 2:], names=names, label=path.stem)


def energy_of(model: dy.Model, parts: tuple[str, str]) -> ScalarFunction:
    """The combination of kinetic and potential part that the fitted dynamics break least, kinetic part w^2/2."""
    terms = dy.Terms(parts, model.field.names)
    least = read_conservation(model.field, terms, fair(model.field, model.region)).spectrum.vectors[:, 0]
    return ScalarFunction(terms, 0.5 * least / least[1])


def law_verdict(model: dy.Model, h: ScalarFunction) -> Verdict:
    """The verdict on one given function."""
    around = fair(model.field, model.region)
    operator = law_matrix(h.dictionary, h.coefficients, model.field.dictionary, around)
    size = float(h.coefficients @ gradient_gram(model.field, h.dictionary, around) @ h.coefficients)
    return judge(operator, size, evidence_of(model), Level())


def map_verdict(model: dy.Model, matrix: Array, sign: float) -> Verdict:
    """The verdict on f(S x) = sign S f(x): sign 1 for a symmetry, -1 for one that reverses time."""
    around, terms = fair(model.field, model.region), model.field.dictionary
    x, n, p = around.points, terms.n_states, terms.n_terms
    weights = around.roots[:, None] / around.scale
    here, there = terms.evaluate(x), terms.evaluate(x @ matrix.T)
    operator = np.zeros((len(x), n, n, p))
    for i in range(n):
        operator[:, i, i] += there
        operator[:, i] -= sign * matrix[i][None, :, None] * here[:, None, :]
    operator *= weights[:, :, None, None]
    c = model.coefficients
    size = np.sum(((here @ c.T) @ matrix.T * weights) ** 2) + np.sum((there @ c.T * weights) ** 2)
    return judge(operator.reshape(len(x) * n, n * p), float(size), evidence_of(model), Level())


def decay(t: Array, values: Array) -> tuple[float, float]:
    """Slope of values over t, and its standard error from the scatter of the means of `PIECES` pieces."""
    parts = np.array_split(np.arange(len(t)), PIECES)
    when, level = (np.array([column[part].mean() for part in parts]) for column in (t, values))
    slope, offset = np.polyfit(when, level, 1)
    scatter = np.sum((level - offset - slope * when) ** 2) / (PIECES - 2)
    return float(slope), float(np.sqrt(scatter / np.sum((when - when.mean()) ** 2)))


def straightness(t: Array, values: Array) -> float:
    """Relative rms distance of a curve from a straight line, after averaging in pieces."""
    parts = np.array_split(np.arange(len(t)), PIECES)
    when, level = (np.array([column[part].mean() for part in parts]) for column in (t, values))
    return float(np.std(level - np.polyval(np.polyfit(when, level, 1), when)) / np.ptp(level))


def coefficient(model: dy.Model, equation: int, term: str) -> tuple[float, float]:
    """A coefficient and its standard error."""
    j = model.field.dictionary.terms.index(term)
    return float(model.coefficients[equation, j]), float(model.standard_errors[equation, j])


def study(run: dy.Trajectory, dictionary: str, parts: tuple[str, str], rest: float) -> dict[str, Any]:
    """Fit, verdicts and decay of the energy (above its value `rest` times the potential part) of one recording."""
    terms = dy.parse_dictionary(dictionary, run.names)
    sparse, dense = dy.fit([run], terms, penalty=dy.Stepwise()), dy.fit([run], terms)
    energy = energy_of(sparse, parts)
    level = energy.evaluate(run.x) - rest * energy.coefficients[0]
    rate, rate_error = decay(run.t, np.log(level))
    found = dy.symmetries(sparse, dy.generators.with_time_scaling(dy.generators.affine(2, run.names)))
    verdicts = {
        "energy": law_verdict(sparse, energy),
        "reflection": map_verdict(sparse, -np.eye(2), 1.0),
        "reversal": map_verdict(sparse, np.diag([1.0, -1.0]), -1.0),
    }
    return {
        "run": run,
        "sparse": sparse,
        "dense": dense,
        "level": level,
        "rate": (rate, rate_error),
        "linear_over_exponential": straightness(run.t, np.sqrt(level)) / straightness(run.t, np.log(level)),
        "symmetries": found,
        "verdicts": verdicts,
    }


def compute(folder: Path = DATA) -> dict[str, Any]:
    """Both recordings, with the numbers of the story."""
    if missing(folder):
        raise FileNotFoundError(missing(folder))
    glider = study(record(folder / FILES[0], ("x", "v")), "poly(1)", ("x^2", "v^2"), 0.0)
    swing = study(
        record(folder / FILES[1], ("th", "w")), "poly(1; w) + terms(sin(th))", ("cos(th)", "w^2"), 1.0
    )
    wider = dy.fit([swing["run"]], dy.parse_dictionary("poly(1) + terms(sin(th))", swing["run"].names))
    symmetric = glider["symmetries"]
    scaling = [f.verdict.status for f in symmetric.findings if f.label == "scaling"]
    gravity, offset = (coefficient(swing["sparse"], 1, term)[0] for term in ("sin(th)", "1"))
    return {
        **{f"glider_{name}_verdict": v.status for name, v in glider["verdicts"].items()},
        **{f"pendulum_{name}_verdict": v.status for name, v in swing["verdicts"].items()},
        "glider_samples": len(glider["run"]),
        "glider_velocity_factor": coefficient(glider["sparse"], 0, "v")[0],
        "glider_stiffness": -coefficient(glider["sparse"], 1, "x")[0],
        "glider_friction": -coefficient(glider["dense"], 1, "v")[0],
        "glider_friction_standard_error": coefficient(glider["dense"], 1, "v")[1],
        "glider_energy_defect": glider["verdicts"]["energy"].defect,
        "glider_energy_rate": glider["rate"][0],
        "glider_energy_rate_standard_error": glider["rate"][1],
        "glider_misfit_linear_over_exponential": glider["linear_over_exponential"],
        "glider_scaling_verdict": scaling[0] if scaling else "not found",
        "glider_algebra": symmetric.algebra.name if symmetric.algebra is not None else "not closed",
        "pendulum_samples": len(swing["run"]),
        "pendulum_velocity_factor": coefficient(swing["sparse"], 0, "w")[0],
        "pendulum_gravity": -gravity,
        "pendulum_rest_angle": -offset / gravity,
        "pendulum_friction": -coefficient(swing["dense"], 1, "w")[0],
        "pendulum_friction_standard_error": coefficient(swing["dense"], 1, "w")[1],
        "pendulum_force_beside_the_sine": -coefficient(wider, 1, "th")[0],
        "pendulum_force_beside_the_sine_standard_error": coefficient(wider, 1, "th")[1],
        "pendulum_energy_rate": swing["rate"][0],
        "pendulum_energy_rate_standard_error": swing["rate"][1],
        "pendulum_certified_symmetries": swing["symmetries"].dimension,
        "glider": glider,
        "pendulum": swing,
    }


def figure(result: dict[str, Any]) -> Figure:
    """Energies along the runs, the pendulum's restoring force, and the defects with their bounds."""
    drawing = Figure(figsize=(12, 3.8), layout="constrained")
    along, force, bounds = drawing.subplots(1, 3)
    for k, name in enumerate(("glider", "pendulum")):
        part = result[name]
        t, level, (rate, error) = part["run"].t, part["level"], part["rate"]
        scale = np.exp(np.mean(np.log(level)) - rate * t.mean())
        along.semilogy(t, level / scale, ".", ms=2, color=f"C{k}", alpha=0.5)
        text = f"{name}: {rate:.4f} $\\pm$ {error:.4f} per s"
        along.semilogy(t, np.exp(rate * t), color=f"C{k}", label=text)
    along.set(xlabel="t (s)", ylabel="energy, from its fitted start", title="What friction takes")
    along.legend(frameon=False, fontsize=8)

    swing = result["pendulum"]
    run, field = swing["run"], swing["sparse"].field
    even = np.abs(np.diff(run.t)[1:] - np.diff(run.t)[:-1]) < 0.05
    slope = (run.x[2:, 1] - run.x[:-2, 1]) / (run.t[2:] - run.t[:-2])
    force.plot(
        run.x[1:-1, 0][even], slope[even], ".", ms=3, color="C1", alpha=0.5, label="central differences"
    )
    angle = np.linspace(-1.5, 1.5, 100)
    fitted = field.evaluate(np.column_stack([angle, 0 * angle]))[:, 1]
    force.plot(angle, fitted, color="k", lw=1, label="fitted sine")
    force.plot(angle, -result["pendulum_gravity"] * angle, "--", color="0.5", lw=1, label="its tangent")
    force.set(xlabel="angle", ylabel="$w'$", title="A pendulum, not a spring")
    force.legend(frameon=False, fontsize=8)
    _bounds(bounds, result)
    return drawing


def _bounds(axes: Any, result: dict[str, Any]) -> None:
    colours = {"certified": "C2", "refuted": "C3", "undecided": "0.5"}
    rows = [
        (name, what, v) for name in ("glider", "pendulum") for what, v in result[name]["verdicts"].items()
    ]
    for k, (_, _, verdict) in enumerate(rows):
        low = max(verdict.lower, 1e-4)
        axes.plot([low, verdict.upper], [-k, -k], color=colours[verdict.status], lw=4, solid_capstyle="butt")
        axes.text(verdict.upper * 1.1, -k, verdict.status, va="center", fontsize=8)
    axes.axvline(0.05, color="0.6", lw=0.8)
    axes.set_yticks([-k for k in range(len(rows))], [f"{name}: {what}" for name, what, _ in rows])
    axes.set(xscale="log", xlim=(1e-4, 0.5), xlabel="defect, lower to upper bound", title="Verdicts")


def main() -> None:
    """Print the numbers and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the two recordings")
    parser.add_argument("--figure", type=Path, help="where to save the figure")
    args = parser.parse_args()
    if missing(args.data):
        parser.error(missing(args.data))
    result = compute(args.data)
    for name, value in result.items():
        if not isinstance(value, dict):
            print(f"{name:40} {value:.4g}" if isinstance(value, float) else f"{name:40} {value}")
    for name in ("glider", "pendulum"):
        print(f"\n{name}\n{result[name]['sparse']}\n{result[name]['symmetries']}")
        for what, verdict in result[name]["verdicts"].items():
            print(f"  {what:12}{verdict}: {verdict.reason}")
    if args.figure:
        figure(result).savefig(args.figure, dpi=120)


if __name__ == "__main__":
    main()
