"""Promotion: convex penalties on the coefficients of f that vanish where structure holds."""

from ._breaking import GeneratorBreaking, SymmetryBreaking, broken_blocks
from ._kept import Kept
from ._laws import ConservationBreaking, LawOperator, law_operator, rates
from ._moved import MapBreaking

__all__ = [
    "ConservationBreaking",
    "GeneratorBreaking",
    "Kept",
    "LawOperator",
    "MapBreaking",
    "SymmetryBreaking",
    "broken_blocks",
    "law_operator",
    "rates",
]
