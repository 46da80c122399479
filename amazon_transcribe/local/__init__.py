"""A Transcribe of one's own: the real protocol, real speech recognition, no account.

It runs as long as the block does:

    async with LocalTranscribe() as server:
        client = TranscribeStreamingClient(
            region="us-east-1",
            endpoint_url=server.endpoint_url,
            credential_resolver=server.credentials,
        )
"""

from .faults import Fault
from .server import LocalTranscribe

__all__ = ["Fault", "LocalTranscribe"]
