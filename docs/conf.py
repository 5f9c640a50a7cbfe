"""Sphinx configuration; warnings are errors, and nothing is fetched while building."""

import importlib.metadata
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "dynsym"
author = "The dynsym developers"
project_copyright = "The dynsym developers"
release = importlib.metadata.version("dynsym")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "plain_maths",
    "case_study_pages",
]
exclude_patterns = ["_build", "_figures/*.md"]
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
# References of a docstring are listed even where its text does not point at them.
suppress_warnings = ["ref.citation"]

# The page of a module that is gone would be an orphan, and orphans fail the build.
shutil.rmtree(HERE / "api" / "_generated", ignore_errors=True)
autosummary_generate = True
autosummary_imported_members = False
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # the numpydoc sections say it in words
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"dynsym {release}"
html_theme_options = {"navigation_with_keys": True}
