"""Promotion: convex penalties on the coefficients of f that vanish where structure holds."""

from ._breaking import GeneratorBreaking, SymmetryBreaking, broken_blocks
from ._kept import Kept
from ._moved import MapBreaking

__all__ = ["GeneratorBreaking", "Kept", "MapBreaking", "SymmetryBreaking", "broken_blocks"]
