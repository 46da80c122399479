"""What fragments in the documentation take as given: a client, a stream, the reader's code."""

from __future__ import annotations

import asyncio as asyncio
import logging
from typing import Protocol

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.model import StartStreamTranscriptionEventStream


class Vault(Protocol):
    """A store of secrets."""

    async def read(self, path: str) -> dict[str, str]: ...


client: TranscribeStreamingClient
stream: StartStreamTranscriptionEventStream
logger: logging.Logger
vault: Vault
access_key: str
secret_key: str
session_token: str


async def send(*what: object) -> None:
    """Send audio."""


def take_call() -> None:
    """Run the program under test."""


async def receive(*what: object) -> None:
    """Read results."""
