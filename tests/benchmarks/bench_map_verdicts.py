"""Verdicts on symmetries of maps: how often what is certified is true, and what is true is certified.

Polynomial maps with known symmetry, maps that break it by a little more than the tolerance, and maps beyond the
dictionary, at several noise levels and sample sizes. A certificate is false if the exact map breaks the certified
generator by more than delta. Beside it the error of the fit: least squares, and least squares with the symmetry
enforced.

    python tests/benchmarks/bench_map_verdicts.py [--seeds 20]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

import dynsym as dy
from dynsym.generators import Generators
from dynsym.map_derivative import map_symmetry_matrix
from dynsym.sections import Representation, VectorFunction, dual, symmetric_square, trivial, vector

DELTA = 0.05


@dataclass(frozen=True)
class Case:
    """A map, the candidates, how its values turn, the dictionary's degree, and how many generators it keeps."""

    name: str
    truth: VectorFunction
    candidates: Generators
    representation: Representation
    degree: int
    kept: int


def function(n: int, *formulas: str, names: tuple[str, ...] = ()) -> VectorFunction:
    """A polynomial map of degree up to 4 from formulas."""
    import sympy as sp

    d = dy.Monomials(n, 4, names=names or tuple("xyzuvw"[:n]))
    symbols = sp.symbols(d.names, real=True)
    rows = []
    for formula in formulas:
        poly = sp.Poly(sp.sympify(formula, dict(zip(d.names, symbols))), *symbols)
        rows.append([float(poly.coeff_monomial(tuple(int(e) for e in row))) for row in d.exponents])
    return VectorFunction(d, rows)


EDGE = function(2, "x**2 + 1.15*y**2")  # its defect under rotations is 0.059


def cases() -> list[Case]:
    """What the table is made of."""
    g = dy.generators
    plane, space = ("x", "y"), ("x", "y", "z")
    turn = g.represented(g.rotations(2, plane), symmetric_square())
    solid = function(3, "3*xx + yy", "2*xy", "xx + 3*yy", names=turn.names)
    return [
        Case("invariant r^2", function(2, "x**2 + y**2"), g.affine(2, plane), trivial(), 2, 1),
        Case(
            "invariant r^4 - r^2",
            function(2, "(x**2+y**2)**2 - x**2 - y**2"),
            g.affine(2, plane),
            trivial(),
            4,
            1,
        ),
        Case("ridge (x + 2 y - z)^2", function(3, "(x+2*y-z)**2"), g.euclidean(3, space), trivial(), 2, 3),
        Case("interval t^2 - x^2 - y^2", function(3, "x**2-y**2-z**2"), g.lorentz(3, space), trivial(), 2, 3),
        Case(
            "swirl (1 + r^2) J r",
            function(2, "-y*(1+x**2+y**2)", "x*(1+x**2+y**2)"),
            g.affine(2, plane),
            vector(),
            3,
            1,
        ),
        Case(
            "gradient of r^4",
            function(2, "4*x*(x**2+y**2)", "4*y*(x**2+y**2)"),
            g.affine(2, plane),
            dual(),
            3,
            1,
        ),
        Case("isotropic solid", solid, turn, vector(), 1, 1),
        Case(
            "no symmetry",
            function(2, "x**2 + x*y**2 - y + 0.5*y**3 + x**4"),
            g.affine(2, plane),
            trivial(),
            4,
            0,
        ),
        Case("ellipse, ratio 1.3", function(2, "x**2 + 1.3*y**2"), g.rotations(2, plane), trivial(), 2, 0),
        Case("ellipse, just above delta", EDGE, g.rotations(2, plane), trivial(), 2, 0),
        Case("r^2 + 0.2 x^3", function(2, "x**2 + y**2 + 0.2*x**3"), g.rotations(2, plane), trivial(), 3, 0),
        Case("stretched swirl", function(2, "-y", "1.25*x"), g.rotations(2, plane), vector(), 1, 0),
        Case(
            "quartic, fitted by degree 2",
            function(2, "x**2 + y**2 + x**4"),
            g.affine(2, plane),
            trivial(),
            2,
            0,
        ),
        Case("cubic, fitted by degree 1", function(2, "x + y**3"), g.affine(2, plane), trivial(), 1, 0),
    ]


def exact_defect(case: Case, found: dy.MapSymmetries) -> float:
    """The largest defect that the exact map has under a certified generator, on the region of the verdict."""
    worst = 0.0
    for finding in found.findings:
        if finding.verdict.status == "certified":
            m = map_symmetry_matrix(finding.generator, case.representation, case.truth, found.region)
            size = (
                m.bound[0, 0]
                if case.representation.is_trivial
                else max(np.sum(m.parts**2), 0.01 * m.bound[0, 0])
            )
            worst = max(worst, float(np.linalg.norm(m.operator) / np.sqrt(size)))
    return worst


def run(case: Case, m: int, noise: float, seed: int) -> tuple[int, float, float, float]:
    """Number certified, exact defect of the worst, error of the plain fit, error of the enforced one."""
    rng = np.random.default_rng(seed)
    names = case.truth.names
    x, fresh = rng.uniform(-1, 1, (m, len(names))), rng.uniform(-1, 1, (400, len(names)))
    y = case.truth(x)
    pairs = dy.Pairs(x, y + noise * y.std() * rng.standard_normal(y.shape), names)
    d = dy.Monomials(len(names), case.degree, names=names)
    plain = dy.fit_map(pairs, d)
    found = dy.symmetries_of(plain, case.candidates, case.representation, DELTA)
    told = plain
    if found.dimension:
        held = dy.equivariant_to(found.generators, d, representation=found.representation)
        told = dy.fit_map(pairs, d, constraints=held)
    error = [
        float(np.linalg.norm(f(fresh) - case.truth(fresh)) / np.linalg.norm(case.truth(fresh)))
        for f in (plain, told)
    ]
    return found.dimension, exact_defect(case, found), *error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    print(
        f"{'map':<30}{'kept':>5}{'m':>5}{'noise':>7}{'all found':>10}{'false':>7}{'plain':>9}{'told':>9}{'ratio':>7}"
    )
    start, false_total, runs = time.perf_counter(), 0, 0
    worst = 0.0
    for case in cases():
        for m, noise in ((60, 0.02), (60, 0.2), (300, 0.2)):
            out = [run(case, m, noise, seed) for seed in range(seeds)]
            false = sum(defect > DELTA for _, defect, _, _ in out)
            full = sum(count == case.kept for count, *_ in out) / seeds
            plain, told = (float(np.median([o[k] for o in out])) for k in (2, 3))
            print(
                f"{case.name:<30}{case.kept:>5}{m:>5}{noise:>7.2f}{full:>10.2f}{false / seeds:>7.2f}"
                f"{plain:>9.4f}{told:>9.4f}{plain / told:>7.2f}"
            )
            false_total, runs, worst = false_total + false, runs + seeds, max(worst, false / seeds)
    print(
        f"{false_total} false certificates in {runs} runs (at most {worst:.2f} in a setting; alpha = 0.05), "
        f"{time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
