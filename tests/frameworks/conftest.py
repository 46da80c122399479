"""Recordings, and what skips the tests of a framework that is not installed.

With AMAZON_TRANSCRIBE_REQUIRE_FRAMEWORKS=1 they fail instead.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from amazon_transcribe.audio import open_audio

AUDIO = Path(__file__).parents[2] / "examples" / "audio"
RATE = 16_000

REQUIRED = os.environ.get("AMAZON_TRANSCRIBE_REQUIRE_FRAMEWORKS") == "1"


def need(framework: str) -> None:
    """Skip the module whose framework is not here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what frameworks import is their own affair
            importlib.import_module(framework)
    except ImportError as error:
        if REQUIRED:
            raise
        pytest.skip(f"{error}: `make frameworks` installs it", allow_module_level=True)


async def recording(name: str) -> AsyncIterator[bytes]:
    """Yield a recording by 20 ms."""
    async with open_audio(AUDIO / f"{name}.wav", sample_rate_hz=RATE, chunk_seconds=0.02) as audio:
        async for chunk in audio.chunks:
            yield chunk
