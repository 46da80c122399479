"""The parameters of StartStreamTranscription: what is refused, written and read.

That they are the service model's is shown in `test_service_model`.
"""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from msgspec.structs import replace

from amazon_transcribe._protocol import rest_json
from amazon_transcribe._protocol.constraints import OneOf
from amazon_transcribe.exceptions import (
    BadRequestException,
    InvalidParameterException,
    ValidationException,
)
from amazon_transcribe.transcription import START_STREAM_TRANSCRIPTION as START
from amazon_transcribe.transcription import StartStreamTranscriptionRequest

GOOD: dict[str, Any] = {
    "language_code": "en-US",
    "media_sample_rate_hz": 16000,
    "media_encoding": "pcm",
}


def headers_of(**parameters: Any) -> dict[str, str]:
    request = StartStreamTranscriptionRequest(**{**GOOD, **parameters})
    return dict(rest_json.write_request(START, request).headers)


def test_seed_order_of_the_request() -> None:
    request = StartStreamTranscriptionRequest("en-US", 16000, "pcm", "names", "id", "mask")
    assert request.vocabulary_name == "names"
    assert request.session_id == "id"
    assert request.vocab_filter_method == "mask"
    with pytest.raises(TypeError):
        StartStreamTranscriptionRequest("en-US", 16000, "pcm", "n", "id", "mask", "more")  # type: ignore[misc]


class NextYear(StartStreamTranscriptionRequest, kw_only=True):
    mood: Annotated[str | None, OneOf(("calm", "excited"))] = None


def test_one_field_is_all_that_a_new_parameter_needs() -> None:
    operation = replace(START, request=NextYear)
    request = NextYear(**GOOD, mood="calm")
    headers = dict(rest_json.write_request(operation, request).headers)
    assert headers == {**headers_of(), "x-amzn-transcribe-mood": "calm"}
    assert rest_json.read_request(operation, headers, {}).mood == "calm"
    with pytest.raises(InvalidParameterException, match="mood must be one of calm, excited"):
        rest_json.write_request(operation, NextYear(**GOOD, mood="angry"))
    headers["x-amzn-transcribe-mood"] = "angry"
    with pytest.raises(BadRequestException, match="Mood must be one of calm, excited"):
        rest_json.read_request(operation, headers, {})


def test_headers_of_a_plain_request() -> None:
    assert headers_of() == {
        "x-amzn-transcribe-language-code": "en-US",
        "x-amzn-transcribe-sample-rate": "16000",
        "x-amzn-transcribe-media-encoding": "pcm",
    }


@pytest.mark.parametrize("empty", [[], ()])
def test_empty_list_is_not_set_as_in_the_original(empty: Any) -> None:
    names = ("vocabulary_names", "vocabulary_filter_names", "pii_entity_types", "language_options")
    assert headers_of(**dict.fromkeys(names, empty)) == headers_of()


def test_lists_are_joined_and_booleans_lower_case() -> None:
    headers = headers_of(
        language_code=None,
        identify_language=True,
        language_options=["en-US", "de-DE"],
        show_speaker_label=False,
    )
    assert headers["x-amzn-transcribe-language-options"] == "en-US,de-DE"
    assert headers["x-amzn-transcribe-identify-language"] == "true"
    assert headers["x-amzn-transcribe-show-speaker-label"] == "false"


IDENTIFY = {
    "language_code": None,
    "identify_language": True,
    "language_options": ["en-US", "de-DE"],
}


