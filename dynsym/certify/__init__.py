"""Verdicts: what the data allow to be said about a defect, of one direction or of all directions of a subspace at once."""

from ._lack_of_fit import LackOfFit, Stretches, lack_of_fit
from ._outside import least_outside
from ._subspace import SubspaceBound, bound_subspace
from ._verdict import CERTIFIED, REFUTED, UNDECIDED, Evidence, Level, Openings, Verdict, judge

__all__ = [
    "CERTIFIED",
    "REFUTED",
    "UNDECIDED",
    "Evidence",
    "LackOfFit",
    "Level",
    "Openings",
    "Stretches",
    "SubspaceBound",
    "Verdict",
    "bound_subspace",
    "judge",
    "lack_of_fit",
    "least_outside",
]
