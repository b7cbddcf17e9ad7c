# make alice    installs, trains on Alice with the default settings, and writes with what it trained
# make test     installs and checks everything, as CI does
# make install  chargen and everything to develop with, in .venv

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: alice test install format lint types unit wheel clean

# A training that was stopped goes on where it was; one that is done is not done again.
alice: $(INSTALLED)
	@echo "make: training on Alice; Ctrl-C stops it, and 'make alice' goes on with it"
	@if test -e checkpoints/my-alice/last.safetensors; \
	then $(BIN)/chargen train --resume my-alice; \
	else $(BIN)/chargen train alice --run my-alice; fi
	@echo "make: this is how it writes ('chargen sample my-alice' writes more)"
	@$(BIN)/chargen sample my-alice --prompt "Alice was"

test: lint types unit wheel

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "make: installing into .venv what constraints.txt lists; torch is by far the largest download"
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[dev]"
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
	@echo "make: installing the built wheel and what it needs into .venv/wheel"
	.venv/wheel/bin/python -m pip install --disable-pip-version-check -c constraints.txt dist/*.whl
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
