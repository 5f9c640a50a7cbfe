"""Sections: what a flow may leave unchanged. Functions, forms, bivectors, metrics and densities over a dictionary."""

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
    "Metric",
    "OneForm",
    "Scalar",
    "ScalarFunction",
    "TensorSection",
    "TwoForm",
    "expression_of",
    "section_class",
    "text_of",
]
