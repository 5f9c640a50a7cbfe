"""All polynomial laws and commuting fields of 23 systems: exact counts against ours; prints one table.

Each cell says how many linearly independent conserved polynomials there are up to degree d, with the rank of their
gradients in brackets, or how many polynomial vector fields up to degree k commute with the dynamics. `truth` was found by
linear algebra over a finite field. `equations` reads the spectra of `conserved_quantities` and `symmetries` for the exact
field, `states` for the field fitted to 12 clean runs of 400 samples without derivatives. `zero` and `next` are the last
value that counts as zero and the first that does not, in either column.

Run with: python tests/benchmarks/bench_exact_table.py [--systems toda_3,hopf]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from exact_table import TABLE, Count, Row, count_fields, count_laws, from_states

import dynsym as dy

WIDTHS = (26, 9, 9, 10, 10, 9, 9, 7)


def row_of(cells: tuple[str, ...]) -> str:
    """One line."""
    return " ".join(c.ljust(w) for c, w in zip(cells, WIDTHS)).rstrip()


def counts(row: Row, field: dy.VectorField | dy.Model) -> dict[str, Count]:
    """All cells of one system."""
    laws = {f"d<={d}": count_laws(field, d) for d in row.laws}
    return laws | {f"k<={k}": count_fields(field, k) for k in row.fields}


def truths(row: Row) -> dict[str, tuple[int, int]]:
    """What should stand in the cells."""
    return {f"d<={d}": t for d, t in row.laws.items()} | {f"k<={k}": (t, 0) for k, t in row.fields.items()}


def shown(kind: str, dimension: int, rank: int) -> str:
    """A count as the table writes it."""
    return f"{dimension} ({rank})" if kind.startswith("d") else str(dimension)


def report(row: Row) -> int:
    """Print one system; the number of wrong cells."""
    start = time.perf_counter()
    exact = counts(row, dy.systems.get(row.system).field())
    middle = time.perf_counter()
    learned = counts(row, from_states(row.system))
    seconds = (middle - start, time.perf_counter() - middle)
    wrong = 0
    for k, (kind, truth) in enumerate(truths(row).items()):
        pair = (exact[kind], learned[kind])
        wrong += sum((c.dimension, c.rank) != truth for c in pair)
        times = [f"{s:.2f}" for s in seconds] if k == 0 else ["", ""]
        cells = [row.system if k == 0 else "", kind, shown(kind, *truth)]
        cells += [shown(kind, c.dimension, c.rank) for c in pair]
        cells += [
            f"{max(c.zero for c in pair):.0e}",
            f"{min(c.next for c in pair):.0e}",
            " + ".join(times).strip(" +"),
        ]
        print(row_of(tuple(cells)), flush=True)
    return wrong


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", default="", help="names, joined by commas; all by default")
    chosen = [name for name in parser.parse_args().systems.split(",") if name]
    print(row_of(("system", "up to", "truth", "equations", "states", "zero", "next", "seconds")))
    rows = [row for row in TABLE if not chosen or row.system in chosen]
    start = time.perf_counter()
    wrong = sum(report(row) for row in rows)
    cells = sum(2 * len(truths(row)) for row in rows)
    print(f"\n{cells - wrong} of {cells} counts right in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
