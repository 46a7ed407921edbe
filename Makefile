# Two commands on a fresh machine with Python >= 3.11, make and git:
#   make demo   sets everything up and runs the digits pipeline, embedded
#   make test   sets everything up and runs the whole suite, LocalStack and moto included
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCALSTACK := .localstack

.PHONY: help setup localstack test lint types demo bench clean

help:
	@echo "make demo | test | lint | types | bench | localstack | clean"

setup: $(VENV)/.synced

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.synced: $(BIN)/uv pyproject.toml uv.lock
	$(BIN)/uv sync --quiet --frozen --all-extras --inexact --python $(BIN)/python
	touch $@

# In a virtual environment of its own: its pins clash with ours.
localstack: $(LOCALSTACK)/.installed

$(LOCALSTACK)/.installed: $(BIN)/uv .ci/localstack-constraints.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOCALSTACK)
	$(BIN)/uv pip install --quiet --python $(LOCALSTACK)/bin/python \
	    --constraints .ci/localstack-constraints.txt 'localstack-core[runtime]' service-identity
	touch $@

# The servers must be there: their tests fail instead of being skipped.
test: setup localstack
	FANOUT_REQUIRE_SERVERS=1 $(BIN)/pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

demo: setup
	$(BIN)/fanout run examples/digits/pipeline.yml
	@cat examples/output/digits/metrics.json

# Ten minutes on two idle cores: see docs/benchmarks.md for parts of it.
bench: setup localstack
	$(BIN)/python -m benchmarks

clean:
	rm -rf build dist .fanout examples/output .mypy_cache .pytest_cache .ruff_cache .hypothesis $(LOCALSTACK)
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
