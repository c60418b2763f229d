# Everything from a fresh clone: each target makes its own virtual environment first.
PYTHON ?= python3
VENV ?= .venv

.PHONY: demo test clean

demo: $(VENV)/.installed
	$(VENV)/bin/streamfit demo

test: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .venv-opensim
