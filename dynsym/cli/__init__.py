"""The command line `dynsym`: analyze, refit, demo, check."""

from ._app import app
from ._main import main

__all__ = ["app", "main"]
