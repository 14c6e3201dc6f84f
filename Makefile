# Everything that a fresh machine needs is set up by the targets themselves: Python 3.11 or later is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-product test-integrations test-kubernetes docs check format twins parity types reference bench release clean

# What has a target of its own.
PRODUCT := browser demo
INTEGRATIONS := frameworks outbox telemetry testing
APART := $(PRODUCT) $(INTEGRATIONS) docs kubernetes

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp ## see it run (ARGS=--once: and exit)
	$(BIN)/oxmq demo $(ARGS)

test: $(VENV)/tests.stamp ## run every test of oxmq itself (ARGS="-k word": some)
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile $(APART:%=--ignore=tests/%) $(ARGS)

test-product: $(VENV)/tests.stamp ## the demo from end to end, and the dashboard in a browser
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile $(PRODUCT:%=tests/%) $(ARGS)

test-integrations: $(VENV)/integrations.stamp ## FastAPI, Flask, Django, the outbox on PostgreSQL, telemetry, the testing kit
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile $(INTEGRATIONS:%=tests/%) $(ARGS)

test-kubernetes: $(VENV)/kubernetes.stamp ## run heavy jobs against a real control plane, built here from source
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile tests/kubernetes $(ARGS)

docs: export NO_MKDOCS_2_WARNING := 1
docs: $(VENV)/docs.stamp ## build the documentation, strictly, and run every sample in it
	$(BIN)/mkdocs build --strict --quiet
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile tests/docs $(ARGS)

check: $(VENV)/dev.stamp ## lint, types, layers, twins
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/unasync.py --check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pyright

format: $(VENV)/dev.stamp ## lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

twins: $(VENV)/dev.stamp ## write the blocking twins anew
	$(BIN)/python tools/unasync.py

parity: $(VENV)/tests.stamp ## write the table of parity with BullMQ anew
	$(BIN)/python tools/parity.py

types: $(VENV)/tests.stamp ## write the dashboard's types of the HTTP API anew
	$(BIN)/python -m tools.dashboard_types

reference: $(VENV)/dev.stamp ## write the references anew: HTTP, commands, scripts, keys, options, errors, events
	$(BIN)/python tools/http_reference.py
	$(BIN)/python tools/cli_reference.py
	$(BIN)/python -m tools.references
	$(BIN)/python tools/lifecycle.py

release: $(VENV)/tests.stamp ## build what is published into dist/, and refuse what is not fit for it
	$(BIN)/python -m pip install --quiet --group release
	$(BIN)/python -m tools.release

bench: $(VENV)/demo.stamp ## measure, side by side with peers
	$(BIN)/python -m bench.setup
	$(BIN)/python -m bench $(ARGS)

clean: ## remove what was set up
	rm -rf $(VENV) .cache dist .oxmq .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/pip.stamp:
	$(PYTHON) -c 'import sys; sys.exit("oxmq needs Python 3.11 or later") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

# Installing builds the dashboard, too.
DASHBOARD := $(shell find dashboard -name node_modules -prune -o -type f -print)

$(VENV)/demo.stamp: $(VENV)/pip.stamp pyproject.toml hatch_build.py $(DASHBOARD)
	$(BIN)/python -m pip install --quiet --editable ".[demo]"
	@touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(VENV)/tests.stamp: $(VENV)/dev.stamp tools/setup_node.py tools/setup_redis.py tools/setup_browser.py tools/setup_kustomize.py tools/setup_prometheus.py
	$(BIN)/python tools/setup_node.py
	$(BIN)/python tools/setup_redis.py
	$(BIN)/python tools/setup_browser.py
	$(BIN)/python tools/setup_kustomize.py
	$(BIN)/python tools/setup_prometheus.py
	@touch $@

$(VENV)/integrations.stamp: $(VENV)/tests.stamp tools/setup_postgresql.py
	$(BIN)/python tools/setup_postgresql.py
	@touch $@

$(VENV)/docs.stamp: $(VENV)/tests.stamp tools/setup_docs_peers.py
	$(BIN)/python tools/setup_docs_peers.py
	@touch $@

# Takes about four minutes the first time.
$(VENV)/kubernetes.stamp: $(VENV)/dev.stamp tools/setup_kubernetes.py
	$(BIN)/python tools/setup_kubernetes.py
	@touch $@
