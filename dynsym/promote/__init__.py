"""Promotion: convex penalties on the coefficients of f that vanish where structure holds."""

from ._breaking import SymmetryBreaking, broken_blocks
from ._laws import ConservationBreaking, LawOperator, law_operator, rates

__all__ = [
    "ConservationBreaking",
    "LawOperator",
    "SymmetryBreaking",
    "broken_blocks",
    "law_operator",
    "rates",
]
