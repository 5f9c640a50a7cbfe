"""Verbs that say what holds: symmetries and conserved quantities of a fit, each with a verdict."""

from ._evidence import evidence_of, misfit
from ._laws import ConservedQuantities, Law, conserved_quantities, drift_along
from ._symmetries import Symmetries, SymmetryFinding, candidates_over, symmetries
from ._tensors import InvariantTensors, Multiplied, TensorFinding, invariant_tensors

__all__ = [
    "ConservedQuantities",
    "InvariantTensors",
    "Law",
    "Multiplied",
    "Symmetries",
    "SymmetryFinding",
    "TensorFinding",
    "candidates_over",
    "conserved_quantities",
    "drift_along",
    "evidence_of",
    "invariant_tensors",
    "misfit",
    "symmetries",
]
