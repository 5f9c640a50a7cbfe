"""How the submanifold under a cloud is described: two choices, each an object."""

from __future__ import annotations

from dataclasses import dataclass

from .._checks import require


@dataclass(frozen=True)
class Geometry:
    """What is known beforehand.

    Parameters
    ----------
    dimension
        Of the submanifold; default estimated from local principal components.
    """

    dimension: int | None = None

    def __post_init__(self) -> None:
        require(
            self.dimension is None or self.dimension >= 1,
            f"the dimension of a submanifold must be at least 1, got {self.dimension}",
        )


@dataclass(frozen=True)
class LevelFunctions(Geometry):
    """The common zeros of polynomials g: sharp where the submanifold is algebraic.

    Parameters
    ----------
    dimension
        Of the submanifold; default estimated.
    degree
        Highest degree tried; the lowest one that describes the data is taken.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.clouds.LevelFunctions(degree=2)
    LevelFunctions(dimension=None, degree=2)
    """

    degree: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.degree >= 1, f"the degree of level functions must be at least 1, got {self.degree}")


@dataclass(frozen=True)
class TangentSpaces(Geometry):
    """Local polynomial fits over the nearest neighbours: works on any submanifold, less sharply.

    Parameters
    ----------
    dimension
        Of the submanifold; default estimated.
    neighbours
        Points of each local fit; default the number that balances noise and curvature.

    Examples
    --------
    >>> import dynsym as dy
    >>> dy.clouds.TangentSpaces(dimension=1).neighbours is None
    True
    """

    neighbours: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.neighbours is None or self.neighbours >= 8,
            f"a local fit needs at least 8 neighbours, got {self.neighbours}",
        )
