"""What comes from outside does not steer the terminal or the log that shows it."""

from __future__ import annotations

import inspect
import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import amazon_transcribe
from amazon_transcribe import exceptions
from amazon_transcribe.audio import AudioFileException
from amazon_transcribe.exceptions import SDKError, ServiceException, printable, shown
from amazon_transcribe.local.engines import EngineUnavailable
from amazon_transcribe.observe import package_logger

CONTROLS = [*map(chr, (*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029))]
CONTROLS += map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
SURROGATES = [*map(chr, range(0xD800, 0xE000))]
STEERING = {*CONTROLS, *SURROGATES}
HOSTILE = st.text(
    st.sampled_from(CONTROLS) | st.sampled_from(SURROGATES) | st.characters(), max_size=40
)
KINDS = [getattr(exceptions, name) for name in exceptions.__all__]


def steers(text: str) -> bool:
    return any(character in STEERING for character in text)


def made(kind: type[SDKError], text: str) -> SDKError:
    """An exception with this text wherever it takes one."""
    if kind.__init__ is SDKError.__init__:
        return kind(text)
    of = {"str": text, "str | None": text, "object": text, "bytes": text.encode("utf-8", "replace")}
    parameters = inspect.signature(kind).parameters.values()
    return kind(*[of.get(p.annotation, 1) for p in parameters if p.kind is not p.KEYWORD_ONLY])


@given(HOSTILE)
def test_only_control_characters_are_escaped(text: str) -> None:
    safe = printable(text)
    assert not steers(safe)
    assert printable(safe) == safe
    if not steers(text):
        assert safe == text
    assert not steers(printable(text, "\n").replace("\n", ""))
    assert not steers(shown(text))


def test_escapes_are_those_of_json() -> None:
    assert printable("a\n\x1b[2J\x9b\u202e\U0001f600") == "a\\n\\u001b[2J\\u009b\\u202e\U0001f600"


@given(HOSTILE)
def test_the_text_of_every_exception_is_safe_to_print(text: str) -> None:
    for kind in (*KINDS, AudioFileException, EngineUnavailable):
        assert not steers(str(made(kind, text))), kind


def test_what_the_service_said_is_kept_as_it_came() -> None:
    assert ServiceException("a\x1b[2J").message == "a\x1b[2J"


def kinds(root: type[SDKError]) -> Iterator[type[SDKError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_no_exception_goes_its_own_way_to_text() -> None:
    assert [kind for kind in kinds(SDKError) if "__str__" in vars(kind)] == []


@given(HOSTILE)
def test_records_of_the_log_are_safe(text: str) -> None:
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    logger = package_logger("amazon_transcribe.test")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        logger.warning("session %s ends: %d", text, 1)
        try:
            raise ValueError(text)
        except ValueError:
            logger.exception("failed for %s", text)
    finally:
        logger.removeHandler(handler)
    assert "ends: 1" in output.getvalue()
    assert "ValueError" in output.getvalue()
    assert not steers(output.getvalue().replace("\n", ""))
    assert output.getvalue().startswith(f"session {printable(text)} ends: 1\nfailed for")


def test_every_logger_of_the_package_is_such_a_one() -> None:
    package = Path(amazon_transcribe.__file__).parent
    sources = {path: path.read_text("utf-8") for path in package.rglob("*.py")}
    found = [
        path.name
        for path, source in sources.items()
        if re.search(r"logger\b.*= logging\.getLogger", source) and path.name != "observe.py"
    ]
    assert found == []
