"""Promotion: convex penalties on the coefficients of f that vanish where structure holds."""

from ._breaking import SymmetryBreaking, broken_blocks

__all__ = ["SymmetryBreaking", "broken_blocks"]
