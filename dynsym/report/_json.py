"""Plain values as JSON text: numbers are finite or null."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np


def json_text(value: Any) -> str:
    """JSON text of plain values and arrays; numbers that are not finite become null.

    Examples
    --------
    >>> from dynsym.report import json_text
    >>> print(json_text({"a": [1.5, float("nan")]}))
    {
      "a": [
        1.5,
        null
      ]
    }
    """
    return json.dumps(_plain(value), indent=2, allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, os.PathLike) else value
