"""Sphinx extension: the page on case studies is made from case_studies/*.py when the documentation is built.

Each study is run and its figure drawn; its story is the module docstring, and its numbers stand beside those
that were expected.
"""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib

matplotlib.use("Agg")
from sphinx.application import Sphinx

PAGE = "case_studies"


def studies(root: Path) -> list[Path]:
    """The files of the studies, in the order of their names."""
    return sorted(path for path in root.glob("*.py") if not path.name.startswith("_"))


def load(path: Path) -> ModuleType:
    """Import one study from its file."""
    spec = importlib.util.spec_from_file_location(f"case_study_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_shown(item) for item in value)
    # In Markdown the * of a formula would start an emphasis.
    return f"{value:.8g}" if isinstance(value, float) else str(value).replace("*", "\\*")


def _allowed(tolerance: dict[str, float]) -> str:
    return ", ".join(f"{kind.removesuffix('_tol')}. {size:g}" for kind, size in tolerance.items()) or "exact"


def numbers(result: dict[str, Any], expected: dict[str, tuple[Any, dict[str, float]]]) -> str:
    """A Markdown table: what was found in this build, what is expected, how far apart they may be."""
    rows = [
        f"| {name.replace('_', ' ')} | {_shown(result[name])} | {_shown(value)} | {_allowed(tolerance)} |"
        for name, (value, tolerance) in expected.items()
    ]
    return "\n".join(["| number | found | expected | tolerance |", "|---|---|---|---|", *rows])


def section(path: Path, figures: Path) -> str:
    """Run one study, save its figure, return its part of the page."""
    study = load(path)
    title, _, story = inspect.cleandoc(study.__doc__ or path.stem).partition("\n")
    if hasattr(study, "missing") and study.missing():
        return _without_data(title, story, study.EXPECTED, path)
    result = study.compute()
    figures.mkdir(parents=True, exist_ok=True)
    study.figure(result).savefig(figures / f"{path.stem}.png", dpi=120)
    return "\n\n".join(
        [
            f"## {title.rstrip('.')}",
            story.strip(),
            f"![{title}](_figures/{path.stem}.png)",
            numbers(result, study.EXPECTED),
            f"From `case_studies/{path.name}`.",
        ]
    )


def _without_data(
    title: str, story: str, expected: dict[str, tuple[Any, dict[str, float]]], path: Path
) -> str:
    """The part of a study whose data are not part of the package: story, a stored figure and expected numbers."""
    rows = [
        f"| {name.replace('_', ' ')} | {_shown(value)} | {_allowed(tolerance)} |"
        for name, (value, tolerance) in expected.items()
    ]
    table = "\n".join(["| number | expected | tolerance |", "|---|---|---|", *rows])
    note = f"From `case_studies/{path.name}`. The data were not there when this page was built: the figure is a stored one."
    picture = f"![{title}](_static/{path.stem}.png)"
    return "\n\n".join([f"## {title.rstrip('.')}", story.strip(), picture, table, note])


def fill_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Append the studies to the page before it is parsed."""
    if docname == PAGE:
        root = Path(app.srcdir)
        found = studies(root.parent / "case_studies")
        source[0] += "\n\n" + "\n\n".join(section(path, root / "_figures") for path in found) + "\n"


def always_outdated(app: Sphinx, *_: Any) -> list[str]:
    """The page depends on files that Sphinx does not watch."""
    return [PAGE]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the two hooks."""
    app.connect("source-read", fill_page)
    app.connect("env-get-outdated", always_outdated)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
