"""Enforcement: linear constraints on the coefficients of f under which structure holds exactly."""

from ._conserving import conserving
from ._equivariant import equivariant_to
from ._families import energy_preserving, gradient_fields, hamiltonian_fields, metriplectic_fields
from ._potentials import Potential, PotentialFields

__all__ = [
    "Potential",
    "PotentialFields",
    "conserving",
    "energy_preserving",
    "equivariant_to",
    "gradient_fields",
    "hamiltonian_fields",
    "metriplectic_fields",
]
