"""Scores of the verbs against the table of truths, shared by the tests and the benchmark."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import sympy

import dynsym as dy
from dynsym.discover import fair, read_conservation, read_symmetries
from dynsym.findings._search import grades_of
from dynsym.inner_product import Region
from dynsym.spectral import principal_angles
from dynsym.systems import SymmetryAlgebra, System

DELTA = 0.05
N_RUNS, N_SAMPLES = 8, 500
INEXACT = 0.1  # radians between a finding and the true span above which it is called inexact
_EXPRESSIBLE = 1e-7  # relative residual of a product that the dictionary still expresses

# (system, noise): what is not found, and why. Misses are honest: undecided or refuted, not false.
KNOWN_FAILURES: dict[tuple[str, float], str] = {
    ("rotated_cubic_oscillator", 0.01): "504 coefficients; eight runs leave most of them open: all undecided",
    (
        "three_body_planar",
        0.01,
    ): "close encounters leave the forces too uncertain for some seeds: all undecided",
    ("radial_sphere", 0.01): "eight rays; for some seeds the rotations stay undecided",
    ("seir", 0.01): "eight runs are not told from a quadratic surface at this noise: all undecided",
    (
        "quartic_spring_3d",
        0.01,
    ): "504 coefficients; for some seeds eight runs leave cubic terms open: all undecided",
}

# (case, noise): verdicts that claim more than they should. Must be empty for a release.
KNOWN_DISHONEST: dict[tuple[str, float], str] = {}


@dataclass(frozen=True)
class Score:
    """One kind of finding beside the truth.

    Attributes
    ----------
    found, truth
        Dimensions of the algebra, or numbers of functionally independent laws.
    name, true_name
        Of the algebra; empty for laws.
    angle
        Largest principal angle between the spans in radians; pi/2 if their dimensions differ.
    worst
        Largest exact defect, with the true field, among the certified findings (0 without any).
    invented
        Certified findings whose exact defect exceeds delta.
    inexact
        Certified findings further than `INEXACT` from the true span.
    """

    found: int
    truth: int
    name: str
    true_name: str
    angle: float
    worst: float
    invented: tuple[str, ...]
    inexact: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether dimension and name are true."""
        return self.found == self.truth and self.name in (self.true_name, self._measured_name)

    @property
    def _measured_name(self) -> str:
        """What a measured algebra without a name is called: only its dimension is claimed."""
        return f"unnamed(dim {self.truth})" if "unnamed" in self.true_name else self.true_name


@dataclass(frozen=True)
class Outcome:
    """All scores of one system at one noise level and seed; seconds of wall clock without simulating."""

    system: str
    noise: float
    seed: int
    affine: Score
    spacetime: Score
    laws: Score
    seconds: float

    @property
    def scores(self) -> dict[str, Score]:
        """The three kinds by name."""
        return {"affine": self.affine, "space-time": self.spacetime, "laws": self.laws}

    @property
    def invented(self) -> tuple[str, ...]:
        """All certified findings that are false."""
        return tuple(text for score in self.scores.values() for text in score.invented)

    @property
    def inexact(self) -> tuple[str, ...]:
        """All certified findings far from the true span."""
        return tuple(text for score in self.scores.values() for text in score.inexact)

    @property
    def missed(self) -> tuple[str, ...]:
        """What was not fully found, in words."""
        return tuple(
            f"{kind}: {s.found} of {s.truth} ({s.name or '-'})"
            for kind, s in self.scores.items()
            if not s.complete
        )


