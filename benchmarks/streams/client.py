"""One client under load, alone in its process; run by `python -m benchmarks.streams`.

It takes one argument, what to do as JSON, and prints one line of JSON with the figures.
It runs in every client's environment and imports nothing of ours but the client itself.
"""

import asyncio
import gc
import json
import os
import ssl
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

AUDIO = bytes(3200)
EVERY = 5  # audio events for one transcript event, see the server
WINDOW = 40  # audio events of one stream that the server has not confirmed, at full rate


class Ours:
    """This package; `crt` puts it on awscrt. The original SDK has the same interface."""

    def __init__(self, task):
        from amazon_transcribe.auth import StaticCredentialResolver
        from amazon_transcribe.client import TranscribeStreamingClient

        options = {"credential_resolver": StaticCredentialResolver("AKIDEXAMPLE", "secret")}
        if task["client"] == "original":
            from amazon_transcribe.endpoints import StaticEndpointResolver

            options["endpoint_resolver"] = StaticEndpointResolver(task["url"])
        else:
            options |= {"endpoint_url": task["url"], "start_timeout": 60, "connect_timeout": 60}
            if task["client"] == "crt":
                from amazon_transcribe.transports.crt import CrtTransport

                options["transport"] = CrtTransport(connect_timeout=60)
            elif task["shared"]:
                options["max_streams_per_connection"] = 100_000
        self.client = TranscribeStreamingClient(region="us-east-1", **options)
        if hasattr(self.client, "__aenter__"):
            self.enter = self.client.__aenter__

    async def enter(self):
        pass

    async def start(self):
        stream = await self.client.start_stream_transcription(
            language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
        )
        send = stream.input_stream.send_audio_event
        return lambda: send(audio_chunk=AUDIO), stream.output_stream, stream.input_stream.end_stream


class Successor:
    """aws-sdk-transcribe-streaming."""

    def __init__(self, task):
        self.task = task

    async def enter(self):
        from aws_sdk_transcribe_streaming.client import AsyncTranscribeStreamingClient
        from aws_sdk_transcribe_streaming.config import AsyncTranscribeStreamingConfig
        from smithy_http.aio.crt import AWSCRTHTTPClient

        config = await AsyncTranscribeStreamingConfig.resolve(
            region="us-east-1",
            endpoint_uri=self.task["url"],
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            transport=AWSCRTHTTPClient(),
        )
        self.client = AsyncTranscribeStreamingClient(config)

    async def start(self):
        from aws_sdk_transcribe_streaming.models import (
            AudioEvent,
            AudioStreamAudioEvent,
            StartStreamTranscriptionInput,
        )

        stream = await self.client.start_stream_transcription(
            StartStreamTranscriptionInput(
                language_code="en-US", media_sample_rate_hertz=16000, media_encoding="pcm"
            )
        )
        _, output = await stream.await_output()
        send = stream.input_stream.send

        def send_audio():
            return send(AudioStreamAudioEvent(value=AudioEvent(audio_chunk=AUDIO)))

        return send_audio, output, stream.input_stream.close


class Nothing:
    """No client: what the benchmark itself costs."""

    def __init__(self, task):
        self.sent = 0

    async def enter(self):
        pass

    async def start(self):
        return self.send, self, self.send

    async def send(self):
        self.sent += 1

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.Event().wait()


class Wire(Nothing):
    """TLS alone: bytes made beforehand, written by hand; what comes is not looked at.

    No client on the same loop can send the events for less.
    """

    def __init__(self, task):
        self.url = urlsplit(task["url"])

    async def enter(self):
        self.context = ssl.create_default_context()
        self.context.set_alpn_protocols(["h2"])

    async def start(self):
        loop = asyncio.get_running_loop()
        stream = _WireStream(loop.create_future())
        where = self.url.hostname, self.url.port
        await loop.create_connection(lambda: stream, *where, ssl=self.context)
        await stream.open
        return stream.send, self, stream.send


class _WireStream(asyncio.Protocol):
    def __init__(self, answered):
        self.open = answered

    def connection_made(self, transport):
        from h2.connection import H2Connection

        from amazon_transcribe._wire.event_signing import EventChain

        self.transport = transport
        self.h2 = H2Connection()
        self.h2.initiate_connection()
        fields = {":method": "POST", ":scheme": "https", ":authority": "a", ":path": "/"}
        self.h2.send_headers(1, list(fields.items()))
        transport.write(self.h2.data_to_send())
        chain = EventChain("secret", "us-east-1", "transcribe", bytes(32), time.time)
        event = chain.audio_event(AUDIO)
        self.event = len(event).to_bytes(3, "big") + b"\0\0\0\0\0\1" + event

    def data_received(self, data):
        if not self.open.done():
            self.h2.receive_data(data)
            self.transport.write(self.h2.data_to_send())
            del self.h2  # it would count
            self.open.set_result(None)

    async def send(self):
        self.transport.write(self.event)


CLIENTS = {"successor": Successor, "nothing": Nothing, "wire": Wire}


