# make run: train on the embedded drawings.  make test: a test of every promise (make test REQUIRE_BROWSER=1: those
# that need Chromium too, or fail).  make stress: the long tests.  All set up .venv first, once.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

.PHONY: run test stress test-clusters test-gpu bench notebooks check format clean
.DEFAULT_GOAL := run

run: .venv/run.stamp
	$(BIN)/python run.py data=synthetic exp_name=quickstart

test: export REQUIRE_BROWSER := $(REQUIRE_BROWSER)
test: .venv/dev.stamp
	$(BIN)/python -m pytest -n 2 --dist worksteal $(TESTS)

stress: .venv/dev.stamp
	$(BIN)/python -m pytest -m stress $(TESTS)

test-clusters: .venv/cluster.stamp
	$(BIN)/python -m pytest -m clusters -rs $(TESTS)

# On a machine with a GPU $(PYTHON) may have torch already, another than the pinned one, whose warnings are no errors; and
# there may be nowhere to make .venv from.
WITH_TORCH = $$([ -x $(BIN)/python ] && echo $(BIN)/python || echo $(PYTHON))
test-gpu:
	$(WITH_TORCH) -c 'import torch, pytest' 2>/dev/null || $(MAKE) .venv/dev.stamp
	$(WITH_TORCH) -m pytest -W default -m gpu -rs $$($(WITH_TORCH) -c 'import xdist' 2>/dev/null && echo --numprocesses=8) tests/gpu

bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks.speed

notebooks: .venv/dev.stamp
	$(BIN)/python -m jupyterlab

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A stamp is younger than the requirements it was made from, so a second call installs nothing.
.venv/run.stamp: requirements.txt | .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev.stamp: requirements.txt requirements-dev.txt | .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch .venv/run.stamp $@

.venv/cluster.stamp: .venv/dev.stamp requirements-cluster.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-cluster.txt
	touch $@

.venv:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "error: Python 3.11 or newer is needed, this is %d.%d; name another: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv .ruff_cache .mypy_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './outputs/*' -prune -exec rm -rf {} +
