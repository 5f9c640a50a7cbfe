"""Figures as inline SVG: no outside links, unique names, colours that follow the page's mode."""

from __future__ import annotations

import re
from html import escape
from io import StringIO

import matplotlib as mpl
from matplotlib.figure import Figure

from ..plot import theme

_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_COLOURS = {hexadecimal: f"var(--{name})" for name, hexadecimal in theme().items()}


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an <svg> element that can stand in an HTML page.

    Parameters
    ----------
    figure
        Any matplotlib figure.
    name
        Prefix of all ids inside, so that several figures can share a page.
    description
        What a reader who cannot see it is told.
    """
    buffer = StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dynsym"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = text.replace("xlink:href", "href")
    text = _unique(text, name)
    text = re.sub(r'\b(d|x|y|points)="([^"]*)"', lambda m: f'{m[1]}="{_NUMBER.sub(_rounded, m[2])}"', text)
    for hexadecimal, variable in _COLOURS.items():
        text = text.replace(hexadecimal, variable)
    text = re.sub(r"font: ([^;\"]*?px) [^;\"]*", r"font: \1 var(--sans)", text)
    # Text in a figure is to be about as large as around it, so a small figure is not blown up to full width.
    width = figure.get_size_inches()[0] * 112
    head = f'<svg role="img" aria-label="{escape(description, quote=True)}" style="max-width: {width:.0f}px"'
    text = re.sub(r'^<svg width="[^"]*" height="[^"]*"', head, text, count=1)
    if not text.startswith(head):
        text = text.replace("<svg", head, 1)
    return text


def _unique(text: str, name: str) -> str:
    """Drop ids that nothing refers to, and give the others the figure's prefix."""
    used = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))

    def keep(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    text = re.sub(r'\sid="([^"]+)"', keep, text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")
