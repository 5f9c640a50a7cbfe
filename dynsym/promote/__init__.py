"""Promotion: convex penalties on the coefficients of f that vanish where structure holds."""

from ._breaking import GeneratorBreaking, SymmetryBreaking, broken_blocks
from ._kept import Kept
from ._laws import ConservationBreaking, LawOperator, law_operator, rates
from ._moved import MapBreaking
from ._polynomials import FieldBreaking, FunctionBreaking
from ._recover import Recovered, recover

__all__ = [
    "ConservationBreaking",
    "FieldBreaking",
    "FunctionBreaking",
    "GeneratorBreaking",
    "Kept",
    "LawOperator",
    "MapBreaking",
    "Recovered",
    "SymmetryBreaking",
    "broken_blocks",
    "law_operator",
    "rates",
    "recover",
]
