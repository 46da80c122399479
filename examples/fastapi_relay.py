"""A web server that transcribes: live captions by WebSocket, transcripts of uploaded files.

    pip install '.[examples]'
    uvicorn --app-dir examples fastapi_relay:app
    curl -F recording=@examples/audio/goforward.wav http://127.0.0.1:8000/transcripts

Region, credentials and endpoint come from the environment, as in `stream_file.py`, which says
how to use a local server.

At http://127.0.0.1:8000 is the browser's half, `fastapi_relay.html`: speak, and read. A page
opens ws://127.0.0.1:8000/captions, sends binary messages while it records, and an empty one at
the end. They are what its MediaRecorder gives, or 16-bit PCM of an AudioWorklet with
`?sample_rate_hz=` and its rate. Captions come back as they change: `final` will not change any
more, `current` is being said.

On SIGTERM the relay takes no more browsers, and says `{"leave": true}`: the page connects again,
to another relay, lets it have what is said from now on, and then ends what this one has. So all
is heard, though a word may be cut in two: what a MediaRecorder records cannot go on elsewhere in
its middle, as the calls of `relay.py` do. What has not ended after 20 s is closed, with 1012.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, Response
from fastapi.websockets import WebSocketState

from amazon_transcribe.audio import AudioFileException
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.live_captions import LiveCaptions
from amazon_transcribe.model import TranscriptEvent

LEAVE_WITHIN = 20  # seconds

client = TranscribeStreamingClient(
    region=os.environ.get("AWS_REGION", "us-east-1"), limiter=StreamLimiter()
)


stopping = asyncio.Event()
browsers: dict[asyncio.Task[None], WebSocket] = {}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
    loop = asyncio.get_running_loop()
    servers_own = signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(stopping.set))

    async def drain() -> None:
        await stopping.wait()
        signal.signal(signal.SIGTERM, servers_own)  # a second signal ends the server at once
        await client.drain_all(0)
        words = [browser.send_json({"leave": True}) for browser in browsers.values()]
        parting: set[asyncio.Future[Any]] = {asyncio.gather(*words, return_exceptions=True)}
        await asyncio.wait(parting.union(browsers), timeout=LEAVE_WITHIN)
        signal.raise_signal(signal.SIGTERM)

    draining = asyncio.create_task(drain())
    async with client:
        yield
    draining.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/ready")
async def ready() -> Response:
    return Response(status_code=503 if stopping.is_set() else 200)


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(Path(__file__).with_suffix(".html"))


@app.post("/transcripts")
async def transcript(recording: UploadFile) -> dict[str, str]:
    try:
        said = await client.transcribe(recording)
    except AudioFileException as error:
        raise HTTPException(415, str(error)) from error
    except SDKError as error:
        raise HTTPException(502, str(error)) from error
    return {"text": said.text, "captions": said.to_vtt()}


@app.websocket("/captions")
async def captions(browser: WebSocket, sample_rate_hz: int | None = None) -> None:
    live = LiveCaptions()

    async def audio() -> AsyncGenerator[bytes, None]:
        while message := await browser.receive_bytes():
            yield message

    async def show(event: TranscriptEvent) -> None:
        if browser.client_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnect  # `audio` has seen it; nobody waits for the last words
        final = [" ".join(cue.lines) for cue in live.add(event)]
        current = [" ".join(cue.lines) for cue in live.current]
        await browser.send_json({"final": final, "current": current})

    if stopping.is_set():
        return await browser.close()
    await browser.accept()
    task = asyncio.current_task()
    assert task is not None
    browsers[task] = browser
    task.add_done_callback(browsers.pop)
    with suppress(WebSocketDisconnect):
        try:
            await client.transcribe(audio(), sample_rate_hz=sample_rate_hz, on_event=show)
        except SDKError as error:
            await browser.close(1012 if stopping.is_set() else 1011, type(error).__name__)
        else:
            await browser.close()
