"""The Lie algebra that invariants form under a Poisson bracket, on a level set of those that commute with all."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array, as_floats, frozen, require, require_finite, states_matrix
from dynsym._threads import one_blas_thread
from dynsym.algebra.lie_algebra import LieAlgebra, identify
from dynsym.inner_product import defined_at, generic_region
from dynsym.sections import ScalarFunction, text_of

Bracket = Callable[[Array], npt.ArrayLike] | npt.ArrayLike

_HIGHEST = 2  # degree up to which structure functions are polynomials of the level functions
_POINTS = 4  # points per unknown coefficient of a bracket
_EXACT, _NOISY = 3e-8, 1e-5  # error below which constants are exact; tolerance above which laws have errors
_LONGEST = 12  # characters up to which a law's formula is its own label


@dataclass(frozen=True, eq=False)
class LevelSet:
    """The level set function = value of a law that commutes with the others, such as the energy.

    Parameters
    ----------
    function
        The law.
    value
        Its value E.
    name
        What it is called in the table of brackets.

    Examples
    --------
    >>> import dynsym as dy
    >>> energy = dy.ScalarFunction(dy.Monomials(2, 2, names=("x", "v")), [0, 0, 0, 0.5, 0, 0.5])
    >>> print(dy.algebra.LevelSet(energy, 2.0))
    H = 2
    """

    function: ScalarFunction
    value: float
    name: str = "H"

    def __post_init__(self) -> None:
        require(bool(np.isfinite(self.value)), f"the value of {self.name} must be finite, got {self.value}")

    def __str__(self) -> str:
        return f"{self.name} = {self.value:.6g}"


@dataclass(frozen=True, eq=False, repr=False)
class PoissonAlgebra:
    """The brackets {h_i, h_j} = sum_k c_ijk h_k of invariants h, and their Lie algebra; made by `poisson_algebra`.

    Attributes
    ----------
    functions, labels
        The r invariants, and what they are called.
    level
        Where the structure functions are evaluated (empty if they are constants).
    table
        One line a bracket that does not vanish, with c as a polynomial of the level functions.
    structure_constants
        c on the level set, shape (r, r, r), or (r + 1, r + 1, r + 1) with the constant function 1 last where
        brackets reach it. Brackets that leave the span hold their nearest combination.
    closure_defect
        Largest part of a bracket outside the span, relative to |grad h_i| |J| |grad h_j|.
    open_pairs
        The brackets that leave the span, as text.
    algebra
        The algebra on the level set, or None if it does not close.
    """

    functions: tuple[ScalarFunction, ...]
    labels: tuple[str, ...]
    level: tuple[LevelSet, ...]
    table: tuple[str, ...]
    structure_constants: Array
    closure_defect: float
    open_pairs: tuple[str, ...]
    algebra: LieAlgebra | None

    @property
    def name(self) -> str:
        """Name of the algebra, or `not closed`."""
        return "not closed" if self.algebra is None else self.algebra.name

    def __str__(self) -> str:
        at = f" on {', '.join(map(str, self.level))}" if self.level else ""
        head = f"Poisson algebra of {len(self.labels)} invariants{at}: {self.name}"
        rows = [f"  {label} = {text}" for label, text in self._definitions()]
        rows += [f"  {line}" for line in self.table]
        open_pairs = [f"  {pair} leaves the span" for pair in self.open_pairs]
        return "\n".join([head, *rows, *open_pairs, f"  closure defect {self.closure_defect:.1e}"])

    def _definitions(self) -> list[tuple[str, str]]:
        """What the labels stand for, where they are no formulas."""
        texts = [str(f) for f in self.functions]
        return [(label, text) for label, text in zip(self.labels, texts) if label != text]

    def to_json(self) -> dict[str, Any]:
        """Invariants, table of brackets, level set and algebra as plain lists, texts and finite numbers."""
        return {
            "name": self.name,
            "invariants": [
                {"label": label, "expression": str(f)} for label, f in zip(self.labels, self.functions)
            ],
            "level": [{"name": s.name, "expression": str(s.function), "value": s.value} for s in self.level],
            "brackets": list(self.table),
            "open_pairs": list(self.open_pairs),
            "closure_defect": self.closure_defect,
            "structure_constants": self.structure_constants.tolist(),
            "algebra": None if self.algebra is None else self.algebra.to_json(),
        }

    def __repr__(self) -> str:
        return f"PoissonAlgebra({self.name!r}, {', '.join(self.labels)})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def plot(self) -> Any:
        """The table of brackets, as a matplotlib figure."""
        from dynsym import plot

        return plot.brackets(
            self.structure_constants, [*self.labels, "1"][: len(self.structure_constants)], self.name
        )


def canonical_bracket(n_states: int) -> Array:
    """J of {f, g} = sum_i df/dq_i dg/dp_i - df/dp_i dg/dq_i, shape (n, n), states in the order q, then p.

    Examples
    --------
    >>> canonical_bracket(2)
    array([[ 0.,  1.],
           [-1.,  0.]])
    """
    require(
        n_states >= 2 and n_states % 2 == 0,
        f"a canonical bracket needs an even number of states (q then p), got {n_states}",
    )
    half = np.eye(n_states // 2)
    return frozen(np.kron([[0.0, 1.0], [-1.0, 0.0]], half))


def poisson_algebra(
    laws: Sequence[ScalarFunction],
    bracket: Bracket,
    level: LevelSet | Sequence[LevelSet] = (),
    points: npt.ArrayLike | None = None,
    labels: Sequence[str] = (),
    tol: float = 1e-6,
) -> PoissonAlgebra:
    """The Lie algebra of functions under {f, g} = grad f . J grad g, by least squares on sampled states.

    A bracket is written as sum_k c_k h_k + c_0 with constant c; where that fails, with c polynomials of lowest
    degree (up to two) of the level functions, which are then put to their values. So the six components of
    angular momentum L and Runge-Lenz vector A, {A_i, A_j} = -2 H eps_ijk L_k, form so(4) for H < 0, se(3) for
    H = 0 and so(3, 1) for H > 0.

    Parameters
    ----------
    laws
        r linearly independent functions over the same n states. One that is a level function is left out.
    bracket
        J, shape (n, n), or a function of states (m, n) -> (m, n, n); see `canonical_bracket`.
    level
        Level sets of functions that commute with all laws.
    points
        States (m, n) to compare functions on; generic points if not given.
    labels
        Names of the laws; short formulas, or h1, h2, ..., if not given.
    tol
        Relative part of a bracket outside the span up to which it counts as closed. For laws with relative
        errors s take about 3 s.

    Returns
    -------
    PoissonAlgebra
        Prints as a table of brackets with the name of the algebra.

    Raises
    ------
    DataError
        If the laws are dependent (with the level functions and the constant), J is not antisymmetric, a level
        function does not commute with a law, or the brackets fail the Jacobi identity.

    References
    ----------
    W. Pauli (1926), Z. Phys. 36, 336 (so(4) of the Kepler problem); J. M. Jauch and E. L. Hill (1940), Phys.
    Rev. 57, 641 (su(n) of the isotropic oscillator).

    Examples
    --------
    >>> import dynsym as dy
    >>> def law(text):
    ...     return dy.ScalarFunction(dy.Terms([text], ("x", "y", "px", "py")), [1.0])
    >>> laws = [law("x*py - y*px"), law("px*py + x*y"), law("(px^2 + x^2 - py^2 - y^2)/2")]
    >>> J = dy.algebra.canonical_bracket(4)
    >>> found = dy.algebra.poisson_algebra(laws, J, labels=("L", "S", "D"))
    >>> print(found.name, *found.table, sep="; ")
    so(3); {L, S} = -2*D; {L, D} = 2*S; {S, D} = -2*L
    """
    sets = (level,) if isinstance(level, LevelSet) else tuple(level)
    functions = tuple(laws)
    require(len(functions) > 0, "poisson_algebra needs at least one law, got none")
    require(0 < tol < 0.3, f"tol must lie between 0 and 0.3, got {tol}")
    names = _labels(functions, labels)
    x = _points(functions, sets, points)
    with one_blas_thread():
        kept = _without_levels(functions, sets, x)
        functions, names = tuple(functions[i] for i in kept), tuple(names[i] for i in kept)
        sampled = _Sampled.of(functions, sets, _matrices(bracket, x), x)
        sampled.check(names, sets, tol)
        fits = sampled.fit(tol)
        return _result(functions, names, sets, sampled, fits, tol)


@dataclass(frozen=True)
class _Sampled:
    """Values of laws (m, r) and level functions (m, l), brackets (m, r (r - 1) / 2) and their sizes, on points.

    The size of {f, g} is the root mean square of sum_ab |d_a f| |J_ab| |d_b g|: what it would be if its terms did not cancel.
    """

    values: Array
    levels: Array
    brackets: Array
    sizes: Array
    leaks: Array

    @classmethod
    def of(
        cls, functions: Sequence[ScalarFunction], sets: Sequence[LevelSet], j: Array, x: Array
    ) -> _Sampled:
        slopes = np.stack([f.gradient(x) for f in functions], axis=1)
        turned = np.einsum("mab,mrb->mra", j, slopes)
        every = np.einsum("mra,msa->mrs", slopes, turned)
        # Term by term, so that no state is measured in the units of another.
        reach = np.einsum("mab,mrb->mra", np.abs(j), np.abs(slopes))
        size = np.einsum("mra,msa->mrs", np.abs(slopes), reach)
        size = np.maximum(np.sqrt(np.mean(size**2, axis=0)), 1e-300)
        first, second = np.triu_indices(len(functions), 1)
        leaks = np.zeros((len(sets), len(functions)))
        for i, one in enumerate(sets):
            slope = one.function.gradient(x)
            value = np.einsum("ma,mra->mr", slope, turned)
            scale = np.einsum("ma,mra->mr", np.abs(slope), reach)
            leaks[i] = np.linalg.norm(value, axis=0) / np.maximum(np.linalg.norm(scale, axis=0), 1e-300)
        return cls(
            np.stack([f.evaluate(x) for f in functions], axis=1),
            np.stack([s.function.evaluate(x) for s in sets], axis=1) if sets else np.zeros((len(x), 0)),
            every[:, first, second],
            size[first, second],
            leaks,
        )

    def uncertainty(self, balance: Array) -> float:
        """How much the constants of the laws, times the balance, move by errors of the brackets of relative size 1."""
        unit = np.maximum(np.sqrt(np.mean(self.values**2, axis=0)), 1e-300)
        unit = np.append(unit, 1.0)[: len(balance)]
        first, second = np.triu_indices(self.values.shape[1], 1)
        moved = self.sizes[:, None] / unit * balance[first, second]
        return float(np.max(moved, initial=0.0))

    def check(self, names: Sequence[str], sets: Sequence[LevelSet], tol: float) -> None:
        for one, row in zip(sets, self.leaks):
            worst = int(np.argmax(row))
            require(
                row[worst] <= tol,
                f"the level function {one.name} does not commute with {names[worst]}: their bracket is "
                f"{row[worst]:.1e} of its bound, more than tol = {tol:.0e}",
            )
        columns = np.hstack([self.values, self.levels, np.ones((len(self.values), 1))])
        columns = columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
        smallest = float(np.linalg.svd(columns, compute_uv=False)[-1])
        require(
            smallest > max(1e-9, min(tol, 1e-3)),
            "the laws, the level functions and the constant are linearly dependent (smallest singular value "
            f"{smallest:.1e}); leave one law out",
        )

    def terms(self, degree: int) -> tuple[Array, list[tuple[int, ...]]]:
        """Columns E^a (h_1, ..., h_r, 1), one block per power a of the level functions, and the powers."""
        powers = [
            pick
            for d in range(degree + 1)
            for pick in combinations_with_replacement(range(self.levels.shape[1]), d)
        ]
        own = np.hstack([self.values, np.ones((len(self.values), 1))])
        blocks = [np.prod(self.levels[:, list(pick)], axis=1)[:, None] * own for pick in powers]
        return np.hstack(blocks), powers

    def fit(self, tol: float) -> list[tuple[Array, list[tuple[int, ...]], float]]:
        """Of each bracket the coefficients (powers, r + 1), their powers and the defect, in the lowest degree."""
        count = self.brackets.shape[1]
        out: list[tuple[Array, list[tuple[int, ...]], float]] = [(np.zeros((0, 0)), [], np.inf)] * count
        for degree in range(1 + (_HIGHEST if self.levels.shape[1] else 0)):
            left = [p for p in range(count) if out[p][2] > tol]
            if not left:
                break
            columns, powers = self.terms(degree)
            length = np.linalg.norm(columns, axis=0)
            target = self.brackets[:, left]
            found = np.linalg.lstsq(columns / length, target, rcond=1e-11)[0]
            rest = np.linalg.norm(columns / length @ found - target, axis=0) / np.sqrt(len(columns))
            for a, p in enumerate(left):
                small = np.abs(found[:, a]) <= 3 * tol * self.sizes[p] * np.sqrt(len(columns))
                c = np.where(small, 0.0, found[:, a] / length).reshape(len(powers), -1)
                if rest[a] / self.sizes[p] < 0.5 * out[p][2]:
                    out[p] = (c, powers, float(rest[a] / self.sizes[p]))
        return out


def _result(
    functions: tuple[ScalarFunction, ...],
    names: tuple[str, ...],
    sets: tuple[LevelSet, ...],
    sampled: _Sampled,
    fits: list[tuple[Array, list[tuple[int, ...]], float]],
    tol: float,
) -> PoissonAlgebra:
    r = len(functions)
    c = np.zeros((r + 1, r + 1, r + 1))
    table, open_pairs = [], []
    for (i, j), (coefficients, powers, defect) in zip(combinations(range(r), 2), fits):
        at = np.array([np.prod([sets[k].value for k in pick]) for pick in powers])
        c[i, j] = at @ coefficients
        c[j, i] = -c[i, j]
        if defect > tol:
            open_pairs.append(f"{{{names[i]}, {names[j]}}}")
        elif coefficients.any():
            table.append(f"{{{names[i]}, {names[j]}}} = {_formula(coefficients, powers, names, sets)}")
    if not c[:, :, r].any():
        c = c[:r, :r, :r]
    worst = max((defect for _, _, defect in fits), default=0.0)
    algebra = None
    if not open_pairs:
        balance = _balance(c)
        uncertain = sampled.uncertainty(balance)
        algebra = _identified(c * balance, worst * uncertain, tol * uncertain)
    return PoissonAlgebra(functions, names, sets, tuple(table), frozen(c), worst, tuple(open_pairs), algebra)


def _identified(c: Array, worst: float, tol: float) -> LieAlgebra:
    """The name at the tolerances that suit the errors: those of the brackets, or a third of a tolerance made for noisy laws."""
    error = max(worst, tol / 3 if tol > _NOISY else 0.0)
    if error <= _EXACT:
        return identify(c, closure_defect=worst)
    return identify(c, closure_defect=worst, error=error)


def _balance(c: Array) -> Array:
    """Factors s_k / (s_i s_j) of a change of units of the laws after which the constants are as near to 1 as can be.

    Least squares for log s over the constants that are not zero. Names hang on ranks, and ranks of constants of very
    different size on nothing but the units that the laws happen to be in.
    """
    r = len(c)
    i, j, k = np.nonzero(c)
    rows = np.zeros((len(i), r))
    for index, sign in ((i, 1.0), (j, 1.0), (k, -1.0)):
        np.add.at(rows, (np.arange(len(i)), index), sign)
    log = np.linalg.lstsq(rows, np.log(np.abs(c[i, j, k])), rcond=None)[0] if len(i) else np.zeros(r)
    s = np.exp(log)
    return np.asarray(s[None, None, :] / (s[:, None, None] * s[None, :, None]))


def _formula(
    coefficients: Array, powers: Sequence[tuple[int, ...]], names: Sequence[str], sets: Sequence[LevelSet]
) -> str:
    terms, numbers = [], []
    for row, pick in zip(coefficients, powers):
        factors = [sets[k].name for k in pick]
        for name, value in zip([*names, ""], row):
            # text_of brackets a sum that stands alone; beside a factor it needs brackets here.
            sum_beside = bool(factors) and bool(set(" +-") & set(name))
            whole = [*factors, f"({name})" if sum_beside else name]
            terms.append("*".join(f for f in whole if f) or "1")
            numbers.append(round(float(value), 9))
    return text_of(terms, numbers)


def _labels(functions: Sequence[ScalarFunction], labels: Sequence[str]) -> tuple[str, ...]:
    if labels:
        require(
            len(labels) == len(functions), f"{len(functions)} laws need as many labels, got {len(labels)}"
        )
        return tuple(labels)
    texts = [str(f) for f in functions]
    return tuple(t if len(t) <= _LONGEST else f"h{i + 1}" for i, t in enumerate(texts))


def _points(
    functions: Sequence[ScalarFunction], sets: Sequence[LevelSet], points: npt.ArrayLike | None
) -> Array:
    every = [*functions, *(s.function for s in sets)]
    first = every[0].dictionary
    for f in every:
        require(
            f.dictionary.names == first.names,
            f"laws must be over the same states, got ({', '.join(first.names)}) and "
            f"({', '.join(f.dictionary.names)})",
        )
    unknowns = (len(functions) + 1) * (1 + (len(sets) + 1) ** _HIGHEST * bool(sets))
    if points is not None:
        x = states_matrix(points, first.n_states)
    else:
        parts = [generic_region(f.dictionary, seed).points for seed, f in enumerate(every)]
        while sum(map(len, parts)) < 2 * _POINTS * unknowns:
            parts.append(generic_region(first, len(parts)).points)
        x = np.concatenate(parts)
    for dictionary in {id(f.dictionary): f.dictionary for f in every}.values():
        x = x[defined_at(dictionary, x)]
    require(
        len(x) >= 2 * unknowns,
        f"brackets of {len(functions)} laws need at least {2 * unknowns} points where all are defined, got {len(x)}",
    )
    return x


def _matrices(bracket: Bracket, x: Array) -> Array:
    """J at the points, (m, n, n), checked."""
    m, n = x.shape
    if callable(bracket):
        j = as_floats("bracket(x)", bracket(x), 3)
    else:
        one = as_floats("bracket", bracket, 2)
        j = np.broadcast_to(one, (m, *one.shape))
    require(j.shape == (m, n, n), f"bracket must give matrices of shape ({m}, {n}, {n}), got {j.shape}")
    require_finite("bracket", np.asarray(j))
    odd = float(np.linalg.norm(j + j.transpose(0, 2, 1)))
    require(
        odd <= 1e-8 * max(float(np.linalg.norm(j)), 1e-300),
        f"J must be antisymmetric, its symmetric part has norm {odd / 2:.1e} against {np.linalg.norm(j):.1e}",
    )
    return np.asarray(j)


def _without_levels(functions: Sequence[ScalarFunction], sets: Sequence[LevelSet], x: Array) -> list[int]:
    """Numbers of the laws that are no multiple of a level function plus a constant."""
    values = np.stack([f.evaluate(x) for f in (*functions, *(s.function for s in sets))], axis=1)
    require_finite("laws at the points", values)
    values = values - values.mean(axis=0)
    values = values / np.maximum(np.linalg.norm(values, axis=0), 1e-300)
    r = len(functions)
    return [i for i in range(r) if not np.any(np.abs(values[:, i] @ values[:, r:]) > 1 - 1e-10)]
