# Every task of the project. `make` alone prints this list.
#
#   make install             a virtual environment in .venv with everything in it
#   make demo AUDIO=my.wav   captions, translation and minutes of a recording, live
#   make test                every test, with real models

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := server,whisper,llm,webrtc,mqtt,postgres,s3,spool-encryption,dev

# The weights that tests and demo use: recognition in many languages, in English, a language model.
WEIGHTS := whisper-base whisper-tiny.en qwen2.5-coder-1.5b-instruct-q4_k_m

# Test processes side by side. Of the tests with real models, those with a language model run one by
# one beside the others one by one: more of them starve each other.
TEST_WORKERS ?= 2
# Of the others, those that follow the tests with a language model, so that both end together.
LATER := tests/e2e/test_fuzz.py tests/e2e/test_pages_states.py

# Only what is written on make's command line: LANGUAGE and PORT often exist in the environment.
given = $(if $(filter command line,$(origin $(1))),$($(1)))
DEMO_ARGS = $(if $(call given,FAST),--fast) \
	$(if $(call given,LANGUAGE),--language "$(LANGUAGE)") \
	$(if $(call given,TRANSLATE),--translate "$(TRANSLATE)") \
	$(if $(call given,PORT),--port "$(PORT)") \
	$(if $(call given,AUDIO),-- "$(AUDIO)")

.PHONY: help install weights fmt check lint types imports docs test test-fast packages \
	demo bench fuzz screenshots build clean

help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[36mmake %-11s\033[0m %s\n", $$1, $$2}' \
		$(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv and install Greffier with its development tools (again when pyproject.toml changed)

$(STAMP): pyproject.toml
	@command -v $(PYTHON) > /dev/null || { \
		echo "greffier: $(PYTHON) was not found. Install Python 3.11 or newer, or name one: make install PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "greffier: $(PYTHON) is $$($(PYTHON) --version 2>&1); Python 3.11 or newer is needed. Name another one: make install PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
		echo "greffier: $(PYTHON) cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): a few minutes the first time."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=24"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
	@touch $@
	@echo "Done. Next: make demo"

weights: $(STAMP) ## Download the models that the tests and the demo use (1.4 GB, kept; nothing when present)
	@$(BIN)/greffier models pull $(WEIGHTS)

fmt: $(STAMP) ## Format the code and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

check: lint types imports docs ## Format, lint, types twice, layers, documentation

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/basedpyright --warnings

imports: $(STAMP)
	$(BIN)/lint-imports

docs: $(STAMP) ## Build the documentation into docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

test: packages weights ## Every test: real models, sockets, databases, processes
	@status=0; others=$$(mktemp); \
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile -m "not models and not e2e" || status=$$?; \
	$(BIN)/python -m pytest -m "(models or e2e) and not language_model" $(addprefix --ignore=,$(LATER)) > $$others 2>&1 & \
	$(BIN)/python -m pytest -m "(models or e2e) and language_model" || status=$$?; \
	$(BIN)/python -m pytest $(LATER) || status=$$?; \
	wait $$! || status=$$?; \
	cat $$others; rm $$others; exit $$status

test-fast: $(STAMP) ## Unit tests and laws only: seconds, no weights, no sockets
	$(BIN)/python -m pytest -m "unit or property"

packages: ## Install the Debian packages that tests need (PostgreSQL, Chromium, ffmpeg), where that is allowed
	@tools/system-packages

demo: $(STAMP) ## Live captions, translation and minutes in this terminal: AUDIO= FAST=1 LANGUAGE= TRANSLATE= PORT=
	@$(BIN)/python -m greffier_server.demo $(DEMO_ARGS)

bench: weights ## Measure lag, accuracy and memory on this machine (half an hour; leave the machine alone)
	$(BIN)/python -m benchmarks.latency
	$(BIN)/python -m benchmarks.memory

fuzz: $(STAMP) ## Ten minutes of nonsense at every protocol, decoder and operation, a session beside it
	$(BIN)/python -m benchmarks.fuzz --seconds 600

screenshots: $(STAMP) ## Take the pictures of every page for the documentation anew
	$(BIN)/python -m benchmarks.screenshots

build: $(STAMP) ## Build the wheel and the source archive into dist/
	@$(BIN)/python -m build --outdir dist

clean: ## Remove what was built; keeps .venv and the downloaded models
	@rm -rf dist build docs/_build demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
