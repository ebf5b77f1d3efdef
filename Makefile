# Everything is installed into .venv; nothing outside this folder is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo studio test test-long lint types generated check deb clean

help:  ## say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# Installed anew when the project's metadata or the contract has changed.
$(VENV)/.installed: pyproject.toml proto/edge-agent.proto proto/build_hook.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cpu,train,studio]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cpu,train,studio,dev]'
	@touch $@

demo: $(VENV)/.installed  ## build a sample model, serve it, and show its verdicts
	$(BIN)/edge-agent demo --output demo

studio: $(VENV)/.installed  ## serve the page for pictures, labels, training and trials on http://127.0.0.1:8501
	$(BIN)/edge-agent studio --data studio-data

test: $(VENV)/.installed-dev  ## run the tests
	$(BIN)/python -m pytest

test-long: $(VENV)/.installed-dev  ## run the tests that take longer: real servers, a browser, learning masks
	$(BIN)/python -m pytest -m long -n 2

lint: $(VENV)/.installed-dev  ## look at the style: ruff check, and ruff format without changing anything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev  ## check the types
	$(BIN)/mypy

generated: $(VENV)/.installed-dev  ## write docs/manifest.schema.json, docs/settings.md and the protobuf module anew
	$(BIN)/python docs/generate.py

check: lint types test  ## what a change has to pass; .ci/run also looks at generated files and runs test-long

# What the Debian package is for: a device of this architecture, with this Python.
ARCH ?= amd64
DEVICE_PYTHON ?= 3.11

deb:  ## build dist/edge-agent_VERSION_ARCH.deb; make deb ARCH=arm64 DEVICE_PYTHON=3.10 for another device
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	$(BIN)/python packaging/debian/build_deb.py --arch $(ARCH) --python $(DEVICE_PYTHON) --output dist

clean:  ## remove .venv, the demo and what tools keep
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache
