# The two commands that a newcomer needs: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
PYTEST := $(BIN)/python -m pytest

.PHONY: help demo test check test-all test-slow test-exhaustive test-frameworks test-ray test-tensorflow soak bench format clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.made:
	$(PYTHON) scripts/check_python.py
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[all-local]'
	touch $@

$(VENV)/.dev: $(VENV)/.demo requirements-dev.txt
	$(PIP) install -c constraints.txt torch==2.13.0
	$(PIP) install -c constraints.txt -e '.[all-local,torch]' -r requirements-dev.txt
	touch $@

demo: $(VENV)/.demo ## the taxi line, from the raw CSV file to an answered request
	$(BIN)/python examples/taxi/demo.py

$(VENV)/.bench: $(VENV)/.dev requirements-bench.txt
	$(PIP) install -c constraints.txt -r requirements-bench.txt
	touch $@

check: $(VENV)/.dev ## formatting, lint, types, import arrows, the reference and the list of metrics
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/make_reference.py --check
	$(BIN)/python scripts/make_metrics_table.py --check

test: $(VENV)/.dev ## all tests but the slow ones; under ten minutes on two cores
	$(PYTEST) -n 2 --dist loadfile -m "not slow and not exhaustive and not frameworks"

test-slow: $(VENV)/.dev ## the slow tests: installs, ML Metadata's own client, node and the browser, more rows
	bash scripts/servers.sh
	bash scripts/web_env.sh
	bash scripts/mlmd_env.sh
	bash scripts/serving_clients_env.sh
	bash scripts/kserve_env.sh
	bash scripts/schemathesis_env.sh
	$(PYTEST) -n 2 --dist loadfile -m "slow and not exhaustive and not frameworks"

test-frameworks: $(VENV)/.dev ## models of heavy frameworks down the whole line: torch, Lightning, Keras on torch, CatBoost, spaCy
	$(PYTEST) -n 2 --dist loadfile -m "frameworks and not exhaustive"

PART ?= 1/1
test-exhaustive: $(VENV)/.dev ## whole products and long series; PART=2/6 makes the second of six parts
	bash scripts/servers.sh
	bash scripts/mlmd_env.sh
	$(PYTEST) -n 2 --dist worksteal -m exhaustive --part $(PART)

test-all: test test-slow test-exhaustive test-frameworks test-ray test-tensorflow ## everything, each heavy group in an environment of its own

test-ray: ## the same statistics on a Ray cluster of two nodes, in an environment of its own
	bash scripts/ray_env.sh
	if [ -f .venvs/ray/.made ]; then .venvs/ray/bin/python -m pytest -q tests/cluster; fi

test-tensorflow: ## the transform in TensorFlow and LiteRT, models of TensorFlow, Keras and JAX, in an environment of its own
	bash scripts/tensorflow_env.sh
	if [ -f .venvs/tensorflow/.made ]; then \
	  .venvs/tensorflow/bin/python -m pytest -q -n 2 tests/tf_lowering tests/tf_models; fi

SOAK ?= 10000000
soak: $(VENV)/.dev ## ten million requests to one server: no failure, no growth; SOAK=1000000 sends fewer
	$(BIN)/python scripts/soak.py --requests $(SOAK)

bench: $(VENV)/.bench ## benchmarks: JSON on standard output
	$(BIN)/python -P benchmarks/statistics.py
	$(BIN)/python -P benchmarks/transform.py
	$(BIN)/python -P benchmarks/bulk.py
	$(BIN)/python -P benchmarks/optimise.py
	$(BIN)/python -P benchmarks/model_analysis.py
	$(BIN)/python -P benchmarks/serving.py
	$(BIN)/python -P benchmarks/metadata.py

format: $(VENV)/.dev ## formats the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## removes environments, runs and caches
	rm -rf $(VENV) .venvs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
