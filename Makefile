# make demo   the tutorial on a real picture, in the terminal and as pictures
# make test   every test
# make check  format, lint, types and the arrows between modules
# make web    the explorer's page: types, the committed bundle, Chromium; needs node and chromium

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check web

demo: .venv/package
	$(BIN)/glassconv demo

# foolbox brings the first CIFAR-10 images; its own dependencies are not needed for that.
test: .venv/package
	$(PIP) --editable '.[test]'
	$(PIP) --no-deps foolbox
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal

check: .venv/package
	$(PIP) --editable '.[test,check]'
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

web:
	npm ci --prefix web --silent --no-fund --no-audit
	npm run --prefix web --silent check
	npm test --prefix web --silent

.venv/package: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	touch $@
