# Everything a user or contributor types. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# One linear-algebra thread per process: the matrices are small, and the tests already run one process per core.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help install develop demo test test-slow docs lint clean

help:
	@echo "make install    the package and the command dynsym, in $(VENV)"
	@echo "make demo       eight planets to their laws; writes demo-out/report.html"
	@echo "make test       the tests that take minutes together"
	@echo "make test-slow  the heavy studies as well"
	@echo "make docs       the documentation, in docs/_build/html"
	@echo "make lint       style, types, layers"
	@echo "make clean      remove what the other targets made"

install: $(VENV)/.installed

# Stamps make repeated calls instant; a newer pyproject.toml or constraints.txt installs again.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
	  "dynsym needs Python 3.11 or later; $(PYTHON) is older or missing; run: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@# A half-made environment would pass for a whole one on the next call.
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo \
	  "$(PYTHON) cannot make environments; on Debian and Ubuntu run: apt install python3-venv" >&2; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing dynsym into $(VENV) (a minute or two)"
	@$(PIP) -e .
	@touch $@

develop: $(VENV)/.developing

$(VENV)/.developing: $(VENV)/.installed
	@echo "Installing what tests and documentation need"
	@$(PIP) -e '.[dev,studies,dask,docs]'
	@touch $@

demo: install
	$(BIN)/dynsym demo --out demo-out
	@echo "The report is in $(CURDIR)/demo-out/report.html"

test: develop
	$(PYTEST) -n auto -m "not slow"

test-slow: develop
	$(PYTEST) -n auto

docs: develop
	$(ONE_THREAD) $(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "The documentation is in $(CURDIR)/docs/_build/html/index.html"

lint: develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) demo-out dynsym-out dist docs/_build docs/_figures docs/api/_generated
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
