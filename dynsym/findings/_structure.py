"""The noun of a Hamiltonian structure: bracket, Hamiltonian, Casimirs and Noether's pairing, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

from ..certify import CERTIFIED, Level, Verdict
from ..inner_product import Region
from ..sections import Bivector, ScalarFunction
from ._canonical import shortened
from ._listed import Printed
from ._noether import Generated, NoetherPair


@dataclass(frozen=True)
class HamiltonianStructure(Printed):
    """f = J grad H with a Poisson bracket J: what `hamiltonian_structure` found.

    Attributes
    ----------
    bracket
        J with {x_i, x_j} = J_ij, or None.
    hamiltonian
        H, unique up to Casimirs and a constant, or None.
    family
        constant, linear (Lie-Poisson), log-canonical or quadratic; empty without a bracket.
    pairs
        (q, p, {q, p}) where every state has exactly one partner: canonical coordinates if all brackets are 1.
    casimirs
        Functions that every flow of the bracket conserves, functionally independent.
    rank
        Of J at most points; n minus twice the degrees of freedom is the number of Casimirs.
    algebra
        Name of the Lie algebra of a linear bracket, else empty.
    verdict
        On f = J grad H and L_f J = 0 together; the defect of the first is |f - J grad H| / |f|.
    jacobi
        Relative defect of the Jacobi identity.
    noether
        Each certified symmetry with the function that generates it, or the reason why there is none.
    generated
        Each certified law with the vector field that it generates; 0 for Casimirs.
    space
        Basis of all invariant bivectors of the family: more than one means that the bracket is a choice.
    names
        Of the states.
    region, level, warnings
        What the verdicts speak of, at which tolerance and error level, and remarks.
    """

    bracket: Bivector | None
    hamiltonian: ScalarFunction | None
    family: str
    pairs: tuple[tuple[str, str, float], ...]
    casimirs: tuple[ScalarFunction, ...]
    rank: int
    algebra: str
    verdict: Verdict
    jacobi: float
    noether: tuple[NoetherPair, ...]
    generated: tuple[Generated, ...]
    space: tuple[Bivector, ...]
    names: tuple[str, ...]
    region: Region
    level: Level
    warnings: tuple[str, ...] = ()

    @property
    def certified(self) -> bool:
        """Whether the structure is certified."""
        return self.verdict.status == CERTIFIED

    @property
    def is_canonical(self) -> bool:
        """Whether the states are canonical coordinates: each has one partner, and all brackets of partners are 1."""
        return bool(self.pairs) and all(abs(size - 1.0) <= 1e-9 for _, _, size in self.pairs)

    @property
    def word(self) -> str:
        """The kind of bracket and its rank, in words."""
        kind = self.family + (f", {self.algebra}" if self.algebra else "")
        return f"{'canonical' if self.is_canonical else kind} bracket, rank {self.rank} of {len(self.names)}"

    def __str__(self) -> str:
        v = self.verdict
        tail = f"  in {self.region.description}; delta = {self.level.delta:g}, alpha = {self.level.alpha:g}"
        notes = [tail, *(f"  note: {w}" for w in self.warnings)]
        if self.bracket is None or self.hamiltonian is None:
            return "\n".join([f"Hamiltonian structure: none certified; {v.status}: {v.reason}", *notes])
        rows = [
            f"Hamiltonian structure ({self.word})",
            f"  {v.status:<10} {v.defect:8.1e} <= {v.upper:7.1e}  f = J grad H",
            f"  H        {shortened(str(self.hamiltonian))}",
            f"  bracket  {shortened(str(self.bracket))}",
            *(f"  Casimir  {shortened(str(c))}" for c in self.casimirs),
            *(f"  law      {shortened(str(g))}" for g in self.generated),
            *(f"  symmetry {shortened(str(p))}" for p in self.noether),
        ]
        return "\n".join([*rows, *notes])

    def plot(self) -> Any:
        """The bracket as a table of its components beside the verdicts, as a matplotlib figure."""
        from .. import plot

        return plot.hamiltonian_structure(self)

    def to_json(self) -> dict[str, Any] | None:
        """The `hamiltonian` block of analysis.json; None unless the structure is certified."""
        if not self.certified or self.bracket is None or self.hamiltonian is None:
            return None
        return {
            "expression": sp.sstr(self.hamiltonian.to_sympy()),
            "bracket": self.bracket.expressions(10),
            "matrix": [[sp.sstr(e) for e in row] for row in self.bracket.to_sympy().tolist()],
            "family": self.family,
            "algebra": self.algebra or None,
            "canonical": self.is_canonical,
            "pairs": [{"q": q, "p": p, "bracket": size} for q, p, size in self.pairs],
            "rank": self.rank,
            "casimirs": [sp.sstr(c.to_sympy()) for c in self.casimirs],
            "verdict": self.verdict.status,
            "defect": self.verdict.defect,
            "defect_upper": self.verdict.upper,
            "jacobi_defect": self.jacobi,
            "noether": [
                {
                    "symmetry": pair.symmetry,
                    "function": None if pair.function is None else sp.sstr(pair.function.to_sympy()),
                    "defect": pair.defect,
                    "reason": pair.reason,
                }
                for pair in self.noether
            ],
            "generated": [{"law": str(g.function), "field": g.field} for g in self.generated],
            "alternatives": [str(j) for j in self.space] if len(self.space) > 1 else [],
        }
