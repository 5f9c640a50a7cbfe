"""A picture of compressed data: what the columns have in common, and how the blocks differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._blocks import Compressed


def draw_compressed(data: Compressed) -> Any:
    """Singular values of the equal-length columns on the left, condition numbers of the blocks on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    theta = data.total.theta
    size = np.linalg.norm(theta, axis=0)
    values = np.linalg.svd(theta / np.where(size > 0, size, 1.0), compute_uv=False)
    left.semilogy(np.arange(1, len(values) + 1), np.maximum(values, 1e-17), "o", ms=3)
    left.set_xlabel("number")
    left.set_title("singular values of the equal-length columns", loc="left", fontsize="medium")
    right.semilogy([min(block.factor.condition, 1e17) for block in data.blocks], ".")
    right.set_xlabel("block")
    right.set_title("condition number of each block", loc="left", fontsize="medium")
    return figure
