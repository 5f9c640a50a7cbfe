"""The public names: a change here is a change of the interface, and is made on purpose."""

from __future__ import annotations

import inspect

import pytest

import dynsym

NOUNS = {
    *("Analysis", "AnalysisSettings", "ConservedQuantities", "ConvergenceError", "DataError", "DataQuality"),
    *(
        "Compressed",
        "Derivatives",
        "Dictionary",
        "Fourier",
        "Generators",
        "Integrator",
        "LocalPolynomial",
        "Model",
    ),
    *("Monomials", "Radial", "Refit", "ScalarFunction", "Stepwise", "StoredRun"),
    *("CloudSymmetries", "DiscreteSymmetries", "Symmetries", "Terms", "Trajectory"),
    *("VectorField", "WeakForm"),
    *(
        "Bivector",
        "Density",
        "FormHamiltonian",
        "HamiltonianStructure",
        "InvariantTensors",
        "Metric",
        "Multiplied",
        "OneForm",
        "TwoForm",
        "VectorFunction",
        "MapModel",
        "MapSymmetries",
        "Pairs",
    ),
    *("PredictionRule", "Predictions"),
    *(
        "Bootstrap",
        "ConservationWeights",
        "PathGrid",
        "Dissipative",
        "PotentialFields",
        "L1Weights",
        "Path",
        "Stability",
        "SymmetryWeights",
        "Thresholds",
    ),
    "Recovered",
}
VERBS = {
    *(
        "analyze",
        "compress",
        "load_compressed",
        "save_compressed",
        "conserved_quantities",
        "conserving",
        "equivariant_to",
        "fit",
        "open_runs",
    ),
    *("parse_dictionary", "quality", "refit", "symmetries", "SymmetryBreaking", "ConservationBreaking"),
    *("FieldBreaking", "FunctionBreaking", "recover"),
    "cloud_symmetries",
    "discrete_symmetries",
    *("bootstrap", "path", "path_grid", "stability"),
    *("dissipative", "energy_preserving", "gradient_fields", "hamiltonian_fields", "metriplectic_fields"),
    "predictions",
    "hamiltonian_of",
    "hamiltonian_structure",
    "invariant_tensors",
    *("fit_map", "symmetries_of"),
}
MODULES = {
    *(
        "algebra",
        "certify",
        "clouds",
        "dictionary",
        "differentiation",
        "generators",
        "inner_product",
        "maps",
        "optim",
        "promote",
        "systems",
    ),
}


def public():
    own = {name: value for name, value in vars(dynsym).items() if not name.startswith("_")}
    return {name: value for name, value in own.items() if not inspect.ismodule(value)}


def test_the_public_names_are_these():
    assert set(public()) == NOUNS | VERBS
    assert set(vars(dynsym)) >= MODULES
    assert dynsym.__version__


@pytest.mark.parametrize("name", sorted(NOUNS | VERBS))
def test_every_public_name_is_documented(name):
    value = getattr(dynsym, name)
    assert inspect.isclass(value) == (name in NOUNS)
    assert value.__doc__
    first = value.__doc__.strip().splitlines()[0]
    assert len(first) > 20
    assert not value.__doc__.startswith(f"{name}(")  # a signature made up by dataclass is no definition


@pytest.mark.parametrize(
    "name", sorted(VERBS | {"Monomials", "Fourier", "Radial", "Terms", "Trajectory", "VectorField"})
)
def test_at_most_six_arguments_and_no_keyword_bag(name):
    # Trajectory is the door for one run and carries labels besides: two more.
    kinds = inspect.signature(getattr(dynsym, name)).parameters.values()
    assert len(kinds) <= (8 if name == "Trajectory" else 6)
    assert all(k.kind is not inspect.Parameter.VAR_KEYWORD for k in kinds)
