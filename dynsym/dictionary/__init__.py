"""Dictionaries: finite lists of functions of the state, with exact Jacobians."""

from ._base import Dictionary, Product, Sum
from ._expressions import parse_expression
from ._families import Fourier, Radial
from ._grammar import parse_dictionary
from ._moments import MomentCover, moment_cover
from ._monomials import Monomials
from ._pysindy import PySINDyDictionary
from ._terms import Terms

__all__ = [
    "Dictionary",
    "Fourier",
    "MomentCover",
    "Monomials",
    "Product",
    "PySINDyDictionary",
    "Radial",
    "Sum",
    "Terms",
    "moment_cover",
    "parse_dictionary",
    "parse_expression",
]
