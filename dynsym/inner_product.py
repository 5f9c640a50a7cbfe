"""Inner products of functions: <g, h> = integral of g h over a stated measure, by points or exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._checks import Array, DataError, as_floats, frozen, require, require_finite
from .dictionary import Dictionary, Monomials
from .trajectory import Trajectory


class Measure(ABC):
    """A probability measure on state space: points and weights, and exact moments where they are known."""

    points: Array  # (m, n)
    weights: Array  # (m,), not negative, their sum is 1
    description: str  # the measure in words

    def gram(self, dictionary: Dictionary) -> Array:
        """G_ij = <theta_i, theta_j>, (p, p); exact for monomials where the moments are known."""
        values = dictionary.evaluate(self.points) * np.sqrt(self.weights)[:, None]
        return values.T @ values

    def __str__(self) -> str:
        return self.description


@dataclass(frozen=True, eq=False)
class Quadrature(Measure):
    """The measure sum_i w_i delta(x - x_i) at given points x_i, its weights scaled to sum 1.

    Examples
    --------
    >>> import dynsym as dy
    >>> q = dy.inner_product.Quadrature([[-1.0], [1.0]], [1.0, 3.0])
    >>> q.gram(dy.Monomials(1, 1)).round(12).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """

    points: Array
    weights: Array
    description: str = "given points and weights"

    def __post_init__(self) -> None:
        points, weights = as_floats("points", self.points, 2), as_floats("weights", self.weights, 1)
        require(
            len(points) == len(weights) and len(points) > 0,
            f"need as many weights as points and at least one, got {len(points)} points, "
            f"{len(weights)} weights",
        )
        require_finite("points", points)
        require_finite("weights", weights)
        require(bool((weights >= 0).all() and weights.sum() > 0), "weights must be >= 0 with a positive sum")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "weights", frozen(weights / weights.sum()))


def data_measure(runs: Sequence[Trajectory]) -> Quadrature:
    """Every complete sample of every run with the same weight.

    Raises
    ------
    DataError
        If no sample is complete.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import data_measure
    >>> print(data_measure([dy.Trajectory([0, 1, 2], [1.0, float("nan"), 3.0])]))
    the 2 samples of 1 run(s)
    """
    x = np.concatenate([run.x[np.isfinite(run.x).all(axis=1)] for run in runs])
    require(len(x) > 0, "the runs hold no complete sample; nothing can be integrated over them")
    return Quadrature(x, np.ones(len(x)), f"the {len(x)} samples of {len(runs)} run(s)")


def _usable(n_points: int, *parameters: Array) -> None:
    require(n_points >= 1, f"n_points must be at least 1, got {n_points}")
    for value in parameters:
        require_finite("parameters of a measure", value)


class _ExactMoments(Measure):
    """A measure with independent coordinates whose monomial moments are known in closed form."""

    @abstractmethod
    def moments(self, order: int) -> Array:
        """E[x_k^j] for j = 0..order, (n, order + 1)."""

    def gram(self, dictionary: Dictionary) -> Array:
        if not isinstance(dictionary, Monomials):
            return super().gram(dictionary)
        powers = dictionary.exponents
        table = self.moments(2 * int(powers.max(initial=0)))
        out = np.ones((len(powers), len(powers)))
        # State by state: the sums of all exponents at once would fill n times the memory of the result.
        for k in range(dictionary.n_states):
            out *= table[k][powers[:, k][:, None] + powers[:, k][None, :]]
        return out


@dataclass(frozen=True, eq=False)
class Box(_ExactMoments):
    """The uniform measure on a box; E[x^j] = (high^(j+1) - low^(j+1)) / ((j+1)(high - low)).

    Parameters
    ----------
    low, high
        (n,) corners.
    n_points
        Number of Latin hypercube points that stand for it where no closed form exists.
    seed
        Of those points.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.inner_product.Box([-1.0], [1.0]).gram(dy.Monomials(1, 2))[2, 2].round(12)
    np.float64(0.2)
    """

    low: Array
    high: Array
    n_points: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = as_floats("low", self.low, 1), as_floats("high", self.high, 1)
        require(
            low.shape == high.shape, f"low and high must have the same length, got {low.shape}, {high.shape}"
        )
        _usable(self.n_points, low, high)
        require(bool((high > low).all()), f"a box needs low < high in each state, got {low} and {high}")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def points(self) -> Array:  # type: ignore[override]
        from scipy.stats import qmc

        unit = qmc.LatinHypercube(len(self.low), seed=self.seed).random(self.n_points)
        return self.low + unit * (self.high - self.low)

    @property
    def weights(self) -> Array:  # type: ignore[override]
        return np.full(self.n_points, 1.0 / self.n_points)

    @property
    def description(self) -> str:  # type: ignore[override]
        sides = " x ".join(f"[{a:g}, {b:g}]" for a, b in zip(self.low, self.high))
        return f"uniform on {sides}"

    def moments(self, order: int) -> Array:
        j = np.arange(1, order + 2)
        width = (self.high - self.low)[:, None]
        return (self.high[:, None] ** j - self.low[:, None] ** j) / (j * width)


@dataclass(frozen=True)
class Bombieri:
    """<x^a, x^b> = length^(2 |a|) a! / |a|! if a = b, else 0: an inner product of polynomials that rotations keep.

    It is no integral over a region of real states. Monomials are orthogonal, and for every rotation R,
    <g o R, h o R> = <g, h>, so no direction of state space is preferred, as it is by a box. Lie derivatives along affine
    fields stay sparse in it.

    Parameters
    ----------
    length
        The unit of the states: where |x| is about this large, terms of all degrees count alike.

    Raises
    ------
    DataError
        If length is not positive, or the dictionary is not one of monomials.

    References
    ----------
    Beauzamy, Bombieri, Enflo and Montgomery (1990), Products of polynomials in many variables, J. Number Theory 36.

    Examples
    --------
    >>> import dynsym as dy
    >>> import numpy as np
    >>> np.diag(dy.inner_product.Bombieri().gram(dy.Monomials(2, 2))).round(12).tolist()  # 1, x, y, x^2, x y, y^2
    [1.0, 1.0, 1.0, 1.0, 0.5, 1.0]
    """

    length: float = 1.0

    def __post_init__(self) -> None:
        require(
            bool(np.isfinite(self.length) and self.length > 0), f"length must be positive, got {self.length}"
        )

    @property
    def description(self) -> str:
        """The inner product in words."""
        return f"Bombieri's inner product at length {self.length:g}"

    def sizes(self, dictionary: Dictionary) -> Array:
        """The norm of each monomial, (p,)."""
        require(
            isinstance(dictionary, Monomials),
            f"Bombieri's inner product is one of polynomials; {dictionary!r} is not made of monomials",
        )
        assert isinstance(dictionary, Monomials)
        powers = dictionary.exponents
        factorial = np.cumprod(np.append(1.0, np.arange(1.0, powers.sum(axis=1).max(initial=0) + 1)))
        degree = powers.sum(axis=1)
        return np.asarray(
            self.length**degree * np.sqrt(np.prod(factorial[powers], axis=1) / factorial[degree]), dtype=float
        )

    def gram(self, dictionary: Dictionary) -> Array:
        """G_ij = <theta_i, theta_j>, (p, p), diagonal."""
        return np.diag(self.sizes(dictionary) ** 2)


@dataclass(frozen=True, eq=False)
class Gaussian(_ExactMoments):
    """Independent normal coordinates; E[x^j] = mean E[x^(j-1)] + (j-1) sd^2 E[x^(j-2)].

    Parameters
    ----------
    mean, sd
        (n,) means and standard deviations.
    n_points, seed
        Of the sample that stands for it where no closed form exists.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.inner_product.Gaussian([0.0], [1.0]).gram(dy.Monomials(1, 2))[2, 2]
    np.float64(3.0)
    """

    mean: Array
    sd: Array
    n_points: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        mean, sd = as_floats("mean", self.mean, 1), as_floats("sd", self.sd, 1)
        require(
            mean.shape == sd.shape, f"mean and sd must have the same length, got {mean.shape}, {sd.shape}"
        )
        _usable(self.n_points, mean, sd)
        require(bool((sd > 0).all()), f"a Gaussian needs sd > 0 in each state, got {sd}")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "sd", sd)

    @property
    def points(self) -> Array:  # type: ignore[override]
        draw = np.random.default_rng(self.seed).standard_normal((self.n_points, len(self.mean)))
        return self.mean + self.sd * draw

    @property
    def weights(self) -> Array:  # type: ignore[override]
        return np.full(self.n_points, 1.0 / self.n_points)

    @property
    def description(self) -> str:  # type: ignore[override]
        return "normal with mean " + ", ".join(f"{a:g} (sd {s:g})" for a, s in zip(self.mean, self.sd))

    def moments(self, order: int) -> Array:
        out = np.ones((len(self.mean), order + 1))
        if order >= 1:
            out[:, 1] = self.mean
        for j in range(2, order + 1):
            out[:, j] = self.mean * out[:, j - 1] + (j - 1) * self.sd**2 * out[:, j - 2]
        return out


@dataclass(frozen=True, eq=False)
class Region:
    """The region a verdict speaks about: a measure, the scale of each state, and its description.

    Norms of vector fields are taken in units of the states' scales, |f|^2 = integral of sum_i (f_i /
    scale_i)^2, so that no verdict depends on the units in which a state was recorded.
    """

    points: Array
    weights: Array
    scale: Array
    description: str

    @property
    def roots(self) -> Array:
        """Square roots of the weights, (m,)."""
        return np.sqrt(self.weights)

    def weighted(self, weights: npt.ArrayLike) -> Region:
        """The same points with other weights."""
        w = np.asarray(weights, dtype=float)
        return Region(self.points, frozen(w / w.sum()), self.scale, self.description)


def defined_at(dictionary: Dictionary, x: Array) -> npt.NDArray[np.bool_]:
    """Which states (m, n) all functions of a dictionary are finite at, (m,): a logarithm is not at negative ones."""
    if len(x) == 0:
        return np.zeros(0, dtype=bool)
    try:
        dictionary.evaluate(x)
    except DataError:
        if len(x) == 1:
            return np.zeros(1, dtype=bool)
        half = len(x) // 2
        return np.concatenate([defined_at(dictionary, x[:half]), defined_at(dictionary, x[half:])])
    return np.ones(len(x), dtype=bool)


def restricted(region: Region, dictionary: Dictionary) -> Region:
    """The part of a region on which a dictionary is defined."""
    good = defined_at(dictionary, region.points)
    if good.all():
        return region
    require(
        bool(good.mean() >= 0.5),
        f"the functions are defined at only {int(good.sum())} of {len(good)} points around the data; "
        "leave out logarithms and roots of states that change sign",
    )
    text = f"{region.description}, where all functions are defined"
    return Region(
        region.points[good], frozen(region.weights[good] / region.weights[good].sum()), region.scale, text
    )


_SAMPLES = 20_000  # samples that stand for all in the spread of the states; more only cost time
_TUBE = 0.1  # half-width of the tube around each run, in standard deviations of that run


def region_around(runs: Sequence[Trajectory], n_points: int = 600, seed: int = 0) -> Region:
    """A tube around the runs: samples moved by a tenth of their own run's spread in every state.

    On the runs alone anything that vanishes on a few curves looks like a symmetry; the tube has full
    dimension, yet it stays where the data are, and each run is widened in proportion to its own size, so that
    orbits of very different extent do not blur into each other.

    Parameters
    ----------
    runs
        Incomplete samples are left out.
    n_points, seed
        Of the points, shared evenly among the runs.

    Raises
    ------
    DataError
        If no sample is complete.

    Examples
    --------
    >>> import dynsym as dy, numpy as np
    >>> from dynsym.inner_product import region_around
    >>> t = np.linspace(0, 6, 50)
    >>> region = region_around([dy.Trajectory(t, np.c_[np.cos(t), np.sin(t)])], n_points=100)
    >>> region.points.shape, region.description
    ((100, 2), 'a tube of 0.1 standard deviations around 1 run(s)')
    """
    rng = np.random.default_rng(seed)
    every_kth = max(1, sum(len(run) for run in runs) // _SAMPLES)
    complete = [_complete_rows(run.x[::every_kth]) for run in runs]
    complete = [x for x in complete if len(x)]
    require(bool(complete), "the runs hold no complete sample; there is no region to speak about")
    every = np.concatenate(complete)
    scale = every.std(axis=0)
    scale = np.where(scale > 0, scale, np.maximum(np.abs(every).max(axis=0), 1.0))
    share = max(1, n_points // len(complete))
    one_sign = np.logical_or((every > 0).all(axis=0), (every < 0).all(axis=0))
    points = []
    for x in complete[:n_points]:
        pick = x[rng.choice(len(x), size=share, replace=len(x) < share)]
        moved = pick + _TUBE * x.std(axis=0) * rng.standard_normal(pick.shape)
        points.append(_same_sign(pick, moved, one_sign))
    cloud = np.concatenate(points)
    text = f"a tube of {_TUBE:g} standard deviations around {len(complete)} run(s)"
    return Region(frozen(cloud), frozen(np.full(len(cloud), 1.0 / len(cloud))), frozen(scale), text)


def _complete_rows(x: Array) -> Array:
    """The samples (m, n) in which no state is missing."""
    if np.isfinite(x.sum()):
        return x
    return x[np.isfinite(x).all(axis=1)]


def _same_sign(start: Array, moved: Array, one_sign: npt.NDArray[np.bool_]) -> Array:
    """A state that is positive (or negative) in all data, such as a concentration, stays so."""
    crossed = one_sign & (np.abs(moved - start) > 0.5 * np.abs(start))
    return np.where(crossed, start + np.clip(moved - start, -0.5 * np.abs(start), 0.5 * np.abs(start)), moved)


def generic_region(dictionary: Dictionary, seed: int = 0) -> Region:
    """Random points with coordinates of size 0.2..4: generic, and away from r = 0.

    Enough points to determine every function that a Lie derivative of the dictionary can be; then a null
    space sampled on them is exact. Where a function needs positive states (a logarithm, a root) all
    coordinates are positive.

    Examples
    --------
    >>> import dynsym as dy
    >>> from dynsym.inner_product import generic_region
    >>> generic_region(dy.Terms(["log(x)"], ("x",))).description
    'generic points with positive coordinates'
    """
    rng = np.random.default_rng(seed)
    shape = (4 * dictionary.n_terms + 20, dictionary.n_states)
    # Different distances from the origin tell powers of r apart.
    size = (0.5 + rng.random(shape)) * 2.0 ** rng.uniform(-1.5, 1.5, (shape[0], 1))
    points = rng.choice([-1.0, 1.0], size=shape) * size
    text = "generic points of either sign"
    try:
        dictionary.evaluate(points)
    except DataError:
        points, text = size, "generic points with positive coordinates"
    return Region(frozen(points), frozen(np.full(shape[0], 1.0 / shape[0])), np.ones(shape[1]), text)
