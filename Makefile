# make test     everything CI checks, on a fresh clone
# make install  chargen and everything to develop with, in .venv

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: test install format lint types unit wheel clean

test: lint types unit wheel

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

unit: $(INSTALLED)
	$(BIN)/pytest

# The built wheel, alone in a clean venv, must have its corpora and its model, and be able to train, sample, inspect and export.
wheel: $(INSTALLED)
	rm -rf build dist .venv/wheel
	$(BIN)/python -m build --wheel --outdir dist .
	$(PYTHON) -m venv .venv/wheel
	.venv/wheel/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	cd .venv/wheel && rm -rf checkpoints \
	&& bin/chargen corpora \
	&& bin/chargen sample -p "Alice was" -n 40 --seed 1 \
	&& bin/chargen train --steps 20 --hidden-size 32 --run smoke --threads 1 \
	&& bin/chargen sample smoke -p "Alice was" -n 40 --seed 1 \
	&& bin/chargen inspect smoke > inspected.txt \
	&& bin/chargen export smoke --html page.html \
	&& bin/python -m chargen --help > help.txt

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
