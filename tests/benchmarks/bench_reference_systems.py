"""All reference systems: what is found, what is true, and what is claimed but false; prints one table.

Each system is simulated (8 runs of 500 samples), fitted in the dictionary of the table of truths, and
searched for affine and space-time affine symmetries and for conserved quantities. A finding counts as
invented if it is certified and its exact defect, with the true field on the same region, exceeds
delta = 0.05; as inexact if it lies further than 0.1 rad from the exact algebra or from the span of the exact
conserved quantities.

Run with: python tests/benchmarks/bench_reference_systems.py --noise 0.01 --seeds 3 --systems kepler_2d,hopf
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reference import Outcome, Score, outcome

import dynsym as dy

WIDTHS = (29, 4, 22, 9, 22, 9, 8, 9, 9, 8, 7)
HEADS = ("system", "seed", "affine", "angle", "space-time", "angle", "laws", "angle", "worst", "false", "s")


def cell(score: Score) -> str:
    """Dimension found/true and the name, with the true one where they differ."""
    name = re.sub(r"unnamed\(.*?\)\)", "unnamed", score.name)
    if score.complete:
        return f"{score.found}/{score.truth} {name}"
    return f"{score.found}/{score.truth} {name} *"


def line(done: Outcome) -> str:
    """One row of the table; * marks what is not complete."""
    cells = (
        done.system,
        str(done.seed),
        cell(done.affine),
        f"{done.affine.angle:.1e}",
        cell(done.spacetime),
        f"{done.spacetime.angle:.1e}",
        f"{done.laws.found}/{done.laws.truth}{'' if done.laws.complete else ' *'}",
        f"{done.laws.angle:.1e}",
        f"{max(s.worst for s in done.scores.values()):.1e}",
        f"{len(done.invented)}+{len(done.inexact)}",
        f"{done.seconds:.1f}",
    )
    return " ".join(c.ljust(w) for c, w in zip(cells, WIDTHS))


def summary(done: list[Outcome]) -> str:
    """Totals: invented, inexact, complete, and every miss."""
    positive = [d for d in done if dy.systems.get(d.system).positive]
    whole = [d for d in positive if not d.missed]
    empty = sum(not d.missed for d in done) - len(whole)
    lines = [
        "",
        f"invented: {sum(len(d.invented) for d in done)}   inexact: {sum(len(d.inexact) for d in done)}   "
        f"positives with everything found: {len(whole)} of {len(positive)}   "
        f"controls with nothing found: {empty} of {len(done) - len(positive)}",
    ]
    for d in done:
        lines += [f"  invented  {d.system} seed {d.seed}: {text}" for text in d.invented]
        lines += [f"  inexact   {d.system} seed {d.seed}: {text}" for text in d.inexact]
        lines += [f"  missed    {d.system} seed {d.seed}: {text}" for text in d.missed]
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--noise", type=float, default=0.0, help="relative to each state's standard deviation"
    )
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, from 0 on")
    parser.add_argument("--systems", default=",".join(dy.systems.names()), help="names, joined by commas")
    args = parser.parse_args()
    print(" ".join(h.ljust(w) for h, w in zip(HEADS, WIDTHS)), flush=True)
    done = []
    for name in args.systems.split(","):
        for seed in range(args.seeds):
            done.append(outcome(name, args.noise, seed))
            print(line(done[-1]), flush=True)
    print(summary(done))


if __name__ == "__main__":
    main()
