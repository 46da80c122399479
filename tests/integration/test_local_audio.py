"""What the local Transcribe makes of audio: channels, encodings, vocabulary filters."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe.exceptions import BadRequestException, LimitExceededException
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.transcription import Result
from tests.support.callers import client_of, converse, start
from tests.support.sounds import encoded, interleaved, recording, said_in, share_heard, words

SENTENCE = "sense_and_sensibility_0870"
OTHER = "sense_and_sensibility_0920"
ENCODINGS = ["flac", "ogg-opus", "g711-alaw", "g711-ulaw"]


async def transcribe(
    server: LocalTranscribe, audio: bytes, chunk: int = 3200, **parameters: Any
) -> list[Result]:
    async with client_of(server) as client:
        events = await converse(await start(client, **parameters), audio, chunk)
    return [result for event in events for result in event.transcript.results]


def finals(results: list[Result], channel: str | None = None) -> str:
    return " ".join(
        result.alternatives[0].transcript
        for result in results
        if not result.is_partial and result.channel_id == channel and result.alternatives
    )


@pytest.fixture(scope="module")
def two_speakers() -> list[Result]:
    """Two recordings at the same time, each on a channel of its own."""

    async def run() -> list[Result]:
        async with LocalTranscribe() as server:
            return await transcribe(
                server,
                interleaved(recording(SENTENCE)[0], recording(OTHER)[0]),
                chunk=6401,  # a sample may be cut in two
                enable_channel_identification=True,
                number_of_channels=2,
            )

    return asyncio.run(run())


def test_each_channel_has_its_own_words(two_speakers: list[Result]) -> None:
    for channel, name, other in (("ch_0", SENTENCE, OTHER), ("ch_1", OTHER, SENTENCE)):
        heard = finals(two_speakers, channel)
        assert share_heard(heard, said_in(name)) >= 0.85
        assert not set(words(heard)) & (set(said_in(other)) - set(said_in(name)))


def test_channels_share_one_axis_of_time(two_speakers: list[Result]) -> None:
    seconds = {"ch_0": 7.1, "ch_1": 6.05}
    for channel, length in seconds.items():
        own = [r for r in two_speakers if r.channel_id == channel and not r.is_partial]
        times = [time for r in own for time in (r.start_time, r.end_time)]
        assert times == sorted(times)
        assert 0 <= times[0] < 1.5
        assert length - 1.5 < times[-1] <= length + 1
    assert {r.channel_id for r in two_speakers} == set(seconds)


def test_channels_take_turns(two_speakers: list[Result]) -> None:
    channels = [r.channel_id for r in two_speakers if r.is_partial]
    assert channels != sorted(channels)
    for channel in ("ch_0", "ch_1"):
        open_id = None
        for result in two_speakers:
            if result.channel_id == channel:
                assert open_id in (None, result.result_id)
                open_id = result.result_id if result.is_partial else None
        assert open_id is None


@pytest.fixture(scope="module")
def plainly() -> str:
    """What is heard in PCM."""

    async def run() -> str:
        async with LocalTranscribe() as server:
            return finals(await transcribe(server, recording(SENTENCE)[0]))

    return asyncio.run(run())


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_encodings_are_heard_as_pcm_is(encoding: str, plainly: str) -> None:
    pytest.importorskip("av")
    sound, rate = recording(SENTENCE)
    async with LocalTranscribe() as server:
        results = await transcribe(
            server, encoded(sound, rate, encoding), chunk=777, media_encoding=encoding
        )
    if encoding == "flac":
        assert finals(results) == plainly
    assert share_heard(finals(results), words(plainly)) >= 0.9
    assert any(result.is_partial for result in results)


async def test_two_channels_of_opus() -> None:
    pytest.importorskip("av")
    pair = interleaved(recording(SENTENCE)[0], recording(OTHER)[0])
    async with LocalTranscribe() as server:
        results = await transcribe(
            server,
            encoded(pair, 16_000, "ogg-opus", channels=2),
            media_encoding="ogg-opus",
            enable_channel_identification=True,
            number_of_channels=2,
        )
    assert share_heard(finals(results, "ch_0"), said_in(SENTENCE)) >= 0.8
    assert share_heard(finals(results, "ch_1"), said_in(OTHER)) >= 0.8


@pytest.mark.parametrize("encoding", ["flac", "ogg-opus"])
async def test_what_is_no_such_audio_ends_the_stream(encoding: str) -> None:
    pytest.importorskip("av")
    async with LocalTranscribe("scripted") as server:
        with pytest.raises(BadRequestException, match="Could not decode the audio"):
            await transcribe(server, bytes(9600), media_encoding=encoding)


@pytest.fixture
def filters(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "names.txt"
    path.write_text("Dashwood\npower to do\n", "utf-8")
    return {"names": path, "little-words": ["had", "how much"]}


@pytest.mark.parametrize("method", ["remove", "mask", "tag", None])
async def test_vocabulary_filters(method: str | None, filters: dict[str, Any]) -> None:
    async with LocalTranscribe(vocabulary_filters=filters) as server:
        results = await transcribe(
            server,
            recording(SENTENCE)[0],
            vocab_filter_name="names",
            vocab_filter_method=method,
            enable_partial_results_stabilization=True,
        )
    items = [i for r in results if not r.is_partial for a in r.alternatives or () for i in a.items]
    matches = [item.content for item in items if item.vocabulary_filter_match]
    text = finals(results)
    if method == "tag":
        assert matches == ["Dashwood", "power", "to", "do"]
        assert "Dashwood" in text
    else:
        assert matches == ([] if method == "remove" else ["***"] * 4)
        for result in results:
            assert "Dashwood" not in str(result)
        assert ("*** had" in text) == (method != "remove")
        assert "in his *** *** *** for" in text or method == "remove"
    assert "leisure" in text
    stable: dict[str | None, list[str | None]] = {}
    for result in results:
        assert result.alternatives
        now = [i.content for i in result.alternatives[0].items if i.stable]
        before = stable.get(result.result_id, [])
        assert now[: len(before)] == before
        stable[result.result_id] = now


async def test_a_stream_may_last_as_long_as_it_may() -> None:
    async with LocalTranscribe("scripted", max_seconds=2.0) as server:
        await transcribe(server, bytes(64_000))
        with pytest.raises(LimitExceededException, match="audio length limit"):
            await transcribe(server, bytes(64_002))
