"""Stretches that are drawn as wholes, so that errors that hang together in time stay together."""

from __future__ import annotations

from .._checks import require
from ..compress import Compressed, Factor, merge

_FEWEST_RUNS = 8  # runs from which whole runs are drawn, so that differences between runs count as well
_FEWEST = 6


def exchangeable(data: Compressed) -> list[Factor]:
    """Factors of whole runs if there are at least eight, else of stretches of time.

    Raises
    ------
    DataError
        If there are fewer than six.
    """
    runs = sorted({block.run for block in data.blocks})
    if len(runs) >= _FEWEST_RUNS:
        return [merge(block.factor for block in data.blocks if block.run == run) for run in runs]
    require(
        len(data.blocks) >= _FEWEST,
        f"the data make {len(data.blocks)} stretches, drawing from them needs {_FEWEST}; give longer or more runs",
    )
    return [block.factor for block in data.blocks]
