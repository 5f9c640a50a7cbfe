"""How long models learned from noisy states foresee new runs: dynsym plain and symmetric beside PySINDy at its best.

Each system of `dynsym.systems` gives noisy runs (noise relative to the spread of each state), from which fields over
all monomials of its degree are learned, and new clean runs from other initial states on which they are judged by
`dynsym.predictions`. The judging runs are up to 60 times as long as the noisy ones: five times as long as PySINDy stays
valid, so that ratios above 5 are cut. PySINDy gets the settings that are best on the judging runs themselves, which no
user can know: finite and smoothed differences and the weak form, each at four thresholds, alone and as an ensemble of
bags; the three with the least error on judging runs as long as the noisy ones go on to the long ones, and the best
there counts. dynsym sees nothing but the noisy runs:

    plain     fit(..., Stepwise())
    refit     refit(..., affine), the symmetric model if held-out data allow it
    laws      the fit under the conserved quantities certified for the plain one, where a field obeys them
    best      the fit under laws, else refit, else plain where the other foresees the noisy runs less long beyond doubt;
              its coefficients then fitted to whole solutions by `dynsym.prediction.shooting`
    exact     the true field

Run with: python tests/benchmarks/bench_prediction.py --systems henon_heiles duffing --noise 0.02 --seeds 3
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass

import numpy as np

import dynsym as dy

SYSTEMS = (
    "duffing",
    "quartic_spring_2d",
    "henon_heiles_integrable",
    "rigid_body",
    "lotka_volterra_3d",
    "lorenz",
)
THRESHOLDS = (0.02, 0.05, 0.1, 0.2)
WINDOWS = (0, 11, 31)
N_RUNS, N_SAMPLES, JUDGED = 8, 400, 8
LONGEST = 60.0


@dataclass(frozen=True)
class Case:
    """One system at one noise level and seed."""

    system: str
    noise: float
    seed: int

    def train(self) -> list[dy.Trajectory]:
        """Noisy runs."""
        return dy.systems.get(self.system).runs(N_RUNS, N_SAMPLES, seed=self.seed, noise=self.noise)

    def judge(self, times: float) -> list[dy.Trajectory]:
        """Clean runs from other initial states, so many times as long as the noisy ones."""
        system = dy.systems.get(self.system)
        starts = np.stack([run.x[0] for run in system.runs(JUDGED, 2, seed=10_000 + self.seed)])
        t = np.linspace(0.0, times * system.duration, 1500)
        return system.field().simulate_many(starts, t, dy.Integrator(rtol=1e-11))

    def terms(self) -> dy.Monomials:
        """All monomials of the degree of the system."""
        system = dy.systems.get(self.system)
        own = dy.parse_dictionary(system.dictionary, system.states)
        assert isinstance(own, dy.Monomials), f"{self.system} is not polynomial"
        return own


def peers(runs: list[dy.Trajectory], terms: dy.Monomials, seed: int) -> dict[str, dy.VectorField]:
    """PySINDy in all its settings."""
    import pysindy as ps

    np.random.seed(seed)  # noqa: NPY002 - PySINDy draws from the global state
    x, t = [run.x for run in runs], [run.t for run in runs]
    degree = int(terms.exponents.sum(axis=1).max())
    own = ps.PolynomialLibrary(degree=degree, include_bias=False)
    libraries = {f"window {w}": (ps.PolynomialLibrary(degree=degree), w) for w in WINDOWS}
    libraries["weak"] = (ps.WeakPDELibrary(own, spatiotemporal_grid=t[0], K=200, include_bias=True), 0)
    out = {}
    for kind, (library, window) in libraries.items():
        smooth = ps.SmoothedFiniteDifference(smoother_kws={"window_length": window or 11})
        for threshold in THRESHOLDS:
            for bags in (0, 20):
                optimizer = ps.STLSQ(threshold=threshold, alpha=1e-6)
                if bags:
                    optimizer = ps.EnsembleOptimizer(optimizer, bagging=True, n_models=bags)
                model = ps.SINDy(
                    optimizer=optimizer,
                    feature_library=library,
                    differentiation_method=smooth if window else ps.FiniteDifference(),
                )
                c = np.asarray(model.fit(x, t=t).coefficients())
                if np.isfinite(c).all():
                    name = f"{kind}, {threshold}" + (", bags" if bags else "")
                    out[name] = dy.VectorField(terms, c)
    return out


def with_laws(case: Case, plain: dy.regression.Model, terms: dy.Monomials) -> dy.regression.Model | None:
    """The fit that conserves what the plain model conserves, if a field can."""
    system = dy.systems.get(case.system)
    inside = dy.parse_dictionary(system.invariants_dictionary, system.states)
    if not isinstance(inside, dy.Monomials):
        return None
    laws = dy.conserved_quantities(plain, inside)
    if not laws.functions:
        return None
    try:
        model = dy.fit(
            plain.compressed, penalty=dy.Stepwise(), constraints=[dy.conserving(laws.functions, terms)]
        )
    except dy.DataError:
        return None
    return model if np.abs(model.coefficients).max() > 1e-8 else None


def own_models(case: Case) -> dict[str, dy.VectorField]:
    """The models of dynsym, and the one it would recommend."""
    runs, terms = case.train(), case.terms()
    best = dy.refit(
        runs, terms, dy.generators.affine(terms.n_states, names=terms.names), penalty=dy.Stepwise()
    )
    models = {"plain": best.plain, "refit": best.model}
    lawful = with_laws(case, best.plain, terms)
    if lawful is not None:
        models["laws"] = lawful
    out = {name: model.field for name, model in models.items()}
    trained = dy.predictions(out, runs, rule=dy.PredictionRule(threshold=0.6, starts=2))
    favourite = "laws" if "laws" in out else "refit"
    chosen = "plain" if trained.against(favourite).verdict == "shorter" else favourite
    out["best"] = dy.prediction.shooting(models[chosen]).field
    return out | {"exact": dy.systems.get(case.system).field()}


def run_case(case: Case) -> tuple[dict[str, float], dict[str, float], str]:
    """Valid times on the long runs and errors on the short ones, by method, and PySINDy's best setting."""
    models = own_models(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        others = peers(case.train(), case.terms(), case.seed)
    rule = dy.PredictionRule(lyapunov_time=1.0)
    short = dy.predictions(models | others, case.judge(1.0), rule=rule)
    three = sorted(others, key=lambda name: (-_mean(short[name]), short[name].error))[:3]
    # Errors of regular motion grow in proportion to time, and their mean square is a third of the last one's.
    expected = rule.threshold / (np.sqrt(3) * short[three[0]].error)
    length = float(np.clip(5 * expected, 1.0, LONGEST))
    judged = dy.predictions(models | {name: others[name] for name in three}, case.judge(length), rule=rule)
    best = max(three, key=lambda name: _mean(judged[name]))
    shown = {name: name for name in models} | {"PySINDy": best}
    times = {label: _mean(judged[name]) for label, name in shown.items()}
    return times, {label: short[name].error for label, name in shown.items()}, best


def _mean(one: object) -> float:
    return float(np.exp(np.mean(np.log(np.maximum(one.valid, 1e-6)))))  # type: ignore[attr-defined]


def main() -> None:
    """Print one row per system and noise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--noise", nargs="+", type=float, default=[0.02, 0.05])
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    names = ("PySINDy", "plain", "refit", "laws", "best", "exact")
    print("valid times (geometric mean over runs, median over seeds) and rollout errors of the same models")
    print(
        f"{'system':<26}{'noise':>6}" + "".join(f"{n:>16}" for n in names) + f"{'best/PySINDy':>14}{'s':>7}"
    )
    for system in args.systems:
        for noise in args.noise:
            start = time.process_time()
            done = [run_case(Case(system, noise, seed)) for seed in range(args.seeds)]
            seconds = time.process_time() - start
            cells = []
            for n in names:
                t = [d[0][n] for d in done if n in d[0]]
                e = [d[1][n] for d in done if n in d[1]]
                cells.append(f"{np.median(t):8.3g} {np.median(e):7.2g}" if t else f"{'-':>8}{'-':>8}")
            ratio = float(np.median([d[0]["best"] / d[0]["PySINDy"] for d in done]))
            gain = float(np.median([d[1]["PySINDy"] / d[1]["best"] for d in done]))
            print(
                f"{system:<26}{noise:>6.2f}"
                + "".join(f"{c:>16}" for c in cells)
                + f"{ratio:>8.2f}{gain:>6.2f}{seconds:>7.0f}  {done[0][2]}",
                flush=True,
            )


if __name__ == "__main__":
    main()
