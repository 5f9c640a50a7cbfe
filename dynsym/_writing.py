"""Files written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ._checks import DataError, require

Writer = Callable[[Path], None]


def write_whole(folder: str | os.PathLike[str], writers: Mapping[str, Writer]) -> list[Path]:
    """Write several files into a folder, all of them or none.

    Each writer is given a path in a temporary folder inside `folder`; when all have succeeded the files are
    moved to their names in one step each. After a failure, earlier files of these names are as they were.

    Raises
    ------
    DataError
        If the folder cannot be made or written to, or one of the names is taken by a folder.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=target))
    except OSError as error:
        raise DataError(
            f"cannot write to {target}: {error.strerror or error}; choose another folder"
        ) from error
    try:
        for name, writer in writers.items():
            require(
                not (target / name).is_dir(),
                f"{target / name} is a folder, but a file is to be written there",
            )
            writer(aside / name)
        for name in writers:
            os.replace(aside / name, target / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [target / name for name in writers]


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write one text file (UTF-8), whole or not at all."""
    out = Path(path)
    require(bool(out.name), f"{str(path)!r} is no name of a file")

    def save(place: Path) -> None:
        place.write_text(text, encoding="utf-8")

    return write_whole(out.parent, {out.name: save})[0]
