# Every target makes the clone ready first (virtual environment, servers); nothing is written outside the clone.
.DEFAULT_GOAL := help
SHELL := /bin/sh
export TMPDIR := $(CURDIR)/.local/tmp
PYTHON_IN := .venv/bin/python
# Several processes share the tests out, file by file; ARGS="-n 0" runs all in one.
PYTEST := $(PYTHON_IN) -m pytest -n auto --dist loadfile --no-loadscope-reorder

.PHONY: help demo run test check bench chaos lock rabbitmq4 clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  MAILROOM_AMQP_URL=amqp://… uses that broker instead of a private one; ARGS=… is passed on."

demo: ## Do the main job once: sample events, real broker, real mail servers, a checked table
	@deploy/local/setup.sh broker
	@$(PYTHON_IN) -m deploy.local.demo $(ARGS)

run: ## The same, staying up until Ctrl-C
	@deploy/local/setup.sh broker
	@$(PYTHON_IN) -m deploy.local.demo --stay $(ARGS)

test: ## Run every test (missing servers are skipped, with CI=true they fail)
	@deploy/local/setup.sh broker tests
	@$(PYTEST) $(ARGS)

check: ## Lint, format, types, import contracts, and all tests with branch coverage
	@deploy/local/setup.sh broker tests
	@$(PYTHON_IN) -m ruff check .
	@$(PYTHON_IN) -m ruff format --check .
	@$(PYTHON_IN) -m mypy
	@.venv/bin/lint-imports --no-cache
	@$(PYTEST) --cov --cov-report=term $(ARGS)

bench: ## Measure how fast waiting events are drained (ARGS=flood, aside, limits, memory, ledger, hops, web, providers: other things)
	@deploy/local/setup.sh broker
	@$(PYTHON_IN) -m tests.bench $(ARGS)

chaos: ## Kill, freeze and cut things by a seed and account for every event (half an hour)
	@deploy/local/setup.sh broker tests
	@$(PYTHON_IN) -m tests.chaos $(ARGS)

lock: ## Write the locks anew from pyproject.toml (ARGS=--upgrade for the newest versions)
	@deploy/local/setup.sh
	@$(PYTHON_IN) -m deploy.local.lock $(ARGS)

rabbitmq4: ## Unpack RabbitMQ 4 below .local/ for the tests marked "versions" (root); ARGS=run: start a node of it
	@deploy/local/rabbitmq4.sh
	@[ "$(ARGS)" != run ] || { deploy/local/setup.sh && exec $(PYTHON_IN) -m deploy.local.newer_node; }

clean: ## Remove everything that was made here, .venv and .local included
	@rm -rf .venv .local .hypothesis build dist *.egg-info .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
