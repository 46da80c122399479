"""A Transcribe on your own machine: the real protocol, real speech recognition, no account.

It runs as long as the block does:

    async with LocalTranscribe() as server:
        client = TranscribeStreamingClient(
            region="us-east-1",
            endpoint_url=server.endpoint_url,
            credential_resolver=server.credentials,
        )
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .faults import Fault

if TYPE_CHECKING:
    from .server import LocalTranscribe
    from .service.records import StreamRecord, StreamsNotEnded

__all__ = ["Fault", "LocalTranscribe", "StreamRecord", "StreamsNotEnded"]


def __getattr__(name: str) -> Any:
    # The command's help reads the table of faults; it must not load the whole server.
    if name == "LocalTranscribe":
        from .server import LocalTranscribe

        return LocalTranscribe
    if name in ("StreamRecord", "StreamsNotEnded"):
        from .service import records

        return getattr(records, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
