"""Representations by name, for the command line."""

from __future__ import annotations

import re

from .._checks import DataError, require
from ._products import antisymmetric_square, symmetric_square
from ._representations import Representation, dual, trivial, vector

_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z_0-9]*|[0-9]+|[()+*,])")
_KNOWN = (
    "trivial, trivial(3), vector, vector(x, y), dual, symmetric, antisymmetric, their sums + and products *"
)


def representation_by_name(text: str) -> Representation:
    """A representation from an expression: ``vector``, ``symmetric + trivial``, ``vector * vector``, ``dual(vector(x, y))``.

    Raises
    ------
    DataError
        For what is no such expression, naming the known words.

    Examples
    --------
    >>> from dynsym.sections import representation_by_name
    >>> print(representation_by_name("symmetric + trivial(2)"))
    symmetric + trivial(2)
    """
    tokens, rest = [], text.rstrip()
    while rest:
        match = _TOKEN.match(rest)
        require(
            match is not None, f"cannot read {rest.strip()!r} in representation {text!r}; known are: {_KNOWN}"
        )
        assert match is not None
        tokens.append(match.group(1))
        rest = rest[match.end() :]
    reader = _Reader(text, tokens)
    out = reader.sum()
    require(not reader.tokens, f"{' '.join(reader.tokens)!r} is left over in representation {text!r}")
    return out


class _Reader:
    """Recursive descent: sums of products of words."""

    def __init__(self, text: str, tokens: list[str]) -> None:
        self.text, self.tokens = text, tokens

    def sum(self) -> Representation:
        out = self.product()
        while self._accept("+"):
            out = out + self.product()
        return out

    def product(self) -> Representation:
        out = self.word()
        while self._accept("*"):
            out = out * self.word()
        return out

    def word(self) -> Representation:
        if self._accept("("):
            inner = self.sum()
            self._expect(")")
            return inner
        name = self.tokens.pop(0) if self.tokens else ""
        if name == "trivial":
            count = self._arguments()
            return trivial(int(count[0]) if count and count[0].isdigit() else 1)
        if name == "vector":
            return vector(*self._arguments())
        makers = {"dual": dual, "symmetric": symmetric_square, "antisymmetric": antisymmetric_square}
        if name not in makers:
            raise DataError(f"unknown representation {name!r} in {self.text!r}; known are: {_KNOWN}")
        inner = vector()
        if self._accept("("):
            made = self.sum()
            self._expect(")")
            return makers[name](made)
        return makers[name](inner)

    def _arguments(self) -> list[str]:
        out: list[str] = []
        if self._accept("("):
            while self.tokens and self.tokens[0] != ")":
                out.append(self.tokens.pop(0))
                self._accept(",")
            self._expect(")")
        return out

    def _accept(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        require(self._accept(token), f"a {token!r} is missing in representation {self.text!r}")
