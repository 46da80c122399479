"""The parameters of a resumed stream are those of a plain one."""

from __future__ import annotations

import inspect
from typing import Literal, get_type_hints

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.resume import ResumableTranscription
from amazon_transcribe.transcription import TranscriptionParameters


def keyword_types(function) -> dict[str, object]:
    types = get_type_hints(function)
    parameters = inspect.signature(function).parameters.values()
    return {each.name: types[each.name] for each in parameters if each.kind is each.KEYWORD_ONLY}


def test_the_parameters_are_those_of_a_start_that_the_stream_does_not_name_itself():
    expected = keyword_types(TranscribeStreamingClient.start_stream_transcription)
    # A resumed stream bridges pauses by itself: its only idle policy is to wait.
    del expected["idle_after"]
    expected["idle"] = Literal["wait"]

    signature = inspect.signature(ResumableTranscription).parameters
    named = expected.keys() & signature.keys()
    assert named == {
        "media_sample_rate_hz",
        "media_encoding",
        "session_id",
        "session_resume_window",
    }
    assert get_type_hints(TranscriptionParameters) == {
        name: expected[name] for name in expected if name not in named
    }
