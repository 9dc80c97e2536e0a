# The commands of this repository; `make help` lists them.

PYTHON ?= python3
TORCH_INDEX_URL ?=    # a wheel index with CPU builds of torch, where the default one has only CUDA builds
FUZZ_SECONDS ?= 3600
IMAGES ?= 500
KILLS ?= 100
FAULTS ?= 60
WORKERS ?= 3         # of the tests; on two cores one of them usually waits
BIN := .venv/bin
RUNS := .venv/ready
TESTS := .venv/ready-dev
# a file of tests stays with one worker, which starts its gateway once; the longest come first. Threads of one
# forward pass spin while they wait for each other: with other workers beside them, one thread costs a third
TEST_RUN = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(strip $(WORKERS)) --dist loadfile --no-loadscope-reorder
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

unexport PYTHONDONTWRITEBYTECODE  # else hundreds of Pythons compile the gateway anew

.DEFAULT_GOAL := help
.PHONY: help setup demo pictures serve revision test slow prove prove-cluster fuzz nightly check bench peers clean

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(RUNS)  ## build the environment in .venv, with what running needs

$(RUNS): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(if $(strip $(TORCH_INDEX_URL)),$(INSTALL) --index-url $(TORCH_INDEX_URL) torch torchvision)
	$(INSTALL) -e '.[local]'
	@touch $@

$(TESTS): $(RUNS)
	$(INSTALL) -e '.[local,export,dev]'
	@touch $@

demo: $(RUNS)  ## send sample_dicoms/ to a gateway and print what came of each file
	$(BIN)/python sample_dicoms/demo.py

pictures: $(TESTS)  ## take the pictures of the documents from the results of `make demo`
	$(BIN)/python sample_dicoms/pictures.py

serve: $(RUNS)  ## run the gateway for a real PACS (config/gateway.yaml)
	$(BIN)/gateway serve

test: $(TESTS) peers  ## run the test suite
	$(TEST_RUN) -m "not slow and not nightly"

slow: $(TESTS) peers  ## run the tests that take up to a minute each: full disks, lost databases, take-overs
	$(TEST_RUN) -m slow

fuzz: $(TESTS)  ## mutate files and network streams for FUZZ_SECONDS (3600); show that nothing breaks
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

prove: $(TESTS) peers  ## kill a gateway KILLS times (100): SQLite with a folder, PostgreSQL with a bucket; show that nothing is lost
	$(BIN)/python -m tests.prove --images $(IMAGES) --kills $(KILLS)

prove-cluster: $(TESTS) peers  ## as prove, for a cluster of hosts (root): FAULTS (60) of processes, hosts, cables, servers
	$(BIN)/gateway prove --cluster --images $(IMAGES) --faults $(FAULTS)

nightly: $(TESTS) peers  ## run what is too long for the gate: bursts, hung decoders, 100 kills on each database, an hour of fuzzing
	$(BIN)/python -m pytest -m nightly
	$(MAKE) prove
	$(MAKE) prove-cluster
	$(MAKE) fuzz

revision: $(RUNS)  ## write the revision of what makes answers and results, after a change of it
	$(BIN)/python -m gateway.worker.revision

check: $(TESTS)  ## format, lint, types, import layers, security advisories
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py
	@$(BIN)/python -m tests.advisories

bench: $(TESTS) peers  ## measure, each figure beside a yardstick from the same run; write docs/performance.md
	$(BIN)/python -m benchmarks --document docs/performance.md

peers:  # DCMTK, for the tests against real peers
	@tests/peers/install.sh

clean:  ## remove the environment and what the gateway kept in var/
	rm -rf .venv var
