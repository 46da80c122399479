"""Recordings of every kind, and encodings that are sent as they are, have the right words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe.audio import open_audio
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.transcription import Result
from tests.support.callers import client_of, converse
from tests.support.media import encode
from tests.support.sounds import DIRECTORY, recording, said_in, share_heard

SENTENCE = "goforward"
OTHER = "sense_and_sensibility_0920"


async def heard(source: Any, **options: Any) -> dict[str | None, str]:
    """Return the words that the local server hears, by channel."""
    async with (
        open_audio(source, **options) as audio,
        LocalTranscribe() as server,
        client_of(server) as client,
    ):
        two = {"enable_channel_identification": True, "number_of_channels": 2}
        stream = await client.start_stream_transcription(
            language_code="en-US",
            media_sample_rate_hz=audio.sample_rate_hz,
            media_encoding=audio.media_encoding,
            **(two if audio.channels == 2 else {}),  # type: ignore[arg-type]
        )
        data = b"".join([chunk async for chunk in audio.chunks])
        events = await converse(stream, data)
    found: dict[str | None, str] = {}
    for result in (result for event in events for result in event.transcript.results):
        if not result.is_partial:
            found[result.channel_id] = f"{found.get(result.channel_id, '')} {text(result)}"
    return found


def text(result: Result) -> str:
    assert result.alternatives
    return result.alternatives[0].transcript or ""


@pytest.mark.parametrize(
    "row",
    [
        ("mp3", "libmp3lame", 44_100, "stereo"),
        ("mp4", "aac", 48_000, "stereo", {"video": "mpeg4"}),
        ("webm", "libopus", 48_000, "mono", {"video": "libvpx"}),
    ],
    ids=lambda row: row[0],
)
async def test_recordings_have_the_right_words(row: Any) -> None:
    *kind, options = row if isinstance(row[-1], dict) else (*row, {})
    said = await heard(encode(recording(SENTENCE)[0], *kind, **options))
    assert share_heard(said[None], said_in(SENTENCE)) >= 0.75


async def test_what_is_sent_as_it_is_has_the_right_words() -> None:
    opus = encode(recording(SENTENCE)[0], "ogg", "libopus", 48_000)
    async with open_audio(opus, passthrough=True) as audio:
        assert audio.media_encoding == "ogg-opus"
    said = await heard(opus, passthrough=True)
    assert share_heard(said[None], said_in(SENTENCE)) >= 0.75


async def test_two_recordings_are_the_channels_of_a_call(tmp_path: Path) -> None:
    other = tmp_path / "other.mp3"
    other.write_bytes(encode(recording(OTHER)[0], "mp3", "libmp3lame", 44_100))
    said = await heard((DIRECTORY / f"{SENTENCE}.wav", other))
    assert share_heard(said["ch_0"], said_in(SENTENCE)) >= 0.75
    assert share_heard(said["ch_1"], said_in(OTHER)) >= 0.85
