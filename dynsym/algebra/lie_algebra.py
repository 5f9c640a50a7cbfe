"""The Lie algebra that a set of structure constants defines, with its name and invariants."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array, DataError, as_floats, frozen, require, require_finite
from dynsym._threads import one_blas_thread
from dynsym.algebra import invariants as inv
from dynsym.algebra._linear import balance, span, unit_size
from dynsym.algebra.levi import semisimple_part
from dynsym.algebra.naming import algebra_names, cartan_types

_NOISY = 1e-5  # tolerance from which on the name is asked for at other tolerances too
# Over 96 draws for each of 21 settings (noise 1e-4 to 1e-2, bases of condition 1 to 10, tol 10 to 100 times the
# noise) no wrong name agrees with itself at these multiples of tol; larger ones turn away more right names.
_LOWER, _UPPER = 1 / 3, 1.5
_MULTIPLES = (10.0, 15.0, 30.0, 100.0)
_WIDEST = 0.2  # tolerance beyond which ranks of noisy constants are not believed


@dataclass(frozen=True, eq=False, repr=False)
class LieAlgebra:
    """A real Lie algebra [e_i, e_j] = sum_k c[i, j, k] e_k with its name and invariants; made by `identify`.

    Attributes
    ----------
    structure_constants
        c, shape (r, r, r), antisymmetric in the first two indices, in the basis that was given.
    name, aliases
        The name, and other names of the same algebra (so(3) + so(3) for so(4), e(2) for se(2)).
    closure_defect
        Relative size of the part of the brackets outside the span (0 for exact structure constants).
    jacobi_defect
        |[[x, y], z] + cyclic| / |c|^2.
    tol
        Relative threshold of the rank decisions behind the name.
    centre
        Orthonormal basis of the centre, shape (k, r), one coordinate vector a row.
    derived, lower_central
        Dimensions of g, [g, g], ... up to the first 0 or the first repetition; entry 1 is dim [g, g].
    radical, nilradical
        Dimensions of the largest solvable and of the largest nilpotent ideal.
    levi
        Name of the semisimple Levi factor, g / radical.
    cartan
        Cartan types of the complexified simple ideals of the Levi factor: ("A1", "A1") for so(4), ("B2",) for
        so(5). The real form is in the name.
    rivals
        Empty if the name is decided; otherwise what the algebra is called at a third of the tolerance, at the
        tolerance and at one and a half times it, and `name` says `undecided(...)`.
    killing
        Killing form K[i, j] = trace(ad_i ad_j), shape (r, r).
    signature
        (n_plus, n_minus, n_zero) of the Killing form.
    moved
        Angle, in radians, by which generators with errors were moved to close (see `nearest_subalgebra`).

    Examples
    --------
    >>> import numpy as np
    >>> rotation = np.zeros((3, 3, 3))
    >>> for i, j, k in [(0, 1, 2), (1, 2, 0), (2, 0, 1)]:
    ...     rotation[i, j, k], rotation[j, i, k] = 1.0, -1.0
    >>> algebra = identify(rotation)
    >>> algebra.name, algebra.is_semisimple, algebra.signature
    ('so(3)', True, (0, 3, 0))
    """

    structure_constants: Array
    name: str
    aliases: tuple[str, ...]
    closure_defect: float
    jacobi_defect: float
    tol: float
    centre: Array
    derived: tuple[int, ...]
    lower_central: tuple[int, ...]
    radical: int
    nilradical: int
    levi: str
    cartan: tuple[str, ...]
    killing: Array
    signature: tuple[int, int, int]
    rivals: tuple[str, ...] = ()
    moved: float = 0.0

    @property
    def dimension(self) -> int:
        """Dimension r of the algebra as a vector space."""
        return int(self.structure_constants.shape[0])

    @property
    def is_decided(self) -> bool:
        """Whether the name does not hang on the tolerance of the rank decisions."""
        return not self.rivals

    @property
    def is_abelian(self) -> bool:
        """Whether all brackets vanish."""
        return self.derived[1] == 0

    @property
    def is_solvable(self) -> bool:
        """Whether the derived series ends in 0."""
        return self.derived[-1] == 0

    @property
    def is_nilpotent(self) -> bool:
        """Whether the lower central series ends in 0."""
        return self.lower_central[-1] == 0

    @property
    def is_semisimple(self) -> bool:
        """Whether the radical is 0 and the algebra is not."""
        return self.radical == 0 and self.dimension > 0

    def known_as(self, name: str) -> bool:
        """Whether `name` is the name or one of the aliases, up to spaces and the order of summands."""
        return _plain(name) in {_plain(known) for known in (self.name, *self.aliases)}

    def to_json(self) -> dict[str, Any]:
        """Return name, dimension, structure constants and invariants as plain lists and finite numbers."""
        return {
            "dimension": self.dimension,
            "name": self.name,
            "structure_constants": self.structure_constants.tolist(),
            "aliases": list(self.aliases),
            "closure_defect": self.closure_defect,
            "jacobi_defect": self.jacobi_defect,
            "tol": self.tol,
            "centre": self.centre.tolist(),
            "derived": list(self.derived),
            "lower_central": list(self.lower_central),
            "radical": self.radical,
            "nilradical": self.nilradical,
            "levi": self.levi,
            "cartan": list(self.cartan),
            "rivals": list(self.rivals),
            "moved": self.moved,
            "killing": self.killing.tolist(),
            "killing_signature": list(self.signature),
            "is_abelian": self.is_abelian,
            "is_solvable": self.is_solvable,
            "is_nilpotent": self.is_nilpotent,
            "is_semisimple": self.is_semisimple,
        }

    def _facts(self) -> list[tuple[str, str]]:
        also = [("also", ", ".join(self.aliases))] if self.aliases else []
        kind = " + ".join(self.cartan)
        return [
            *also,
            ("derived series", " > ".join(map(str, self.derived))),
            ("lower central", " > ".join(map(str, self.lower_central))),
            ("ideals", f"centre {len(self.centre)}, nilradical {self.nilradical}, radical {self.radical}"),
            ("Levi factor", f"{self.levi}{f' ({kind})' if kind else ''}"),
            ("Killing (+, -, 0)", ", ".join(map(str, self.signature))),
            (
                "defects",
                f"closure {self.closure_defect:.1e}, Jacobi {self.jacobi_defect:.1e} (tol {self.tol:.0e})",
            ),
            *([("moved to close", f"{np.degrees(self.moved):.2g} degrees")] if self.moved else []),
        ]

    def __str__(self) -> str:
        lines = [f"{key:<18} {value}" for key, value in self._facts()]
        return "\n  ".join([f"Lie algebra {self.name}, dimension {self.dimension}", *lines])

    def __repr__(self) -> str:
        return (
            f"LieAlgebra({self.name!r}, dimension={self.dimension}, closure_defect={self.closure_defect:.1e})"
        )

    def _repr_html_(self) -> str:
        facts = [("dimension", str(self.dimension)), *self._facts()]
        rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in facts)
        return f"<table><caption>Lie algebra {html.escape(self.name)}</caption>{rows}</table>"

    def plot(self) -> Any:
        """The table of brackets, as a matplotlib figure."""
        from dynsym import plot

        return plot.brackets(
            self.structure_constants, [f"e{i + 1}" for i in range(self.dimension)], self.name
        )


def identify(
    c: npt.ArrayLike,
    tol: float = 1e-6,
    closure_defect: float = 0.0,
    scale: float = 1.0,
    error: float = 0.0,
) -> LieAlgebra:
    """Name the real Lie algebra [e_i, e_j] = sum_k c[i, j, k] e_k, whatever the basis.

    Parameters
    ----------
    c
        Structure constants, shape (r, r, r).
    tol
        Relative threshold of every rank decision: singular values below tol times the largest |ad_x| (x a
        unit vector) count as zero, and eigenvalues of the Killing form below tol times the square of that.
        1e-6 suits exact input; for relative noise s take about 30 s to 100 s. The basis should be normalised
        (condition number up to about 10 for noisy and 100 for exact input); orthonormal generators are.
    closure_defect
        Carried into the result (see `structure_constants`).
    scale
        The algebra counts as abelian when the largest |ad_x| is at most tol * scale: noise alone has no size
        to be relative to. Brackets of generators of unit norm have scale 1.
    error
        Relative error of c (Frobenius norms), if known. The tolerance is then chosen between 10 and 100 times the
        error, and the name has to be the same at all of these tolerances that decide.

    Returns
    -------
    LieAlgebra
        An algebra outside the list of names is called `unnamed(...)` and shows its invariants. With noise (tol above
        1e-5) the name is `undecided(... or ...)` where it changes when tol is taken a third or one and a half times
        as large, or where tol exceeds 0.2.

    Raises
    ------
    DataError
        If c is not (r, r, r), not finite, not antisymmetric, or fails the Jacobi identity by more than tol.

    Examples
    --------
    >>> import numpy as np
    >>> c = np.zeros((3, 3, 3))                       # x, p and 1 under the Poisson bracket
    >>> c[0, 1, 2], c[1, 0, 2] = 1.0, -1.0
    >>> print(identify(c).name, identify(c).lower_central)
    heisenberg (3, 1, 0)
    """
    if error > 0:
        return _measured(c, closure_defect, scale, error)
    given = _antisymmetric(c, tol)
    unit, size = unit_size(given)
    doubt = _doubtful_size(unit, size / scale, tol)
    if size <= tol * scale:
        unit = np.zeros_like(unit)
    defect = inv.jacobi_defect(unit)
    require(
        defect <= tol,
        f"the Jacobi identity fails by {defect:.2e} (relative), more than tol = {tol:.0e}: these are not the "
        "structure constants of a Lie algebra; raise tol if they carry noise, or close the generators with "
        "nearest_subalgebra",
    )
    with one_blas_thread():
        found = _with_invariants(given, unit, float(closure_defect), defect, float(tol))
    if doubt and found.is_decided:
        return replace(found, name=f"undecided({' or '.join(doubt)})", aliases=(), rivals=doubt)
    return found


def _doubtful_size(unit: Array, size: float, tol: float) -> tuple[str, ...]:
    """The names with and without the brackets, where their size is too near to a noisy tolerance to say."""
    if tol <= _NOISY or not _LOWER * tol < size <= _UPPER * tol:
        return ()
    with one_blas_thread():
        names = [algebra_names(c, tol)[0] for c in (np.zeros_like(unit), balance(unit, tol)[0])]
    return tuple(_short(names))


def _with_invariants(given: Array, unit: Array, closure: float, jacobi: float, tol: float) -> LieAlgebra:
    even, basis = balance(unit, tol)
    names, rivals = _decided(even, tol)
    radical = inv.radical(even, tol)
    factor = semisimple_part(even, radical)
    levi = names[0] if not len(radical) else algebra_names(factor, tol)[0]
    return LieAlgebra(
        structure_constants=frozen(given),
        name=names[0],
        aliases=names[1:],
        closure_defect=closure,
        jacobi_defect=jacobi,
        tol=tol,
        centre=frozen(span(inv.centre(even, tol) @ basis, 0.0)),
        derived=inv.derived_series(even, tol),
        lower_central=inv.lower_central_series(even, tol),
        radical=len(radical),
        nilradical=len(inv.nilradical(even, radical, tol)),
        levi=levi,
        cartan=cartan_types(factor, tol),
        killing=frozen(inv.killing_form(given)),
        signature=inv.signature(inv.killing_form(even), tol),
        rivals=rivals,
    )


def _measured(c: npt.ArrayLike, closure_defect: float, scale: float, error: float) -> LieAlgebra:
    """The algebra at the tolerances that suit an error, if those that decide agree."""
    tolerances = [m * error for m in _MULTIPLES if m * error <= _WIDEST] or [_WIDEST]
    found = []
    for tol in tolerances[:-1]:
        try:
            found.append(identify(c, tol, closure_defect, scale))
        except DataError:  # the Jacobi identity fails by more than the smaller tolerances
            continue
    found.append(identify(c, tolerances[-1], closure_defect, scale))
    decided = [one for one in found if one.is_decided]
    names = tuple(dict.fromkeys(one.name for one in decided))
    if not decided or len({_without_numbers(name) for name in names}) == 1:
        return (decided or found)[0]
    return replace(decided[0], name=f"undecided({' or '.join(names)})", aliases=(), rivals=names)


def certain_facts(c: npt.ArrayLike, error: float) -> tuple[str, ...]:
    """The invariants that are the same at all tolerances that suit an error, where the name is not.

    Parameters
    ----------
    c
        Structure constants, shape (r, r, r), in a normalised basis.
    error
        Relative error of c.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.algebra import certain_facts
    >>> c = np.zeros((3, 3, 3))
    >>> for (i, j, k), size in (((0, 1, 2), 1.0), ((2, 0, 1), 1.0), ((1, 2, 0), 0.02)):
    ...     c[i, j, k], c[j, i, k] = size, -size
    >>> certain_facts(c, 2e-3)
    ('centre 0', 'no positive Killing direction')
    """
    wide = [m * error for m in _MULTIPLES if m * error <= _WIDEST] or [_WIDEST]
    every = sorted({factor * tol for tol in wide for factor in (_LOWER, 1.0, _UPPER)})
    unit = unit_size(_antisymmetric(c, 0.4))[0]
    with one_blas_thread():
        facts = [inv.facts(balance(unit, tol)[0], tol) for tol in every]
    same = [f for f in facts[0] if all(f in others for others in facts[1:])]
    return tuple(same)


def _without_numbers(name: str) -> str:
    """Parameters, as in bianchi VI(-4), are measured numbers and may differ in their digits."""
    return re.sub(r"-?\d*\.\d+|-\d+", "#", name)


def _decided(c: Array, tol: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names, and the rivals if the name is another one at nearby values of a noisy tolerance."""
    names = algebra_names(c, tol)
    if tol <= _NOISY or not len(c):
        return names, ()
    around = [algebra_names(c, factor * tol)[0] for factor in (_LOWER, _UPPER)]
    rivals = tuple(dict.fromkeys([names[0], *around]))
    # Every algebra of dimension up to four, and every semisimple one, has a name: `unnamed` there comes from ranks that
    # contradict each other.
    known = not re.search(r"unnamed\(dim [1-4];|unnamed\([^()]*Killing \(\d+,\d+,0\)", names[0])
    if known and tol <= _WIDEST and len({_without_numbers(name) for name in rivals}) == 1:
        return names, ()
    return (f"undecided({' or '.join(_short(rivals))})",), rivals


def _short(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(re.sub(r"unnamed\(.*?\)\)", "unnamed", name) for name in names))


def _antisymmetric(c: npt.ArrayLike, tol: float) -> Array:
    tensor = as_floats("structure constants", c, 3)
    require(0 < tol < 0.5, f"tol must lie between 0 and 0.5, got {tol}")
    require(
        len(set(tensor.shape)) == 1,
        f"structure constants must have shape (r, r, r), got {tensor.shape}; c[i, j] holds the coordinates "
        "of [e_i, e_j]",
    )
    require_finite("structure constants", tensor)
    symmetric = float(np.linalg.norm(tensor + tensor.transpose(1, 0, 2)))
    size = float(np.linalg.norm(tensor))
    if symmetric > 2 * tol * max(size, 1.0):
        raise DataError(
            "structure constants must be antisymmetric, [x, y] = -[y, x]; the symmetric part has norm "
            f"{symmetric / 2:.2e} against {size:.2e}: pass c[i, j] = [e_i, e_j], or raise tol against noise"
        )
    return (tensor - tensor.transpose(1, 0, 2)) / 2


def _plain(name: str) -> str:
    return "+".join(sorted(part.strip().replace(" ", "") for part in name.split("+")))
