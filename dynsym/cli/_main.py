"""From the command line to an exit code: one line on stderr says what went wrong and what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import numpy as np
import typer

from .._checks import ConvergenceError, DataError
from ._app import app

DONE, BAD_INPUT, NUMERICAL_FAILURE, INTERRUPTED = 0, 2, 3, 130

# Newer versions of typer carry their own click, so ClickException is reached through a class of typer's.
_USAGE: type[Exception] = typer.BadParameter.__mro__[2]
_NUMERICAL = (ConvergenceError, np.linalg.LinAlgError, ArithmeticError)
_INPUT = (DataError, OSError, TypeError, ImportError, UnicodeError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments
        Words after ``dynsym``; default those of the process.

    Returns
    -------
    int
        0 done, 2 bad usage or bad input, 3 numerical failure. Anything else that is raised is a fault of the
        program and keeps its traceback.

    Examples
    --------
    >>> from dynsym.cli import main
    >>> main(["--version"])
    dynsym 0.1.0
    0
    """
    try:
        words = None if arguments is None else list(arguments)
        code = app(args=words, prog_name="dynsym", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except _NUMERICAL as error:
        return _fail(f"the computation failed: {error}", NUMERICAL_FAILURE)
    except _INPUT as error:
        return _fail(_words(error), BAD_INPUT)
    except _USAGE as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        return _fail(f"{message} (dynsym --help lists what there is)", BAD_INPUT)
    return code if isinstance(code, int) else DONE


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}; check the path and its permissions"
    if isinstance(error, FileNotFoundError):
        return f"{error}; check the path"
    return str(error) or type(error).__name__


def _fail(message: str, code: int) -> int:
    """One line, whatever the message was folded from."""
    print("dynsym: " + " ".join(message.split()), file=sys.stderr)
    return code


def _reader_left() -> int:
    """Whoever read our output has seen enough; the interpreter must not complain about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE
