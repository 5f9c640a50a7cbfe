"""`dynsym compress`: data to factors in a file, and files of factors to one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from .._checks import require
from ..compress import Compressed, compress, load_compressed, save_compressed
from ..dictionary import parse_dictionary
from ..trajectory import open_runs
from ._app import Run, States, Time, Workers, app
from ._app import _names as names_of
from ._app import _screen as screen
from ._app import _workers as workers_of
from ._screen import collected_warnings


@app.command("compress")
def compress_command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Data, or files that this command wrote.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Write the factors there, as .npz.")],
    dictionary: Annotated[
        str | None, typer.Option(metavar="EXPR", help="Terms of the dynamics, for data.")
    ] = None,
    time: Time = None,
    states: States = None,
    run: Run = None,
    workers: Workers = "1",
) -> None:
    """Reduce data to triangular factors, or add those of several files; `dynsym path` chooses models from them."""
    require(out.suffix == ".npz", f"--out {out} must end in .npz")
    require(not out.is_dir(), f"--out {out} is a folder; give a file name")
    places = workers_of(workers)
    with collected_warnings() as notes:
        if dictionary is None:
            made = added(paths)
        else:
            runs = open_runs(paths, time, names_of(states), run)
            made = compress(runs, parse_dictionary(dictionary, runs[0].names), workers=places)
        save_compressed(made, out)
    show = screen(None)
    show.print(Text(str(made)), overflow="fold")
    for note in notes:
        show.print(f"note: {note}", overflow="fold")
    show.print(f"\nWritten: {out}", overflow="fold")


def added(paths: Sequence[Path]) -> Compressed:
    """The sum of files that `dynsym compress` wrote."""
    for path in paths:
        require(
            path.suffix == ".npz",
            f"{path} is data, which needs --dictionary 'poly(3)' or another expression; without it the files are those of "
            "an earlier dynsym compress and end in .npz",
        )
    return reduce(add, [load_compressed(path) for path in paths])