@pytest.mark.parametrize(
    ("parameter", "says", "parameters"),
    [
        ("language_code", "language_code is required", {"language_code": None}),
        ("language_code", "en-US", {"language_code": "en_US"}),
        ("media_sample_rate_hz", "8,000 to 48,000", {"media_sample_rate_hz": 7999}),
        ("media_sample_rate_hz", "8,000 to 48,000", {"media_sample_rate_hz": 48001}),
        ("media_sample_rate_hz", "8,000 to 48,000", {"media_sample_rate_hz": None}),
        ("media_sample_rate_hz", "'16000.0'", {"media_sample_rate_hz": "16000.0"}),
        ("media_sample_rate_hz", "' 16000'", {"media_sample_rate_hz": " 16000"}),
        ("media_sample_rate_hz", "16000.0", {"media_sample_rate_hz": 16000.0}),
        ("show_speaker_label", "True or False", {"show_speaker_label": 1}),
        ("media_sample_rate_hz", "True", {"media_sample_rate_hz": True}),
        ("media_encoding", "ogg-opus", {"media_encoding": "mp3"}),
        ("media_encoding", "pcm", {"media_encoding": None}),
        ("session_id", "36 characters", {"session_id": "short"}),
        ("session_id", "must match", {"session_id": "x" * 36}),
        ("session_id", "must be a string", {"session_id": 5}),
        ("vocabulary_name", "must match", {"vocabulary_name": "no spaces\r\nx-evil: 1"}),
        ("vocabulary_name", "1 to 200", {"vocabulary_name": ""}),
        ("vocab_filter_method", "remove, mask, tag", {"vocab_filter_method": "hide"}),
        ("partial_results_stability", "high", {"partial_results_stability": "max"}),
        ("show_speaker_label", "True or False", {"show_speaker_label": "yes"}),
        ("session_resume_window", "1 to 300", {"session_resume_window": 301}),
        ("number_of_channels", "needs enable_channel", {"number_of_channels": 2}),
        ("number_of_channels", "is required", {"enable_channel_identification": True}),
        (
            "number_of_channels",
            "at least 2",
            {"enable_channel_identification": True, "number_of_channels": 1},
        ),
        (
            "show_speaker_label",
            "exclude each other",
            {
                "show_speaker_label": True,
                "enable_channel_identification": True,
                "number_of_channels": 2,
            },
        ),
        ("language_code", "exclude each other", {**IDENTIFY, "language_code": "en-US"}),
        (
            "identify_language",
            "exclude each other",
            {**IDENTIFY, "identify_multiple_languages": True},
        ),
        ("language_options", "at least two", {**IDENTIFY, "language_options": ["en-US"]}),
        ("language_options", "at least two", {**IDENTIFY, "language_options": None}),
        ("language_options", "needs identify_language", {"language_options": ["en-US", "de-DE"]}),
        ("language_options", "list of strings", {**IDENTIFY, "language_options": [1, 2]}),
        ("language_options", "without commas", {**IDENTIFY, "language_options": ["en-US,", "x"]}),
        (
            "preferred_language",
            "one of language_options",
            {**IDENTIFY, "preferred_language": "fr-FR"},
        ),
        (
            "content_identification_type",
            "exclude each other",
            {"content_identification_type": "PII", "content_redaction_type": "PII"},
        ),
        ("pii_entity_types", "needs content", {"pii_entity_types": ["NAME"]}),
        ("vocabulary_name", "exclude", {"vocabulary_name": "a", "vocabulary_names": ["b"]}),
    ],
)
def test_wrong_parameters_are_refused_by_name(
    parameter: str, says: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameterException) as refusal:
        headers_of(**parameters)
    assert refusal.value.parameter == parameter
    assert refusal.value.status_code == 400
    assert says in refusal.value.message
    assert parameter in refusal.value.message
    assert isinstance(refusal.value, ValidationException)
    assert isinstance(refusal.value, BadRequestException)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        IDENTIFY,
        {**IDENTIFY, "language_options": "en-US,de-DE", "preferred_language": "de-DE"},
        {"session_id": "11111111-2222-3333-4444-555555555555", "session_resume_window": 30},
        {"content_redaction_type": "PII", "pii_entity_types": ["NAME", "EMAIL"]},
        {"enable_channel_identification": True, "number_of_channels": 2},
    ],
)
def test_server_reads_what_the_client_writes(parameters: dict[str, Any]) -> None:
    headers = headers_of(**parameters)
    read = rest_json.read_request(START, headers, {})
    assert dict(rest_json.write_request(START, read).headers) == headers


def test_server_takes_python_s_booleans() -> None:
    headers = {**headers_of(), "x-amzn-transcribe-show-speaker-label": "True"}
    assert rest_json.read_request(START, headers, {}).show_speaker_label is True


@pytest.mark.parametrize(
    ("header", "value", "names"),
    [
        ("sample-rate", "abc", "MediaSampleRateHertz"),
        ("sample-rate", "7000", "MediaSampleRateHertz"),
        ("sample-rate", "1_6000", "MediaSampleRateHertz"),
        ("sample-rate", " 16000", "MediaSampleRateHertz"),
        ("sample-rate", "\u0661\u0666000", "MediaSampleRateHertz"),
        ("sample-rate", "1" * 5000, "MediaSampleRateHertz"),
        ("show-speaker-label", "maybe", "ShowSpeakerLabel"),
        ("language-code", "xx", "LanguageCode"),
    ],
)
def test_server_refuses_by_the_model_s_name(header: str, value: str, names: str) -> None:
    with pytest.raises(BadRequestException, match=names):
        rest_json.read_request(START, {**headers_of(), "x-amzn-transcribe-" + header: value}, {})


def test_response_echoes_the_request() -> None:
    request = StartStreamTranscriptionRequest(
        **GOOD, session_id="11111111-2222-3333-4444-555555555555", show_speaker_label=True
    )
    headers = rest_json.response_headers(START, request, request_id="r", session_id="s")
    response = rest_json.read_response(START, dict(headers), None)
    assert response.request_id == "r"
    assert response.session_id == "s"
    assert response.media_sample_rate_hz == 16000
    assert response.show_speaker_label is True
    assert response.vocabulary_name is None


def test_an_unreadable_echo_is_left_out() -> None:
    response = rest_json.read_response(START, {"x-amzn-transcribe-sample-rate": "fast"}, None)
    assert response.media_sample_rate_hz is None
