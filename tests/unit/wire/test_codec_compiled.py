"""The compiled twin alone: its presence, and its CRC paths."""

from __future__ import annotations

import importlib.machinery
import os
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import amazon_transcribe

PACKAGE = Path(amazon_transcribe.__file__).parent


def built() -> bool:
    return any(
        (PACKAGE / "_wire" / f"_codec{suffix}").exists()
        for suffix in importlib.machinery.EXTENSION_SUFFIXES
    )


@pytest.fixture
def compiled(pytestconfig: pytest.Config):
    if pytestconfig.getoption("--no-compiled"):
        pytest.skip("--no-compiled")
    if not built():
        pytest.skip("the compiled codec was not built")
    from amazon_transcribe._wire import _codec

    return _codec


def implementation(before: str = "", **environment: str) -> str:
    """Return the name of the twin that a fresh interpreter picks."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AMAZON_TRANSCRIBE_")}
    program = f"{before}\nfrom amazon_transcribe._wire import *\nprint(IMPLEMENTATION)"
    return subprocess.run(
        [sys.executable, "-c", program],
        env=clean | environment | {"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout.strip()


def test_a_built_codec_is_the_one_that_serves(compiled):
    assert implementation() == "compiled"
    assert implementation(AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS="1") == "compiled"


@pytest.mark.parametrize("value", ["", "0"])
def test_an_empty_switch_is_off(compiled, value):
    assert implementation(AMAZON_TRANSCRIBE_NO_EXTENSIONS=value) == "compiled"


def test_the_pure_codec_can_be_forced():
    assert implementation(AMAZON_TRANSCRIBE_NO_EXTENSIONS="1") == "python"


def test_a_missing_codec_is_replaced_unless_required():
    missing = "import sys; sys.modules['amazon_transcribe._wire._codec'] = None"
    assert implementation(missing) == "python"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        implementation(missing, AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS="1")
    assert "ModuleNotFoundError" in caught.value.stderr


def test_every_crc_path_equals_zlib_at_every_length_and_alignment(compiled):
    data = random.Random(3).randbytes(4096 + 64)
    view = memoryview(data)
    copy = bytearray()
    for path in compiled._crc32_paths():
        for length in range(4097):
            start = length % 64
            part = view[start : start + length]
            assert compiled._crc32_by(path, part) == zlib.crc32(part), (path, length)
            assert compiled._crc32_by(path, part, 0, copy) == zlib.crc32(part), (path, length)
            assert copy == part
        for start in range(64):
            for length in (0, 1, 15, 16, 17, 31, 63, 64, 127, 255, 256, 257, 1023, 3000):
                part = view[start : start + length]
                assert compiled._crc32_by(path, part, start) == zlib.crc32(part, start)


def test_every_crc_path_runs_on_over_random_splits(compiled):
    generator = random.Random(4)
    data = generator.randbytes(20_000)
    for path in compiled._crc32_paths():
        for _ in range(100):
            crc, position = 0, 0
            while position < len(data):
                length = generator.choice((1, 5, 16, 100, 300, 1000, 5000))
                crc = compiled._crc32_by(path, data[position : position + length], crc)
                position += length
            assert crc == zlib.crc32(data), path


def test_tables_are_always_there(compiled):
    assert compiled._crc32_paths()[0] == "tables"
