# Tasks of development. They use the Python of the active environment: pip install -e ".[dev]"
PYTHON ?= python
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help lint test test-all demo reference docs

help: ## List the tasks
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

lint: ## Check style, types and imports
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	lint-imports

test: ## Run the fast tests
	$(PYTHON) -m pytest -n $(WORKERS) --hypothesis-profile fast -m "not slow and not long"

test-all: ## Run all tests but the long ones
	$(PYTHON) -m pytest -n $(WORKERS)

demo: ## Train on the demo corpus and reply
	$(PYTHON) -m grucli demo

reference: ## Regenerate the completions, docs/cli.md and the drawings of the cells
	$(PYTHON) -m grucli.cli.completions
	$(PYTHON) -m grucli.cli.reference > docs/cli.md
	$(PYTHON) docs/make_cells.py

docs: reference ## Regenerate the reference and the screenshots
	$(PYTHON) docs/make_screenshots.py
