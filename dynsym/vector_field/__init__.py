"""Vector fields f(x) = C theta(x): evaluated, differentiated, bracketed, compiled, simulated, written down."""

from ._field import VectorField, field_from_sympy
from ._integrator import Integrator
from ._program import Program

__all__ = ["Integrator", "Program", "VectorField", "field_from_sympy"]
