"""Where text goes: results to stdout, progress to stderr and only to a terminal."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

_PIPED_WIDTH = 80

Report = Callable[[str, float], None]


def console(stream: TextIO) -> Console:
    """A console for a stream: colours and its width for a terminal, plain text of 80 columns otherwise."""
    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        width=None if terminal else _PIPED_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


@contextmanager
def progress() -> Iterator[Report]:
    """What long work calls with (stage, fraction done); draws a bar on a terminal and is silent elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _stage, _fraction: None
        return
    columns = (TextColumn("{task.description:<22}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task("reading", total=1.0)

        def report(stage: str, fraction: float) -> None:
            bar.update(task, completed=fraction, description=f"{stage} done")

        yield report


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Warnings of the libraries inside, as sentences for the end of the output."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield notes
    for item in caught:
        if not issubclass(item.category, DeprecationWarning | PendingDeprecationWarning):
            notes.append(f"{item.category.__name__}: {' '.join(str(item.message).split())}")
    notes[:] = list(dict.fromkeys(notes))
