"""Figures of results: spectra, verdicts, drifts along the runs, phase portraits.

Each function returns a matplotlib `Figure` and leaves pyplot alone; save it with
``figure.savefig("name.svg")``.
"""

from ._algebra import brackets
from ._refit import refit
from ._results import (
    analysis,
    conserved_quantities,
    hamiltonian_structure,
    invariant_tensors,
    symmetries,
)
from ._runs import drift, phase_portrait
from ._spectra import spectrum, verdicts
from ._style import theme

__all__ = [
    "analysis",
    "brackets",
    "conserved_quantities",
    "drift",
    "hamiltonian_structure",
    "invariant_tensors",
    "phase_portrait",
    "refit",
    "spectrum",
    "symmetries",
    "theme",
    "verdicts",
]
