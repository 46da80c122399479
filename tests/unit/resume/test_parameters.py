"""What a resumed transcription takes of a start's parameters."""

from __future__ import annotations

import inspect

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.resume import ResumableTranscription
from amazon_transcribe.transcription import TranscriptionParameters


def test_it_takes_every_parameter_of_a_start() -> None:
    start = inspect.signature(TranscribeStreamingClient.start_stream_transcription).parameters
    own = inspect.signature(ResumableTranscription).parameters
    beyond = start.keys() - own.keys() - TranscriptionParameters.__annotations__.keys()
    assert beyond == {"self", "idle_after"}  # a resumed stream bridges pauses by itself
    assert TranscriptionParameters.__annotations__.keys() <= start.keys()
