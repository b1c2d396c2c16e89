# `make help` lists what there is. Every target does its own set-up from the lock.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Compiling bytecode once is cheaper than importing TensorFlow from source every time.
INSTALL := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pip install --quiet --require-hashes

.PHONY: help repro test test-fast lint benchmark lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/base: requirements.lock
	@echo "creating $(VENV) from requirements.lock (some minutes, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "Python 3.11 is needed, but $(PYTHON) is another; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) -r requirements.lock
	@touch $@

$(VENV)/dev: $(VENV)/base requirements-dev.lock requirements-formats.lock requirements-ray.lock
	@echo "adding the development tools and the optional groups that tests use"
	@$(INSTALL) -r requirements-dev.lock -r requirements-formats.lock -r requirements-ray.lock
	@touch $@

data/examples: $(VENV)/base examples/build.py
	@$(BIN)/python -m examples.build

# The examples' data is made when one of them is asked for.
repro: $(VENV)/base $(if $(findstring examples/,$(PARAMS)),data/examples)  ## run the pipeline; PARAMS=FILE writes that file's params into params.yaml first
	@$(BIN)/python -m pipeline run $(if $(PARAMS),--params $(PARAMS))

test: lint  ## lint, types and all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: $(VENV)/dev  ## the tests that start no server and kill nothing
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(VENV)/base  ## compare with plain AutoKeras, both in one run
	$(BIN)/python -m benchmarks.search

lock: $(VENV)/base  ## compile the locks from the .in files
	@for name in requirements requirements-dev requirements-formats requirements-gpu requirements-ray; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
			$$name.in -o $$name.lock || exit 1; done

clean:  ## remove stage outputs and scratch (not mlflow.db, not mlruns)
	rm -rf prepared searched exported reports .encore dvc.lock
