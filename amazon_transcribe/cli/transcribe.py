"""`amazon-transcribe transcribe`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from .._protocol.constants import SILENT_SAMPLE
from .._protocol.constraints import SAMPLE_RATE
from ..audio import open_audio
from .arguments import HelpFormatter, whole
from .conversation import Conversation
from .display import Display
from .errors import DONE, Unusable, notice
from .local_server import add_engine, engine_options, start_server
from .output import output_file, print_document
from .signals import run

if TYPE_CHECKING:
    from ..client import TranscribeStreamingClient
    from ..transcription import Result

RESULT_TIMEOUT = 120.0
"""Seconds to wait for the next result: much audio may be sent before it is recognised."""

FORMATS = ("text", "json", "srt", "vtt")


def add_transcribe(commands: Any) -> None:
    """Add the command `transcribe`."""
    parser = commands.add_parser(
        "transcribe",
        help="transcribe a file, standard input or the microphone",
        description="Send audio to Amazon Transcribe, or to a local server, and write the "
        "transcript. On a terminal the words appear while they are spoken.",
        epilog="""examples:
  amazon-transcribe transcribe --local talk.wav
  amazon-transcribe transcribe --local --format srt -o talk.srt talk.wav
  amazon-transcribe transcribe --local --format vtt -o film.vtt film.mp4
  curl -s https://example.com/talk.mp3 |
      amazon-transcribe transcribe --local -
  arecord -f S16_LE -r 16000 |
      amazon-transcribe transcribe --region eu-west-1 -
  amazon-transcribe transcribe --local mic        (Ctrl-C ends the recording)""",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=_transcribe)
    parser.add_argument(
        "audio",
        metavar="AUDIO",
        help="a recording of any kind or raw PCM, '-' for standard input, 'mic' for the microphone",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--local",
        action="store_true",
        help="recognise on this machine, without an AWS account",
    )
    where.add_argument(
        "--endpoint-url", metavar="URL", help="another server, such as one that 'serve' runs"
    )
    parser.add_argument(
        "--region",
        help="AWS region (default: AWS_REGION, AWS_DEFAULT_REGION; us-east-1 with another server)",
    )
    parser.add_argument(
        "--language-code",
        default="en-US",
        metavar="CODE",
        help="spoken language (default: %(default)s)",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="text as it comes, or one document at the end: JSON with 'transcript' and "
        "'results', or captions (default: %(default)s)",
    )
    parser.add_argument(
        "--sample-rate",
        type=whole(SAMPLE_RATE),
        metavar="HZ",
        help="sample rate, 8000 to 48000: raw audio needs it, recordings have their own",
    )
    parser.add_argument(
        "--raw",
        choices=tuple(SILENT_SAMPLE),
        help="the audio has no header and is encoded so, whatever its first bytes look like",
    )
    parser.add_argument(
        "--no-realtime",
        action="store_true",
        help="send faster than speech, up to 240 s of audio ahead of the last result",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write to a file, which appears when it is complete",
    )
    add_engine(parser, "with --local: ")


def _transcribe(arguments: argparse.Namespace) -> int:
    if not arguments.local and (arguments.engine or arguments.script or arguments.alternatives):
        raise Unusable("--engine, --script and --alternatives go with --local")
    interrupts: list[Callable[[], None]] = []
    return run(_transcribe_audio(arguments, interrupts), interrupts)


async def _transcribe_audio(
    arguments: argparse.Namespace, interrupts: list[Callable[[], None]]
) -> int:
    region = _region(arguments)
    with output_file(arguments.output, arguments.audio) as write_document:
        async with AsyncExitStack() as stack:
            audio = await stack.enter_async_context(
                open_audio(arguments.audio, sample_rate_hz=arguments.sample_rate, raw=arguments.raw)
            )
            client = await _connect(arguments, region, stack)
            stream = await client.start_stream_transcription(
                language_code=arguments.language_code,
                media_sample_rate_hz=audio.sample_rate_hz,
                media_encoding="pcm",
            )
            if audio.stop:
                interrupts.append(audio.stop)
            display = None
            if arguments.format == "text" and write_document is None:
                display = Display(sys.stdout)
            conversation = Conversation(stream, audio, not arguments.no_realtime, display)
            try:
                await conversation.run()
            finally:
                if display:
                    display.clear()
        if display is None:
            document = _document(arguments.format, conversation.results, conversation.seconds)
            (write_document or print_document)(document)
    return DONE


def _region(arguments: argparse.Namespace) -> str:
    from ..endpoints import StaticEndpointResolver, default_resolver

    region = (
        arguments.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    )
    if region:
        return str(region)
    if (
        arguments.local
        or arguments.endpoint_url
        or isinstance(default_resolver(), StaticEndpointResolver)
    ):
        return "us-east-1"
    raise Unusable(
        "no region: name one with --region or AWS_REGION, or recognise on this machine with --local"
    )


async def _connect(
    arguments: argparse.Namespace, region: str, stack: AsyncExitStack
) -> TranscribeStreamingClient:
    from ..client import TranscribeStreamingClient

    endpoint_url, credentials = arguments.endpoint_url, None
    if arguments.local:
        server = await start_server(stack, **engine_options(arguments))
        endpoint_url, credentials = server.endpoint_url, server.credentials
        notice(f"local: {server.engine_name} answers")
    return await stack.enter_async_context(
        TranscribeStreamingClient(
            region=region,
            endpoint_url=endpoint_url,
            credential_resolver=credentials,
            idle_timeout=RESULT_TIMEOUT,
        )
    )


def _document(kind: str, results: Sequence[Result], seconds: float) -> str:
    from .. import captions

    if kind == "json":
        return captions.to_json(results)
    if kind == "srt":
        return captions.to_srt(results, seconds)
    if kind == "vtt":
        return captions.to_vtt(results, seconds)
    return captions.to_text(results)
