"""Promotion: convex penalties on the coefficients of f that vanish where structure holds."""

from ._breaking import SymmetryBreaking, broken_blocks
from ._polynomials import FieldBreaking, FunctionBreaking
from ._recover import Recovered, recover

__all__ = ["FieldBreaking", "FunctionBreaking", "Recovered", "SymmetryBreaking", "broken_blocks", "recover"]
