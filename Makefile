# Every target sets up what it needs in .venv by itself; the second time is quick.
#
#   make demo     transcribe real speech through the real protocol, on this machine
#   make test     the test suite
#   make lint     ruff, mypy --strict, stubtest, cython-lint
#   make bench    benchmarks
#   make docs     the documentation, into docs/_build
#   make dist     sdist and wheel, built and tried out in environments of their own

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check
AUDIO = examples/audio/sense_and_sensibility_all.wav

SOURCES = pyproject.toml setup.py $(wildcard _codec/*.pyx _codec/*.h)

.PHONY: demo test lint bench docs dist clean

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
	$(BIN)/python tests/packaging.py

clean:
	rm -rf $(VENV) build dist docs/_build *.egg-info amazon_transcribe/*.so

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Installed in place: what is edited is what runs. The stamps hold the build switches, so
# that a changed switch or source builds anew.
$(VENV)/.installed: $(BIN)/python $(SOURCES)
	$(PIP) install --editable '.[local]'
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) install --editable '.[dev,local]'
	@touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(PIP) install 'sphinx>=8' 'myst-parser>=4'
	@touch $@
