"""How long finals of live speech take, and how many live streams a core recognises.

    python -m benchmarks.latency [--engine NAME] [--speakers] [--seconds S] [STREAMS ...]

A server has one core, where the system lets processes choose; live streams of real speech come
to it over HTTP/2 from a process of their own, each at another place of the recording. The
delay of a final counts from when the end of its last word was sent until the final is there;
0.6 s of it are the pause that ends a segment. Streams are added, to 20 at
least, until the slowest hundredth of the finals is a second later than it is for one stream.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sysconfig
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient

RECORDING = Path(__file__).parents[1] / "examples" / "audio" / "sense_and_sensibility_all.wav"
COMMAND = Path(sysconfig.get_path("scripts")) / "amazon-transcribe"
KEYS = ("AKIDLATENCY", "secret")
CHUNK = 0.1  # seconds
COUNTS = (1, *range(5, 101, 5))
AT_LEAST = 20  # streams, late or not
LATE = 1.0  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--speakers", action="store_true", help="with speaker labels")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each stream")
    parser.add_argument("streams", nargs="*", type=int, metavar="STREAMS", help="only so many")
    arguments = parser.parse_args()
    print(f"{'streams':>7} {'finals':>7} {'p50':>7} {'p99':>7}")
    first = late = None
    with server(arguments.engine) as url:
        for count in arguments.streams or COUNTS:
            delays = asyncio.run(measure(url, count, arguments.seconds, arguments.speakers))
            _, *hundredths = statistics.quantiles([0.0, *delays], n=100)
            p50, p99 = statistics.median(delays), hundredths[-1]
            print(f"{count:7} {len(delays):7} {p50:6.2f}s {p99:6.2f}s", flush=True)
            first = p99 if first is None else first
            late = late or (count if p99 > first + LATE else None)
            if late and count >= AT_LEAST and not arguments.streams:
                break
    if late:
        print(f"with {late} streams finals are late by {LATE:g} s")


@contextmanager
def server(engine: str) -> Iterator[str]:
    """Run a server on one core, and give its URL."""
    command = [COMMAND, "serve", "--engine", engine, "--credentials", ":".join(KEYS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            if hasattr(os, "sched_setaffinity"):
                core = max(os.sched_getaffinity(0))
                for thread in Path(f"/proc/{process.pid}/task").iterdir():
                    os.sched_setaffinity(int(thread.name), {core})
            yield url
        finally:
            process.terminate()


async def measure(url: str, count: int, seconds: float, speakers: bool) -> list[float]:
    """Stream live, and return the delay of each final."""
    with wave.open(str(RECORDING)) as file:
        rate, pcm = file.getframerate(), file.readframes(file.getnframes())
    size = int(CHUNK * rate) * 2
    async with TranscribeStreamingClient(
        region="us-east-1", endpoint_url=url, credential_resolver=StaticCredentialResolver(*KEYS)
    ) as client:
        streams = []
        for number in range(count):
            at = len(pcm) * number // count // 2 * 2
            # Not all at once: their finals would come together, as live speech's do not.
            delay = CHUNK * number / count
            streams.append(live(client, pcm[at:] + pcm[:at], rate, size, seconds, delay, speakers))
        return [delay for delays in await asyncio.gather(*streams) for delay in delays]


async def live(
    client: TranscribeStreamingClient,
    pcm: bytes,
    rate: int,
    size: int,
    seconds: float,
    wait: float,
    speakers: bool,
) -> list[float]:
    """Send one stream at the pace of speech; return the delays of its finals."""
    await asyncio.sleep(wait)
    stream = await client.start_stream_transcription(
        language_code="en-US",
        media_sample_rate_hz=rate,
        media_encoding="pcm",
        show_speaker_label=speakers or None,
    )
    began = time.monotonic()
    ended = False

    async def send() -> None:
        nonlocal ended
        sent = 0.0
        while sent < seconds:
            at = int(sent * rate) * 2 % len(pcm)
            await stream.input_stream.send_audio_event(audio_chunk=pcm[at : at + size])
            sent += CHUNK
            await asyncio.sleep(max(0.0, began + sent - time.monotonic()))
        ended = True
        await stream.input_stream.end_stream()

    sending = asyncio.create_task(send())
    delays = []
    async for event in stream.output_stream:
        for result in event.transcript.results:
            # A segment that the end of the stream cut off is no measure.
            if not result.is_partial and not ended and result.alternatives:
                items = result.alternatives[0].items
                spoken = max(item.end_time or 0.0 for item in items)
                delays.append(time.monotonic() - began - spoken)
    await sending
    return delays


if __name__ == "__main__":
    main()
