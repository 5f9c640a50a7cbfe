"""Verbs that say what holds: symmetries and conserved quantities of a fit, each with a verdict."""

from ._evidence import evidence_of, misfit
from ._laws import ConservedQuantities, Law, conserved_quantities, drift_along
from ._symmetries import Symmetries, SymmetryFinding, candidates_over, symmetries
from ._trivial import flow_multiple
from ._units import LawUnits, law_units

__all__ = [
    "ConservedQuantities",
    "Law",
    "LawUnits",
    "Symmetries",
    "SymmetryFinding",
    "candidates_over",
    "conserved_quantities",
    "drift_along",
    "evidence_of",
    "flow_multiple",
    "law_units",
    "misfit",
    "symmetries",
]
