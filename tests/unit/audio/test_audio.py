"""Audio: sources that are read or refused with a remedy, and the pace of sending."""

from __future__ import annotations

import asyncio
import io
import os
import struct
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe.audio import AudioFileException, Lookahead, open_audio, paced
from amazon_transcribe.audio._microphone import record
from amazon_transcribe.exceptions import (
    InvalidParameterException,
    SDKError,
    ValidationException,
)
from amazon_transcribe.utils import apply_realtime_delay
from tests.support.virtual_time import run_in_virtual_time
from tests.support.wav import chunk, fmt, riff, wav

PCM_SUBFORMAT = bytes.fromhex("0100000000001000800000aa00389b71")


def pcm(samples: int) -> bytes:
    return b"".join(struct.pack("<h", n % 30_000) for n in range(samples))


async def read(source: Any, **options: Any) -> tuple[int, list[bytes]]:
    async with open_audio(source, **options) as audio:
        return audio.sample_rate_hz, [data async for data in audio.chunks]


async def read_all(source: Any, **options: Any) -> bytes:
    return b"".join((await read(source, **options))[1])


class TestWav:
    async def test_is_read_by_its_header_in_chunks_of_100_ms(self, tmp_path: Path) -> None:
        path = tmp_path / "talk.wav"
        path.write_bytes(wav(pcm(20_000), rate=16_000))
        rate, chunks = await read(path)
        assert rate == 16_000
        assert [len(data) for data in chunks] == [3200] * 12 + [1600]
        assert b"".join(chunks) == pcm(20_000)

    @pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
    async def test_sample_rate_decides_the_chunk_length(self, rate: int) -> None:
        found, chunks = await read(io.BytesIO(wav(pcm(rate), rate=rate)))
        assert found == rate
        assert {len(data) for data in chunks[:-1]} == {round(rate / 10) * 2}
        assert b"".join(chunks) == pcm(rate)

    async def test_other_chunks_around_the_audio_are_passed_over(self) -> None:
        data = riff(
            chunk(b"LIST", b"INFOodd"),
            chunk(b"fmt ", fmt() + b"\0\0"),
            chunk(b"fact", b"\1\2\3\4"),
            chunk(b"data", pcm(10)),
            chunk(b"LIST", b"INFO and not audio"),
        )
        assert await read_all(io.BytesIO(data)) == pcm(10)

    async def test_extensible_format_with_pcm_is_pcm(self) -> None:
        extension = struct.pack("<HHI", 22, 16, 4) + PCM_SUBFORMAT
        data = riff(chunk(b"fmt ", fmt(tag=0xFFFE) + extension), chunk(b"data", pcm(10)))
        assert await read_all(io.BytesIO(data)) == pcm(10)

    @pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFF000, 21])
    async def test_length_as_written_into_a_pipe_means_to_the_end(self, length: int) -> None:
        data = riff(chunk(b"fmt ", fmt()), chunk(b"data", pcm(10), length), length=length)
        assert await read_all(io.BytesIO(data)) == pcm(10)

    @pytest.mark.parametrize("length", [2, 7, 18])
    async def test_length_that_a_crashed_recorder_left_too_small_is_ignored(
        self, length: int
    ) -> None:
        data = riff(chunk(b"fmt ", fmt()), chunk(b"data", pcm(10), length), length=36 + length)
        assert await read_all(io.BytesIO(data)) == pcm(10)

    @pytest.mark.parametrize("padding", [b"\0", b"", b"x", b"\xff"])
    async def test_pad_byte_may_be_missing_or_of_any_value(self, padding: bytes) -> None:
        data = riff(
            chunk(b"LIST", b"INFOodd", padding=padding),
            chunk(b"fmt ", fmt() + b"\0", padding=padding),
            chunk(b"fact", b"\1\2\3\4\5", padding=padding),
            chunk(b"data", pcm(10)),
        )
        assert await read_all(io.BytesIO(data)) == pcm(10)

    async def test_pad_byte_may_be_missing_before_a_chunk_that_is_not_known(self) -> None:
        data = riff(
            chunk(b"fmt ", fmt()),
            chunk(b"LIST", b"INFOodd", padding=b""),
            chunk(b"mine", b"abc", padding=b""),
            chunk(b"data", pcm(10)),
        )
        assert await read_all(io.BytesIO(data)) == pcm(10)

    async def test_audio_of_several_data_chunks_is_joined(self) -> None:
        data = riff(
            chunk(b"fmt ", fmt()),
            chunk(b"data", b""),
            chunk(b"data", pcm(2000)),
            chunk(b"mine", b"odd", padding=b""),
            chunk(b"data", pcm(1000) + b"\x7f"),
            chunk(b"data", pcm(1000) + b"\x7f", padding=b""),
            chunk(b"LIST", b"INFO and not audio"),
        )
        _, chunks = await read(io.BytesIO(data))
        assert [len(part) for part in chunks] == [3200, 3200, 1600]
        assert b"".join(chunks) == pcm(2000) + pcm(1000) * 2

    @pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
    @pytest.mark.parametrize("behind", [b"LIST", b"mine"])
    async def test_chunks_behind_an_empty_recording_are_not_audio(
        self, length: int, behind: bytes
    ) -> None:
        data = riff(
            chunk(b"fmt ", fmt()), chunk(b"data", b"", length), chunk(behind, b"INFO and more")
        )
        with pytest.raises(AudioFileException, match="holds no audio"):
            await read(io.BytesIO(data))

    @pytest.mark.parametrize("behind", [b"TAG" + b"title".ljust(125), b"ID3\4\0\0\0\0\0\0", b"LI"])
    async def test_tags_and_cut_off_headers_behind_the_audio_are_not_audio(
        self, behind: bytes
    ) -> None:
        assert await read_all(io.BytesIO(wav(pcm(10)) + behind)) == pcm(10)

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_any_chunks_around_the_audio_leave_it_as_it_is(self, data: st.DataObject) -> None:
        padding = st.sampled_from([b"\0", b""])
        others = st.lists(
            st.builds(
                chunk,
                st.sampled_from([b"LIST", b"bext", b"fact", b"JUNK", b"cue ", b"id3 ", b"iXML"]),
                st.binary(max_size=40),
                padding=padding,
            ),
            max_size=4,
        )
        parts = data.draw(st.lists(st.binary(min_size=2, max_size=60), min_size=1, max_size=3))
        file = [*data.draw(others), chunk(b"fmt ", fmt()), *data.draw(others)]
        for part in parts:
            file += [chunk(b"data", part, padding=data.draw(padding)), *data.draw(others)]
        length = data.draw(st.none() | st.sampled_from([0, 0xFFFFFFFF]))
        expected = b"".join(part[: len(part) // 2 * 2] for part in parts)
        assert asyncio.run(read_all(io.BytesIO(riff(*file, length=length)))) == expected

    async def test_half_a_sample_at_the_end_is_dropped(self) -> None:
        data = riff(chunk(b"fmt ", fmt()), b"data\0\0\0\0" + pcm(10) + b"\x7f")
        assert await read_all(io.BytesIO(data)) == pcm(10)

    async def test_named_sample_rate_may_repeat_the_header(self) -> None:
        assert await read_all(io.BytesIO(wav(pcm(9))), sample_rate_hz=16_000) == pcm(9)

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (wav(pcm(8), channels=0), "no channels"),
            (wav(b""), "holds no audio"),
            (b"", "is empty"),
            (riff(), "cut off before its audio"),
            (riff(chunk(b"fmt ", fmt())), "cut off before its audio"),
            (riff(chunk(b"fmt ", fmt()[:10], 16)), "cut off before its audio"),
            (riff(chunk(b"fmt ", fmt()[:14])), "format chunk of 14 bytes"),
            (riff(chunk(b"fmt ", fmt(), 0xFFFFFFF0)), "format chunk of 4294967280 bytes"),
            (riff(chunk(b"data", pcm(8))), "no format before its audio"),
            (riff(chunk(b"LIST", b"", 0xFFFFFFFF)), "no audio in its first 16 MiB"),
            (wav(pcm(8), tag=0x1234), "decoded as WAV of format 0x1234 at 16000 Hz: its codec"),
            (wav(pcm(8), tag=0xFFFE), "format 0xFFFE"),
            (b"RIFF", "no recording that FFmpeg knows"),
            (b"RIFF\4\0\0\0AVI LIST", "cannot be decoded as AVI"),
            (b"fLaC\0\0\0\x22", "cannot be decoded as FLAC"),
            (b"\0\0\0\x1cftypM4A ", "cannot be decoded as MP4"),
            (pcm(100), "no recording that FFmpeg knows; raw PCM needs its sample rate named"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_what_holds_no_audio_is_refused(self, data: bytes, reason: str) -> None:
        with pytest.raises(AudioFileException, match=reason):
            await read(io.BytesIO(data))

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_any_header_is_read_or_refused_as_documented(self, data: st.DataObject) -> None:
        header = bytearray(riff(chunk(b"LIST", b"abc"), chunk(b"fmt ", fmt()), b"data\x40\0\0\0"))
        for _ in range(data.draw(st.integers(0, 4))):
            header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(header)) | st.just(len(header)))
        whole = bytes(header[:cut]) + data.draw(st.binary(max_size=80))
        rate = data.draw(st.none() | st.just(16_000))
        try:
            found, chunks = asyncio.run(read(io.BytesIO(whole), sample_rate_hz=rate))
        except AudioFileException:
            return
        assert 8_000 <= found <= 48_000
        assert all(0 < len(part) <= 32_768 and len(part) % 2 == 0 for part in chunks)


class TestRaw:
    async def test_needs_only_a_sample_rate(self, tmp_path: Path) -> None:
        path = tmp_path / "talk.raw"
        path.write_bytes(pcm(1000))
        assert await read_all(path, sample_rate_hz=8_000) == pcm(1000)

    async def test_a_sample_rate_of_numpy_is_a_number(self) -> None:
        rate, _ = await read(io.BytesIO(pcm(1)), sample_rate_hz=numpy.int64(8_000))
        assert type(rate) is int

    async def test_a_few_bytes_are_audio(self) -> None:
        assert await read_all(io.BytesIO(pcm(1)), sample_rate_hz=8_000) == pcm(1)

    @pytest.mark.parametrize("rate", [-1, 0, 7_999, 48_001])
    async def test_sample_rate_outside_the_limits_is_refused(self, rate: int) -> None:
        with pytest.raises(InvalidParameterException, match="8,000 to 48,000"):
            await read(io.BytesIO(pcm(10)), sample_rate_hz=rate)

    @pytest.mark.parametrize("seconds", [0.0, -0.1, 1.01, float("nan"), None, "1"])
    async def test_chunk_length_outside_the_limits_is_refused(self, seconds: Any) -> None:
        with pytest.raises(InvalidParameterException, match="at most 1 second"):
            await read(io.BytesIO(pcm(10)), sample_rate_hz=8_000, chunk_seconds=seconds)

    async def test_chunk_of_too_many_bytes_is_refused(self) -> None:
        with pytest.raises(InvalidParameterException, match="32768 bytes"):
            await read(io.BytesIO(pcm(10)), sample_rate_hz=48_000, chunk_seconds=0.5)


class TestFiles:
    @pytest.mark.parametrize("name", ["missing.wav", "no\0such.wav"])
    async def test_missing_file_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(AudioFileException, match=r"cannot read .*(No such file|null)"):
            await read(str(tmp_path / name))

    async def test_directory_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(AudioFileException, match="directory"):
            await read(tmp_path)

    @pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
    async def test_device_that_cannot_be_watched_is_read(self) -> None:
        with pytest.raises(AudioFileException, match="is empty"):
            await read("/dev/null")


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes of POSIX")
class TestPipes:
    async def test_named_pipe_is_read_as_the_audio_comes(self, tmp_path: Path) -> None:
        path = tmp_path / "pipe"
        os.mkfifo(path)
        parts = [wav(pcm(5000))[:20], wav(pcm(5000))[20:5000], wav(pcm(5000))[5000:]]

        def write() -> None:
            with path.open("wb", buffering=0) as pipe:
                for part in parts:
                    pipe.write(part)

        writer = threading.Thread(target=write)
        writer.start()
        assert await read_all(path) == pcm(5000)
        writer.join()

    @pytest.mark.parametrize("behind", [b"", chunk(b"LIST", b"INFOodd")])
    async def test_wav_file_ends_where_it_says_though_the_pipe_stays_open(
        self, behind: bytes
    ) -> None:
        read_end, write_end = os.pipe()
        try:
            os.write(write_end, wav(pcm(100)) + behind)
            assert await read_all(f"/dev/fd/{read_end}") == pcm(100)
        finally:
            os.close(read_end)
            os.close(write_end)

    async def test_cancelled_read_leaves_nothing_behind(self) -> None:
        read_end, write_end = os.pipe()
        try:
            threads = threading.active_count()
            os.write(write_end, pcm(100))
            async with open_audio(f"/dev/fd/{read_end}", sample_rate_hz=8_000) as audio:
                reading = asyncio.ensure_future(anext(audio.chunks))
                await asyncio.wait({reading}, timeout=0)
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading
            assert threading.active_count() == threads
            assert len(asyncio.all_tasks()) == 1
        finally:
            os.close(read_end)
            os.close(write_end)


def now() -> float:
    return asyncio.get_running_loop().time()


async def tenths(count: int) -> AsyncIterator[bytes]:
    """Yield this many chunks of 100 ms at 8 kHz."""
    for _ in range(count):
        yield bytes(1600)


class TestPaced:
    def test_chunks_come_at_the_speed_of_speech(self) -> None:
        async def moments() -> list[float]:
            return [now() async for _ in paced(tenths(100), 8_000)]

        assert run_in_virtual_time(moments()) == pytest.approx([n / 10 for n in range(100)])

    def test_delays_do_not_add_up(self) -> None:
        async def moments() -> list[float]:
            found = []
            async for _ in paced(tenths(100), 8_000):
                found.append(now())
                await asyncio.sleep(0.35 if len(found) == 10 else 0.01)
            return found

        found = run_in_virtual_time(moments())
        assert found[10] == pytest.approx(0.9 + 0.35)
        assert found[-1] == pytest.approx(9.9)


class Sink:
    """An open stream that keeps the moments at which audio is sent."""

    def __init__(self) -> None:
        self.input_stream = self
        self.moments: list[float] = []

    async def send_audio_event(self, audio_chunk: bytes) -> None:
        self.moments.append(now())
        await asyncio.sleep(0.35 if len(self.moments) == 10 else 0.01)


class TestRealtimeDelay:
    def test_audio_is_sent_at_the_speed_of_speech_to_its_end(self) -> None:
        async def moments() -> list[float]:
            sink: Any = Sink()
            await apply_realtime_delay(sink, tenths(100), 2, 8_000, 1)
            return [*sink.moments, now()]

        found = run_in_virtual_time(moments())
        assert found[10] == pytest.approx(0.9 + 0.35)
        assert found[-2:] == pytest.approx([9.9, 10.0])

    @pytest.mark.parametrize("numbers", [(0, 8_000, 1), (2, 0.0, 1), (2, 8_000, -1)])
    async def test_numbers_that_give_no_speed_are_refused(self, numbers: Any) -> None:
        sink: Any = Sink()
        with pytest.raises(ValidationException, match="above 0"):
            await apply_realtime_delay(sink, tenths(1), *numbers)


class TestLookahead:
    def test_audio_waits_for_results(self) -> None:
        async def seconds_sent() -> list[int]:
            lookahead = Lookahead(240.0)
            sent = 0

            async def send() -> None:
                nonlocal sent
                async for _ in lookahead.limit(tenths(6000), 8_000):
                    sent += 1

            sending = asyncio.create_task(send())
            found = []
            for position in (None, 0.0, 30.0, 10.0, 90.5):
                lookahead.advance(position)
                await asyncio.sleep(1)
                found.append(sent)
            sending.cancel()
            await asyncio.wait({sending})
            return found

        assert run_in_virtual_time(seconds_sent()) == [2400, 2400, 2700, 2700, 3305]

    def test_silence_without_results_goes_on_in_real_time(self) -> None:
        async def gaps() -> list[float]:
            lookahead = Lookahead(10.0)
            found = [now() async for _ in lookahead.limit(tenths(150), 8_000)]
            return [round(b - a, 3) for a, b in pairwise(found)]

        assert run_in_virtual_time(gaps()) == [0.0] * 99 + [12.0] + [0.1] * 49

    @pytest.mark.parametrize("seconds", [0.0, -1.0, 300.0, float("nan"), "240"])
    def test_span_outside_the_limits_is_refused(self, seconds: Any) -> None:
        with pytest.raises(InvalidParameterException):
            Lookahead(seconds)


class TestMicrophone:
    @pytest.fixture
    def without_sounddevice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sounddevice", None)

    @pytest.mark.usefixtures("without_sounddevice")
    async def test_missing_extra_is_named(self) -> None:
        with pytest.raises(SDKError, match="the microphone needs the extra 'mic'"):
            await read("mic")

    async def test_recorded_blocks_become_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        events: list[str] = []

        class RawInputStream:
            def __init__(self, *, samplerate: int, blocksize: int, callback: Any, **_: Any) -> None:
                assert (samplerate, blocksize) == (16_000, 1600)
                self.callback = callback

            def __enter__(self) -> None:
                events.append("on")
                for value in (b"\1", b"\2"):
                    self.callback(value * 3200, 1600, None, None)

            def __exit__(self, *_: object) -> None:
                events.append("off")

        fake = SimpleNamespace(RawInputStream=RawInputStream, PortAudioError=OSError)
        monkeypatch.setitem(sys.modules, "sounddevice", fake)  # type: ignore[arg-type]
        async with open_audio("mic") as audio:
            assert audio.stop is not None
            assert await anext(audio.chunks) == b"\1" * 3200
            audio.stop()
            assert [chunk async for chunk in audio.chunks] == [b"\2" * 3200]
        assert events == ["on", "off"]

    async def test_one_that_gives_nothing_any_more_has_failed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        silent = SimpleNamespace(RawInputStream=lambda **_: nullcontext(), PortAudioError=OSError)
        monkeypatch.setitem(sys.modules, "sounddevice", silent)  # type: ignore[arg-type]
        blocks: asyncio.Queue[bytes | None] = asyncio.Queue()
        with pytest.raises(AudioFileException, match="gives no audio any more"):
            await anext(record(16_000, 3_200, blocks, timeout=0.01))
