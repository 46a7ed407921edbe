# Two commands on a fresh machine with Python >= 3.11, make and git:
#   make demo   sets everything up and runs the digits pipeline, embedded
#   make test   sets everything up and runs the whole suite, LocalStack and moto included
# (more targets follow)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.synced: $(BIN)/uv pyproject.toml uv.lock
	$(BIN)/uv sync --quiet --frozen --all-extras --python $(BIN)/python
	touch $@
