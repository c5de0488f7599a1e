# make help          what there is
# make mnist-dmvae   the main job: a DMVAE on MNIST, from nothing

PRESET = default
SEED = 0
EPOCHS =
RESTARTS = 1
WORKDIR = runs

# The active virtual environment, or one of our own.
VENV := $(or $(VIRTUAL_ENV),.venv)
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.vae_moe_installed
RUNS := $(foreach data,mnist fashion_mnist cifar10 digits spiral reuters reuters10k hhar,$(foreach model,dmvae hdmvae vade dvmoe deepmoe vademoe hmoe,$(data)-$(model)))

.PHONY: help install check audit test mutations robustness clean tensorboard figures readme docs tutorial $(RUNS)
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z_ -]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  Runs (options PRESET=default|augment|scratch|paper|warm SEED=0 EPOCHS=n RESTARTS=1 WORKDIR=runs DATA_DIR=folder; COMPONENTS=K; of"
	@echo "  the mixtures of experts (dvmoe, deepmoe, vademoe, hmoe) also TASK=regression|classification OUTPUTS=n LABELS=n):"
	@for run in $(RUNS); do echo "    make $$run"; done

install: $(INSTALLED)  ## virtual environment and package, once
$(INSTALLED): setup.cfg setup.py
	@test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(RUNS): $(INSTALLED)
	@$(PYTHON) -m experiments.train $@ --preset $(PRESET) --seed $(SEED) --workdir $(WORKDIR) --restarts $(RESTARTS) \
		$(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(TASK),--task $(TASK)) $(if $(OUTPUTS),--outputs $(OUTPUTS)) \
		$(if $(LABELS),--labels $(LABELS)) $(if $(COMPONENTS),--components $(COMPONENTS)) \
		$(if $(DATA_DIR),--data-dir $(DATA_DIR))

figures: $(INSTALLED)  ## Figures 4 to 11 of all runs, one page a data set
	@$(PYTHON) -m experiments.figures --workdir $(WORKDIR)

readme: $(INSTALLED)  ## the tables of README.md and docs again, from the records of the runs
	@$(PYTHON) -m experiments.readme --workdir $(WORKDIR)

docs: $(INSTALLED)  ## a site of the pages, the tutorial and the API reference, links checked: build/docs/index.html
	@$(PYTHON) docs/reference

tutorial: $(INSTALLED)  ## docs/tutorial.ipynb and docs/ways.md executed anew
	@PYTHONPATH=. $(PYTHON) docs/execute.py

tensorboard: $(INSTALLED)  ## curves, pictures and latents of all runs in the browser
	@$(VENV)/bin/tensorboard --logdir $(WORKDIR)

check: $(INSTALLED) audit  ## lint, types, known vulnerabilities
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

audit: $(INSTALLED)
	@if found=$$($(PYTHON) -m pip_audit --local --skip-editable --progress-spinner off 2>&1); then \
		echo "no known vulnerabilities; $$(echo "$$found" | grep -c 'could not be audited') packages could not be asked about"; \
	elif echo "$$found" | grep -qi "connect"; then echo "no network: vulnerabilities not asked about"; \
	else echo "$$found"; exit 1; fi

test: $(INSTALLED)  ## the tests
	$(PYTHON) -m pytest

mutations: $(INSTALLED)  ## break the mathematics line by line: do the tests notice?
	@$(PYTHON) tests/stress/mutations.py

robustness: $(INSTALLED)  ## kill, fuzz, soak, serve, export and mutate, an hour or more: docs/reliability.md
	@$(PYTHON) tests/stress

clean:  ## caches and the virtual environment; runs stay
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache
