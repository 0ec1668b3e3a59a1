# make demo          simulate recordings, train, run, score (DATA=folder: on your own recordings)
# make test          check the code and run the tests
# make bench         time every stage beside the plain way to do the same (minutes)
PYTHON ?= python3
BIN := .venv/bin
# pip would compile the packages on one core. Some of their files are templates that cannot be compiled.
INSTALL := $(BIN)/python -m pip install --quiet --no-compile
COMPILE := $(BIN)/python -m compileall -qq -j 0 .venv/lib || true

.PHONY: demo test bench clean

demo: .venv/run.stamp
	$(BIN)/python tools/demo.py demo $(if $(DATA),--data "$(DATA)")

test: .venv/develop.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

bench: .venv/run.stamp
	$(BIN)/python benchmarks/bench.py

.venv/run.stamp: requirements.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) -r requirements.txt
	$(COMPILE)
	touch $@

.venv/develop.stamp: $(wildcard requirements*.txt) .venv/run.stamp
	$(INSTALL) -r requirements-dev.txt
	$(COMPILE)
	touch $@

clean:
	rm -rf .venv demo .pytest_cache .ruff_cache .mypy_cache .hypothesis
