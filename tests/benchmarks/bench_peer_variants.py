"""How far the laws of Lu et al.'s systems hold: noise in every state, and positions alone; prints one table.

Lu, Dangovski and Soljacic show their pendulum, Kepler orbits and double pendulum also with Gaussian errors of standard
deviation 0.5 (as large as the motion itself), and with positions only; they report the number of conserved quantities and
their values up to a reparametrisation, no formula and no verdict. Their samples are taken at random times many periods
apart, from which no dynamics can be learned; here the same orbits are sampled evenly, so that equations, formulas and
verdicts are possible. A row says how many independent laws are certified, whether the formulas are right, the share of
their gradients outside the span of the true ones, and the largest upper bound of a defect; `none` means that nothing was
claimed. With positions only, velocities are slopes of local polynomials.

Run with: python tests/benchmarks/bench_peer_variants.py [--systems pendulum]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import peer_systems as peers
from bench_peers import KEPLER

import dynsym as dy
from dynsym.findings import ConservedQuantities
from dynsym.sections import ScalarFunction

Runs = list[dy.Trajectory]
DOUBLE = dy.systems.get("double_pendulum")


@dataclass(frozen=True)
class Variant:
    """A system of Lu et al. sampled evenly, with the dictionaries of dynamics and laws."""

    name: str
    runs: Callable[[], Runs]
    true: str
    count: int
    dictionaries: tuple[str, str]


RADIAL = "poly(1) + poly(1; x, y) * radial(x, y; -5..-1)"
RUNGE = "poly(3) + poly(1; x, y) * radial(x, y; -1)"
VARIANTS = (
    Variant(
        "pendulum",
        lambda: peers.lu_pendulum(step=0.1),
        "p^2/2 - cos(q)",
        1,
        ("poly(1) + fourier(1)", "poly(2) + fourier(1)"),
    ),
    Variant("Kepler, L > 1/2", lambda: peers.lu_kepler(step=0.05, least=0.5), KEPLER, 3, (RADIAL, RUNGE)),
    Variant("Kepler, any L", lambda: peers.lu_kepler(step=0.05), KEPLER, 3, (RADIAL, RUNGE)),
    Variant(
        "double pendulum",
        peers.lu_double_pendulum,
        str(DOUBLE.invariants[0]).replace("**", "^"),
        1,
        (DOUBLE.dictionary, DOUBLE.invariants_dictionary),
    ),
)
LEVELS = (0.0, 0.001, 0.01, 0.03, 0.1, 0.2, 0.5)
POSITIONS = (0.0, 1e-5, 1e-4, 1e-3)


def laws_of(runs: Runs, variant: Variant) -> ConservedQuantities:
    """Learn and search."""
    terms, inside = (dy.parse_dictionary(text, runs[0].names) for text in variant.dictionaries)
    return dy.conserved_quantities(dy.fit(runs, terms, penalty=dy.Stepwise()), inside)


def false_part(laws: ConservedQuantities, variant: Variant, clean: Runs) -> float:
    """The largest share of a certified law's gradient, on the clean orbits, outside the span of the true ones."""
    x = np.concatenate([run.x for run in clean])[::37][:600]
    true = dy.Terms([part.strip() for part in variant.true.split(";")], clean[0].names)
    known = np.stack([ScalarFunction(true, row).gradient(x) for row in np.eye(true.n_terms)], axis=2)
    worst = 0.0
    for law in laws.functions:
        slope = law.gradient(x)
        inside = np.stack([a @ np.linalg.lstsq(a, g, rcond=None)[0] for a, g in zip(known, slope)])
        worst = max(worst, float(np.linalg.norm(slope - inside) / np.linalg.norm(slope)))
    return worst


def report(variant: Variant, what: str, sd: float, runs: Runs, clean: Runs) -> None:
    """One row."""
    start = time.perf_counter()
    laws = laws_of(runs, variant)
    seconds = time.perf_counter() - start
    bound = max((f.verdict.upper for f in laws.findings if f.verdict.status == "certified"), default=np.nan)
    share = false_part(laws, variant, clean)
    word = "none" if not laws.functions else "right" if laws.independent == variant.count else "part"
    word = "FALSE" if share > 0.1 else word
    reason = "" if word == "right" or not laws.findings else laws.findings[-1].verdict.reason
    cells = (
        variant.name,
        what,
        f"{sd:g}",
        f"{laws.independent} of {variant.count}",
        word,
        f"{share:.0e}",
        f"{bound:.0e}",
    )
    print(
        " ".join(c.ljust(w) for c, w in zip(cells, (17, 10, 7, 8, 6, 7, 7))),
        f"{seconds:4.1f}  {reason}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", default="", help="parts of names, joined by commas; all by default")
    wanted = [name.strip() for name in parser.parse_args().systems.split(",") if name.strip()]
    print("system            seen       noise   laws     word   outside bound   seconds")
    for variant in VARIANTS:
        if wanted and not any(name in variant.name for name in wanted):
            continue
        clean = variant.runs()
        for sd in LEVELS:
            report(variant, "all", sd, peers.with_noise(clean, sd), clean)
        for sd in POSITIONS:
            noisy = peers.with_noise(clean, sd) if sd else clean
            report(variant, "positions", sd, peers.from_positions(noisy), clean)


if __name__ == "__main__":
    main()
