"""Text files: CSV, TSV and white-space tables with a header line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from dynsym._checks import DataError, require, unique_names
from dynsym.trajectory.tables import Table

_MISSING = {"", "na", "n/a", "nan", "null", "none"}
_COMMENT = ("%", "#")
# Dates are recognised by their shape, because NumPy would also take words such as "now" for one.
_DATE = re.compile(r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?Z?$")
_WITH_UNIT = re.compile(r"^(.+?)\s*\[([^\]]*)\]$")


@dataclass(frozen=True)
class _Head:
    """What comes before the data: names, delimiter (None is white space), and how many lines to skip."""

    names: tuple[str, ...]
    delimiter: str | None
    skip: int


def read_text(path: Path) -> Table:
    """Return the table in a text file.

    The first line that is no comment names the columns, "x [m]" with a unit. A table without such a line
    is read when the last comment line (% or #) names its columns; if it names only the last ones, the
    columns before them are the time (one) or run and time (two).
    """
    try:
        head = _read_head(path)
        columns = _fast_columns(path, head)
        if columns is None:
            columns = _careful_columns(path, head)
    except UnicodeDecodeError as error:
        raise DataError(f"not a text file in UTF-8 (byte {error.start}: {error.reason})") from error
    names, units = _names_and_units(head)
    return Table(dict(zip(names, columns)), units, first_row=head.skip + 1)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig", newline=None) as file:
        for number, line in enumerate(file):
            if line.strip():
                yield number, line.rstrip("\n")


def _read_head(path: Path) -> _Head:
    comment = ""
    for number, line in _lines(path):
        if line.lstrip().startswith(_COMMENT):
            comment = line.lstrip().lstrip("".join(_COMMENT))
            continue
        delimiter = next((mark for mark in "\t;," if mark in line.strip()), None)
        fields = _split(line, delimiter)
        if not all(_is_number(text) for text in fields):
            return _Head(tuple(fields), delimiter, number + 1)
        names = _comment_names(comment, delimiter, len(fields), number)
        return _Head(names, delimiter, number)
    raise DataError("no row of data: the file holds " + ("comments only" if comment else "only blank lines"))


def _comment_names(comment: str, delimiter: str | None, width: int, number: int) -> tuple[str, ...]:
    require(
        comment.strip() != "",
        f"line {number + 1} is all numbers and no header line names the {width} columns; add one, such as "
        "t,x,v",
    )
    mark = next((mark for mark in "\t;," if mark in comment.strip()), delimiter)
    names = tuple(_split(comment, mark if mark and mark in comment else None))
    before = {0: (), 1: ("t",), 2: ("run", "t")}.get(width - len(names))
    if before is None:
        raise DataError(f"the comment line names {len(names)} columns {names}, but the rows have {width}")
    return before + names


def _split(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    return [text.strip() for text in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]


def _is_number(text: str) -> bool:
    if text.strip().lower() in _MISSING:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _names_and_units(head: _Head) -> tuple[tuple[str, ...], dict[str, str]]:
    require(
        head.names[0] != "",
        "the first column has no name; if it is a row index, save without it (index=False), else name it",
    )
    names, units = [], {}
    for text in head.names:
        match = _WITH_UNIT.match(text)
        names.append(match[1] if match else text)
        if match:
            units[match[1]] = match[2].strip()
    return unique_names("column", names), units


def _fast_columns(path: Path, head: _Head) -> list[np.ndarray] | None:
    """Return the columns of a complete table of numbers, or None when it is anything else."""
    rows = (line for number, line in _lines(path) if number >= head.skip)
    first = next(rows, None)
    if first is None:
        return None
    try:
        table = np.loadtxt(chain([first], rows), delimiter=head.delimiter, comments=None, ndmin=2)
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        return None
    return list(table.T) if table.shape[1] == len(head.names) else None


def _careful_columns(path: Path, head: _Head) -> list[np.ndarray]:
    """Return the columns of any table; missing cells become NaN, and what is wrong is said by line."""
    width = len(head.names)
    cells: list[list[str]] = [[] for _ in range(width)]
    lines: list[int] = []
    for number, line in _lines(path):
        if number < head.skip or line.lstrip().startswith(_COMMENT):
            continue
        fields = _split(line, head.delimiter)
        require(
            len(fields) == width,
            f"line {number + 1} has {len(fields)} fields where the header names {width} "
            f"({', '.join(head.names)}): {line[:60]!r}; is the file cut off there?",
        )
        lines.append(number + 1)
        for column, text in zip(cells, fields):
            column.append(text)
    require(len(lines) > 0, f"no row of data after the header ({', '.join(head.names)})")
    return [_convert(name, column, lines) for name, column in zip(head.names, cells)]


def _convert(name: str, texts: list[str], lines: list[int]) -> np.ndarray:
    """Return a column as floats, as dates, or as text where no cell is a number."""
    numeric = [_is_number(text) for text in texts]
    if all(numeric):
        return np.array([np.nan if text.lower() in _MISSING else float(text) for text in texts])
    if any(ok and text.lower() not in _MISSING for ok, text in zip(numeric, texts)):
        at = numeric.index(False)
        raise DataError(
            f"column {name!r} holds the text {texts[at]!r} on line {lines[at]} among numbers; correct it or "
            "leave the cell empty"
        )
    if all(_DATE.match(text) for text in texts):
        return np.array([text.removesuffix("Z") for text in texts], dtype="datetime64[ns]")
    return np.array(texts)
