"""Results on disk: `analysis.json`, `analysis.nc` and `report.html`, written whole or not at all."""

from __future__ import annotations

import os
from importlib.metadata import version as _version
from pathlib import Path
from typing import TYPE_CHECKING

from .._writing import write_text, write_whole
from ._json import json_text
from ._numbers import rounded, short

if TYPE_CHECKING:
    from ..analysis import Analysis

__all__ = ["html", "json_text", "rounded", "short", "write", "write_text"]


def write(analysis: Analysis, out_dir: str | os.PathLike[str], command: str = "") -> list[Path]:
    """Write analysis.json, analysis.nc and report.html into a folder, all three or none.

    Parameters
    ----------
    analysis
        What `analyze` returned.
    out_dir
        Made if it does not exist; files of the same names are replaced.
    command
        What the reader types to get the same; shown in the report.

    Returns
    -------
    list of Path
        The three files.

    Raises
    ------
    DataError
        If the folder cannot be written to. Files that were there before are then unchanged.

    Examples
    --------
    >>> import dynsym as dy, tempfile
    >>> spring = dy.systems.get("hopf").runs(2, 100)
    >>> [path.name for path in write(dy.analyze(spring), tempfile.mkdtemp())]
    ['analysis.json', 'analysis.nc', 'report.html']
    """
    from ._archive import write_netcdf

    software = {"software": "dynsym", "version": _version("dynsym"), "settings": analysis.input}
    return write_whole(
        out_dir,
        {
            "analysis.json": lambda path: _text(path, json_text(analysis.to_json()) + "\n"),
            "analysis.nc": lambda path: write_netcdf(analysis, path, software),
            "report.html": lambda path: _text(path, html(analysis, command)),
        },
    )


def html(analysis: Analysis, command: str = "") -> str:
    """The report as one HTML text: no network, light and dark, equations in MathML, figures in SVG."""
    # Drawing is loaded where it is needed: a check of the data, or a line of help, should not wait for it.
    from ._page import html_page

    return html_page(analysis, _version("dynsym"), command)


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
