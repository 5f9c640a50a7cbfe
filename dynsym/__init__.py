"""dynsym: from trajectories to dynamics, conserved quantities and symmetries, each with a verdict."""

from . import (
    accessor,
    algebra,
    certify,
    clouds,
    dictionary,
    differentiation,
    generators,
    inner_product,
    interop,
    maps,
    optim,
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
    CloudSymmetries,
    ConservedQuantities,
    DiscreteSymmetries,
    Symmetries,
    cloud_symmetries,
    conserved_quantities,
    discrete_symmetries,
    symmetries,
)
from .generators import Generators
from .promote import SymmetryBreaking
from .refit import Refit, refit
from .regression import Model, Stepwise, fit
from .sections import ScalarFunction
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
    "Bootstrap",
    "CloudSymmetries",
    "Compressed",
    "ConservedQuantities",
    "ConvergenceError",
    "DataError",
    "DataQuality",
    "Derivatives",
    "Dictionary",
    "DiscreteSymmetries",
    "Fourier",
    "Generators",
    "Integrator",
    "L1Weights",
    "LocalPolynomial",
    "Model",
    "Monomials",
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
    "VectorField",
    "WeakForm",
    "accessor",
    "algebra",
    "analyze",
    "bootstrap",
    "certify",
    "cloud_symmetries",
    "clouds",
    "compress",
    "conserved_quantities",
    "conserving",
    "dictionary",
    "differentiation",
    "discrete_symmetries",
    "equivariant_to",
    "fit",
    "generators",
    "inner_product",
    "interop",
    "load_compressed",
    "maps",
    "open_runs",
    "optim",
    "parse_dictionary",
    "path",
    "quality",
    "refit",
    "save_compressed",
    "stability",
    "symmetries",
    "systems",
    "testing",
]
