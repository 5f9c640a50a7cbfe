"""Names of the simple real Lie algebras, from dimension, Killing signature and root lengths.

References
----------
S. Helgason (1978), Differential Geometry, Lie Groups, and Symmetric Spaces, chapter X, tables II, IV and V.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dynsym._checks import Array
from dynsym.algebra._linear import change_basis, unit_size
from dynsym.algebra.invariants import killing_form, signature

# Complex types that are the same algebra under two letters.
_SAME_TYPE = {("B", 1): ("A", 1), ("C", 1): ("A", 1), ("C", 2): ("B", 2), ("D", 3): ("A", 3)}

_ALSO = {
    "sl(2,C)": ("so(3,1)", "lorentz", "conformal(2)"),
    "so(4,1)": ("de sitter", "conformal(3)"),
    "so(3,2)": ("anti de sitter", "conformal(2,1)"),
    "su(2,2)": ("so(4,2)", "conformal(3,1)"),
}


class _Form(NamedTuple):
    name: str
    kind: tuple[str, int]
    n_plus: int
    is_complex: bool = False


def simple_names(c: Array, tol: float, is_complex: bool) -> tuple[str, ...]:
    """Name of a simple real Lie algebra, followed by its other names; () if its numbers fit none.

    Up to dimension 152 the complex type and the Killing signature fix the real form; so(2n + 1) and sp(n)
    share dimension and rank and are told apart by counting long and short roots.
    """
    fits = _fitting(c, tol, is_complex)
    if len({_kind(f) for f in fits}) > 1:
        return (" or ".join(f.name for f in fits),)
    names = [f.name for f in fits]
    return tuple(dict.fromkeys(names + list(_ALSO.get(names[0], ()) if names else ())))


def cartan_type(c: Array, tol: float, is_complex: bool) -> tuple[str, ...]:
    """Cartan types of the complexification of a simple real Lie algebra: one, or twice the same; () if unknown."""
    kinds = {_kind(f) for f in _fitting(c, tol, is_complex)}
    if len(kinds) != 1:
        return ()
    letter, rank = kinds.pop()
    return (f"{letter}{rank}",) * (2 if is_complex else 1)


def _fitting(c: Array, tol: float, is_complex: bool) -> list[_Form]:
    """The real forms with the dimension and the Killing signature of c; of types that agree in both, the right one."""
    plus, minus, _ = signature(killing_form(c), tol)
    r = c.shape[0]
    fits = [f for f in _forms(r) if f.is_complex == is_complex and f.n_plus == plus and plus + minus == r]
    if len({_kind(f) for f in fits}) > 1:
        letter = _long_or_short(c)
        fits = [f for f in fits if letter is None or f.kind[0] == letter]
    return fits


def _kind(form: _Form) -> tuple[str, int]:
    return _SAME_TYPE.get(form.kind, form.kind)


def _forms(r: int) -> Iterator[_Form]:
    """All classical forms and the types G2 and F4 of real dimension r, the preferred name first."""
    limit = int(np.sqrt(2 * r)) + 2
    for family in _FAMILIES:
        for n in range(1, limit + 1):
            yield from (f for f in family(n, r))
    yield from _exceptional(r)


def _so_kind(n: int) -> tuple[str, int]:
    return ("B", (n - 1) // 2) if n % 2 else ("D", n // 2)


def _orthogonal_compact(n: int, r: int) -> Iterator[_Form]:
    if n not in (1, 2, 4) and n * (n - 1) == 2 * r:
        yield _Form(f"so({n})", _so_kind(n), 0)


def _linear(n: int, r: int) -> Iterator[_Form]:
    if n >= 2 and n * n - 1 == r:
        yield _Form(f"sl({n},R)", ("A", n - 1), n * (n + 1) // 2 - 1)


def _unitary(n: int, r: int) -> Iterator[_Form]:
    if n >= 2 and n * n - 1 == r:
        yield _Form(f"su({n})", ("A", n - 1), 0)
        for q in range(1, n // 2 + 1):
            yield _Form(f"su({n - q},{q})", ("A", n - 1), 2 * q * (n - q))


def _orthogonal(n: int, r: int) -> Iterator[_Form]:
    if n not in (1, 2, 4) and n * (n - 1) == 2 * r:
        for q in range(1, n // 2 + 1):
            yield _Form(f"so({n - q},{q})", _so_kind(n), q * (n - q))


def _symplectic(n: int, r: int) -> Iterator[_Form]:
    if n * (2 * n + 1) == r:
        yield _Form(f"sp({n})", ("C", n), 0)
        yield _Form(f"sp({2 * n},R)", ("C", n), n * (n + 1))
        for q in range(1, n // 2 + 1):
            yield _Form(f"sp({n - q},{q})", ("C", n), 4 * q * (n - q))


def _quaternionic(n: int, r: int) -> Iterator[_Form]:
    if n >= 2 and 4 * n * n - 1 == r:
        yield _Form(f"su*({2 * n})", ("A", 2 * n - 1), (n - 1) * (2 * n + 1))
    if n >= 3 and n * (2 * n - 1) == r:
        yield _Form(f"so*({2 * n})", ("D", n), n * (n - 1))


def _complex_linear(n: int, r: int) -> Iterator[_Form]:
    if n >= 2 and 2 * (n * n - 1) == r:
        yield _Form(f"sl({n},C)", ("A", n - 1), r // 2, True)


def _complex_orthogonal(n: int, r: int) -> Iterator[_Form]:
    if n not in (1, 2, 4) and n * (n - 1) == r:
        yield _Form(f"so({n},C)", _so_kind(n), r // 2, True)


def _complex_symplectic(n: int, r: int) -> Iterator[_Form]:
    if 2 * n * (2 * n + 1) == r:
        yield _Form(f"sp({2 * n},C)", ("C", n), r // 2, True)


def _exceptional(r: int) -> Iterator[_Form]:
    table = {14: (("g2", 0), ("g2(2)", 8)), 52: (("f4", 0), ("f4(-20)", 16), ("f4(4)", 28))}
    for name, plus in table.get(r, ()):
        yield _Form(name, ("G", 2) if r == 14 else ("F", 4), plus)


_FAMILIES = (
    _orthogonal_compact,
    _linear,
    _unitary,
    _orthogonal,
    _symplectic,
    _quaternionic,
    _complex_linear,
    _complex_orthogonal,
    _complex_symplectic,
)


def killing_units(c: Array) -> Array:
    """A semisimple algebra in a basis where its Killing form is a multiple of diag(1, -1), at unit size."""
    values, vectors = np.linalg.eigh(killing_form(c))
    return unit_size(change_basis(c, vectors.T / np.sqrt(np.abs(values))[:, None]))[0]


def _long_or_short(c: Array) -> str | None:
    """'B' if long roots outnumber short ones, 'C' if the reverse, None if two lengths cannot be told."""
    lengths = _root_lengths(c)
    low, high = float(np.min(lengths)), float(np.max(lengths))
    if not 1.5 < high / max(low, 1e-300) < 2.7:
        return None
    short = int(np.sum(lengths < np.sqrt(low * high)))
    return "B" if 2 * short < len(lengths) else "C"


def _root_lengths(c: Array) -> Array:
    """Squared lengths of the roots with respect to a generic Cartan subalgebra, in the Killing form."""
    rng = np.random.default_rng(1)
    draws = [rng.standard_normal(c.shape[0]) for _ in range(8)]
    spectra = [np.linalg.eig(np.einsum("i,ijk->kj", x, c)) for x in draws]
    rank = _rank(c.shape[0])
    values, vectors = max(spectra, key=lambda s: float(np.sort(np.abs(s[0]))[rank] / np.max(np.abs(s[0]))))
    order = np.argsort(np.abs(values))
    cartan, roots = vectors[:, order[:rank]].T, vectors[:, order[rank:]]
    # The root of eigenvector v at the Cartan element h is read off [h, v] = alpha(h) v by projection on v.
    images = np.einsum("ai,ijk,jd->akd", cartan, c, roots, optimize=True)
    alpha = np.einsum("kd,akd->ad", roots.conj(), images) / np.sum(np.abs(roots) ** 2, axis=0)
    form = cartan @ killing_form(c) @ cartan.T
    return np.asarray(np.abs(np.einsum("ad,ab,bd->d", alpha, np.linalg.inv(form), alpha)))


def _rank(r: int) -> int:
    """Rank n of the types B and C of dimension n (2 n + 1) = r, or of the complex ones seen as real."""
    n = round((np.sqrt(8 * r + 1) - 1) / 4)
    return n if n * (2 * n + 1) == r else 2 * round((np.sqrt(4 * r + 1) - 1) / 4)
