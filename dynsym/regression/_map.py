"""`fit_map`: the map y = F(x) over a dictionary, from samples that have no order in time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .._checks import Array, frozen, require
from .._threads import one_blas_thread
from ..compress import Block, Compressed, factor_of
from ..dictionary import Dictionary
from ..dictionary._base import with_names
from ..inner_product import region_around
from ..map_derivative import MapRegion
from ..optim import STLSQ, LinearConstraint, Penalty, Solution, Solver
from ..sections import VectorFunction
from ..trajectory import Trajectory
from ._constrained import joint
from ._estimate import Estimate
from ._fit import solved
from ._information import Information
from ._pairs import Pairs, as_pairs
from ._sandwich import whitening
from ._selection import Stepwise

_BLOCKS = 32  # stretches of the samples, in their order, that count as independent
_SHORTEST = 4


@dataclass(frozen=True, eq=False)
class MapModel(Estimate):
    """A fitted map and the evidence behind it.

    Attributes
    ----------
    function
        F = C theta.
    solution
        What the solver returned, with its certificate.
    information
        Triangular factors of the rows: estimates and errors for any support.
    pairs
        The samples.
    region
        The region of inputs that verdicts about this map speak of, with the scale of each value.
    constraint
        Linear constraints that the coefficients meet, or None.
    penalty
        What the fit was penalised by, or None.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> x = np.random.default_rng(0).uniform(-1, 1, (40, 2))
    >>> model = dy.fit_map((x, x[:, 0] ** 2 + x[:, 1] ** 2), dy.Monomials(2, 2))
    >>> model.coefficients.shape
    (1, 6)
    """

    function: VectorFunction
    solution: Solution
    information: Information
    pairs: Pairs
    region: MapRegion
    constraint: LinearConstraint | None = None
    penalty: Penalty | None = None

    @property
    def coefficients(self) -> Array:
        """C, (d, p)."""
        return self.function.coefficients

    @cached_property
    def covariance_blocks(self) -> list[tuple[npt.NDArray[np.intp], Array]]:
        """Covariance of the flattened coefficients: one block, since errors of the values may hang together."""
        blocks = super().covariance_blocks
        if self.constraint is not None or len(blocks) < 2:
            return blocks
        index = np.concatenate([i for i, _ in blocks])
        out = np.zeros((len(index), len(index)))
        ends = np.cumsum([0, *(len(i) for i, _ in blocks)])
        rows = self._error_rows
        whole = np.concatenate([rows[int(i[0]) // self.information.n_terms] for i, _ in blocks])
        out[...] = whole @ whole.T
        for (_, block), a, b in zip(blocks, ends[:-1], ends[1:]):
            # Cross terms are those of independent samples; where the spread of stretches widened a block, they are widened too.
            wide = np.sqrt(max(float(np.trace(block) / max(np.trace(out[a:b, a:b]), 1e-300)), 1.0))
            out[a:b] *= wide
            out[:, a:b] *= wide
            out[a:b, a:b] = block
        return [(index, _positive(out))]

    @cached_property
    def _error_rows(self) -> dict[int, Array]:
        """By equation, H (k, r) such that H_i H_j^T is the covariance of the least-squares coefficients of i and j."""
        total = self.information.total
        residual = total.target - total.theta @ self.coefficients.T
        freedom = max(total.n_rows - int(np.count_nonzero(self.coefficients, axis=1).max()), 1)
        values, vectors = np.linalg.eigh(residual.T @ residual / freedom)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        out = {}
        for i, chosen in enumerate(self.support):
            if chosen.any():
                half = whitening(total.theta[:, chosen])
                solve = half @ (half.T @ total.theta[:, chosen].T)
                out[i] = np.concatenate([solve * share for share in root[i]], axis=1)
        return out

    def evaluate(self, x: npt.ArrayLike) -> Array:
        """F(x), (m, n) -> (m, d)."""
        return self.function.evaluate(x)

    __call__ = evaluate

    def equations(self, digits: int = 6) -> list[str]:
        """The fitted equations, ``y = ...``."""
        return self.function.equations(digits)

    def __str__(self) -> str:
        lines = [f"map fitted to {self.pairs}"]
        width = max(len(e) for e in self.equations(5))
        for equation, share in zip(self.equations(5), self.explained):
            lines.append(f"  {equation:<{width}}   unexplained {1 - share:.1e}")
        lines += [f"  {line}" for one in self.kept for line in str(one).splitlines()[:1]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """Measured against fitted values, one panel for each, as a matplotlib figure."""
        from matplotlib.figure import Figure

        d = self.function.n_values
        across = min(d, 3)
        figure = Figure(figsize=(2.6 * across, 2.6 * -(-d // across)), layout="constrained")
        axes = np.atleast_1d(figure.subplots(-(-d // across), across, squeeze=False)).ravel()
        fitted = self.evaluate(self.pairs.x)
        for k, axis in enumerate(axes):
            axis.set_visible(k < d)
            if k < d:
                both = np.array([fitted[:, k], self.pairs.y[:, k]])
                axis.plot([both.min(), both.max()], [both.min(), both.max()], lw=0.8, color="0.6")
                axis.plot(*both, ".", ms=3, color="C0")
                axis.set_title(self.function.values[k], fontsize=10)
        figure.supxlabel("fitted", fontsize=10)
        figure.supylabel("measured", fontsize=10)
        return figure


def _positive(matrix: Array) -> Array:
    """The nearest positive semidefinite matrix: blocks that were widened one by one need not fit together."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def fit_map(
    data: Any,
    dictionary: Dictionary,
    penalty: Penalty | STLSQ | Stepwise | None = None,
    constraints: LinearConstraint | Iterable[LinearConstraint] = (),
    solver: Solver | None = None,
) -> MapModel:
    """The map F = C theta of least 1/2 |theta(x) C^T - y|^2 + penalty, subject to E C = d.

    Parameters
    ----------
    data
        `Pairs`, or (x, y): inputs (m, n) and values (m, d), arrays or DataFrames.
    dictionary
        The p functions theta_j of the inputs; one with default names takes the names of the data.
    penalty
        As for `fit`; `SymmetryBreaking(..., representation=...)` promotes symmetry of the map.
    constraints
        From `equivariant_to(..., representation=...)`, or any `LinearConstraint`.
    solver
        Default chosen by the penalty.

    Returns
    -------
    MapModel
        With `.function`, `.solution`, `.standard_errors`.

    Raises
    ------
    DataError
        If the data cannot be used, the inputs do not match the dictionary, or constraints contradict each other.
    ConvergenceError
        If the solver does not meet its stopping rule.

    Examples
    --------
    A force that turns with the position, from thirty noisy samples:

    >>> import dynsym as dy, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, (30, 2))
    >>> force = -2 * x + 0.1 * rng.standard_normal((30, 2))
    >>> d = dy.Monomials(2, 1, names=("x", "y"))
    >>> turn = dy.generators.rotations(2, ("x", "y"))
    >>> told = dy.equivariant_to(turn, d, representation=dy.sections.vector())
    >>> dy.fit_map(dy.Pairs(x, force, ("x", "y"), ("fx", "fy")), d, constraints=told).equations(2)
    ['fx = -2*x - 0.017*y', 'fy = 0.017*x - 2*y']
    """
    pairs = as_pairs(data)
    given = [constraints] if isinstance(constraints, LinearConstraint) else list(constraints)
    said = "the dictionary is over ({own}) but the data have the inputs ({names})"
    own = with_names(dictionary, pairs.inputs, said, "give both the same names in the same order")
    with one_blas_thread():
        compressed = _compressed(pairs, own)
        information = Information(compressed)
        solution = solved(information, compressed, penalty, given, solver)
    return MapModel(
        function=VectorFunction(own, solution.coefficients, pairs.values),
        solution=solution,
        information=information,
        pairs=pairs,
        region=map_region(pairs),
        constraint=joint(given) if given else None,
        penalty=penalty if isinstance(penalty, Penalty) else None,
    )


def _compressed(pairs: Pairs, dictionary: Dictionary) -> Compressed:
    """Factors of stretches of the samples in the order they came in: a run of tests shares its errors."""
    theta = dictionary.evaluate(pairs.x)
    require(
        bool(np.isfinite(theta).all()),
        "some functions of the dictionary are not finite at the inputs; leave out logarithms and poles there",
    )
    count = int(np.clip(len(pairs) // _SHORTEST, 1, _BLOCKS))
    parts = np.array_split(np.arange(len(pairs)), count)
    blocks = tuple(Block(factor_of(theta[part], pairs.y[part]), run=0) for part in parts)
    p = dictionary.n_terms
    return Compressed(blocks, None, None, frozen(np.zeros((p, p))))


def map_region(pairs: Pairs) -> MapRegion:
    """The samples, each moved by a tenth of the spread of every input; values in units of their standard deviation."""
    order = np.arange(len(pairs), dtype=float)
    around = region_around([Trajectory(t=order, x=pairs.x, names=pairs.inputs)])
    text = f"inputs within about 0.1 standard deviations of the {len(pairs)} samples"
    return MapRegion(around.points, around.weights, around.scale, text, frozen(pairs.scale[1]))
