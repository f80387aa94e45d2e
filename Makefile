# `make` alone prints the commands.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
PORT ?= 8460
JOBS ?= 2
export OMP_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1

.PHONY: simulated docs help demo demo-stop justhink test check format lint types imports screenshots walkthrough bench bench-ingest bench-measurement campaigns lock browser redis

help: ## Print the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

# uv installs from the hash-pinned lists in seconds; it comes into the virtual environment itself
$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==0.13.9"

$(VENV)/.run: requirements/run.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/run.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@$(BIN)/python -m compileall -q src
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run ## Set up, start the sandbox with simulated students, print a sign-in link
	$(BIN)/sightline demo --port $(PORT)

demo-stop: $(VENV)/.run ## Stop the sandbox; its data stays
	$(BIN)/sightline demo --stop

justhink: $(VENV)/.run ## Import real children's play and talk from $(DATA)/justhink into the sandbox
	$(BIN)/sightline import justhink $(DATA)/justhink --port $(PORT)

test: $(VENV)/.dev browser redis ## Set up, check everything, run the tests
	$(MAKE) --no-print-directory check

check: $(VENV)/.dev ## Format, lint, types, import contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	SIGHTLINE_DATA=$(abspath $(DATA)) $(BIN)/pytest -n $(JOBS) --dist loadfile

browser: ## Install Debian's Chromium when there is none (root) or say how
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq chromium; } \
		|| { echo "install chromium first: sudo apt-get install chromium"; exit 1; }

redis: ## Install Debian's redis-server when there is none (root) or say how
	@command -v redis-server >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq redis-server; } \
		|| { echo "install redis-server first: sudo apt-get install redis-server"; exit 1; }

format: $(VENV)/.dev ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.dev ## Lint only
	$(BIN)/ruff check .

types: $(VENV)/.dev ## Types only
	$(BIN)/mypy

imports: $(VENV)/.dev ## Import contracts only
	$(BIN)/lint-imports --no-logo

docs: $(VENV)/.dev ## Write the docs that are made from the code (indicators, event types, API, published games)
	$(BIN)/python scripts/generate_docs.py
	$(BIN)/python scripts/opengamedata_page.py

screenshots: $(VENV)/.dev browser ## Take the screenshots of README and docs from a fresh sandbox
	$(BIN)/python scripts/screenshots.py

walkthrough: $(VENV)/.dev ## Compare observables with the hand counts in docs/walkthrough
	$(BIN)/python scripts/compare_by_hand.py $(DATA)/justhink

bench: $(VENV)/.dev ## Measure the way through on this machine: start, closing, pages, memory
	$(BIN)/python bench/way_through.py

bench-ingest: $(VENV)/.dev ## Measure ingest beside plain COPY and a row-by-row design
	$(BIN)/python -m bench.ingest

bench-measurement: $(VENV)/.dev ## Score simulated students of known skills: a short run of the pass-mark table
	$(BIN)/python -m bench.measurement --short

simulated: $(VENV)/.dev ## Compare estimates with the known skills of simulated students; prints a table
	$(BIN)/python bench/simulated_school.py

campaigns: ## List the campaigns that prove promises by breaking things (make campaign-NAME CAMPAIGN=--write)
	@ls campaigns | grep -E '^(crash|jobs|poison|offline|outage|disk|overload|measurement)\.py$$' | sed 's/\.py$$//; s/^/  make campaign-/'

campaign-%: $(VENV)/.dev
	$(BIN)/python -m campaigns.$* $(CAMPAIGN)

lock: $(VENV)/.dev ## Pin all requirements with hashes again
	$(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements/run.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements/dev.txt
