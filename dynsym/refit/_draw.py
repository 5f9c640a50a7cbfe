"""Refits as a figure and as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._result import Refit


def draw_refit(done: Refit) -> Any:
    """Held-out errors of all attempts, and the generators with two standard errors."""
    from ..plot import refit

    return refit(done)


def as_html(done: Refit) -> str:
    """The table of attempts, the generators and the equations."""
    head = "".join(
        f"<th>{t}</th>" for t in ("", "generators", "parameters", "held-out error", "change of its square")
    )
    body = []
    for one in done.attempts:
        change = (
            f"{100 * one.change:+.1f} &plusmn; {100 * one.change_error:.1f} %"
            if one.label != "plain fit"
            else ""
        )
        cells = (escape(one.label), one.n_generators, one.freedom, f"{one.heldout:.3e}", change)
        row = "".join(f"<td>{cell}</td>" for cell in cells)
        body.append(f"<tr>{row}</tr>" if not one.kept else f"<tr style='font-weight:bold'>{row}</tr>")
    lists = [done.generators.expressions(4), done.model.equations(5), list(done.warnings)]
    more = "".join(f"<ul>{''.join(f'<li>{escape(t)}</li>' for t in texts)}</ul>" for texts in lists if texts)
    return f"<p>{escape(done.message)}</p><table><tr>{head}</tr>{''.join(body)}</table>{more}"
