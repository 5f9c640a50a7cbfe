"""Benchmarks are not tests, but each has to be readable by Python and find what it imports of the package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("benchmarks")


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_a_benchmark_finds_what_it_imports(name, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(name)
    assert f"python tests/benchmarks/{name}.py" in (module.__doc__ or ""), (
        "the docstring says what is compared and how to run it"
    )
    assert callable(module.main)
