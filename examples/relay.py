"""A relay for telephone calls, one of a fleet: it can be restarted while people speak.

    pip install '.[valkey]'
    VALKEY_URL=redis://127.0.0.1:6379 python examples/relay.py 9000 9001

A caller connects to the first port and sends a line of JSON, `{"call": ID}`. The answer,
`{"position": N}`, says from which byte of the call's audio to go on: 16-bit mono PCM at 8 kHz, as
fast as it is spoken, to the end, where the caller shuts down its sending half. Final results come
back as lines, `{"final": TEXT, "start": S, "end": S}`, and last `{"over": true}`.

On SIGTERM the relay stores what is open at the server of Valkey and says `{"moved": N}`: the caller
connects again, and another relay goes on, with no word lost. A connection that breaks without a
word was not begun: connect again then too. The second port answers /health, /ready and /metrics.
HOST and MAX_STREAMS have defaults; region, credentials and endpoint come from the environment too,
as in `stream_file.py`.
"""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from contextlib import suppress

from valkey.asyncio import Valkey

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError
from amazon_transcribe.limiter.valkey import ValkeyStreamLimiter
from amazon_transcribe.model import TranscriptEvent
from amazon_transcribe.resume import ResumableTranscription

CHUNK = 1_600  # bytes: 0.1 s
HANDED_OVER = 120  # seconds for which a call may be on its way


class Relay:
    def __init__(
        self, client: TranscribeStreamingClient, limiter: ValkeyStreamLimiter, store: Valkey
    ):
        self.client, self.limiter, self.store = client, limiter, store
        self.calls: dict[asyncio.Task[None], ResumableTranscription | None] = {}
        self.states: dict[ResumableTranscription, str] = {}
        self.ends: Counter[str] = Counter()
        self.stopping = asyncio.Event()

    async def call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.calls[task] = None
        end = "broken"
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                call = json.loads(await reader.readline())["call"]
                end = await self.transcribe(f"relay:call:{call}", task, reader, writer)
        except (SDKError, ValueError, LookupError) as error:
            end = type(error).__name__
            print(f"{end}: {error}", file=sys.stderr)
        finally:
            self.ends[end] += 1
            del self.calls[task]
            writer.close()

    async def transcribe(
        self,
        name: str,
        task: asyncio.Task[None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> str:
        async def say(**message: object) -> None:
            writer.write(json.dumps(message).encode() + b"\n")
            await writer.drain()

        async def send() -> None:
            with suppress(SDKError):  # the reader of results meets the reason
                with suppress(ConnectionError):
                    while chunk := await reader.read(CHUNK):
                        await stream.send_audio_event(chunk)
                await stream.end_stream()

        if handed := await self.store.get(name):
            stream = ResumableTranscription.from_state(self.client, handed)
        else:
            stream = ResumableTranscription(
                self.client, language_code="en-US", media_sample_rate_hz=8_000
            )
        async with stream:
            self.calls[task] = stream
            await self.store.delete(name)
            await say(position=stream.audio_bytes_taken)
            sending = asyncio.create_task(send())
            try:
                async for event in stream:
                    for result in (
                        event.transcript.results if isinstance(event, TranscriptEvent) else ()
                    ):
                        if result.alternatives and not result.is_partial:
                            text = result.alternatives[0].transcript
                            await say(final=text, start=result.start_time, end=result.end_time)
            finally:
                sending.cancel()
                await asyncio.wait({sending})
            if state := self.states.pop(stream, None):
                await self.store.set(name, state, ex=HANDED_OVER)
                await say(moved=stream.audio_bytes_taken)
                while await reader.read(CHUNK):  # or what the caller still sends breaks the line
                    pass
                return "moved"
            await say(over=True)
            return "clean"

    async def hand_over(self) -> None:
        await self.client.drain_all(0)
        calls = dict(self.calls)
        for task, stream in calls.items():
            if stream is None:
                task.cancel()
            else:
                self.states[stream] = stream.export_state()
        if calls:
            await asyncio.wait(calls, timeout=20)

    def metrics(self) -> str:
        ends = [f'{{end="{end}"}} {number}' for end, number in self.ends.items()]
        families: list[tuple[str, str, list[str]]] = [
            ("calls_open", "gauge", [f" {len(self.calls)}"]),
            ("starts_waiting", "gauge", [f" {self.limiter.waiting}"]),
            ("calls_total", "counter", ends),
        ]
        return "".join(
            f"# TYPE relay_{name} {kind}\n" + "".join(f"relay_{name}{s}\n" for s in samples)
            for name, kind, samples in families
        )

    async def page(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, EOFError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            status, text = "200 OK", "ok\n"
            path = request.split(b" ")[1]
            if path == b"/ready" and self.stopping.is_set():
                status, text = "503 Service Unavailable", "stopping\n"
            elif path == b"/metrics":
                text = self.metrics()
            elif path not in (b"/health", b"/ready"):
                status, text = "404 Not Found", ""
            kind = "text/plain; version=0.0.4"
            writer.write(f"HTTP/1.0 {status}\r\ncontent-type: {kind}\r\n\r\n{text}".encode())
            await writer.drain()
        writer.close()


async def main(port: int, page_port: int) -> None:
    host = os.environ.get("HOST", "127.0.0.1")
    region = os.environ.get("AWS_REGION", "us-east-1")
    most = int(os.environ.get("MAX_STREAMS", "25"))
    async with (
        Valkey.from_url(os.environ["VALKEY_URL"]) as store,
        ValkeyStreamLimiter(store, name=region, max_streams=most) as limiter,
        TranscribeStreamingClient(region=region, limiter=limiter, start_timeout=60) as client,
    ):
        relay = Relay(client, limiter, store)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, relay.stopping.set)
        calls = await asyncio.start_server(relay.call, host, port)
        pages = await asyncio.start_server(relay.page, host, page_port)
        ports = [server.sockets[0].getsockname()[1] for server in (calls, pages)]
        print("listening on ports", *ports, flush=True)
        await relay.stopping.wait()
        calls.close()
        await relay.hand_over()
        pages.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
