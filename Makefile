# make run [ARCH=aarch64]   a shell on the emulated kernel; without a terminal, a tour
# make check                lint, types, unit tests, one guest program per CPU; under a minute
# make test                 everything; first fetches what it needs
# make stress               the large counts, new random examples
# make bench [BENCH=DIR]    measurements; BENCH names a benchmark directory with a run.py
# make clean                remove what was made here (the cache stays: ~/.cache/diorama)

ARCH ?=
VENV := .venv
PY := $(VENV)/bin/python
DIORAMA := $(VENV)/bin/diorama
PYTEST := $(PY) -m pytest
JOBS ?= 2
ARCH_OPTION := $(if $(ARCH),--arch $(ARCH))

# The first Python that is new enough; if none is, python3 explains itself.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; \
	done; echo python3)

# What the installed project depends on: a change here, and nothing else, installs it again.
SOURCES := pyproject.toml tools/make_venv.py $(wildcard build_backend/*.py) \
	$(wildcard kernel/cpu/*.c) $(wildcard kernel/cpu/*.h) $(wildcard kernel/cpu/native/*)

# Every Python understands this line, however old it is.
define check_python
@command -v $(PYTHON) > /dev/null || \
	{ echo "diorama: there is no python3 here; 3.11 or newer is needed" >&2; exit 1; }
@$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('diorama: Python 3.11 or \
newer is needed, %s is %d.%d (make PYTHON=...)' % ((sys.executable,) + sys.version_info[:2]))"
endef

.PHONY: run check test stress bench lint types fetch guests clean
.DELETE_ON_ERROR:

# Of a shell that somebody typed in, only 125 says that something is wrong here.
run: $(VENV)/.installed
	@if [ -t 0 ]; then $(DIORAMA) shell $(ARCH_OPTION) || [ $$? != 125 ]; \
	else exec $(DIORAMA) shell -q $(ARCH_OPTION) --stats < tools/tour.sh; fi

check: $(VENV)/.dev
	@$(MAKE) --no-print-directory lint types
	$(PYTEST) -q -n $(JOBS) -m "smoke or not (guest or slow or stress)"

test: fetch guests
	$(PYTEST) -q -n $(JOBS)

stress: fetch guests
	DIORAMA_STRESS=1 $(PYTEST) -q -n $(JOBS) -m "stress or hypothesis" \
		-o faulthandler_timeout=3600

bench: $(VENV)/.dev
	$(PY) -m benchmarks $(BENCH)

lint: $(VENV)/.dev
	$(PY) -m ruff check --quiet .
	$(PY) -m ruff format --quiet --check .

types: $(VENV)/.dev
	$(PY) -m mypy --no-error-summary

fetch: $(VENV)/.dev
	$(PY) -m tools.fetch

guests: $(VENV)/.dev
	$(PY) -m userland.build > /dev/null

$(VENV)/.installed: $(SOURCES)
	$(check_python)
	@$(PYTHON) tools/make_venv.py $(VENV) plot,web
	@touch $@

$(VENV)/.dev: $(SOURCES)
	$(check_python)
	@$(PYTHON) tools/make_venv.py $(VENV) plot,web,dev
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find kernel/cpu -name '*.so' -o -name '*.dylib' | xargs rm -f
