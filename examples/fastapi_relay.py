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
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, HTTPException, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse
from fastapi.websockets import WebSocketState

from amazon_transcribe.audio import AudioFileException
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.live_captions import LiveCaptions
from amazon_transcribe.model import TranscriptEvent

client = TranscribeStreamingClient(
    region=os.environ.get("AWS_REGION", "us-east-1"), limiter=StreamLimiter()
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
    async with client:
        yield


app = FastAPI(lifespan=lifespan)


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

    await browser.accept()
    with suppress(WebSocketDisconnect):
        try:
            await client.transcribe(audio(), sample_rate_hz=sample_rate_hz, on_event=show)
        except SDKError as error:
            await browser.close(1011, type(error).__name__)
        else:
            await browser.close()
