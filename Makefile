# Every target builds .venv from the lock first; nothing but Python 3.11 or newer is assumed.
PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
READY := .venv/ready

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --quiet --upgrade

.PHONY: help demo test check bench soak lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## start a server with made-up people in it and print requests to try
	@$(BIN)/fhir-server demo

test: $(READY) ## run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --maxfail 50 -m "not soak"

check: $(READY) ## lint, formatting, types, direction of imports, documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/docs

bench: $(READY) ## measure against the bare driver and print the table
	$(BIN)/python -m tests.bench.run --write docs/performance.md

soak: $(READY) ## run the tests that take minutes (kill -9 under load, large transactions)
	$(BIN)/python -m pytest -m soak

lock: $(READY) ## write the locks anew from pyproject.toml (needs uv)
	$(LOCK) --all-extras -o requirements.lock
	$(LOCK) -o requirements-server.lock

clean: ## remove what the other targets made
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "This Python makes no virtual environments; on Debian: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)
