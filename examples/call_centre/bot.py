"""A call-centre bot: it hears why a caller calls, and knows which department to connect.

    pip install pytest
    python -m pytest examples/call_centre    # its tests, which need no AWS and no network

The audio is 16-bit mono PCM at 8 kHz, as telephones give it, until the caller has spoken.
"""

from collections.abc import AsyncIterator

from amazon_transcribe.captions import to_text
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError

DEPARTMENTS = {"invoice": "billing", "broken": "repairs", "cancel": "sales"}


async def department_for(call: AsyncIterator[bytes]) -> str:
    """Return the department that a caller needs; in doubt, and in trouble, the reception."""
    try:
        async with TranscribeStreamingClient(region="eu-central-1") as client:
            stream = await client.start_stream_transcription(
                language_code="en-US", media_sample_rate_hz=8_000, media_encoding="pcm"
            )
            async for chunk in call:
                await stream.input_stream.send_audio_event(audio_chunk=chunk)
            said = to_text(r for event in await stream.drain() for r in event.transcript.results)
    except SDKError:
        said = ""
    return next((where for word, where in DEPARTMENTS.items() if word in said), "reception")
