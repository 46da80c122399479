"""A file in, a transcription out, in one call.

    transcription = await transcribe_file("talk.wav", local=True)
    print(transcription.text)

`amazon_transcribe.sync` has the same calls for programs without asyncio.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from .client import TranscribeStreamingClient
from .endpoints import StaticEndpointResolver, default_resolver
from .exceptions import ValidationException
from .transcribe import (
    CallSourceParameters,
    MedicalSourceParameters,
    Source,
    SourceParameters,
    Transcription,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .limiter import Limiter
    from .local import LocalTranscribe
    from .transports.base import Transport

__all__ = ["open_client", "transcribe_call", "transcribe_file", "transcribe_medical"]

# For a recogniser on a busy machine, which may have minutes of audio before it.
_IDLE_TIMEOUT = 120.0


async def transcribe_file(
    path: Source,
    *,
    local: bool = False,
    region: str | None = None,
    endpoint_url: str | None = None,
    realtime: bool | None = None,
    **parameters: Unpack[SourceParameters],
) -> Transcription:
    """Transcribe a recording, by Amazon Transcribe or on this machine.

    :param path: The recording's path, or anything else that `client.transcribe` takes.
    :param local: Recognise on this machine, in English, without an AWS account: a local
        server runs for this call. It needs the extra `local`.
    :param region: The AWS region; by default that of AWS_REGION or AWS_DEFAULT_REGION.
    :param endpoint_url: Another endpoint, such as a local server's that runs already.
    :param realtime: See `client.transcribe`: by default the speed of speech to AWS, and as
        fast as possible on this machine.
    :param parameters: The other keywords of `client.transcribe`: `language_code`, `on_event`,
        `channels`, `show_speaker_label` and so on.
    :returns: The text, the words, the results, captions.
    :raises AudioFileException: if the audio cannot be opened.
    :raises EngineUnavailable: with `local`, if the recogniser's packages are missing.
    :raises ValidationException: for a parameter that cannot be, or without a region.
    :raises SDKError: as `client.transcribe`.
    """
    opening = open_client(local=local, region=region, endpoint_url=endpoint_url)
    async with opening as client:
        return await client.transcribe(path, realtime=realtime, **parameters)


async def transcribe_call(
    source: Source,
    *,
    local: bool = False,
    region: str | None = None,
    endpoint_url: str | None = None,
    realtime: bool | None = None,
    **parameters: Unpack[CallSourceParameters],
) -> Transcription:
    """Transcribe and analyse a recording of a call, by Amazon Transcribe or on this machine.

    :param source: A stereo recording, or two recordings as the two sides of the call.
    :param local: As in `transcribe_file`.
    :param region: As in `transcribe_file`.
    :param endpoint_url: As in `transcribe_file`.
    :param realtime: As in `transcribe_file`.
    :param parameters: The other keywords of `client.transcribe_call`: `configuration`,
        `on_event`, `vocabulary_name` and so on.
    :returns: What `client.transcribe_call` returns.
    :raises AudioFileException: if the audio cannot be opened.
    :raises EngineUnavailable: with `local`, if the recogniser's packages are missing.
    :raises ValidationException: for a parameter that cannot be, or without a region.
    :raises SDKError: as `client.transcribe_call`.
    """
    opening = open_client(local=local, region=region, endpoint_url=endpoint_url)
    async with opening as client:
        return await client.transcribe_call(source, realtime=realtime, **parameters)


async def transcribe_medical(
    source: Source,
    *,
    local: bool = False,
    region: str | None = None,
    endpoint_url: str | None = None,
    realtime: bool | None = None,
    **parameters: Unpack[MedicalSourceParameters],
) -> Transcription:
    """Transcribe a recording of medical speech, by Amazon Transcribe or on this machine.

    :param source: As in `transcribe_file`.
    :param local: As in `transcribe_file`.
    :param region: As in `transcribe_file`.
    :param endpoint_url: As in `transcribe_file`.
    :param realtime: As in `transcribe_file`.
    :param parameters: The other keywords of `client.transcribe_medical`: `specialty`,
        `type`, `on_event` and so on.
    :returns: What `client.transcribe_medical` returns.
    :raises AudioFileException: if the audio cannot be opened.
    :raises EngineUnavailable: with `local`, if the recogniser's packages are missing.
    :raises ValidationException: for a parameter that cannot be, or without a region.
    :raises SDKError: as `client.transcribe_medical`.
    """
    opening = open_client(local=local, region=region, endpoint_url=endpoint_url)
    async with opening as client:
        return await client.transcribe_medical(source, realtime=realtime, **parameters)


@asynccontextmanager
async def open_client(
    *,
    local: bool | LocalTranscribe = False,
    region: str | None = None,
    endpoint_url: str | None = None,
    limiter: Limiter | None = None,
    transport: Transport | None = None,
) -> AsyncIterator[TranscribeStreamingClient]:
    """Make a client for a while, of AWS or of a local server that runs as long.

    :param local: Run a local server, which needs the extra `local`; or one that runs.
    :param region: As in `transcribe_file`.
    :param endpoint_url: As in `transcribe_file`.
    :param limiter: As in `TranscribeStreamingClient`.
    :param transport: As in `TranscribeStreamingClient`.
    :raises ValidationException: for `local` together with `endpoint_url`, and without a region.
    :raises EngineUnavailable: with `local`, if the recogniser's packages are missing.
    """
    if local and endpoint_url is not None:
        raise ValidationException("local starts a server of its own: leave out endpoint_url")
    async with AsyncExitStack() as stack:
        credentials = None
        if local is True:
            from .local import LocalTranscribe

            local = await stack.enter_async_context(LocalTranscribe(page=False))
        if local:
            endpoint_url, credentials = local.endpoint_url, local.credentials
        client = TranscribeStreamingClient(
            region=chosen_region(region, endpoint_url),
            endpoint_url=endpoint_url,
            credential_resolver=credentials,
            idle_timeout=_IDLE_TIMEOUT,
            limiter=limiter,
            transport=transport,
        )
        yield await stack.enter_async_context(client)


def chosen_region(region: str | None, endpoint_url: str | None = None) -> str:
    """Return the region that is named, or any for an endpoint that is named."""
    named = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if named:
        return named
    if endpoint_url is not None or isinstance(default_resolver(), StaticEndpointResolver):
        return "us-east-1"
    raise ValidationException(
        "no region: name one by region=, --region or AWS_REGION, or recognise on this machine"
        " by local=True, --local"
    )
