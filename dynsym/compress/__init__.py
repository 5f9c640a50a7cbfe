"""Triangular factors: all that later stages need to know of the rows [theta(x) | y], whatever their number."""

from ._blocks import Block, Compressed
from ._cholesky_qr import Triangle, triangle_of
from ._factor import Factor, factor_of, merge
from ._files import load_compressed, save_compressed
from ._frame import Frame
from ._pass import Pass
from ._place import working_on
from ._plan import Task, plan
from ._prepare import Prepared, Stretch, prepare
from ._verb import compress, compress_prepared

__all__ = [
    "Block",
    "Compressed",
    "Factor",
    "Frame",
    "Pass",
    "Prepared",
    "Stretch",
    "Task",
    "Triangle",
    "compress",
    "compress_prepared",
    "factor_of",
    "load_compressed",
    "merge",
    "plan",
    "prepare",
    "save_compressed",
    "triangle_of",
    "working_on",
]
