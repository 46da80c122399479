"""What is no audio is refused by its first bytes, and what may be raw audio is not."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe.audio import AudioFileException, open_audio
from amazon_transcribe.audio._kinds import media_kind, other_kind
from tests.support.media import encode
from tests.support.recordings import read_recording
from tests.support.wav import wav

SPEECH = read_recording("goforward").pcm[:32_000]


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("talk.txt", "go forward")
    return file.getvalue()


OTHERS = {
    "text": b"go forward ten meters\n",
    "captions": "1\n00:00:00,000 --> 00:00:02,500\nВперёд десять метров\n".encode(),
    "latin-1": "Er öffnete die Tür, und alle gingen zehn Meter vorwärts.".encode("latin-1"),
    "cut letter": ("Größe und Maß der Straße " * 200).encode()[:4_099],
    "json": json.dumps({"transcript": "go forward"}).encode(),
    "html": b"<!doctype html><title>404 Not Found</title>",
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
    "zip": zipped(),
    "gzip": gzip.compress(b"go forward"),
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1",
    "gif": b"GIF89a\1\0\1\0",
    "elf": b"\x7fELF\2\1\1\0",
}


async def read(source: Any, **options: Any) -> bytes:
    async with open_audio(source, **options) as audio:
        return b"".join([chunk async for chunk in audio.chunks])


@pytest.mark.parametrize("rate", [None, 16_000])
@pytest.mark.parametrize("name", OTHERS)
async def test_what_is_no_audio_is_refused(name: str, rate: int | None) -> None:
    with pytest.raises(AudioFileException, match=r"is .*, not audio; .* raw='pcm' \(--raw pcm\)"):
        await read(OTHERS[name], sample_rate_hz=rate)


@pytest.mark.parametrize("name", OTHERS)
async def test_whoever_insists_has_raw_audio(name: str) -> None:
    data = OTHERS[name]
    assert await read(data, sample_rate_hz=8_000, raw="pcm") == data[: len(data) // 2 * 2]


@pytest.mark.parametrize(
    ("container", "codec", "name"),
    [("mp3", "libmp3lame", "MP3"), ("adts", "aac", "AAC"), ("mpegts", "mp2", "MPEG-TS")],
)
async def test_recordings_without_a_header_are_no_raw_audio(
    container: str, codec: str, name: str
) -> None:
    options = {"write_xing": "0", "id3v2_version": "0"} if container == "mp3" else None
    for rate in (16_000, 44_100):
        data = encode(SPEECH, container, codec, rate, options=options)
        assert media_kind(data[:4_096]) == name
        assert len(await read(data, sample_rate_hz=16_000)) == pytest.approx(32_000, abs=4_000)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(8_000),
        np.full(8_000, 0x2020),  # a constant, which reads as spaces
        np.full(8_000, -1025),  # as the beginning of MP3
        3_000 * np.sin(np.arange(8_000) * 2 * np.pi / 94),  # a tone of the length of a TS packet
        np.arange(8_000) % 256 * 257,
        np.random.default_rng(1).normal(0, 3, 8_000) + 0x4100,  # quiet, far off zero
        np.random.default_rng(1).normal(0, 8_000, 8_000),
    ],
    ids=["silence", "spaces", "sync", "tone", "ramp", "offset", "noise"],
)
async def test_raw_audio_that_looks_alike_is_audio(samples: Any) -> None:
    data = np.clip(samples, -32_768, 32_767).astype("<i2").tobytes()
    assert await read(data, sample_rate_hz=8_000) == data


@settings(deadline=None)
@given(st.lists(st.integers(-32_768, 32_767), min_size=32, max_size=400))
def test_any_samples_are_audio(samples: list[int]) -> None:
    data = np.array(samples, "<i2").tobytes()
    assert media_kind(data) is None
    assert other_kind(data) is None


async def test_raw_telephony_is_named() -> None:
    pcm = await read(b"\xff\x80\x00" * 100, sample_rate_hz=8_000, raw="g711-ulaw")
    assert np.frombuffer(pcm, "<i2")[:3].tolist() == [0, 32_124, -32_124]
    pcm = await read(b"\xd5\xaa\x2a" * 100, sample_rate_hz=8_000, raw="g711-alaw")
    assert np.frombuffer(pcm, "<i2")[:3].tolist() == [8, 32_256, -32_256]


async def test_raw_audio_needs_its_rate() -> None:
    with pytest.raises(AudioFileException, match="needs its sample rate named"):
        await read(SPEECH, raw="pcm")


class TestWithoutTheExtra:
    @pytest.fixture
    def without_av(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "av", None)

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda: encode(SPEECH, "flac", "flac", 16_000), "is FLAC, which needs"),
            (lambda: encode(SPEECH, "ipod", "aac", 16_000), "is MP4, which needs"),
            (lambda: encode(SPEECH, "wav", "pcm_s24le", 16_000), "of 24 bits at 16000 Hz, which"),
            (lambda: encode(SPEECH, "wav", "pcm_f32le", 16_000), "WAV floating point at 16000 Hz"),
            (lambda: encode(SPEECH, "wav", "pcm_s16le", 96_000), "of 16 bits at 96000 Hz, which"),
            (lambda: SPEECH, "no WAV file, raw PCM needs its sample rate named, and all else"),
        ],
    )
    async def test_the_error_names_the_extra_and_the_command(
        self, make: Any, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        path = tmp_path / "our meeting.bin"
        path.write_bytes(make())
        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(AudioFileException, match=reason) as caught:
            await read(path)
        message = str(caught.value)
        assert "needs the extra 'media'" in message
        assert f"ffmpeg -i '{path}' -ac 1 -ar 16000 -c:a pcm_s16le out.wav" in message

    @pytest.mark.usefixtures("without_av")
    async def test_a_rate_that_must_change_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "talk.wav"
        path.write_bytes(wav(SPEECH))
        with pytest.raises(AudioFileException, match="at 16000 Hz, not at 8000 Hz.*-ar 8000 "):
            await read(path, sample_rate_hz=8_000, channels=0)

    @pytest.mark.usefixtures("without_av")
    async def test_names_of_raw_files_get_their_options(self, tmp_path: Path) -> None:
        path = tmp_path / "call.ulaw"
        path.write_bytes(b"\x7e\x00" * 4_000)
        with pytest.raises(AudioFileException, match="ffmpeg -f mulaw -ar 8000 -ac 1 -i "):
            await read(path)

    @pytest.mark.usefixtures("without_av")
    async def test_16_bits_and_telephony_need_none(self) -> None:
        assert await read(wav(SPEECH)) == SPEECH
        assert await read(wav(SPEECH, channels=2)) != SPEECH
        assert len(await read(wav(SPEECH, tag=7, bits=8))) == 2 * len(SPEECH)
        assert len(await read(wav(SPEECH, tag=6, bits=8, channels=2))) == len(SPEECH)
