"""Signatures of the events inside a stream, each of which continues the one before.

Rules: AWS Signature Version 4 for event streams, in the Smithy "Amazon Event Stream
Specification".
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime, timezone
from functools import lru_cache, partial

from ..exceptions import InvalidHeaderValue
from . import EventStreamMessage, SignatureChain, encode_headers
from .sigv4 import Scope, signing_key, timestamp

EVENT_ALGORITHM = "AWS4-HMAC-SHA256-PAYLOAD"
AUDIO_EVENT_HEADERS = encode_headers(
    {
        ":message-type": "event",
        ":event-type": "AudioEvent",
        ":content-type": "application/octet-stream",
    }
)


class EventChain(SignatureChain):
    """The chain of event signatures of one stream.

    The client makes signed frames with it, and the server verifies them. The signing key
    is that of each event's day, so a stream can run past midnight UTC.

    :param prior_signature: The 32 bytes of the request's signature.
    :param clock: Returns the present time, in seconds since 1970.
    """

    __slots__ = ()

    def __init__(
        self,
        secret_access_key: str,
        region: str,
        service: str,
        prior_signature: bytes,
        clock: Callable[[], float],
    ) -> None:
        renew = partial(_head_and_key, secret_access_key, region, service)
        super().__init__(prior_signature, clock, renew, AUDIO_EVENT_HEADERS)

    def verify(self, message: EventStreamMessage) -> bool:
        """Check that a received frame carries the signature that continues the chain.

        The chain moves on only when it does.
        """
        date, signature = message.headers.get(":date"), message.headers.get(":chunk-signature")
        if type(date) is not int or not isinstance(signature, bytes):
            return False
        try:
            expected = self.signature(date, message.payload)
        except (InvalidHeaderValue, OverflowError, ValueError, OSError):
            return False  # no date of a calendar
        if not hmac.compare_digest(expected, signature):
            return False
        self.prior = expected
        return True


def _head_and_key(secret: str, region: str, service: str, second: int) -> tuple[bytes, bytes]:
    head, scope = _head(second, region, service)
    return head, signing_key(secret, *scope)


@lru_cache(maxsize=16)
def _head(second: int, region: str, service: str) -> tuple[bytes, Scope]:
    """Return the first lines of the strings to sign of one second, and their scope."""
    stamp = timestamp(datetime.fromtimestamp(second, timezone.utc))
    scope = Scope(stamp[:8], region, service)
    return f"{EVENT_ALGORITHM}\n{stamp}\n{scope}\n".encode(), scope
