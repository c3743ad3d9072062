# The commands of CONTRACT.md. Only Python 3.11+ and make are needed; each target makes what it stands on.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
ONLY ?=
# Compiled modules are kept, whatever the caller's environment says: tests start many processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check bench reliability lock

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/demo.installed: requirements/demo.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Shopkeeper needs Python 3.11 or newer; say PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

$(VENV)/test.installed: requirements/test.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	$(BIN)/python scripts/system_packages.py
	touch $@ $(VENV)/demo.installed

demo: $(VENV)/demo.installed ## the whole wheel on Complete Journey, then the console (ARGS=--no-serve ends after the report)
	$(BIN)/shopkeeper demo $(ARGS)

test: $(VENV)/test.installed ## all tests
	$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

check: $(VENV)/test.installed ## format, lint, types, import contracts, docs that drifted, missing translations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_docs.py --check
	$(BIN)/python scripts/translations.py --check

bench: $(VENV)/test.installed ## the benchmarks (ONLY=name for one); writes docs/benchmarks.md
	$(BIN)/python -m benchmarks $(ONLY)

reliability: $(VENV)/test.installed ## tries whether the log holds (ONLY=suite for one); writes docs/reliability.md
	$(BIN)/python -m reliability $(ONLY)

lock: $(VENV)/test.installed ## locks exact versions with hashes again, naming no index
	$(BIN)/python scripts/lock.py
