# Everything runs from a bare clone: Python 3.11 or newer and Node 20 or newer, no account, no Docker.
# Package registries other than the public ones are configured where pip and npm look for that, not here.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
RUN := .venv/bin/python
ARGS ?=
# Files side by side, each in one process: stacks, databases and environment are a process's own. One that is lost ends the
# run, which says in which test: xdist would begin the same test again and again.
TESTS := $(RUN) -m pytest -n 2 --dist loadfile --max-worker-restart 0
COMPILE := $(RUN) -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url

.PHONY: help setup demo test chaos attack up down migrate bench check audit lock licences

help: ## Show what can be made
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: .venv/installed node_modules/installed ## Install what the locks name; a second time there is nothing to do
	@:

demo: setup ## Watch 1,000 people being called by a simulator; ARGS="--contacts 200", ARGS="--hours"
	@$(RUN) -m local demo $(ARGS)

test: setup ## Run all tests
	@$(TESTS) $(ARGS)

chaos: setup ## Kill, freeze and mislead the dialler; writes docs/reliability.md; ARGS="--seed 7 --only NAME"
	@$(RUN) -m tests.chaos $(ARGS)

attack: setup ## Send 50,000 hostile cases to every endpoint; writes docs/attacks.md; ARGS="--seed 7 --only NAME"
	@$(RUN) -m tests.attacks $(ARGS)

up: setup ## Start the local stack in the background
	@$(RUN) -m local up $(ARGS)

down: ## Stop it
	@if [ -x $(RUN) ]; then $(RUN) -m local down; else echo "No stack runs."; fi

migrate: setup ## Bring the database of DATABASE_URL up to date; ARGS=--dry-run only says what is missing
	@$(RUN) -m ops.migrate $(ARGS)

bench: setup ## Measure, side by side with the simple way; the report is in benchmarks/results
	@$(RUN) -m benchmarks $(ARGS)

package: setup ## Make dist/batchline.zip, which all functions are deployed from
	@$(RUN) -m local.package $(ARGS)

check: setup ## Everything that CI runs: format, lint, types, reference, tests
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@node_modules/.bin/pyright
	@$(RUN) -m local openapi --check
	@$(TESTS) $(ARGS)

audit: setup ## Look for known vulnerabilities in what the locks name
	@$(RUN) -m local audit

licences: setup ## List the licences of all that the locks name
	@$(RUN) -m local licences

lock: setup ## Choose new versions and write the locks
	@$(COMPILE) pyproject.toml -o requirements.lock
	@$(COMPILE) pyproject.toml --group dev -o requirements-dev.lock
	@npm update --package-lock-only

.venv/installed: requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11 setup"; exit 1; }
	@echo "Installing the Python packages of requirements-dev.lock …"
	@$(PYTHON) -m venv .venv \
		|| { echo "Python cannot make virtual environments; on Debian: apt install python3-venv"; exit 1; }
	@$(RUN) -m pip install -qq --disable-pip-version-check --no-input --require-hashes -r requirements-dev.lock
	@touch $@

node_modules/installed: package-lock.json
	@command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' \
		|| { echo "Node 20 or newer with npm is needed; see https://nodejs.org"; exit 1; }
	@echo "Installing the npm packages of package-lock.json …"
	@npm ci --loglevel=error >/dev/null
	@touch $@
