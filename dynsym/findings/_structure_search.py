"""The simplest bracket for which f = J grad H holds with an H in the dictionary, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._checks import Array
from ..certify import CERTIFIED, REFUTED, UNDECIDED, Evidence, Level, Verdict
from ..dictionary import Dictionary
from ..discover import fair
from ..inner_product import Region
from ..vector_field import VectorField
from ._brackets import Bracket, brackets_in, families, invariant_space
from ._energy import Flow, hamiltonian_of
from ._laws import ConservedQuantities

_MOST_TRIED = 40  # brackets of a family that a Hamiltonian is fitted to


@dataclass(frozen=True)
class Choice:
    """A bracket with the coefficients of its Hamiltonian and the verdict on f = J grad H."""

    bracket: Bracket
    coefficients: Array
    verdict: Verdict
    mixed: npt.NDArray[np.bool_]

    @property
    def order(self) -> tuple[int, int, int]:
        """Among equally simple brackets: fewest terms in H that mix states, then fewest minus signs, then fewest terms."""
        h = self.coefficients
        return int(np.sum(self.mixed[h != 0])), int(np.sum(h < 0)), int(np.count_nonzero(h))


@dataclass
class _Attempts:
    """What was tried without success, for the reason that is given in the end."""

    names: list[str]
    open_family: str = ""
    several: bool = False
    least: float = float("inf")
    nearest: Verdict | None = None

    def saw(self, name: str, dimension: int, status: str, least: float) -> None:
        self.names.append(name)
        self.open_family = name if status == UNDECIDED else self.open_family
        self.several = self.several or dimension > 1
        self.least = min(self.least, least)

    def missed(self, verdict: Verdict) -> None:
        if self.nearest is None or verdict.defect < self.nearest.defect:
            self.nearest = verdict

    def verdict(self) -> Verdict:
        """Refuted if every bracket of every family is, else undecided."""
        names, widest = ", ".join(self.names), float(np.sqrt(2))
        if self.nearest is not None:
            # Of a space of brackets only simple ones were tried; that their H is refuted does not refute the others.
            status = UNDECIDED if self.several or self.open_family else self.nearest.status
            v, said = (
                self.nearest,
                f"brackets are kept ({names} ones searched), but no H in the dictionary is certified",
            )
            return Verdict(status, v.defect, v.lower, v.upper, f"{said}: {v.reason}")
        least = f"the least defect of L_f J = 0 is {self.least:.2g}"
        if self.open_family:
            reason = f"{self.open_family} brackets are neither certified nor ruled out ({names} ones searched; {least})"
            return Verdict(UNDECIDED, self.least, 0.0, widest, reason)
        return Verdict(
            REFUTED,
            self.least,
            0.0,
            widest,
            f"no bracket among the {names} ones is kept by the flow; {least}",
        )


def choose_structure(
    field: VectorField,
    evidence: Evidence,
    dictionary: Dictionary,
    region: Region,
    laws: ConservedQuantities,
    level: Level,
) -> tuple[Choice | None, list[Bracket], Verdict]:
    """The chosen bracket and Hamiltonian with the brackets of its family, or the verdict on why there is none."""
    fit = _Fit(Flow.of(field, fair(field, region), evidence, level), dictionary, _terms_of(laws, dictionary))
    attempts = _Attempts([])
    for family in families(field, region, evidence, level):
        span, status, least = invariant_space(family)
        attempts.saw(family.name, span.shape[1], status, least)
        brackets = brackets_in(family, span) if span.shape[1] else []
        best = fit.best(brackets[:_MOST_TRIED], attempts)
        if best is not None:
            return best, brackets, best.verdict
    return None, [], attempts.verdict()


@dataclass(frozen=True)
class _Fit:
    """How a Hamiltonian is fitted to a bracket: over the terms of known laws first, then over all."""

    flow: Flow
    dictionary: Dictionary
    terms: npt.NDArray[np.bool_]

    def best(self, brackets: Sequence[Bracket], attempts: _Attempts) -> Choice | None:
        """The first bracket with a certified H, and the plainest H among equally simple brackets."""
        best: Choice | None = None
        mixed = _mixing(self.dictionary)
        for bracket in brackets:
            if best is not None and bracket.complexity > best.bracket.complexity:
                break
            h, verdict = self._one(bracket)
            if verdict.status != CERTIFIED:
                attempts.missed(verdict)
                continue
            trial = Choice(bracket, h, verdict, mixed)
            best = trial if best is None or trial.order < best.order else best
        return best

    def _one(self, bracket: Bracket) -> tuple[Array, Verdict]:
        h, verdict = hamiltonian_of(self.flow, bracket.section, self.dictionary, self.terms)
        if verdict.status == CERTIFIED or self.terms.all():
            return h, verdict
        return hamiltonian_of(self.flow, bracket.section, self.dictionary, np.ones_like(self.terms))


def _terms_of(laws: ConservedQuantities, dictionary: Dictionary) -> npt.NDArray[np.bool_]:
    """The terms that certified laws are made of, where they are over the same dictionary: H is one of their combinations."""
    used = [h.coefficients != 0 for h in laws.functions if h.dictionary == dictionary]
    return np.any(used, axis=0) if used else np.ones(dictionary.n_terms, dtype=bool)


def _mixing(dictionary: Dictionary) -> npt.NDArray[np.bool_]:
    """Which terms contain more than one state."""
    if not dictionary.has_formulas:
        return np.zeros(dictionary.n_terms, dtype=bool)
    return np.array([len(e.free_symbols) > 1 for e in dictionary.symbolic()])
