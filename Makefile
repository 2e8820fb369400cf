# Everything runs from .venv, which `make setup` makes; each target checks it first (well under a second).
PY := .venv/bin/python
SOURCES := app jobs tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup demo test _unit _hosts test-unit test-cluster mutants fuzz cluster-up cluster-status cluster-down lint format bench \
	frameworks lock clean

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-15s %s\n", $$1, $$2 }'

setup: ## .venv with the exact versions of constraints.txt, and the Debian packages that are missing
	@sh scripts/setup.sh

demo: setup ## Volumes in, a trained and evaluated model, a report out: runs/demo/report.html
	@$(PY) jobs/demo

# Of the tests on hosts those that start, use and stop a cluster, as a user does: five minutes; the others are
# `make test-cluster`. Where hosts cannot be made they are skipped, and say what is missing.
HOSTS := $(foreach part,1_launch 2_jobs 3_access 6_down,tests/cluster/test_cluster_$(part).py)

# A file at a time, side by side. Hosts wait more than they compute, so their tests run beside them; what else starts a Ray
# runs by itself: two at once on two cores take longer than one after the other.
UNIT = $(PY) -m pytest -n logical --maxprocesses 4 --dist loadfile tests/workloads tests/fuzz tests/unit

test: lint ## Lint, then the tests: unit, on Ray, end to end, on hosts
	@$(MAKE) --no-print-directory -j2 --output-sync=target _unit _hosts
	@$(PY) -m pytest tests/ray tests/e2e

_unit:
	@$(UNIT)

_hosts:
	@$(PY) -m pytest $(HOSTS)

test-unit: setup ## Only the fast tests, without Ray
	@$(UNIT)

test-cluster: setup ## All tests on hosts made of namespaces, faults too: needs root, iproute2, openssh-server, rsync
	@$(PY) -m pytest tests/cluster

mutants: setup ## Change the pure modules one place at a time: do their unit tests notice? MODULES="app/… app/…" for some
	@echo uv | .venv/bin/uv pip install --quiet --python $(PY) -c constraints.txt -e '.[mutants]'
	@nice $(PY) tests/mutants/run.py $(MODULES)

fuzz: setup ## Damage every kind of file in thousands of ways: FUZZ=5000 of each, FUZZ_SEED=1 for others than last time
	@FUZZ=$${FUZZ:-5000} nice $(PY) -m pytest tests/fuzz

cluster-up: setup ## Start the cluster of cluster.yaml, or bring changed files and machines to it
	@$(PY) jobs/cluster.py up

cluster-status: setup ## Which of its machines have joined
	@$(PY) jobs/cluster.py status

cluster-down: setup ## Stop Ray on all of them
	@$(PY) jobs/cluster.py down

lint: setup ## Style and strict types
	@$(PY) -m ruff check $(SOURCES)
	@$(PY) -m ruff format --check $(SOURCES)
	@$(PY) -m mypy

format: setup ## Rewrite the sources as lint wants them
	@$(PY) -m ruff check --fix $(SOURCES)
	@$(PY) -m ruff format $(SOURCES)

bench: setup ## Twofold beside its peers and limits, in one run; results as JSON
	@$(PY) -m benchmarks

# In an environment of its own (600 MB): that the weights went over is tested before anything is timed.
frameworks: setup ## PyTorch beside TensorFlow, with Keras on both: the same networks and weights, 20 minutes
	@$(PY) -m benchmarks.frameworks
	@$(PY) -m pytest -q tests/unit/benchmarks/test_frameworks.py
	@$(PY) -m benchmarks frameworks

# Keeps every version that still fits; `make lock UPGRADE=--upgrade` takes the newest of all.
lock: setup ## Write constraints.txt anew from pyproject.toml: exact versions, no addresses
	@echo uv | .venv/bin/uv pip compile --quiet --python $(PY) --extra dev --extra mutants $(UPGRADE) --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --output-file constraints.txt pyproject.toml -

clean: ## Remove caches and what the demo made; .venv and other runs stay
	@rm -rf runs/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info build
	@find app jobs tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
