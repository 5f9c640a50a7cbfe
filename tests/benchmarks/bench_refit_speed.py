"""CPU seconds of `refit` on the planar problem of three bodies: 12 states, 157 candidates, 228 coefficients; prints one line.

The certified symmetries are found first and handed over, as `analyze` does.

Run with: python tests/benchmarks/bench_refit_speed.py
"""

from __future__ import annotations

import time

import dynsym as dy
from dynsym.dictionary import parse_dictionary


def main() -> None:
    """Print the seconds."""
    system = dy.systems.get("three_body_planar")
    data, terms = system.runs(8, 200, noise=1e-4), parse_dictionary(system.dictionary, system.states)
    family = dy.generators.with_time_scaling(dy.generators.affine(12, system.states))
    start = time.process_time()
    plain = dy.fit(data, terms, penalty=dy.Stepwise())
    print(f"fit         {time.process_time() - start:7.2f} s")
    start = time.process_time()
    found = dy.symmetries(plain, family)
    print(f"symmetries  {time.process_time() - start:7.2f} s   {len(found.generators)} certified", flush=True)
    start = time.process_time()
    done = dy.refit(data, terms, family, dy.Stepwise(), known=found)
    print(f"refit       {time.process_time() - start:7.2f} s   {done.message}")
    print(f"held-out error  plain {done.heldout_plain:.2e}  refit {done.heldout_refit:.2e}")


if __name__ == "__main__":
    main()
