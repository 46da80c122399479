"""What is lost and doubled when the connections of one recording are cut at random.

    python -m benchmarks.resume [--cuts 200] [--engine moonshine] [--seed 1] [AUDIO.wav]

The recording is repeated until it is long enough, and transcribed once in one piece and
once through a local server whose every connection breaks at a random place: TCP cut,
reset, GOAWAY, truncated, damaged, or ended by an exception. The two transcripts are
compared word by word. Nonzero exit code when audio or final results were lost.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import wave
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.model import Result, TranscriptEvent
from amazon_transcribe.resume import Reconnected, Reconnecting, ResumableTranscription

RECORDING = Path(__file__).parents[1] / "examples" / "audio" / "sense_and_sensibility_all.wav"
KINDS = ("drop", "reset", "goaway", "truncate", "corrupt", "exception")
SECONDS_PER_CUT = 5.0  # of audio; about a segment


@dataclass
class Heard:
    """What one transcription gave."""

    finals: list[Result] = field(default_factory=list)
    losses: list[Reconnecting] = field(default_factory=list)
    returns: list[Reconnected] = field(default_factory=list)
    took: float = 0.0

    def words(self, seconds: float) -> list[list[str]]:
        """The words of each repetition of so many seconds, by the time of their middle."""
        repetitions: list[list[str]] = []
        for result in self.finals:
            for item in result.alternatives[0].items if result.alternatives else ():
                if item.item_type == "pronunciation" and item.content:
                    middle = ((item.start_time or 0.0) + (item.end_time or 0.0)) / 2
                    while len(repetitions) <= middle // seconds:
                        repetitions.append([])
                    repetitions[int(middle // seconds)].append(item.content.lower())
        return repetitions


async def transcribe(pcm: bytes, rate: int, engine: str, faults: list[Fault]) -> Heard:
    heard = Heard()
    async with (
        LocalTranscribe(engine, faults=faults) as server,
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
        ) as stream,
    ):

        async def send() -> None:
            for at in range(0, len(pcm), rate // 5):
                await stream.send_audio_event(pcm[at : at + rate // 5])
            await stream.end_stream()

        start = time.perf_counter()
        sender = asyncio.create_task(send())
        async for event in stream:
            if isinstance(event, TranscriptEvent):
                heard.finals += [r for r in event.transcript.results if not r.is_partial]
            elif isinstance(event, Reconnecting):
                heard.losses.append(event)
            elif isinstance(event, Reconnected):
                heard.returns.append(event)
        await sender
        heard.took = time.perf_counter() - start
    return heard


def compare(whole: list[str], cut: list[str]) -> Counter[str]:
    """Words of the uncut transcript that are lost, other ones, and ones too many."""
    # Levenshtein's table, each cell with the counts on the way to it.
    row = [(n, n, 0, 0) for n in range(len(whole) + 1)]  # cost, lost, other, extra
    for number, word in enumerate(cut, 1):
        last, row = row, [(number, 0, 0, number)]
        for at, expected in enumerate(whole, 1):
            cost, lost, other, extra = last[at - 1]
            wrong = int(expected != word)
            best = (cost + wrong, lost, other + wrong, extra)
            cost, lost, other, extra = last[at]
            best = min(best, (cost + 1, lost, other, extra + 1))
            cost, lost, other, extra = row[at - 1]
            row.append(min(best, (cost + 1, lost + 1, other, extra)))
    _, lost, other, extra = row[-1]
    return Counter({"lost": lost, "other": other, "extra": extra})


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("audio", nargs="?", default=RECORDING, type=Path)
    arguments = parser.parse_args()
    with wave.open(str(arguments.audio)) as file:
        rate, recording = file.getframerate(), file.readframes(file.getnframes())
    seconds = len(recording) / rate / 2
    repeats = max(1, round(arguments.cuts * SECONDS_PER_CUT / seconds))
    pcm = recording * repeats
    faults = [
        Fault(kind, after_seconds=(1.0, 40.0), seed=arguments.seed * 100 + number)
        for number, kind in enumerate(KINDS)
    ]
    whole = await transcribe(pcm, rate, arguments.engine, [])
    cut = await transcribe(pcm, rate, arguments.engine, faults)

    cuts = len(cut.losses)
    expected, heard = whole.words(seconds), cut.words(seconds)
    compared = [compare(a, b) for a, b in zip(expected, heard, strict=True)]
    counts = {kind: sum(c[kind] for c in compared) for kind in ("lost", "other", "extra")}
    ends = [result.end_time or 0.0 for result in cut.finals]
    starts = [result.start_time or 0.0 for result in cut.finals]
    overlaps = sum(start < end for end, start in zip(ends, starts[1:], strict=False))
    ids = Counter(result.result_id for result in cut.finals)
    doubled = sum(count - 1 for count in ids.values())
    forgotten = sum(back.forgotten for back in cut.returns)
    print(f"audio            {seconds * repeats:8.1f} s, {arguments.audio.name} {repeats} times")
    print(f"took             {whole.took:8.1f} s uncut, {cut.took:.1f} s cut")
    reasons = Counter(type(loss.reason).__name__ for loss in cut.losses)
    print(f"cuts             {cuts:8}   {', '.join(f'{n} {c}' for n, c in reasons.items())}")
    print(f"replayed         {sum(back.replayed for back in cut.returns):8.1f} s")
    print(f"words            {sum(map(len, expected)):8} uncut, {sum(map(len, heard))} cut")
    for name, count in counts.items():
        print(f"  {name:<14} {count:8}   {count / max(cuts, 1):.3f} per cut")
    print(f"final results    {len(whole.finals):8} uncut, {len(cut.finals)} cut")
    print(f"  doubled ids    {doubled:8}")
    print(f"  out of order   {overlaps:8}")
    print(f"audio forgotten  {forgotten:8.1f} s")
    return 1 if doubled or overlaps or forgotten else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
