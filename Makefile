.DEFAULT_GOAL := help
.PHONY: help setup report demo test test-all lint types imports wheel docs consumers crew ci clean

# The first Python >= 3.11 on the path; another one with `make PYTHON=/path/to/python ...`.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; exit; }; \
	done; echo python3)
PY := .venv/bin/python

# Small networks: threads inside torch only get in the way of the processes beside it.
report demo test test-all: export OMP_NUM_THREADS = 1

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: ## make or bring up to date .venv (does nothing if it is)
	@$(PYTHON) .ci/setup_env.py

report: setup ## run the quick benchmark suite and report on it, in runs/quick
	$(PY) -m benchmarks.run --suite quick --out runs/quick
	$(PY) -m benchmarks.report runs/quick

demo: setup ## the same on HalfCheetahVel-v0, 5 seeds x 1M steps, in runs/demo: about an hour
	$(PY) -m benchmarks.run --suite demo --out runs/demo
	$(PY) -m benchmarks.report runs/demo

test: setup ## the fast tests
	$(PY) -m pytest -n 2 -rs -m "not slow"

test-all: setup ## all tests
	$(PY) -m pytest -n 2

lint: setup ## formatting and lint rules (changes nothing)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .

types: setup ## static types of all packages and the examples
	$(PY) -m mypy ma_ssm_env policies baselines benchmarks examples

imports: setup ## which package may import which
	.venv/bin/lint-imports

wheel: setup ## build the wheel into dist/ and check its contents
	rm -rf dist
	$(PY) -m build --wheel --no-isolation
	$(PY) .ci/check_wheel.py dist/*.whl

docs: setup ## build the documentation into site/ (warnings are errors)
	$(PY) -m sphinx -W --keep-going -q -b html -d build/doctrees docs site

consumers: setup ## run the libraries that use the environments, in .consumers/: 15 minutes, 9 GB
	$(PY) tests/consumers/run.py

crew: setup ## run a crew of scripted models, in .consumers/crew: some minutes, 2 GB
	$(PY) tests/crew/run.py

ci: ## all that continuous integration runs
	.ci/run

clean: ## remove build products and caches (keeps .venv, .consumers and runs/)
	rm -rf dist build site docs/scenarios docs/api .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
