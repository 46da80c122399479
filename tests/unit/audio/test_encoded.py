"""Encodings that are sent as they are: their time, their pace, their chunks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe.audio import AudioSource, Batcher, Lookahead, batched, open_audio, paced
from amazon_transcribe.audio._clock import clock_of
from amazon_transcribe.exceptions import InvalidParameterException
from tests.support.media import encode
from tests.support.sounds import encoded, recording
from tests.support.wav import wav

SPEECH, RATE = recording("goforward")
SECONDS = len(SPEECH) / 2 / RATE
ENCODED = {name: encoded(SPEECH, RATE, name) for name in ("flac", "ogg-opus")}


async def opened(source: Any, **options: Any) -> tuple[AudioSource, list[bytes]]:
    async with open_audio(source, **options) as audio:
        return audio, [chunk async for chunk in audio.chunks]


class TestClock:
    @pytest.mark.parametrize("encoding", ENCODED)
    @settings(max_examples=30, deadline=None)
    @given(st.data())
    def test_time_is_known_however_the_bytes_come(self, encoding: str, data: st.DataObject) -> None:
        sent, size = ENCODED[encoding], data.draw(st.integers(1, 5_000))
        clock = clock_of(encoding, RATE, 1)
        moments = [clock.seconds(sent[at : at + size]) for at in range(0, len(sent), size)]
        # Ogg's positions count what a decoder leaves out, too.
        assert sum(moments) == pytest.approx(SECONDS, abs=0.3)

    @pytest.mark.parametrize(("rate", "layout"), [(8_000, "mono"), (44_100, "stereo")])
    def test_flac_of_every_kind(self, rate: int, layout: str) -> None:
        data = encode(SPEECH, "flac", "flac", rate, layout)
        assert clock_of("flac", rate, 1).seconds(data) == pytest.approx(SECONDS, abs=0.01)

    @pytest.mark.parametrize(
        ("encoding", "seconds"), [("pcm", 0.5), ("g711-alaw", 1), ("g711-ulaw", 1), ("g729", 8)]
    )
    def test_samples_have_one_size(self, encoding: str, seconds: float) -> None:
        assert clock_of(encoding, 8_000, 1).seconds(bytes(8_000)) == seconds

    def test_an_encoding_that_is_not_known_has_no_time(self) -> None:
        with pytest.raises(InvalidParameterException, match="'mp3'"):
            clock_of("mp3", 8_000, 1)

    @settings(max_examples=30, deadline=None)
    @given(st.binary(max_size=3_000), st.sampled_from(["flac", "ogg-opus"]))
    def test_any_bytes_have_some_time(self, data: bytes, encoding: str) -> None:
        assert clock_of(encoding, RATE, 1).seconds(data) >= 0


class TestPassthrough:
    @pytest.mark.parametrize("encoding", ENCODED)
    async def test_the_bytes_are_unchanged(self, encoding: str) -> None:
        audio, chunks = await opened(ENCODED[encoding], passthrough=True)
        assert (audio.media_encoding, audio.channels) == (encoding, 1)
        assert b"".join(chunks) == ENCODED[encoding]
        assert len(chunks) > 1

    async def test_flac_knows_its_rate_and_length(self) -> None:
        audio, _ = await opened(ENCODED["flac"], passthrough=True)
        assert audio.sample_rate_hz == RATE
        assert audio.duration == SECONDS

    @pytest.mark.parametrize(
        "change", [{"sample_rate_hz": 8_000}, {"channels": 0}, {"passthrough": False}]
    )
    async def test_what_must_be_changed_is_decoded(self, change: dict[str, Any]) -> None:
        stereo = encode(SPEECH, "flac", "flac", RATE, "stereo")
        audio, _ = await opened(stereo, **{"passthrough": True, **change})
        assert (audio.media_encoding, audio.channels) == ("pcm", 1)
        audio, chunks = await opened(stereo, passthrough=True, channels="split")
        assert (audio.media_encoding, audio.channels) == ("flac", 2)
        assert b"".join(chunks) == stereo

    @pytest.mark.parametrize(("tag", "encoding"), [(6, "g711-alaw"), (7, "g711-ulaw")])
    async def test_telephony(self, tag: int, encoding: str) -> None:
        call = wav(bytes(range(256)) * 10, tag=tag, bits=8, rate=8_000)
        audio, chunks = await opened(call, passthrough=True)
        assert (audio.media_encoding, audio.sample_rate_hz) == (encoding, 8_000)
        assert [len(chunk) for chunk in chunks] == [800, 800, 800, 160]
        assert b"".join(chunks) == bytes(range(256)) * 10
        audio, chunks = await opened(call)
        assert audio.media_encoding == "pcm"
        assert [len(chunk) for chunk in chunks] == [1_600, 1_600, 1_600, 320]

    async def test_what_comes_slowly_is_passed_on_at_once(self) -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(ENCODED["ogg-opus"][:4_200])
        async with open_audio(reader, passthrough=True) as audio:
            come = 0
            while come < 4_200:
                come += len(await anext(audio.chunks))


class TestPace:
    @pytest.mark.parametrize("encoding", [*ENCODED, "g711-ulaw", "pcm"])
    async def test_audio_is_paced_by_its_own_encoding(
        self, encoding: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sources = {
            **ENCODED,
            "g711-ulaw": wav(encoded(SPEECH, RATE, "g711-ulaw"), tag=7, bits=8),
            "pcm": wav(SPEECH),
        }
        slept = 0.0
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: slept)

        async def sleep(seconds: float) -> None:
            nonlocal slept
            slept += seconds

        monkeypatch.setattr("amazon_transcribe.audio.pacing.asyncio.sleep", sleep)
        async with open_audio(sources[encoding], passthrough=True) as audio:
            assert audio.media_encoding == encoding
            async for _ in paced(audio):
                pass
        assert slept == pytest.approx(SECONDS, abs=1.2 if encoding == "ogg-opus" else 0.3)

    async def test_chunks_need_their_rate(self) -> None:
        async with open_audio(wav(SPEECH)) as audio:
            for each in (paced(audio.chunks), Lookahead().limit(audio.chunks)):
                with pytest.raises(InvalidParameterException, match="sample rate"):
                    await anext(each)


class TestBatches:
    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.binary(max_size=700), max_size=30))
    def test_frames_of_any_size_become_equal_events(self, frames: list[bytes]) -> None:
        async def run() -> list[bytes]:
            async def come() -> Any:
                for frame in frames:
                    yield frame

            return [each async for each in batched(come(), 8_000, media_encoding="g711-ulaw")]

        events = asyncio.run(run())
        assert b"".join(events) == b"".join(frames)
        assert {len(event) for event in events[:-1]} <= {800}
        assert all(0 < len(event) <= 800 for event in events)

    def test_five_frames_of_telephony_are_an_event(self) -> None:
        batcher = Batcher(8_000)
        assert [batcher.add(bytes(320)) for _ in range(5)] == [[], [], [], [], [bytes(1_600)]]
        assert batcher.add(bytes(320)) == []
        assert (batcher.rest(), batcher.rest()) == (bytes(320), b"")

    @pytest.mark.parametrize(
        "options",
        [{"media_encoding": "flac"}, {"seconds": 0}, {"seconds": 1, "channels": 2}],
    )
    def test_events_that_cannot_be(self, options: dict[str, Any]) -> None:
        with pytest.raises(InvalidParameterException):
            Batcher(16_000, **options)
