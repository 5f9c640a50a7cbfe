"""Enforcement: linear constraints on the coefficients of f under which structure holds exactly."""

from ._conserving import conserving
from ._equivariant import equivariant_to

__all__ = ["conserving", "equivariant_to"]
