"""dynsym: from trajectories to dynamics, conserved quantities and symmetries, each with a verdict."""

from . import (
    accessor,
    algebra,
    certify,
    dictionary,
    differentiation,
    generators,
    inner_product,
    interop,
    optim,
    sections,
    systems,
    testing,
)
from ._checks import ConvergenceError, DataError
from .analysis import Analysis, AnalysisSettings, analyze
from .compress import Compressed, compress, load_compressed, save_compressed
from .dictionary import Dictionary, Fourier, Monomials, Radial, Terms, parse_dictionary
from .differentiation import Derivatives, LocalPolynomial, WeakForm
from .enforce import conserving, equivariant_to
from .findings import (
    ConservedQuantities,
    FormHamiltonian,
    HamiltonianStructure,
    InvariantTensors,
    Multiplied,
    Symmetries,
    conserved_quantities,
    hamiltonian_of,
    hamiltonian_structure,
    invariant_tensors,
    symmetries,
)
from .generators import Generators
from .promote import SymmetryBreaking
from .refit import Refit, refit
from .regression import Model, Stepwise, fit
from .sections import Bivector, Density, Metric, OneForm, ScalarFunction, TwoForm
from .selection import (
    Bootstrap,
    L1Weights,
    Path,
    Stability,
    SymmetryWeights,
    Thresholds,
    bootstrap,
    path,
    stability,
)
from .trajectory import DataQuality, StoredRun, Trajectory, open_runs, quality
from .vector_field import Integrator, VectorField

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "AnalysisSettings",
    "Bivector",
    "Bootstrap",
    "Compressed",
    "ConservedQuantities",
    "ConvergenceError",
    "DataError",
    "DataQuality",
    "Density",
    "Derivatives",
    "Dictionary",
    "FormHamiltonian",
    "Fourier",
    "Generators",
    "HamiltonianStructure",
    "Integrator",
    "InvariantTensors",
    "L1Weights",
    "LocalPolynomial",
    "Metric",
    "Model",
    "Monomials",
    "Multiplied",
    "OneForm",
    "Path",
    "Radial",
    "Refit",
    "ScalarFunction",
    "Stability",
    "Stepwise",
    "StoredRun",
    "Symmetries",
    "SymmetryBreaking",
    "SymmetryWeights",
    "Terms",
    "Thresholds",
    "Trajectory",
    "TwoForm",
    "VectorField",
    "WeakForm",
    "accessor",
    "algebra",
    "analyze",
    "bootstrap",
    "certify",
    "compress",
    "conserved_quantities",
    "conserving",
    "dictionary",
    "differentiation",
    "equivariant_to",
    "fit",
    "generators",
    "hamiltonian_of",
    "hamiltonian_structure",
    "inner_product",
    "interop",
    "invariant_tensors",
    "load_compressed",
    "open_runs",
    "optim",
    "parse_dictionary",
    "path",
    "quality",
    "refit",
    "save_compressed",
    "sections",
    "stability",
    "symmetries",
    "systems",
    "testing",
]
