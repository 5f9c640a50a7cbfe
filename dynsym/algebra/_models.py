"""Structure constants of named algebras in the bases that books use: integers, as many zeros as possible."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array

# "ij k" with i < j: [e_i, e_j] = e_k; a factor may stand before the k.
_TABLES = {
    "aff(1)": (2, "12 2"),
    "heisenberg": (3, "12 3"),
    "se(2)": (3, "13 -2, 23 1"),
    "e(1,1)": (3, "13 -2, 23 -1"),
    "so(3)": (3, "12 3, 13 -2, 23 1"),
    "sl(2,R)": (3, "12 2*2, 13 -2*3, 23 1"),
    "bianchi IV": (3, "13 -1, 23 -1 -2"),
    "bianchi V": (3, "13 -1, 23 -2"),
    "engel": (4, "12 3, 13 4"),
    "oscillator": (4, "12 3, 14 -2, 24 1"),
    "split oscillator": (4, "12 3, 14 -1, 24 2"),
    "sim(2)": (4, "13 -2, 23 1, 14 -1, 24 -2"),
    "sa(2)": (5, "12 2*2, 13 -2*3, 23 1, 14 4, 15 -5, 25 4, 34 5"),
    "aff(2)": (6, "12 2*2, 13 -2*3, 23 1, 14 4, 15 -5, 25 4, 34 5, 46 -4, 56 -5"),
    "schroedinger(1)": (6, "12 2*2, 13 -2*3, 23 1, 14 4, 15 -5, 25 4, 34 5, 45 6"),
    "galilei(2)": (6, "12 3, 13 -2, 14 5, 15 -4, 26 4, 36 5"),
}


def model(name: str) -> Array | None:
    """Structure constants of an algebra, or of a direct sum, by name in the usual basis; None for names without one.

    Examples
    --------
    >>> from dynsym.algebra import model
    >>> model("so(4) + R").shape, model("g2") is None
    ((7, 7, 7), True)
    """
    parts = [_one(part) for part in name.split(" + ")]
    if any(part is None for part in parts):
        return None
    r = sum(len(part) for part in parts if part is not None)
    out, at = np.zeros((r, r, r)), 0
    for part in parts:
        assert part is not None
        end = at + len(part)
        out[at:end, at:end, at:end] = part
        at = end
    return out


def _one(name: str) -> Array | None:
    if name in _TABLES:
        return _from_table(*_TABLES[name])
    if name == "R":
        return np.zeros((1, 1, 1))
    family, _, rest = name.replace("^", "(").partition("(")
    numbers = [int(n) for n in re.findall(r"\d+", rest)]
    field = "R" if "R" in rest else "C" if "C" in rest else ""
    make = _FAMILIES.get(f"{family}({field})") if name != "sl(2,C)" else _lorentz
    return make(numbers) if make is not None and numbers and "*" not in name else None


def _from_table(r: int, text: str) -> Array:
    entries = []
    for item in text.split(","):
        pair, *terms = item.split()
        for term in terms:
            factor, _, place = term.rpartition("*")
            sign = -1.0 if term.startswith("-") else 1.0
            size = abs(float(factor)) if factor else 1.0
            entries.append((int(pair[0]) - 1, int(pair[1]) - 1, abs(int(place)) - 1, sign * size))
    return _tensor(r, entries)


def _tensor(r: int, entries: list[tuple[int, int, int, float]]) -> Array:
    c = np.zeros((r, r, r))
    for i, j, k, value in entries:
        c[i, j, k] += value
        c[j, i, k] -= value
    return c


def _of_matrices(basis: npt.NDArray[np.complex128]) -> Array:
    flat = _real(basis.reshape(len(basis), -1))
    both = np.einsum("aij,bjk->abik", basis, basis)
    values = (both - both.transpose(1, 0, 2, 3)).reshape(len(basis), len(basis), -1)
    return np.asarray(np.round(_real(values) @ np.linalg.pinv(flat), 9) + 0.0)


def _real(values: npt.NDArray[np.complex128]) -> Array:
    return np.concatenate([values.real, values.imag], axis=-1)


def _unitary(eta: list[float]) -> Array:
    """i times differences of neighbouring diagonal units, then the two matrices of each pair of coordinates."""
    n = len(eta)
    units = np.eye(n * n, dtype=complex).reshape(n, n, n, n)
    out = [1j * (units[k, k] - units[k + 1, k + 1]) for k in range(n - 1)]
    for a, b in combinations(range(n), 2):
        sign = eta[a] * eta[b]
        out += [units[a, b] - sign * units[b, a], 1j * (units[a, b] + sign * units[b, a])]
    return _of_matrices(np.stack(out))


def _orthogonal(eta: list[float], translations: bool) -> Array:
    """Rotations and boosts in the planes of the coordinates, then translations if asked for."""
    n = len(eta)
    out = []
    for a, b in combinations(range(n), 2):
        m = np.zeros((n + 1, n + 1))
        m[a, b], m[b, a] = -1.0, eta[a] * eta[b]
        out.append(m)
    for a in range(n) if translations else ():
        m = np.zeros((n + 1, n + 1))
        m[a, n] = 1.0
        out.append(m)
    return _of_matrices(np.stack(out).astype(complex))


def _linear(n: int, scalars: bool) -> Array:
    """Differences of neighbouring diagonal units, the units off the diagonal, and 1 if asked for."""
    units = np.eye(n * n).reshape(n, n, n, n)
    out = [units[i, i] - units[i + 1, i + 1] for i in range(n - 1)]
    out += [units[i, j] for i in range(n) for j in range(n) if i != j]
    return _of_matrices(np.stack([*out, np.eye(n)] if scalars else out).astype(complex))


def _signs(numbers: list[int]) -> list[float]:
    return [1.0] * numbers[0] + [-1.0] * sum(numbers[1:])


def _lorentz(numbers: list[int]) -> Array:
    return _orthogonal([1.0, 1.0, 1.0, -1.0], translations=False)


def _heisenberg(numbers: list[int]) -> Array:
    half = numbers[0] // 2
    return _tensor(2 * half + 1, [(i, half + i, 2 * half, 1.0) for i in range(half)])


_FAMILIES: dict[str, Callable[[list[int]], Array]] = {
    "R()": lambda numbers: np.zeros((numbers[0],) * 3),
    "heisenberg()": _heisenberg,
    "so()": lambda numbers: _orthogonal(_signs(numbers), translations=False),
    "se()": lambda numbers: _orthogonal(_signs(numbers), translations=True),
    "iso()": lambda numbers: _orthogonal(_signs(numbers), translations=True),
    "su()": lambda numbers: _unitary(_signs(numbers)),
    "sl(R)": lambda numbers: _linear(numbers[0], scalars=False),
    "gl(R)": lambda numbers: _linear(numbers[0], scalars=True),
}
