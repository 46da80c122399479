"""Signatures of the events inside a stream, each of which continues the one before.

Rules: AWS Signature Version 4 for event streams, in the Smithy "Amazon Event Stream
Specification".
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime, timezone
from functools import lru_cache
from hashlib import sha256

from . import Buffer, EventStreamMessage, HmacSha256, encode_headers, encode_signed_event
from .sigv4 import Scope, signing_key, timestamp

EVENT_ALGORITHM = "AWS4-HMAC-SHA256-PAYLOAD"
AUDIO_EVENT_HEADERS = encode_headers(
    {
        ":message-type": "event",
        ":event-type": "AudioEvent",
        ":content-type": "application/octet-stream",
    }
)

_DATE_HEADER = b"\x05:date\x08"  # the name, and the type of a timestamp


class EventChain:
    """The chain of event signatures of one stream.

    The client makes signed frames with it, and the server verifies them. The signing key
    is that of each event's day, so a stream can run past midnight UTC.

    :param prior_signature: The 32 bytes of the request's signature.
    :param clock: Returns the present time, in seconds since 1970.
    """

    __slots__ = ("_clock", "_head", "_region", "_second", "_secret", "_service", "_sign", "prior")

    def __init__(
        self,
        secret_access_key: str,
        region: str,
        service: str,
        prior_signature: bytes,
        clock: Callable[[], float],
    ) -> None:
        self._secret = secret_access_key
        self._region = region
        self._service = service
        self._clock = clock
        self.prior = prior_signature
        self._second = -1
        self._head = b""
        self._sign: Callable[[bytes], bytes] = bytes

    def audio_event(self, chunk: Buffer, headers: bytes | None = AUDIO_EVENT_HEADERS) -> bytes:
        """Return the signed frame of one chunk of audio, ready to be sent.

        :param headers: The event's encoded headers; None if `chunk` is a whole encoded
            message.
        """
        milliseconds = int(self._clock() * 1000)
        if milliseconds // 1000 != self._second:
            self._roll(milliseconds // 1000)
        frame, self.prior = encode_signed_event(
            headers, chunk, milliseconds, self._head, self.prior, self._sign
        )
        return frame

    def wrap(self, message: Buffer) -> bytes:
        """Return the signed frame around a whole encoded message."""
        return self.audio_event(message, None)

    def end(self) -> bytes:
        """Return the signed frame that ends the input: its payload is empty."""
        return self.audio_event(b"", None)

    def verify(self, message: EventStreamMessage) -> bool:
        """Check that a received frame carries the signature that continues the chain.

        The chain moves on only when it does.
        """
        date, signature = message.headers.get(":date"), message.headers.get(":chunk-signature")
        if type(date) is not int or not isinstance(signature, bytes):
            return False
        try:
            if date // 1000 != self._second:
                self._roll(date // 1000)
        except (OverflowError, ValueError, OSError):
            return False
        date_hash = sha256(_DATE_HEADER + date.to_bytes(8, "big", signed=True)).hexdigest()
        hashes = f"{self.prior.hex()}\n{date_hash}\n{sha256(message.payload).hexdigest()}"
        expected = self._sign(self._head + hashes.encode())
        if not hmac.compare_digest(expected, signature):
            return False
        self.prior = expected
        return True

    def _roll(self, second: int) -> None:
        """Renew the parts of the signature that change once a second."""
        self._head, scope = _head(second, self._region, self._service)
        self._sign = _signer(signing_key(self._secret, *scope))
        self._second = second


@lru_cache(maxsize=16)
def _head(second: int, region: str, service: str) -> tuple[bytes, Scope]:
    """Return the first lines of the strings to sign of one second, and their scope."""
    stamp = timestamp(datetime.fromtimestamp(second, timezone.utc))
    scope = Scope(stamp[:8], region, service)
    return f"{EVENT_ALGORITHM}\n{stamp}\n{scope}\n".encode(), scope


# Streams with the same secret share the day's signer.
_signer = lru_cache(maxsize=128)(HmacSha256)
