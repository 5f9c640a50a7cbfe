"""dynsym: from trajectories to dynamics, conserved quantities and symmetries, each with a verdict."""

from . import dictionary
from ._checks import ConvergenceError, DataError
from .dictionary import Dictionary, Fourier, Monomials, Radial, Terms, parse_dictionary

__version__ = "0.1.0"
