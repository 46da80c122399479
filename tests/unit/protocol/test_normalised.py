"""Values that stand for plain ones: what is checked is what is sent, in every place.

Programs pass enumerations, numbers of numpy, UUIDs and text from the environment.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from enum import Enum, IntEnum
from typing import Any
from urllib.parse import parse_qs

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from amazon_transcribe._protocol import rest_json
from amazon_transcribe._protocol.client_session import ClientSession
from amazon_transcribe._protocol.combinations import no_combinations
from amazon_transcribe._protocol.constraints import (
    Boolean,
    Integer,
    ListOf,
    MapOf,
    OneOf,
    Rule,
    Structure,
    Text,
    TextList,
    members_of,
)
from amazon_transcribe._protocol.operation import InputEvent, Operation
from amazon_transcribe._stream.idle import silence_of
from amazon_transcribe._stream.telemetry import byte_rate
from amazon_transcribe.auth import Credentials
from amazon_transcribe.exceptions import InvalidParameterException
from amazon_transcribe.local.service.operations import OPERATIONS
from amazon_transcribe.transcription import (
    START_STREAM_TRANSCRIPTION,
    StartStreamTranscriptionRequest,
)

ID = "1234abcd-1234-1234-1234-1234567890ab"


class Loud(str):
    """Text that prints as something else, as members of `(str, Enum)` do."""

    def __str__(self) -> str:
        return "LOUD"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return "LOUD"


class Index:
    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


def _str_enum(value: str) -> Any:
    return Enum("Language", {"ONE": value}, type=str).ONE  # type: ignore[call-overload]


def _plain_enum(value: Any) -> Any:
    return Enum("Language", {"ONE": value}).ONE  # type: ignore[attr-defined]


def _int_enum(value: int) -> Any:
    return IntEnum("Rate", {"ONE": value}).ONE  # type: ignore[attr-defined]


TEXT: list[Callable[[str], Any]] = [str, Loud, _str_enum, _plain_enum, numpy.str_]
NUMBER: list[Callable[[int], Any]] = [
    int,
    str,
    Loud,
    Index,
    _int_enum,
    _plain_enum,
    numpy.int32,
    numpy.int64,
    numpy.array,
]
TRUTH: list[Callable[[bool], Any]] = [bool, str, lambda v: str(v).lower(), numpy.bool_, _plain_enum]

# Text that matches each pattern of the service model.
EXAMPLES = ("text-1", "en-US", "NAME", ID, "arn:aws:iam::123456789012:role/writes", "bucket")


def example_of(rule: Text) -> str:
    return next(text for text in EXAMPLES if rule.violation(text) is None)


def pairs(rule: Rule) -> st.SearchStrategy[tuple[Any, Any]]:
    """Draw a value that a rule takes, and one that stands for it."""
    if isinstance(rule, Boolean):
        return st.tuples(st.booleans(), st.sampled_from(TRUTH)).map(disguised)
    if isinstance(rule, Integer):
        numbers = st.integers(rule.low, rule.high or rule.low + 5)
        return st.tuples(numbers, st.sampled_from(NUMBER)).map(disguised)
    if isinstance(rule, OneOf):
        return st.tuples(st.sampled_from(rule.values), st.sampled_from(TEXT)).map(disguised)
    if isinstance(rule, TextList):
        texts = st.tuples(st.just(example_of(rule)), st.sampled_from(TEXT)).map(disguised)
        return st.lists(texts, min_size=2, max_size=2).map(unzipped) | texts
    if isinstance(rule, Text):
        text = example_of(rule)
        kinds: list[Callable[[str], Any]] = [*TEXT, uuid.UUID] if text == ID else TEXT
        return st.tuples(st.just(text), st.sampled_from(kinds)).map(disguised)
    if isinstance(rule, ListOf):
        return st.lists(pairs(rule.of), min_size=rule.low, max_size=rule.low).map(unzipped)
    if isinstance(rule, MapOf):
        return st.tuples(pairs(rule.of), pairs(rule.of)).map(
            lambda drawn: ({drawn[0][0]: drawn[1][0]}, {drawn[0][1]: drawn[1][1]})
        )
    assert isinstance(rule, Structure)
    return shapes(rule.shape)


def disguised(drawn: tuple[Any, Callable[[Any], Any]]) -> tuple[Any, Any]:
    value, disguise = drawn
    return value, disguise(value)


def unzipped(drawn: list[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    return [plain for plain, _ in drawn], [other for _, other in drawn]


def shapes(shape: type[Struct]) -> st.SearchStrategy[tuple[Struct, Struct]]:
    def made(drawn: Mapping[str, tuple[Any, Any]]) -> tuple[Struct, Struct]:
        return tuple(  # type: ignore[return-value]
            shape(**{name: values[side] for name, values in drawn.items()}) for side in (0, 1)
        )

    return st.fixed_dictionaries(
        {member.name: pairs(member.rule) for member in members_of(shape)}
    ).map(made)


def _without_combinations(operation: Operation) -> Operation:
    inputs = tuple(replace(event, combinations=no_combinations) for event in operation.inputs)
    return replace(operation, combinations=no_combinations, inputs=inputs)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda o: o.name)
@given(data=st.data())
def test_every_parameter_is_sent_as_it_is_checked(operation: Operation, data: Any) -> None:
    operation = _without_combinations(operation)
    plain, other = data.draw(shapes(operation.request))
    expected = rest_json.write_request(operation, plain)
    found = rest_json.write_request(operation, other)
    assert (found.target, found.headers) == (expected.target, expected.headers)
    assert found.plain == expected.plain
    # What went into the text of the request is text, and the peer reads the same.
    assert all(type(value) is str for _, value in found.headers)
    assert type(found.target) is str
    labels = operation.pattern.fullmatch(found.target)
    assert labels is not None
    read = rest_json.read_request(operation, dict(found.headers), labels.groupdict())
    assert rest_json.write_request(operation, read).headers == expected.headers


INPUTS = [
    pytest.param(operation, event, id=event.shape.__name__)
    for operation in OPERATIONS.values()
    for event in operation.inputs
]


@pytest.mark.parametrize(("operation", "event"), INPUTS)
@given(data=st.data())
def test_every_event_is_sent_as_it_is_checked(
    operation: Operation, event: InputEvent, data: Any
) -> None:
    operation = _without_combinations(operation)
    plain, other = data.draw(shapes(event.shape))
    expected = rest_json.write_event(operation, plain)
    found = rest_json.write_event(operation, other)
    assert found == expected
    assert rest_json.read_event(operation, event.name, found[2])[1] == plain


def test_a_presigned_query_and_its_echo_have_the_plain_values() -> None:
    request = StartStreamTranscriptionRequest(
        _str_enum("en-US"),
        numpy.int64(16000),
        _plain_enum("pcm"),
        session_id=uuid.UUID(ID),
        show_speaker_label=numpy.True_,
        vocabulary_names=[_str_enum("one")],
    )
    session = ClientSession(
        START_STREAM_TRANSCRIPTION,
        rest_json.write_request(START_STREAM_TRANSCRIPTION, request),
        Credentials("AKID", "secret"),
        region="us-east-1",
        authority="localhost:8080",
    )
    query = parse_qs(session.presigned().partition("?")[2])
    assert query["language-code"] == ["en-US"]
    assert query["sample-rate"] == ["16000"]
    assert query["session-id"] == [ID]
    response = session.receive_response({}, None)
    assert response.language_code == "en-US"
    assert response.media_sample_rate_hz == 16000
    assert response.media_encoding == "pcm"
    assert response.session_id == ID
    assert response.show_speaker_label is True
    assert response.vocabulary_names == ["one"]


def test_what_the_client_computes_from_a_request_takes_the_plain_values() -> None:
    request = StartStreamTranscriptionRequest(
        "en-US",
        "16000",  # type: ignore[arg-type]
        _str_enum("pcm"),
        enable_channel_identification="true",  # type: ignore[arg-type]
        number_of_channels="2",  # type: ignore[arg-type]
    )
    plain = rest_json.write_request(START_STREAM_TRANSCRIPTION, request).plain
    assert byte_rate(plain) == 64_000
    assert len(silence_of(plain)) == 6_400
    for encoding, silence in (("g711-alaw", b"\xd5"), ("g711-ulaw", b"\xff")):
        telephony = replace(plain, media_encoding=encoding)
        assert byte_rate(telephony) == 32_000
        assert silence_of(telephony) == 3_200 * silence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("media_sample_rate_hz", True),
        ("media_sample_rate_hz", numpy.float64(16000)),
        ("media_sample_rate_hz", "16_000"),
        ("media_sample_rate_hz", "١٦٠٠٠"),
        ("media_sample_rate_hz", "9" * 5000),
        ("media_sample_rate_hz", numpy.array([16000])),
        ("media_encoding", numpy.array(["pcm", "flac"])),
        ("show_speaker_label", numpy.int64(1)),
        ("show_speaker_label", ""),
        ("session_id", uuid.UUID(ID).bytes),
        ("vocabulary_name", Loud("no spaces")),
        ("language_options", [None, "en-US"]),
    ],
)
def test_what_stands_for_no_such_value_is_refused_by_name(name: str, value: Any) -> None:
    good = {"language_code": "en-US", "media_sample_rate_hz": 16000, "media_encoding": "pcm"}
    request = StartStreamTranscriptionRequest(**{**good, name: value})
    with pytest.raises(InvalidParameterException) as refusal:
        rest_json.write_request(START_STREAM_TRANSCRIPTION, request)
    assert refusal.value.parameter == name


def test_text_that_has_no_bytes_is_refused() -> None:
    assert "UTF-8" in str(Text().violation("\ud800"))
