"""`amazon-transcribe inspect`."""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..exceptions import ParserError, printable
from .errors import DONE, Unusable, reason
from .output import print_document

if TYPE_CHECKING:
    from ..eventstream import EventStreamMessage


def add_inspect(commands: Any) -> None:
    """Add the command `inspect`."""
    parser = commands.add_parser(
        "inspect",
        help="show event-stream bytes as JSON lines",
        description="Decode application/vnd.amazon.eventstream bytes to JSON, one message a "
        "line: 'offset' in the file, 'headers', and 'payload' (JSON or text), 'payload_base64' "
        "and 'payload_length' (other bytes) or 'message' (the message in a signed event). "
        "Header values that are bytes are shown in hexadecimal.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_inspect)
    parser.add_argument("file", metavar="FILE", help="the file, '-' for standard input")


def _inspect(arguments: argparse.Namespace) -> int:
    from ..eventstream import EventStreamDecoder

    decoder = EventStreamDecoder()
    offset = 0
    try:
        for chunk in _file_chunks(arguments.file):
            for message in decoder.feed(chunk):
                print_document(_json({"offset": offset, **_readable(message)}) + "\n")
                offset += message.prelude.total_length
            if decoder.error:
                raise decoder.error
        decoder.close()
    except ParserError as error:
        name = "standard input" if arguments.file == "-" else arguments.file
        raise Unusable(f"{name}: byte {offset + error.offset}: {error.reason}") from error
    return DONE


def _file_chunks(path: str) -> Iterator[bytes]:
    """Yield the bytes of a file or of standard input as soon as they are there."""
    source: str | int = path
    if path == "-":
        if sys.stdin is None:
            raise Unusable("cannot read standard input: it is closed")
        source = sys.stdin.fileno()
    try:
        with open(source, "rb", buffering=0, closefd=path != "-") as file:
            while chunk := file.read(65_536):
                yield chunk
    except (OSError, ValueError) as error:
        raise Unusable(f"cannot read {path}: {reason(error)}") from error


def _readable(message: EventStreamMessage, unwrap: bool = True) -> dict[str, Any]:
    headers = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in message.headers.items()
    }
    if unwrap and message.payload and ":chunk-signature" in headers:
        from ..eventstream import decode_message

        # Signing wraps once; a hostile file could nest deeper.
        with suppress(ParserError):
            wrapped = decode_message(message.payload)
            return {"headers": headers, "message": _readable(wrapped, unwrap=False)}
    return {"headers": headers, **_readable_payload(headers.get(":content-type"), message.payload)}


def _readable_payload(content_type: object, payload: bytes) -> dict[str, Any]:
    import msgspec

    if content_type != "application/octet-stream":
        with suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return {"payload": msgspec.json.decode(payload)}
        if b"\0" not in payload:
            with suppress(UnicodeDecodeError):
                return {"payload": payload.decode()}
    return {
        "payload_base64": base64.b64encode(payload).decode(),
        "payload_length": len(payload),
    }


def _json(value: object) -> str:
    import msgspec

    return printable(msgspec.json.encode(value).decode())
