# Thin on purpose: the work is done in flows/. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3.11
VENV := .venv
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed
INSTALL := $(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --compile-bytecode
COMPILE := $(VENV)/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DO_NOT_TRACK := true
export DVC_NO_ANALYTICS := 1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: repro
repro: $(RUNTIME) ## reproduce the whole pipeline on the demo catalogue and print the result
	dvc pull --quiet data.dvc
	python -m flows with-server -- dvc repro
	python -m flows result

.PHONY: ui
ui: $(RUNTIME) ## Prefect and MLflow in the browser, with a worker that runs the pipeline; Ctrl-C stops them
	python -m flows ui

.PHONY: serve
serve: $(RUNTIME) ## search with the trained model in the browser, on 127.0.0.1
	dwc serve

.PHONY: test
test: $(DEVELOPMENT) ## run the tests
	pytest

.PHONY: check
check: $(DEVELOPMENT) ## formatting, lint, types, import rules, and known vulnerabilities of dependencies
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	python .ci/audit.py requirements-dev.lock requirements-postgres.lock

.PHONY: lock
lock: $(RUNTIME) ## resolve the lock files anew
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) --extra dev pyproject.toml --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) requirements-postgres.in --output-file requirements-postgres.lock

.PHONY: clean
clean: ## remove what the pipeline and the tools have made; data, models in .mlflow and the environment stay
	rm -rf build metrics/.*.partial .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(VENV)/bin/uv: requirements.lock
	$(PYTHON) -m venv $(VENV)
	awk '/^[^ ]/ {keep = /^uv==/} keep' requirements.lock > $(VENV)/uv.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.lock
	touch $@

$(RUNTIME): requirements.lock pyproject.toml | $(VENV)/bin/uv
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --offline --no-deps --no-build-isolation --editable .
	touch $@

$(DEVELOPMENT): requirements-dev.lock $(RUNTIME)
	$(INSTALL) --require-hashes -r requirements-dev.lock
	touch $@
