"""What a client sees when the server's engine fails: the service's own exception."""

from __future__ import annotations

import logging

import pytest

from amazon_transcribe.exceptions import InternalFailureException
from amazon_transcribe.local import LocalTranscribe
from tests.support.callers import client_of


class BrokenEngine:
    """An engine that fails in the call it is told to."""

    name = "broken"
    languages = ("en-US",)

    def __init__(self, call: str, failure: BaseException, quick: bool) -> None:
        self._call = call
        self._failure = failure
        self.quick = quick

    def __getattr__(self, call):
        def answer(*args):
            if call == self._call:
                raise self._failure
            return self if call == "open" else []

        return answer


@pytest.mark.parametrize(
    ("failure", "quick"),
    [(ZeroDivisionError, True), (ZeroDivisionError, False), (SystemExit, False)],
)
@pytest.mark.parametrize("call", ["open", "accept", "finish"])
async def test_failure_of_the_engine_is_told_and_logged(call, failure, quick, caplog):
    caplog.set_level(logging.ERROR)
    async with (
        LocalTranscribe(engine=BrokenEngine(call, failure("of the engine"), quick)) as server,
        client_of(server) as client,
    ):
        stream = await client.start_stream_transcription(
            language_code="en-US", media_sample_rate_hz=16_000, media_encoding="pcm"
        )
        with pytest.raises(InternalFailureException) as caught:
            await stream.input_stream.send_audio_event(audio_chunk=bytes(3200))
            await stream.input_stream.end_stream()
            async for _ in stream.output_stream:
                pass
    assert caught.value.message == "A problem occurred while processing the audio."
    assert f"{failure.__name__}: of the engine" in caplog.text
