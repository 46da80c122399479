"""Recordings of every container, at every rate, mono and stereo: is what they say heard?

    python -m benchmarks.formats [NAME ...]

A sentence is encoded as each, and transcribed by the local server through `client.transcribe`.
A cell has how many of the rates have three words of four or more, of those that the encoder
takes. The exit code is 1 if any does not.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError
from amazon_transcribe.files import open_client
from tests.support.media import encode
from tests.support.sounds import recording, said_in, share_heard

SENTENCE = "goforward"
RATES = (8_000, 16_000, 22_050, 44_100, 48_000, 96_000)
LAYOUTS = ("mono", "stereo")
FORMATS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "WAV, 8-bit": ("wav", "pcm_u8", {}),
    "WAV, 16-bit": ("wav", "pcm_s16le", {}),
    "WAV, 24-bit": ("wav", "pcm_s24le", {}),
    "WAV, 32-bit": ("wav", "pcm_s32le", {}),
    "WAV, float": ("wav", "pcm_f32le", {}),
    "WAV, µ-law": ("wav", "pcm_mulaw", {}),
    "WAV, A-law": ("wav", "pcm_alaw", {}),
    "WAV, ADPCM": ("wav", "adpcm_ms", {}),
    "AIFF": ("aiff", "pcm_s16be", {}),
    "AU": ("au", "pcm_s16be", {}),
    "CAF": ("caf", "pcm_s16le", {}),
    "FLAC": ("flac", "flac", {}),
    "WavPack": ("wv", "wavpack", {}),
    "MP2": ("mp2", "mp2", {}),
    "MP3": ("mp3", "libmp3lame", {}),
    "AAC": ("adts", "aac", {}),
    "AC-3": ("ac3", "ac3", {}),
    "WMA": ("asf", "wmav2", {}),
    "M4A, AAC": ("ipod", "aac", {}),
    "M4A, ALAC": ("ipod", "alac", {}),
    "Ogg, Vorbis": ("ogg", "vorbis", {}),
    "Ogg, Opus": ("ogg", "libopus", {}),
    "Ogg, FLAC": ("ogg", "flac", {}),
    "Matroska, FLAC": ("matroska", "flac", {}),
    "MPEG-TS, AAC": ("mpegts", "aac", {}),
    "FLV, AAC": ("flv", "aac", {}),
    "MP4 film": ("mp4", "aac", {"video": "mpeg4"}),
    "MOV film": ("mov", "aac", {"video": "mpeg4"}),
    "AVI film": ("avi", "libmp3lame", {"video": "mpeg4"}),
    "WebM film": ("webm", "libopus", {"video": "libvpx"}),
}


async def main(names: list[str]) -> int:
    """Print the table; return 1 if a recording is not heard."""
    print("| recording |", " | ".join(LAYOUTS), "|\n|---|---|---|")
    heard = tried = 0
    async with open_client(local=True) as client:
        for name in names or FORMATS:
            cells = []
            for layout in LAYOUTS:
                recordings = [made for rate in RATES if (made := encoded(name, rate, layout))]
                right = [await is_heard(client, each) for each in recordings].count(True)
                heard, tried = heard + right, tried + len(recordings)
                cells.append(f"{right} of {len(recordings)}" if recordings else "–")
            print("|", name, "|", " | ".join(cells), "|", flush=True)
    print(f"\n{heard} of {tried} recordings are heard")
    return int(heard < tried)


def encoded(name: str, rate: int, layout: str) -> bytes | None:
    """Return a recording, or None if its encoder does not take the rate or the channels."""
    container, codec, options = FORMATS[name]
    try:
        return encode(recording(SENTENCE)[0], container, codec, rate, layout, **options)
    except (OSError, ValueError):  # PyAV's errors are of these too
        return None


async def is_heard(client: TranscribeStreamingClient, made: bytes) -> bool:
    """Whether three words of four are understood."""
    try:
        said = await client.transcribe(made)
    except SDKError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return False
    return share_heard(said.text, said_in(SENTENCE)) >= 0.75


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
