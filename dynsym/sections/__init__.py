"""Sections: what a flow may leave unchanged. Functions, maps, forms, bivectors, metrics and densities over a dictionary.

Beside them the representations in which the values of a map turn when its inputs are moved.
"""

from ._function import VectorFunction
from ._named import representation_by_name
from ._products import DirectSum, Square, TensorProduct, antisymmetric_square, symmetric_square
from ._representations import Dual, Given, Representation, Trivial, Vector, dual, given, trivial, vector
from ._scalar import ScalarFunction, expression_of, text_of
from ._tensors import (
    Bivector,
    Density,
    Metric,
    OneForm,
    Scalar,
    TensorSection,
    TwoForm,
    section_class,
)

__all__ = [
    "Bivector",
    "Density",
    "DirectSum",
    "Dual",
    "Given",
    "Metric",
    "OneForm",
    "Representation",
    "Scalar",
    "ScalarFunction",
    "Square",
    "TensorProduct",
    "TensorSection",
    "Trivial",
    "TwoForm",
    "Vector",
    "VectorFunction",
    "antisymmetric_square",
    "dual",
    "expression_of",
    "given",
    "representation_by_name",
    "section_class",
    "symmetric_square",
    "text_of",
    "trivial",
    "vector",
]
