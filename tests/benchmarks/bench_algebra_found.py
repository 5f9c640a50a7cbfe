"""Names that noisy generators get: right, unnamed or wrong, by the size of their errors and the bound that is known of them.

Affine generators of a known algebra, in a random basis and in random linear coordinates, with errors of a given relative size
in every coefficient, go through what `symmetries` does with certified generators. The rows `part` leave generators out, so
that no algebra is the right answer; spirals and stretches are close to algebras of other names.

Run with: python tests/benchmarks/bench_algebra_found.py [--draws 10]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np
from threadpoolctl import threadpool_limits

import dynsym as dy
from dynsym.algebra import LieAlgebra
from dynsym.findings._lie_algebra import algebra_of
from dynsym.generators import Generators
from dynsym.inner_product import generic_region

LEVELS = ((1e-3, 0.01), (3e-3, 0.02), (0.01, 0.05), (0.03, 0.05))  # errors, and the bound that is passed on


def algebras() -> dict[str, tuple[Generators, str | None]]:
    """Name of the row: generators, and the right name (None: they do not close)."""
    turns, moves, all2 = dy.generators.rotations(3), dy.generators.euclidean(3), dy.generators.affine(2)
    two = dy.generators.euclidean(2)
    pair = dy.generators.rotations(6, vectors=[("x1", "x2", "x3"), ("x4", "x5", "x6")])
    heisenberg = two.combine(np.eye(3)[:, :2]) + dy.generators.custom(
        [dy.VectorField(dy.Monomials(2, 1), [[0, 0, 1], [0, 0, 0]])]
    )
    return {
        "R^3": (dy.generators.translations(3), "R^3"),
        "so(3)": (turns, "so(3)"),
        "so(3) on two vectors": (pair, "so(3)"),
        "se(2)": (two, "se(2)"),
        "heisenberg": (heisenberg, "heisenberg"),
        "gl(2,R)": (dy.generators.linear(2), "gl(2,R)"),
        "se(3)": (moves, "se(3)"),
        "aff(2)": (all2, "aff(2)"),
        "so(4)": (dy.generators.rotations(4), "so(4)"),
        "spiral 0.5, bianchi VII": (spiral(0.5), "bianchi VII"),
        "spiral 0.2": (spiral(0.2), "bianchi VII"),
        "spiral 0.1": (spiral(0.1), "bianchi VII"),
        "stretch 1:1.2": (stretch(1.2), "bianchi VI"),
        "part of so(3)": (turns.combine(np.eye(3)[:, :2]), None),
        "part of se(3)": (moves.combine(np.eye(6)[:, [0, 3, 4]]), None),
        "part of aff(2)": (all2.combine(np.eye(6)[:, [0, 3, 4]]), None),
    }


def spiral(rate: float) -> Generators:
    """Translations of the plane, and a turn that grows: close to se(2) for a small rate."""
    return _with(np.array([[rate, -1.0], [1.0, rate]]))


def stretch(ratio: float) -> Generators:
    """Translations of the plane, and a stretch at two rates: close to bianchi V for a ratio near 1."""
    return _with(np.diag([1.0, ratio]))


def _with(matrix: np.ndarray) -> Generators:
    field = dy.VectorField(dy.Monomials(2, 1), np.column_stack([np.zeros(2), matrix]))
    return dy.generators.translations(2) + dy.generators.custom([field])


def drawn(family: Generators, error: float, rng: np.random.Generator) -> Generators:
    """The generators in random coordinates and in a random basis, with errors."""
    n = family.n_states
    parts = family.affine_parts()
    assert parts is not None
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    move = left @ np.diag(np.exp(rng.uniform(-0.5, 0.5, n))) @ right
    a = np.concatenate([(parts[1] @ move.T)[:, :, None], move @ parts[0] @ np.linalg.inv(move)], axis=2)
    mix = np.linalg.qr(rng.standard_normal((len(a), len(a))))[0]
    a = np.einsum("ba,bij->aij", mix, a)
    noise = rng.standard_normal(a.shape)
    size = np.linalg.norm(a, axis=(1, 2)) / np.linalg.norm(noise, axis=(1, 2))
    labels = tuple(f"xi{i}" for i in range(len(a)))
    return Generators(dy.Monomials(n, 1), a + error * size[:, None, None] * noise, labels)


def _kind(name: str) -> str:
    """The name without the measured parameter of a family."""
    return name.split("(")[0] if name.startswith("bianchi") else name


def verdict(found: LieAlgebra | None, right: str | None) -> str:
    """Right, unnamed or wrong."""
    if found is None:
        return "right" if right is None else "unnamed"
    if "unnamed" in found.name:
        return "unnamed"
    return "right" if right is not None and _kind(found.name) == _kind(right) else "wrong"


def main() -> None:
    """Print right / unnamed / wrong for each algebra and level."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=10)
    draws = parser.parse_args().draws
    print(f"{'right/unnamed/wrong':<24}" + "".join(f"{f'{e:g} <= {b:g}':>16}" for e, b in LEVELS))
    total: dict[tuple[float, float], Counter[str]] = {level: Counter() for level in LEVELS}
    start, count = time.perf_counter(), 0
    with threadpool_limits(1):
        for name, (family, right) in algebras().items():
            cells = []
            for error, bound in LEVELS:
                said: Counter[str] = Counter()
                for seed in range(draws):
                    one = drawn(family, error, np.random.default_rng(seed))
                    found, _ = algebra_of(one, generic_region(one.dictionary), bound)
                    said[verdict(found, right)] += 1
                    count += 1
                total[error, bound] += said
                cells.append("/".join(str(said[k]) for k in ("right", "unnamed", "wrong")))
            print(f"{name:<24}" + "".join(f"{cell:>16}" for cell in cells), flush=True)
    cells = ["/".join(str(said[k]) for k in ("right", "unnamed", "wrong")) for said in total.values()]
    print(f"{'all':<24}" + "".join(f"{cell:>16}" for cell in cells))
    print(f"{(time.perf_counter() - start) / count:.3f} s a case")


if __name__ == "__main__":
    main()
