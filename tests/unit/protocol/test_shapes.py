"""Shapes as plain objects and as dicts."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import datetime, timezone
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import fields

from amazon_transcribe import model
from amazon_transcribe._protocol.shapes import Fields, Shape
from amazon_transcribe.exceptions import InvalidEventException, ValidationException
from amazon_transcribe.model import (
    Alternative,
    CategoryEvent,
    ChannelDefinition,
    ConfigurationEvent,
    GetMedicalScribeStreamResponse,
    Item,
    MedicalScribeStreamDetails,
    PointsOfInterest,
    Result,
    StartStreamTranscriptionResponse,
    TimestampRange,
    Transcript,
    TranscriptEvent,
    TranscriptResultStream,
)

SHAPES = [
    kind for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, Shape)
]
EVENT = TranscriptEvent(
    Transcript([Result("r1", 0.0, 1.0, False, [Alternative("Hello.", [Item(0.0, 0.4)])])])
)


def filled(kind: Any) -> Any:
    """Return a value of a type, with all fields set at every depth."""
    if get_origin(kind) is Annotated:
        return filled(get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind(**{field.name: filled(field.type) for field in fields(kind)})
    if get_origin(kind) is list:
        return [filled(get_args(kind)[0])] * 2
    if get_origin(kind) is dict:
        return {"key": filled(get_args(kind)[1])}
    if NoneType in get_args(kind):
        return filled(next(part for part in get_args(kind) if part is not NoneType))
    plain = {str: "text", int: 7, float: 0.5, bool: True}
    return plain.get(kind) or datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def test_all_shapes_are_known_here() -> None:
    assert {TranscriptEvent, Item, GetMedicalScribeStreamResponse} < set(SHAPES)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_shape_is_a_plain_object(shape: type[Shape]) -> None:
    value = filled(shape)
    assert vars(value) == value.__dict__ == {f.name: getattr(value, f.name) for f in fields(shape)}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(value, protocol)) == value
    assert copy.copy(value) == copy.deepcopy(value) == value
    assert shape(*vars(value).values()) == value
    assert eval(repr(value), {**vars(model), "datetime": __import__("datetime")}) == value


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_shape_as_a_dict_and_back(shape: type[Shape]) -> None:
    value = filled(shape)
    plain = value.to_dict()
    assert list(plain) == [field.name for field in fields(shape)]
    assert shape.from_dict(json.loads(json.dumps(plain))) == value


def test_json_by_the_dict_of_every_object() -> None:
    text = json.dumps(EVENT, default=lambda o: o.__dict__)
    assert json.loads(text) == EVENT.to_dict()
    assert json.loads(json.dumps(EVENT, default=vars)) == EVENT.to_dict()


def test_an_encoder_that_tries_dict_and_then_vars() -> None:
    # FastAPI's jsonable_encoder, for objects of classes that it does not know.
    def encoded(value: Any) -> Any:
        if isinstance(value, list):
            return [encoded(part) for part in value]
        if value is None or isinstance(value, (str, int, float)):
            return value
        try:
            found = dict(value)
        except TypeError:
            found = vars(value)
        return {name: encoded(part) for name, part in found.items()}

    assert encoded(EVENT) == EVENT.to_dict()


def test_a_change_of_the_dict_does_not_change_the_object() -> None:
    item = Item(content="Hello")
    vars(item)["content"] = "Bye"
    item.to_dict()["content"] = "Bye"
    assert item.content == "Hello"


def test_a_request_and_a_response_have_their_fields_too() -> None:
    results = TranscriptResultStream(None)
    response = StartStreamTranscriptionResponse(results, "id", "en-US")
    assert isinstance(response, Fields)
    assert vars(response)["transcript_result_stream"] is results
    assert vars(response)["language_code"] == "en-US"
    request = model.StartStreamTranscriptionRequest("en-US", 16000, "pcm")
    assert vars(request)["media_sample_rate_hz"] == 16000


def test_unset_fields_are_in_the_dict() -> None:
    assert Item(0.0, 0.4, "pronunciation", "Hello").to_dict() == {
        "start_time": 0.0,
        "end_time": 0.4,
        "item_type": "pronunciation",
        "content": "Hello",
        "vocabulary_filter_match": None,
        "speaker": None,
        "confidence": None,
        "stable": None,
    }


def test_what_the_dict_leaves_out_is_unset() -> None:
    assert TranscriptEvent.from_dict({"transcript": {}}) == TranscriptEvent()
    assert TranscriptEvent.from_dict({"transcript": {"results": None}}) == TranscriptEvent()
    assert Item.from_dict({"content": "Hello"}) == Item(content="Hello")


def test_maps_and_times() -> None:
    event = CategoryEvent(["a"], {"a": PointsOfInterest([TimestampRange(1, 2)])})
    assert event.to_dict()["matched_details"] == {
        "a": {"timestamp_ranges": [{"begin_offset_millis": 1, "end_offset_millis": 2}]}
    }
    began = datetime(2026, 1, 2, tzinfo=timezone.utc)
    details = MedicalScribeStreamDetails(stream_created_at=began)
    assert details.to_dict()["stream_created_at"] == "2026-01-02T00:00:00+00:00"
    assert MedicalScribeStreamDetails.from_dict({"stream_created_at": began}) == details


@pytest.mark.parametrize(
    ("shape", "values", "reason"),
    [
        (TranscriptEvent, {"transcript": [1]}, "transcript: must be a mapping"),
        (TranscriptEvent, "text", "must be a mapping of fields, not 'text'"),
        (
            TranscriptEvent,
            {"transcript": {"results": [{}, {"start_time": "now"}]}},
            "transcript.results[1].start_time: Expected `float`, got `str`",
        ),
        (ChannelDefinition, {"channel_id": 0}, "participant_role: is required"),
        (CategoryEvent, {"matched_details": {1: {}}}, "matched_details: must have text as its"),
        (
            ConfigurationEvent,
            {"channel_definitions": [{"channel_id": 0, "participant_role": 1}]},
            "channel_definitions[0].participant_role: Expected `str`, got `int`",
        ),
    ],
)
def test_a_dict_that_does_not_fit_says_where(shape: Any, values: Any, reason: str) -> None:
    with pytest.raises(InvalidEventException) as fault:
        shape.from_dict(values)
    assert fault.value.event_type == shape.__name__
    assert reason in fault.value.reason


def test_a_fault_in_the_service_s_names_says_where() -> None:
    with pytest.raises(InvalidEventException) as fault:
        TranscriptEvent.from_dict({"Transcript": {"Results": [{"StartTime": "now"}]}}, "service")
    assert "Transcript.Results[0].StartTime: Expected `float`" in fault.value.reason


def test_unknown_names_are_passed_over() -> None:
    values = {"transcript": {"results": [{"result_id": "r", "new": [1]}], "New": 1}, "more": None}
    assert TranscriptEvent.from_dict(values) == TranscriptEvent(Transcript([Result("r")]))


def test_names_of_another_kind_are_refused() -> None:
    for refused in (EVENT.to_dict, EVENT.to_json):
        with pytest.raises(ValidationException, match="'python' or 'service', not 'java'"):
            refused("java")
    with pytest.raises(ValidationException):
        TranscriptEvent.from_dict({}, keys="java")


def test_the_service_s_names() -> None:
    assert EVENT.to_dict("service")["Transcript"] == {
        "Results": [
            {
                "ResultId": "r1",
                "StartTime": 0.0,
                "EndTime": 1.0,
                "IsPartial": False,
                "Alternatives": [
                    {"Transcript": "Hello.", "Items": [{"StartTime": 0.0, "EndTime": 0.4}]}
                ],
            }
        ]
    }


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values of a type, with fields set or not at every depth."""
    if get_origin(kind) is Annotated:
        return values_of(get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, Struct):
        of = {field.name: values_of(field.type) for field in fields(kind)}
        required = {f.name: of.pop(f.name) for f in fields(kind) if f.required}
        return st.fixed_dictionaries(required, optional=of).map(lambda given: kind(**given))
    if get_origin(kind) is list:
        return st.lists(values_of(get_args(kind)[0]), max_size=2)
    if get_origin(kind) is dict:
        return st.dictionaries(st.text(max_size=3), values_of(get_args(kind)[1]), max_size=2)
    if NoneType in get_args(kind):
        return st.none() | values_of(next(p for p in get_args(kind) if p is not NoneType))
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(max_size=5),
        int: st.integers(-(2**53), 2**53),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        datetime: st.datetimes(timezones=st.just(timezone.utc)),
    }
    return plain[kind]


ANY_SHAPE = st.sampled_from(SHAPES).flatmap(values_of)


@given(ANY_SHAPE, st.sampled_from(get_args(model.Keys)))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_value_comes_back_from_its_json(value: Shape, keys: Any) -> None:
    assert json.loads(value.to_json(keys)) == json.loads(json.dumps(value.to_dict(keys)))
    assert type(value).from_dict(json.loads(value.to_json(keys)), keys) == value
