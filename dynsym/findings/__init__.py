"""Verbs that say what holds: symmetries and conserved quantities of a fit, each with a verdict."""

from ._clouds import CloudFinding, CloudSymmetries, cloud_symmetries
from ._discrete import DiscreteFinding, DiscreteSymmetries, discrete_symmetries
from ._drift import drift_along
from ._evidence import evidence_of
from ._forms import FormHamiltonian, hamiltonian_of
from ._generator_basis import GeneratorBasis, generator_basis
from ._hamiltonian import hamiltonian_structure
from ._law_algebra import law_algebra
from ._laws import ConservedQuantities, Law, conserved_quantities
from ._map_symmetries import MapSymmetries, MapSymmetry, symmetries_of
from ._misfit import Misfit, misfit, misfit_of
from ._noether import Generated, NoetherPair
from ._structure import HamiltonianStructure
from ._symmetries import ITSELF, Symmetries, SymmetryFinding, candidates_over, symmetries
from ._tensors import InvariantTensors, Multiplied, TensorFinding, invariant_tensors
from ._trivial import flow_multiple
from ._units import GeneratorUnits, LawUnits, generator_units, law_units

__all__ = [
    "ITSELF",
    "CloudFinding",
    "CloudSymmetries",
    "ConservedQuantities",
    "DiscreteFinding",
    "DiscreteSymmetries",
    "FormHamiltonian",
    "Generated",
    "GeneratorBasis",
    "GeneratorUnits",
    "HamiltonianStructure",
    "InvariantTensors",
    "Law",
    "LawUnits",
    "MapSymmetries",
    "MapSymmetry",
    "Misfit",
    "Multiplied",
    "NoetherPair",
    "Symmetries",
    "SymmetryFinding",
    "TensorFinding",
    "candidates_over",
    "cloud_symmetries",
    "conserved_quantities",
    "discrete_symmetries",
    "drift_along",
    "evidence_of",
    "flow_multiple",
    "generator_basis",
    "generator_units",
    "hamiltonian_of",
    "hamiltonian_structure",
    "invariant_tensors",
    "law_algebra",
    "law_units",
    "misfit",
    "misfit_of",
    "symmetries",
    "symmetries_of",
]
