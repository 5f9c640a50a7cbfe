"""Tables of data quality, as text and as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dynsym.trajectory.quality import DataQuality

_SHOWN = 8
Rows = list[list[str]]


def run_rows(facts: DataQuality) -> Rows:
    """Return the table of runs, header first; of many runs only the first are shown, then their total."""
    rows = [["run", "samples", "missing", "duration", "median step", "spread"]]
    columns = (facts.samples, facts.missing, facts.duration, facts.median_step, facts.step_spread)
    for k, label in enumerate(facts.labels[:_SHOWN]):
        rows.append([label, *(_number(column[k]) for column in columns)])
    if len(facts.labels) > _SHOWN:
        more = f"({len(facts.labels) - _SHOWN} more)"
        rows.append(
            [more, _number(facts.samples[_SHOWN:].sum()), _number(facts.missing[_SHOWN:].sum()), "", "", ""]
        )
    return rows


def state_rows(facts: DataQuality) -> Rows:
    """Return the table of states, header first."""
    rows = [["state", "lowest", "highest", "deviation", "noise", "stored step"]]
    columns = (facts.low, facts.high, facts.deviation, facts.noise, facts.step)
    for i, title in enumerate(facts.titles):
        rows.append([title, *(_number(column[i]) for column in columns)])
    return rows


def _number(value: float) -> str:
    if np.isnan(value):
        return "-"
    # Counts are shown whole, measurements to four digits.
    return f"{value:.12g}" if value == int(value) and abs(value) < 1e9 else f"{value:.4g}"


def aligned(rows: Rows) -> str:
    """Return rows as text, the first column to the left and numbers to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:]))])
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def html(rows: Rows) -> str:
    """Return rows as an HTML table."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><tr>{head}</tr>{body}</table>"
