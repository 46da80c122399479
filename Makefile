# Every target sets up what it needs in .venv by itself; the second time is quick.
#
#   make demo     transcribe real speech through the real protocol, on this machine
#   make test     the test suite; ARGS='-k framing' passes arguments to pytest
#   make lint     ruff, mypy --strict, stubtest, cython-lint
#   make bench    benchmarks
#   make docs     the documentation, into docs/_build
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

.PHONY: demo test lint bench docs dist lowest clean always

demo: $(VENV)/.installed
	$(BIN)/amazon-transcribe transcribe --local $(AUDIO)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest amazon_transcribe._codec
	$(BIN)/cython-lint _codec

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.wer

docs: $(VENV)/.docs
	$(BIN)/sphinx-build -q -W -b html docs docs/_build

dist: $(VENV)/.dev
	$(BIN)/python tests/distribution.py dist

lowest: $(VENV)/.dev
	$(BIN)/python tests/distribution.py lowest $(ARGS)

clean:
	rm -rf $(VENV) build dist docs/_build *.egg-info amazon_transcribe/*.so

# Installed in place: what is edited is what runs. Says which twin of the codec serves.
define INSTALL
	$(PIP) install --editable '.[$(EXTRAS)]'
	@$(BIN)/python -c 'from amazon_transcribe.eventstream import IMPLEMENTATION as codec; print("codec:", codec)'
endef

$(VENV)/.installed: EXTRAS = local
$(VENV)/.installed: $(VENV)/.switches $(SOURCES)
	$(INSTALL)
	@touch $@

$(VENV)/.dev: EXTRAS = dev,local
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
