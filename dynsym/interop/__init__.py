"""PySINDy: its models as vector fields and back, its methods inside `fit`, symmetric optimizers for `ps.SINDy`.

PySINDy is imported by the functions that need it, never by `import dynsym`; the classes that extend PySINDy's
own come into being when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._derivative import PySINDyDerivative
from ._models import dictionary_of, from_pysindy, library_of, to_pysindy
from ._solver import PySINDySolver

if TYPE_CHECKING:
    from ._library import DictionaryLibrary
    from ._optimizers import EquivariantOptimizer, FixedCoefficients, SymmetryOptimizer

_LATE = {
    "DictionaryLibrary": "._library",
    "EquivariantOptimizer": "._optimizers",
    "FixedCoefficients": "._optimizers",
    "SymmetryOptimizer": "._optimizers",
}

__all__ = [
    "DictionaryLibrary",
    "EquivariantOptimizer",
    "FixedCoefficients",
    "PySINDyDerivative",
    "PySINDySolver",
    "SymmetryOptimizer",
    "dictionary_of",
    "from_pysindy",
    "library_of",
    "to_pysindy",
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
