"""Symmetries of point clouds: six submanifolds, with and without noise, against the algebra of their equations.

Truth by exact linear algebra: for an irreducible g the affine fields tangent to g = 0 are those with xi . Dg = c g, c a number
(degrees agree), and for a curve those with xi(x(t)) parallel to x'(t); both are null spaces over the rationals.

    python tests/benchmarks/bench_clouds.py [seeds]
"""

from __future__ import annotations

import sys
import time

import numpy as np
import sympy as sp

import dynsym as dy
from dynsym.algebra import identify, structure_constants
from dynsym.certify import CERTIFIED

SIZE = 2000
NOISE = (0.0, 0.02)
ANGLE = 0.15  # radians between a certified generator and the true algebra above which it counts as invented
X = sp.symbols("x1:5", real=True)


def sphere(m, rng):
    x = rng.standard_normal((m, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def torus(m, rng, r=0.4):
    a, b = rng.uniform(0, 2 * np.pi, (2, 4 * m))
    keep = rng.random(4 * m) < (1 + r * np.cos(b)) / (1 + r)  # uniform in area
    a, b = a[keep][:m], b[keep][:m]
    return np.c_[(1 + r * np.cos(b)) * np.cos(a), (1 + r * np.cos(b)) * np.sin(a), r * np.sin(b)]


def cone(m, rng):
    z, a = np.sqrt(rng.uniform(0.1, 1, m)), rng.uniform(0, 2 * np.pi, m)
    return np.c_[z * np.cos(a), z * np.sin(a), z]


def paraboloid(m, rng):
    r, a = np.sqrt(rng.uniform(0, 1, m)), rng.uniform(0, 2 * np.pi, m)
    return np.c_[r * np.cos(a), r * np.sin(a), r**2]


def helix(m, rng):
    t = rng.uniform(0, 4 * np.pi, m)
    return np.c_[np.cos(t), np.sin(t), t / 5]


def se2_orbit(m, rng):
    """The orbit of (1, 0, 0, 0) under (R, b): (u, w) -> (R u, R w + b): SE(2) as a submanifold of R^4."""
    a, b = rng.uniform(0, 2 * np.pi, m), rng.uniform(-1, 1, (m, 2))
    return np.c_[np.cos(a), np.sin(a), b]


x1, x2, x3, x4 = X
T, C, S = sp.symbols("t c s", real=True)
CLOUDS = {
    "sphere": (sphere, x1**2 + x2**2 + x3**2 - 1, 3),
    "torus": (torus, (x1**2 + x2**2 + x3**2 + 1 - sp.Rational(4, 25)) ** 2 - 4 * (x1**2 + x2**2), 3),
    "cone": (cone, x1**2 + x2**2 - x3**2, 3),
    "paraboloid": (paraboloid, x1**2 + x2**2 - x3, 3),
    "helix": (helix, None, 3),
    "SE(2) orbit": (se2_orbit, x1**2 + x2**2 - 1, 4),
}


def conformal(n):
    """Translations, rotations and the uniform scaling."""
    every = dy.generators.scalings(n)
    return dy.generators.euclidean(n) + every.combine(np.ones((n, 1)), ["scaling"])


CASES = [
    *((name, "affine", dy.generators.affine(n)) for name, (_, _, n) in CLOUDS.items()),
    ("cone", "conformal", conformal(3)),
    ("SE(2) orbit", "euclidean", dy.generators.euclidean(4)),
]


def exact_span(name, candidates):
    """(q, r): all combinations of affine candidates that are tangent, by exact linear algebra."""
    _, g, n = CLOUDS[name]
    matrices, offsets = candidates.affine_parts()
    fields = [
        sp.Matrix(sp.nsimplify(sp.Matrix(a.tolist()), rational=True)) * sp.Matrix(X[:n])
        + sp.nsimplify(sp.Matrix(b.tolist()), rational=True)
        for a, b in zip(matrices, offsets)
    ]
    if g is None:
        rows = _curve_rows(fields)
    else:
        images = [sum(f[k] * sp.diff(g, X[k]) for k in range(n)) for f in fields]
        polys = [sp.Poly(sp.expand(e), *X[:n]) for e in [*images, -g]]
        rows = _rows(polys)
    null = sp.Matrix(rows).nullspace()
    found = [v[: len(fields), 0] for v in null]
    span = np.array([[float(e) for e in v] for v in found]).T.reshape(len(fields), -1)
    return span[:, np.linalg.norm(span, axis=0) > 0]


def _rows(polys):
    monomials = sorted({mono for poly in polys for mono in poly.monoms()})
    return [[poly.coeff_monomial(mono) for poly in polys] for mono in monomials]


def _curve_rows(fields):
    """xi x x' = 0 on the helix, in polynomials of t, cos t and sin t modulo cos^2 + sin^2 = 1."""
    curve, slope = (C, S, T / 5), sp.Matrix([-S, C, sp.Rational(1, 5)])
    rows = []
    for k in range(3):
        polys = []
        for f in fields:
            here = f.subs(dict(zip(X, curve)), simultaneous=True)
            entry = sp.expand(here.cross(slope)[k])
            polys.append(sp.Poly(sp.rem(entry, C**2 + S**2 - 1, C), T, C, S))
        rows += _rows(polys)
    return rows


def exact_name(name, candidates):
    """Dimension and name of the true algebra."""
    span = exact_span(name, candidates)
    if not span.shape[1]:
        return 0, "trivial"
    matrices, offsets = candidates.affine_parts()
    n = matrices.shape[1]
    lifted = np.zeros((span.shape[1], n + 1, n + 1))
    lifted[:, :n, :n] = np.einsum("qij,qr->rij", matrices, span)
    lifted[:, :n, n] = np.einsum("qi,qr->ri", offsets, span)
    flat = np.linalg.qr(lifted.reshape(len(lifted), -1).T)[0].T.reshape(lifted.shape)
    brackets = np.einsum("aij,bjk->abik", flat, flat) - np.einsum("bij,ajk->abik", flat, flat)
    r = len(flat)
    c, closure = structure_constants(flat.reshape(r, -1), brackets.reshape(r, r, -1))
    return r, identify(c, tol=1e-8, closure_defect=closure).name


def outcome(found, candidates, span):
    """exact, undecided, or wrong."""
    basis = np.linalg.qr(span)[0] if span.shape[1] else np.zeros((len(candidates), 0))
    metric = np.linalg.norm(candidates.vectors, axis=1)
    for finding in found.findings:
        if finding.verdict.status != CERTIFIED:
            continue
        w = np.linalg.lstsq(candidates.vectors.T, finding.generator.vectors[0], rcond=None)[0]
        if np.linalg.norm(w - basis @ (basis.T @ w)) > np.sin(ANGLE) * np.linalg.norm(w):
            return "wrong"
    assert (metric > 0).all()
    if not found.complete:
        return "undecided"
    return "exact" if len(found.generators) == span.shape[1] else "wrong"


def run(name, candidates, noise, seed):
    make = CLOUDS[name][0]
    rng = np.random.default_rng(seed)
    x = make(SIZE, rng)
    size = np.sqrt(np.mean(np.sum((x - x.mean(axis=0)) ** 2, axis=1)))
    x = x + noise * size * rng.standard_normal(x.shape)
    start = time.perf_counter()
    found = dy.cloud_symmetries(x, candidates)
    return found, time.perf_counter() - start


def main(seeds=5):
    print(f"{SIZE} points, {seeds} seeds, delta = alpha = 0.05")
    head = (
        f"{'cloud':<12} {'candidates':<10} {'truth':<34} {'noise':>5} {'exact':>6} {'undec.':>6} {'wrong':>6}"
    )
    print(head + f" {'name right':>10} {'worst bound':>11} {'s':>6}")
    for name, label, candidates in CASES:
        span = exact_span(name, candidates)
        r, wanted = exact_name(name, candidates)
        for noise in NOISE:
            outcomes, named, bounds, seconds = [], 0, [], []
            for seed in range(seeds):
                found, spent = run(name, candidates, noise, seed)
                outcomes.append(outcome(found, candidates, span))
                # Invariants of algebras without a name are not believed under noise: the dimension has to do.
                named += found.name == wanted or found.name == wanted.split(";")[0] + ")"
                bounds += [f.verdict.upper for f in found.findings if f.verdict.status == CERTIFIED]
                seconds.append(spent)
            counts = " ".join(f"{outcomes.count(kind):>6}" for kind in ("exact", "undecided", "wrong"))
            print(
                f"{name:<12} {label:<10} {f'{r}: {wanted}'[:34]:<34} {noise:>5} {counts} {named:>10} "
                f"{max(bounds, default=np.nan):>11.1e} {np.median(seconds):>6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
