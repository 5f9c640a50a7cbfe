"""Verbs that say what holds: symmetries and conserved quantities of a fit, each with a verdict."""

from ._clouds import CloudFinding, CloudSymmetries, cloud_symmetries
from ._discrete import DiscreteFinding, DiscreteSymmetries, discrete_symmetries
from ._evidence import evidence_of, misfit
from ._laws import ConservedQuantities, Law, conserved_quantities, drift_along
from ._symmetries import Symmetries, SymmetryFinding, candidates_over, symmetries

__all__ = [
    "CloudFinding",
    "CloudSymmetries",
    "ConservedQuantities",
    "DiscreteFinding",
    "DiscreteSymmetries",
    "Law",
    "Symmetries",
    "SymmetryFinding",
    "candidates_over",
    "cloud_symmetries",
    "conserved_quantities",
    "discrete_symmetries",
    "drift_along",
    "evidence_of",
    "misfit",
    "symmetries",
]
