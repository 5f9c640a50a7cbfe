"""Exact counts of polynomial conserved quantities and commuting fields, and how they are read off the verbs.

The verbs list laws modulo products and powers, and generators with verdicts. The counts here are of the full spaces:
all polynomials h of degree <= d with grad h . f = 0 and no constant term, the rank of their gradients, and all polynomial
fields xi of degree <= k with [xi, f] = 0 (f itself among them where its degree allows, and h f for conserved h). Both are
the zeros of the spectra that the verbs return.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import dynsym as dy
from dynsym._checks import Array
from dynsym.inner_product import Region

ZERO = 1e-7  # spectra are relative to |grad h| |f| or |Df xi| + |Dxi f|: rounding shows near 1e-14


@dataclass(frozen=True)
class Row:
    """One system: {degree: (dimension, functional rank)} of laws and {degree: dimension} of commuting fields."""

    system: str
    laws: dict[int, tuple[int, int]]
    fields: dict[int, int]


@dataclass(frozen=True)
class Count:
    """The dimension of a null space, the rank of its gradients (laws only), its largest value and the next one."""

    dimension: int
    rank: int
    zero: float
    next: float


# Exact linear algebra over a finite field gave these numbers, two groups independently where both counted.
TABLE = (
    Row("oscillator_1d", {2: (1, 1), 4: (2, 1)}, {1: 2, 2: 2}),
    Row("isotropic_oscillator_2d", {2: (4, 3), 3: (4, 3), 4: (13, 3)}, {1: 8, 2: 8, 3: 32}),
    Row("anisotropic_oscillator_2d", {2: (2, 2), 3: (4, 3), 4: (7, 3)}, {1: 4, 2: 8}),
    Row("incommensurate_oscillator_2d", {2: (2, 2), 3: (2, 2), 4: (5, 2)}, {1: 4, 2: 4}),
    Row("isotropic_oscillator_3d", {2: (9, 5)}, {1: 18}),
    Row("henon_heiles", {3: (1, 1), 4: (1, 1), 6: (2, 1)}, {1: 0, 2: 1, 3: 1}),
    Row("henon_heiles_integrable", {3: (2, 2), 4: (2, 2)}, {1: 0, 2: 2}),
    Row("quartic_spring_2d", {2: (1, 1), 4: (3, 2)}, {1: 1, 3: 3}),
    Row("duffing", {2: (0, 0), 4: (1, 1), 6: (1, 1)}, {1: 0, 3: 1}),
    Row("toda_3", {1: (1, 1), 2: (3, 2), 3: (6, 3)}, {1: 2, 2: 5}),
    Row("lotka_volterra_2d", {2: (0, 0), 4: (0, 0), 6: (0, 0)}, {1: 0, 2: 1}),
    Row("lotka_volterra_3d", {1: (1, 1), 3: (4, 2), 6: (11, 2)}, {1: 0, 2: 1}),
    Row("rigid_body", {2: (2, 2), 4: (5, 2)}, {1: 0, 2: 1}),
    Row("lorenz", {2: (0, 0), 4: (0, 0), 6: (0, 0)}, {1: 0, 2: 1}),
    Row("pendulum_cartesian", {2: (2, 2), 3: (2, 2)}, {1: 0, 2: 1}),
    Row("kepler_2d_inverse", {2: (2, 2), 3: (2, 2), 4: (5, 2)}, {1: 1}),
    Row("damped_oscillator", {2: (0, 0), 4: (0, 0)}, {1: 2, 2: 2}),
    Row("growth", {2: (0, 0), 4: (0, 0)}, {1: 1, 2: 2}),
    Row("hopf", {2: (0, 0), 4: (0, 0)}, {1: 1, 3: 2}),
    Row("van_der_pol", {4: (0, 0)}, {1: 0, 3: 1}),
    Row("seir", {1: (1, 1), 2: (2, 1), 3: (3, 1)}, {1: 2, 2: 4}),
    Row("contraction", {2: (0, 0)}, {1: 9, 2: 9}),
    Row("radial_sphere", {2: (0, 0)}, {1: 3, 2: 3}),
)


def from_states(name: str, n_runs: int = 12, n_samples: int = 400) -> dy.Model:
    """The fit of clean runs that carry no derivatives, in the dictionary of the table of truths."""
    system = dy.systems.get(name)
    runs = system.runs(n_runs, n_samples, exact_derivatives=False)
    return dy.fit(runs, dy.parse_dictionary(system.dictionary, system.states), penalty=dy.Stepwise())


def count_laws(field: dy.VectorField | dy.Model, degree: int, region: Region | None = None) -> Count:
    """All polynomials of degree <= `degree` that are conserved, modulo constants."""
    names = names_of(field)
    dictionary = dy.Monomials(len(names), degree, names=names)
    found = dy.conserved_quantities(field, dictionary, region=region)
    values, r = found.spectrum.values, found.spectrum.dimension(ZERO)
    return Count(r, rank_of(found.spectrum.vectors[:, :r], dictionary, found.region), *edge(values, r))


def count_fields(field: dy.VectorField | dy.Model, degree: int) -> Count:
    """All polynomial fields of degree <= `degree` that commute with the field."""
    names = names_of(field)
    spectrum = dy.symmetries(field, dy.generators.polynomial(len(names), degree, names)).spectrum
    r = spectrum.dimension(ZERO)
    return Count(r, 0, *edge(spectrum.values, r))


def rank_of(span: Array, dictionary: dy.Dictionary, region: Region, normal: Array | None = None) -> int:
    """Rank of the gradients of functions with coefficients (p, r): the most frequent one on the region.

    On a hypersurface, of which `normal` (m, n) is the normal direction, only the tangential part of a gradient counts.
    """
    if not span.shape[1]:
        return 0
    slopes = np.einsum("mpn,pr->mrn", dictionary.jacobian(region.points), span)
    if normal is not None:
        unit = normal / np.linalg.norm(normal, axis=1, keepdims=True)
        slopes = slopes - np.einsum("mrn,mn,mk->mrk", slopes, unit, unit)
    slopes = slopes * region.scale
    slopes = slopes / np.maximum(np.linalg.norm(slopes, axis=2, keepdims=True), 1e-300)
    ranks = np.count_nonzero(np.linalg.svd(slopes, compute_uv=False) > 1e-6, axis=1)
    return int(np.bincount(ranks).argmax())


def names_of(field: dy.VectorField | dy.Model) -> tuple[str, ...]:
    """State names of a field or of a fit."""
    return (field.field if isinstance(field, dy.Model) else field).names


def edge(values: Array, r: int) -> tuple[float, float]:
    """The last of r zeros (0 if there are none), and the value after it."""
    return float(values[r - 1]) if r else 0.0, float(values[r]) if r < len(values) else float("inf")
