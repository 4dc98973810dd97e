# The whole project, from a fresh checkout: `make demo`, `make test`. `make help` lists the rest.

SHELL := /bin/sh
# Which Airflow to install: constraints/airflow-$(AIRFLOW).txt. Another than the usual has its own environment.
AIRFLOW ?= 3.3
VENV ?= .venv$(if $(filter-out 3.3,$(AIRFLOW)),-$(AIRFLOW))
# AIRFLOW=lowest: the lowest versions that pyproject.toml allows.
CONSTRAINTS := constraints/$(if $(filter lowest,$(AIRFLOW)),,airflow-)$(AIRFLOW).txt
READY := $(VENV)/.ready
RUN := $(VENV)/bin/python -m
# The providers that ours is compared with have a separate environment.
PEERS := .venv-bench
PEERS_READY := $(PEERS)/.peers
PEERS_OPTIONS := --constraint $(CONSTRAINTS) --requirement benchmarks/peers.txt
# More arguments for pytest: make test ARGS="-k trigger -x"
ARGS ?=
# How many tests run at a time (tests/conftest.py says which); one after the other where ARGS choose some.
WORKERS ?= $(if $(ARGS),0,3)
export PYTHON VENV CONSTRAINTS

.DEFAULT_GOAL := help
.PHONY: help demo screenshots test test-fast crash-matrix bench bench-peers check format venv constraints clean matrix test-dist stranger docs dist audit

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-12s %s\n", $$1, $$2}'

demo: $(READY) ## Run the example pipeline on a real Airflow with a local StarVideos; KEEP=1 leaves both running
	@$(RUN) dev.demo $(if $(KEEP),--keep)

screenshots: $(READY) ## Take the pictures of the UI in docs/images, of the demo's Dags
	@$(RUN) dev.screenshots

test: $(READY) ## Run all tests, those on a real Airflow too (ARGS="…" goes to pytest)
	@$(RUN) pytest -n $(WORKERS) $(ARGS)

test-fast: $(READY) ## Run the tests that need no Airflow processes
	@$(RUN) pytest -n $(WORKERS) -m "not real_airflow and not crash_matrix and not dist" $(ARGS)

matrix: $(READY) ## Run the tests on every supported Airflow and Python (ARGS="--fast", "--only 3.0 lowest", "-- -x")
	@$(RUN) dev.matrix $(ARGS)

test-dist: dist ## Install what dist has into an empty environment, and run it there
	@$(RUN) pytest -m dist tests/release $(ARGS)

stranger: dist ## Follow the README in an empty folder with nothing but Python, with pip and with uv
	@sh dev/stranger.sh

crash-matrix: $(READY) ## Run the whole crash matrix, and write its tables into docs/crash_matrix.md
	@$(RUN) dev.crash_matrix

bench: $(READY) ## Measure: ratios to peers of the same run
	@$(RUN) benchmarks.storage
	@$(RUN) benchmarks.waiting --rounds 1
	@$(RUN) benchmarks.delay --videos 500 --check 20
	@$(RUN) benchmarks.imports --rounds 3
	@$(RUN) benchmarks.restart
	@$(RUN) benchmarks.batch

bench-peers: $(PEERS_READY) ## The same, compared with other providers' triggers and imports, in a separate environment
	@$(PEERS)/bin/python -m benchmarks.waiting --waits 100 400 1000 4000 --peers
	@$(PEERS)/bin/python -m benchmarks.imports
	@$(PEERS)/bin/python -m benchmarks.airflow_worker_runs
	@$(PEERS)/bin/python -m benchmarks.airflow_batch
	@$(PEERS)/bin/python -m benchmarks.airflow_delay

check: $(READY) ## Lint, check the formatting, the types, and what the wheel holds
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) mypy
	@$(RUN) pytest -q tests/release/test_wheel.py

audit: $(READY) ## Look the pinned dependencies up among known weaknesses; needs PyPI's vulnerability service
	@$(RUN) dev.audit $(CONSTRAINTS)

format: $(READY) ## Format the code and repair what the linter can
	@$(RUN) ruff check --fix
	@$(RUN) ruff format

docs: $(READY) ## Build the documentation into build/html; a warning is an error
	@$(RUN) dev.layers
	@$(RUN) dev.states
	@$(RUN) dev.pages
	@$(RUN) sphinx -W --keep-going -q -b html -c docs . build/html
	@echo "build/html/docs/index.html"

dist: $(READY) ## Build the sdist and the wheel into dist/
	@rm -rf dist
	@$(RUN) build --no-isolation . >build/dist.log 2>&1 || { cat build/dist.log; exit 1; }
	@ls dist

venv: $(READY) ## Build the environment in $(VENV) (PYTHON=… picks the interpreter)

$(READY): pyproject.toml $(CONSTRAINTS) dev/venv.sh
	@sh dev/venv.sh

$(PEERS_READY): $(READY) benchmarks/peers.txt
	@VENV=$(PEERS) sh dev/venv.sh
	@if $(PEERS)/bin/python -m uv --version >/dev/null 2>&1; \
	then $(PEERS)/bin/python -m uv pip install --quiet --python $(PEERS)/bin/python $(PEERS_OPTIONS); \
	elif command -v uv >/dev/null; then uv pip install --quiet --python $(PEERS)/bin/python $(PEERS_OPTIONS); \
	else $(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check $(PEERS_OPTIONS); fi
	@touch $@

constraints: ## Resolve all dependencies again, to their latest versions, for Airflow $(AIRFLOW)
	@sh dev/constraints.sh $(AIRFLOW)

clean: ## Remove everything that these targets have made
	rm -rf $(VENV) build dist demo .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
