# mypy: disallow-any-expr
# pyright: strict
"""The local Transcribe, its faults, an engine of the program's own, and the pytest fixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from typing_extensions import assert_type

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import BaseEvent
from amazon_transcribe.local import Fault, LocalTranscribe, StreamRecord, StreamsNotEnded
from amazon_transcribe.local.engines import (
    Engine,
    Recognition,
    RecognitionOptions,
    load_engine,
)
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from amazon_transcribe.model import Alternative, Result


async def serve(folder: Path) -> None:
    async with LocalTranscribe(
        "scripted",
        host="127.0.0.1",
        port=0,
        tls=True,
        ca_file=folder / "ca.pem",
        credentials={"AKID": "secret"},
        script="lines.txt",
        audio_timeout=0.5,
        max_streams=2,
        vocabulary_filters={"rude": ["word"], "ruder": folder / "words.txt"},
        vocabularies={"names": ["Ann-Lee"], "units": folder / "units.txt"},
        categories={"Praise": ["thank you"]},
        alternatives=3,
        lenient=True,
        workers=1,
        keep_streams=10,
        faults=[Fault("reset", after_events=3), Fault("drop", after_seconds=(1, 2.5), times=2)],
    ) as server:
        assert_type(server, LocalTranscribe)
        assert_type(server.endpoint_url, str)
        assert_type(server.endpoint_urls, Sequence[str])
        assert_type(server.credentials, StaticCredentialResolver)
        assert_type(server.ca_file, Path | None)
        assert_type(server.engine_name, str)
        TranscribeStreamingClient(
            region="us-east-1",
            endpoint_url=server.endpoint_url,
            credential_resolver=server.credentials,
        )
    assert_type(Fault.parse("reset:after=3"), Fault)


class Yes:
    """An engine that always hears one word. It needs no base class."""

    name = "Yes"
    languages = ("en-US",)
    quick = True

    def open(self, options: RecognitionOptions) -> OneWord:
        assert_type(options.sample_rate, int)
        return OneWord()

    def close(self) -> None: ...


class OneWord:
    def accept(self, pcm: bytes) -> list[Result]:
        return []

    def finish(self) -> list[Result]:
        return [Result("1", 0.0, 1.0, False, [Alternative("Yes")])]


def engines() -> list[Engine]:
    LocalTranscribe(Yes())
    LocalTranscribe(ScriptedEngine("Two tickets to Hamburg.\n"), audio_timeout=2)
    return [Yes(), ScriptedEngine(), load_engine("scripted")]


def recognise(engine: Engine, pcm: bytes) -> list[Result]:
    recognition = engine.open(RecognitionOptions(sample_rate=16000, stability="low"))
    assert_type(recognition, Recognition)
    return recognition.accept(pcm) + recognition.finish()


@pytest.mark.transcribe(script=["Two tickets."], faults=[Fault("drop", after_seconds=1)])
def test_program(local_transcribe: LocalTranscribe) -> None:
    (stream,) = local_transcribe.wait_for_streams(timeout=5)
    assert_type(stream, StreamRecord)
    assert_type(local_transcribe.streams, Sequence[StreamRecord])
    assert_type(stream.operation, str)
    assert_type(stream.session_id, str)
    assert_type(stream.client, str)
    assert_type(stream.parameters, Mapping[str, object])
    assert_type(stream.configuration, BaseEvent | None)
    assert_type(stream.audio_seconds, float)
    assert_type(stream.audio, bytes)
    assert_type(stream.results, list[Result])
    assert_type(stream.transcript, str)
    assert_type(stream.partials, int)
    assert_type(stream.finals, int)
    assert_type(stream.reason, str)
    assert stream.ended in ("complete", "lost")


async def test_client(
    local_transcribe: LocalTranscribe, transcribe_client: TranscribeStreamingClient
) -> None:
    assert_type(local_transcribe.credentials, StaticCredentialResolver)
    try:
        assert_type(await local_transcribe.streams_ended(2, timeout=5), Sequence[StreamRecord])
    except StreamsNotEnded as error:
        assert_type(str(error), str)
