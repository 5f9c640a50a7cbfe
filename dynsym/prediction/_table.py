"""Predictions as a text table and as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._results import Prediction, Predictions

Row = tuple[str, ...]


def header(found: Predictions) -> str:
    """What was predicted, in one line."""
    count = len(set(found.runs.tolist()))
    noise = f", noise of the starts {found.start_error:.1e}" if found.start_error > 0 else ""
    return (
        f"predictions of {count} held-out run{'s' if count != 1 else ''} from {len(found.runs)} starts; valid until the "
        f"error exceeds {found.rule.threshold:g} of the spread{noise}"
    )


def rows(found: Predictions) -> list[Row]:
    """Cells of the table, the first row being its head."""
    unit = found.lyapunov_time or found.characteristic_time
    kind = "Lyapunov" if found.lyapunov_time is not None else "characteristic"
    head = ["model", "rollout error", "valid time", f"{kind} times", "broken down"]
    head += [
        f"drift of {law}" if len(law) <= 24 else f"drift of law {k + 1}" for k, law in enumerate(found.laws)
    ]
    out = [(*head, f"against {found.findings[0].name}" if len(found.findings) > 1 else "")]
    return out + [_row(found, f, unit) for f in found.findings]


def _row(found: Predictions, one: Prediction, unit: float) -> Row:
    at_least = ">= " if one.is_bound else ""
    verdict = ""
    if one is not found.findings[0]:
        compared = found.against(one.name)
        verdict = f"{compared.verdict} ({compared.wins}:{compared.losses}, p={compared.p_value:.2g})"
    return (
        one.name,
        f"{one.error:.3g}",
        f"{at_least}{one.valid_time:.3g}",
        f"{at_least}{one.valid_time / unit:.3g}",
        f"{int(one.lost.sum())} of {len(one.lost)}",
        *(f"{d:.1e}" if np.isfinite(d) else "lost" for d in one.drift),
        verdict,
    )


def lines(found: Predictions) -> list[str]:
    """The table as lines of text."""
    table = rows(found)
    widths = [max(len(row[k]) for row in table) for k in range(len(table[0]))]
    body = [
        "  " + "  ".join(f"{c:<{w}}" if k == 0 else f"{c:>{w}}" for k, (c, w) in enumerate(zip(row, widths)))
        for row in table
    ]
    notes = [f"  law {k + 1}: {law}" for k, law in enumerate(found.laws) if len(law) > 24]
    return [header(found), *(line.rstrip() for line in body), *notes]


def html_table(found: Predictions) -> str:
    """The table as HTML."""
    head, *body = rows(found)
    top = "".join(f"<th>{escape(c)}</th>" for c in head)
    inner = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in body)
    return f"<p>{escape(header(found))}</p><table><thead><tr>{top}</tr></thead><tbody>{inner}</tbody></table>"
