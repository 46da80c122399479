"""The compiled twin alone: its presence, its CRC paths and its SHA-256."""

from __future__ import annotations

import hashlib
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


def implementation(before: str = "", *, of: str = "IMPLEMENTATION", **environment: str) -> str:
    """Return the name of the twin, or of the hash, that a fresh interpreter picks."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AMAZON_TRANSCRIBE_")}
    program = f"{before}\nfrom amazon_transcribe._wire import *\nprint({of})"
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


@pytest.fixture
def sha256_of(compiled):
    try:
        compiled._sha256_of()
    except NotImplementedError as error:
        pytest.skip(str(error))
    return compiled._sha256_of


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        # NIST, "SHA-256 example" and the short messages of its "SHA Test Vectors".
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"\xd3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
            b"hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
        ),
        (
            b"a" * 1_000_000,
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else f"{len(value)} bytes",
)
def test_sha256_gives_nists_digests(sha256_of, message, digest):
    assert sha256_of(message).hex() == digest


def test_sha256_equals_hashlibs_at_every_length_and_alignment(sha256_of):
    view = memoryview(random.Random(6).randbytes(4096 + 64))
    for length in range(4097):
        part = view[length % 64 : length % 64 + length]
        assert sha256_of(part) == hashlib.sha256(part).digest(), length


def test_sha256_runs_on_over_random_splits(sha256_of):
    generator = random.Random(7)
    for _ in range(500):
        pieces = [
            generator.randbytes(generator.choice((0, 1, 7, 55, 63, 64, 65, 130, 1000)))
            for _ in range(generator.randrange(12))
        ]
        assert sha256_of(*pieces) == hashlib.sha256(b"".join(pieces)).digest()


def test_hashlib_can_be_forced(compiled):
    forced = {"AMAZON_TRANSCRIBE_REQUIRE_HASHLIB": "1"}
    assert implementation(of="SHA256_IMPLEMENTATION", **forced) == "hashlib"
    assert implementation(**forced) == "compiled"


def test_an_empty_switch_leaves_the_choice_to_the_processor(compiled, sha256_of):
    empty = {"AMAZON_TRANSCRIBE_REQUIRE_HASHLIB": "0"}
    assert implementation(of="SHA256_IMPLEMENTATION", **empty) in ("sha-ni", "armv8")


def test_a_wrong_answer_is_told_and_leaves_the_work_to_hashlib(compiled, sha256_of, caplog):
    try:
        assert compiled._choose_sha256(False, bytes(32)) == "hashlib"
    finally:
        compiled._choose_sha256(compiled.SHA256_IMPLEMENTATION == "hashlib")
    assert "give a wrong answer: events are signed with hashlib" in caplog.text


def test_the_pure_codec_hashes_with_hashlib():
    pure = {"AMAZON_TRANSCRIBE_NO_EXTENSIONS": "1"}
    assert implementation(of="SHA256_IMPLEMENTATION", **pure) == "hashlib"