def outcome(name: str, noise: float = 0.0, seed: int = 0) -> Outcome:
    """Fit a reference system and compare all that is found with all that is true."""
    system = dy.systems.get(name)
    n = len(system.states)
    runs = system.runs(N_RUNS, N_SAMPLES, seed=seed, noise=noise, exact_derivatives=noise == 0)
    start = time.perf_counter()
    model = dy.fit(runs, dy.parse_dictionary(system.dictionary, system.states), penalty=dy.Stepwise())
    candidates = dy.generators.affine(n, system.states)
    affine = dy.symmetries(model, candidates, delta=DELTA)
    spacetime = dy.symmetries(model, dy.generators.with_time_scaling(candidates), delta=DELTA)
    laws = dy.conserved_quantities(model, invariants_dictionary(name), delta=DELTA)
    seconds = time.perf_counter() - start
    return Outcome(
        name,
        noise,
        seed,
        score_symmetries(affine, system, system.symmetries_affine),
        score_symmetries(spacetime, system, system.symmetries_spacetime),
        score_laws(laws, system),
        seconds,
    )


# --- symmetries


def exact_defect(generator: dy.Generators, field: dy.VectorField, region: Region) -> float:
    """rho of one generator with the true field."""
    return read_symmetries(generator, field, fair(field, region)).defect(np.ones(1))


def score_symmetries(found: dy.Symmetries, system: System, truth: SymmetryAlgebra) -> Score:
    """Certified generators against the exact algebra, as coefficient vectors in the states' scales."""
    field, scale = system.field(), found.region.scale
    true = true_vectors(system, truth, scale)
    own = generator_vectors(found.generators, scale)
    certified = [f for f in found.findings if f.verdict.status == "certified"]
    assert len(certified) == len(found.generators)
    defects = [exact_defect(f.generator, field, found.region) for f in certified]
    angles = [_angle_to_span(v[:, None], true) for v in own.T]
    texts = [f"{f.expression} (exact defect {d:.2g})" for f, d in zip(certified, defects)]
    return Score(
        found.dimension,
        truth.dimension,
        "trivial" if found.dimension == 0 else (found.algebra.name if found.algebra else "not closed"),
        truth.name,
        _angle(own, true),
        max(defects, default=0.0),
        tuple(text for text, d in zip(texts, defects) if d > DELTA),
        tuple(text for text, a in zip(texts, angles) if a > INEXACT),
    )


def generator_vectors(generators: dy.Generators, scale: np.ndarray) -> np.ndarray:
    """Columns (n^2 + n + 1, q): S^-1 A S, S^-1 b and the time scaling, with S = diag(scale)."""
    n, q = generators.n_states, len(generators)
    if q == 0:
        return np.zeros((n * n + n + 1, 0))
    parts = generators.affine_parts()
    assert parts is not None
    matrices = parts[0] * scale[None, None, :] / scale[None, :, None]
    rows = [matrices.reshape(q, -1), parts[1] / scale, np.reshape(generators.time_scaling, (q, 1))]
    return np.hstack(rows).T


def true_vectors(system: System, truth: SymmetryAlgebra, scale: np.ndarray) -> np.ndarray:
    """The same columns for the exact basis."""
    n = len(system.states)
    columns = []
    for row in truth.basis:
        xi = sympy.Matrix(row[:n])
        matrix = np.array(xi.jacobian(sympy.Matrix(system.symbols)), dtype=float)
        offset = np.array(xi.subs(dict.fromkeys(system.symbols, 0)), dtype=float).ravel()
        time_scaling = float(row[n]) if len(row) > n else 0.0
        columns.append(
            np.concatenate([(matrix * scale / scale[:, None]).ravel(), offset / scale, [time_scaling]])
        )
    return np.stack(columns, axis=1) if columns else np.zeros((n * n + n + 1, 0))


# --- conserved quantities


@cache
def invariants_dictionary(name: str) -> dy.Dictionary:
    """The dictionary in which the table lists all conserved quantities of a system."""
    system = dy.systems.get(name)
    return dy.parse_dictionary(system.invariants_dictionary, system.states)


@cache
def true_laws(name: str) -> tuple[dy.ScalarFunction, ...]:
    """The listed invariants as functions over their dictionary."""
    system, dictionary = dy.systems.get(name), invariants_dictionary(name)
    if not system.invariants:
        return ()
    exact = dy.systems.coefficients_in(system.invariants, dictionary.symbolic())
    return tuple(dy.ScalarFunction(dictionary, np.array(row, dtype=float)) for row in exact)


