# `make demo` shows the model at work, `make test` checks everything; `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first Python from 3.11 to 3.13 that runs; `make PYTHON=... test` overrides.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
CACHE := $(CURDIR)/.cache
EDITORS := $(CACHE)/editors
PYTEST_ARGS ?=

# Pins hold for the packages and for the build backend; caches stay in the checkout.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(PIP_CONSTRAINT)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TORCHINDUCTOR_CACHE_DIR := $(CACHE)/torchinductor
export TRITON_CACHE_DIR := $(CACHE)/triton
export MPLCONFIGDIR := $(CACHE)/matplotlib
export HF_HOME := $(CACHE)/huggingface
export HF_HUB_OFFLINE := 1

.PHONY: help demo test e2e lint gate evaluate fmt bench editors wheel clean

help:  ## list the targets
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## */\1|/' \
		| awk -F'|' '{ printf "  make %-8s %s\n", $$1, $$2 }'

demo: $(VENV)/.base  ## install the editor runtime and complete five places of a small crate
	@$(BIN)/m31r-lsp doctor || true
	@$(BIN)/m31r-lsp demo

test: $(VENV)/.dev  ## install everything, then lint, type-check, judge the bundle, run the tests
	@mkdir -p build
	@scripts/install-editors $(EDITORS) >build/editors.log 2>&1 & editors=$$!; \
	trap 'kill $$editors 2>/dev/null || true' EXIT; \
	$(MAKE) --no-print-directory lint gate; \
	wait $$editors || echo "the tests of what is missing are skipped"; \
	cat build/editors.log
	@echo "the tests of editors run beside the others; what they say comes at the end"
	@export XDG_CACHE_HOME=$(CACHE); \
	$(BIN)/pytest tests/e2e $(PYTEST_ARGS) >build/e2e.log 2>&1 & e2e=$$!; \
	trap 'kill $$e2e 2>/dev/null || true' EXIT; \
	status=0; $(BIN)/pytest --ignore tests/e2e $(PYTEST_ARGS) || status=$$?; \
	wait $$e2e || status=$$?; \
	cat build/e2e.log; exit $$status

e2e: $(VENV)/.dev  ## install VS Code, Neovim, Emacs, Helix, rust-analyzer under .cache and drive them
	scripts/install-editors $(EDITORS)
	XDG_CACHE_HOME=$(CACHE) $(BIN)/pytest tests/e2e $(PYTEST_ARGS)

lint: $(VENV)/.dev  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

gate: $(VENV)/.dev  ## judge the bundle that ships by the numbers in eval/gate (3 minutes)
	$(BIN)/m31r-eval suites configs/eval/gate.toml --out build/gate --against eval/gate

evaluate: $(VENV)/.dev  ## run every evaluation suite on the bundle; runs/all/report.html is the report
	$(BIN)/m31r-eval suites configs/eval/all.toml --out runs/all
	$(BIN)/m31r-eval report runs/all

fmt: $(VENV)/.dev  ## format the Python code and mend what ruff can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## run the benchmarks; tables here, JSON under build/bench/
	@mkdir -p build/bench
	@for name in keystrokes ghost_text context engine editing vs_llama_cpp check repair code_actions dedup data train; do \
		echo "== benchmarks/$$name.py"; \
		XDG_CACHE_HOME=$(CACHE) $(BIN)/python "benchmarks/$$name.py" \
			--json "build/bench/$$name.json" || echo "left out: benchmarks/$$name.py"; \
	done

editors:  ## build the VS Code extension (needs Node 20 or newer)
	cd editors/vscode && npm ci && npm run compile

wheel: $(VENV)/.dev  ## build the wheel, with the bundle inside, under dist/
	$(BIN)/pip wheel --no-deps --wheel-dir dist .

clean:  ## remove environments, caches and build output
	rm -rf .venv* .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache editors/vscode/node_modules editors/vscode/dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "no Python 3.11 to 3.13 found; make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the editor runtime into $(VENV) (about 250 MB)"
	@$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt scripts/debian-packages | $(BIN)/python
	@scripts/install-debian-packages
	@echo "installing what the tests need into $(VENV), PyTorch among it"
	@$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $(VENV)/.base $@
