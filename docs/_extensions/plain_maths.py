"""Sphinx extension: docstrings write mathematics as plain text, and reStructuredText leaves it alone.

In our docstrings |x| is a norm and never a substitution, A* an adjoint and never the start of an emphasis,
theta_ a symbol and never a link. Text in backticks, doctest lines and literal blocks stay as they are.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_LITERAL = re.compile(r"(``.+?``|`.+?`_?)")
_EMPHASIS = re.compile(r"(?<![\w*])(\*\*?)(?=\S)([^*]+?)(?<=\S)\1(?![\w*])")


def escape(text: str) -> str:
    """Return one line with the characters that reStructuredText would read as markup escaped."""
    pieces = _LITERAL.split(text)
    return "".join(piece if piece.startswith("`") else _escape_plain(piece) for piece in pieces)


def _escape_plain(text: str) -> str:
    text = text.replace("|", r"\|")
    text = re.sub(r"(?<=\w)_(?!\w)", r"\_", text)
    if not _EMPHASIS.search(text):
        text = text.replace("*", r"\*")
    return text


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape a docstring in place, before numpydoc gives it structure."""
    in_doctest = False
    literal_indent = None
    for i, line in enumerate(lines):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        in_doctest = stripped.startswith(">>>") or (in_doctest and bool(stripped))
        if literal_indent is not None and stripped and indent <= literal_indent:
            literal_indent = None
        if stripped.startswith("..") or in_doctest or literal_indent is not None:
            continue
        lines[i] = escape(line)
        if stripped.endswith("::"):
            literal_indent = indent


def setup(app: Sphinx) -> dict[str, Any]:
    """Run before numpydoc, whose hook has the default priority 500."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"version": "1", "parallel_read_safe": True}
