"""What is lost and doubled when the connections of one recording are cut at random.

    python -m benchmarks.resume [--cuts 200] [--channels 2] [--pace 2] [--seed 1]
                                [--engine E] [AUDIO.wav]

The recording is repeated until it is long enough. It is transcribed twice: in one piece, and
through a local server that breaks every connection at a random place: TCP cut, reset,
GOAWAY, truncated, damaged, or ended by an exception. Without a pace the audio is sent as fast
as the replay buffer takes it, so each cut has a minute of audio to send again; a pace of 1 is
real time. With two channels, recognised apart, the second hears the same audio half a
recording later: it is silent at the beginning, the first one at the end.

Three things are checked:

- Words: the two transcripts are compared. For each difference the report says whether it lies
  in a segment that was cut.
- Audio: a connection has to get the recording from where it begins to where the next one
  does, byte by byte, and must not begin after the end of a channel's last final result or
  the beginning of its open segment.
- Results: ids are unique; in each channel the times of results and of their words rise.

The exit code is not 0 if audio or final results were lost or doubled, or cuts are missing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import wave
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.engines import Engine, Recognition, RecognitionOptions, load_engine
from amazon_transcribe.resume import Reconnected, Reconnecting, ResumableTranscription
from amazon_transcribe.transcription import Item, Result, TranscriptEvent

RECORDING = Path(__file__).parents[1] / "examples" / "audio" / "sense_and_sensibility_all.wav"
KINDS = ("drop", "reset", "goaway", "truncate", "corrupt", "exception")
SECONDS_PER_CUT = 5.0  # of audio; about a segment
CUT_AFTER = (1.0, 40.0)  # seconds of audio on a connection, the soonest of the kinds

Word = tuple[str, float]
"""A word and the time of its middle, in seconds."""


class Recording:
    """An engine that keeps all audio it gets, stream by stream."""

    quick = False

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self.languages = engine.languages
        self.streams: list[bytearray] = []
        self._engine = engine

    def open(self, options: RecognitionOptions) -> Recognition:
        self.streams.append(bytearray())
        return _Recorded(self._engine.open(options), self.streams[-1])

    def close(self) -> None:
        self._engine.close()


class _Recorded:
    def __init__(self, recognition: Recognition, audio: bytearray) -> None:
        self._recognition = recognition
        self._audio = audio

    def accept(self, pcm: bytes) -> list[Result]:
        self._audio += pcm
        return self._recognition.accept(pcm)

    def finish(self) -> list[Result]:
        return self._recognition.finish()


@dataclass(frozen=True)
class Channel:
    """The audio of one channel: the recording, and silence around it.

    :param name: As in results; None where there is one channel only.
    :param pcm: All of it.
    :param begins: Where the recording begins, in seconds.
    :param ends: Where it ends.
    """

    name: str | None
    pcm: bytes
    begins: float
    ends: float


def channels(pcm: bytes, rate: int, count: int, delay: float) -> list[Channel]:
    """Return one channel, or two of which the second begins `delay` seconds late."""
    seconds = len(pcm) / rate / 2
    if count == 1:
        return [Channel(None, pcm, 0.0, seconds)]
    silence = bytes(2 * round(delay * rate))
    return [
        Channel("ch_0", pcm + silence, 0.0, seconds),
        Channel("ch_1", silence + pcm, delay, delay + seconds),
    ]


@dataclass
class Heard:
    """The outcome of one transcription."""

    engine: Recording
    finals: list[Result] = field(default_factory=list)
    losses: list[Reconnecting] = field(default_factory=list)
    returns: list[Reconnected] = field(default_factory=list)
    skipped: float = 0.0  # seconds between what is settled and the next connection's start
    took: float = 0.0

    def of(self, channel: Channel) -> list[Result]:
        return [result for result in self.finals if result.channel_id == channel.name]

    def items(self, channel: Channel) -> Iterator[Item]:
        for result in self.of(channel):
            for item in result.alternatives[0].items if result.alternatives else ():
                if item.item_type == "pronunciation" and item.content:
                    yield item

    def words(self, channel: Channel, seconds: float) -> list[list[Word]]:
        """Return the words of each repetition of the recording, which is so many seconds long."""
        repetitions: list[list[Word]] = []
        for item in self.items(channel):
            middle = ((item.start_time or 0.0) + (item.end_time or 0.0)) / 2
            number = int((middle - channel.begins) // seconds)
            while len(repetitions) <= number:
                repetitions.append([])
            repetitions[number].append(((item.content or "").lower(), middle))
        return repetitions

    def cut_segments(self, channel: Channel) -> list[tuple[float, float]]:
        """Return begin and end of the segments that a connection begins with."""
        starts = [back.start for back in self.returns]
        ends = [result.end_time or 0.0 for result in self.of(channel)]
        return [
            (start, min((end for end in ends if end > start), default=start)) for start in starts
        ]

    def falls(self, channel: Channel) -> int:
        """Count the times that are lower than the one before them."""
        pieces: tuple[Iterable[Result | Item], ...] = (self.of(channel), self.items(channel))
        times = ([t or 0.0 for p in each for t in (p.start_time, p.end_time)] for each in pieces)
        return sum(a > b for each in times for a, b in pairwise(each))

    def unaccounted(self, pcm: bytes, bytes_per_second: int, streams: list[bytearray]) -> float:
        """Return the seconds of a channel that no connection was given.

        A connection that was cut before any audio has no stream in the engine.

        :param streams: What the channel's recognisers were given.
        """
        starts = {0, *(2 * round(back.start * bytes_per_second / 2) for back in self.returns)}
        given = iter(streams)
        audio = next(given, None)
        missing = 0
        for start, stop in pairwise([*sorted(starts), len(pcm)]):
            reach = start
            while audio is not None and pcm[start : start + len(audio)] == audio:
                reach = max(reach, start + len(audio))
                audio = next(given, None)
            missing += max(stop - reach, 0)
        if audio is not None:
            raise SystemExit("a connection was given audio from another place of the recording")
        return missing / bytes_per_second


async def transcribe(
    sounds: list[Channel], rate: int, engine: str, pace: float | None, faults: list[Fault]
) -> Heard:
    heard = Heard(Recording(load_engine(engine)))
    pcm = sounds[0].pcm
    apart: dict[str, Any] = {}
    if len(sounds) > 1:
        samples = array("h", bytes(2 * len(pcm)))
        for number, sound in enumerate(sounds):
            samples[number :: len(sounds)] = array("h", sound.pcm)
        pcm = samples.tobytes()
        apart = {"enable_channel_identification": True, "number_of_channels": len(sounds)}
    size = rate // 10 * 2 * len(sounds)
    settled = dict.fromkeys((sound.name for sound in sounds), 0.0)
    async with (
        LocalTranscribe(heard.engine, faults=faults) as server,
        TranscribeStreamingClient(
            region="us-east-1",
            endpoint_url=server.endpoint_url,
            credential_resolver=server.credentials,
        ) as client,
        ResumableTranscription(
            client,
            language_code="en-US",
            media_sample_rate_hz=rate,
            backoff=0.01,
            max_failures=50,
            **apart,
        ) as stream,
    ):
        start = time.perf_counter()

        async def send() -> None:
            for number, at in enumerate(range(0, len(pcm), size)):  # a tenth of a second
                if pace:
                    due = start + number / 10 / pace
                    await asyncio.sleep(max(due - time.perf_counter(), 0))
                await stream.send_audio_event(pcm[at : at + size])
            await stream.end_stream()

        sender = asyncio.create_task(send())
        async for event in stream:
            if isinstance(event, TranscriptEvent):
                for result in event.transcript.results:
                    at = result.start_time if result.is_partial else result.end_time
                    settled[result.channel_id] = at or 0.0
                    if not result.is_partial:
                        heard.finals.append(result)
            elif isinstance(event, Reconnecting):
                heard.losses.append(event)
            elif isinstance(event, Reconnected):
                heard.returns.append(event)
                for sound in sounds:
                    last = max(settled[sound.name], sound.begins)
                    skipped = min(event.start, sound.ends) - last
                    heard.skipped += skipped if skipped > 0.001 else 0.0
        await sender
        heard.took = time.perf_counter() - start
    heard.engine.close()
    return heard


@dataclass(frozen=True)
class Difference:
    """A word of one transcript that the other lacks, or has another word for."""

    kind: str
    at: float
    words: str


def compare(whole: list[Word], cut: list[Word]) -> tuple[Difference, ...]:
    """Return the words of the uncut transcript that are lost, replaced, and too many."""
    # Levenshtein's table; each cell holds the differences on the way to it.
    row: list[tuple[Difference, ...]] = [()]
    for word, at in whole:
        row.append((*row[-1], Difference("lost", at, word)))
    for word, at in cut:
        last, row = row, [(*row[0], Difference("extra", at, word))]
        for number, (expected, place) in enumerate(whole, 1):
            same = last[number - 1]
            other = Difference("other", at, f"{expected} → {word}")
            ways = [
                same if word == expected else (*same, other),
                (*last[number], Difference("extra", at, word)),
                (*row[number - 1], Difference("lost", place, expected)),
            ]
            row.append(min(ways, key=len))
    return row[-1]


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--channels", type=int, default=1, choices=(1, 2))
    parser.add_argument(
        "--pace", type=float, help="times real time; by default as fast as the buffer takes it"
    )
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("audio", nargs="?", default=RECORDING, type=Path)
    arguments = parser.parse_args()
    with wave.open(str(arguments.audio)) as file:
        rate, recording = file.getframerate(), file.readframes(file.getnframes())
    seconds = len(recording) / rate / 2
    repeats = max(1, round(arguments.cuts * SECONDS_PER_CUT / seconds))
    sounds = channels(recording * repeats, rate, arguments.channels, round(seconds) // 2)
    faults = [
        Fault(kind, after_seconds=CUT_AFTER, seed=arguments.seed * 100 + number)
        for number, kind in enumerate(KINDS)
    ]
    whole = await transcribe(sounds, rate, arguments.engine, None, [])
    cut = await transcribe(sounds, rate, arguments.engine, arguments.pace, faults)

    cuts = len(cut.losses)
    words = [0, 0]
    differences: list[tuple[Difference, bool]] = []  # and whether in a segment that was cut
    disorder = 0
    unaccounted = cut.skipped
    for number, sound in enumerate(sounds):
        expected, heard = whole.words(sound, seconds), cut.words(sound, seconds)
        words = [a + sum(map(len, b)) for a, b in zip(words, (expected, heard), strict=True)]
        segments = cut.cut_segments(sound)
        for a, b in zip(expected, heard, strict=True):
            differences += [(d, any(s <= d.at <= e for s, e in segments)) for d in compare(a, b)]
        disorder += cut.falls(sound)
        given = cut.engine.streams[number :: len(sounds)]
        unaccounted += cut.unaccounted(sound.pcm, 2 * rate, given)
    doubled = len(cut.finals) - len({result.result_id for result in cut.finals})
    forgotten = sum(back.forgotten for back in cut.returns)
    print(f"audio            {seconds * repeats:8.1f} s, {arguments.audio.name} {repeats} times")
    print(f"took             {whole.took:8.1f} s uncut, {cut.took:.1f} s cut")
    reasons = Counter(type(loss.reason).__name__ for loss in cut.losses)
    print(f"cuts             {cuts:8}   {', '.join(f'{n} {c}' for n, c in reasons.items())}")
    print(f"sent again       {sum(back.replayed for back in cut.returns):8.1f} s")
    print(f"words            {words[0]:8} uncut, {words[1]} cut")
    for kind in ("lost", "other", "extra"):
        found = [(d.words, near) for d, near in differences if d.kind == kind]
        near = sum(near for _, near in found)
        print(f"  {kind:<14} {len(found):8}   of them {near} in a segment that was cut")
        for text, times in Counter(text for text, _ in found).most_common():
            print(f"    {times} times {text}")
    print(f"final results    {len(whole.finals):8} uncut, {len(cut.finals)} cut")
    print(f"  doubled ids    {doubled:8}")
    print(f"  times that fall{disorder:8}")
    print(f"audio forgotten  {forgotten:8.1f} s")
    print(f"audio given to no connection {unaccounted:8.1f} s")
    return 1 if doubled or disorder or forgotten or unaccounted or cuts < arguments.cuts else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
