"""The text of straight-line programs: products and sums, one after the other.

It is written from integer powers and floating-point numbers in variables x0, x1, ...; neither names nor any other text
of the user enters it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .._checks import Array
from ._rows import Monomial, Row, Rows

Chain = dict[Monomial, tuple[Monomial, Monomial]]

_SUMMANDS_PER_LINE = 50  # Python's parser recurses into sums
_DENSE_FROM = 24  # coefficients, of which a quarter is not zero: a matrix product is then the faster sum


def chain_of(rows: Rows) -> Chain:
    """Each monomial of degree two or more as (one factor less, that factor), lower ones first."""
    wanted = {m for row in rows.rows for m in row}
    chain: Chain = {}

    def enter(monomial: Monomial) -> None:
        if monomial in chain or _degree(monomial) < 2:
            return
        lower = [_without(monomial, variable) for variable, _ in monomial]
        # A factor less that is there anyway is better than one that is made for this purpose only.
        best = next((m for m in reversed(lower) if m in chain or m in wanted), lower[-1])
        enter(best)
        chain[monomial] = (best, ((monomial[lower.index(best)][0], 1),))

    for monomial in sorted(wanted, key=lambda m: (_degree(m), m)):
        enter(monomial)
    return chain


def _degree(monomial: Monomial) -> int:
    return sum(power for _, power in monomial)


def _without(monomial: Monomial, variable: int) -> Monomial:
    """The monomial with one factor of a variable less."""
    return tuple((v, p - (v == variable)) for v, p in monomial if p > 1 or v != variable)


def _names(rows: Rows, chain: Chain) -> dict[Monomial, str]:
    """What each monomial is called: x0, x1, ... the states and atoms, m0, m1, ... the products."""
    names: dict[Monomial, str] = {((k, 1),): f"x{k}" for k in range(len(rows.names) + len(rows.atoms))}
    names.update((monomial, f"m{i}") for i, monomial in enumerate(chain))
    return names


def scalar_source(rows: Rows, chain: Chain) -> list[str]:
    """``one(x0, x1, ...)``, which returns a tuple of floats."""
    names = _names(rows, chain)
    n = len(rows.names)
    states = ", ".join(f"x{k}" for k in range(n))
    lines = [f"def one({states}):"]
    if rows.atoms:
        lines.append(f"    {''.join(f'x{k}, ' for k in range(n, n + len(rows.atoms)))}= atoms({states})")
    lines += [f"    {names[m]} = {names[a]} * {names[b]}" for m, (a, b) in chain.items()]
    values = []
    for i, row in enumerate(rows.rows):
        parts = [_summand(c, names.get(m)) for m, c in row.items()]
        head, rest = parts[:_SUMMANDS_PER_LINE], parts[_SUMMANDS_PER_LINE:]
        value = " + ".join(head) or "0.0"
        if rest:
            lines.append(f"    f{i} = {value}")
            value = f"f{i}"
        for start in range(0, len(rest), _SUMMANDS_PER_LINE):
            lines.append(f"    f{i} += {' + '.join(rest[start : start + _SUMMANDS_PER_LINE])}")
        values.append(value)
    return [*lines, f"    return ({', '.join(values)},)"]


def _summand(c: float, name: str | None) -> str:
    if name is None:
        return repr(c)
    return {1.0: name, -1.0: f"-{name}"}.get(c, f"{c!r}*{name}")


def vector_source(rows: Rows, chain: Chain) -> tuple[list[str], int, Array | None]:
    """``columns(x, out, work)``, the number of rows of `work`, and the coefficients if they are a matrix."""
    names = _names(rows, chain)
    n, last = len(rows.names), len(rows.names) + len(rows.atoms)
    lines = ["def columns(x, out, work):", f"    {_listed(f'x{k}' for k in range(n))}= x"]
    if rows.atoms:
        lines.append(f"    {_listed(f'x{k}' for k in range(n, last))}= atoms(*x)")
    products = [f"    multiply({names[a]}, {names[b]}, {names[m]})" for m, (a, b) in chain.items()]
    terms = list(dict.fromkeys(m for row in rows.rows for m in row))
    count = sum(len(row) for row in rows.rows)
    if count >= _DENSE_FROM and 4 * count >= len(rows.rows) * len(terms):
        table = [*terms, *(m for m in chain if m not in terms)]
        own = {m: names[m] if m in chain else f"r{j}" for j, m in enumerate(table)}
        lines.append(f"    {_listed(own.values())}= work")
        lines += [
            f"    copy({own[m]}, {names[m]})" if m else f"    {own[m]}.fill(1.0)"
            for m in terms
            if m not in chain
        ]
        matrix = np.array([[row.get(m, 0.0) for m in terms] for row in rows.rows])
        return [*lines, *products, f"    matmul(coefficients, work[:{len(terms)}], out)"], len(table), matrix
    lines.append(f"    {_listed(f'f{i}' for i in range(len(rows.rows)))}= out")
    lines.append(f"    {_listed(names[m] for m in chain)}s, = work")
    sums = [f"    {line}" for i, row in enumerate(rows.rows) for line in _sum(f"f{i}", row, names)]
    return [*lines, *products, *sums], len(chain) + 1, None


def _listed(names: Iterable[str]) -> str:
    return "".join(f"{name}, " for name in names)


def _sum(out: str, row: Row, names: dict[Monomial, str]) -> list[str]:
    """Lines that set `out` to a sum of coefficients times monomials."""
    if not row:
        return [f"{out}.fill(0.0)"]
    return [
        line
        for k, (m, c) in enumerate(row.items())
        for line in _accumulated(out, names.get(m), c, first=k == 0)
    ]


def _accumulated(out: str, name: str | None, c: float, first: bool) -> list[str]:
    """Lines that set `out` to, or add to it, c times a row; a row that is None is 1."""
    if name is None:
        return [f"{out}.fill({c!r})" if first else f"add({out}, {c!r}, {out})"]
    if abs(c) == 1:
        set_to = f"copy({out}, {name})" if c > 0 else f"negative({name}, {out})"
        return [set_to if first else f"{'add' if c > 0 else 'subtract'}({out}, {name}, {out})"]
    if first:
        return [f"multiply({name}, {c!r}, {out})"]
    return [f"multiply({name}, {c!r}, s)", f"add({out}, s, {out})"]
