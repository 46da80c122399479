"""Recordings of every kind become the samples that were recorded."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from amazon_transcribe.audio import AudioFileException, AudioSource, open_audio
from amazon_transcribe.audio._decoding import Decoder
from amazon_transcribe.audio._source import open_source
from amazon_transcribe.exceptions import InvalidParameterException
from tests.support.media import encode
from tests.support.recordings import DIRECTORY, read_recording

SPEECH = read_recording("goforward").pcm[16_000:64_000]  # 1.5 s at 16 kHz

# Container, codec, rate, layout, codec of the picture.
MATRIX = [
    ("wav", "pcm_s16le", 44_100, "stereo", None),
    ("wav", "pcm_s16le", 48_000, "5.1", None),
    ("wav", "pcm_s16le", 96_000, "mono", None),
    ("wav", "pcm_s24le", 44_100, "stereo", None),
    ("wav", "pcm_f32le", 48_000, "stereo", None),
    ("wav", "pcm_u8", 11_025, "mono", None),
    ("wav", "pcm_mulaw", 8_000, "stereo", None),
    ("wav", "pcm_alaw", 8_000, "mono", None),
    ("wav", "adpcm_ms", 22_050, "mono", None),
    ("w64", "pcm_s16le", 16_000, "mono", None),
    ("flac", "flac", 16_000, "mono", None),
    ("flac", "flac", 44_100, "stereo", None),
    ("mp3", "libmp3lame", 44_100, "stereo", None),
    ("mp3", "libmp3lame", 16_000, "mono", None),
    ("ipod", "aac", 44_100, "stereo", None),
    ("mp4", "aac", 48_000, "mono", "mpeg4"),
    ("mov", "alac", 48_000, "stereo", "mpeg4"),
    ("mov", "pcm_s16be", 32_000, "mono", None),
    ("ogg", "libopus", 48_000, "mono", None),
    ("ogg", "vorbis", 44_100, "stereo", None),
    ("webm", "libopus", 48_000, "stereo", "libvpx"),
    ("matroska", "ac3", 48_000, "5.1", None),
    ("aiff", "pcm_s16be", 22_050, "mono", None),
    ("caf", "pcm_s16be", 44_100, "stereo", None),
    ("au", "pcm_mulaw", 8_000, "mono", None),
    ("adts", "aac", 24_000, "mono", None),
    ("mpegts", "mp2", 48_000, "stereo", "mpeg2video"),
    ("avi", "libmp3lame", 44_100, "mono", "mpeg4"),
    ("wv", "wavpack", 44_100, "stereo", None),
]


class Upload:
    """A file as a web framework gives it: in parts, in order, by awaiting."""

    filename = "talk.bin"

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    async def read(self, size: int = -1) -> bytes:
        await asyncio.sleep(0)
        return self._file.read(min(size, 5_000))


async def read(source: Any, **options: Any) -> tuple[AudioSource, bytes]:
    async with open_audio(source, **options) as audio:
        return audio, b"".join([chunk async for chunk in audio.chunks])


def likeness(first: bytes, second: bytes) -> float:
    """Return the correlation of two recordings where it is best, 1 for the same sound."""
    a, b = (np.frombuffer(data, "<i2").astype(float) for data in (first, second))
    size = 1 << (len(a) + len(b)).bit_length()
    products = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)))
    return float(products.max() / np.sqrt((a @ a) * (b @ b)))


class TestMatrix:
    @pytest.mark.parametrize("wrap", [bytes, Upload], ids=["file", "upload"])
    @pytest.mark.parametrize("row", MATRIX, ids=lambda row: "-".join(map(str, row[:4])))
    async def test_every_recording_becomes_its_samples(self, row: Any, wrap: Any) -> None:
        container, codec, rate, layout, video = row
        data = encode(SPEECH, container, codec, rate, layout, video=video)
        audio, pcm = await read(wrap(data), sample_rate_hz=16_000)
        assert (audio.sample_rate_hz, audio.media_encoding, audio.channels) == (16_000, "pcm", 1)
        assert len(pcm) == pytest.approx(len(SPEECH), abs=0.08 * 32_000)
        assert likeness(pcm, SPEECH) > 0.96
        if wrap is bytes:
            assert audio.duration == pytest.approx(len(SPEECH) / 32_000, abs=0.15)

    @pytest.mark.parametrize(
        ("container", "codec", "rate", "kept"),
        [
            ("flac", "flac", 44_100, 44_100),
            ("wav", "pcm_s24le", 96_000, 48_000),
            ("wav", "pcm_s16le", 6_000, 8_000),
        ],
    )
    async def test_own_rate_is_kept_as_far_as_the_service_takes_it(
        self, container: str, codec: str, rate: int, kept: int
    ) -> None:
        audio, pcm = await read(encode(SPEECH, container, codec, rate))
        assert audio.sample_rate_hz == kept
        assert len(pcm) / 2 / kept == pytest.approx(len(SPEECH) / 32_000, abs=0.01)

    async def test_a_decoded_recording_comes_in_equal_chunks(self) -> None:
        async with open_audio(encode(SPEECH, "flac", "flac", 44_100)) as audio:
            sizes = [len(chunk) async for chunk in audio.chunks]
        assert set(sizes[:-1]) == {8_820}


class TestSources:
    @pytest.mark.parametrize("how", ["path", "file", "later in a file", "bytearray", "iterable"])
    async def test_a_recording_comes_from_anywhere(self, how: str, tmp_path: Path) -> None:
        data = encode(SPEECH, "ipod", "aac", 16_000)
        path = tmp_path / "talk"  # its name does not matter
        path.write_bytes(data)
        later = io.BytesIO(b"before" + data)
        later.seek(6)

        async def parts() -> AsyncIterator[bytes]:
            for at in range(0, len(data), 1_000):
                yield data[at : at + 1_000]

        with path.open("rb") as file:
            sources: dict[str, Any] = {
                "path": path,
                "file": file,
                "later in a file": later,
                "bytearray": bytearray(data),
                "iterable": parts(),
            }
            _, pcm = await read(sources[how])
            assert likeness(pcm, SPEECH) > 0.96
            assert not file.closed

    async def test_a_stream_reader_is_read_as_it_comes(self) -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(SPEECH)
        async with open_audio(reader, sample_rate_hz=16_000) as audio:
            assert await anext(audio.chunks) == SPEECH[:3_200]

    async def test_text_mode_is_refused(self) -> None:
        text: Any = io.StringIO("words")
        with pytest.raises(AudioFileException, match="binary mode"):
            await read(text)

    async def test_what_gives_no_bytes_is_refused(self) -> None:
        number: Any = 5
        with pytest.raises(AudioFileException, match="not int"):
            await read(number)

    async def test_the_index_of_an_mp4_may_be_at_its_end_even_in_a_pipe(self) -> None:
        data = encode(SPEECH, "mp4", "aac", 16_000)
        assert data.index(b"mdat") < data.index(b"moov")
        _, pcm = await read(Upload(data))
        assert likeness(pcm, SPEECH) > 0.96

    async def test_a_live_mp4_is_read_as_it_comes(self) -> None:
        fragments = {"movflags": "empty_moov+default_base_moof", "frag_duration": "100000"}
        reader = asyncio.StreamReader()
        reader.feed_data(encode(SPEECH, "mp4", "aac", 16_000, options=fragments))
        async with open_audio(reader) as audio:  # although the end has not come
            assert len(await anext(audio.chunks)) == 3_200

    async def test_a_temporary_file_has_a_limit(self) -> None:
        upload: Any = Upload(encode(SPEECH, "mp4", "aac", 16_000))
        decoder = Decoder(open_source(upload), "mix", None, "MP4", max_spooled=1_000)
        with pytest.raises(AudioFileException, match=r"1,000 bytes.*faststart"):
            await decoder.open("it", "nothing")
        await decoder.close()


class TestSafety:
    @pytest.mark.parametrize(
        "playlist",
        [
            "ffconcat version 1.0\nfile '{path}'\n",
            "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{path}\n#EXT-X-ENDLIST\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\nc=IN IP4 127.0.0.1\n{path}",
        ],
        ids=["concat", "hls", "sdp"],
    )
    @pytest.mark.parametrize("rate", [None, 16_000])
    async def test_a_recording_names_no_other_file(self, playlist: str, rate: int | None) -> None:
        data = playlist.format(path=DIRECTORY / "goforward.wav").encode()
        with pytest.raises(AudioFileException, match="is text, not audio"):
            await read(data, sample_rate_hz=rate)
        # Where the first bytes do not tell, FFmpeg may not follow them either.
        decoder = Decoder(open_source(data), "mix", None, None)
        with pytest.raises(AudioFileException, match="no recording that FFmpeg knows"):
            await decoder.open("it", "nothing")
        await decoder.close()

    @pytest.mark.parametrize("url", ["https://example.com/a.mp3", "concat:a|b", "rtsp://x/y"])
    async def test_addresses_are_no_paths(self, url: str) -> None:
        with pytest.raises(AudioFileException, match="is a URL|No such file"):
            await read(url)

    async def test_a_silent_film_is_refused(self) -> None:
        film = io.BytesIO()
        with av.open(film, "w", format="matroska") as output:
            picture: Any = output.add_stream("mpeg4", rate=5)
            picture.width = picture.height = 64
            output.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
            output.mux(picture.encode(None))
        with pytest.raises(AudioFileException, match="has no sound"):
            await read(film.getvalue())

    async def test_damage_is_passed_over_and_keeps_the_rest_in_place(self) -> None:
        data = bytearray(encode(SPEECH, "mp3", "libmp3lame", 16_000))
        data[1_000:1_100] = bytes(100)
        _, pcm = await read(data)
        assert likeness(pcm, SPEECH) > 0.8
        assert len(pcm) == pytest.approx(len(SPEECH), abs=0.2 * 32_000)

    async def test_a_stream_that_begins_late_ends_no_recording(self) -> None:
        sound = encode(SPEECH * 12, "mpegts", "mp2", 48_000)
        film = encode(SPEECH, "mpegts", "mp2", 48_000, video="mpeg2video")
        _, pcm = await read(sound + film)
        assert len(pcm) >= 12 * len(SPEECH)

    @pytest.mark.parametrize("rate", [None, 16_000])
    async def test_a_rate_that_no_speech_has_is_refused(self, rate: int | None) -> None:
        """A few bytes would become hours, and one frame gigabytes."""
        recording = bytearray(encode(bytes(8_000), "au", "pcm_s16be", 8_000, source_rate=8_000))
        recording[16:20] = (1).to_bytes(4, "big")
        with pytest.raises(AudioFileException, match="sampled at 1 Hz"):
            await read(recording, sample_rate_hz=rate)


class TestTime:
    async def test_a_pause_in_a_recording_is_silence(self) -> None:
        data = encode(SPEECH, "matroska", "pcm_s16le", 16_000, pause=(1.0, 5.0))
        _, pcm = await read(data)
        assert len(pcm) == pytest.approx(len(SPEECH) + 5 * 32_000, abs=6_400)
        assert not any(pcm[3 * 32_000 : 5 * 32_000])

    async def test_pauses_are_no_longer_than_a_stream_may_be(self) -> None:
        caf = bytearray(encode(bytes(200), "caf", "pcm_s16be", 8_000, source_rate=8_000))
        at = caf.index(b"desc") + 12 + 20  # 1,000 s a frame, of 1 sample each
        assert caf[at : at + 4] == (1).to_bytes(4, "big")
        caf[at : at + 4] = (8_000 * 1_000).to_bytes(4, "big")
        size = 0
        async with open_audio(bytes(caf)) as audio:
            async for chunk in audio.chunks:
                size += len(chunk)
        assert 3 * 3_600 < size / 16_000 < 5 * 3_600

    async def test_no_more_is_read_than_is_wanted_whatever_the_length(self) -> None:
        second = 8_000  # bytes, of 8 bits
        header = encode(bytes(2), "wav", "pcm_u8", 8_000, source_rate=8_000).partition(b"data")[0]
        come = 0

        async def minutes() -> AsyncIterator[bytes]:
            nonlocal come
            yield header + b"data" + (600 * second).to_bytes(4, "little")
            for _ in range(600):
                come += 1
                yield bytes([128]) * second

        seconds, ahead = 0.0, 0.0
        async with open_audio(minutes(), chunk_seconds=1.0) as audio:
            async for chunk in audio.chunks:
                seconds += len(chunk) / 16_000
                ahead = max(ahead, come - seconds)
        assert seconds == 600
        assert ahead < 30  # FFmpeg's first look at a recording


class TestChannels:
    @pytest.fixture
    def call(self) -> bytes:
        """Return a stereo recording, whose channels differ."""
        samples = np.zeros((len(SPEECH) // 2, 2), "<i2")
        samples[:, 0] = np.frombuffer(SPEECH, "<i2")
        samples[:, 1] = -1000
        return encode(samples.tobytes(), "wav", "pcm_s16le", 16_000, "stereo", source="stereo")

    @pytest.fixture(params=["samples", "decoded"])
    def options(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        return {} if request.param == "samples" else {"sample_rate_hz": 8_000}

    async def test_mixed_by_default(self, call: bytes, options: dict[str, Any]) -> None:
        audio, pcm = await read(call, **options)
        assert audio.channels == 1
        assert len(pcm) == len(SPEECH) * audio.sample_rate_hz // 16_000
        assert np.frombuffer(pcm, "<i2").mean() == pytest.approx(-500, abs=20)

    async def test_one_is_picked_by_its_number(self, call: bytes, options: dict[str, Any]) -> None:
        means = [
            np.frombuffer((await read(call, channels=n, **options))[1], "<i2").mean()
            for n in (0, 1)
        ]
        assert means == pytest.approx([0, -1000], abs=20)

    async def test_two_are_split(self, call: bytes, options: dict[str, Any]) -> None:
        audio, pcm = await read(call, channels="split", **options)
        assert audio.channels == 2
        assert len(pcm) == 2 * len(SPEECH) * audio.sample_rate_hz // 16_000
        assert np.frombuffer(pcm, "<i2")[1::2].mean() == pytest.approx(-1000, abs=20)

    @pytest.mark.parametrize(
        ("layout", "channels", "reason"),
        [
            ("mono", "split", "1 channel, and 'split' takes two: it needs no splitting"),
            ("5.1", "split", "6 channels, and 'split' takes two: pick one"),
            ("stereo", 2, "2 channels, counted from 0: there is no channel 2"),
        ],
    )
    @pytest.mark.parametrize("rate", [16_000, 8_000])
    async def test_channels_that_are_not_there_are_refused(
        self, layout: str, channels: Any, reason: str, rate: int
    ) -> None:
        data = encode(SPEECH, "wav", "pcm_s16le", 16_000, layout)
        with pytest.raises(AudioFileException, match=reason):
            await read(data, channels=channels, sample_rate_hz=rate)

    @pytest.mark.parametrize("channels", ["left", -1, True, None])
    async def test_what_names_no_channels_is_refused(self, channels: Any) -> None:
        with pytest.raises(InvalidParameterException, match="'mix', 'split'"):
            await read(SPEECH, channels=channels)

    async def test_two_recordings_are_the_sides_of_a_call(self) -> None:
        short = SPEECH[:32_000]
        audio, pcm = await read(
            (
                encode(SPEECH, "wav", "pcm_s16le", 16_000),
                encode(short, "flac", "flac", 16_000),
            )
        )
        assert (audio.channels, audio.sample_rate_hz) == (2, 16_000)
        assert audio.duration == pytest.approx(len(SPEECH) / 32_000)
        samples = np.frombuffer(pcm, "<i2").reshape(-1, 2)
        assert samples[:, 0].tobytes() == SPEECH
        assert samples[:16_000, 1].tobytes() == short
        assert not samples[16_000:, 1].any()

    async def test_the_sides_of_a_call_get_one_rate(self) -> None:
        audio, pcm = await read(
            (encode(SPEECH, "mp3", "libmp3lame", 44_100), encode(SPEECH, "wav", "pcm_alaw", 8_000))
        )
        assert audio.sample_rate_hz == 44_100
        samples = np.frombuffer(pcm, "<i2").reshape(-1, 2)
        assert likeness(samples[:, 0].tobytes(), samples[:, 1].tobytes()) > 0.9


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
async def test_cancelling_leaves_no_thread_and_no_task() -> None:
    data = encode(SPEECH, "mp3", "libmp3lame", 16_000)
    threads = threading.active_count()
    for size in (0, 100, len(data) // 2):
        read_end, write_end = os.pipe()
        try:
            os.write(write_end, data[:size])
            reading = asyncio.ensure_future(read(f"/dev/fd/{read_end}"))
            for _ in range(20):  # into the middle of opening or decoding
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        finally:
            os.close(read_end)
            os.close(write_end)
        assert threading.active_count() == threads
        assert len(asyncio.all_tasks()) == 1