def resident():
    """KiB of this process in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


async def started(client, task):
    """The streams, what their starts took, and the memory after the first 21."""
    before = resident()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    first = await client.start()
    cold = loop.time() - begun
    streams, warm = [first], []
    while len(streams) < min(task["streams"], 21):
        begun = loop.time()
        streams.append(await client.start())
        warm.append(loop.time() - begun)
    base, cpu = resident(), time.process_time()
    here = len(streams)
    while len(streams) < task["streams"]:
        more = min(10, task["streams"] - len(streams))
        streams += await asyncio.gather(*(client.start() for _ in range(more)))
    figures = {"cold_ms": cold * 1e3}
    if warm:
        figures["warm_ms"] = sorted(warm)[len(warm) // 2] * 1e3
    if len(streams) > here:
        figures["start_cpu_us"] = (time.process_time() - cpu) / (len(streams) - here) * 1e6
        await asyncio.sleep(0.2)
        figures["kib"] = (resident() - base) / (len(streams) - here)
    figures["process_kib"] = resident() - before
    return streams, figures, base


async def idle(seconds):
    await asyncio.sleep(0.5)
    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    return {"idle": (time.process_time() - cpu) / (time.perf_counter() - begun)}


async def kept(client):
    """The time of a start on a connection that an earlier stream has left behind."""
    took = []
    for _ in range(10):
        begun = time.perf_counter()
        _, results, end = await client.start()
        took.append(time.perf_counter() - begun)
        await end()
        async for _ in results:
            pass
    return {"kept_ms": sorted(took[1:])[4] * 1e3}


async def real_time(streams, seconds, base):
    """Ten events a second on each stream, the streams spread over the tenth of a second."""
    loop = asyncio.get_running_loop()
    late, received = [], 0
    begun = loop.time() + 0.2

    async def write(number, send):
        due = begun + 0.1 * number / len(streams)
        for _ in range(int(seconds * 10) + 10):
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            if due > begun + 1:  # the first second is for warming up
                late.append(loop.time() - due)
            await send()
            due += 0.1

    async def read(results):
        nonlocal received
        async for _ in results:
            received += 1

    readers = [asyncio.ensure_future(read(results)) for _, results, _ in streams]
    writers = [write(number, send) for number, (send, _, _) in enumerate(streams)]
    cpu = 0.0

    async def mark():
        nonlocal cpu
        await asyncio.sleep(begun + 1 - loop.time())
        cpu = time.process_time()

    await asyncio.gather(mark(), *writers)
    cpu = time.process_time() - cpu
    took = loop.time() - begun - 1
    kib = (resident() - base) / max(len(streams) - 21, 1)
    for reader in readers:
        reader.cancel()
    late.sort()
    return {
        "event_us": cpu / len(late) * 1e6,
        "cpu": cpu / took,
        "sending_kib": kib,
        "p50_ms": late[len(late) // 2] * 1e3,
        "p99_ms": late[int(len(late) * 0.99)] * 1e3,
        "received": received,
    }


async def full_rate(streams, seconds):
    """As fast as it goes, the server's transcripts holding back the senders."""
    sent, stop = 0, False

    async def write(send, results):
        nonlocal sent
        ours, confirmed = 0, 0
        go_on = asyncio.Event()

        async def read():
            nonlocal confirmed
            async for _ in results:
                confirmed += EVERY
                go_on.set()

        reader = asyncio.ensure_future(read())
        while not stop:
            if ours - confirmed >= WINDOW:
                go_on.clear()
                await go_on.wait()
                continue
            await send()
            ours += 1
            sent += 1
        reader.cancel()

    writers = [asyncio.ensure_future(write(send, results)) for send, results, _ in streams]
    await asyncio.sleep(0.5)
    cpu, begun, count = time.process_time(), time.perf_counter(), sent
    await asyncio.sleep(seconds)
    cpu, took, count = time.process_time() - cpu, time.perf_counter() - begun, sent - count
    stop = True
    await asyncio.sleep(0.1)
    for writer in writers:
        writer.cancel()
    return {"event_us": cpu / count * 1e6, "rate": count / took, "cpu": cpu / took}


async def main(task):
    client = CLIENTS.get(task["client"], Ours)(task)
    await client.enter()
    figures = {}
    if task["kept"]:
        figures |= await kept(client)
    streams, starts, base = await started(client, task)
    figures |= starts
    if task["idle"]:
        figures |= await idle(task["idle"])
    if task["real_time"]:
        figures |= await real_time(streams, task["real_time"], base)
    if task["full_rate"]:
        figures |= await full_rate(streams, task["full_rate"])
    print(json.dumps(figures), flush=True)
    # Streams and threads are left as they are: how clients close is not measured.
    os._exit(0)


if __name__ == "__main__":
    what = json.loads(sys.argv[1])
    if what["core"] is not None:
        os.sched_setaffinity(0, {what["core"]})
    if what["first"]:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    if what["loop"] == "uvloop":
        import uvloop

        uvloop.run(main(what))
    else:
        asyncio.run(main(what))
