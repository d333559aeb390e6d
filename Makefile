# Every target sets up what it needs itself; the first run of those that need the sandbox takes minutes.
PYTHON ?= python3
PY := .venv/bin/python
BOOTSTRAP := $(PYTHON) -m sandbox.bootstrap
ARGS ?=
# uv trusts the machine's certificates, as pip and everything else does.
export UV_SYSTEM_CERTS ?= 1

.DEFAULT_GOAL := help
.PHONY: help python preflight venv sandbox test test-unit check fmt demo demo-down docs bench soak

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: $(PYTHON) is not Python 3.11 or newer; install one and say: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }

venv: python
	@$(BOOTSTRAP) venv

preflight: python
	@$(BOOTSTRAP) preflight

sandbox: preflight venv ## builds what the sandbox needs, which every target that needs it does by itself
	@$(PY) -m sandbox prepare

test: preflight venv ## all tests, inside a sandbox that ends with them; ARGS goes to pytest
	@$(PY) -m sandbox run -- $(PY) -m pytest -n auto --dist loadgroup $(ARGS)

test-unit: venv ## unit tests: seconds, need nothing but Python
	@$(PY) -m pytest tests/unit -n auto $(ARGS)

check: venv ## formatter, linter, types, import contracts, workflow linters
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	@$(BOOTSTRAP) lint-workflows

fmt: venv ## formats the code and repairs what the linter can
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

demo: preflight venv ## the main job end to end, checked from outside; KEEP=1 leaves it running
	@$(PY) -m sandbox.demo $(if $(filter-out 0 no false,$(KEEP)),--keep)

demo-down: venv ## ends what `make demo KEEP=1` left running; DEMO=demo-123 only that one
	@$(PY) -m sandbox.demo --down $(if $(DEMO),--name $(DEMO))

docs: venv ## files that are made from the code: actions, pages of reference, the schema
	@$(PY) -m codexctl_ci.cli.reference

bench: preflight venv ## what our own code costs, against the budgets
	@$(PY) -m sandbox run -- $(PY) -m tests.bench $(ARGS)

soak: preflight venv ## tests that run for minutes: races, killed runs, many slots
	@$(PY) -m sandbox run -- $(PY) -m pytest -m soak $(ARGS)
