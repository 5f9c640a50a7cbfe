"""What the results of all verbs have in common."""

from __future__ import annotations

import html
from typing import Any

from ..certify import Verdict


class Printed:
    """A result that notebooks show as it prints."""

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


class Listed(Printed):
    """Findings, each with a verdict, that print as a table; the base of what the verbs return."""

    findings: tuple[Any, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdict of each finding, in their order."""
        return tuple(f.verdict for f in self.findings)