def exact_law_defect(law: dy.ScalarFunction, field: dy.VectorField, region: Region) -> float:
    """rho of one function with the true field."""
    return read_conservation(field, law.dictionary, fair(field, region)).defect(law.coefficients)


def score_laws(found: dy.ConservedQuantities, system: System) -> Score:
    """Certified laws and their expressible products against all true ones, compared by gradients."""
    field, region = system.field(), found.region
    true = _slopes(true_laws(system.name), region)
    own = _slopes(closure(found.functions, region), region)
    defects = [exact_law_defect(law, field, region) for law in found.functions]
    angles = [_angle_to_span(_slopes([law], region), true) for law in found.functions]
    texts = [f"{law} (exact defect {d:.2g})" for law, d in zip(found.functions, defects)]
    return Score(
        found.independent,
        system.n_independent,
        "",
        "",
        _angle(own, true),
        max(defects, default=0.0),
        tuple(text for text, d in zip(texts, defects) if d > DELTA),
        tuple(text for text, a in zip(texts, angles) if a > INEXACT),
    )


def closure(laws: tuple[dy.ScalarFunction, ...], region: Region) -> list[dy.ScalarFunction]:
    """The laws and those products of them that their dictionary expresses."""
    if not laws:
        return []
    dictionary = laws[0].dictionary
    theta = dictionary.evaluate(_enough(dictionary, region))
    single = theta @ np.stack([law.coefficients for law in laws], axis=1)
    size = np.linalg.norm(theta, axis=0)
    size = np.where(size > 0, size, 1.0)
    solver = np.linalg.pinv(theta / size, rcond=1e-12) / size[:, None]
    out = list(laws)
    for pick in _products(laws):
        values = np.prod(single[:, list(pick)], axis=1)
        fitted = solver @ values
        if np.linalg.norm(theta @ fitted - values) <= _EXPRESSIBLE * np.linalg.norm(values):
            out.append(dy.ScalarFunction(dictionary, fitted))
    return out


def _products(laws: tuple[dy.ScalarFunction, ...]) -> Iterator[tuple[int, ...]]:
    """Multisets of laws whose degrees do not add up to more than the dictionary's."""
    grades = grades_of(laws[0].dictionary)
    degree = [int(grades[law.coefficients != 0].max()) for law in laws]
    for k in range(2, int(grades.max()) + 1):
        for pick in combinations_with_replacement(range(len(laws)), k):
            if sum(degree[i] for i in pick) <= grades.max():
                yield pick


def _enough(dictionary: dy.Dictionary, region: Region) -> np.ndarray:
    """The region's points, a thinned set where they are many more than the terms."""
    step = max(1, len(region.points) // (2 * dictionary.n_terms + 100))
    return region.points[::step]


def _slopes(laws: Sequence[dy.ScalarFunction], region: Region) -> np.ndarray:
    """Gradients in units of the scales, one column (m n,) per function, columns of length 1."""
    columns = [(law.gradient(region.points) * region.scale).ravel() for law in laws]
    if not columns:
        return np.zeros((region.points.size, 0))
    stacked = np.stack(columns, axis=1)
    return stacked / np.linalg.norm(stacked, axis=0)


# --- angles between spans


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    """Largest principal angle between two spans; a right angle if their dimensions differ."""
    left, right = _orthonormal(a), _orthonormal(b)
    if left.shape[1] != right.shape[1]:
        return float(np.pi / 2)
    return float(principal_angles(left, right)[-1]) if left.shape[1] else 0.0


def _angle_to_span(column: np.ndarray, span: np.ndarray) -> float:
    """Angle between a vector (k, 1) and a span; a right angle if the span is 0."""
    return float(principal_angles(column, span)[-1]) if span.shape[1] else float(np.pi / 2)


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    if not columns.shape[1]:
        return columns
    left, values, _ = np.linalg.svd(columns / np.linalg.norm(columns, axis=0), full_matrices=False)
    return left[:, values > 1e-9 * values[0]]
