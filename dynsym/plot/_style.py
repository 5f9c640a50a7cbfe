"""One look for every figure: colours that say what they mean, thin axes, sizes that fit a page."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, FAINT = "#1f2429", "#66707a", "#c9d0d6"
ACCENT = "#2463a6"
# Each verdict has a colour and a shape, so that the figures can be read without telling colours apart.
STATUS_COLOUR = {"certified": "#16805a", "refuted": "#c2410c", "undecided": "#a97c00"}
STATUS_MARKER = {"certified": "o", "refuted": "X", "undecided": "^"}
RUN_COLOURS = ("#3b7dc4", "#d1702a", "#3a9a6b", "#b0509a", "#a58a1b", "#7b67c9", "#2f9aa8", "#c44d5b")

_SETTINGS: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "auto",
    "axes.formatter.limits": (-3, 4),
    # Typesetting of tick labels would take most of the time of a page; superscripts are in every font.
    "axes.formatter.use_mathtext": False,
}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a drawing function under these settings and leave the user's own untouched."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(_SETTINGS):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches, that no window manager knows of."""
    return Figure(figsize=(width, height), layout="constrained")


def run_colour(index: int) -> str:
    """Colour of the run with this index; the colours repeat after eight."""
    return RUN_COLOURS[index % len(RUN_COLOURS)]


def say(axis: Axes, text: str) -> None:
    """Write a sentence into an axis that has nothing to show."""
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, transform=axis.transAxes)


_RAISED = str.maketrans("0123456789-", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b")


def power_label(value: float, _position: float | None = None) -> str:
    """10 to a whole power with the power raised, for logarithmic axes."""
    return "10" + f"{round(math.log10(value))}".translate(_RAISED) if value > 0 else ""


def shorten(text: str, most: int = 44) -> str:
    """An expression as a person writes it (``x**2*v`` as x\u00b2 v), cut to the room there is."""
    text = re.sub(r"\*\*(-?\d+)", lambda power: power[1].translate(_RAISED), text)
    text = re.sub(r"(?<!\*)\*(?!\*)", "\N{NO-BREAK SPACE}", text).replace("**", "^")
    text = re.sub(r"\bd/d(\w+)", "\N{PARTIAL DIFFERENTIAL}/\N{PARTIAL DIFFERENTIAL}\\1", text)
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def theme() -> dict[str, str]:
    """The colours that carry a meaning, by name; a page may put its own in their place."""
    return {"ink": INK, "muted": MUTED, "faint": FAINT, "accent": ACCENT, **STATUS_COLOUR}
